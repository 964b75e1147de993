"""RDATA of SVCB and HTTPS records, in both directions; with ``understood``, whether a client can use the record."""

from __future__ import annotations

from privproc.discovery import ServiceBinding, compatible
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    data = case.hex("rdata")
    if case.expect:
        with raises(case.expect):
            ServiceBinding.decode(data)
        with raises(case.expect):
            compatible([data], understood=())
        return
    binding = ServiceBinding.decode(data)
    params = tuple((key, bytes.fromhex(value)) for key, value in case["params"])
    assert binding == ServiceBinding(case["priority"], case.hex("target"), params)
    assert binding.encode() == data
    assert binding.ohttp is case["ohttp"]
    assert bool(compatible([data], understood=case["understood"])) is case["compatible"]

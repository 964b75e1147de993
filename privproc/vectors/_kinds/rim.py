"""RIMs: manifests of NVIDIA's reference values. The root is a fake one, given by its SHA-256."""

from __future__ import annotations

from privproc.attestation.nvidia import Roots, verify_rim
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    data, roots = case["rim"].encode(), Roots((case.hex("root_sha256"),))
    expected = {"product": case["product"], "roots": roots, "at": case["at"]}
    if case.expect is not None:
        with raises(case.expect, case["reason"]):
            verify_rim(data, **expected)
        return
    found = verify_rim(data, **expected)
    rim = found.get(at=case["at"])
    assert (rim.product, rim.version) == (case["product"], case["version"])
    assert {str(index): [each.hex() for each in values] for index, values in rim.values.items()} == case["values"]
    assert (found.not_before, found.not_after) == (case["not_before"], case["not_after"])
    assert found.digest == case.hex("digest")

"""``arc-fault``: one presentation before a server of ARC."""

from __future__ import annotations

from contextlib import nullcontext

from privproc.secret import Secret
from privproc.tokens.experimental.arc import Framing, ServerKey
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    key = ServerKey(Framing[case["framing"]], Secret(case.hex("scalars")))
    refused = raises(case.expect) if case.expect else nullcontext()
    with refused as caught:
        key.verify(
            case.hex("presentation"),
            request_context=case.hex("request_context"),
            presentation_context=case.hex("presentation_context"),
            limit=case["limit"],
        )
    assert case.expect is None or type(caught.value) is case.expect

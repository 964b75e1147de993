"""One proof of possession against a token's nonce and a transcript hash."""

from __future__ import annotations

from privproc.tokens import verify_possession
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    values = [case.hex(name) for name in ("pop", "nonce", "th1", "proof")]
    if case.expect is None:
        verify_possession(*values)
        return
    with raises(case.expect) as raised:
        verify_possession(*values)
    assert type(raised.value) is case.expect

"""One proof of possession against a token's nonce and a transcript hash."""

from __future__ import annotations

import pytest

from privproc.tokens import verify_possession


def run(case) -> None:
    values = [case.hex(name) for name in ("pop", "nonce", "th1", "proof")]
    if case.expect is None:
        verify_possession(*values)
        return
    with pytest.raises(case.expect) as raised:
        verify_possession(*values)
    assert type(raised.value) is case.expect

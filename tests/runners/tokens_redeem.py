"""One token before an origin that expects one challenge and holds one key for a time."""

from __future__ import annotations

import pytest

from privproc import trust
from privproc.tokens import BLIND_RSA, Origin, Token, TokenChallenge, TokenKey


def run(case) -> None:
    spki = case.hex("spki")
    not_before, not_after = case["valid"]
    key = trust.pin(TokenKey(BLIND_RSA, spki), spki, not_before=not_before, not_after=not_after)
    challenge = TokenChallenge.decode(case.hex("challenge"))
    token = Token.decode(case.hex("token"))
    if case.expect is None:
        assert Origin([key]).redeem(token, challenge=challenge, at=case["at"]).token == token
        return
    with pytest.raises(case.expect) as raised:
        Origin([key]).redeem(token, challenge=challenge, at=case["at"])
    assert type(raised.value) is case.expect

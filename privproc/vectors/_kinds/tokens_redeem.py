"""One token before an origin that expects one challenge and holds one key for a time."""

from __future__ import annotations

from privproc import trust, voprf
from privproc.secret import Secret
from privproc.tokens import BLIND_RSA, Origin, PrivateTokenKey, Token, TokenChallenge, TokenKey
from privproc.vectors._kinds.tokens_voprf import SUITES
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    not_before, not_after = case["valid"]
    if "spki" in case:
        held: TokenKey | PrivateTokenKey = TokenKey(BLIND_RSA, case.hex("spki"))
    else:
        held = PrivateTokenKey(voprf.PrivateKey(SUITES[case["token_type"]], Secret(case.hex("skS"))))
    key = trust.pin(held, b"", not_before=not_before, not_after=not_after)
    challenge = TokenChallenge.decode(case.hex("challenge"))
    token = Token.decode(case.hex("token"))
    if case.expect is None:
        assert Origin([key]).redeem(token, challenge=challenge, at=case["at"]).token == token
        return
    with raises(case.expect) as raised:
        Origin([key]).redeem(token, challenge=challenge, at=case["at"])
    assert type(raised.value) is case.expect

"""RFC 9577 A.1: challenges, their digest, and what the authenticator signs."""

from __future__ import annotations

from privproc.errors import UnsupportedError
from privproc.tokens import BLIND_RSA, GREASE, VOPRF, Token, TokenChallenge
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    signed = case.hex("token_authenticator_input")
    token_type = int(case["token_type"], 16)
    if case.expect is UnsupportedError:
        assert token_type in GREASE
        for decode in (Token.decode, TokenChallenge.decode):
            with raises(UnsupportedError):
                decode(signed)
        return
    assert case.expect is None
    origins = case.hex("origin_info").decode()
    challenge = TokenChallenge(
        token_type,
        case.hex("issuer_name").decode(),
        case.hex("redemption_context"),
        tuple(origins.split(",")) if origins else (),
    )
    assert TokenChallenge.decode(challenge.encode()) == challenge
    authenticator = bytes({VOPRF: 48, BLIND_RSA: 256}[token_type])
    token = Token(token_type, case.hex("nonce"), challenge.digest, case.hex("token_key_id"), authenticator)
    assert token.authenticator_input == signed
    assert Token.decode(signed + authenticator) == token

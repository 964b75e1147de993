"""RFC 9578 B.2: issuance of type 0x0002 from the client's randomness to the token, and its redemption."""

from __future__ import annotations

import hashlib

from privproc import trust
from privproc.blindrsa import PrivateKey
from privproc.secret import Secret
from privproc.tokens import BLIND_RSA, Issuer, IssuerKey, Origin, Token, TokenChallenge, TokenKey, TokenRequest
from privproc.tokens.issuance import _derand_request
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    spki = case.hex("pkS")
    key = TokenKey(BLIND_RSA, spki)
    assert key.public_key.encode_spki() == spki
    assert key.key_id == hashlib.sha256(spki).digest()
    trusted = trust.pin(key, spki, not_before=0, not_after=10)
    challenge = TokenChallenge.decode(case.hex("token_challenge"))
    assert challenge.encode() == case.hex("token_challenge")

    issuer = Issuer([IssuerKey(PrivateKey.decode_pkcs8(Secret(case.hex("skS"))), 0, 10)])
    response = case.hex("token_response")
    wire, pending = _derand_request(challenge, trusted, case.hex("nonce"), case.hex("salt"), case.hex("blind"), at=5)
    assert wire == case.hex("token_request")
    assert TokenRequest.decode(wire).encode() == wire
    if case.expect is not None:
        assert issuer.issue(wire, at=5) != response
        with raises(case.expect):
            pending.finish(response)
        return
    assert issuer.issue(wire, at=5) == response
    token = pending.finish(response)
    assert token.encode() == case.hex("token")
    assert Token.decode(case.hex("token")) == token
    assert Origin([trusted]).redeem(token, challenge=challenge, at=5).spend_key.nonce == case.hex("nonce")

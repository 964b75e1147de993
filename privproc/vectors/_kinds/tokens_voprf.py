"""RFC 9578 B.1: issuance of type 0x0001 from the client's randomness to the token, and its redemption."""

from __future__ import annotations

import hashlib

from privproc import trust, voprf
from privproc.errors import DecodeError
from privproc.secret import Secret
from privproc.tokens import (
    VOPRF,
    VOPRF_RISTRETTO255,
    Issuer,
    IssuerKey,
    Origin,
    PrivateTokenKey,
    Token,
    TokenChallenge,
    TokenKey,
    TokenRequest,
)
from privproc.tokens.issuance import _derand_request
from privproc.vectors.case import Case

SUITES = {VOPRF: voprf.P384_SHA384, VOPRF_RISTRETTO255: voprf.RISTRETTO255_SHA512}
ORDERS = {
    VOPRF: (0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973, "big"),
    VOPRF_RISTRETTO255: (2**252 + 27742317777372353535851937790883648493, "little"),
}


class OpaqueChallenge:
    """A challenge as RFC 9578 sees it, any bytes: some vectors have an issuer name that RFC 9577 doesn't allow."""

    def __init__(self, encoded: bytes) -> None:
        self.token_type = int.from_bytes(encoded[:2], "big")
        self.digest = hashlib.sha256(encoded).digest()


def challenge_of(encoded: bytes):
    try:
        challenge = TokenChallenge.decode(encoded)
    except DecodeError:
        assert b"Issuer Name" in encoded
        return OpaqueChallenge(encoded)
    assert challenge.encode() == encoded
    return challenge


def pinned(key):
    return trust.pin(key, b"", not_before=0, not_after=10)


def proof_nonce(token_type: int, secret: bytes, proof: bytes) -> bytes:
    """What the vectors leave out of a proof (c, s): r = s + c * k."""
    order, byteorder = ORDERS[token_type]
    size = len(secret)
    c, s, k = (int.from_bytes(part, byteorder) for part in (proof[:size], proof[size:], secret))
    return ((s + c * k) % order).to_bytes(size, byteorder)


def run(case: Case) -> None:
    assert case.expect is None
    token_type = case["token_type"]
    secret, encoded = case.hex("skS"), case.hex("pkS")
    private = voprf.PrivateKey(SUITES[token_type], Secret(secret))
    key = TokenKey(token_type, encoded)
    assert TokenKey.of(private.public_key) == key
    challenge = challenge_of(case.hex("token_challenge"))
    wire, pending = _derand_request(challenge, pinned(key), case.hex("nonce"), case.hex("blind"), at=5)
    assert wire == case.hex("token_request")
    assert TokenRequest.decode(wire).encode() == wire

    response, split = case.hex("token_response"), key.kind.blinded_size
    nonce = proof_nonce(token_type, secret, response[split:])
    (evaluated,), proof = voprf.VoprfServer(private)._derand_blind_evaluate((wire[3:],), nonce)
    assert evaluated + proof == response
    assert Issuer([IssuerKey(private, 0, 10)]).issue(wire, at=5)[:split] == evaluated

    token = pending.finish(response)
    assert token.encode() == case.hex("token")
    assert Token.decode(case.hex("token")) == token
    origin = Origin([pinned(PrivateTokenKey(private))])
    assert origin.redeem(token, challenge=challenge, at=5).spend_key.nonce == case.hex("nonce")

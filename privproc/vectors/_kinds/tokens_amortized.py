"""Amortized batches of draft-ietf-privacypass-batched-tokens-07, from the client's randomness to redeemed tokens."""

from __future__ import annotations

from privproc import voprf
from privproc.secret import Secret
from privproc.tokens import AmortizedRequest, Issuer, IssuerKey, Origin, PrivateTokenKey, TokenKey, issue_batch
from privproc.tokens.amortized import _derand_request_batch
from privproc.vectors._kinds.tokens_voprf import SUITES, challenge_of, pinned, proof_nonce
from privproc.vectors._kinds.voprf import hexes
from privproc.vectors.case import Case, raises


def run(case: Case) -> None:
    token_type = case["token_type"]
    secret = case.hex("skS")
    private = voprf.PrivateKey(SUITES[token_type], Secret(secret))
    key = TokenKey(token_type, case.hex("pkS"))
    assert TokenKey.of(private.public_key) == key
    challenge = challenge_of(case.hex("token_challenge"))
    nonces, blinds = hexes(case, "nonces"), hexes(case, "blinds")
    wire, pending = _derand_request_batch(challenge, pinned(key), nonces, blinds, at=5)
    assert wire == case.hex("token_request")
    response = case.hex("token_response")
    if case.expect is not None:
        with raises(case.expect) as caught:
            pending.finish(response)
        assert type(caught.value) is case.expect
        return

    asked = AmortizedRequest.decode(wire)
    assert asked.encode() == wire
    server, proof_size = voprf.VoprfServer(private), private.suite.proof_size
    nonce = proof_nonce(token_type, secret, response[-proof_size:])
    evaluated, proof = server._derand_blind_evaluate(asked.blinded_msgs, nonce)
    assert response.endswith(b"".join(evaluated) + proof)
    issued = issue_batch(Issuer([IssuerKey(private, 0, 10)]), wire, at=5, limit=len(nonces))
    assert issued[:-proof_size] == response[:-proof_size]

    tokens = pending.finish(response)
    assert [token.encode() for token in tokens] == hexes(case, "tokens")
    origin = Origin([pinned(PrivateTokenKey(private))])
    for token in tokens:
        assert origin.redeem(token, challenge=challenge, at=5).token == token

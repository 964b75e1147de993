"""Generic batches of draft-ietf-privacypass-batched-tokens-07: several types and keys in one message."""

from __future__ import annotations

from privproc import voprf
from privproc.blindrsa import PrivateKey
from privproc.secret import Secret
from privproc.tokens import (
    BLIND_RSA,
    Issuer,
    IssuerKey,
    Origin,
    PrivateTokenKey,
    TokenKey,
    issue_generic_batch,
    request_generic_batch,
)
from privproc.tokens.issuance import _derand_request
from privproc.vectors._kinds.tokens_voprf import SUITES, challenge_of, pinned
from privproc.vectors.case import Case, raises

FIELDS = {"type", "skS", "pkS", "token_challenge", "nonce", "blind", "token"}


class Item:
    """One token of a batch."""

    def __init__(self, values: dict) -> None:
        token_type = int(values["type"], 16)
        rsa = token_type == BLIND_RSA
        assert set(values) == FIELDS | ({"salt"} if rsa else set())
        field = {name: bytes.fromhex(value) for name, value in values.items()}
        secret = Secret(field["skS"])
        private = PrivateKey.decode_pkcs8(secret) if rsa else voprf.PrivateKey(SUITES[token_type], secret)
        key = TokenKey(token_type, field["pkS"])
        self.issuer_key = IssuerKey(private, 0, 10)
        assert self.issuer_key.token_key == TokenKey(token_type, field["pkS"], 0)
        self.accepted = pinned(key if rsa else PrivateTokenKey(private))
        self.challenge = challenge_of(field["token_challenge"])
        randomness = (field["salt"], field["blind"]) if rsa else (field["blind"],)
        self.request = _derand_request(self.challenge, pinned(key), field["nonce"], *randomness, at=5)
        self.token = field["token"]


def run(case: Case) -> None:
    items = [Item(values) for values in case["issuance"]]
    wire, pending = request_generic_batch([item.request for item in items])
    assert wire == case.hex("token_request")
    response = case.hex("token_response")
    if case.expect is not None:
        with raises(case.expect) as caught:
            pending.finish(response)
        assert type(caught.value) is case.expect
        return
    issuer = Issuer({item.issuer_key.token_key.key_id: item.issuer_key for item in items}.values())
    answer = issue_generic_batch(issuer, wire, at=5, limit=len(items))
    assert (answer.status, answer.issued) == (200, len(items))
    assert len(answer.content) == len(response)

    for item, token in zip(items, pending.finish(response), strict=True):
        assert token.encode() == item.token
        assert Origin([item.accepted]).redeem(token, challenge=item.challenge, at=5).token == token

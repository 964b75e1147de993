"""Anonymous tokens: Privacy Pass with blind RSA (RFC 9577, RFC 9578, token type 0x0002), and what privproc/1 adds.

The way of a token::

    wire, pending = request_bound(challenge, issuer_key, at=now)     device; or request() for a bearer token
    response = issuer.issue(wire, at=now)                            issuer
    bound = pending.finish(response)                                 device: token and proof key
    redeemed = origin.redeem(token, challenge=expected, at=now)      gateway
    verify_possession(pop, redeemed.token.nonce, th1, proof)         gateway
    reservation = store.reserve(redeemed.spend_key, at=now, lease=60)
"""

from __future__ import annotations

from privproc.tokens.challenge import OfferedChallenge, TokenChallenge, decode_offers, grease_challenge
from privproc.tokens.directory import DIRECTORY_PATH, DIRECTORY_TYPE, IssuerDirectory
from privproc.tokens.issuance import (
    REQUEST_TYPE,
    RESPONSE_TYPE,
    BoundToken,
    Issuer,
    IssuerKey,
    PendingBoundToken,
    PendingToken,
    TokenRequest,
    request,
    request_bound,
)
from privproc.tokens.possession import ED25519, STATEMENT_SIZE, ProofKey, verify_possession
from privproc.tokens.redemption import Origin, Redemption
from privproc.tokens.store import Lease, MemoryStore, Reservation, SpendKey, Store
from privproc.tokens.token import BLIND_RSA, GREASE, VOPRF, Token, TokenKey

__all__ = [
    "BLIND_RSA",
    "DIRECTORY_PATH",
    "DIRECTORY_TYPE",
    "ED25519",
    "GREASE",
    "REQUEST_TYPE",
    "RESPONSE_TYPE",
    "STATEMENT_SIZE",
    "VOPRF",
    "BoundToken",
    "Issuer",
    "IssuerDirectory",
    "IssuerKey",
    "Lease",
    "MemoryStore",
    "OfferedChallenge",
    "Origin",
    "PendingBoundToken",
    "PendingToken",
    "ProofKey",
    "Redemption",
    "Reservation",
    "SpendKey",
    "Store",
    "Token",
    "TokenChallenge",
    "TokenKey",
    "TokenRequest",
    "decode_offers",
    "grease_challenge",
    "request",
    "request_bound",
    "verify_possession",
]

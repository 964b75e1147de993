"""Anonymous tokens: Privacy Pass (RFC 9577, RFC 9578), its batches, and what privproc/1 adds.

Token types: blind RSA (0x0002), which anybody can verify; the same with public metadata (0xDA7A); and VOPRF on P-384
(0x0001) and ristretto255 (0x0005), which only the holder of the issuer's key can. privproc/1 uses the first.
The way of a token::

    wire, pending = request_bound(challenge, issuer_key, at=now)     device; or request() for a bearer token
    response = issuer.issue(wire, at=now)                            issuer
    bound = pending.finish(response)                                 device: token and proof key
    redeemed = origin.redeem(token, challenge=expected, at=now)      gateway
    verify_possession(pop, redeemed.token.nonce, th1, proof)         gateway
    reservation = store.reserve(redeemed.spend_key, at=now, lease=60)

Around it: :class:`Wallet` holds a device's tokens and draws when to fetch, :class:`Grant` buys them without an
identity, :class:`Decision` says how many, and :mod:`privproc.tokens.sqlite` is a store on the disk.
"""

from __future__ import annotations

from privproc.tokens.amortized import (
    AMORTIZED_REQUEST_TYPE,
    AMORTIZED_RESPONSE_TYPE,
    AmortizedRequest,
    PendingBatch,
    issue_batch,
    request_batch,
)
from privproc.tokens.challenge import OfferedChallenge, TokenChallenge, decode_offers, grease_challenge
from privproc.tokens.directory import DIRECTORY_PATH, DIRECTORY_TYPE, IssuerDirectory
from privproc.tokens.extended import (
    ExtendedIssuer,
    ExtendedIssuerKey,
    ExtendedOrigin,
    ExtendedRedemption,
    ExtendedToken,
    ExtendedTokenRequest,
    PendingExtendedToken,
    request_extended,
)
from privproc.tokens.extensions import (
    EXPIRATION,
    Expiration,
    ExpirationPolicy,
    Extension,
    ExtensionPolicy,
    Extensions,
    ExtensionSet,
    ListedExtensions,
    OfferedExtensions,
)
from privproc.tokens.generic import (
    GENERIC_REQUEST_TYPE,
    GENERIC_RESPONSE_TYPE,
    GenericAnswer,
    PendingGenericBatch,
    issue_generic_batch,
    request_generic_batch,
)
from privproc.tokens.grants import MAX_GRANT_BATCH, Grant, GrantRequest, GrantUse, redeem_grant, verify_grant
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
from privproc.tokens.kinds import BLIND_RSA, PUBLIC_METADATA, VOPRF, VOPRF_RISTRETTO255
from privproc.tokens.lenient import decode_offers_leniently
from privproc.tokens.possession import ED25519, STATEMENT_SIZE, ProofKey, verify_possession
from privproc.tokens.quota import Decision, MemoryQuotas, QuotaLedger
from privproc.tokens.redemption import Origin, PrivateTokenKey, Redemption
from privproc.tokens.store import Lease, MemoryStore, Reservation, SpendKey, Store
from privproc.tokens.token import GREASE, Token, TokenKey
from privproc.tokens.wallet import NoTokenError, Plan, Source, Wallet

__all__ = [
    "AMORTIZED_REQUEST_TYPE",
    "AMORTIZED_RESPONSE_TYPE",
    "BLIND_RSA",
    "DIRECTORY_PATH",
    "DIRECTORY_TYPE",
    "ED25519",
    "EXPIRATION",
    "GENERIC_REQUEST_TYPE",
    "GENERIC_RESPONSE_TYPE",
    "GREASE",
    "MAX_GRANT_BATCH",
    "PUBLIC_METADATA",
    "REQUEST_TYPE",
    "RESPONSE_TYPE",
    "STATEMENT_SIZE",
    "VOPRF",
    "VOPRF_RISTRETTO255",
    "AmortizedRequest",
    "BoundToken",
    "Decision",
    "Expiration",
    "ExpirationPolicy",
    "ExtendedIssuer",
    "ExtendedIssuerKey",
    "ExtendedOrigin",
    "ExtendedRedemption",
    "ExtendedToken",
    "ExtendedTokenRequest",
    "Extension",
    "ExtensionPolicy",
    "ExtensionSet",
    "Extensions",
    "GenericAnswer",
    "Grant",
    "GrantRequest",
    "GrantUse",
    "Issuer",
    "IssuerDirectory",
    "IssuerKey",
    "Lease",
    "ListedExtensions",
    "MemoryQuotas",
    "MemoryStore",
    "NoTokenError",
    "OfferedChallenge",
    "OfferedExtensions",
    "Origin",
    "PendingBatch",
    "PendingBoundToken",
    "PendingExtendedToken",
    "PendingGenericBatch",
    "PendingToken",
    "Plan",
    "PrivateTokenKey",
    "ProofKey",
    "QuotaLedger",
    "Redemption",
    "Reservation",
    "Source",
    "SpendKey",
    "Store",
    "Token",
    "TokenChallenge",
    "TokenKey",
    "TokenRequest",
    "Wallet",
    "decode_offers",
    "decode_offers_leniently",
    "grease_challenge",
    "issue_batch",
    "issue_generic_batch",
    "redeem_grant",
    "request",
    "request_batch",
    "request_bound",
    "request_extended",
    "request_generic_batch",
    "verify_grant",
    "verify_possession",
]

"""Two stages: a long-lived *grant*, got once with an identity, buys batches of single-use tokens without one.

The attester sees a device once in a grant's life; who redeems grants sees a grant, and how many tokens it bought, but
neither who it is of nor which tokens came of it. A grant is an ordinary bound token of an issuer key of its own::

    grant = Grant(pending.finish(response))                                  device, after an ordinary issuance
    wire, batch = grant.request(challenge, key, count=32, epoch=7, at=now)   device, at a planned moment
    use = redeem_grant(wire, origin=..., challenge=..., epoch=7, at=now)     redeemer: genuine, possessed, this epoch
    ledger.charge(use.decision(limit=32), count=use.count, once=use.once)    redeemer's ledger
    answer = use.issue(issuer, at=now)                                       redeemer
    tokens = batch.finish(answer.content)                                    device: into the wallet

**What a token commits to.** Its nonce commits to ``pop`` (docs/protocol.md §2), and ``pop`` to the grant, through its
salt, which was random bytes to everybody but the device and still is::

    opening = HMAC-SHA-256(proof private key, lp("privproc/1 grant-opening"))
    salt    = SHA-256( lp("privproc/1 grant") || lp(opening) || lp(Token of the grant) )
    pop     = uint16 alg || public key || salt                nonce = SHA-256( lp("privproc/1 pop") || lp(pop) )

Both, and not the grant alone, since a salted hash of the grant is all that Private Cloud Compute's tokens carry: they
are bearer tokens, which whoever reads a device's store can spend elsewhere (CVE-2025-43509). Not one inside of a new
layout, since so neither the wire nor the gateway's check changes, and a token from a grant looks like any other. The
issuer signs blindly and can't check the commitment; it counts for whoever is shown ``opening`` and grant
(:func:`verify_grant`). That is never the gateway: a grant links the tokens that it bought. It is for the enclave, once
appraised, when it must know that the spender holds a grant and not just a token that was lifted. The opening is
derived from the token's own proof key, so a wallet keeps nothing more for it; it says nothing about the key.

Redeeming a grant takes a proof over the very request, so a copied grant or a logged request buys nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import NamedTuple, final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privproc._step import Step, Unique
from privproc.errors import DecodeError, ExpiredError, UnsupportedError, UntrustedError, UsageError
from privproc.secret import Secret
from privproc.tagged import lp, tagged_hash
from privproc.tokens.challenge import TokenChallenge
from privproc.tokens.generic import (
    GenericAnswer,
    PendingGenericBatch,
    _requests,
    issue_generic_batch,
    request_generic_batch,
)
from privproc.tokens.issuance import BoundToken, Issuer, PendingBoundToken, TokenRequest, _blind
from privproc.tokens.possession import STATEMENT_SIZE, ProofKey, verify_possession
from privproc.tokens.quota import Decision
from privproc.tokens.redemption import Origin, Redemption
from privproc.tokens.token import Token, TokenKey
from privproc.trust import Trusted
from privproc.wire import Reader, Writer

__all__ = ["MAX_GRANT_BATCH", "Grant", "GrantRequest", "GrantUse", "redeem_grant", "verify_grant"]

MAX_GRANT_BATCH = 1024
"""Tokens of one request."""

VERSION = 1
PROOF, OPENING, STORED = 64, 32, 64
MAX_BATCH_SIZE = MAX_GRANT_BATCH * 259 + 8
REQUEST_LABEL = "grant request"  # T's label: not one of privproc/1's session, so no proof serves for both
ACCOUNT_LABEL = "grant account"
SALT_PREFIX = lp(b"privproc/1 grant")
OPENING_PREFIX = lp(b"privproc/1 grant-opening")


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """What a device sends to redeem a grant.

    ::

        struct {
            uint8 version = 1;
            uint64 epoch;
            opaque token_key_id[32];            the key that all tokens of the batch are asked for under
            Token grant;                        146, 354 or 162 bytes
            opaque pop[66];
            opaque proof[64];                   over T("grant request", epoch, token_key_id, grant, batch)
            opaque batch<1..265224>;            3 bytes of length; GenericBatchTokenRequest, up to 1024 requests
        } GrantRequest;
    """

    epoch: int
    token_key_id: bytes
    grant: Token
    pop: bytes = field(repr=False)
    proof: bytes = field(repr=False)
    batch: bytes = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> GrantRequest:
        """Raises :class:`UnsupportedError` for another version or token type, else :class:`DecodeError`."""
        return Reader.all(data, "GrantRequest", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> GrantRequest:
        if (version := reader.u8()) != VERSION:
            raise UnsupportedError(f"GrantRequest: version {version}")
        epoch, key_id, grant = reader.u64(), reader.take(32), Token._read(reader)
        return cls(
            epoch, key_id, grant, reader.take(STATEMENT_SIZE), reader.take(PROOF), reader.vector(3, 1, MAX_BATCH_SIZE)
        )

    def encode(self) -> bytes:
        """The bytes of the structure."""
        writer = Writer().uint(1, VERSION).uint(8, self.epoch).raw(self.token_key_id).raw(self.grant.encode())
        return writer.raw(self.pop).raw(self.proof).vector(3, self.batch).done()

    @property
    def signed(self) -> bytes:
        """What the proof is over (48 bytes)."""
        return _signed(self.epoch, self.token_key_id, self.grant, self.batch)


@final
class Grant(Unique):
    """A grant and its proof key, on the device. Used many times, within its issuer key's time; never shown whole."""

    __slots__ = ("_proof_key", "_token")

    def __init__(self, bound: BoundToken) -> None:
        self._token, self._proof_key = bound.spend()

    def request(
        self, challenge: TokenChallenge, key: Trusted[TokenKey], *, count: int, epoch: int, at: int
    ) -> tuple[bytes, PendingGenericBatch[BoundToken]]:
        """A :class:`GrantRequest` for ``count`` tokens that commit to this grant, and what reads the answer.

        Raises :class:`ExpiredError` when ``key`` isn't in use at ``at``, :class:`UnsupportedError` for a challenge of
        another token type, :class:`UsageError` for a count or epoch out of range.
        """
        if not 0 < count <= MAX_GRANT_BATCH or not 0 <= epoch < 1 << 63:
            raise UsageError(f"a request for 1 to {MAX_GRANT_BATCH} tokens, in an epoch")
        requests = []
        for _ in range(count):
            proof_key = _committed(self._token)
            wire, blinded = _blind(challenge, key, proof_key.nonce, at)
            requests.append((wire, PendingBoundToken((blinded, proof_key))))
        batch, pending = request_generic_batch(requests)
        key_id = key.get(at=at).key_id
        proof = self._proof_key.sign(_signed(epoch, key_id, self._token, batch))
        asked = GrantRequest(epoch, key_id, self._token, self._proof_key.statement, proof, batch)
        return asked.encode(), pending

    def open(self, proof_key: ProofKey) -> tuple[Token, bytes]:
        """For the enclave alone: the grant, and the opening (32 bytes) of a token's commitment to it.

        Raises :class:`UsageError` for the proof key of a token that this grant didn't buy.
        """
        opening = _opening(proof_key._key)
        if _salt(opening, self._token) != proof_key.statement[-OPENING:]:
            raise UsageError("the token doesn't commit to this grant")
        return self._token, opening

    def to_secret(self) -> Secret:
        """For the device's store: private key and salt of the proof key (64 bytes), then the token."""
        return Secret(self._proof_key.to_secret().expose() + self._token.encode())

    @classmethod
    def from_secret(cls, secret: Secret) -> Grant:
        """The grant that :meth:`to_secret` gave. Raises :class:`DecodeError` for anything else."""
        data = secret.expose()
        if len(data) < STORED:
            raise DecodeError("stored grant", f"{len(data)} bytes")
        proof_key, token = ProofKey.from_secret(Secret(data[:STORED])), Token.decode(data[STORED:])
        if token.nonce != proof_key.nonce:
            raise DecodeError("stored grant", "token and proof key don't belong together")
        return cls(BoundToken(token, proof_key))


class _Use(NamedTuple):
    redemption: Redemption
    asked: GrantRequest
    requests: list[TokenRequest]


@final
class GrantUse(Step[_Use]):
    """A grant that is genuine and possessed by who asks. Charge :meth:`decision` to the ledger, then issue, once."""

    __slots__ = ()

    @property
    def count(self) -> int:
        """How many tokens are asked for."""
        return len(self._look().requests)

    @property
    def once(self) -> bytes:
        """The digest of the request (32 bytes), for the ledger to know it by."""
        return hashlib.sha256(self._look().asked.signed).digest()

    def decision(self, *, limit: int) -> Decision:
        """The grant's account in its epoch, which may have up to ``limit`` tokens.

        The account is a hash of the grant's key id and nonce, the same in each epoch: the grant itself comes each time.
        """
        use = self._look()
        token = use.redemption.token
        account = tagged_hash(ACCOUNT_LABEL, token.token_key_id, token.nonce)[:32]
        return Decision(account, use.asked.epoch, limit)

    def issue(self, issuer: Issuer, *, at: int) -> GenericAnswer:
        """The answer, as :func:`issue_generic_batch` makes it. To be called after the ledger took the charge.

        Raises :class:`UnsupportedError` for requests under another key than the signed one, :class:`ExpiredError` for
        a key that isn't in use.
        """
        use = self._take()
        key_id = use.asked.token_key_id
        for asked in use.requests:
            # The truncated id that a TokenRequest carries doesn't tell keys apart that the proof does.
            if issuer.key(asked.token_type, asked.truncated_key_id, at=at).token_key.key_id != key_id:
                raise UnsupportedError("GrantRequest: a request under another key than the one that was signed")
        return issue_generic_batch(issuer, use.asked.batch, at=at, limit=len(use.requests))


def redeem_grant(request: bytes, *, origin: Origin, challenge: TokenChallenge, epoch: int, at: int) -> GrantUse:
    """Check a :class:`GrantRequest`. ``origin`` holds the keys of grants, ``challenge`` is the one that grants are for.

    In this order: form (:class:`DecodeError`, :class:`UnsupportedError`, :class:`LimitError`), epoch
    (:class:`ExpiredError`), the grant as :meth:`Origin.redeem` does, the proof as :func:`verify_possession` does.
    Nothing is charged yet.
    """
    asked = GrantRequest.decode(request)
    requests = _requests(asked.batch, MAX_GRANT_BATCH)
    if asked.epoch != epoch:
        raise ExpiredError("GrantRequest: of another epoch")
    redemption = origin.redeem(asked.grant, challenge=challenge, at=at)
    verify_possession(asked.pop, asked.grant.nonce, asked.signed, asked.proof)
    return GrantUse(_Use(redemption, asked, requests))


def verify_grant(pop: bytes, opening: bytes, grant: Redemption) -> None:
    """Check that a token whose ``pop`` was verified (:func:`verify_possession`) commits to ``grant``.

    ``opening`` (32 bytes) and the grant's token come from the spender; that the grant is genuine, in time and for the
    right challenge is what its :class:`Redemption` says. Raises :class:`DecodeError` for another size,
    :class:`UntrustedError` when the token commits to something else.
    """
    if len(pop) != STATEMENT_SIZE or len(opening) != OPENING:
        raise DecodeError("grant opening", f"pop has {STATEMENT_SIZE} bytes, an opening {OPENING}")
    if not hmac.compare_digest(_salt(opening, grant.token), pop[-OPENING:]):
        raise UntrustedError("the token doesn't commit to this grant")


def _signed(epoch: int, key_id: bytes, grant: Token, batch: bytes) -> bytes:
    return tagged_hash(REQUEST_LABEL, epoch.to_bytes(8, "big"), key_id, grant.encode(), batch)


def _committed(grant: Token) -> ProofKey:
    """A fresh proof key whose salt commits to the grant."""
    key = Ed25519PrivateKey.generate()
    return ProofKey(key, _salt(_opening(key), grant))


def _opening(key: Ed25519PrivateKey) -> bytes:
    return hmac.digest(key.private_bytes_raw(), OPENING_PREFIX, "sha256")


def _salt(opening: bytes, grant: Token) -> bytes:
    return hashlib.sha256(SALT_PREFIX + lp(opening) + lp(grant.encode())).digest()

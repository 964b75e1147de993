"""The wallet: tokens of a device between their issue and their use, which are kept apart in time.

The issuer knows the device and when it asked; the gateway knows when a token was spent. If one followed from the
other, the two together would know the device behind a request, whatever the blinding does. So:

- The wallet never asks for tokens. It draws when to: :meth:`Wallet.plan` picks a moment in a window that the caller
  fixes by the epoch, and how many tokens, both without regard to what the wallet holds or was asked for. A moment is
  drawn once for a window and stays, over a restart as well.
- :meth:`Wallet.take` on an empty pool fails. What then helps is the next planned fetch, not one made for it.
- Tokens of a pool are taken in random order, so order of issue says nothing about order of use.
- Tokens die with their epoch; what is left over is discarded, not spent.

A token is out of the wallet before it is used: **take, save, send**. :meth:`Wallet.take` removes it,
:meth:`Wallet.save` gives the bytes to be on the disk (written aside, synced, renamed over the old file), and only then
may the token's first byte go out. A crash in between loses the token; no crash spends it twice. For the same reason a
wallet is never restored from a backup.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privproc import hkdf
from privproc._step import Unique
from privproc.errors import DecodeError, ExpiredError, OpenError, PrivprocError, UsageError
from privproc.secret import Secret
from privproc.tokens.challenge import TokenChallenge
from privproc.tokens.issuance import BoundToken
from privproc.tokens.kinds import KINDS, kind_of
from privproc.tokens.possession import ProofKey
from privproc.tokens.token import Token, TokenKey
from privproc.wire import Reader, Writer, bounded

__all__ = ["MAX_POOLS", "MAX_TOKENS", "NoTokenError", "Plan", "Source", "Wallet"]

MAX_TOKENS = 1 << 20
"""Tokens of one pool."""

MAX_POOLS = 256
"""Pools of one wallet: an issuer key and epoch each."""

MAX_SIZE = 1 << 30

MAGIC = b"privproc wallet\1"  # the last byte is the version
SALT, KEY, NONCE, TAG = 32, 32, 12, 16
INFO = b"privproc/1 wallet"
PROOF_SECRET = 64  # of ProofKey.to_secret
HEAD = len(MAGIC) + SALT


class NoTokenError(PrivprocError):
    """The wallet holds no token of the source. Wait for the planned fetch; see :meth:`Wallet.take`."""


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """What the tokens of one pool share: type, challenge digest and token key id (32 bytes each)."""

    token_type: int
    challenge_digest: bytes
    token_key_id: bytes

    def __post_init__(self) -> None:
        kind_of(self.token_type, "wallet")
        if len(self.challenge_digest) != 32 or len(self.token_key_id) != 32:
            raise UsageError("Source: challenge digest and key id have 32 bytes each")

    @classmethod
    def of(cls, challenge: TokenChallenge, key: TokenKey) -> Source:
        """Tokens for ``challenge`` under ``key``. Raises :class:`UsageError` for two of different types."""
        if challenge.token_type != key.token_type:
            raise UsageError("Source: challenge and key are of different types")
        # req: rfc9577/2.1.4 kept-tokens-by-challenge
        return cls(key.token_type, challenge.digest, key.key_id)


@dataclass(frozen=True, slots=True)
class Plan:
    """Fetch ``count`` tokens of ``source``, not before ``not_before`` (Unix seconds), as :meth:`Wallet.plan` drew it.

    ``opens``, ``closes``: the window that it was drawn from, ``opens <= not_before < closes``.
    """

    source: Source
    count: int
    opens: int
    closes: int
    not_before: int


@dataclass(slots=True)
class _Pool:
    """Tokens as records of one size, ``proof key and salt[64] || authenticator[Nk]``: the rest of a token follows."""

    plan: Plan
    met: bool
    expires: int
    records: bytearray = field(default_factory=bytearray, repr=False)

    @property
    def size(self) -> int:
        return _record_size(self.plan.source)

    def __len__(self) -> int:
        return len(self.records) // self.size

    def pop(self) -> bytes:
        """Any record; the last one takes its place."""
        size = self.size
        start = _below(len(self)) * size
        record = bytes(self.records[start : start + size])
        self.records[start : start + size] = self.records[-size:]
        self.records[-size:] = bytes(size)
        del self.records[-size:]
        return record

    def wipe(self) -> None:
        self.records[:] = bytes(len(self.records))


class _Kept(NamedTuple):
    """A token, checked and ready to be kept."""

    bound: BoundToken
    nonce: bytes


@final
class Wallet(Unique):
    """Pools of tokens, one for each :class:`Source`. Safe for threads; never copied, never kept in two places.

    Every call with ``at`` first discards the pools that expired.
    """

    __slots__ = ("_lock", "_pools")

    def __init__(self) -> None:
        self._pools: dict[Source, _Pool] = {}
        self._lock = threading.Lock()

    def plan(self, source: Source, *, count: int, opens: int, closes: int, expires: int, at: int) -> Plan:
        """When to fetch ``count`` tokens: at a moment drawn evenly from what is left of ``opens <= moment < closes``.

        ``expires``: end of the tokens' epoch, when their pool is discarded. Window and count are to be the same for
        all devices of a service and to depend on the epoch alone: a count that tops the pool up would tell the issuer
        how many were used.

        Asked again for the same window, the same plan comes back, met or not, so that no caller can draw until the
        moment suits. A further window begins no sooner than the last one ended, and is refused while a fetch of that
        is still to come: :class:`UsageError`, as for windows and counts that make no sense. Raises
        :class:`ExpiredError` for a window that is over.
        """
        if not 0 <= opens < closes <= expires < 1 << 63 or not 0 < count <= MAX_TOKENS:
            raise UsageError("a plan has a window before the tokens expire, and a count of at least one")
        if at >= closes:
            raise ExpiredError("the window of the fetch is over")
        with self._lock:
            self._discard(at)
            pool = self._pools.get(source)
            if pool is None:
                if len(self._pools) >= MAX_POOLS:
                    raise UsageError(f"a wallet has at most {MAX_POOLS} pools")
            elif (pool.plan.opens, pool.plan.closes) == (opens, closes):
                return pool.plan
            elif opens < pool.plan.closes or not (pool.met or at >= pool.plan.closes):
                raise UsageError("the window overlaps the last one, or a fetch of that is still to come")
            start = max(opens, at)
            plan = Plan(source, count, opens, closes, start + _below(closes - start))
            if pool is None:
                self._pools[source] = _Pool(plan, met=False, expires=expires)
            else:
                pool.plan, pool.met, pool.expires = plan, False, max(expires, pool.expires)
            return plan

    def due(self, *, at: int) -> tuple[Plan, ...]:
        """The plans to carry out now: their moment has come, their window isn't over, nothing was added for them.

        A fetch that fails stays due; a caller that tries again waits a random time of its own first.
        """
        with self._lock:
            self._discard(at)
            plans = (pool.plan for pool in self._pools.values() if not pool.met)
            return tuple(plan for plan in plans if plan.not_before <= at < plan.closes)

    def add(self, plan: Plan, tokens: Iterable[BoundToken], *, at: int) -> None:
        """Keep what a fetch gave, up to ``plan.count`` tokens; the plan is met then, by fewer or none as well.

        The tokens belong to the wallet afterwards: each :class:`BoundToken` is spent by this. Raises, and takes none:
        :class:`UsageError` for a plan that isn't the one to carry out, too many tokens, tokens of another source, and
        tokens that aren't bound to their proof key; :class:`SpentError` for one that was used.
        """
        with self._lock:
            self._discard(at)
            pool = self._pools.get(plan.source)
            if pool is None or pool.plan != plan or pool.met:
                raise UsageError("the wallet has no such plan to carry out")
            kept = [_Kept(bound, _checked(bound, plan.source)) for bound in tokens]
            if len(kept) > plan.count or len({one.nonce for one in kept}) != len(kept):
                raise UsageError("more tokens than planned, or one that occurs twice")
            if len(pool) + len(kept) > MAX_TOKENS:
                raise UsageError(f"a pool holds at most {MAX_TOKENS} tokens")
            for bound, _ in kept:
                token, proof_key = bound.spend()
                pool.records += proof_key.to_secret().expose() + token.authenticator
            pool.met = True

    def take(self, source: Source, *, at: int) -> BoundToken:
        """Any token of the source, which the wallet has no longer: **save, then send**.

        Raises :class:`NoTokenError` when there is none. Wait for the next plan then, and say so to the user: a token
        that is fetched when it is needed ties the issuer's record to the request.
        """
        with self._lock:
            self._discard(at)
            pool = self._pools.get(source)
            if pool is None or not pool.records:
                raise NoTokenError("the wallet holds no token of this source: wait for the next planned fetch")
            record = pool.pop()
        proof_key = ProofKey.from_secret(Secret(record[:PROOF_SECRET]))
        digest, key_id = source.challenge_digest, source.token_key_id
        token = Token(source.token_type, proof_key.nonce, digest, key_id, record[PROOF_SECRET:])
        return BoundToken(token, proof_key)

    def count(self, source: Source, *, at: int) -> int:
        """How many tokens of the source there are."""
        with self._lock:
            self._discard(at)
            pool = self._pools.get(source)
            return 0 if pool is None else len(pool)

    def save(self, key: Secret) -> bytes:
        """The wallet under the caller's ``key`` (32 bytes, kept where the platform keeps keys).

        ::

            struct {
                opaque magic[16] = "privproc wallet" || 0x01;
                opaque salt[32];                            fresh each time, so a key serves any number of saves
                opaque sealed[...];                         AES-256-GCM, 16 bytes of tag; magic || salt is the aad
            } File;

            prk = HKDF-Extract-SHA384(salt, key);  key[32] || nonce[12] = HKDF-Expand(prk, "privproc/1 wallet", 44)

            struct {
                uint16 token_type;                          ascending by these three, none twice
                opaque challenge_digest[32];
                opaque token_key_id[32];
                uint64 expires, opens, closes, not_before;
                uint32 count;
                uint8 met;                                  0 or 1
                opaque records<0..2^32-1>;                  each: proof key[32] || salt[32] || authenticator[Nk]
            } Pool;                                         plaintext: uint16 number of pools, then these

        64 bytes and the authenticator for each token: less than the token itself. The size shows how many there are.
        """
        writer = Writer()
        with self._lock:
            writer.uint(2, len(self._pools))
            for source in sorted(self._pools):
                _write(writer, source, self._pools[source])
        head = MAGIC + os.urandom(SALT)
        aead, nonce = _aead(key, head)
        return head + aead.encrypt(nonce, writer.done(), head)

    @classmethod
    def load(cls, data: bytes, key: Secret) -> Wallet:
        """The wallet that :meth:`save` gave.

        Raises :class:`DecodeError` for another format, :class:`LimitError` beyond 1 GiB, :class:`OpenError` for
        another key or altered bytes. Old bytes of the same wallet can't be told from the latest: keep one file.
        """
        bounded("wallet", len(data), MAX_SIZE)
        if len(data) < HEAD + TAG or data[: len(MAGIC)] != MAGIC:
            raise DecodeError("wallet", "not a wallet of version 1")
        head = data[:HEAD]
        aead, nonce = _aead(key, head)
        try:
            plain = aead.decrypt(nonce, memoryview(data)[HEAD:], head)
        except InvalidTag:
            raise OpenError from None
        wallet = cls()
        wallet._pools = Reader.all(plain, "wallet", _read)
        return wallet

    def _discard(self, at: int) -> None:
        for source in [source for source, pool in self._pools.items() if at >= pool.expires]:
            self._pools.pop(source).wipe()


def _below(bound: int) -> int:
    """A random number under ``bound``, which is far under 2**64: the bias is under 2**-64."""
    return int.from_bytes(os.urandom(16), "big") % bound


def _record_size(source: Source) -> int:
    return PROOF_SECRET + KINDS[source.token_type].authenticator_size


def _checked(bound: BoundToken, source: Source) -> bytes:
    """The token's nonce, if the token can be kept in the source's pool."""
    token, proof_key = bound._look()
    if Source(token.token_type, token.challenge_digest, token.token_key_id) != source:
        raise UsageError("a token of another source")
    if token.nonce != proof_key.nonce:
        raise UsageError("a token that isn't bound to its proof key")
    return token.nonce


def _aead(key: Secret, head: bytes) -> tuple[AESGCM, bytes]:
    if len(key) != KEY:
        raise UsageError(f"a wallet's key has {KEY} bytes")
    prk = hkdf.extract("sha384", head[len(MAGIC) :], key.expose())
    derived = hkdf.expand("sha384", prk, INFO, KEY + NONCE)
    return AESGCM(derived[:KEY]), derived[KEY:]


def _write(writer: Writer, source: Source, pool: _Pool) -> None:
    plan = pool.plan
    writer.uint(2, source.token_type).raw(source.challenge_digest).raw(source.token_key_id)
    for time in (pool.expires, plan.opens, plan.closes, plan.not_before):
        writer.uint(8, time)
    writer.uint(4, plan.count).uint(1, pool.met).vector(4, bytes(pool.records))


def _read(reader: Reader) -> dict[Source, _Pool]:
    count = reader.u16()
    if count > MAX_POOLS:
        raise reader.fail(f"{count} pools")
    found: dict[Source, _Pool] = {}
    last: Source | None = None
    for _ in range(count):
        source, pool = _read_pool(reader)
        if last is not None and source <= last:
            raise reader.fail("pools are not in their order")
        found[source] = pool
        last = source
    return found


def _read_pool(reader: Reader) -> tuple[Source, _Pool]:
    source = Source(reader.u16(), reader.take(32), reader.take(32))
    expires, opens, closes, not_before = (reader.u64() for _ in range(4))
    count, met = reader.u32(), reader.u8()
    if not opens <= not_before < closes <= expires < 1 << 63 or not 0 < count <= MAX_TOKENS or met > 1:
        raise reader.fail("a plan that no wallet makes")
    size = _record_size(source)
    records = reader.vector(4, 0, MAX_TOKENS * size)
    if len(records) % size:
        raise reader.fail(f"{len(records)} bytes are not records of {size} bytes")
    return source, _Pool(Plan(source, count, opens, closes, not_before), bool(met), expires, bytearray(records))

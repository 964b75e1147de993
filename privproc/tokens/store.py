"""Spending once: the contract of the store of spent tokens, and a store in memory.

A token that was verified is spent in three moves: *reserve* before it has any effect, then *commit* once it had one, or
*release* if nothing happened at all. Between the moves a token is nobody else's. The library calls no store; a gateway
brings one that implements :class:`Store`, and every gateway that takes a key's tokens shares it.

The rules, which any store must keep (a linearizable one, since two gateways may ask at once):

- A spend is known by (key id, nonce). Reserving one that is reserved or spent raises :class:`ReplayError`.
- A reservation whose lease ends is spent, never free: the gateway that made it may have crashed after the token's
  effect. So a lease needs no clean-up. Releasing frees the token only before the lease's end.
- A spend is forgotten no sooner than its key expires, and a key that expired stays expired: reserving under it raises
  :class:`ExpiredError`, even if its expiry was moved since. Moving it later would revive what is forgotten.
- A full store raises :class:`LimitError` and takes nothing: it fails closed.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from privproc._step import Step
from privproc.errors import ExpiredError, LimitError, ReplayError, UsageError

__all__ = ["Lease", "MemoryStore", "Reservation", "SpendKey", "Store"]


@dataclass(frozen=True, slots=True)
class SpendKey:
    """What a store knows a token by: ``token_key_id`` and ``nonce`` (32 bytes each).

    ``expires``: Unix seconds from which no origin takes the key's tokens; not part of the identity.
    """

    token_key_id: bytes
    nonce: bytes = field(repr=False)
    expires: int = field(compare=False)


class Lease(NamedTuple):
    """What a reservation holds: ``ends`` in Unix seconds, and ``holder`` (16 random bytes), which tells this
    reservation from any other of the same token, as a durable store needs for its conditional writes.
    """

    key: SpendKey
    ends: int
    holder: bytes

    @classmethod
    def grant(cls, key: SpendKey, *, at: int, lease: int) -> Lease:
        """For implementations of :class:`Store`: ``lease`` seconds from ``at``, ended early by the key's expiry.

        Raises :class:`UsageError` unless ``lease`` is positive, :class:`ExpiredError` when the key has expired.
        """
        if lease <= 0:
            raise UsageError("a lease is at least one second")
        if at >= key.expires:
            raise ExpiredError("the token's key has expired")
        return cls(key, min(at + lease, key.expires), os.urandom(16))


class Reservation(Step[Lease]):
    """A reserved token: committed or released once, by the store that made it."""

    __slots__ = ()

    @property
    def key(self) -> SpendKey:
        """What is reserved, until the reservation is used up; then :class:`SpentError`."""
        return self._look().key

    def leave(self) -> Lease:
        """For implementations of :class:`Store`: use the reservation up. Raises :class:`SpentError` the second time."""
        return self._take()


class Store(Protocol):
    """The contract of the module's head. ``at``: Unix seconds, from a clock that the stores of a service agree on."""

    def reserve(self, key: SpendKey, *, at: int, lease: int) -> Reservation:
        """Take the token for ``lease`` seconds. Raises :class:`ReplayError`, :class:`ExpiredError`,
        :class:`LimitError`.
        """

    def commit(self, reservation: Reservation, *, at: int) -> None:
        """Spent for good. Allowed after the lease's end, when the token is spent anyway."""

    def release(self, reservation: Reservation, *, at: int) -> None:
        """Free again. Raises :class:`ExpiredError` after the lease's end: the token stays spent."""


class MemoryStore:
    """A :class:`Store` for one process, and the model for others. Safe for threads.

    ``capacity``: how many spends it holds, over all keys. A spend takes about 150 bytes. Keys are forgotten whole,
    so a spend is dropped once and no call walks over all of them; of each forgotten key its id remains.
    """

    __slots__ = ("_capacity", "_count", "_forgotten", "_keys", "_lock")

    def __init__(self, capacity: int) -> None:
        if capacity <= 0:
            raise UsageError("a store holds at least one spend")
        self._capacity = capacity
        self._count = 0
        self._keys: dict[bytes, _Spends] = {}
        self._forgotten: set[bytes] = set()
        self._lock = threading.Lock()

    def reserve(self, key: SpendKey, *, at: int, lease: int) -> Reservation:
        """See :meth:`Store.reserve`."""
        granted = Lease.grant(key, at=at, lease=lease)
        with self._lock:
            self._forget(at)
            if key.token_key_id in self._forgotten:
                raise ExpiredError("the token's key has expired before")
            spends = self._keys.get(key.token_key_id)
            if spends is not None and key.nonce in spends.holders:
                # req: rfc9577/2.2.2 spent-once
                raise ReplayError("the token is spent or reserved")
            if self._count >= self._capacity:
                raise LimitError(f"the store holds {self._capacity} spends and takes no more")
            if spends is None:
                spends = self._keys[key.token_key_id] = _Spends()
            spends.holders[key.nonce] = granted.holder
            spends.expires = max(spends.expires, key.expires)
            self._count += 1
        return Reservation(granted)

    def commit(self, reservation: Reservation, *, at: int) -> None:
        """See :meth:`Store.commit`. Raises :class:`UsageError` for a reservation of another store."""
        lease = reservation.leave()
        with self._lock:
            self._forget(at)
            if (spends := self._held(lease)) is not None:
                spends.holders[lease.key.nonce] = None  # nobody needs the holder any more

    def release(self, reservation: Reservation, *, at: int) -> None:
        """See :meth:`Store.release`. Raises :class:`UsageError` for a reservation of another store."""
        lease = reservation.leave()
        with self._lock:
            self._forget(at)
            spends = self._held(lease)
            if spends is None or at >= lease.ends:
                raise ExpiredError("the lease has ended: the token is spent")
            del spends.holders[lease.key.nonce]
            self._count -= 1

    def __len__(self) -> int:
        """How many spends it holds, reservations included."""
        return self._count

    def _held(self, lease: Lease) -> _Spends | None:
        """Where the reservation stands, ``None`` when its key is forgotten."""
        if lease.key.token_key_id in self._forgotten:
            return None
        spends = self._keys.get(lease.key.token_key_id)
        if spends is None or spends.holders.get(lease.key.nonce) != lease.holder:
            raise UsageError("the reservation is not of this store")
        return spends

    def _forget(self, at: int) -> None:
        # A service has a handful of keys at a time, so looking at each is cheap.
        for key_id in [key_id for key_id, spends in self._keys.items() if at >= spends.expires]:
            self._count -= len(self._keys.pop(key_id).holders)
            self._forgotten.add(key_id)


@dataclass(slots=True)
class _Spends:
    """The spends of one key: nonce, and the holder of its reservation, ``None`` once spent."""

    holders: dict[bytes, bytes | None] = field(default_factory=dict)
    expires: int = 0

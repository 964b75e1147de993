"""How many tokens a client may have: the attester's decision as a value, and the ledger of what was issued.

In RFC 9576's roles the *attester* knows who asks and decides, the *issuer* signs. What passes between them here is a
:class:`Decision`: an account that means nothing to the issuer, an epoch and a number. Accounts of different epochs
can't be told to be the same without the attester's key, so the issuer's ledger holds no history of anybody.

The order of an issuer: decide, :meth:`QuotaLedger.charge`, issue. What was charged and then not issued stays charged.
"""

from __future__ import annotations

import hmac
import threading
from dataclasses import dataclass, field
from typing import Protocol

from privproc.errors import ExpiredError, LimitError, ReplayError, UsageError
from privproc.secret import Secret
from privproc.tagged import lp

__all__ = ["Decision", "MemoryQuotas", "QuotaLedger"]

ACCOUNT = lp(b"privproc/1 account")


@dataclass(frozen=True, slots=True)
class Decision:
    """In ``epoch``, ``account`` (32 bytes) may have up to ``limit`` tokens; 0 is a refusal."""

    account: bytes
    epoch: int
    limit: int

    def __post_init__(self) -> None:
        if len(self.account) != 32 or not 0 <= self.epoch < 1 << 63 or self.limit < 0:
            raise UsageError("Decision: an account of 32 bytes, an epoch, and a limit that isn't negative")

    @classmethod
    def of(cls, identity: bytes, *, key: Secret, epoch: int, limit: int) -> Decision:
        """The attester's: its name for ``identity`` in this epoch, under its own ``key`` (32 bytes or more).

        ``account = HMAC-SHA-256(key, lp("privproc/1 account") || uint64 epoch || lp(identity))``. Raises
        :class:`UsageError` for a short key: identities are guessed easily.
        """
        if len(key) < 32:
            raise UsageError("an attester's key has at least 32 bytes")
        if not 0 <= epoch < 1 << 63:
            raise UsageError("an epoch is a number that isn't negative")
        message = ACCOUNT + epoch.to_bytes(8, "big") + lp(identity)
        return cls(hmac.digest(key.expose(), message, "sha256"), epoch, limit)


class QuotaLedger(Protocol):
    """What was issued to whom, linearizable over all that issue under one attester.

    The rules: the charges of an account in an epoch never pass the limit of the decision at hand; a request (``once``)
    is charged once; a closed epoch stays closed; a full or unreachable ledger refuses.
    """

    def charge(self, decision: Decision, *, count: int, once: bytes) -> None:
        """Put ``count`` tokens on the account, whole or not at all. ``once``: 32 bytes, the digest of the request.

        Raises :class:`LimitError` beyond the limit or the ledger's room, :class:`ReplayError` for a request that was
        charged before, :class:`ExpiredError` for a closed epoch.
        """


@dataclass(slots=True)
class _Account:
    used: int = 0
    requests: set[bytes] = field(default_factory=set)


class MemoryQuotas:
    """A :class:`QuotaLedger` for one process, and the model for others. Safe for threads.

    ``capacity``: charges that it holds, over all accounts. Room is made by :meth:`close`.
    """

    __slots__ = ("_accounts", "_capacity", "_closed", "_count", "_lock")

    def __init__(self, capacity: int) -> None:
        if capacity <= 0:
            raise UsageError("a ledger holds at least one charge")
        self._capacity = capacity
        self._count = 0
        self._closed = -1
        self._accounts: dict[int, dict[bytes, _Account]] = {}
        self._lock = threading.Lock()

    def charge(self, decision: Decision, *, count: int, once: bytes) -> None:
        """See :meth:`QuotaLedger.charge`."""
        if count <= 0 or len(once) != 32:
            raise UsageError("a charge is of at least one token, for a request with a digest of 32 bytes")
        with self._lock:
            if decision.epoch <= self._closed:
                raise ExpiredError("the epoch is closed")
            account = self._accounts.get(decision.epoch, {}).get(decision.account, _Account())
            if once in account.requests:
                raise ReplayError("the request was charged before")
            if account.used + count > decision.limit:
                raise LimitError(f"{count} tokens are over what is left of {decision.limit}")
            if self._count >= self._capacity:
                raise LimitError(f"the ledger holds {self._capacity} charges and takes no more")
            account.used += count
            account.requests.add(once)
            self._accounts.setdefault(decision.epoch, {})[decision.account] = account
            self._count += 1

    def close(self, epoch: int) -> None:
        """Forget ``epoch`` and those before it; nothing is charged in them any more. Closing twice is allowed."""
        with self._lock:
            self._closed = max(self._closed, epoch)
            for old in [old for old in self._accounts if old <= epoch]:
                self._count -= sum(len(account.requests) for account in self._accounts.pop(old).values())

    def __len__(self) -> int:
        """How many charges it holds."""
        return self._count

"""Replay protection for the gateway (RFC 9458 §6.5), as values and one bounded memory.

The relay can send an encapsulated request again. A gateway remembers a :class:`ReplayKey` of each request that it
answered for as long as that request would still be accepted, and no longer. That time is either the end of the gateway
key's validity, or, with a Date window, what :func:`check_date` returns, whichever comes first; so the memory can't end
before the window does. (A window of ``w`` seconds to both sides of the clock needs a memory of ``2 w``: the trap that
the required ``until`` avoids.)

Times are Unix seconds.
"""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from threading import Lock
from typing import Protocol

from privproc.errors import DecodeError, ExpiredError, LimitError, ReplayError, UsageError

__all__ = ["ReplayKey", "ReplayStore", "ReplayWindow", "WindowFullError", "check_date", "decode_date", "encode_date"]

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FIXDATE = re.compile(rb"([A-Z][a-z]{2}), ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT")
EPOCH = date(1970, 1, 1).toordinal()


class WindowFullError(LimitError):
    """The replay memory is full: nothing can be admitted until entries end. The server's state, not the request's."""


@dataclass(frozen=True, slots=True)
class ReplayKey:
    """Stands for one encapsulated request: ``digest`` (32 bytes), from ``Responder.replay_key()``.

    It depends on ``enc`` (the identity of a request, RFC 9458 §6.5) and on the gateway's private key: the relay, which
    saw ``enc`` beside an address, can't find it in a store or a trace. Gateways that share a key compute the same value
    and may share a store. Opaque in ``repr``.
    """

    digest: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.digest) != 32:
            raise UsageError("a replay key has 32 bytes")


class ReplayStore(Protocol):
    """The contract of whatever remembers replay keys. Gateways that hold the same private key share one.

    - Look-up and insertion are one atomic, linearizable step: of callers that bring one key at once, at whichever
      gateway, exactly one returns. A store that reads first and writes then, or reads from a replica that lags, breaks
      this; a conditional write ("insert if absent") that all replicas of the key's shard agree on keeps it.
    - What was admitted is remembered until its ``until``, across restarts too: a store that may forget earlier, for
      want of memory or after a crash, lets replays through. One that is full or out of reach refuses.
    - Time is ``at``. A store that removes entries by a clock of its own keeps them longer, by as much as the clocks may
      differ, or lets ``at`` decide.

    ``tests/replay_contract.py`` runs any implementation through this. The library calls no store: the caller does.
    """

    def admit(self, key: ReplayKey, *, at: int, until: int) -> None:
        """Return only if ``key`` is new, and remember it until ``until`` (Unix seconds).

        Raises :class:`ReplayError` if it was admitted before, :class:`ExpiredError` if ``until`` has passed, and
        :class:`WindowFullError` when it can't be remembered. What isn't admitted isn't remembered.
        """


class ReplayWindow:
    """A :class:`ReplayStore` for one gateway process: at most ``capacity`` keys (about 200 bytes each). Thread-safe."""

    __slots__ = ("_capacity", "_ends", "_latest", "_lock", "_seen")

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise UsageError("a replay window needs a capacity of 1 or more")
        self._capacity = capacity
        self._seen: set[bytes] = set()
        self._ends: list[tuple[int, bytes]] = []
        self._latest = 0
        self._lock = Lock()

    def admit(self, key: ReplayKey, *, at: int, until: int) -> None:
        """Take note of ``key`` until ``until``, when its request stops being acceptable; return only if it is new.

        Raises :class:`ReplayError` if it was seen, :class:`ExpiredError` if ``until`` has passed, and
        :class:`WindowFullError` when there is no room: never admits what it can't remember. A clock that steps back
        doesn't bring forgotten requests back: the latest ``at`` counts.
        """
        with self._lock:
            self._latest = max(self._latest, at)
            while self._ends and self._ends[0][0] <= self._latest:
                self._seen.remove(heapq.heappop(self._ends)[1])
            if until <= self._latest:
                raise ExpiredError("request is no longer acceptable")
            if key.digest in self._seen:
                # req: rfc9458/6.5 replays-are-found
                raise ReplayError("request was seen before")
            if len(self._seen) >= self._capacity:
                raise WindowFullError(f"replay window: {self._capacity} requests are remembered")
            self._seen.add(key.digest)
            heapq.heappush(self._ends, (until, key.digest))

    def __len__(self) -> int:
        return len(self._seen)


def check_date(value: bytes | None, *, at: int, tolerance: int) -> int:
    """Check a request's Date field (RFC 9458 §6.5.1) and return the time from which it is stale: the ``until`` of
    :meth:`ReplayWindow.admit`.

    ``value`` is the field of the decapsulated request, ``tolerance`` the seconds by which clocks may differ. Raises
    :class:`ExpiredError` when the field is absent or more than ``tolerance`` away from ``at`` (the ``#date`` problem,
    §6.5.2), :class:`DecodeError` when it isn't an IMF-fixdate.
    """
    if value is None:
        raise ExpiredError("request has no Date")
    when = decode_date(value)
    if abs(when - at) > tolerance:
        # req: rfc9458/6.5.1 date-window
        raise ExpiredError("Date is outside of the window")
    return when + tolerance + 1


def decode_date(value: bytes) -> int:
    """The Unix time of an IMF-fixdate, ``Sun, 06 Nov 1994 08:49:37 GMT`` (29 bytes; RFC 9110 §5.6.7).

    The weekday must fit the date; the leap second 23:59:60 is the next day's first. The two obsolete forms, which no
    client of this protocol has ever sent, are refused: raises :class:`DecodeError`.
    """
    match = FIXDATE.fullmatch(value)
    if match is None:
        raise DecodeError("Date", "not an IMF-fixdate")
    day_name, month_name = match[1].decode(), match[3].decode()
    day, year, hour, minute, second = (int(match[group]) for group in (2, 4, 5, 6, 7))
    if hour > 23 or minute > 59 or (second > 59 and (hour, minute, second) != (23, 59, 60)):
        raise DecodeError("Date", "no such time of day", 17)
    try:
        when = date(year, MONTHS.index(month_name) + 1, day)
    except ValueError:
        raise DecodeError("Date", "no such day", 5) from None
    if DAYS[when.weekday()] != day_name:
        raise DecodeError("Date", "weekday and date differ")
    return (when.toordinal() - EPOCH) * 86400 + hour * 3600 + minute * 60 + second


def encode_date(at: int) -> bytes:
    """``at`` as an IMF-fixdate (29 bytes), whatever the locale. Raises :class:`UsageError` past year 9999."""
    try:
        when = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError("no IMF-fixdate for this time") from None
    text = f"{DAYS[when.weekday()]}, {when.day:02} {MONTHS[when.month - 1]} {when.year:04} {when:%H:%M:%S} GMT"
    return text.encode("ascii")

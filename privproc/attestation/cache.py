"""What was verified once and is asked for again: kept where the caller says, for as long as the caller says.

The library keeps nothing by itself. Whoever appraises much makes one :class:`Cache` and passes what it verifies through
it::

    cache = Cache(capacity=256, lifetime=3600)
    chain = cache.recall(snp.verify_chain, vcek, ask, ark, roots=snp.AMD_ROOTS, at=now)
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar, cast, final

from privproc.errors import UsageError

__all__ = ["Cache", "Verified"]


class Verified(Protocol):
    """An outcome with a time: good while ``not_before <= at < not_after`` (Unix seconds)."""

    @property
    def not_before(self) -> int:
        """From when on."""

    @property
    def not_after(self) -> int:
        """Until when, excluded."""


V_co = TypeVar("V_co", bound=Verified, covariant=True)


@final
class Cache:
    """Outcomes of verification: up to ``capacity``, the least recently used one goes first, each for ``lifetime``
    seconds at most and never outside of its own time.

    Only successes are kept. A hit needs all arguments to be the same, to the byte, so that an outcome is never found
    under other roots or for other certificates. May be shared by threads. Raises :class:`UsageError` unless both
    numbers are 1 or more.
    """

    __slots__ = ("_capacity", "_kept", "_lifetime", "_lock")

    def __init__(self, *, capacity: int, lifetime: int) -> None:
        if capacity < 1 or lifetime < 1:
            raise UsageError("a cache has a capacity and a lifetime of 1 or more")
        self._capacity = capacity
        self._lifetime = lifetime
        self._kept: OrderedDict[Hashable, tuple[int, Verified]] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, verify: Callable[..., V_co], *args: Hashable, at: int, **named: Hashable) -> V_co:
        """What ``verify(*args, **named, at=at)`` gave before, while that is good; else what it gives now.

        Raises what ``verify`` raises.
        """
        key = (verify, args, tuple(sorted(named.items())))
        with self._lock:
            since, value = self._kept.pop(key, (at, None))
            if value is not None and self._fresh(since, value, at):
                self._kept[key] = since, value
                return cast("V_co", value)
        made = verify(*args, **named, at=at)
        with self._lock:
            self._kept[key] = at, made
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return made

    def _fresh(self, since: int, value: Verified, at: int) -> bool:
        return since <= at < since + self._lifetime and value.not_before <= at < value.not_after

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"<Cache {len(self)} of {self._capacity}>"

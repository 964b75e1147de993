"""How a channel fails: what came before is given out first, and every later call raises the failure.

So the events, and the failure after them, are the same however the bytes were split. A channel that stands on another
reads it with :func:`each`, which has both in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, final

from privproc.errors import PeerError, UsageError
from privproc.wire import bare

__all__ = ["Outcome", "each", "last"]

E = TypeVar("E")


def each(receive: Callable[[bytes], Iterable[E]], data: bytes) -> Iterator[E]:
    """What ``receive`` makes of ``data``, and then the failure that it has kept for its next call, if there is one."""
    yield from receive(data)
    receive(b"")


def last(receive_end: Callable[[], Iterable[E]]) -> Iterator[E]:
    """What the end of the stream brings, read when it is asked for."""
    yield from receive_end()


@final
class Outcome:
    """What has become of a channel: nothing yet, or its failure."""

    __slots__ = ("_error",)

    def __init__(self) -> None:
        self._error: BaseException | None = None

    def check(self) -> None:
        """Raise the failure, if there was one."""
        if self._error is not None:
            raise bare(self._error)

    def keep(self, error: BaseException) -> None:
        """That was the end, unless another failure was before."""
        self._error = self._error or bare(error)

    def events(self, found: Iterable[E], *, end: bool = False) -> list[E]:
        """Those of ``found`` up to its failure, which is raised if nothing came before it, or if this is the ``end``,
        after which nobody would call again. A :class:`UsageError` is the caller's, and no failure of the channel.
        """
        self.check()
        events: list[E] = []
        try:
            events.extend(found)
        except UsageError:
            raise
        except BaseException as error:  # a bug must not read as a clean end later
            self.keep(error)
            if end or not events or not isinstance(error, PeerError):
                raise
        return events

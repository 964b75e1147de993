"""An answer at a constant rate: chunks of one size at every tick, whatever the model writes and when.

::

    pacer = Pacer()
    pacer.write(piece)                    # as the model writes
    pacer.finish()                        # when it has written all
    tick = pacer.tick()                   # at each tick of the caller's clock, from the start of the reply
    records = reply.send(tick.piece)      # reply.finish(tick.piece, at=now) where tick.last

Every tick's piece makes one chunk of the least size (docs/protocol.md §6.2), full or empty. The first tick's is always
empty: its chunk carries the key of the next request, and is larger for that with some suites, but never for its data.
"""

from __future__ import annotations

from typing import Final, NamedTuple, final

from privproc._step import Unique
from privproc.errors import SpentError, UsageError
from privproc.responsekey.answer import CHUNK_SIZES

__all__ = ["ROOM", "Pacer", "Tick"]

ROOM: Final = CHUNK_SIZES[0] - 4
"""Bytes of an answer that a tick takes at most: what fits the least chunk beside its length."""


class Tick(NamedTuple):
    """What goes out at a tick: up to :data:`ROOM` bytes of the answer, and whether they are its last."""

    piece: bytes
    last: bool

    def __repr__(self) -> str:
        return f"<Tick last={self.last}>"


@final
class Pacer(Unique):
    """Holds what the model has written until its tick comes. Not thread-safe."""

    __slots__ = ("_begun", "_buffer", "_ended", "_finished")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begun = self._finished = self._ended = False

    @property
    def waiting(self) -> int:
        """Bytes that no tick has taken yet. They are for the caller to bound, by letting the model wait: a clock that
        follows the answer would show it.
        """
        return len(self._buffer)

    def write(self, piece: bytes) -> None:
        """A piece of any length. Raises :class:`UsageError` after :meth:`finish`."""
        if self._finished:
            raise UsageError("the answer has been finished")
        self._buffer += piece

    def finish(self) -> None:
        """Nothing more is written: the tick that takes the last byte is the last, or the next one, if all is taken.

        Raises :class:`UsageError` the second time.
        """
        if self._finished:
            raise UsageError("the answer has been finished")
        self._finished = True

    def tick(self) -> Tick:
        """What goes out now. Raises :class:`SpentError` after the last."""
        if self._ended:
            raise SpentError(type(self).__name__)
        if not self._begun:
            self._begun = True
            return Tick(b"", last=False)
        piece = bytes(self._buffer[:ROOM])
        del self._buffer[:ROOM]
        self._ended = self._finished and not self._buffer
        return Tick(piece, self._ended)

"""The framing of chunked OHTTP, sealed and opened; see :mod:`privproc.ohttp.chunked`."""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Generic, NamedTuple, Self, TypeVar, final

from privproc import chunks
from privproc._step import Unique
from privproc.chunks import TAG_LENGTH, Cipher, Opener, Sealer
from privproc.errors import DecodeError, LimitError, OpenError, PeerError, UsageError
from privproc.hpke import Recipient, Sender
from privproc.ohttp._states import SEND, Input, State, Table
from privproc.wire import bare, encode_varint

__all__ = [
    "LAST",
    "MAX_CHUNK",
    "MessageData",
    "MessageEnd",
    "MessageSender",
    "Open",
    "Receiver",
    "Seal",
]

MAX_CHUNK: Final = 1 << 14
"""Bytes of plaintext in one chunk: as many as every receiver takes, and as no sender should exceed (§3)."""

LAST: Final = b"final"
"""Associated data of the final chunk; the others have none (§6.1, §6.2)."""


_SEALED: Final = MAX_CHUNK + TAG_LENGTH
_FULL: Final = encode_varint(_SEALED)
_READ: Final = {size: struct.Struct(">" + code).unpack_from for size, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))}
_MASK: Final = (0, 0x3F, 0x3FFF, 0, 0x3FFFFFFF, 0, 0, 0, (1 << 62) - 1)  # a varint's value, by its width

_CHUNKS: Final = State.CHUNKS  # looking up an enum's member is slow


@dataclass(frozen=True, slots=True)
class MessageData:
    """Event: a piece of the message, at least one byte; one for each chunk, whatever the split of the input."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageEnd:
    """Event: the message is complete. Comes with the end of the stream, never before."""


E = TypeVar("E")


class Seal(NamedTuple):
    """What seals the chunks of one message: ``middle`` the next one, ``last`` the final one.

    Two methods of one object, which does the counting.
    """

    middle: Callable[[bytes | memoryview], bytes]
    last: Callable[[bytes | memoryview], bytes]

    @classmethod
    def request(cls, context: Sender) -> Self:
        """HPKE's own sequence (§6.1)."""
        return cls(context.seal, partial(context.seal, aad=LAST))

    @classmethod
    def response(cls, cipher: Cipher, iv: bytes) -> Self:
        """The nonce and a counter (§6.2)."""
        sealer = Sealer(cipher, iv, middle=b"", last=LAST)
        return cls(sealer.seal, partial(sealer.seal, last=True))


class Open(NamedTuple):
    """What opens them."""

    middle: Callable[[bytes | memoryview], bytes]
    last: Callable[[bytes | memoryview], bytes]

    @classmethod
    def request(cls, context: Recipient) -> Self:
        """HPKE's own sequence (§6.1)."""
        # req: chunked08/6.1 chunks-in-order
        return cls(context.open, partial(context.open, aad=LAST))

    @classmethod
    def response(cls, cipher: Cipher, iv: bytes) -> Self:
        """The nonce and a counter (§6.2)."""
        opener = Opener(cipher, iv, middle=b"", last=LAST)
        return cls(opener.open, partial(opener.open, last=True))


def _length(sealed: bytes) -> bytes:
    return _FULL if len(sealed) == _SEALED else encode_varint(len(sealed))


@final
class MessageSender(Unique):
    """Seals one message in chunks: :meth:`send` pieces, then :meth:`finish` once. Each call gives bytes to send.

    The first bytes carry what goes before the chunks: a request's header and ``enc``, a response's nonce.
    """

    __slots__ = ("_head", "_left", "_seal", "_state")

    def __init__(self, head: bytes, seal: Seal) -> None:
        self._head = head
        self._seal: Seal | None = seal
        self._left = chunks.MAX_CHUNKS
        self._state = State.CHUNKS

    @property
    def state(self) -> State:
        """Where the channel stands in :data:`SEND`."""
        return self._state

    def send(self, data: bytes) -> bytes:
        """Seal a piece of the message, in chunks of :data:`MAX_CHUNK` and one of what is left. No data makes no chunk.

        Raises :class:`UsageError` after :meth:`finish`, or when only the last of
        :data:`~privproc.chunks.MAX_CHUNKS` chunks is left; the channel stays as it was.
        """
        seal, wire = self._enter(len(data)), self._head
        # req: chunked08/6 no-empty-chunk
        # req: chunked08/3 no-larger-chunks
        if 0 < len(data) <= MAX_CHUNK:  # concatenation: a fifth faster than the general way
            wire += _length(sealed := seal.middle(data)) + sealed
        else:
            parts, view = [wire], memoryview(data)
            for start in range(0, len(data), MAX_CHUNK):
                sealed = seal.middle(view[start : start + MAX_CHUNK])
                parts += _length(sealed), sealed
            wire = b"".join(parts)
        self._head = b""
        return wire

    def finish(self, data: bytes = b"") -> bytes:
        """Seal the last piece, which may be empty, and forget the key; the stream below ends with these bytes."""
        start = max(len(data) - 1, 0) // MAX_CHUNK * MAX_CHUNK
        seal, before = self._enter(0), self.send(data[:start])
        self._state, self._seal = SEND[self._state][Input.FINISH], None
        # req: chunked08/4 final-chunk-to-the-end
        return b"".join((before, b"\0", seal.last(data[start:])))

    def _enter(self, size: int) -> Seal:
        """What seals, if it is still there, and has chunks left for ``size`` bytes and for the end."""
        if self._seal is None:
            raise UsageError("the message is complete")
        left = self._left - -(-size // MAX_CHUNK)
        if left < 1:
            raise UsageError(f"at most {chunks.MAX_CHUNKS} chunks go under one key")
        self._left = left
        return self._seal

    def __repr__(self) -> str:
        return f"<MessageSender {self._state.name}>"


class Receiver(Unique, Generic[E]):
    """What the two receiving channels share: the chunks. ``E``: the events beside those of the message.

    Each chunk has at most ``max_chunk`` bytes of plaintext; how many come in all is for the caller to limit. Holds one
    chunk at most, but for the rest of the data that it was given last. After an error the channel is dead: state
    FAILED, the keys forgotten, and every later call raises that error again.
    """

    __slots__ = (
        "_begun",
        "_error",
        "_first",
        "_have",
        "_left",
        "_most",
        "_need",
        "_open",
        "_pieces",
        "_size",
        "_state",
        "_table",
    )

    def __init__(self, table: Table, need: int, max_chunk: int) -> None:
        # req: chunked08/3 chunks-of-16384-bytes
        if max_chunk < MAX_CHUNK:
            raise UsageError(f"a receiver takes chunks of {MAX_CHUNK} bytes")
        self._table = table
        self._state = State.HEAD
        self._pieces: list[bytes | memoryview] = []  # of the unit that has begun: head or chunk
        self._have = 0  # bytes in the pieces
        self._need = need  # bytes without which the unit can't go on; 0 where nothing may come
        self._size = 0  # of the chunk that has begun, once its length is there
        self._most = max_chunk + TAG_LENGTH
        self._left = chunks.MAX_CHUNKS
        self._first: list[E] = []  # what comes before the first piece, until that has opened
        self._begun: list[E] = []  # and from then on
        self._open: list[Open] = []  # one, from CHUNKS on
        self._error: BaseException | None = None

    @property
    def state(self) -> State:
        """Where the channel stands in its table."""
        return self._state

    def receive_data(self, data: bytes) -> list[E | MessageData | MessageEnd]:
        """Take bytes of the stream, in any pieces, and return the events that they complete.

        Raises :class:`OpenError`, without saying why, for whatever doesn't open, an empty chunk that isn't the final
        one included (§6), and :class:`LimitError` for a chunk that is too large, or one too many; the next call does
        if there were events before.
        """
        if type(data) is not bytes:
            data = bytes(memoryview(data))  # pieces are kept, and must not change any more
        have = self._have + len(data)
        if have < self._need:
            if data:
                self._pieces.append(data)
                self._have = have
            return []
        step = self._chunks
        if self._state is not _CHUNKS:
            self._check(Input.DATA)
            step = self._rest
        events: list[E | MessageData | MessageEnd] = []
        try:
            step(data, events)
        except BaseException as error:  # a bug must not read as a clean end later
            opened = self._begin() if events else []
            self._fail(error)
            if not events or not isinstance(error, PeerError):
                raise
            return [*opened, *events]
        if self._first and events:
            events[:0] = self._begin()
        return events

    # req: chunked08/7.1 complete-with-final-chunk
    def receive_end(self) -> list[E | MessageData | MessageEnd]:
        """The end of the stream: what the final chunk holds, and :class:`MessageEnd`.

        Raises :class:`DecodeError` for a stream that was cut off before the final chunk, or in its tag, and
        :class:`OpenError` for a final chunk that doesn't open.
        """
        state = self._move(Input.END)
        try:
            data = self._last(state)
        except BaseException as error:
            self._fail(error)
            raise
        pieces = [MessageData(data)] if data else []
        first = self._begin()
        self._forget()
        return [*first, *pieces, MessageEnd()]

    def _last(self, state: State) -> bytes:
        if state is State.FAILED or self._have < TAG_LENGTH:
            raise DecodeError("chunked message", "truncated")
        return self._open[0].last(b"".join(self._pieces))

    @abstractmethod
    def _head(self, data: bytes) -> tuple[int, list[E]]:
        """Read what comes before the chunks, of which ``_need`` bytes are there: how many that used up, and events.

        0 bytes and a larger ``_need`` when it takes more.
        """

    def _rest(self, data: bytes, events: list[E | MessageData | MessageEnd]) -> None:
        """Go on in state HEAD or FINAL with ``data``, which is enough for that; put what happened into ``events``."""
        if self._state is State.FINAL:
            raise self._too_large()
        data = b"".join((*self._pieces, data))
        used, head = self._head(data)
        events += head
        rest = data[used:]
        self._pieces, self._have = [], 0
        if self._state is State.CHUNKS:
            self._chunks(rest, events)
        else:
            self._pieces, self._have = [rest], len(rest)

    def _chunks(self, data: bytes, events: list[E | MessageData | MessageEnd]) -> None:
        """Go on in state CHUNKS: open the chunks into ``events``, and keep what is left, less than one."""
        pieces, used = self._pieces, 0
        if pieces and not self._size:
            data = b"".join((*pieces, data))  # a length that was split
        view, end, opened = memoryview(data), len(data), self._open[0].middle
        if size := self._size:  # only what completes a chunk is copied; the others are opened where they lie
            used = size - self._have
            pieces.append(view[:used])
            events.append(MessageData(opened(b"".join(pieces))))
            self._size = 0
        need = 1
        while used < end:
            # req: chunked08/6 lengths-in-any-width
            width = 1 << (data[used] >> 6)
            start = used + width
            if start > end:
                need = width
                break
            size = _READ[width](data, used)[0] & _MASK[width]
            used = start
            if not TAG_LENGTH < size <= self._most:
                need = self._odd(size, end - start)
                break
            stop = start + size
            if stop > end:
                need = self._size = size
                break
            events.append(MessageData(opened(view[start:stop])))
            used = stop
        self._need = need
        self._have = end - used
        self._pieces = [view[used:]] if used < end else []
        self._left -= len(events)
        if self._left < 1:
            del events[self._left - 1 :]  # the last one that may come is the final one
            raise LimitError(f"more than {chunks.MAX_CHUNKS} chunks")

    # req: chunked08/6 empty-chunk-is-an-error
    def _odd(self, size: int, left: int) -> int:
        """A length that no chunk has: the indicator of the final one, or an error. Return what is needed then."""
        if size > self._most or (not size and left > self._most):
            raise self._too_large()
        if size:
            raise OpenError
        self._move(Input.INDICATOR)
        return self._most + 1

    def _too_large(self) -> LimitError:
        return LimitError(f"a chunk of over {self._most - TAG_LENGTH} bytes")

    def _go_on(self, what: Input, opener: Open) -> None:
        """The keys are there."""
        self._move(what)
        self._open = [opener]
        self._need = 1

    def _check(self, what: Input) -> State:
        """Where ``what`` leads; :class:`UsageError` if that is nowhere, and the error of a dead channel again."""
        if self._error is not None:
            raise bare(self._error)
        try:
            return self._table[self._state][what]
        except KeyError:
            raise UsageError(f"{what.name} isn't possible in state {self._state.name}") from None

    def _move(self, what: Input) -> State:
        self._state = self._check(what)
        return self._state

    def _begin(self) -> list[E]:
        """Something has opened: what comes before it, once."""
        first, self._first = self._first, []
        self._begun += first
        return first

    def _forget(self) -> None:
        self._pieces, self._open, self._first = [], [], []
        self._have = self._need = 0

    def _fail(self, error: BaseException) -> None:
        self._state = State.FAILED
        self._error = bare(error)
        self._forget()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.name}>"

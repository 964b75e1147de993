"""Byte codecs: :class:`Reader`, :class:`Writer` and the incremental :class:`Feed`.

Integers are big-endian. A vector is a length of fixed width followed by that many bytes (RFC 8446 §3.4), a varint is
QUIC's (RFC 9000 §16). :meth:`Reader.all` is the way in: it refuses what is left over, so exact consumption is the
default. Every length is bounded by what is there before anything is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

from privproc.errors import DecodeError, LimitError, PeerError, UsageError

__all__ = ["Feed", "Need", "Parser", "Reader", "Writer", "bare", "bounded", "encode_varint"]

T = TypeVar("T")
E = TypeVar("E")
B = TypeVar("B", bound=BaseException)


class Reader:
    """A cursor over received bytes. Every method raises :class:`DecodeError` when the bytes don't suffice."""

    __slots__ = ("_data", "_end", "_pos", "what")

    def __init__(self, data: bytes, what: str, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._pos = start
        self._end = len(data) if end is None else end
        self.what = what

    @classmethod
    def all(cls, data: bytes, what: str, read: Callable[[Reader], T]) -> T:
        """Let ``read`` consume ``data``, and refuse bytes that it left."""
        reader = cls(data, what)
        value = read(reader)
        # req: privproc1/1 exact-consumption
        reader.finish()
        return value

    def fail(self, why: str) -> DecodeError:
        """A :class:`DecodeError` at the current offset, to be raised by the caller."""
        return DecodeError(self.what, why, self._pos)

    def finish(self) -> None:
        """Refuse trailing bytes."""
        if self._pos != self._end:
            raise self.fail(f"{self._end - self._pos} trailing bytes")

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return self._end - self._pos

    @property
    def offset(self) -> int:
        """Where the cursor stands, counted from the start of the whole input."""
        return self._pos

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        start = self._pos
        end = start + count
        if end > self._end:
            raise self._short(count)
        self._pos = end
        return self._data[start:end]

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)

    def u8(self) -> int:
        """A uint8."""
        at = self._pos
        if at >= self._end:
            raise self._short(1)
        self._pos = at + 1
        return self._data[at]

    def u16(self) -> int:
        """A uint16."""
        at = self._pos
        if at + 2 > self._end:
            raise self._short(2)
        self._pos = at + 2
        return self._data[at] << 8 | self._data[at + 1]

    def u24(self) -> int:
        """A uint24."""
        return int.from_bytes(self.take(3), "big")

    def u32(self) -> int:
        """A uint32."""
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        """A uint64."""
        return int.from_bytes(self.take(8), "big")

    def varint(self) -> int:
        """A QUIC varint (1, 2, 4 or 8 bytes); non-minimal forms are accepted, as RFC 9000 §16 allows."""
        first = self.u8()
        more = (1 << (first >> 6)) - 1
        return ((first & 0x3F) << (8 * more)) | int.from_bytes(self.take(more), "big")

    def vector(self, width: int, at_least: int = 0, at_most: int | None = None) -> bytes:
        """``length || bytes`` with a length of ``width`` bytes, within the given bounds."""
        start = self._pos + width
        size = int.from_bytes(self._data[self._pos : start], "big")
        end = start + size
        if end > self._end or size < at_least or (at_most is not None and size > at_most):
            raise self._refused(width, at_least, at_most)
        self._pos = end
        return self._data[start:end]

    def sub(self, width: int, at_least: int = 0, at_most: int | None = None) -> Reader:
        """A reader over the contents of a vector; the caller finishes it."""
        size = len(self.vector(width, at_least, at_most))
        return Reader(self._data, self.what, self._pos - size, self._pos)

    def _short(self, count: int) -> DecodeError:
        return self.fail(f"{count} bytes wanted, {self._end - self._pos} left")

    def _refused(self, width: int, at_least: int, at_most: int | None) -> DecodeError:
        """What is wrong with the vector that comes next."""
        size = int.from_bytes(self.take(width), "big")
        if size < at_least:
            return self.fail(f"length {size} is under {at_least}")
        if at_most is not None and size > at_most:
            return self.fail(f"length {size} is over {at_most}")
        return self._short(size)


class Writer:
    """Collects an encoding. A value that doesn't fit its field is the caller's mistake: :class:`UsageError`."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def raw(self, data: bytes) -> Writer:
        """``data`` as it is."""
        self._parts.append(data)
        return self

    def uint(self, width: int, value: int) -> Writer:
        """An unsigned integer of ``width`` bytes."""
        try:
            self._parts.append(value.to_bytes(width, "big"))
        except OverflowError:
            raise UsageError(f"{value} doesn't fit {width} bytes") from None
        return self

    def vector(self, width: int, data: bytes) -> Writer:
        """``length || data`` with a length of ``width`` bytes."""
        return self.uint(width, len(data)).raw(data)

    def varint(self, value: int) -> Writer:
        """A QUIC varint in its shortest form."""
        return self.raw(encode_varint(value))

    def done(self) -> bytes:
        """The encoding."""
        return b"".join(self._parts)


def encode_varint(value: int) -> bytes:
    """``value`` (0 to 2^62 - 1) as the shortest QUIC varint (RFC 9000 §16)."""
    for prefix, width in ((0, 1), (1, 2), (2, 4), (3, 8)):
        if 0 <= value < 1 << (8 * width - 2):
            return (value | prefix << (8 * width - 2)).to_bytes(width, "big")
    raise UsageError(f"{value} doesn't fit a varint")


@dataclass(frozen=True, slots=True)
class Need:
    """What a parser under :class:`Feed` waits for: ``least`` to ``most`` bytes.

    With ``or_end`` the parser is answered ``b""`` if the stream ends right here; otherwise an end means truncation.
    """

    least: int
    most: int
    or_end: bool = False


_END = Need(0, 0, or_end=True)

Parser = Generator["Need | E", bytes, None]


class Feed(Generic[E]):
    """Runs a generator parser over a stream that arrives in any pieces.

    The parser yields :class:`Need` to get bytes and yields anything else as an event. It buffers at most ``most`` of
    the present need. Any split of the input gives the same bytes to needs with ``least == most``, hence the same
    events; a parser that passes a body through with ``least=1`` gives the same concatenation.

    After an error every further call raises it again; after the parser's end any further byte is refused. Events before
    an error are given out, and the next call raises it; with the end of the stream there is no next call, so that
    raises.
    """

    __slots__ = ("_buffer", "_error", "_need", "_parser", "offset", "what")

    def __init__(self, what: str, parser: Parser[E]) -> None:
        self.what = what
        self.offset = 0
        self._parser = parser
        self._buffer = bytearray()
        self._error: BaseException | None = None
        self._need: Need | None = None

    def receive(self, data: bytes, *, last: bool = False) -> list[E]:
        """Take ``data`` (``last``: and the end of the stream) and return the events that it completes.

        Raises what the parser raises for bad bytes, :class:`DecodeError` for truncated or trailing ones, unless there
        are events before.
        """
        if self._error is not None:
            raise bare(self._error)
        self._buffer += data
        events: list[E] = []
        try:
            self._run(events, last=last)
        except BaseException as error:  # a bug of the parser's must not read as a clean end later
            self._error = bare(error)
            self._buffer.clear()
            self._parser.close()
            if last or not events or not isinstance(error, PeerError):
                raise
        return events

    def _run(self, events: list[E], *, last: bool) -> None:
        try:
            if self._need is None:
                self._need = self._advance(events, None)
            while (answer := self._answer(self._need, last=last)) is not None:
                self._need = self._advance(events, answer)
        except StopIteration:
            self._need = _END
            self._answer(_END, last=last)

    def _advance(self, events: list[E], answer: bytes | None) -> Need:
        item = next(self._parser) if answer is None else self._parser.send(answer)
        while not isinstance(item, Need):
            events.append(item)
            item = next(self._parser)
        return item

    def _answer(self, need: Need, *, last: bool) -> bytes | None:
        there = len(self._buffer)
        if need is _END:
            if there:
                raise DecodeError(self.what, "bytes after the end", self.offset)
            return None
        if there >= max(need.least, 1) or need.most == 0:
            taken = bytes(memoryview(self._buffer)[: need.most])
            del self._buffer[: len(taken)]  # cheap: a bytearray moves its start
            self.offset += len(taken)
            return taken
        if not last:
            return None
        if there == 0 and need.or_end:
            return b""
        raise DecodeError(self.what, "truncated", self.offset + there)


def bare(error: B) -> B:
    """``error`` anew, without its traceback and context: their frames hold what a failure has to forget, keys say.

    To keep an error, keep a bare one, and raise another: what is raised gets a traceback.
    """
    again = type(error).__new__(type(error), *error.args)  # not __init__, whose arguments are not args
    again.__dict__.update(error.__dict__)
    return again


def bounded(what: str, size: int, limit: int) -> int:
    """``size``, or :class:`LimitError` when it passes ``limit``: for lengths that are checked before buffering."""
    if size > limit:
        raise LimitError(f"{what}: {size} is over the limit of {limit}")
    return size

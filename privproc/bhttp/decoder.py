"""The incremental decoder; see :mod:`privproc.bhttp`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar, cast

from privproc.bhttp._rules import fields_fault, request_fault
from privproc.errors import DecodeError
from privproc.http import Fields, Informational, Request, Response
from privproc.wire import Feed, Need, Parser, bounded

__all__ = [
    "DEFAULT",
    "Data",
    "EndOfMessage",
    "Limits",
    "RequestDecoder",
    "RequestEvent",
    "RequestHead",
    "ResponseDecoder",
    "ResponseEvent",
    "ResponseHead",
    "decode_request",
    "decode_response",
]

T = TypeVar("T")
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a decoder takes; one more is :class:`~privproc.errors.LimitError`, raised before anything is buffered.

    ``control``: bytes of method, scheme, authority and path together. ``section``: bytes of one field section, lengths
    included. ``fields``: field lines of one section. ``content``: bytes of the whole content. ``informational``: how
    many responses may come before the final one.
    """

    control: int = 16 * 1024
    section: int = 64 * 1024
    fields: int = 256
    content: int = 64 * 1024 * 1024
    informational: int = 16


DEFAULT: Final = Limits()
"""The limits of a decoder that was given none."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Event: control data and headers of a request, as in :class:`~privproc.http.Request`, whose ``repr`` it has."""

    method: str
    scheme: str
    authority: str
    path: str
    fields: Fields = field(repr=False)


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Event: status (200 to 599) and headers of the final response. ``repr`` leaves the headers out."""

    status: int
    fields: Fields = field(repr=False)


@dataclass(frozen=True, slots=True)
class Data:
    """Event: at least one byte of content. Where one event ends and the next begins means nothing."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndOfMessage:
    """Event: the message is complete and its padding was checked. Comes with the end of the data, never before."""

    trailers: Fields = field(repr=False)


RequestEvent = RequestHead | Data | EndOfMessage
ResponseEvent = Informational | ResponseHead | Data | EndOfMessage


# Decoding. What has arrived lies in an _Input. The functions that read a section take it from there in one go or raise
# _ShortError; the generators around them then ask the Feed for more and try again. So a message that is there as a
# whole costs hardly a switch between generators, and one that comes in single bytes goes the same way.

_ALL: Final = 1 << 62
_BATCH: Final = 4096  # chunks in one Data: a flood of tiny ones must not become a flood of events


class _ShortError(Exception):
    """Internal: at least ``missing`` more bytes are needed."""

    def __init__(self, missing: int) -> None:
        self.missing = missing


class _Input:
    """What has arrived and isn't consumed. A retry starts at the last :meth:`commit`."""

    __slots__ = ("_base", "_mark", "data", "pos", "what")

    def __init__(self, what: str, data: bytes = b"", base: int = 0) -> None:
        self.what = what
        self.data = data
        self.pos = 0
        self._mark = 0
        self._base = base  # offset of data[0] in the message

    @property
    def offset(self) -> int:
        return self._base + self.pos

    def commit(self) -> None:
        self._mark = self.pos

    def extend(self, more: bytes) -> None:
        """Drop what was consumed up to the mark, append ``more``, go back to the mark."""
        self._base += self._mark
        self.data = self.data[self._mark :] + more
        self.pos = self._mark = 0

    def fail(self, why: str) -> DecodeError:
        return DecodeError(self.what, why, self.offset)

    def truncated(self) -> DecodeError:
        return DecodeError(self.what, "truncated", self._base + len(self.data))

    def varint(self) -> int:
        data, pos = self.data, self.pos
        try:
            first = data[pos]
        except IndexError:
            raise _ShortError(1) from None
        if first < 0x40:
            self.pos = pos + 1
            return first
        width = 1 << (first >> 6)
        return int.from_bytes(self.take(width), "big") & ((1 << (8 * width - 2)) - 1)

    def take(self, size: int) -> bytes:
        pos = self.pos
        end = pos + size
        if end > len(self.data):
            raise _ShortError(end - len(self.data))
        self.pos = end
        return self.data[pos:end]


def _whole(inp: _Input, read: Callable[[_Input], T]) -> Generator[Need, bytes, T]:
    """What ``read`` returns, once all of its bytes have come."""
    inp.commit()
    while True:
        try:
            return read(inp)
        except _ShortError as short:
            missing = short.missing
        more = yield Need(missing, _ALL, or_end=True)
        if not more:
            raise inp.truncated()
        inp.extend(more)


def _at_end(inp: _Input) -> Generator[Need, bytes, bool]:
    """Whether the message ends right here, between two sections (§3.8)."""
    if inp.pos < len(inp.data):
        return False
    inp.commit()
    inp.extend((yield Need(1, _ALL, or_end=True)))
    return not inp.data


def _framing(inp: _Input, response: int) -> Generator[Need, bytes, bool]:
    """Whether the framing is the one of known lengths."""
    try:
        indicator = inp.varint()
    except _ShortError:
        indicator = yield from _whole(inp, _Input.varint)
    if indicator not in (response, response + 2):
        raise inp.fail(f"framing {indicator}")
    return indicator == response


def _control(inp: _Input, limit: int) -> tuple[str, str, str, str]:
    used = 0
    parts = []
    for _ in range(4):
        size = inp.varint()
        used = bounded("control data", used + size, limit)
        parts.append(inp.take(size).decode("latin-1"))  # what isn't ASCII is refused by request_fault
    method, scheme, authority, path = parts
    return method, scheme, authority, path


def _section(inp: _Input, limits: Limits, *, known: bool, trailers: bool = False) -> Generator[Need, bytes, Fields]:
    """A field section, empty if the message ends before it."""
    if inp.pos >= len(inp.data) and (yield from _at_end(inp)):
        return ()
    lines: list[tuple[bytes, bytes]] = []
    if known:
        block = yield from _whole(inp, lambda inp: inp.take(bounded("field section", inp.varint(), limits.section)))
        _known_lines(_Input(inp.what, block, inp.offset - len(block)), lines, limits.fields)
    else:
        start = inp.offset
        yield from _whole(inp, lambda inp: _open_lines(inp, lines, limits, start))
    if (fault := fields_fault(lines, trailers=trailers)) is not None:
        raise inp.fail(fault)
    return tuple(lines)


def _known_lines(block: _Input, lines: list[tuple[bytes, bytes]], limit: int) -> None:
    size, varint, take = len(block.data), block.varint, block.take
    try:
        while block.pos < size:
            lines.append((take(varint()), take(varint())))
            if len(lines) > limit:
                bounded("field lines", len(lines), limit)
    except _ShortError:
        raise block.fail("a field line is longer than its section") from None


def _open_lines(inp: _Input, lines: list[tuple[bytes, bytes]], limits: Limits, start: int) -> None:
    """Field lines up to the final zero. Complete ones are committed, so a retry takes up where this one ended."""
    while size := inp.varint():
        bounded("field lines", len(lines) + 1, limits.fields)
        bounded("field section", inp.offset - start + size, limits.section)
        name = inp.take(size)
        size = inp.varint()
        bounded("field section", inp.offset - start + size, limits.section)
        lines.append((name, inp.take(size)))
        inp.commit()


class _Content:
    """The content as far as it has come. Known content is a single chunk without the final zero."""

    __slots__ = ("known", "left", "limit", "total")

    def __init__(self, limit: int, size: int, *, known: bool) -> None:
        self.limit = limit
        self.total = self.left = size  # left: of the chunk at hand
        self.known = known

    def gather(self, inp: _Input, parts: list[bytes]) -> bool:
        """Move what is there to ``parts``, up to a batch; whether that was the end."""
        while len(parts) < _BATCH:
            if not self.left:
                if self.known or not (size := inp.varint()):
                    return True
                self.total = bounded("content", self.total + size, self.limit)
                self.left = size
            piece = inp.data[inp.pos : inp.pos + self.left]
            if not piece:
                raise _ShortError(1)
            inp.pos += len(piece)
            self.left -= len(piece)
            parts.append(piece)
        return False


def _content(inp: _Input, limit: int, *, known: bool) -> Generator[Need | Data, bytes, None]:
    if inp.pos >= len(inp.data) and (yield from _at_end(inp)):
        return
    size = bounded("content", (yield from _whole(inp, _Input.varint)), limit) if known else 0
    content = _Content(limit, size, known=known)
    done = False
    while not done:
        parts: list[bytes] = []
        missing = 0
        try:
            done = content.gather(inp, parts)
        except _ShortError as short:
            missing = short.missing
        if parts:
            yield Data(b"".join(parts))
        if missing:
            inp.commit()
            more = yield Need(missing, _ALL, or_end=True)
            if not more:
                raise inp.truncated()
            inp.extend(more)


def _rest(inp: _Input, limits: Limits, *, known: bool) -> Generator[Need | Data | EndOfMessage, bytes, None]:
    yield from _content(inp, limits.content, known=known)
    trailers = yield from _section(inp, limits, known=known, trailers=True)
    while inp.pos < len(inp.data) or not (yield from _at_end(inp)):
        padding = inp.take(len(inp.data) - inp.pos)
        if padding != bytes(len(padding)):
            inp.pos -= len(padding.lstrip(b"\0"))
            raise inp.fail("padding is not zero")
    yield EndOfMessage(trailers)


def _request(limits: Limits, data: bytes = b"") -> Parser[RequestEvent]:
    inp = _Input("BHTTP request", data)
    known = yield from _framing(inp, 0)
    target = yield from _whole(inp, lambda inp: _control(inp, limits.control))
    fields = yield from _section(inp, limits, known=known)
    if (fault := request_fault(*target, fields)) is not None:
        raise inp.fail(fault)
    yield RequestHead(*target, fields)
    yield from _rest(inp, limits, known=known)


def _response(limits: Limits, data: bytes = b"") -> Parser[ResponseEvent]:
    inp = _Input("BHTTP response", data)
    known = yield from _framing(inp, 1)
    interim = 0
    while (status := (yield from _whole(inp, _Input.varint))) < 200:
        if status < 100:
            raise inp.fail("a status is 100 to 599")
        interim = bounded("informational responses", interim + 1, limits.informational)
        yield Informational(status, (yield from _section(inp, limits, known=known)))
    if status > 599:
        raise inp.fail("a status is 100 to 599")
    yield ResponseHead(status, (yield from _section(inp, limits, known=known)))
    yield from _rest(inp, limits, known=known)


class _Decoder(Generic[E]):
    __slots__ = ("_feed",)

    _feed: Feed[E]

    def receive_data(self, data: bytes) -> list[E]:
        """The events that ``data`` completes. Empty ``data`` is not the end.

        Raises :class:`~privproc.errors.DecodeError` for an invalid message and :class:`~privproc.errors.LimitError` for
        one over the limits. Events of the same call are lost then, earlier ones belong to a message that must not be
        processed further (§4). Every later call raises the same error.
        """
        return self._feed.receive(data)

    def end_of_data(self) -> list[E]:
        """The events that the end of the data completes, :class:`EndOfMessage` the last.

        Raises :class:`~privproc.errors.DecodeError` for a message that was cut off. The decoder is closed afterwards.
        """
        return self._feed.receive(b"", last=True)


class RequestDecoder(_Decoder[RequestEvent]):
    """Decodes one request that arrives in any pieces: ``RequestHead Data* EndOfMessage``.

    Holds one field section or the control data at most; content passes through. Any split of the same bytes gives the
    same events but for the bounds between Data.
    """

    __slots__ = ()

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._feed = Feed("BHTTP request", _request(limits))


class ResponseDecoder(_Decoder[ResponseEvent]):
    """Decodes one response that arrives in any pieces: ``Informational* ResponseHead Data* EndOfMessage``.

    Holds one field section at most; content passes through. Any split of the same bytes gives the same events but for
    the bounds between Data.
    """

    __slots__ = ()

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._feed = Feed("BHTTP response", _response(limits))


def decode_request(data: bytes, limits: Limits = DEFAULT) -> Request:
    """The request that ``data`` is, padding included.

    Raises :class:`~privproc.errors.DecodeError` or :class:`~privproc.errors.LimitError`.
    """
    events: list[RequestEvent] = _events(_request(limits, data))
    head, end = cast("RequestHead", events[0]), cast("EndOfMessage", events[-1])
    content = _joined(events)
    return Request(head.method, head.scheme, head.authority, head.path, head.fields, content, end.trailers)


def decode_response(data: bytes, limits: Limits = DEFAULT) -> Response:
    """The final response that ``data`` is, padding included, with the informational ones before it.

    Raises :class:`~privproc.errors.DecodeError` or :class:`~privproc.errors.LimitError`.
    """
    events: list[ResponseEvent] = _events(_response(limits, data))
    interim = tuple(event for event in events if isinstance(event, Informational))
    head, end = cast("ResponseHead", events[len(interim)]), cast("EndOfMessage", events[-1])
    return Response(head.status, head.fields, _joined(events), end.trailers, interim)


def _events(parser: Parser[E]) -> list[E]:
    """The events of a parser that was given all of its input: whatever it still wants isn't there."""
    events: list[E] = []
    try:
        item = next(parser)
        while True:
            if isinstance(item, Need):
                item = parser.send(b"")
            else:
                events.append(item)
                item = next(parser)
    except StopIteration:
        return events


def _joined(events: list[RequestEvent] | list[ResponseEvent]) -> bytes:
    return b"".join([event.data for event in events if isinstance(event, Data)])

"""The decoders, of whole messages and of pieces; see :mod:`privproc.bhttp`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from privproc.bhttp._sections import (
    DEFAULT,
    Content,
    Input,
    Limits,
    ShortError,
    check_target,
    checked_fields,
    read_control,
    read_framing,
    read_known_lines,
    read_open_lines,
    read_padding,
    read_status,
)
from privproc.errors import PeerError
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


# Over a whole message decode_request and decode_response read section after section. For one that arrives in pieces the
# generators do, in the same order: what is short makes them ask the Feed for more, and try the section again.

_ALL: Final = 1 << 62
_BATCH: Final = 4096  # chunks in one Data: a flood of tiny ones must not become a flood of events


def _whole(inp: Input, read: Callable[[Input], T]) -> Generator[Need, bytes, T]:
    """What ``read`` returns, once all of its bytes have come."""
    inp.commit()
    while True:
        try:
            return read(inp)
        except ShortError as short:
            missing = short.missing
        inp.extend((yield Need(missing, _ALL)))


def _at_end(inp: Input) -> Generator[Need, bytes, bool]:
    """Whether the message ends right here, between two sections (§3.8)."""
    # req: rfc9292/3.8 truncation-of-empty-parts
    if inp.pos < len(inp.data):
        return False
    inp.commit()
    inp.extend((yield Need(1, _ALL, or_end=True)))
    return not inp.data


def _content(inp: Input, limit: int, *, known: bool) -> Generator[Need | Data, bytes, None]:
    if (yield from _at_end(inp)):
        return
    size = bounded("content", (yield from _whole(inp, Input.varint)), limit) if known else 0
    content = Content(limit, size, known=known)
    done = False
    while not done:
        parts: list[bytes] = []
        missing = 0
        failure: PeerError | None = None
        try:
            done = content.gather(inp, parts, _BATCH)
        except ShortError as short:
            missing = short.missing
        except PeerError as error:
            failure = error
        if parts:
            yield Data(b"".join(parts))
        if failure is not None:
            raise failure
        if missing:
            inp.commit()
            inp.extend((yield Need(missing, _ALL)))


def _section(inp: Input, limits: Limits, *, known: bool, trailers: bool = False) -> Generator[Need, bytes, Fields]:
    """A field section, empty if the message ends before it."""
    if (yield from _at_end(inp)):
        return ()
    lines: list[tuple[bytes, bytes]] = []
    start = inp.offset
    if known:
        yield from _whole(inp, lambda inp: read_known_lines(inp, lines, limits))
    else:
        yield from _whole(inp, lambda inp: read_open_lines(inp, lines, limits, start))
    return checked_fields(inp, lines, trailers=trailers)


def _rest(inp: Input, limits: Limits, *, known: bool) -> Generator[Need | Data | EndOfMessage, bytes, None]:
    yield from _content(inp, limits.content, known=known)
    trailers = yield from _section(inp, limits, known=known, trailers=True)
    while not (yield from _at_end(inp)):
        read_padding(inp)
    yield EndOfMessage(trailers)


def _request(limits: Limits) -> Parser[RequestEvent]:
    inp = Input("BHTTP request")
    known = yield from _whole(inp, lambda inp: read_framing(inp, 0))
    target = yield from _whole(inp, lambda inp: read_control(inp, limits.control))
    fields = yield from _section(inp, limits, known=known)
    check_target(inp, target, fields)
    yield RequestHead(*target, fields)
    yield from _rest(inp, limits, known=known)


def _response(limits: Limits) -> Parser[ResponseEvent]:
    inp = Input("BHTTP response")
    known = yield from _whole(inp, lambda inp: read_framing(inp, 1))
    interim = 0
    while (status := (yield from _whole(inp, read_status))) < 200:
        interim = bounded("informational responses", interim + 1, limits.informational)
        yield Informational(status, (yield from _section(inp, limits, known=known)))
    yield ResponseHead(status, (yield from _section(inp, limits, known=known)))
    yield from _rest(inp, limits, known=known)


class _Decoder(Generic[E]):
    __slots__ = ("_feed",)

    _feed: Feed[E]

    def receive_data(self, data: bytes) -> list[E]:
        """The events that ``data`` completes. Empty ``data`` is not the end.

        Raises :class:`~privproc.errors.DecodeError` for an invalid message and :class:`~privproc.errors.LimitError` for
        one over the limits; the next call does if there were events before. They belong to a message that must not be
        processed further (§4). Every later call raises the same error.
        """
        # req: rfc9292/4 invalid-is-not-processed
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
    inp = Input("BHTTP request", data)
    try:
        known = read_framing(inp, 0)
        target = read_control(inp, limits.control)
        fields = _fields(inp, limits, known=known)
        check_target(inp, target, fields)
        content, trailers = _body(inp, limits, known=known)
    except ShortError:
        raise inp.truncated() from None
    return Request(*target, fields, content, trailers)


def decode_response(data: bytes, limits: Limits = DEFAULT) -> Response:
    """The final response that ``data`` is, padding included, with the informational ones before it.

    Raises :class:`~privproc.errors.DecodeError` or :class:`~privproc.errors.LimitError`.
    """
    inp = Input("BHTTP response", data)
    interim: list[Informational] = []
    try:
        known = read_framing(inp, 1)
        while (status := read_status(inp)) < 200:
            bounded("informational responses", len(interim) + 1, limits.informational)
            # req: rfc9292/3.5.1 informational-responses
            interim.append(Informational(status, _fields(inp, limits, known=known)))
        fields = _fields(inp, limits, known=known)
        content, trailers = _body(inp, limits, known=known)
    except ShortError:
        raise inp.truncated() from None
    return Response(status, fields, content, trailers, tuple(interim))


def _fields(inp: Input, limits: Limits, *, known: bool, trailers: bool = False) -> Fields:
    # req: rfc9292/3.8 truncation-of-empty-parts
    if inp.pos == len(inp.data):
        return ()
    lines: list[tuple[bytes, bytes]] = []
    if known:
        read_known_lines(inp, lines, limits)
    else:
        read_open_lines(inp, lines, limits, inp.offset)
    return checked_fields(inp, lines, trailers=trailers)


def _body(inp: Input, limits: Limits, *, known: bool) -> tuple[bytes, Fields]:
    """Content and trailers; what follows is padding."""
    parts: list[bytes] = []
    if inp.pos < len(inp.data):
        size = bounded("content", inp.varint(), limits.content) if known else 0
        content = Content(limits.content, size, known=known)
        content.gather(inp, parts, len(inp.data))  # fewer pieces than bytes
    trailers = _fields(inp, limits, known=known, trailers=True)
    read_padding(inp)
    return b"".join(parts), trailers

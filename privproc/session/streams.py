"""The gateway's end of chunked exchanges: channels around the same checks (docs/protocol.md §5.4).

::

    upload = Upload(gateway)                                  # for each chunked request
    events = upload.receive_data(data, at=now)                # PeerError: answer with upload.refuse(error)

    PipeRequest:      as OpenRequest, then
                      wire, download = forwarded.answer(offer, endorsements=..., log_proof=...)
    RecordsReceived:  what goes to the enclave of the pipe's session, from the first question on
    StreamRequest:    live = the value kept under event.handle, removed
                      records, download = event.accept(live, at=now)
    both:             wire = download.send(records)           # as the enclave gives them
                      wire, live = download.finish(ended=..., at=now)

The response's head is :data:`RESPONSE`; ``wire`` are pieces of its content. A pipe has no handle: the exchange itself
says whose records are whose, and in which order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, final

from privproc import bhttp, ohttp
from privproc._outcome import Outcome, each, last
from privproc._step import Step, Unique
from privproc.bhttp import Data, Framing, RequestDecoder, RequestHead
from privproc.errors import DecodeError, PeerError, PolicyError, UntrustedError
from privproc.http import Response
from privproc.secret import Secret
from privproc.session.chunked import END, FRAMING, content_chunk, filled, missing, opening_of, response_head
from privproc.session.gateway import (
    MAX_REQUEST,
    Epoch,
    Gateway,
    Live,
    admit,
    check_target,
    forwardable,
    same_token,
)
from privproc.session.messages import HANDLE_LENGTH, OPEN_SIZE, Continue, Forward, Opened
from privproc.session.profile import (
    ANSWER_SIZES,
    CONTINUE_PATH,
    IDLE,
    INCREMENTAL,
    OHTTP_CHUNKED_RESPONSE,
    OPEN_PATH,
    REFUSED,
    STREAM_LIMITS,
)
from privproc.tokens import Reservation, SpendKey
from privproc.wire import bounded

__all__ = [
    "RESPONSE",
    "Download",
    "ForwardedPipe",
    "PipeDownload",
    "PipeRequest",
    "RecordsReceived",
    "RequestEnd",
    "StreamRequest",
    "Upload",
    "UploadEvent",
]

RESPONSE: Final = Response(200, ((b"content-type", OHTTP_CHUNKED_RESPONSE), INCREMENTAL))
"""The head of every chunked response."""


class _Stream(NamedTuple):
    responder: ohttp.StreamResponder
    epoch: Epoch

    def __repr__(self) -> str:
        return "<_Stream>"

    def room(self, size: int) -> int:
        """Bytes of plaintext in a response of ``size``, the lengths of chunks not counted."""
        return size - ohttp.response_overhead(self.responder.suite)


@dataclass(frozen=True, slots=True)
class RecordsReceived:
    """Event: TLS records of a pipe for its enclave; where one ends and the next begins means nothing."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class RequestEnd:
    """Event: the device sends nothing more in this pipe. The answer may go on."""


@final
class Upload(Unique):
    """Opens one chunked request: ``PipeRequest RecordsReceived* RequestEnd``, or ``StreamRequest``, which is whole.

    Holds a first piece, or a request of at most 5 MiB. After a failure, and after :meth:`refuse`, every other call
    raises the same error.
    """

    __slots__ = (
        "_content",
        "_decoder",
        "_gateway",
        "_have",
        "_head",
        "_opened",
        "_outcome",
        "_piped",
        "_receiver",
        "_refusal",
    )

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._receiver = ohttp.RequestReceiver()
        self._decoder = RequestDecoder(STREAM_LIMITS)
        self._have = 0
        self._opened: _Stream
        self._head: RequestHead | None = None
        self._content: list[bytes] = []
        self._piped = False
        self._refusal: int | None = None
        self._outcome = Outcome()

    def receive_data(self, data: bytes, *, at: int) -> list[UploadEvent]:
        """Bytes of the request's content, in any pieces. Raises :class:`PeerError`, if nothing came before the
        failure, else the next call does: answer with :meth:`refuse`, or cut the response off, once it has begun.
        """
        return self._outcome.events(self._events(each(self._receiver.receive_data, data), at))

    def receive_end(self, *, at: int) -> list[UploadEvent]:
        """The content has ended. Raises as :meth:`receive_data`, and :class:`DecodeError` if it was cut off."""
        return self._outcome.events(self._events(last(self._receiver.receive_end), at), end=True)

    def refuse(self, error: PeerError) -> Response:
        """The one response to whatever was raised: in the clear as long as nothing has opened, encapsulated from then
        on. :class:`SpentError` once a response has begun.
        """
        self._outcome.keep(error)
        responder = self._receiver.responder
        if responder is None:
            return Gateway.reject(error)
        stream = _Stream(responder, self._gateway._epochs[responder.key_config])
        size = stream.room(self._refusal or stream.epoch.contents.down)
        inner = bhttp.encode_response(Response(REFUSED), framing=Framing.INDETERMINATE, size=size)
        return Response(RESPONSE.status, RESPONSE.fields, responder.stream().finish(inner))

    def _events(self, pieces: Iterable[ohttp.chunked.RequestEvent], at: int) -> Iterator[UploadEvent]:
        for piece in pieces:
            match piece:
                case ohttp.RequestHeader():
                    yield from self._events(self._gateway._ohttp.accept(self._receiver, at=at), at)
                case ohttp.RequestOpened(responder):
                    self._opened = _Stream(responder, self._gateway._epochs[responder.key_config])
                case ohttp.MessageData(data):
                    yield from self._data(data, at)
                case _:
                    yield self._ended()

    def _data(self, data: bytes, at: int) -> list[UploadEvent]:
        if not self._have and data[:1] != FRAMING:
            # req: privproc1/5.4 indeterminate-framing
            raise PolicyError("a chunked request is framed with indeterminate lengths")
        self._have += len(data)
        content: list[bytes] = []  # of a chunk that isn't in order nothing is passed on
        for event in each(self._decoder.receive_data, data):
            if isinstance(event, RequestHead):
                self._begin(event)
            if isinstance(event, Data):
                content.append(event.data)
        if self._piped:
            return [RecordsReceived(b"".join(content))] if content else []
        self._content += content
        if self._head is None or self._head.path != OPEN_PATH:
            bounded("chunked request", self._have, MAX_REQUEST)
            return []
        return self._first_piece(self._head, at)

    def _begin(self, head: RequestHead) -> None:
        check_target(self._opened.epoch, head.method, head.scheme, head.authority)
        if head.path not in (OPEN_PATH, CONTINUE_PATH):
            raise UntrustedError("not a path of this gateway")
        if head.path == CONTINUE_PATH:
            # req: privproc1/5.4 refusals-have-a-size
            self._refusal = ANSWER_SIZES[0]
        self._head = head

    def _first_piece(self, head: RequestHead, at: int) -> list[UploadEvent]:
        stream = self._opened
        size = stream.epoch.contents.up - ohttp.request_overhead(stream.responder.suite)
        if missing(self._have, size):
            return []
        message = opening_of(b"".join(self._content), "Open", lambda reader: reader.take(OPEN_SIZE))
        self._content, self._piped = [], True
        forward, spend_key = admit(stream.responder, stream.epoch, head.fields, message, at=at)
        return [PipeRequest(stream, forward, spend_key)]

    def _ended(self) -> UploadEvent:
        self._decoder.end_of_data()
        if self._piped:
            return RequestEnd()
        if self._head is None or self._head.path != CONTINUE_PATH:
            raise DecodeError("chunked request", "ends before its first piece", self._have)
        return StreamRequest(self._opened, Continue.decode(b"".join(self._content)))


@final
class PipeRequest(Step[tuple[_Stream, Forward]]):
    """The first piece of a pipe, whose token and proof hold. ``spend_key`` is to be reserved."""

    __slots__ = ("spend_key",)

    def __init__(self, stream: _Stream, forward: Forward, spend_key: SpendKey) -> None:
        super().__init__((stream, forward))
        self.spend_key = spend_key

    def forward(self, reservation: Reservation) -> tuple[bytes, ForwardedPipe]:
        """As :meth:`OpenRequest.forward`."""
        same_token(reservation, self.spend_key)
        stream, forward = self._take()
        return forwardable(forward, stream.epoch), ForwardedPipe(stream)


@final
class ForwardedPipe(Step[_Stream]):
    """A pipe's first piece on its way to the enclave."""

    __slots__ = ()

    def answer(self, offer: bytes, *, endorsements: bytes, log_proof: bytes) -> tuple[bytes, PipeDownload]:
        """The first piece of the response, and what sends the rest. Raises :class:`LimitError` when the parts don't fit
        the directory's size.
        """
        stream = self._take()
        message = Opened(bytes(HANDLE_LENGTH), offer, endorsements, log_proof).encode()
        piece = filled(response_head(), message, stream.room(stream.epoch.contents.down))
        sender = stream.responder.stream()
        return sender.send(piece), PipeDownload(sender)


@final
class PipeDownload(Unique):
    """The response of a pipe from its second piece on: records as the enclave gives them, then the end."""

    __slots__ = ("_sender",)

    def __init__(self, sender: ohttp.MessageSender) -> None:
        self._sender = sender

    def send(self, records: bytes) -> bytes:
        """A piece of the response's content."""
        return self._sender.send(content_chunk(records))

    def finish(self) -> bytes:
        """The session has ended. Raises :class:`UsageError` when it did so before."""
        return self._sender.finish(END)


@final
class StreamRequest(Step[tuple[_Stream, Continue]]):
    """A later request whose answer streams. ``handle`` tells which :class:`Live` it belongs to."""

    __slots__ = ("handle",)

    def __init__(self, stream: _Stream, message: Continue) -> None:
        super().__init__((stream, message))
        self.handle = message.handle

    # req: privproc1/5.4 continuations-in-chunks
    def accept(self, live: Live, *, at: int) -> tuple[bytes, Download]:
        """The TLS records for the enclave, and what answers. Raises as :meth:`ContinueRequest.accept`."""
        stream, message = self._take()
        live.check(message, stream.responder.enc, at=at)
        return message.records, Download(stream.responder, live.key, live.offset + len(message.records))


@final
class Download(Unique):
    """The response to a later request: the handle that replaces the one used up, and records as they come.

    As long as :meth:`send` was not called the request can still be refused.
    """

    __slots__ = ("_handle", "_key", "_offset", "_responder", "_sender")

    def __init__(self, responder: ohttp.StreamResponder, key: Secret, offset: int) -> None:
        self._responder = responder
        self._sender: list[ohttp.MessageSender] = []
        self._handle = os.urandom(HANDLE_LENGTH)
        self._key = key
        self._offset = offset

    def send(self, records: bytes) -> bytes:
        """A piece of the response's content; the first one carries the handle in a chunk before it."""
        return self._begin() + self._sender[0].send(content_chunk(records))

    def finish(self, *, ended: bool, at: int) -> tuple[bytes, Live | None]:
        """The end, and what to keep, unless the session has ``ended``. The new handle's time begins here.

        Raises :class:`UsageError` the second time.
        """
        wire = self._begin() + self._sender[0].finish(END)
        return wire, None if ended else Live(self._handle, self._key, self._offset, at + IDLE)

    def _begin(self) -> bytes:
        if self._sender:
            return b""
        self._sender.append(self._responder.stream())
        return self._sender[0].send(response_head() + content_chunk(self._handle))


UploadEvent = PipeRequest | StreamRequest | RecordsReceived | RequestEnd

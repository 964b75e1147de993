"""The gateway with HTTP messages: the relay's request in, the client's request out, and back.

    try:
        incoming = open_request(posted, gateway, at=now)
    except PeerError as error:
        return refusal(error, at=now)
    try:
        request, until = incoming.read(rules, at=now)
        window.admit(incoming.replay_key, at=now, until=until)
        return incoming.respond(answer(request))
    except PeerError as error:
        return incoming.refuse(error, at=now)

and in chunks:

    stream = RequestStream(posted, gateway)                   # what this raises: refusal(error, at=now)
    try:
        for event in stream.receive_data(data, at=now): ...   # RequestOpened RequestHead Data* EndOfMessage
    except PeerError as error:
        return stream.refuse(error, at=now)
    head, body = respond_stream(opened.responder, Response(200))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import final

from privproc import bhttp
from privproc._outcome import Outcome, each, last
from privproc._step import Step, Unique
from privproc.bhttp import Limits, RequestDecoder, RequestEvent, ResponseEncoder, ResponseEvent, ResponseHead
from privproc.errors import PeerError, UsageError
from privproc.http import Request, Response
from privproc.ohttp._body import MessageBody
from privproc.ohttp._exchange import Mode, RequestHeader
from privproc.ohttp.chunked import (
    MessageData,
    RequestOpened,
    RequestReceiver,
    StreamResponder,
)
from privproc.ohttp.chunked import RequestEvent as ChunkedRequestEvent
from privproc.ohttp.gateway import Gateway, Responder
from privproc.ohttp.problems import MEDIA_TYPE, MediaTypeError, MethodError, Place, problem_for
from privproc.ohttp.relay import carrying, request_mode
from privproc.ohttp.replay import encode_date
from privproc.ohttp.rules import Rules, check_expectation

__all__ = ["Incoming", "RequestStream", "open_request", "refusal", "respond_stream"]


def refusal(error: PeerError, *, at: int, place: Place = Place.BEFORE_DECAPSULATION) -> Response:
    """The answer to ``error``: the problem document of :data:`~privproc.ohttp.problems.TABLE`, not to be stored.

    In the clear by default. The Date is this server's, for a client that has to correct its own (RFC 9458 §6.5.2).
    """
    problem = problem_for(error, place)
    # req: rfc9458/6.5.2 refusals-are-not-stored
    fields = ((b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store"), (b"date", encode_date(at)))
    allow = ((b"allow", b"POST"),) if isinstance(error, MethodError) else ()
    return Response(problem.status or 400, fields + allow, problem.encode())


def open_request(posted: Request, gateway: Gateway, *, at: int) -> Incoming:
    """Open the single-shot request that a relay posted. What this raises is answered in the clear: :func:`refusal`.

    Raises what :func:`request_mode` and :meth:`Gateway.open` raise, and :class:`MediaTypeError` for a chunked request.
    """
    _expect(posted, Mode.SINGLE)
    message, responder = gateway.open(posted.content, at=at)
    return Incoming(message, responder)


def _expect(posted: Request, mode: Mode) -> None:
    if request_mode(posted) is not mode:
        raise MediaTypeError(f"not a request of mode {mode.name}")


@final
class Incoming(Step[Responder]):
    """A request that was opened: :meth:`read` it, then :meth:`respond`, or :meth:`refuse` it.

    Admit ``replay_key`` to a :class:`ReplayWindow` before acting on it, with the time that :meth:`read` gives.
    """

    __slots__ = ("_message", "_until", "replay_key")

    def __init__(self, message: bytes, responder: Responder) -> None:
        super().__init__(responder)
        self._message = message
        self._until = responder.until
        self.replay_key = responder.replay_key()

    def read(self, rules: Rules, *, at: int) -> tuple[Request, int]:
        """The client's request, by the rules, and the time (Unix seconds) from which it isn't acceptable any more.

        Raises what :func:`~privproc.bhttp.decode_request`, :func:`check_expectation` and :meth:`Rules.check` raise. The
        answer to that is encapsulated: :meth:`refuse`.
        """
        request = bhttp.decode_request(self._message)
        check_expectation(request.fields)
        return request, rules.check(request, at=at, until=self._until)

    def respond(self, response: Response) -> Response:
        """The response to the relay that carries ``response``.

        A response that Binary HTTP has no form for is a :class:`UsageError` that doesn't spend the step.
        """
        encoded = bhttp.encode_response(response)
        # req: rfc9458/5 answers-are-encapsulated
        return Response(200, carrying(Mode.SINGLE, Mode.SINGLE.response_type), self._take().seal(encoded))

    def refuse(self, error: PeerError, *, at: int) -> Response:
        """The response to the relay that carries the refusal."""
        return self.respond(refusal(error, at=at, place=Place.AFTER_DECAPSULATION))


@final
class RequestStream(Unique):
    """Opens the chunked request whose header the relay ``posted``, with the gateway's keys.

    The events are :class:`RequestOpened`, which has the responder, then those of
    :class:`~privproc.bhttp.RequestDecoder`. Check :class:`~privproc.bhttp.RequestHead` with :meth:`Rules.check` and
    admit the replay key before acting on anything; the request is complete when ``EndOfMessage`` has come. After a
    failure every call but :meth:`refuse` raises it again.

    Raises what :func:`request_mode` raises, and :class:`MediaTypeError` for a single-shot request.
    """

    __slots__ = ("_decoder", "_gateway", "_outcome", "_receiver")

    def __init__(self, posted: Request, gateway: Gateway, limits: Limits = bhttp.DEFAULT) -> None:
        _expect(posted, Mode.CHUNKED)
        self._gateway = gateway
        self._receiver = RequestReceiver()
        self._decoder = RequestDecoder(limits)
        self._outcome = Outcome()

    @property
    def responder(self) -> StreamResponder | None:
        """What answers, once something has opened: see :attr:`RequestReceiver.responder`."""
        return self._receiver.responder

    def refuse(self, error: PeerError, *, at: int) -> Response:
        """The response to the relay that carries the refusal, complete: in the clear as long as nothing has opened,
        encapsulated from then on (RFC 9458 §5.2), however the relay has split the bytes.

        Raises :class:`SpentError` when the response has already begun: then it can only be cut off.
        """
        if self.responder is None:
            return refusal(error, at=at)
        refused = refusal(error, at=at, place=Place.AFTER_DECAPSULATION)
        head, body = respond_stream(self.responder, replace(refused, content=b""))
        return replace(head, content=body.finish(refused.content))

    def receive_data(self, data: bytes, *, at: int) -> list[RequestOpened | RequestEvent]:
        """The events that these bytes of the content complete.

        Raises what :meth:`RequestReceiver.receive_data`, :meth:`Gateway.accept` and the decoder raise, if nothing came
        before the failure, else the next call does; the answer is :meth:`refuse`.
        """
        return self._outcome.events(self._events(each(self._receiver.receive_data, data), at))

    def receive_end(self) -> list[RequestOpened | RequestEvent]:
        """The content has ended. Raises :class:`DecodeError` if it was cut off, at either layer."""
        return self._outcome.events(self._events(last(self._receiver.receive_end), 0), end=True)

    def _events(self, pieces: Iterable[ChunkedRequestEvent], at: int) -> Iterator[RequestOpened | RequestEvent]:
        for piece in pieces:
            match piece:
                case RequestHeader():
                    yield from self._events(self._gateway.accept(self._receiver, at=at), at)
                case MessageData():
                    yield from each(self._decoder.receive_data, piece.data)
                case RequestOpened():
                    yield piece
                case _:
                    yield from self._decoder.end_of_data()


def respond_stream(responder: StreamResponder, response: Response) -> tuple[Response, MessageBody]:
    """The response to the relay, without content; and what gives its content, for ``response`` and as much more as is
    sent. ``response``, informational ones included, has no content and no trailers of its own, else
    :class:`UsageError`, which doesn't spend the responder.
    """
    if response.content or response.trailers:
        raise UsageError("content and trailers go through the body")
    encoder = ResponseEncoder()
    events: tuple[ResponseEvent, ...] = (*response.informational, ResponseHead(response.status, response.fields))
    encoded = b"".join([encoder.send(event) for event in events])
    head = Response(200, carrying(Mode.CHUNKED, Mode.CHUNKED.response_type))
    return head, MessageBody(encoded, encoder, responder.stream())

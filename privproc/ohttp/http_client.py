"""The client with HTTP messages: a request in, the request to the relay out, and back.

    posted, attempt = encapsulate(request, selection, relay, at=now)
    answer          = attempt.finish(response)              # a Response, or the one retry
    if isinstance(answer, DateRetry):
        posted, last = answer.encapsulate(at=now)
        answer       = last.finish(response)

and in chunks:

    posted, body, receiver = encapsulate_stream(request, selection, relay, at=now)
    receiver.receive_head(response)
    events                 = receiver.receive_data(data)    # ResponseHead Data* EndOfMessage

Requests should have a Date, unless the gateway is known not to use it (RFC 9458 §6.5.1; :func:`encode_date`); it tells
the gateway about this client's clock (§6.8). Nothing here repeats a request by itself (§6.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, final

from privproc import bhttp
from privproc._outcome import Outcome, each, last
from privproc._step import Step, Unique
from privproc.bhttp import Limits, RequestEncoder, RequestHead, ResponseDecoder, ResponseEvent
from privproc.errors import DecodeError, ExpiredError, PolicyError, PrivprocError, UsageError
from privproc.http import Request, Response, age, media_type, single
from privproc.keyconfig import Selection
from privproc.ohttp._body import MessageBody
from privproc.ohttp._exchange import Mode
from privproc.ohttp.chunked import MessageData, MessageEnd, ResponseReceiver
from privproc.ohttp.client import PendingResponse, begin, begin_chunked
from privproc.ohttp.problems import DATE, MEDIA_TYPE, OHTTP_KEY, Problem
from privproc.ohttp.relay import Resource
from privproc.ohttp.replay import decode_date, encode_date
from privproc.ohttp.rules import check_expectation
from privproc.trust import Trusted

__all__ = [
    "Attempt",
    "DateRetry",
    "LastAttempt",
    "ResponseStream",
    "encapsulate",
    "encapsulate_stream",
]


class _Asked(NamedTuple):
    request: Request
    selection: Trusted[Selection]
    relay: Resource

    def seal(self, *, at: int) -> tuple[Request, PendingResponse]:
        wire, pending = begin(self.selection, at=at).seal(bhttp.encode_request(self.request))
        # req: rfc9458/6.1 nothing-identifies-the-client
        return self.relay.post(Mode.SINGLE, wire), pending


def encapsulate(
    request: Request, selection: Trusted[Selection], relay: Resource, *, at: int
) -> tuple[Request, Attempt]:
    """The request to send to ``relay`` for ``request``, and the one thing that can read the answer.

    Raises :class:`UsageError` for a request that Binary HTTP has no form for, or that has an expectation (RFC 9458
    §5.1), and what :func:`begin` raises.
    """
    try:
        check_expectation(request.fields)
    except DecodeError:
        # req: rfc9458/5.1 client-expects-no-continue
        raise UsageError("a single-shot request can't have an expectation") from None
    asked = _Asked(request, selection, relay)
    posted, pending = asked.seal(at=at)
    return posted, Attempt((asked, pending))


@final
class Attempt(Step[tuple[_Asked, PendingResponse]]):
    """A request that was sent for the first time."""

    __slots__ = ()

    def finish(self, response: Response) -> Response | DateRetry:
        """The answer in the relay's ``response``; or, if the gateway didn't like the Date, the one way to try again.

        Raises :class:`ExpiredError` when the answer is that the key is outdated, :class:`PolicyError` for any other
        answer that isn't encapsulated: both come in the clear, so anyone on the way can write them, and neither is a
        reason to fetch keys on the spot, or to send anything again. Raises what :meth:`PendingResponse.finish` and
        :func:`~privproc.bhttp.decode_response` raise.
        """
        # req: rfc9458/6.5 no-automatic-retry
        asked, pending = self._take()
        answer = _finish(pending, response)
        when = _offered_date(answer)
        if when is None:
            return answer
        fields = tuple(field for field in asked.request.fields if field[0] != b"date")
        again = replace(asked.request, fields=(*fields, (b"date", when)))
        # req: rfc9458/6.5.2 date-serves-nothing-else
        return DateRetry(asked._replace(request=again))


@final
class DateRetry(Step[_Asked]):
    """The gateway refused the request's Date and told its own (RFC 9458 §6.5.2).

    That date is in this object and nowhere else: it must serve no other purpose, or requests could be linked by it. To
    try at once shows the gateway the round trip to this client; a delay hides it.
    """

    __slots__ = ()

    def encapsulate(self, *, at: int) -> tuple[Request, LastAttempt]:
        """The same request with the gateway's Date, in a fresh encapsulation. ``at`` is the client's own time."""
        # req: rfc9458/6.5.2 date-retry-is-fresh
        posted, pending = self._take().seal(at=at)
        return posted, LastAttempt(pending)


@final
class LastAttempt(Step[PendingResponse]):
    """A request that was sent for the second time. There is no third: what comes now is the answer."""

    __slots__ = ()

    def finish(self, response: Response) -> Response:
        """The answer, whatever it is. Raises as :meth:`Attempt.finish` does."""
        # req: rfc9458/6.5.2 date-retry-once
        return _finish(self._take(), response)


def _finish(pending: PendingResponse, response: Response) -> Response:
    _check_head(response, Mode.SINGLE)
    return bhttp.decode_response(pending.finish(response.content))


def _check_head(response: Response, mode: Mode) -> None:
    kind = media_type(response.fields)
    if response.status == 200 and kind == mode.response_type:
        return
    if kind == MEDIA_TYPE and Problem.decode(response.content).type == OHTTP_KEY:
        raise ExpiredError("the gateway takes no such key")
    raise PolicyError(f"status {response.status} instead of an encapsulated response")


def _offered_date(answer: Response) -> bytes | None:
    """The Date to try again with, by the gateway's clock; None if the answer is anything else."""
    try:
        if not 400 <= answer.status <= 499 or media_type(answer.fields) != MEDIA_TYPE:
            return None
        if Problem.decode(answer.content).type != DATE:
            return None
        # req: rfc9458/6.5.2 age-is-added
        return encode_date(decode_date(single(answer.fields, b"date") or b"") + age(answer.fields))
    except PrivprocError:  # a UsageError too: past year 9999 there is no date
        return None


def encapsulate_stream(
    request: Request, selection: Trusted[Selection], relay: Resource, *, at: int
) -> tuple[Request, MessageBody, ResponseStream]:
    """The request to send to ``relay``, without content; what gives its content, for ``request`` and as much more as
    is sent; and what reads the response. ``request`` has no content and no trailers of its own, else
    :class:`UsageError`; otherwise raises as :func:`encapsulate` does, but for the expectation.
    """
    if request.content or request.trailers:
        raise UsageError("content and trailers go through the body")
    encoder = RequestEncoder()
    head = encoder.send(RequestHead(request.method, request.scheme, request.authority, request.path, request.fields))
    sender, receiver = begin_chunked(selection, at=at).stream()
    return relay.post(Mode.CHUNKED), MessageBody(head, encoder, sender), ResponseStream(receiver)


@final
class ResponseStream(Unique):
    """Reads a response in chunks: :meth:`receive_head`, then :meth:`receive_data` and :meth:`receive_end`.

    The events are those of :class:`~privproc.bhttp.ResponseDecoder`; the response is complete when ``EndOfMessage`` has
    come. After a failure every call raises it again.
    """

    __slots__ = ("_decoder", "_outcome", "_ready", "_receiver")

    def __init__(self, receiver: ResponseReceiver, limits: Limits = bhttp.DEFAULT) -> None:
        self._receiver = receiver
        self._decoder = ResponseDecoder(limits)
        self._outcome = Outcome()
        self._ready = False

    def receive_head(self, response: Response) -> None:
        """Check status and media type of the relay's response, whose content follows; or which is a refusal, and whole.

        Raises as :meth:`Attempt.finish` does.
        """
        # req: chunked08/7 no-fallback
        _check_head(response, Mode.CHUNKED)
        self._ready = True

    def receive_data(self, data: bytes) -> list[ResponseEvent]:
        """The events that these bytes of the content complete. Raises what :meth:`ResponseReceiver.receive_data` and
        the decoder raise, if nothing came before the failure, else the next call does; :class:`UsageError` before the
        head.
        """
        if not self._ready:
            raise UsageError("the head of the response comes first")
        return self._outcome.events(self._events(each(self._receiver.receive_data, data)))

    def receive_end(self) -> list[ResponseEvent]:
        """The content has ended. Raises :class:`DecodeError` if it was cut off, at either layer."""
        return self._outcome.events(self._events(last(self._receiver.receive_end)), end=True)

    def _events(self, pieces: Iterator[MessageData | MessageEnd]) -> Iterator[ResponseEvent]:
        for piece in pieces:
            if isinstance(piece, MessageData):
                yield from each(self._decoder.receive_data, piece.data)
            else:
                yield from self._decoder.end_of_data()

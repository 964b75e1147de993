"""A whole session in one chunked exchange, for an HTTP stack that is full duplex (docs/protocol.md §5.4).

::

    request, pipe = open_pipe(directory, token, role=..., relay=..., anchors=..., at=...)
    # send the request with pipe.data_to_send() as the first bytes of its content; then, as things happen:
    pipe.receive_head(response)
    for event in pipe.receive_data(data, at=now):
        PipeReady:       event.session.ask(question, at=now)          # or renew(directory, at=now)
        AnswerData:      a piece of the answer, as the model wrote it
        AnswerComplete:  event.session asks next, or is None
    # after each call: pipe.data_to_send() to the request's content

The same evidence, keys and transcript as :mod:`~privproc.session.device`, without handles: the exchange keeps order.
:data:`TRANSITIONS` is the state machine; what it doesn't list is refused. Not thread-safe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final, NamedTuple, NoReturn, final

from privproc import ohttp, ratls, responsekey
from privproc._outcome import each, last
from privproc._step import Step, Unique
from privproc.bhttp import Data, ResponseDecoder, ResponseHead
from privproc.errors import DecodeError, PeerError, UsageError
from privproc.http import Request, Response
from privproc.responsekey import Answer, AnswerData
from privproc.session.attested import Attested, Demands, Renewal, attest
from privproc.session.chunked import END, content_chunk, filled, missing, opening_of, request_head
from privproc.session.device import AnswerComplete, Prepared, prepare
from privproc.session.directory import Anchors, Directory
from privproc.session.link import Relay, check_head, decoded, refused
from privproc.session.messages import Opened
from privproc.session.profile import IDLE, LEASE, OHTTP_CHUNKED_RESPONSE, STREAM_LIMITS
from privproc.tokens import BoundToken
from privproc.trust import check_window
from privproc.wire import bare

__all__ = ["TRANSITIONS", "Pipe", "PipeEvent", "PipeInput", "PipeReady", "PipeSession", "PipeState", "open_pipe"]


class PipeState(Enum):
    """Where a pipe stands. ``READY``: a :class:`PipeSession` can ask."""

    OPENING = auto()
    READY = auto()
    ANSWERING = auto()
    RENEWING = auto()
    ENDED = auto()
    FAILED = auto()


class PipeInput(Enum):
    """What can happen to it. ``LAST``: the end of an answer after which nothing can be asked."""

    ATTESTED = auto()
    ASK = auto()
    DATA = auto()
    ANSWERED = auto()
    LAST = auto()
    RENEW = auto()
    END = auto()
    REFUSED = auto()


TRANSITIONS: Final[Mapping[PipeState, Mapping[PipeInput, PipeState]]] = {
    PipeState.OPENING: {
        PipeInput.ATTESTED: PipeState.READY,
        PipeInput.END: PipeState.FAILED,
        PipeInput.REFUSED: PipeState.FAILED,
    },
    PipeState.READY: {
        PipeInput.ASK: PipeState.ANSWERING,
        PipeInput.RENEW: PipeState.RENEWING,
        PipeInput.END: PipeState.ENDED,
        PipeInput.REFUSED: PipeState.FAILED,
    },
    PipeState.ANSWERING: {
        PipeInput.DATA: PipeState.ANSWERING,
        PipeInput.ANSWERED: PipeState.READY,
        PipeInput.LAST: PipeState.ENDED,
        PipeInput.END: PipeState.FAILED,
        PipeInput.REFUSED: PipeState.FAILED,
    },
    PipeState.RENEWING: {
        PipeInput.DATA: PipeState.RENEWING,
        PipeInput.ATTESTED: PipeState.READY,
        PipeInput.END: PipeState.FAILED,
        PipeInput.REFUSED: PipeState.FAILED,
    },
    PipeState.ENDED: {PipeInput.END: PipeState.ENDED},
    PipeState.FAILED: {},
}
"""State and input to the next state."""


@dataclass(frozen=True, slots=True)
class PipeReady:
    """Event: the enclave was appraised, for the first time or again; ``session`` can ask."""

    session: PipeSession


PipeEvent = PipeReady | AnswerData | AnswerComplete["PipeSession"]


def open_pipe(
    directory: Directory, token: BoundToken, *, role: str, relay: Relay, anchors: Anchors, at: int
) -> tuple[Request, Pipe]:
    """The request to the relay, without content, and the pipe that gives its content and reads the response.

    Spends and raises as :func:`~privproc.session.device.begin`. Whether an application uses pipes is for it to say
    once, for all of its devices: to the relay and the gateway it is a difference.
    """
    demands = Demands.of(directory, role, anchors, at=at)
    outgoing = ohttp.begin_chunked(demands.selection, at=at)
    size = demands.contents.up - ohttp.request_overhead(outgoing.suite)
    overhead = ohttp.response_overhead(outgoing.suite)
    prepared = prepare(outgoing, directory, demands, token, at=at)
    prepared.continue_key.wipe()  # the exchange itself ties the records to each other
    sender, receiver = outgoing.stream()
    head = request_head(replace(prepared.head, content=b""))
    first = sender.send(filled(head, prepared.head.content, size))
    return relay.stream(), Pipe(prepared, sender, receiver, first, demands.contents.down - overhead)


@final
class Pipe(Unique):
    """The device's end of a session in one exchange. ``received``: bytes of the present answer in the events so far; a
    failure while it is awaited has them as ``authentic``.

    What comes before a failure is given out. From then on every call raises the same error, and nothing can be sent.
    """

    __slots__ = (
        "_answer",
        "_attested",
        "_channel",
        "_content",
        "_decoder",
        "_error",
        "_have",
        "_head",
        "_out",
        "_prepared",
        "_receiver",
        "_renewal",
        "_sender",
        "_size",
        "_state",
        "received",
    )

    def __init__(
        self,
        prepared: Prepared,
        sender: ohttp.MessageSender,
        receiver: ohttp.ResponseReceiver,
        first: bytes,
        size: int,
    ) -> None:
        self._prepared: list[Prepared] = [prepared]
        self._sender = sender
        self._receiver = receiver
        self._decoder = ResponseDecoder(STREAM_LIMITS)
        self._out = [first]
        self._size = size
        self._have = 0
        self._content: list[bytes] = []
        self._head = False
        self._state = PipeState.OPENING
        self._channel: list[ratls.Channel] = []
        self._attested: list[Attested] = []
        self._answer: list[Answer] = []
        self._renewal: list[Renewal] = []
        self._error: BaseException | None = None
        self.received = 0

    @property
    def state(self) -> PipeState:
        """Where the pipe stands in :data:`TRANSITIONS`."""
        return self._state

    def data_to_send(self) -> bytes:
        """Bytes for the request's content; empty if there are none. To be called after every other call."""
        self._check()
        out, self._out = self._out, []
        return b"".join(out)

    def finish(self) -> None:
        """End the request's content: nothing more is asked. What was asked is still answered."""
        self._check()
        self._out.append(self._sender.finish(END))

    def receive_head(self, response: Response) -> None:
        """Check status and media type. Raises :class:`PolicyError`, :class:`ExpiredError`."""
        self._check()
        try:
            check_head(response, OHTTP_CHUNKED_RESPONSE)
        except PeerError as error:
            self._fail(error)
        self._head = True

    def receive_data(self, data: bytes, *, at: int) -> list[PipeEvent]:
        """Bytes of the response's content, in any pieces, and the events that they complete.

        Raises what :meth:`Opening.finish` and :meth:`AnswerChannel.receive_data` raise, if nothing came before the
        failure, else the next call does; :class:`UsageError` before the head.
        """
        self._check()
        if not self._head:
            raise UsageError("the head of the response comes first")
        events: list[PipeEvent] = []
        try:
            events.extend(self._events(each(self._receiver.receive_data, data), at))
        except PeerError as error:
            self._over(error)
            # req: privproc1/5.4 splits-change-nothing
            if not events:
                raise
        return events

    def receive_end(self, *, at: int) -> list[PipeEvent]:
        """The response has ended: so has the session. Raises :class:`DecodeError` when something was awaited; for an
        answer its ``offset`` is the number of bytes that are authentic.
        """
        self._check()
        before, failure = self.received, None
        events: list[PipeEvent] = []
        try:
            events.extend(self._events(last(self._receiver.receive_end), at))
        except PeerError as error:
            failure = None if isinstance(error, DecodeError) else error
        if TRANSITIONS[self._state][PipeInput.END] is PipeState.FAILED:
            self.received = before  # what came with the end isn't given out
            why = f"truncated: {before} bytes of the answer are authentic"
            self._fail(failure or DecodeError("pipe", why, before))
        if failure is None:
            self._move(PipeInput.END)
        elif events:
            self._over(failure)
        else:
            self._fail(failure)
        return events

    def _events(self, pieces: Iterator[ohttp.MessageData | ohttp.MessageEnd], at: int) -> Iterator[PipeEvent]:
        for piece in pieces:
            for event in decoded(self._decoder, piece):
                if isinstance(event, ResponseHead) and event.status != 200:
                    raise refused()
                if isinstance(event, Data) and self._state is PipeState.OPENING:
                    self._content.append(event.data)
                elif isinstance(event, Data):
                    yield from self._records(event.data, at)
            if self._state is PipeState.OPENING:
                self._have += len(piece.data) if isinstance(piece, ohttp.MessageData) else 0
                if not missing(self._have, self._size):
                    yield self._opened(at)

    def _opened(self, at: int) -> PipeReady:
        prepared = self._prepared.pop()
        check_window("first answer", 0, prepared.began + LEASE, at=at)
        content, self._content = b"".join(self._content), []
        opened = opening_of(content, "Opened", Opened._read)
        attested = attest(opened, prepared.demands, prepared.tls, prepared.parts, began=prepared.began, at=at)
        self._channel.append(attested.channel)
        return PipeReady(self._ready(attested, at + LEASE))

    def _ready(self, attested: Attested, until: int, what: PipeInput = PipeInput.ATTESTED) -> PipeSession:
        self._move(what)
        return PipeSession(_Ready(attested, self), until=min(attested.until, until))

    def _records(self, records: bytes, at: int) -> Iterator[PipeEvent]:
        for event in each(self._channel[0].receive_data, records):
            if not isinstance(event, ratls.DataReceived):
                continue  # close_notify: the mark of the last chunk counts, and the end of the response
            if PipeInput.DATA not in TRANSITIONS[self._state]:
                # req: privproc1/5.4 one-thing-at-a-time
                raise DecodeError("pipe", "data that nothing asked for")
            yield from self._renewed(event.data, at) if self._renewal else self._answered(event.data, at)

    def _renewed(self, data: bytes, at: int) -> Iterator[PipeEvent]:
        renewal = self._renewal[0]
        check_window("renewal", 0, renewal.began + LEASE, at=at)
        attested = renewal.receive_data(data, at=at)
        if attested is not None:
            self._renewal = []
            yield PipeReady(self._ready(attested, at + IDLE - LEASE))

    def _answered(self, data: bytes, at: int) -> Iterator[PipeEvent]:
        answer = self._answer[0]
        for event in each(answer.receive_data, data):
            if isinstance(event, AnswerData):
                self.received += len(event.data)
                yield event
                continue
            self._answer = []
            following = self._attested.pop().following(answer.th3, event.next_key)
            if following is None:
                self._move(PipeInput.LAST)
                yield AnswerComplete(None)
            else:
                yield AnswerComplete(self._ready(following, at + IDLE - LEASE, PipeInput.ANSWERED))

    def _ask(self, attested: Attested, question: bytes, *, last: bool) -> None:
        self._move(PipeInput.ASK)
        try:
            records, answer = attested.seal(question, last=last)
        except PeerError as error:
            self._fail(error)
        self._attested, self._answer, self.received = [attested], [answer], 0
        self._send(records)

    def _renew(self, attested: Attested, directory: Directory, *, at: int) -> None:
        records, renewal = attested.again(directory, at=at)
        self._move(PipeInput.RENEW)
        self._renewal, self.received = [renewal], 0
        self._send(records)

    def _send(self, records: bytes) -> None:
        self._out.append(self._sender.send(content_chunk(records)))

    def _move(self, happened: PipeInput) -> PipeState:
        self._check()
        try:
            self._state = TRANSITIONS[self._state][happened]
        except KeyError:
            # req: privproc1/9.1 device-states
            raise UsageError(f"{happened.name} isn't possible in state {self._state.name}") from None
        return self._state

    def _check(self) -> None:
        if self._error is not None:
            raise bare(self._error)

    def _fail(self, error: PeerError) -> NoReturn:
        self._over(error)
        raise error from None

    def _over(self, error: PeerError) -> None:
        if self._state is PipeState.ANSWERING:
            # req: privproc1/5.4 what-came-is-not-the-answer
            error.authentic = self.received
        self._state = PipeState.FAILED
        self._error = bare(error)
        for kept in (self._prepared, self._channel, self._attested, self._answer, self._renewal, self._content):
            kept.clear()

    def __repr__(self) -> str:
        return f"<Pipe {self._state.name}>"


class _Ready(NamedTuple):
    attested: Attested
    pipe: Pipe

    def __repr__(self) -> str:
        return "<_Ready>"


@final
class PipeSession(Step[_Ready]):
    """An enclave that was appraised, by this very session, in a pipe. As :class:`~privproc.session.device.Session`, but
    what it sends is in the pipe's ``data_to_send``, and what comes of it in the pipe's events.
    """

    __slots__ = ("back_ends", "devices", "evidence", "fresh_until", "until")

    def __init__(self, ready: _Ready, *, until: int) -> None:
        super().__init__(ready)
        self.evidence = ready.attested.evidence
        self.devices, self.back_ends = ready.attested.beside
        self.fresh_until = ready.attested.fresh_until
        self.until = until

    def ask(self, question: bytes, *, at: int, last: bool = False) -> None:
        """Put a question. Raises as :meth:`Session.ask <privproc.session.device.Session.ask>`, and :class:`UsageError`
        once the pipe has ended.
        """
        look = self._look().attested
        responsekey.fits(look.suite, len(question))
        look.check(at=at)
        attested, pipe = self._take()
        check_window("session", 0, self.until, at=at)
        pipe._ask(attested, question, last=last)

    def renew(self, directory: Directory, *, at: int) -> None:
        """Ask for new evidence. Raises as :meth:`Session.renew <privproc.session.device.Session.renew>`."""
        attested, pipe = self._take()
        check_window("session", 0, self.until, at=at)
        pipe._renew(attested, directory, at=at)

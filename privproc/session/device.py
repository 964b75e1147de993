"""The device: two round trips, from a token to the end of the answer (docs/protocol.md §4 and §5).

Steps, each left once::

    request, opening = begin(directory, token, role=..., relay=..., anchors=..., at=...)
    session          = opening.finish(response, at=...)       # appraised; nothing of the user's has been sent
    request, answer  = session.ask(question, at=...)
    events           = answer.receive(response)

:func:`ask` runs them as one flow; :func:`drive` and :func:`adrive` run the flow over any HTTP client.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeVar, final

from privproc import bhttp, ohttp, ratls, responsekey
from privproc._step import Step, Unique
from privproc.attestation import NO_REVOCATIONS, SessionBinding, snp
from privproc.errors import ExpiredError, PolicyError, SpentError, UnsupportedError, UsageError
from privproc.http import Request, Response, single
from privproc.keyconfig import Selection, select
from privproc.responsekey import Announcement, Answer, AnswerData, AnswerEvent, Context
from privproc.responsekey.request import EXPORTER_LABEL, EXPORTER_LENGTH, exporter_context
from privproc.secret import Secret
from privproc.session import transcript
from privproc.session.directory import Anchors, Contents, Directory, Service
from privproc.session.grounds import grounds
from privproc.session.messages import Continue, Continued, Offer, Open, Opened
from privproc.session.profile import (
    ANSWER_SIZES,
    CONTINUE_PATH,
    FORMATS,
    LEASE,
    OHTTP_REQUEST,
    OHTTP_RESPONSE,
    OPEN_PATH,
    PROOF_FIELD,
    SUITES,
)
from privproc.tokens import BoundToken, ProofKey, Token
from privproc.trust import Trusted, check_window
from privproc.wire import Writer, bounded

__all__ = ["AnswerChannel", "Flow", "Opening", "Relay", "Reply", "Session", "adrive", "ask", "begin", "drive"]

_FORMATS = tuple(map(int, FORMATS))
_SUITES = tuple((int(suite.kem), int(suite.kdf), int(suite.aead)) for suite in SUITES)

T = TypeVar("T")

Flow = Generator[Request, "tuple[Response, int]", T]
"""Yields requests; is sent each response with the time (Unix seconds) at which it came."""


@dataclass(frozen=True, slots=True)
class Relay:
    """Where the relay takes encapsulated requests for the gateway."""

    authority: str
    path: str

    def request(self, encapsulated: bytes) -> Request:
        """The request to the relay: no field but the media type, so that nothing tells devices apart."""
        fields = ((b"content-type", OHTTP_REQUEST),)
        return Request("POST", "https", self.authority, self.path, fields, encapsulated)


class _Asked(NamedTuple):
    """What an opening remembers."""

    contents: Contents
    service: Service
    anchors: Anchors
    relay: Relay
    began: int
    selection: Trusted[Selection]
    pending: ohttp.PendingResponse
    tls: ratls.PendingServer
    th1: bytes
    continue_key: Secret


def begin(
    directory: Directory, token: BoundToken, *, role: str, relay: Relay, anchors: Anchors, at: int
) -> tuple[Request, Opening]:
    """The first request, and what takes its answer.

    ``token`` is spent by this; whoever keeps tokens must have marked it before the request is sent. Raises, and spends
    nothing: :class:`ExpiredError` for a directory past its time, :class:`UntrustedError` for a role that it doesn't
    list, :class:`UnsupportedError` when no suite is shared, :class:`UsageError` for a token of another issuer or epoch.
    """
    contents = directory.contents.get(at=at)
    service = contents.service(role)
    _check_token(token, contents)
    selection = directory.contents.map(lambda contents: select(contents.keys, SUITES))
    outgoing = ohttp.begin(selection, at=at)
    size = contents.up - ohttp.request_overhead(outgoing.suite)
    hello, tls = ratls.connect(contents.group)
    message = _open(service, hello)
    # req: privproc1/4.4 token-is-spent-first
    spent, proof_key = token.spend()
    th1 = transcript.opened(directory.package, _outer(outgoing, spent, proof_key), message)
    continue_key = outgoing.export(transcript.CONTINUE_EXPORT, 48)
    fields = ((b"authorization", spent.authorization()), (PROOF_FIELD, _proof(proof_key, th1)))
    inner = Request("POST", "https", contents.gateway, OPEN_PATH, fields, message)
    wire, pending = outgoing.seal(bhttp.encode_request(inner, size=size))
    asked = _Asked(contents, service, anchors, relay, at, selection, pending, tls, th1, continue_key)
    return relay.request(wire), Opening(asked)


def _check_token(token: BoundToken, contents: Contents) -> None:
    expected = contents.challenge.digest, contents.token_key.key_id
    if (token.token.challenge_digest, token.token.token_key_id) != expected:
        raise UsageError("the token is not of this directory's issuer, gateway and epoch")


def _open(service: Service, hello: bytes) -> bytes:
    return Open(
        role=service.role,
        log=service.log,
        namespace=service.namespace,
        formats=_FORMATS,
        device_required=False,
        policy_id=service.policy.id,
        nonce=os.urandom(32),
        suites=_SUITES,
        client_hello=hello,
    ).encode()


def _outer(outgoing: ohttp.Outgoing, token: Token, proof_key: ProofKey) -> bytes:
    return transcript.outer(
        outgoing.key_config,
        outgoing.suite.encoded,
        outgoing.enc,
        outgoing.export(transcript.OUTER_EXPORT, 32),
        token.encode(),
        proof_key.statement,
    )


def _proof(proof_key: ProofKey, th1: bytes) -> bytes:
    field = Writer().vector(2, proof_key.statement).vector(2, proof_key.sign(th1)).done()
    return base64.urlsafe_b64encode(field)


@final
class Opening(Step[_Asked]):
    """The first request is out; waits for the enclave's offer and appraises it."""

    __slots__ = ()

    def finish(self, response: Response, *, at: int) -> Session:
        """Check everything that the enclave and those between say; only then is there something that can ask.

        Raises :class:`PeerError`: :class:`OpenError`, :class:`DecodeError`, :class:`PolicyError`,
        :class:`UntrustedError`, :class:`SignatureError`, :class:`ExpiredError`, :class:`UnsupportedError`, each with
        the check that failed. Nothing of the user's has been sent then.
        """
        asked = self._take()
        # req: privproc1/4.7 first-answer-in-time
        check_window("first answer", 0, asked.began + LEASE, at=at)
        sealed = _encapsulated(response)
        if len(sealed) != asked.contents.down:
            raise PolicyError("the first answer is not of the directory's size")
        opened = Opened.decode(_content(asked.pending.finish(sealed)))
        offer = Offer.decode(opened.offer)
        announcement = Announcement.decode(offer.announcement)
        if announcement.suite not in SUITES or offer.format not in FORMATS:
            raise PolicyError("the enclave's suite or evidence format was not offered")
        established = asked.tls.finish(offer.flight)
        report_data = established.bind(
            role=asked.service.role, th1=asked.th1, announcement=offer.announcement, devices=offer.devices
        )
        evidence = _appraise(asked, opened, offer, report_data, at)
        channel = established.release(evidence, at=at)
        # The enclave counts from Open; the handle's time began before it came here.
        until = min(evidence.not_after, asked.began + announcement.lifetime, at + LEASE)
        th2 = transcript.attested(asked.th1, report_data, offer.format, offer.evidence)
        return Session(_Ready(asked, channel, announcement, opened.handle, th2, until), evidence)


def _appraise(
    asked: _Asked, opened: Opened, offer: Offer, report_data: SessionBinding, at: int
) -> snp.VerifiedEvidence:
    if offer.devices:
        raise UnsupportedError("evidence of devices can't be appraised yet")
    chain, logged = grounds(
        endorsements=opened.endorsements,
        log_proof=opened.log_proof,
        contents=asked.contents,
        service=asked.service,
        anchors=asked.anchors,
        at=at,
    )
    return snp.appraise(
        offer.evidence,
        binding=report_data,
        policy=asked.service.policy,
        chain=chain,
        logged=logged,
        role=asked.service.role,
        revocations=NO_REVOCATIONS,  # privproc/1 carries none: an entry's end and its minimum version do their work
        at=at,
    )


class _Ready(NamedTuple):
    """What an appraised session remembers."""

    asked: _Asked
    channel: ratls.Channel
    announcement: Announcement
    handle: bytes
    th2: bytes
    until: int


@final
class Session(Step[_Ready]):
    """An enclave that was appraised, by this very session. ``evidence`` says what was found."""

    __slots__ = ("evidence",)

    def __init__(self, ready: _Ready, evidence: snp.VerifiedEvidence) -> None:
        super().__init__(ready)
        self.evidence = evidence

    def ask(self, question: bytes, *, at: int) -> tuple[Request, AnswerChannel]:
        """The second request, and the channel that reads the answer.

        Raises :class:`ExpiredError` when evidence, log entry, directory or announcement are past their end,
        :class:`UsageError` for a question that is too large.
        """
        asked, channel, announcement, handle, th2, until = self._take()
        check_window("session", 0, until, at=at)
        exporter = channel.export(EXPORTER_LABEL, exporter_context(th2, 0), EXPORTER_LENGTH)
        sealed, answer = responsekey.seal_request(
            Context(th2, 0, b"", exporter), announcement.suite, announcement.key, question
        )
        channel.send(sealed)
        records = channel.data_to_send()
        outgoing = ohttp.begin(asked.selection, at=at)
        mac = transcript.continuation_mac(asked.continue_key, handle, 0, outgoing.enc, records)
        asked.continue_key.wipe()
        message = Continue(handle, 0, mac, records).encode()
        inner = Request("POST", "https", asked.contents.gateway, CONTINUE_PATH, (), message)
        wire, pending = outgoing.seal(bhttp.encode_request(inner))
        return asked.relay.request(wire), AnswerChannel(pending, channel, answer)


@final
class AnswerChannel(Unique):
    """The answer, as a channel: bytes of the encapsulated response in any pieces, then its end.

    OHTTP opens a response as a whole, so the events come at the end; they come as the bytes do once chunked OHTTP
    carries them. Until :class:`AnswerEnd` the answer isn't complete. After the end, or a failure, every call raises
    :class:`SpentError`: an answer gets one try.
    """

    __slots__ = ("_answer", "_buffer", "_channel", "_pending")

    def __init__(self, pending: ohttp.PendingResponse, channel: ratls.Channel, answer: Answer) -> None:
        self._pending = pending
        self._channel = channel
        self._answer = answer
        self._buffer: bytearray | None = bytearray()

    def receive(self, response: Response) -> list[AnswerEvent]:
        """Take a whole response: its status and media type, its content, its end."""
        buffer = self._take()
        content = _encapsulated(response)
        self._buffer = buffer
        return self.receive_data(content) + self.receive_end()

    def receive_data(self, data: bytes) -> list[AnswerEvent]:
        """Raises :class:`LimitError` beyond 8 MiB."""
        buffer = self._take()
        bounded("encapsulated answer", len(buffer) + len(data), ANSWER_SIZES[-1])
        buffer += data
        self._buffer = buffer
        return []

    def receive_end(self) -> list[AnswerEvent]:
        """Raises :class:`OpenError`, :class:`DecodeError` (truncated, among others), :class:`PolicyError`."""
        wire = bytes(self._take())
        if len(wire) not in ANSWER_SIZES:
            # req: privproc1/5.2 answers-of-few-sizes
            raise PolicyError("the answer is not of a padded size")
        continued = Continued.decode(_content(self._pending.finish(wire)))
        events: list[AnswerEvent] = []
        for event in self._channel.receive_data(continued.records):
            if isinstance(event, ratls.DataReceived):
                events += self._answer.receive_data(event.data)
        return events + self._answer.receive_end()

    def _take(self) -> bytearray:
        """The buffer, which is gone unless it is put back."""
        buffer, self._buffer = self._buffer, None
        if buffer is None:
            raise SpentError(type(self).__name__)
        return buffer


def _encapsulated(response: Response) -> bytes:
    """The content of an OHTTP response. What comes in the clear is at most a hint: anyone between can write it."""
    media = single(response.fields, b"content-type")
    if response.status == 200 and media == OHTTP_RESPONSE:
        return response.content
    if media == b"application/problem+json" and ohttp.Problem.decode(response.content).type == ohttp.OHTTP_KEY:
        raise ExpiredError("the gateway takes no such key: wait for the next epoch's directory")
    raise PolicyError(f"status {response.status} instead of an encapsulated response")


def _content(message: bytes) -> bytes:
    response = bhttp.decode_response(message)
    if response.status != 200:
        raise PolicyError("the gateway refused the request")
    return response.content


@dataclass(frozen=True, slots=True)
class Reply:
    """The whole answer, and what was found about who gave it."""

    content: bytes = field(repr=False)
    evidence: snp.VerifiedEvidence


def ask(
    directory: Directory, token: BoundToken, question: bytes, *, role: str, relay: Relay, anchors: Anchors, at: int
) -> Flow[Reply]:
    """One private request as a flow: yields two requests for the relay, returns the :class:`Reply`.

    Raises what the steps raise. No failure makes it send more than those two requests: nothing is retried or fetched.
    """
    for suite in SUITES:
        responsekey.fits(suite, len(question))  # before a token is spent on it
    request, opening = begin(directory, token, role=role, relay=relay, anchors=anchors, at=at)
    response, at = yield request
    session = opening.finish(response, at=at)
    request, answer = session.ask(question, at=at)
    response, at = yield request
    events = answer.receive(response)
    return Reply(b"".join(event.data for event in events if isinstance(event, AnswerData)), session.evidence)


def drive(flow: Flow[T], send: Callable[[Request], Response], now: Callable[[], int]) -> T:
    """Run ``flow``: ``send`` carries a request and gives the response, ``now`` tells the Unix time."""
    advance: Callable[[], Request] = flow.__next__
    while True:
        try:
            request = advance()
        except StopIteration as done:
            result: T = done.value
            return result
        # Outside of the try: a StopIteration of the caller's must not pass for the flow's end.
        advance = partial(flow.send, (send(request), now()))


async def adrive(flow: Flow[T], send: Callable[[Request], Awaitable[Response]], now: Callable[[], int]) -> T:
    """:func:`drive` for an asynchronous ``send``."""
    advance: Callable[[], Request] = flow.__next__
    while True:
        try:
            request = advance()
        except StopIteration as done:
            result: T = done.value
            return result
        advance = partial(flow.send, (await send(request), now()))

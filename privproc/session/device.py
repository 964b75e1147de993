"""The device: from a token to the end of the last answer (docs/protocol.md §4 to §6).

Steps, each left once::

    request, opening = begin(directory, token, role=..., relay=..., anchors=..., at=...)
    session          = opening.finish(response, at=...)       # appraised; nothing of the user's has been sent
    request, answer  = session.ask(question, at=...)
    events           = answer.receive(response, at=...)       # the last one has the session's next state
    request, renewal = session.renew(directory, at=...)       # where the evidence is too old to ask
    session          = renewal.finish(response, at=...)

:mod:`~privproc.session.flows` runs them over any HTTP client; :mod:`~privproc.session.pipe` has them in one exchange.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar, final

from privproc import bhttp, ohttp, ratls, responsekey
from privproc._outcome import each
from privproc._step import Step, Unique
from privproc.errors import DecodeError, PeerError, PolicyError, SpentError, UsageError
from privproc.hpke import PublicKey
from privproc.http import Fields, Request, Response
from privproc.keyconfig import Selection
from privproc.responsekey import Answer, AnswerData, AnswerEnd
from privproc.secret import Secret
from privproc.session import transcript
from privproc.session.attested import Attested, Demands, Renewal, attest
from privproc.session.contents import Contents, Service
from privproc.session.directory import Anchors, Directory
from privproc.session.link import Link, Reader, Relay, check_head, content_of, encapsulated
from privproc.session.messages import Open, Opened
from privproc.session.profile import FORMATS, IDLE, LEASE, OPEN_PATH, PROOF_FIELD, SUITES
from privproc.tokens import BoundToken, ProofKey, Token
from privproc.trust import Trusted, check_window
from privproc.wire import Writer, bare

__all__ = ["AnswerChannel", "AnswerComplete", "AnswerEvent", "Opening", "Relay", "Renewing", "Session", "begin"]

S = TypeVar("S")

_FORMATS = tuple(map(int, FORMATS))
_SUITES = tuple((int(suite.kem), int(suite.kdf), int(suite.aead)) for suite in SUITES)


class Prepared(NamedTuple):
    """Everything that a first request is made of, whatever carries it. ``parts`` are those of ``th1``."""

    demands: Demands
    tls: ratls.PendingServer
    parts: tuple[bytes, bytes, bytes]
    continue_key: Secret
    head: Request
    began: int

    def __repr__(self) -> str:
        return "<Prepared>"

    @property
    def th1(self) -> bytes:
        """The transcript (48 bytes) with Open in it."""
        return transcript.opened(*self.parts)


def prepare(
    outgoing: ohttp.Outgoing | ohttp.OutgoingStream,
    directory: Directory,
    demands: Demands,
    token: BoundToken,
    *,
    at: int,
) -> Prepared:
    """Spend the token on this exchange. ``head`` has Open for its content. Raises as :func:`begin`."""
    contents = demands.contents
    # req: privproc1/4.1 checks-before-the-token
    check_token(token, contents)
    hello, tls = ratls.connect(contents.group)
    message = _open(demands.service, hello)
    # req: privproc1/4.4 token-is-spent-first
    spent, proof_key = token.spend()
    parts = directory.package, _outer(outgoing, spent, proof_key), message
    continue_key = outgoing.export(transcript.CONTINUE_EXPORT, 48)
    proof = _proof(proof_key, transcript.opened(*parts))
    fields: Fields = ((b"authorization", spent.authorization()), (PROOF_FIELD, proof))
    # req: privproc1/4.4 exactly-so
    head = Request("POST", "https", contents.gateway, OPEN_PATH, fields, message)
    return Prepared(demands, tls, parts, continue_key, head, at)


def begin(
    directory: Directory, token: BoundToken, *, role: str, relay: Relay, anchors: Anchors, at: int
) -> tuple[Request, Opening]:
    """The first request, and what takes its answer.

    ``token`` is spent by this; whoever keeps tokens must have marked it before the request is sent. Raises, and spends
    nothing: :class:`ExpiredError` for a directory past its time, :class:`UntrustedError` for a role that it doesn't
    list, :class:`UnsupportedError` when no suite is shared, :class:`PolicyError` for a directory that isn't hybrid if
    ``anchors`` require that, :class:`UsageError` for a token of another issuer or epoch.
    """
    demands = Demands.of(directory, role, anchors, at=at)
    outgoing = ohttp.begin(demands.selection, at=at)
    size = demands.contents.up - ohttp.request_overhead(outgoing.suite)
    prepared = prepare(outgoing, directory, demands, token, at=at)
    wire, pending = outgoing.seal(bhttp.encode_request(prepared.head, size=size))
    return relay.request(wire), Opening((prepared, relay, pending))


def check_token(token: BoundToken, contents: Contents) -> None:
    """Raise :class:`UsageError` for a token of another issuer, gateway or epoch than ``contents``."""
    expected = contents.challenge.digest, contents.token_key.key_id
    if (token.token.challenge_digest, token.token.token_key_id) != expected:
        raise UsageError("the token is not of this directory's issuer, gateway and epoch")


def _open(service: Service, hello: bytes) -> bytes:
    return Open(
        role=service.role,
        log=service.log,
        namespace=service.namespace,
        formats=_FORMATS,
        device_required=service.beside,
        policy_id=service.policy.id,
        nonce=os.urandom(32),
        suites=_SUITES,
        client_hello=hello,
    ).encode()


def _outer(outgoing: ohttp.Outgoing | ohttp.OutgoingStream, token: Token, proof_key: ProofKey) -> bytes:
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
class Opening(Step[tuple[Prepared, Relay, ohttp.PendingResponse]]):
    """The first request is out; waits for the enclave's offer and appraises it."""

    __slots__ = ()

    def finish(self, response: Response, *, at: int) -> Session:
        """Check everything that the enclave and those between say; only then is there something that can ask.

        Raises :class:`PeerError`: :class:`OpenError`, :class:`DecodeError`, :class:`PolicyError`,
        :class:`UntrustedError`, :class:`SignatureError`, :class:`ExpiredError`, :class:`UnsupportedError`, each with
        the check that failed. Nothing of the user's has been sent then.
        """
        prepared, relay, pending = self._take()
        # req: privproc1/4.7 first-answer-in-time
        check_window("first answer", 0, prepared.began + LEASE, at=at)
        sealed = encapsulated(response)
        if len(sealed) != prepared.demands.contents.down:
            raise PolicyError("the first answer is not of the directory's size")
        opened = Opened.decode(content_of(pending.finish(sealed)))
        attested = attest(opened, prepared.demands, prepared.tls, prepared.parts, began=prepared.began, at=at)
        link = Link(relay, prepared.continue_key, opened.handle, 0)
        return Session(_Ready(attested, link), until=min(attested.until, at + LEASE))


class _Ready(NamedTuple):
    attested: Attested
    link: Link

    def __repr__(self) -> str:
        return "<_Ready>"


@final
class Session(Step[_Ready]):
    """An enclave that was appraised, by this very session. ``evidence`` says what was found; ``devices`` what was found
    about the GPUs and switches of its machine, ``None`` where the directory demands none; ``back_ends`` what the
    enclave showed of those behind it, one of each role that the directory demands.

    Asks once; the next state comes with the end of the answer. ``until`` (Unix seconds) the session lasts if nothing is
    asked; from ``fresh_until`` on it can't be asked, only :meth:`renew` goes on.
    """

    __slots__ = ("back_ends", "devices", "evidence", "fresh_until", "until")

    def __init__(self, ready: _Ready, *, until: int) -> None:
        super().__init__(ready)
        self.evidence = ready.attested.evidence
        self.devices, self.back_ends = ready.attested.beside
        self.fresh_until = ready.attested.fresh_until
        self.until = until

    def ask(self, question: bytes, *, at: int, last: bool = False) -> tuple[Request, AnswerChannel]:
        """A request with the question, and the channel that reads the answer, which comes as a whole.

        ``last``: the enclave need not keep the session. Raises :class:`ExpiredError` past the session's end, and when
        evidence or directory are past theirs, which spends nothing: :meth:`renew`. Raises :class:`UsageError`, and
        spends nothing, for a question that is too large.
        """
        return self._ask(Link.whole, question, at, last=last)

    def stream(self, question: bytes, *, at: int, last: bool = False) -> tuple[Request, AnswerChannel]:
        """:meth:`ask` with an answer that can be read while it comes, of any length.

        Whoever watches sees how it comes: when, in how many pieces, and of which sizes. All devices of an application
        should ask alike.
        """
        return self._ask(Link.stream, question, at, last=last)

    def _ask(self, send: _Send, question: bytes, at: int, *, last: bool) -> tuple[Request, AnswerChannel]:
        look = self._look().attested
        # req: privproc1/4.1 question-fits-first
        responsekey.fits(look.suite, len(question))
        look.check(at=at)
        attested, link = self._take()
        check_window("session", 0, self.until, at=at)
        records, answer = attested.seal(question, last=last)
        demands = attested.demands
        request, reader, link = send(link, demands.contents.gateway, demands.selection, records, at=at)
        return request, AnswerChannel(_Ready(attested, link), reader, answer)

    def renew(self, directory: Directory, *, at: int) -> tuple[Request, Renewing]:
        """A request for new evidence, in the same TLS session, and what takes the answer. ``directory``: the one that
        is in use now, by which the evidence is judged and whose gateway key the session goes on under.

        Raises :class:`ExpiredError` past the session's end or the directory's, :class:`UntrustedError` when the
        directory doesn't list the role any more, :class:`UsageError` when the session was renewed too often.
        """
        attested, link = self._take()
        check_window("session", 0, self.until, at=at)
        records, renewal = attested.again(directory, at=at)
        demands = renewal.demands
        request, reader, link = link.whole(demands.contents.gateway, demands.selection, records, at=at)
        return request, Renewing((attested.channel, link, reader, renewal))


class _Send(Protocol):
    def __call__(
        self, link: Link, gateway: str, selection: Trusted[Selection], records: bytes, /, *, at: int
    ) -> tuple[Request, Reader, Link]:
        """One of :class:`Link`'s two ways."""


@final
class Renewing(Step[tuple[ratls.Channel, Link, Reader, Renewal]]):
    """New evidence was asked for. The keys from before are of no use any more."""

    __slots__ = ()

    def finish(self, response: Response, *, at: int) -> Session:
        """The session with the new evidence. Raises as :meth:`Opening.finish` does; the session is over then."""
        channel, link, reader, renewal = self._take()
        check_head(response, reader.media)
        # req: privproc1/6.3 evidence-in-time
        check_window("renewal", 0, renewal.began + LEASE, at=at)
        attested: Attested | None = None
        for records in (*reader.data(response.content), *reader.end()):
            for event in each(channel.receive_data, records):
                if isinstance(event, ratls.DataReceived):
                    attested = renewal.receive_data(event.data, at=at) or attested
        if attested is None:
            # req: privproc1/6.3 new-evidence-is-whole
            raise DecodeError("renewal", "truncated")
        return Session(_Ready(attested, link._replace(handle=reader.handle)), until=_ends(attested, at))


def _ends(attested: Attested, at: int) -> int:
    """The handle's time began before the answer came here, by as much as the first answer may take."""
    return min(attested.until, at + IDLE - LEASE)


@dataclass(frozen=True, slots=True)
class AnswerComplete(Generic[S]):
    """Event: all of the answer has come. ``session``: what can ask next, or ``None`` if the session is over."""

    session: S | None


AnswerEvent = AnswerData | AnswerComplete[Session]


@final
class AnswerChannel(Unique):
    """The answer, as a channel: bytes of the encapsulated response in any pieces, then its end.

    A response in one shot is opened as a whole, so its events come with the end; one in chunks gives them as they come.
    Each is authentic, but until :class:`AnswerComplete` the answer isn't complete. What comes before a failure is given
    out, and the next call raises it. After the end, or a failure, every call raises :class:`SpentError`: an answer gets
    one try. ``received``: bytes of the answer that were given out; what is raised has it as ``authentic``.
    """

    __slots__ = ("_answer", "_end", "_failure", "_reader", "_ready", "_spoilt", "received")

    def __init__(self, ready: _Ready, reader: Reader, answer: Answer) -> None:
        self._ready = ready
        self._reader: list[Reader] = [reader]
        self._answer = answer
        self._end: list[PublicKey | None] = []  # the key that the answer's last chunk gave, once it has come
        self._spoilt = False  # what followed it wasn't in order
        self._failure: list[PeerError] = []  # to be raised by the next call
        self.received = 0

    def receive(self, response: Response, *, at: int) -> list[AnswerEvent]:
        """Take a whole response: its status and media type, its content, its end. If that raises, nothing of the answer
        was given out.
        """
        self.receive_head(response)
        return self._count([*self._data(response.content), *self._last(at)])

    def receive_head(self, response: Response) -> None:
        """Check status and media type of a response whose content follows. Raises :class:`PolicyError`,
        :class:`ExpiredError`.
        """
        reader = self._take()
        try:
            check_head(response, reader.media)
        except PeerError as error:
            raise self._told(error) from None
        self._reader = [reader]

    def receive_data(self, data: bytes) -> list[AnswerEvent]:
        """Raises :class:`OpenError`, :class:`DecodeError`, :class:`PolicyError`, and :class:`LimitError` beyond 8 MiB
        in one shot. Once the answer's last chunk has come, nothing that follows can take it back.
        """
        return self._count(self._data(data))

    def receive_end(self, *, at: int) -> list[AnswerEvent]:
        """Raises :class:`OpenError`, :class:`PolicyError`, and :class:`DecodeError`: if the answer was cut off, its
        ``offset`` is the number of bytes that are authentic. An answer whose last chunk has come is complete whatever
        follows it; the session is over then, if that isn't in order.
        """
        return self._count(self._last(at))

    def _count(self, events: list[AnswerEvent]) -> list[AnswerEvent]:
        self.received += sum(len(event.data) for event in events if isinstance(event, AnswerData))
        return events

    def _data(self, data: bytes) -> list[AnswerEvent]:
        reader = self._take()
        events: list[AnswerEvent] = []
        if not self._spoilt:
            try:
                events.extend(self._read(reader.data(data)))
            except PeerError as error:
                if not self._whole():
                    return self._failed(error, events)
        self._reader = [reader]
        return events

    def _last(self, at: int) -> list[AnswerEvent]:
        reader = self._take()
        events: list[AnswerEvent] = []
        if not self._spoilt:
            try:
                events.extend(self._read(reader.end()))
            except PeerError as error:
                if not self._whole():
                    raise (
                        self._cut() if isinstance(error, DecodeError) and reader.streams else self._told(error)
                    ) from None
        self._check_end()
        return [*events, AnswerComplete(self._next(reader.handle, at))]

    def _check_end(self) -> None:
        if not self._end:
            raise self._cut()

    def _whole(self) -> bool:
        """Something failed: whether the answer was whole before that."""
        # req: privproc1/6.2 whole-whatever-follows
        self._spoilt = bool(self._end)
        return self._spoilt

    def _failed(self, error: PeerError, events: list[AnswerEvent]) -> list[AnswerEvent]:
        # req: privproc1/5.4 splits-change-nothing
        if not events:
            raise self._told(error) from None
        self._failure.append(bare(error))
        return events

    def _told(self, error: PeerError) -> PeerError:
        # req: privproc1/5.4 what-came-is-not-the-answer
        error.authentic = self.received
        return error

    def _cut(self) -> PeerError:
        why = f"truncated: {self.received} bytes of it are authentic"
        return self._told(DecodeError("answer", why, self.received))

    def _read(self, found: Iterable[bytes]) -> Iterator[AnswerEvent]:
        for records in found:
            for event in each(self._ready.attested.channel.receive_data, records):
                if isinstance(event, ratls.DataReceived):
                    for piece in each(self._answer.receive_data, event.data):
                        if isinstance(piece, AnswerEnd):
                            self._end.append(piece.next_key)
                        else:
                            yield piece

    def _next(self, handle: bytes, at: int) -> Session | None:
        attested, link = self._ready
        in_order = self._end and not self._spoilt
        following = attested.following(self._answer.th3, self._end[0]) if in_order else None
        if following is None:
            # req: privproc1/11 continuation-keys-go
            link.key.wipe()
            return None
        return Session(_Ready(following, link._replace(handle=handle)), until=_ends(following, at))

    def _take(self) -> Reader:
        """The reader, which is gone unless it is put back."""
        if self._failure:
            raise self._told(self._failure.pop())
        try:
            return self._reader.pop()
        except IndexError:
            raise SpentError(type(self).__name__) from None

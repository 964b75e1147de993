"""The enclave: steps from Open to the sealed answers (docs/protocol.md §4 to §6).

It calls no hardware: the 64 bytes for the report come out as a value, and the caller brings the evidence back::

    opening        = enclave.open(forward, at=now)
    opening.show(devices)                               # only where opening.beside: GPUs first, then back ends
    offer, waiting = opening.attest(evidence)           # evidence of the hardware over opening.report_data
    asked          = waiting.receive(records, at=now)   # Asked, or Again where the device wants new evidence

    Asked:  records          = asked.reply.send(piece)
            records, waiting = asked.reply.finish(at=now)         # waiting: None after the session's last request
    Again:  records, waiting = asked.attest(evidence, endorsements=..., log_proof=..., at=now)     # after show
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, final

from privproc import ratls, responsekey
from privproc._outcome import each
from privproc._step import Step, Unique
from privproc.attestation.binder import EXPORTER_LABEL as EVIDENCE_LABEL
from privproc.attestation.binder import EXPORTER_LENGTH as EVIDENCE_LENGTH
from privproc.attestation.binder import Binding, Direction
from privproc.attestation.binder import exporter_context as evidence_context
from privproc.attestation.proof import Proof, Unproven
from privproc.errors import DecodeError, PolicyError, UnsupportedError
from privproc.hpke import Suite
from privproc.responsekey import AnswerSealer, Context, OneTimeKey
from privproc.responsekey.request import EXPORTER_LABEL, EXPORTER_LENGTH, exporter_context
from privproc.session import transcript
from privproc.session.frames import Frame, FrameReader, Kind, nonce_of, renewal
from privproc.session.messages import RECORDS_LIMIT, EvidenceFormat, Forward, Offer, Open, Renewed
from privproc.session.profile import ATTESTATIONS, IDLE, LIFETIME, REQUESTS, WAIT
from privproc.trust import check_window
from privproc.wire import bounded

__all__ = ["Again", "Asked", "AwaitingRequest", "Enclave", "EnclaveOpening", "EnclaveReply"]

_CHANGE_CIPHER_SPEC, _ENCRYPTED = 20, 23  # types of records


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclave:
    """What measured code serves. ``role`` is its own and never echoed from a request; ``log`` and ``namespace`` say
    where its measurement is logged; ``suites`` are its HPKE suites in order of preference.

    A session has at most ``requests`` requests within ``lifetime`` seconds; new evidence makes room for as many again.
    ``beside``: whether this code shows evidence of its machine's devices or of back ends, to those who demand it.
    """

    role: str
    log: str
    namespace: str
    identity: ratls.Identity
    group: ratls.Group
    suites: tuple[Suite, ...]
    format: EvidenceFormat = EvidenceFormat.SEV_SNP
    requests: int = REQUESTS
    lifetime: int = LIFETIME
    beside: bool = False

    # req: privproc1/4.6 role-is-the-enclaves-own
    def open(self, forward: bytes, *, at: int) -> EnclaveOpening:
        """Take Open as the gateway passes it on, and make the TLS flight and the session's one-time key.

        Raises :class:`DecodeError`; :class:`PolicyError` for another role, log or namespace; :class:`UnsupportedError`
        when formats or suites have nothing in common, or devices are required of code that shows none; what
        :func:`privproc.ratls.accept` raises.
        """
        received = Forward.decode(forward)
        message = Open.decode(received.open)
        if (message.role, message.log, message.namespace) != (self.role, self.log, self.namespace):
            # req: privproc1/4.6 serves-its-own-only
            raise PolicyError("another role, log or namespace is asked for")
        if self.format not in message.formats or message.device_required > self.beside:
            # req: privproc1/4.6 format-is-listed
            raise UnsupportedError("evidence of another kind is asked for")
        # req: privproc1/4.6 own-preference
        suite = next((it for it in self.suites if (it.kem, it.kdf, it.aead) in message.suites), None)
        if suite is None:
            raise UnsupportedError("no HPKE suite in common")
        flight, attesting = ratls.accept(self.identity, message.client_hello, self.group)
        term, one_time, announcement = _Term.begin(self, suite, 0, at)
        th1 = transcript.opened(received.package, received.outer, received.open)
        binding = attesting.binding(role=self.role, th1=th1, announcement=announcement)
        proof = Proof(binding, message.device_required)
        # req: privproc1/4.6 waits-a-minute
        return EnclaveOpening(_Opened(flight, attesting, term, one_time, proof), at + min(WAIT, self.lifetime))


class _Term(NamedTuple):
    """What an announcement is good for: ``sequence`` counts them, ``until`` is its end (Unix seconds)."""

    enclave: Enclave
    suite: Suite
    sequence: int
    until: int

    def __repr__(self) -> str:
        return "<_Term>"

    @classmethod
    def begin(cls, enclave: Enclave, suite: Suite, sequence: int, at: int) -> tuple[_Term, OneTimeKey, bytes]:
        """With the one-time key and the announcement of it."""
        one_time = OneTimeKey.generate(suite)
        announcement = one_time.announce(max_requests=enclave.requests, lifetime=enclave.lifetime).encode()
        # req: privproc1/2.4 lifetime-is-kept
        return cls(enclave, suite, sequence, at + enclave.lifetime), one_time, announcement


class _Opened(NamedTuple):
    flight: bytes
    attesting: ratls.Attesting
    term: _Term
    one_time: OneTimeKey
    proof: Proof

    def __repr__(self) -> str:
        return "<_Opened>"


@final
class EnclaveOpening(Unproven[_Opened]):
    """The flight is made, the evidence over ``report_data`` is awaited.

    Of no use from ``until`` (Unix seconds) on: drop it then, and bound how many are kept.
    """

    __slots__ = ("until",)

    def __init__(self, opened: _Opened, until: int) -> None:
        super().__init__(opened)
        self.until = until

    # req: privproc1/4.6 one-use-of-evidence
    def attest(self, evidence: bytes) -> tuple[bytes, AwaitingRequest]:
        """The offer for the gateway, and what takes the request. Raises :class:`UsageError` as :attr:`report_data`."""
        report_data = self.report_data
        # req: privproc1/9.3 enclave-states
        flight, attesting, term, one_time, proof = self._take()
        form = term.enclave.format
        offer = Offer(flight, proof.binding.announcement, form, evidence, proof.devices).encode()
        th2 = transcript.attested(proof.binding.th1, report_data, form, evidence)
        session = _Session(term, attesting.leaf, th2, 0, b"", bool(proof.beside))
        return offer, AwaitingRequest(_Waiting(session, one_time, [attesting], []), self.until)


class _Session(NamedTuple):
    """Where a session stands: the ``number`` of the next request, and the ``th3`` of the one before, ``previous``.
    ``beside``: whether Open demanded evidence beside the enclave's own, which holds for all of the session.
    """

    term: _Term
    leaf: bytes
    th2: bytes
    number: int
    previous: bytes
    beside: bool

    def __repr__(self) -> str:
        return "<_Session>"


class _Waiting(NamedTuple):
    """``attesting`` until the client's Finished has come, ``channel`` from then on."""

    session: _Session
    one_time: OneTimeKey
    attesting: list[ratls.Attesting]
    channel: list[ratls.Channel]


@final
class AwaitingRequest(Step[_Waiting]):
    """Waits for what the device sends next. Of no use from ``until`` (Unix seconds) on: drop it then."""

    __slots__ = ("_flight", "_frames", "_taken", "until")

    def __init__(self, waiting: _Waiting, until: int) -> None:
        super().__init__(waiting)
        self._frames = FrameReader()
        self._flight = _Flight()
        self._taken = 0
        self.until = until

    def receive(self, records: bytes, *, at: int) -> Asked | Again:
        """What the device sent, all of which is in ``records``.

        Raises :class:`ExpiredError` past ``until``, :class:`DecodeError`, :class:`OpenError`, :class:`LimitError`.
        """
        found = self.receive_data(records, at=at)
        if found is None:
            self._take()
            raise DecodeError("request", "incomplete")
        return found

    def receive_data(self, records: bytes, *, at: int) -> Asked | Again | None:
        """The same in any pieces; ``None`` until all has come. The step is left then, or with what is raised."""
        waiting = self._take()
        check_window("session", 0, self.until, at=at)
        # req: privproc1/5.3 requests-are-bounded
        self._taken = bounded("request", self._taken + len(records), RECORDS_LIMIT)
        frame = self._frame(waiting, records)
        if frame is None:
            self._state.append(waiting)
            return None
        (channel,) = waiting.channel
        if frame.kind is Kind.AGAIN:
            # req: privproc1/6.3 old-keys-are-gone
            waiting.one_time._take()
            return Again.begin(waiting.session, channel, frame.body, at=at)
        return _ask(waiting, channel, frame)

    def _frame(self, waiting: _Waiting, records: bytes) -> Frame | None:
        events: list[ratls.Event] = []
        if waiting.attesting:
            if not self._flight.receive_data(records):
                return None
            channel, events = waiting.attesting.pop().finish(bytes(self._flight.taken))
            self._flight, records = _Flight(), b""
            waiting.channel.append(channel)
        frame: Frame | None = None
        for event in (*events, *each(waiting.channel[0].receive_data, records)):
            if isinstance(event, ratls.EndOfData):
                # req: privproc1/5.3 no-early-close
                raise DecodeError("request", "the device closed the session")
            # req: privproc1/5.3 one-frame-at-a-time
            frame = self._frames.receive_data(event.data)
        return frame


class _Flight:
    """Waits for the client's Finished: its first encrypted record (type 23), behind any change_cipher_spec (20).

    Judges no more than that: whether the records are any is for TLS to say.
    """

    __slots__ = ("_start", "taken")

    def __init__(self) -> None:
        self.taken = bytearray()
        self._start = 0  # of the first record that isn't there whole

    def receive_data(self, data: bytes) -> bool:
        """Whether it is there whole. Raises :class:`LimitError`, :class:`DecodeError`."""
        self.taken += data
        while self._start + 5 <= len(self.taken):
            kind = self.taken[self._start]
            if kind not in (_CHANGE_CIPHER_SPEC, _ENCRYPTED):
                raise DecodeError("client flight", f"a record of type {kind} before Finished", self._start)
            end = self._start + 5 + int.from_bytes(self.taken[self._start + 3 : self._start + 5], "big")
            # req: privproc1/5.3 finished-comes-first
            bounded("client flight", end, ratls.MAX_CLIENT_FLIGHT)
            if end > len(self.taken) or kind == _ENCRYPTED:
                return end <= len(self.taken)
            self._start = end
        return False


def _ask(waiting: _Waiting, channel: ratls.Channel, frame: Frame) -> Asked:
    session = waiting.session
    term, number = session.term, session.number
    exporter = channel.export(EXPORTER_LABEL, exporter_context(session.th2, number), EXPORTER_LENGTH)
    context = Context(session.th2, number, session.previous, exporter)
    question, sealer = responsekey.open_request(context, waiting.one_time, frame.body)
    following: _Waiting | None = None
    if frame.kind is Kind.REQUEST and number + 1 < term.enclave.requests:
        one_time = OneTimeKey.generate(term.suite)
        sealer.announce_next(one_time.public_key)
        session = session._replace(number=number + 1, previous=sealer.th3)
        following = _Waiting(session, one_time, [], [channel])
    return Asked(question, EnclaveReply(channel, sealer, following))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what answers it."""

    question: bytes = field(repr=False)
    reply: EnclaveReply


@final
class EnclaveReply(Unique):
    """Seals the answer, in pieces as the model writes them: each call gives TLS records.

    ``goes_on``: whether the session does after the answer.
    """

    __slots__ = ("_channel", "_following", "_sealer", "goes_on")

    def __init__(self, channel: ratls.Channel, sealer: AnswerSealer, following: _Waiting | None) -> None:
        self._channel = channel
        self._sealer = sealer
        self._following = following
        self.goes_on = following is not None

    def send(self, piece: bytes) -> bytes:
        """A piece of the answer; an empty one makes a chunk of padding. :class:`SpentError` after :meth:`finish`."""
        self._channel.send(self._sealer.send(piece))
        return self._channel.data_to_send()

    def finish(self, piece: bytes = b"", *, at: int) -> tuple[bytes, AwaitingRequest | None]:
        """The last piece, marked as such, and what takes the next request: ``None`` if the session ends here."""
        self._channel.send(self._sealer.finish(piece))
        following, self._following = self._following, None
        if following is None:
            self._channel.close()
            return self._channel.data_to_send(), None
        return self._channel.data_to_send(), _await(following, at)


def _await(waiting: _Waiting, at: int) -> AwaitingRequest:
    # req: privproc1/5.3 idle-sessions-end
    return AwaitingRequest(waiting, min(waiting.session.term.until, at + IDLE))


class _Again(NamedTuple):
    session: _Session
    channel: ratls.Channel
    one_time: OneTimeKey
    proof: Proof

    def __repr__(self) -> str:
        return "<_Again>"


@final
class Again(Unproven[_Again]):
    """The device wants new evidence, over ``report_data``. What is shown beside is what Open demanded."""

    __slots__ = ()

    @classmethod
    def begin(cls, session: _Session, channel: ratls.Channel, body: bytes, *, at: int) -> Again:
        """Raises :class:`DecodeError`, and :class:`PolicyError` after the last attestation that a session may have."""
        old = session.term
        sequence = old.sequence + 1
        if sequence >= ATTESTATIONS:
            # req: privproc1/6.3 eight-times
            raise PolicyError(f"a session is attested {ATTESTATIONS} times at most")
        th1 = transcript.again(session.th2, nonce_of(body, old.suite))
        term, one_time, announcement = _Term.begin(old.enclave, old.suite, sequence, at)
        context = evidence_context(Direction.SERVER_TO_CLIENT, sequence, th1)
        binding = Binding(
            direction=Direction.SERVER_TO_CLIENT,
            sequence=sequence,
            role=old.enclave.role,
            th1=th1,
            exporter=channel.export(EVIDENCE_LABEL, context, EVIDENCE_LENGTH),
            leaf=session.leaf,
            peer=b"",  # the device has no certificate
            announcement=announcement,
        )
        proof = Proof(binding, session.beside)
        return cls(_Again(session._replace(term=term, number=0, previous=b""), channel, one_time, proof))

    def attest(
        self, evidence: bytes, *, endorsements: bytes, log_proof: bytes, at: int
    ) -> tuple[bytes, AwaitingRequest]:
        """TLS records with the evidence and what the host staples to it, and what takes the next request.

        Raises :class:`UsageError` as :attr:`report_data`, which spends nothing.
        """
        report_data = self.report_data
        session, channel, one_time, proof = self._take()
        form, announcement = session.term.enclave.format, proof.binding.announcement
        channel.send(renewal(Renewed(announcement, form, evidence, endorsements, log_proof, proof.devices)))
        th2 = transcript.attested(proof.binding.th1, report_data, form, evidence)
        waiting = _Waiting(session._replace(th2=th2), one_time, [], [channel])
        return channel.data_to_send(), _await(waiting, at)

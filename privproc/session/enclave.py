"""The enclave: steps from Open to the sealed answer (docs/protocol.md §4 to §6).

It calls no hardware: the 64 bytes for the report come out as a value, and the caller brings the evidence back::

    opening       = enclave.open(forward, at=now)
    offer, waiting = opening.attest(evidence)           # evidence of the hardware over opening.report_data
    question, reply = waiting.receive(records, at=now)
    records       = reply.send(piece) + reply.finish()
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

from privproc import ratls, responsekey
from privproc._step import Step, Unique
from privproc.errors import DecodeError, PolicyError, UnsupportedError
from privproc.hpke import Suite
from privproc.responsekey import AnswerSealer, Context, OneTimeKey
from privproc.responsekey.request import EXPORTER_LABEL, EXPORTER_LENGTH, exporter_context
from privproc.session import transcript
from privproc.session.messages import EvidenceFormat, Forward, Offer, Open
from privproc.session.profile import LIFETIME
from privproc.trust import check_window

__all__ = ["AwaitingRequest", "Enclave", "EnclaveOpening", "EnclaveReply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclave:
    """What measured code serves. ``role`` is its own and never echoed from a request; ``log`` and ``namespace`` say
    where its measurement is logged; ``suites`` are its HPKE suites in order of preference.
    """

    role: str
    log: str
    namespace: str
    identity: ratls.Identity
    group: ratls.Group
    suites: tuple[Suite, ...]
    format: EvidenceFormat = EvidenceFormat.SEV_SNP

    # req: privproc1/4.6 role-is-the-enclaves-own
    def open(self, forward: bytes, *, at: int) -> EnclaveOpening:
        """Take Open as the gateway passes it on, and make the TLS flight and the session's one-time key.

        Raises :class:`DecodeError`; :class:`PolicyError` for another role, log or namespace; :class:`UnsupportedError`
        when formats or suites have nothing in common, or devices are required; what :func:`privproc.ratls.accept`
        raises.
        """
        received = Forward.decode(forward)
        message = Open.decode(received.open)
        if (message.role, message.log, message.namespace) != (self.role, self.log, self.namespace):
            raise PolicyError("another role, log or namespace is asked for")
        if self.format not in message.formats or message.device_required:
            raise UnsupportedError("evidence of another kind is asked for")
        suite = next((it for it in self.suites if (it.kem, it.kdf, it.aead) in message.suites), None)
        if suite is None:
            raise UnsupportedError("no HPKE suite in common")
        flight, attesting = ratls.accept(self.identity, message.client_hello, self.group)
        one_time = OneTimeKey.generate(suite)
        announcement = one_time.announce(max_requests=1, lifetime=LIFETIME).encode()
        th1 = transcript.opened(received.package, received.outer, received.open)
        report_data = attesting.bind(role=self.role, th1=th1, announcement=announcement)
        opened = _Opened(flight, attesting, one_time, announcement, th1, at + LIFETIME)
        return EnclaveOpening(opened, report_data, self.format)


class _Opened(NamedTuple):
    flight: bytes
    attesting: ratls.Attesting
    one_time: OneTimeKey
    announcement: bytes
    th1: bytes
    until: int


@final
class EnclaveOpening(Step[_Opened]):
    """The flight is made, the evidence is awaited. ``report_data``: the 64 bytes that the hardware has to sign.

    Of no use from ``until`` (Unix seconds) on: drop it then, and bound how many are kept.
    """

    __slots__ = ("_format", "report_data", "until")

    def __init__(self, opened: _Opened, report_data: bytes, evidence_format: EvidenceFormat) -> None:
        super().__init__(opened)
        self._format = evidence_format
        self.report_data = report_data
        self.until = opened.until

    # req: privproc1/4.6 one-use-of-evidence
    def attest(self, evidence: bytes) -> tuple[bytes, AwaitingRequest]:
        """The offer for the gateway, and what takes the request."""
        opened = self._take()
        offer = Offer(opened.flight, opened.announcement, self._format, evidence).encode()
        th2 = transcript.attested(opened.th1, self.report_data, self._format, evidence)
        return offer, AwaitingRequest((opened, th2))


@final
class AwaitingRequest(Step[tuple[_Opened, bytes]]):
    """The offer is out; waits for the client's Finished and the request. Of no use from ``until`` on."""

    __slots__ = ("until",)

    def __init__(self, state: tuple[_Opened, bytes]) -> None:
        super().__init__(state)
        self.until = state[0].until

    def receive(self, records: bytes, *, at: int) -> tuple[bytes, EnclaveReply]:
        """The question, and what answers it. ``records`` hold all of the request.

        Raises :class:`ExpiredError` past the announced lifetime, :class:`DecodeError`, :class:`OpenError`.
        """
        opened, th2 = self._take()
        check_window("announcement", 0, opened.until, at=at)
        channel, events = opened.attesting.finish(records)
        if any(isinstance(event, ratls.EndOfData) for event in events):
            raise DecodeError("request", "the device closed the session")
        sealed = b"".join(event.data for event in events if isinstance(event, ratls.DataReceived))
        exporter = channel.export(EXPORTER_LABEL, exporter_context(th2, 0), EXPORTER_LENGTH)
        question, sealer = responsekey.open_request(Context(th2, 0, b"", exporter), opened.one_time, sealed)
        return question, EnclaveReply(channel, sealer)


@final
class EnclaveReply(Unique):
    """Seals the answer, in pieces as the model writes them: each call gives TLS records."""

    __slots__ = ("_channel", "_sealer")

    def __init__(self, channel: ratls.Channel, sealer: AnswerSealer) -> None:
        self._channel = channel
        self._sealer = sealer

    def send(self, piece: bytes) -> bytes:
        """A piece of the answer. Raises :class:`SpentError` after :meth:`finish`."""
        self._channel.send(self._sealer.send(piece))
        return self._channel.data_to_send()

    def finish(self, piece: bytes = b"") -> bytes:
        """The last piece, marked as such; ends the session."""
        self._channel.send(self._sealer.finish(piece))
        self._channel.close()
        return self._channel.data_to_send()

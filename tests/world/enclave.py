"""The host, which sees every byte that goes into and out of the enclave, and the enclave with its model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from privproc.attestation.forwarded import BackEnd
from privproc.attestation.proof import Unproven
from privproc.session import Again, Asked, AwaitingRequest, Enclave
from tests.world.amd import FakeChip
from tests.world.model import summarise
from tests.world.nvidia import FakeDevice
from tests.world.wire import Wire

MEASUREMENT = hashlib.sha384(b"the summariser's image").digest()


class Machine:
    """An enclave on a processor: the only thing that reaches the report device is the enclave's own code."""

    def __init__(self, wire: Wire, enclave: Enclave, chip: FakeChip, measurement: bytes = MEASUREMENT) -> None:
        self._wire = wire
        self.enclave = enclave
        self.chip = chip
        self.measurement = measurement
        self.log_proof: Callable[[int], bytes] = lambda at: b""
        self.report_fields: dict[str, object] = {}
        self.gpus: Sequence[FakeDevice] = ()
        self.back_ends: Sequence[BackEnd] = ()
        self.sessions: dict[int, AwaitingRequest] = {}

    def report(self, report_data: bytes) -> bytes:
        return self.chip.report(measurement=self.measurement, report_data=report_data, **self.report_fields)

    def beside(self, opening: Unproven[Any]) -> list[tuple[int, bytes]]:
        """What is shown beside its evidence."""
        fresh = [(gpu.kind, gpu.evidence(opening.device_nonce(at))) for at, gpu in enumerate(self.gpus)]
        return [*fresh, *(back_end.device for back_end in self.back_ends)]

    def open(self, session: int, forward: bytes, at: int) -> bytes:
        self._wire.see("enclave", forward)
        opening = self.enclave.open(forward, at=at)
        if opening.beside:
            opening.show(self.beside(opening))
        offer, self.sessions[session] = opening.attest(self.report(opening.report_data))
        return offer

    def receive(self, session: int, records: bytes, at: int) -> bytes:
        """What the enclave answers to all of a request."""
        waiting = self.sessions.pop(session)
        return b"".join(self._answer(session, waiting.receive(records, at=at), at))

    def stream(self, session: int, records: bytes, at: int) -> Iterator[bytes]:
        """The same for records in any pieces, and as it is written; nothing until all has come."""
        waiting = self.sessions.pop(session)
        asked = waiting.receive_data(records, at=at)
        if asked is None:
            self.sessions[session] = waiting
            return
        yield from self._answer(session, asked, at)

    def _answer(self, session: int, asked: Asked | Again, at: int) -> Iterator[bytes]:
        if isinstance(asked, Again):
            if asked.beside:
                asked.show(self.beside(asked))
            stapled = {"endorsements": self.chip.endorsements.encode(), "log_proof": self.log_proof(at)}
            out, self.sessions[session] = asked.attest(self.report(asked.report_data), at=at, **stapled)
            yield out
            return
        self._wire.see("enclave", asked.question)
        yield from map(asked.reply.send, self.pieces(asked.question))
        rest, waiting = asked.reply.finish(at=at)
        if waiting is not None:
            self.sessions[session] = waiting
        yield rest

    def pieces(self, question: bytes) -> Iterator[bytes]:
        """What the model writes, as it writes it."""
        for piece in summarise(question.decode("utf-8", "replace")):
            self._wire.see("enclave", piece.encode())
            yield piece.encode()


class Host:
    """Runs machines and staples what authenticates itself. Every attribute may be replaced by a hostile one."""

    def __init__(self, wire: Wire, machine: Machine, log_proof: Callable[[int], bytes]) -> None:
        self._wire = wire
        self.machine = machine
        self.log_proof = log_proof
        machine.log_proof = lambda at: self.log_proof(at)
        self._count = 0

    def open(self, forward: bytes, *, at: int) -> tuple[int, bytes, bytes, bytes]:
        self._count += 1
        offer = self.machine.open(self._count, self._wire.cross("host → enclave", forward), at)
        offer = self._wire.cross("enclave → host", offer)
        endorsements = self._wire.cross("host: endorsements", self.machine.chip.endorsements.encode())
        log_proof = self._wire.cross("host: log proof", self.log_proof(at))
        self._wire.see("host", forward, offer, endorsements, log_proof)
        return self._count, self._wire.cross("host → gateway", offer), endorsements, log_proof

    def receive(self, session: int, records: bytes, *, at: int) -> tuple[bytes, bool]:
        """The enclave's records, and whether the session has ended."""
        records = self._wire.cross("host → enclave", records)
        answer = self._wire.cross("enclave → host", self.machine.receive(session, records, at))
        self._wire.see("host", records, answer)
        return answer, session not in self.machine.sessions

    def stream(self, session: int, records: bytes, *, at: int) -> Iterator[bytes]:
        """The enclave's records as they come."""
        records = self._wire.cross("host → enclave", records)
        self._wire.see("host", records)
        for answer in self.machine.stream(session, records, at):
            crossed = self._wire.cross("enclave → host", answer)
            self._wire.see("host", crossed)
            yield crossed

    def ended(self, session: int) -> bool:
        """Whether the enclave waits for nothing more."""
        return session not in self.machine.sessions

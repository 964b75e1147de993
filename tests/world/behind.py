"""A world in which the enclave that devices talk to has a GPU, and behind it a model's enclave on a machine with two.

Both attest to each other as docs/protocol.md §15 has it; the front end shows its devices all of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from privproc import ratls
from privproc.attestation import NO_REVOCATIONS, VerifiedEvidence, nvidia, snp
from privproc.attestation.binder import SessionBinding
from privproc.attestation.forwarded import BackEnd
from privproc.attestation.message import Attestation
from privproc.ratls import mutual
from privproc.session import Anchors, Contents
from privproc.session.grounds import grounds
from tests.world.enclave import MEASUREMENT, Machine
from tests.world.nvidia import FakeDevice, strict_policy
from tests.world.world import ROLE, World

MODEL = "model"
MODEL_MEASUREMENT = hashlib.sha384(b"the model's image").digest()
DOWN = 1 << 16


class Behind(World):
    """``machine`` is the front end, ``model`` the back end. Every attribute may be replaced by a hostile one."""

    def directory_contents(self, begins: int) -> Contents:
        entry = self.entry(role=MODEL, digest=MODEL_MEASUREMENT)
        self.model_measured = self.measurements.append(entry)
        contents = super().directory_contents(begins)
        (front,) = contents.services
        model = replace(front, role=MODEL, devices=strict_policy(*self.model_gpus))
        front = replace(front, devices=strict_policy(*self.front_gpus), back_ends=(MODEL,))
        return replace(contents, services=(front, model), down=DOWN)

    @property
    def front_gpus(self) -> tuple[FakeDevice, ...]:
        return (FakeDevice(self.at, "front"),)

    @property
    def model_gpus(self) -> tuple[FakeDevice, ...]:
        return FakeDevice(self.at, "one", "GB100"), FakeDevice(self.at, "two", "GB100")

    @property
    def anchors(self) -> Anchors:
        return replace(super().anchors, device_roots=FakeDevice(self.at).roots)

    def new_machine(self, measurement: bytes = MEASUREMENT, seed: bytes = b"chip", role: str = ROLE) -> Machine:
        """A front end with a session to a model of its own."""
        machine = super().new_machine(measurement, seed, role)
        machine.enclave = replace(machine.enclave, beside=True)
        machine.gpus = self.front_gpus
        self.model = Model(self)
        machine.back_ends = [self.model.attach(machine)]
        return machine

    def front(self, seed: bytes) -> Machine:
        """Another front end, on a chip of its own."""
        return super().new_machine(seed=seed)


class Model:
    """The back end: an enclave that takes questions from front ends only."""

    def __init__(self, world: Behind) -> None:
        self.world = world
        self.chip = world.amd.chip(b"model")
        self.identity = ratls.Identity.generate(at=world.at, lifetime=86400)
        self.gpus = world.model_gpus
        self.measurement = MODEL_MEASUREMENT

    def attach(self, front: Machine, at: int | None = None) -> BackEnd:
        """Let ``front`` have a session with it; what it can tell its devices of that."""
        world, at = self.world, self.world.at if at is None else at
        own = front.enclave.identity
        hello, pending = ratls.connect(world.group)
        flight, attesting = ratls.accept(self.identity, hello, world.group)
        records, introduced = mutual.introduce(pending.finish(flight), own, role=ROLE, peer_role=MODEL)
        responding = mutual.respond(attesting, self.identity, records, role=MODEL, peer_role=ROLE)
        responding.show(self.devices(responding))
        records, awaiting = responding.attest(self.attestation(responding.report_data))
        presented = introduced.receive(records)
        evidence = self.appraise(presented.attestation, presented.binding, MODEL, at)
        machine = nvidia.appraise(
            presented.attestation.devices,
            binding=presented.binder,
            policy=strict_policy(*self.gpus),
            roots=world.anchors.device_roots,
            revocations=NO_REVOCATIONS,
            at=at,
        )
        proving = presented.accept(evidence, machine=machine, at=at)
        proof = world.measurements.prove(world.measured, at)
        shown = Attestation(1, front.report(proving.report_data), front.chip.endorsements.encode(), proof)
        records, _ = proving.attest(shown)
        client = awaiting.receive(records)
        client.accept(self.appraise(client.attestation, client.binding, ROLE, at), at=at)
        return proving.back_end

    def devices(self, responding: mutual.Responding) -> Sequence[tuple[int, bytes]]:
        """What is shown beside its evidence."""
        return [(gpu.kind, gpu.evidence(responding.device_nonce(at))) for at, gpu in enumerate(self.gpus)]

    def attestation(self, report_data: bytes) -> Attestation:
        report = self.chip.report(measurement=self.measurement, report_data=report_data)
        proof = self.world.measurements.prove(self.world.model_measured, self.world.at)
        return Attestation(1, report, self.chip.endorsements.encode(), proof)

    def appraise(self, shown: Attestation, binding: SessionBinding, role: str, at: int) -> VerifiedEvidence:
        """As both ends do it, by what the directory says."""
        contents = self.world.contents
        service = contents.service(role)
        chain, logged = grounds(
            endorsements=shown.endorsements,
            log_proof=shown.log_proof,
            contents=contents,
            service=service,
            anchors=self.world.anchors,
            at=at,
        )
        return snp.appraise(
            shown.evidence,
            binding=binding,
            policy=service.policy,
            chain=chain,
            logged=logged,
            role=role,
            revocations=NO_REVOCATIONS,
            at=at,
        )

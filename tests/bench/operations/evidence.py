"""Attestation, ledger and key packages."""

from __future__ import annotations

from collections.abc import Iterator

from privproc.attestation import NO_REVOCATIONS, snp
from privproc.ledger import verify as verify_log
from tests.bench import floors
from tests.bench.measure import Operation
from tests.bench.parties import AT, LOG_SIZE, parties
from tests.world.amd import strict_policy
from tests.world.binding import bound
from tests.world.enclave import MEASUREMENT
from tests.world.world import NAMESPACE, ROLE

PATH = (LOG_SIZE - 1).bit_length()
WITNESSES = 3
"""Cosignatures in a proof, all by witnesses that the device knows."""


def operations() -> Iterator[Operation]:
    yield appraisal()
    yield ledger()
    yield learn()


def appraisal() -> Operation:
    p = parties()
    binding = b"privproc/1 bind\0" + bytes(range(48))
    evidence = p.chip.report(measurement=MEASUREMENT, report_data=binding)
    policy, chain, logged = strict_policy(p.chip), p.chip.chain(), _logged()

    def run(_: None) -> snp.VerifiedEvidence:
        return snp.appraise(
            evidence,
            binding=bound(binding),
            policy=policy,
            chain=chain,
            logged=logged,
            role=ROLE,
            revocations=NO_REVOCATIONS,
            at=AT,
        )

    return Operation("appraisal of an SEV-SNP report", run, floors.appraisal(), 1.2)


def _logged() -> object:
    p = parties()
    contents = p.directory.contents.get(at=AT)
    service = contents.service(ROLE)
    return verify_log(
        p.log_proof,
        namespace=NAMESPACE,
        role=ROLE,
        log=p.anchors.logs[service.log],
        floor=contents.checkpoint(service.log),
        minimum_version=service.minimum_version,
        at=AT,
    )


def ledger() -> Operation:
    return Operation("ledger proof", lambda _: _logged(), floors.ledger(WITNESSES, PATH))


def learn() -> Operation:
    p = parties()
    return Operation("package from 3 mirrors", lambda _: p.learn(), floors.learn(WITNESSES, PATH, len(p.copies[0][1])))

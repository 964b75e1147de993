"""Attestation, ledger and key packages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from privproc.attestation import NO_REVOCATIONS, nitro, nvidia, sgx, snp, tdx
from privproc.ledger import Logged, ccf, rekor
from privproc.ledger import verify as verify_log
from tests.bench import floors
from tests.bench.measure import Operation
from tests.bench.parties import AT, LOG_SIZE, parties
from tests.world import aws, foreign, intel
from tests.world import nvidia as gpus
from tests.world import sgx as enclaves
from tests.world.amd import strict_policy
from tests.world.binding import bound
from tests.world.enclave import MEASUREMENT
from tests.world.intel import FakeIntel
from tests.world.world import NAMESPACE, ROLE

PATH = (LOG_SIZE - 1).bit_length()
BINDING = bound(b"privproc/1 bind\0" + bytes(range(48)))
WITNESSES = 3
"""Cosignatures in a proof, all by witnesses that the device knows."""


def operations() -> Iterator[Operation]:
    yield appraisal()
    yield new_chain()
    yield quote()
    yield enclave()
    yield document()
    yield devices()
    yield ledger()
    yield learn()
    yield rekor_entry()
    yield ccf_receipt()


def appraisal() -> Operation:
    p = parties()
    evidence = p.chip.report(measurement=MEASUREMENT, report_data=BINDING)
    policy, chain, logged = strict_policy(p.chip), p.chip.chain(), _logged()

    def run(_: None) -> snp.VerifiedEvidence:
        return snp.appraise(
            evidence,
            binding=BINDING,
            policy=policy,
            chain=chain,
            logged=logged,
            role=ROLE,
            revocations=NO_REVOCATIONS,
            at=AT,
        )

    return Operation("appraisal of an SEV-SNP report", run, floors.appraisal(), 1.15)


def new_chain() -> Operation:
    p = parties()
    evidence = p.chip.report(measurement=MEASUREMENT, report_data=BINDING)
    policy, logged, e = strict_policy(p.chip), _logged(), p.chip.endorsements

    def run(_: None) -> snp.VerifiedEvidence:
        chain = snp.verify_chain(e.vcek, e.ask, e.ark, roots=p.chip.amd.roots, at=AT)
        return snp.appraise(
            evidence,
            binding=BINDING,
            policy=policy,
            chain=chain,
            logged=logged,
            role=ROLE,
            revocations=NO_REVOCATIONS,
            at=AT,
        )

    return Operation("report and chain, all new", run, floors.new_chain(), 1.3)


def quote() -> Operation:
    maker = FakeIntel(AT)
    platform, collateral = maker.platform(), maker.verified()
    evidence, policy = platform.quote(report_data=BINDING), intel.strict_policy(platform)
    logged = _entry(policy.measurement(tdx.Quote.decode(evidence).report))

    def run(_: None) -> tdx.VerifiedEvidence:
        return tdx.appraise(
            evidence,
            binding=BINDING,
            policy=policy,
            collateral=collateral,
            logged=logged,
            role=ROLE,
            revocations=NO_REVOCATIONS,
            at=AT,
        )

    return Operation("appraisal of a TDX quote", run, floors.quote(), 1.3)


def enclave() -> Operation:
    maker = FakeIntel(AT)
    platform, collateral = maker.platform(), enclaves.verified(maker)
    evidence, policy = enclaves.quote(platform, report_data=BINDING), enclaves.strict_policy(platform)
    logged = _entry(policy.measurement(sgx.Quote.decode(evidence).report))

    def run(_: None) -> sgx.VerifiedEvidence:
        return sgx.appraise(
            evidence,
            binding=BINDING,
            policy=policy,
            collateral=collateral,
            logged=logged,
            role=ROLE,
            revocations=NO_REVOCATIONS,
            at=AT,
        )

    return Operation("appraisal of an SGX quote", run, floors.enclave(), 1.3)


def document() -> Operation:
    maker = aws.FakeAws(AT)
    evidence, policy = maker.document(BINDING), aws.strict_policy()
    logged = _entry(nitro.measurement(nitro.Document.decode(evidence).pcrs, policy.logged_pcrs))

    def run(_: None) -> nitro.VerifiedEvidence:
        return nitro.appraise(
            evidence,
            binding=BINDING,
            policy=policy,
            roots=maker.roots,
            logged=logged,
            role=ROLE,
            revocations=NO_REVOCATIONS,
            at=AT,
        )

    return Operation("appraisal of a Nitro document", run, floors.document())


def devices() -> Operation:
    makers = gpus.FakeDevice(AT, "0001"), gpus.FakeDevice(AT, "0002")
    session, policy, roots = gpus.session(), gpus.strict_policy(*makers), makers[0].roots
    received = [(each.kind, each.evidence(session.device_nonce(index))) for index, each in enumerate(makers)]

    def run(_: None) -> nvidia.FreshDevices:
        return nvidia.appraise(received, binding=session, policy=policy, roots=roots, revocations=NO_REVOCATIONS, at=AT)

    return Operation("appraisal of two GPUs", run, floors.devices(), 1.3)


def rekor_entry() -> Operation:
    maker = foreign.FakeRekor(AT)
    artifact = b"an artifact"
    answer, log, signer = maker.answer(maker.body(artifact)), maker.log, foreign.key("releases").public_key()
    digest = hashlib.sha256(artifact).digest()

    def run(_: None) -> rekor.Entry:
        return rekor.verify(answer, log=log, digest=digest, signer=signer, at=AT)

    return Operation("entry of Rekor", run, floors.rekor(1), 1.3)


def ccf_receipt() -> Operation:
    maker = foreign.FakeCcf(AT)
    claims = hashlib.sha256(b"claims").digest()
    receipt, service = maker.receipt(claims), maker.service

    def run(_: None) -> ccf.Committed:
        return ccf.verify(receipt, service=service, claims_digest=claims)

    return Operation("receipt of CCF", run, floors.receipt(2), 1.3)


def _entry(digest: bytes) -> Logged:
    """A log's word for ``digest``, not of a log: that has a row of its own."""
    return Logged._earn(
        namespace=NAMESPACE, role=ROLE, digest=digest, security_version=1, not_after=AT + 3600, checkpoint=None
    )


def _logged() -> Logged:
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

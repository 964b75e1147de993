"""SEV-SNP evidence before other verifiers: what is accepted here is accepted there, and what is refused, refused."""

from __future__ import annotations

import pytest

from privproc.attestation.snp import Chips, Endorsements, Product, Report, Tcb
from tests import test_attestation as appraisal
from tests import test_attestation_chain as chain
from tests import test_attestation_real as real
from tests.interop.driver import PeerError
from tests.interop.peers import SEV_GO, SEV_RS, difference, named
from tests.world.amd import GUEST_POLICY, PLATFORM_INFO, FakeAmd, FakeChip, old_fields, rsa_key, strict_policy

pytestmark = [pytest.mark.loopback, pytest.mark.interop]

both = pytest.mark.parametrize("peer", [SEV_GO, SEV_RS], indirect=True, ids=named)
go = pytest.mark.parametrize("peer", [SEV_GO], indirect=True, ids=named)
rust = pytest.mark.parametrize("peer", [SEV_RS], indirect=True, ids=named)
products = pytest.mark.parametrize("product", Product, ids=named)

GENOA = appraisal.GENOA


def verify(peer, e, report, product, *, kind="vcek", at=appraisal.AT, crl=b""):
    """The chain and the report's signature there."""
    if peer.peer == SEV_RS:
        peer.call("snp.verify", e.ask, e.ark, e.vcek, report)
    else:
        peer.call("snp.verify", product.value, e.ask, e.ark, at, crl, kind, e.vcek, report)


def validate(peer, chip, report, binding, measurement, *, policy):
    """Its check of the fields, with what ``policy`` demands, as far as it knows of that."""
    tcb = policy.floors[0].tcb
    levels = (tcb.bootloader, tcb.tee, tcb.snp, tcb.microcode)
    limits = (GUEST_POLICY, PLATFORM_INFO, 1 << 8 | 55, 55, *levels, 1)
    listed = policy.signer.hwids[0] if isinstance(policy.signer, Chips) else b""
    fields = (binding, policy.host_data, measurement, listed)
    peer.call("snp.validate", *limits, *fields, chip.kind.name.lower(), chip.vcek, report)


def made(chip: FakeChip, **fields):
    return chip.report(measurement=appraisal.MEASUREMENT, report_data=appraisal.BINDING, **fields)


@both
@pytest.mark.parametrize("name", real.REAL)
def test_published_reports(peer, shared, name):
    folder, which = shared / "attestation" / "snp", real.REAL[name]
    e = real.endorsements(folder, which.vcek, which.product)
    report = real.evidence_of(folder, name)
    with difference(peer.peer, f"published {which.product.value} report"):
        verify(peer, e, report, which.product, at=real.AT)
    for at in (0x50, 0x90, 0x1A0, 0x2A0):
        with pytest.raises(PeerError):
            verify(peer, e, report[:at] + bytes((report[at] ^ 1,)) + report[at + 1 :], which.product, at=real.AT)


@both
def test_the_published_chain_that_must_fail(peer, shared):
    folder = shared / "attestation" / "snp"
    e = real.endorsements(folder, "trustee/test-vcek-invalid-legacy.der", Product.MILAN)
    with pytest.raises(PeerError):
        verify(peer, e, real.evidence_of(folder, "trustee-2"), Product.MILAN, at=real.AT)


@both
@products
@pytest.mark.parametrize("version", [2, 3, 5])
@pytest.mark.parametrize("csp", [None, "cloud.example"], ids=["vcek", "vlek"])
def test_reports_from_here(peer, product, csp, version):
    chip = FakeAmd.generate(product, appraisal.AT).chip(csp=csp)
    kind = chip.kind.name.lower()
    with difference(peer.peer, f"{product.value} {kind} version {version}"):
        report = made(chip, **({} if version == 5 else old_fields(version)))
        verify(peer, chip.endorsements, report, product, kind=kind)
        if version == 5 and peer.peer == SEV_GO:
            validate(peer, chip, report, appraisal.BINDING, appraisal.MEASUREMENT, policy=strict_policy(chip))


@both
def test_no_signed_byte_can_change(peer):
    """One in each 16 of the signed part, and of both integers of the signature."""
    report = made(GENOA)
    for at in (*range(0x50, 0x1E0, 16), 0x2A0, 0x2CF, 0x2E8, 0x317):
        with pytest.raises(PeerError):
            changed = report[:at] + bytes((report[at] ^ 0x10,)) + report[at + 1 :]
            verify(peer, GENOA.endorsements, changed, Product.GENOA)


@go
@pytest.mark.parametrize("check", dict.fromkeys(m[0] for m in appraisal.MUTANTS if m[0] not in {"role", "log"}))
def test_mutants(peer, check):
    """Every report that one of this library's checks refuses, with the same expectations there."""
    with difference(peer.peer, f"check {check}"):
        accepted = []
        for name, scene in [(mutant[1], mutant[2]) for mutant in appraisal.MUTANTS if mutant[0] == check]:
            chip = scene.chip
            if chip.amd.product is Product.TURIN:
                continue  # it has no reader for those, which test_reports_from_here shows
            policy = scene.policy or strict_policy(chip)
            kind, report = chip.kind.name.lower(), scene.evidence()
            try:
                verify(peer, chip.endorsements, report, chip.amd.product, kind=kind, at=scene.at)
                validate(peer, chip, report, scene.binding, appraisal.MEASUREMENT, policy=policy)
            except PeerError:
                continue
            accepted.append(name)
        assert accepted == []


LEAVES = ("signer", "issuer", "subject", "version", "algorithm", "twice", "product", "no-snp", "no-hwid", "key-kind")


@both
@pytest.mark.parametrize("case", LEAVES)
def test_chips_that_are_refused(peer, case):
    report = made(GENOA)
    e = GENOA.endorsements
    with difference(peer.peer, f"leaf {case}"):
        bad = chain.BAD_LEAVES[case][0]()
        try:
            verify(peer, Endorsements(bad, e.ask, e.ark), report, Product.GENOA)
        except PeerError:
            return
        raise AssertionError("is accepted")


@go
def test_revocation(peer):
    amd, report, e = GENOA.amd, made(GENOA), GENOA.endorsements

    def check(*serials, key="amd_ark"):
        verify(peer, e, report, Product.GENOA, crl=amd.crl(*serials).sign(rsa_key(key)))

    check()
    check(0)  # the number of every VCEK: an entry that is about none
    check(0x10002)
    for serials, key in (((0x10001,), "amd_ark"), ((), "amd_ask")):
        with pytest.raises(PeerError):
            check(*serials, key=key)


@rust
@products
def test_fields(peer, product):
    """Both layouts of a TCB, and the numbers around them, as read there."""
    chip = FakeAmd.generate(product, appraisal.AT).chip(
        tcb=Tcb(fmc=9 if product.has_fmc else 0, bootloader=1, tee=2, snp=3, microcode=4)
    )
    with difference(peer.peer, f"fields of {product.value}"):
        report = made(chip, guest_svn=77, vmpl=2)
        read = Report.decode(report)
        got = [int(word) for word in peer.call("snp.fields", report)._words]
        expected = [read.version, read.guest_svn, read.policy, read.vmpl, read.platform_info]
        for raw in (read.reported_tcb, read.committed_tcb, read.current_tcb, read.launch_tcb):
            expected += Tcb.decode(raw, product).levels
        assert got == expected

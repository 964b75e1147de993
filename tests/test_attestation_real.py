"""Real evidence of Milan, Genoa and Turin, as published by other projects: chains, signatures, and what policies say.

The verdicts are those of the index beside the files. Skipped where the files aren't.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from privproc.attestation import NO_REVOCATIONS
from privproc.attestation.snp import (
    AMD_ROOTS,
    NO_ID_BLOCK,
    STRICT_GUEST,
    STRICT_PLATFORM,
    Chips,
    Endorsements,
    Floor,
    Policy,
    Product,
    Report,
    Rule,
    SigningKey,
    Tcb,
    VerifiedChain,
    VerifiedEvidence,
    appraise,
    verify_chain,
)
from privproc.errors import ExpiredError, PolicyError, SignatureError, UntrustedError
from privproc.ledger import Logged
from tests.world.binding import bound

AT = 1_764_000_000  # 2025-11-24: inside the window of every certificate here
AZURE_HEADER = 32  # HCL: a header, the report, and runtime data of a length given after it


@dataclass
class Real:
    product: Product
    version: int
    tcb: Tcb
    report: str
    vcek: str


REAL = {
    "milan-2": Real(
        Product.MILAN,
        2,
        Tcb(bootloader=2, tee=0, snp=5, microcode=0x44),
        "milan/gsg_attestation.bin",
        "milan/gsg_vcek.der",
    ),
    "milan-3": Real(
        Product.MILAN,
        3,
        Tcb(bootloader=4, tee=0, snp=0x18, microcode=0xDB),
        "milan/oak_milan_oc_release_report.bin",
        "milan/oak_milan_oc_release_vcek.der",
    ),
    "genoa-5": Real(
        Product.GENOA,
        5,
        Tcb(bootloader=10, tee=0, snp=0x19, microcode=0x54),
        "genoa/oak_genoa_oc_report.bin",
        "genoa/oak_genoa_oc_vcek.der",
    ),
    "trustee-2": Real(
        Product.MILAN,
        2,
        Tcb(bootloader=3, tee=0, snp=8, microcode=0x73),
        "trustee/test-report.bin",
        "trustee/test-vcek.der",
    ),
    "azure-2": Real(
        Product.MILAN, 2, Tcb(bootloader=3, tee=0, snp=8, microcode=0x73), "azure/hcl-report.bin", "azure/vcek.pem"
    ),
}


@pytest.fixture(scope="module")
def snp(shared: Path) -> Path:
    return shared / "attestation" / "snp"


def endorsements(snp: Path, vcek: str, product: Product) -> Endorsements:
    data = (snp / vcek).read_bytes()
    if vcek.endswith(".pem"):
        data = base64.b64decode(re.findall(rb"BEGIN CERTIFICATE-----(.*?)-----END", data, re.DOTALL)[0])
    chain = (snp / "roots" / f"ask_ark_{product.value.lower()}.pem").read_bytes()
    return Endorsements.from_kds(data, chain)


def chain_of(snp: Path, vcek: str, product: Product) -> VerifiedChain:
    e = Endorsements.decode(endorsements(snp, vcek, product).encode())
    return verify_chain(e.vcek, e.ask, e.ark, roots=AMD_ROOTS, at=AT)


def evidence_of(snp: Path, name: str) -> bytes:
    data = (snp / REAL[name].report).read_bytes()
    return data[AZURE_HEADER : AZURE_HEADER + 1184] if name == "azure-2" else data


def test_verdicts(snp: Path) -> None:
    """The index expects one failure among the files used here, and this module agrees with it on every entry."""
    entries = json.loads((snp.parent / "index.json").read_text())["files"]
    failing = [entry["file"] for entry in entries if entry["file"].startswith("snp/") and "FAIL" in entry["expected"]]
    assert failing == ["snp/trustee/test-vcek-invalid-legacy.der"]
    with pytest.raises(SignatureError, match="VCEK certificate"):
        chain_of(snp, "trustee/test-vcek-invalid-legacy.der", Product.MILAN)


def test_pinned_roots(snp: Path) -> None:
    """The pins are the fingerprints of the published ARKs, the same in the VCEK's and the VLEK's chain."""
    found = {}
    for path in sorted((snp / "roots").glob("*.pem")):
        e = Endorsements.from_kds(b"", path.read_bytes())
        found.setdefault(path.stem.rpartition("_")[2].capitalize(), set()).add(hashlib.sha256(e.ark).digest())
    assert {product.value: {digest} for digest, product in AMD_ROOTS.pins} == found


@pytest.mark.parametrize("name", REAL)
def test_chain(snp: Path, name: str) -> None:
    real = REAL[name]
    chain = chain_of(snp, real.vcek, real.product)
    report = Report.decode(evidence_of(snp, name))
    assert (chain.product, chain.signing_key, chain.tcb) == (real.product, SigningKey.VCEK, real.tcb)
    assert report.version == real.version
    assert chain.hwid == report.chip_id
    assert Tcb.decode(report.reported_tcb, real.product) == real.tcb


def test_turin_chain(snp: Path) -> None:
    chain = chain_of(snp, "turin/virtee_vcek_turin.der", Product.TURIN)
    assert chain.product is Product.TURIN
    assert chain.hwid.hex() == "1e550a8ee5cf9f4d"
    assert chain.tcb == Tcb(fmc=0, bootloader=0, tee=0, snp=0, microcode=9)
    published = (snp / "turin" / "virtee_cert_chain_turin.pem").read_bytes()
    e = endorsements(snp, "turin/virtee_vcek_turin.der", Product.TURIN)
    assert Endorsements.from_kds(e.vcek, published) == e


def test_chain_of_another_line(snp: Path) -> None:
    with pytest.raises(UntrustedError, match="product line"):
        chain_of(snp, "milan/gsg_vcek.der", Product.GENOA)


@pytest.mark.parametrize(("at", "what"), [(1_600_000_000, "not valid yet"), (1_900_000_000, "no longer valid")])
def test_chain_windows(snp: Path, at: int, what: str) -> None:
    e = endorsements(snp, "milan/gsg_vcek.der", Product.MILAN)
    with pytest.raises(ExpiredError, match=what):
        verify_chain(e.vcek, e.ask, e.ark, roots=AMD_ROOTS, at=at)


@pytest.mark.parametrize("line", ["milan", "genoa", "turin"])
def test_asvk_is_no_ask(snp: Path, line: str) -> None:
    """A VCEK beside the provider keys' authority: the names don't fit."""
    vcek = {
        "milan": "milan/gsg_vcek.der",
        "genoa": "genoa/oak_genoa_oc_vcek.der",
        "turin": "turin/virtee_vcek_turin.der",
    }
    pem = (snp / "roots" / f"asvk_ark_{line}.pem").read_bytes()
    e = Endorsements.from_kds((snp / vcek[line]).read_bytes(), pem)
    with pytest.raises(UntrustedError, match="names"):
        verify_chain(e.vcek, e.ask, e.ark, roots=AMD_ROOTS, at=AT)


def lenient(real: Real, report: Report, **changes: Any) -> Policy:
    """What this very report needs: everything open that can be open, the rest as the report has it."""
    policy = Policy(
        floors=(
            Floor(
                product=real.product,
                tcb=real.tcb,
                launch_tcb=Tcb.decode(report.launch_tcb, real.product),
                firmware=report.committed_firmware,
                mitigations=report.launch_mitigations or 0,
                report_version=real.version,
            ),
        ),
        guest=replace(STRICT_GUEST, **dict.fromkeys(STRICT_GUEST._places, Rule.EITHER)),
        minimum_abi=(0, 0),
        platform=replace(STRICT_PLATFORM, **dict.fromkeys(STRICT_PLATFORM._places, Rule.EITHER)),
        vmpl=0,
        host_data=bytes(32),
        id_block=replace(
            NO_ID_BLOCK, id_key_digest=report.id_key_digest, family_id=report.family_id, image_id=report.image_id
        ),
        signer=Chips((report.chip_id,)),
        max_age=3600,
    )
    return replace(policy, **changes)


def decide(snp: Path, name: str, **changes: Any) -> VerifiedEvidence:
    real, evidence = REAL[name], evidence_of(snp, name)
    report = Report.decode(evidence)
    logged = Logged._earn(
        namespace="example",
        role="model",
        digest=report.measurement,
        security_version=1,
        not_after=AT + 60,
        checkpoint=None,
    )
    return appraise(
        evidence,
        binding=bound(report.report_data),
        policy=lenient(real, report, **changes),
        chain=chain_of(snp, real.vcek, real.product),
        logged=logged,
        role="model",
        revocations=NO_REVOCATIONS,
        at=AT,
    )


@pytest.mark.parametrize("name", ["milan-3", "genoa-5"])
def test_accepted(snp: Path, name: str) -> None:
    verified = decide(snp, name)
    assert verified.product is REAL[name].product
    assert verified.not_after == AT + 60


REFUSED = {
    "milan-2": "guest policy: debug$",
    "trustee-2": "platform: alias check$",  # the check for aliased memory is newer than this firmware
    "azure-2": "platform: alias check$",
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_any_policy(snp: Path, name: str) -> None:
    """Genuine, but no policy can accept a debuggable guest or a platform without the alias check."""
    with pytest.raises(PolicyError, match=REFUSED[name]):
        decide(snp, name)


@pytest.mark.parametrize("name", REAL)
def test_strict_rules(snp: Path, name: str) -> None:
    """None of the published reports comes from a machine and guest as the auditors want them."""
    with pytest.raises(PolicyError, match=r"guest policy: .*smt.*ciphertext_hiding"):
        decide(snp, name, guest=STRICT_GUEST)
    with pytest.raises(PolicyError, match=r"guest policy: debug$|platform: .*smt.*ciphertext_hiding"):
        decide(snp, name, platform=STRICT_PLATFORM)


@pytest.mark.parametrize("name", REAL)
def test_signatures(snp: Path, name: str) -> None:
    """No byte of a real report can change: one is tried in each field."""
    real, evidence = REAL[name], evidence_of(snp, name)
    report = Report.decode(evidence)
    chain = chain_of(snp, real.vcek, real.product)
    logged = Logged._earn(
        namespace="n", role="model", digest=report.measurement, security_version=1, not_after=AT + 60, checkpoint=None
    )
    for offset in (
        0x04,
        0x08,
        0x10,
        0x20,
        0x30,
        0x38,
        0x40,
        0x50,
        0x90,
        0xC0,
        0x140,
        0x180,
        0x1A0,
        0x1E0,
        0x2A0,
    ):
        changed = bytearray(evidence)
        changed[offset] ^= 1
        with pytest.raises(SignatureError, match="report signature"):
            appraise(
                bytes(changed),
                binding=bound(report.report_data),
                policy=lenient(real, report),
                chain=chain,
                logged=logged,
                role="model",
                revocations=NO_REVOCATIONS,
                at=AT,
            )


def test_azure_runtime_data(snp: Path) -> None:
    """Azure's wrapper: the report is bound to the runtime data that follows it, not to a session."""
    data = (snp / REAL["azure-2"].report).read_bytes()
    report = Report.decode(evidence_of(snp, "azure-2"))
    size = int.from_bytes(data[AZURE_HEADER + 1184 + 16 :][:4], "little")
    runtime = data[AZURE_HEADER + 1184 + 20 :][:size]
    assert json.loads(runtime)["keys"][0]["kid"] == "HCLAkPub"
    assert report.report_data == hashlib.sha256(runtime).digest() + bytes(32)

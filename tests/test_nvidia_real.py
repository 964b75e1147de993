"""Real evidence of Hopper GPUs and of a switch, as NVIDIA publishes it; the verdicts of the index beside the files.

Skipped where the files aren't. The devices signed NVIDIA's nonces, so no session is theirs: they are judged as evidence
from boot. The only reference values published beside them are of another driver, so the references are drawn from the
reports themselves: what is checked here is form, chain, signature, nonce and firmware.
"""

from __future__ import annotations

import base64
import json
import ssl
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from privproc.attestation import NO_REVOCATIONS
from privproc.attestation.nvidia import (
    NVIDIA_ROOTS,
    AnyDevice,
    Evidence,
    Kind,
    Policy,
    Reference,
    Report,
    appraise_boot,
    verify_chain,
)
from privproc.errors import PeerError, PolicyError, SignatureError, UntrustedError

AT = 1_790_000_000
FILES = {"hopper_evidence.json": 1, "multi_gpu_hopper.json": 4, "switch_evidence_ls10.json": 1}


@pytest.fixture(scope="module")
def nvidia(shared: Path) -> Path:
    return shared / "attestation" / "nvidia"


def published(nvidia: Path, name: str) -> tuple[list[Evidence], list[bytes]]:
    items = json.loads((nvidia / name).read_text())
    evidence = [
        Evidence.from_driver(base64.b64decode(each["evidence"]), base64.b64decode(each["certificate"]))
        for each in items
    ]
    return evidence, [bytes.fromhex(each["nonce"]) for each in items]


def of_sdk(nvidia: Path, report: str, certificates: str) -> Evidence:
    text = (nvidia / f"sdk_{report}.txt").read_text()
    return Evidence.from_driver(bytes.fromhex(text), (nvidia / f"sdk_{certificates}.txt").read_bytes())


def reference(evidence: Evidence) -> Reference:
    report = Report.decode(evidence.report)
    model = verify_chain(evidence.certificates, roots=NVIDIA_ROOTS, at=AT).model
    return Reference(
        kind=Kind.SWITCH if model.startswith("LS") else Kind.GPU,
        model=model,
        driver=report.driver,
        firmware=report.firmware,
        values=tuple((index - 1, value) for index, value in report.measurements.items()),
    )


def decide(evidence: list[Evidence], nonces: list[bytes], **changes: Any) -> Any:
    state = reference(evidence[0])
    gpu = state.kind is Kind.GPU
    policy = Policy(
        gpus=len(evidence) if gpu else 0,
        switches=0 if gpu else len(evidence),
        references=(state,),
        devices=AnyDevice(),
        max_age=600,
    )
    arguments: dict[str, Any] = {
        "nonces": nonces,
        "policy": policy,
        "roots": NVIDIA_ROOTS,
        "revocations": NO_REVOCATIONS,
        "at": AT,
    }
    kind = Kind.GPU_AT_BOOT if gpu else Kind.SWITCH_AT_BOOT
    return appraise_boot([(kind, each.encode()) for each in evidence], **arguments | changes)


def test_verdicts(shared: Path) -> None:
    """This module covers all evidence of the index."""
    entries = json.loads((shared / "attestation" / "index.json").read_text())["files"]
    named = {each["file"] for each in entries if each["file"].startswith("nvidia/")}
    reports = {name.partition("/")[2] for name in named if "evidence" in name or "multi" in name or "Report" in name}
    assert reports == {
        *FILES,
        "sdk_hopperAttestationReport.txt",
        "sdk_gpu_hopperAttestationReportInvalidSignature.txt",
        "sdk_switch_switchAttestationReport.txt",
        "sdk_switch_switchAttestationReportInvalidSignature.txt",
    }


@pytest.mark.parametrize("name", FILES)
def test_good(nvidia: Path, name: str) -> None:
    evidence, nonces = published(nvidia, name)
    found = decide(evidence, nonces)
    assert len(found.devices) == FILES[name]
    assert len({each.identity for each in found.devices}) == FILES[name]
    device = found.devices[0]
    known = {"GH100 A01 GSP BROM": ("590.12", "96.00.A5.00.01"), "LS_10 A01 FSP BROM": ("", "96.10.55.00.01")}
    assert (device.driver, device.firmware) == known[device.model]
    with pytest.raises(UntrustedError, match="another nonce"):
        decide(evidence, [b"\1" * 32] * len(evidence))


def test_one_gpu_twice(nvidia: Path) -> None:
    evidence, nonces = published(nvidia, "hopper_evidence.json")
    with pytest.raises(UntrustedError, match="twice"):
        decide(evidence * 2, nonces * 2)


def test_of_the_sdk(nvidia: Path) -> None:
    for report, certificates in (
        ("hopperAttestationReport", "hopperCertChain"),
        ("switch_switchAttestationReport", "switch_switchCertChain"),
    ):
        evidence = of_sdk(nvidia, report, certificates)
        assert decide([evidence], [Report.decode(evidence.report).nonce]).devices


@pytest.mark.parametrize(
    ("report", "certificates", "good"),
    [
        ("gpu_hopperAttestationReportInvalidSignature", "hopperCertChain", "hopper_evidence.json"),
        ("switch_switchAttestationReportInvalidSignature", "switch_switchCertChain", "switch_evidence_ls10.json"),
    ],
)
def test_invalid_signature(nvidia: Path, report: str, certificates: str, good: str) -> None:
    """Whichever of the published chains it is shown with."""
    for chain in (of_sdk(nvidia, report, certificates).certificates, published(nvidia, good)[0][0].certificates):
        evidence = Evidence(of_sdk(nvidia, report, certificates).report, chain)
        with pytest.raises(SignatureError):
            decide([evidence], [Report.decode(evidence.report).nonce])


def test_another_driver(nvidia: Path) -> None:
    evidence, nonces = published(nvidia, "hopper_evidence.json")
    old = reference(of_sdk(nvidia, "hopperAttestationReport", "hopperCertChain"))
    policy = Policy(gpus=1, switches=0, references=(old,), devices=AnyDevice(), max_age=600)
    with pytest.raises(PolicyError, match="no reference"):
        decide(evidence, nonces, policy=policy)


def test_pinned_root(nvidia: Path) -> None:
    for name in ("nvidia_device_root.pem", "nvtrust_device_root.pem"):
        root = ssl.PEM_cert_to_DER_cert((nvidia / name).read_text())
        assert NVIDIA_ROOTS.pins == (sha256(root).digest(),)
    assert published(nvidia, "hopper_evidence.json")[0][0].certificates[4] == root


def test_changed(nvidia: Path) -> None:
    (evidence,), nonces = published(nvidia, "hopper_evidence.json")
    state = Policy(gpus=1, switches=0, references=(reference(evidence),), devices=AnyDevice(), max_age=600)
    for offset in range(0, len(evidence.report), 97):
        changed = bytearray(evidence.report)
        changed[offset] ^= 1
        data = Evidence(bytes(changed), evidence.certificates).encode()
        with pytest.raises(PeerError):
            appraise_boot(
                [(Kind.GPU_AT_BOOT, data)],
                nonces=nonces,
                policy=state,
                roots=NVIDIA_ROOTS,
                revocations=NO_REVOCATIONS,
                at=AT,
            )

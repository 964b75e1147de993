"""What an enclave shows beside its evidence: devices of its machine, and back ends (docs/protocol.md §4.10, §15.4)."""

from __future__ import annotations

from privproc.attestation.binder import EXPORTER_LENGTH
from privproc.attestation.forwarded import BACK_END
from privproc.cli.inspect import devices as nvidia
from privproc.cli.inspect import ledger, names
from privproc.cli.inspect.certificates import certificate
from privproc.cli.inspect.evidence import snp_report
from privproc.cli.inspect.walk import Describe, Walk
from privproc.session.messages import EvidenceFormat

__all__ = ["devices", "endorsements", "evidence", "lp"]

_DIGEST = 48


def lp(walk: Walk, name: str, describe: Describe | None = None, width: int = 4) -> None:
    """A vector, and what is in it as far as it can be read."""
    size = walk.uint(f"{name}, length", width)
    if describe is None:
        walk.opaque(name, size)
        return
    with walk.part(name, size) as inner:
        inner.first_that_reads(describe)


def evidence(walk: Walk) -> None:
    """Format and evidence of an enclave."""
    kind = walk.uint("evidence, format", 2, names.evidence)
    lp(walk, "evidence", snp_report if kind == EvidenceFormat.SEV_SNP else None)


def devices(walk: Walk) -> None:
    """The list of them."""
    for index in range(walk.uint("devices, count", 2)):
        with walk.part(f"device {index}", walk.uint(f"device {index}, length", 4)) as device:
            kind = device.uint("type", 2, names.device)
            device.first_that_reads(_back_end if kind == BACK_END else nvidia.evidence)


def _back_end(walk: Walk) -> None:
    walk.text("role", walk.uint("role, length", 4))
    walk.uint("since", 8, names.time)
    walk.opaque("th1", _DIGEST)
    walk.opaque("exporter value", EXPORTER_LENGTH)
    lp(walk, "leaf", certificate)
    evidence(walk)
    devices(walk)
    lp(walk, "endorsements", endorsements)
    lp(walk, "log proof", ledger.proof)


def endorsements(walk: Walk) -> None:
    """The certificates beside a report of SEV-SNP: those of its key, and of who issued that."""
    for name in ("VCEK or VLEK", "ASK or ASVK", "ARK"):
        lp(walk, name, certificate, 3)

"""Evidence of hardware: the report of SEV-SNP, the quotes of TDX and SGX, bare or under a tag."""

from __future__ import annotations

from privproc.attestation.dice import TaggedEvidence
from privproc.attestation.rules import Rules
from privproc.attestation.sgx.quote import Quote as SgxQuote
from privproc.attestation.sgx.rules import EnclaveRules
from privproc.attestation.snp.report import Product, Report, SigningKey
from privproc.attestation.snp.rules import GuestRules, PlatformRules
from privproc.attestation.tdx.quote import Quote
from privproc.attestation.tdx.rules import DomainRules
from privproc.cli.inspect.walk import Walk
from privproc.cose import read_head

__all__ = ["sgx_quote", "snp_report", "tagged_evidence", "tdx_quote"]


def _bits(rules: type[Rules], number: int) -> list[str]:
    """The names of the bits that are set; those that no policy may choose, and unknown ones, in capitals."""
    fixed = {place: name.upper() for name, (place, _) in rules._fixed.items()}
    known = {place: name for name, place in rules._places.items()} | fixed
    return [known.get(bit, f"BIT {bit}") for bit in range(rules._low, 64) if number >> bit & 1]


def _guest_policy(number: int) -> str:
    return ", ".join((f"ABI {number >> 8 & 0xFF}.{number & 0xFF} or later", *_bits(GuestRules, number)))


def _signing_key(number: int) -> str:
    key = number >> 2 & 7
    return f"signed with {SigningKey(key).name if key in set(SigningKey) else 'a reserved key'}"


def _product(raw: bytes) -> Product | None:
    report = Report.decode(raw)
    return None if report.cpuid is None else Product.from_cpuid(*report.cpuid[:2])


def snp_report(walk: Walk) -> None:
    """ATTESTATION_REPORT (AMD 56860, table 23); integers are little-endian. Not verified."""
    raw = walk.peek(walk.left)
    Report.decode(raw)
    with walk.part("signed", 0x2A0) as signed:
        _snp_signed(signed, _product(raw))
    with walk.part("signature", 0x200) as signature:
        for name in ("r", "s"):
            signature.opaque(f"{name}, little-endian", 72)
        signature.zeros("reserved")


def _snp_signed(walk: Walk, product: Product | None) -> None:
    version = walk.uint("version", 4, little=True)
    walk.uint("guest SVN", 4, little=True)
    walk.uint("guest policy", 8, _guest_policy, little=True)
    walk.opaque("family id", 16)
    walk.opaque("image id", 16)
    walk.uint("VMPL", 4, little=True)
    walk.uint("signature algorithm", 4, lambda _: "ECDSA P-384 with SHA-384", little=True)
    _tcb(walk, "current TCB", product)
    walk.uint("platform info", 8, lambda number: ", ".join(_bits(PlatformRules, number)), little=True)
    walk.uint("key flags", 4, _signing_key, little=True)
    walk.zeros("reserved", 4)
    for name, size in (
        ("report data", 64), ("measurement", 48), ("host data", 32), ("id key digest", 48),
        ("author key digest", 48), ("report id", 32), ("report id of migration agent", 32),
    ):  # fmt: skip
        walk.opaque(name, size)
    _tcb(walk, "reported TCB", product)
    if product is not None:  # from version 3 on
        for name in ("CPUID family", "CPUID model", "CPUID stepping"):
            walk.uint(name, 1)
        walk.rows[-3].text += f"  ({product.value})"
    walk.zeros("reserved", 24 if product is None else 21)
    walk.opaque("chip id", 64)
    _tcb(walk, "committed TCB", product)
    for name in ("current firmware", "committed firmware"):
        build, minor, major = walk.opaque(name, 3)
        walk.rows[-1].text = f"{major}.{minor}, build {build}"
        walk.zeros("reserved", 1)
    _tcb(walk, "launch TCB", product)
    if version > 3:
        walk.uint("launch mitigation vector", 8, little=True)
        walk.uint("current mitigation vector", 8, little=True)
    walk.zeros("reserved")


def _tcb(walk: Walk, name: str, product: Product | None) -> None:
    if product is None:
        walk.opaque(name, 8, "(layout unknown: version 2 names no product)")
        return
    parts = ["boot loader", "TEE", *["reserved"] * 4, "SNP", "microcode"]
    if product.has_fmc:
        parts = ["FMC", "boot loader", "TEE", "SNP", *["reserved"] * 3, "microcode"]
    raw = walk.opaque(name, 8)
    said = [f"{part} {level}" for part, level in zip(parts, raw, strict=True) if part != "reserved"]
    walk.rows[-1].text = ", ".join(said)


def tdx_quote(walk: Walk) -> None:
    """A quote of TDX, version 4 or 5 (Intel, DCAP quote formats); integers are little-endian. Not verified."""
    Quote.decode(walk.peek(walk.left))
    version = walk.uint("version", 2, little=True)
    walk.uint("attestation key type", 2, lambda _: "ECDSA on P-256", little=True)
    walk.uint("TEE type", 4, lambda _: "TDX", little=True)
    walk.opaque("reserved", 4)
    walk.opaque("vendor of the quoting enclave", 16, "(Intel)")
    walk.opaque("user data", 20)
    kind = 2
    if version == 5:
        kind = walk.uint("body type", 2, lambda kind: {2: "TD 1.0", 3: "TD 1.5"}.get(kind, ""), little=True)
        walk.uint("body, size", 4, little=True)
    with walk.part("TD report") as report:
        _td_report(report, kind)
    with walk.part("signature data", walk.uint("signature data, size", 4, little=True)) as outer:
        outer.opaque("signature", 64)
        outer.opaque("attestation key", 64)
        outer.uint("certification data type", 2, lambda _: "quoting enclave's report", little=True)
        with outer.part("certification data", outer.uint("certification data, size", 4, little=True)) as inner:
            _qe(inner)


def _td_report(walk: Walk, kind: int) -> None:
    walk.opaque("TEE TCB SVN", 16)
    walk.opaque("MRSEAM", 48)
    walk.opaque("MRSIGNERSEAM", 48)
    walk.opaque("SEAM attributes", 8)
    walk.uint("TD attributes", 8, lambda number: ", ".join(_bits(DomainRules, number)), little=True)
    walk.uint("XFAM", 8, little=True)
    for name in ("MRTD", "MRCONFIGID", "MROWNER", "MROWNERCONFIG", "RTMR0", "RTMR1", "RTMR2", "RTMR3"):
        walk.opaque(name, 48)
    walk.opaque("report data", 64)
    if kind == 3:
        walk.opaque("TEE TCB SVN 2", 16)
        walk.opaque("MRSERVICETD", 48)


def sgx_quote(walk: Walk) -> None:
    """A quote of SGX, version 3 or 4 (Intel, ECDSA quote format); integers are little-endian. Not verified."""
    SgxQuote.decode(walk.peek(walk.left))
    version = walk.uint("version", 2, little=True)
    walk.uint("attestation key type", 2, lambda _: "ECDSA on P-256", little=True)
    walk.uint("TEE type", 4, lambda _: "SGX", little=True)
    if version == 3:
        walk.uint("SVN of the quoting enclave", 2, little=True)
        walk.uint("SVN of the provisioning enclave", 2, little=True)
    else:
        walk.opaque("reserved", 4)
    walk.opaque("vendor of the quoting enclave", 16, "(Intel)")
    walk.opaque("user data", 20)
    _enclave_report(walk, "enclave report")
    with walk.part("signature data", walk.uint("signature data, size", 4, little=True)) as outer:
        outer.opaque("signature", 64)
        outer.opaque("attestation key", 64)
        if version == 3:
            _qe(outer)
            return
        outer.uint("certification data type", 2, lambda _: "quoting enclave's report", little=True)
        with outer.part("certification data", outer.uint("certification data, size", 4, little=True)) as inner:
            _qe(inner)


def tagged_evidence(walk: Walk) -> None:
    """Evidence and claims under a tag (TCG DICE, Interoperable RA-TLS). Not verified."""
    data = walk.peek(walk.left)
    found = TaggedEvidence.decode(data)
    _, tag, at = read_head(data, 0, walk.what)
    _, _, at = read_head(data, at, walk.what)
    walk.head(at)
    walk.note("tag", f"{tag}  {found.tag.name.lower()}".replace("_", " "))
    for name, part in (("evidence", found.evidence), ("claims", found.claims)):
        walk.head(read_head(data, at, walk.what)[2] - at)
        with walk.part(name, len(part)) as inner:
            inner.first_that_reads(sgx_quote, tdx_quote)
        at = len(data) - walk.left


def _enclave_report(walk: Walk, name: str) -> None:
    with walk.part(name, 384) as report:
        report.opaque("CPUSVN", 16)
        report.opaque("MISCSELECT", 4)
        report.zeros("reserved", 12)
        report.opaque("ISVEXTPRODID", 16)
        report.uint("attributes", 8, lambda number: ", ".join(_bits(EnclaveRules, number)), little=True)
        report.uint("XFRM", 8, little=True)
        report.opaque("MRENCLAVE", 32)
        report.zeros("reserved", 32)
        report.opaque("MRSIGNER", 32)
        report.zeros("reserved", 32)
        report.opaque("CONFIGID", 64)
        for number in ("ISVPRODID", "ISVSVN", "CONFIGSVN"):
            report.uint(number, 2, little=True)
        report.zeros("reserved", 42)
        report.opaque("ISVFAMILYID", 16)
        report.opaque("report data", 64)


def _qe(walk: Walk) -> None:
    _enclave_report(walk, "quoting enclave's report")
    walk.opaque("signature of the report, by the PCK", 64)
    walk.vector("authentication data", 2, little=True)
    walk.uint("certification data type", 2, lambda _: "PCK certificate chain, PEM", little=True)
    walk.text("PCK chain", walk.uint("PCK chain, size", 4, little=True))
    walk.rows[-1].text = f"{str(walk.rows[-1].value).count('BEGIN CERTIFICATE')} certificates"

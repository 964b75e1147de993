"""§3.3 and §4.8, 13 to 16: a report of AMD SEV-SNP under a policy (AMD 56860 and, for the certificates, AMD 57230)."""

import warnings
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils

from .wire import Reader, RefusedError, check, sha256

NAMES = ("Milan", "Genoa", "Turin")
TURIN = 2
GUEST_BITS = (16, 20, 21, 22, 23, 24, 25)  # the rules' order; 17 is always set, 18 migration, 19 debugging
PLATFORM_BITS = (0, 1, 2, 3, 4, 6, 7)  # 5: the check for aliased memory is complete
OID = "1.3.6.1.4.1.3704.1."
# Where a TCB_VERSION has its parts, by the extension that certifies each
PARTS = ({"3.1": 0, "3.2": 1, "3.3": 6, "3.8": 7},) * 2 + ({"3.9": 0, "3.1": 1, "3.2": 2, "3.3": 3, "3.8": 7},)


@dataclass(frozen=True)
class Floor:
    tcb: bytes
    launch_tcb: bytes
    firmware: bytes
    mitigations: int
    report_version: int


@dataclass(frozen=True)
class Policy:
    floors: dict[int, Floor]
    guest: bytes
    abi: bytes
    platform: bytes
    vmpl: int
    host_data: bytes
    id_block: bytes  # id_key_digest, author_key_digest, family_id, image_id
    guest_svn: int
    signer: int
    names: tuple[bytes, ...]
    max_age: int

    @classmethod
    def decode(cls, data: bytes) -> "Policy":
        r = Reader(data)
        check(r.uint(1) == 1, "another version of policy")
        inner, floors = Reader(r.vector(29, 87, 2)), {}
        while inner.rest:
            product = inner.uint(1)
            check(product < 3 and product > max(floors, default=-1), "floors out of order")
            floors[product] = Floor(inner.take(8), inner.take(8), inner.take(3), inner.uint(8), inner.uint(1))
            reserved = set(range(8)) - set(PARTS[product].values())
            f = floors[product]
            check(f.report_version in {2, 3, 5}, "another version of report")
            check(not any(t[i] for t in (f.tcb, f.launch_tcb) for i in reserved), "reserved parts of a TCB")
        guest, abi, platform = r.take(7), r.take(2), r.take(7)
        check(max(guest + platform) <= 2, "not a rule")
        vmpl, host_data, id_block, svn = r.uint(1), r.take(32), r.take(128), r.uint(4)
        signer, listed, max_age = r.uint(1), Reader(r.vector(0, 65535, 2)), r.uint(4)
        r.end()
        names = []
        if signer == 2:
            names, listed.rest = [listed.rest], b""
        while listed.rest:
            names.append(listed.vector(8, 64, 1))
        check(vmpl <= 3 and signer <= 2 and max_age >= 1 and bool(names) == (signer > 0), "out of form")
        check(signer == 2 or (names == sorted(set(names)) and {len(n) for n in names} <= {8, 64}), "chips out of form")
        return cls(floors, guest, abi, platform, vmpl, host_data, id_block, svn, signer, tuple(names), max_age)


@dataclass(frozen=True)
class Endorsement:
    """What the chain vouches for."""

    product: int
    vlek: bool
    key: ec.EllipticCurvePublicKey
    tcb: bytes
    hwid: bytes
    provider: bytes
    start: int
    end: int


def chain(endorsements: bytes, roots: dict[bytes, int]) -> Endorsement:
    """Step 13."""
    r = Reader(endorsements)
    ders = [r.vector(1, 8192, 3) for _ in range(3)]
    r.end()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a VCEK's serial number is zero
            leaf, ask, ark = (x509.load_der_x509_certificate(d) for d in ders)
        product = roots.get(sha256(ders[2]))
        check(product is not None, "the root isn't pinned")
        for cert, issuer in ((ark, ark), (ask, ark), (leaf, ask)):
            cert.verify_directly_issued_by(issuer)  # names and signature
        for ca in (ark, ask):
            check(ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca, "not an authority")
            check(isinstance(ca.public_key(), rsa.RSAPublicKey) and ca.public_key().key_size == 4096, "not RSA 4096")
        for cert in (leaf, ask, ark):
            check(cert.version == x509.Version.v3 and cert.signature_hash_algorithm.name == "sha384", "another profile")
            check(cert.signature_algorithm_oid == x509.SignatureAlgorithmOID.RSASSA_PSS, "another profile")
        name = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        amd = [e for e in leaf.extensions if e.oid.dotted_string.startswith(OID)]
        extensions = {e.oid.dotted_string: e.value.value for e in amd}
    except (ValueError, TypeError, IndexError, InvalidSignature, x509.ExtensionNotFound) as error:
        raise RefusedError("the chain of certificates") from error
    check(name in {"SEV-VCEK", "SEV-VLEK"}, "another subject")
    vlek = name == "SEV-VLEK"
    key = leaf.public_key()
    check(isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1), "not P-384")

    def der(arc: str, tag: int) -> bytes:
        x = extensions.get(OID + arc, b"")
        check(len(x) >= 2 and x[0] == tag and len(x) == 2 + x[1] < 130, f"the extension {arc}")
        return x[2:]

    check(der("2", 0x16).split(b"-")[0] == NAMES[product].encode(), "a chip of another product line")
    tcb = bytearray(8)
    for arc, i in PARTS[product].items():
        part = int.from_bytes(der(arc, 2), "big")
        check(part < 256, "the TCB's parts are bytes")
        tcb[i] = part
    hwid, provider = b"", b""
    if vlek:
        provider = der("5", 0x16)
    else:
        hwid = extensions.get(OID + "4", b"")
        check(len(hwid) == (8 if product == TURIN else 64), "hwID")
    start = max(c.not_valid_before_utc.timestamp() for c in (leaf, ask, ark))
    end = min(c.not_valid_after_utc.timestamp() for c in (leaf, ask, ark))
    return Endorsement(product, vlek, key, bytes(tcb), hwid, provider, int(start), int(end))


def _rules(bits: int, rules: bytes, places: tuple[int, ...], fixed: dict[int, int]) -> bool:
    demands = fixed | {place: rule for place, rule in zip(places, rules, strict=True) if rule != 2}
    known = sum(1 << place for place in {*places, *fixed})
    return bits & ~known == 0 and all(bits >> place & 1 == rule for place, rule in demands.items())


def _product(family: int, model: int) -> int | None:
    """CPUID to product line, as AMD's own tools have it."""
    if family == 0x19:
        return 0 if model <= 0x0F else 1 if 0x10 <= model <= 0x1F or 0xA0 <= model <= 0xAF else None
    return TURIN if family == 0x1A and model <= 0x11 else None


def appraise(report: bytes, by: Endorsement, policy: Policy, report_data: bytes, now: int) -> bytes:
    """Steps 14 to 16 but for the log's part (r and s). Gives the measurement."""
    check(len(report) == 1184, "not a report")

    def number(at: int, width: int = 4) -> int:
        return int.from_bytes(report[at : at + width], "little")

    version, flags = number(0), number(0x48)
    check(version in {2, 3, 5}, "another version of report")
    zeros = [(0x4C, 0x50), (0x1EB, 0x1EC), (0x1EF, 0x1F0), (0x208, 0x2A0), (0x2D0, 0x2E8), (0x318, 0x4A0)]
    zeros += {2: [(0x188, 0x1A0), (0x1F8, 0x208)], 3: [(0x18B, 0x1A0), (0x1F8, 0x208)], 5: [(0x18B, 0x1A0)]}[version]
    check(not any(any(report[a:b]) for a, b in zeros) and flags < 32, "a reserved field isn't zero")
    check(by.start <= now < by.end, "a chain-window")
    check(flags >> 2 == int(by.vlek), "b signing-key")
    try:
        check(number(0x34) == 1, "c signature")
        r, s = number(0x2A0, 72), number(0x2E8, 72)
        by.key.verify(utils.encode_dss_signature(r, s), report[:0x2A0], ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        raise RefusedError("c signature") from None
    check(report[0x50:0x90] == report_data, "d binding")
    if not by.vlek:
        check(report[0x1A0:0x1E0] == by.hwid.ljust(64, b"\0") and not flags & 2, "e chip")
    current, reported, committed, launch = (report[a : a + 8] for a in (0x38, 0x180, 0x1E0, 0x1F0))
    check(reported == by.tcb, "f certified-tcb")
    floor = policy.floors.get(by.product)
    check(floor is not None and version >= floor.report_version, "g product")
    check(version == 2 or _product(report[0x188], report[0x189]) == by.product, "g product")
    admitted = (not by.vlek, by.hwid in policy.names, by.vlek and by.provider in policy.names)
    check(admitted[policy.signer], "h signer")
    floors = [(reported, floor.tcb), (committed, floor.tcb), (current, floor.tcb), (launch, floor.launch_tcb)]
    check(all(a >= b for tcb, least in floors for a, b in zip(tcb, least, strict=True)), "i tcb-floor")
    check(all(report[a : a + 3][::-1] >= floor.firmware for a in (0x1E8, 0x1EC)), "j firmware-floor")
    check(number(0x1F8, 8) & number(0x200, 8) & floor.mitigations == floor.mitigations, "k mitigations")
    guest = number(8, 8)
    check(_rules(guest >> 16 << 16, policy.guest, GUEST_BITS, {17: 1, 18: 0, 19: 0}), "l guest-policy")
    check(bytes([guest >> 8 & 255, guest & 255]) >= policy.abi, "m guest-abi")
    check(_rules(number(0x40, 8), policy.platform, PLATFORM_BITS, {5: 1}), "n platform")
    check(number(0x30) == policy.vmpl, "o vmpl")
    check(report[0xC0:0xE0] == policy.host_data, "p host-data")
    id_block = report[0xE0:0x140] + report[0x10:0x30]
    check(id_block == policy.id_block and number(4) >= policy.guest_svn, "q id-block")
    return report[0x90:0xC0]

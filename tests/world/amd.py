"""A maker of processors in memory: root, signing keys, chips, and reports in AMD's layout.

The certificates are written here as DER, byte by byte, and owe nothing to the library's reader: serial number 0, PSS
and the extensions as AMD has them. Any field of a certificate or report can be overridden, for tests that lie.

The two RSA keys beside this file (tests/world/keys) are for tests only; they are committed because making RSA-4096 keys
takes seconds. Chips' keys are derived from their identifier.
"""

from __future__ import annotations

import functools
import hashlib
import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from privproc.attestation.snp import (
    NO_ID_BLOCK,
    STRICT_GUEST,
    STRICT_PLATFORM,
    AnyChip,
    Chips,
    Endorsements,
    Floor,
    Policy,
    Product,
    Provider,
    Roots,
    SigningKey,
    Tcb,
    VerifiedChain,
    verify_chain,
)

KEYS = Path(__file__).parent / "keys"
DAY = 86400

SERIALS = {"ARK": 0x10000, "SEV": 0x10001, "SEV-VLEK": 0x10002}
CPUID = {Product.MILAN: (0x19, 0x01, 1), Product.GENOA: (0x19, 0x11, 1), Product.TURIN: (0x1A, 0x02, 1)}
STEPPING = {Product.MILAN: "Milan-B0", Product.GENOA: "Genoa", Product.TURIN: "Turin"}

# What STRICT_GUEST and STRICT_PLATFORM ask for, written out: a second statement of the bits.
GUEST_POLICY = 0b11_1101_0010 << 16 | 1 << 8 | 55
PLATFORM_INFO = 0b0011_1100

PSS_SHA384 = bytes.fromhex(
    "304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108"
    "300d06096086480165030402020500a203020130"
)


def tlv(tag: int, *parts: bytes) -> bytes:
    """One DER element."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def integer(value: int) -> bytes:
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(hexadecimal: str) -> bytes:
    return tlv(0x06, bytes.fromhex(hexadecimal))


def name(common_name: str) -> bytes:
    """The distinguished name of AMD's certificates, whole: peers compare each part of it."""
    place = (("55040b", "Engineering"), ("550406", "US"), ("550407", "Santa Clara"), ("550408", "CA"))
    parts = (*place, ("55040a", "Advanced Micro Devices"), ("550403", common_name))
    return tlv(0x30, *(tlv(0x31, tlv(0x30, oid(kind), tlv(0x0C, text.encode()))) for kind, text in parts))


def utc_time(at: int) -> bytes:
    return tlv(0x17, datetime.fromtimestamp(at, UTC).strftime("%y%m%d%H%M%SZ").encode())


def extension(identifier: str, value: bytes, *, critical: bool = False) -> bytes:
    return tlv(0x30, oid(identifier), tlv(0x01, b"\xff") if critical else b"", tlv(0x04, value))


def list_place(address: str) -> bytes:
    """The extension that says where a revocation list is (RFC 5280 §4.2.1.13)."""
    return extension("551d1f", tlv(0x30, tlv(0x30, tlv(0xA0, tlv(0xA0, tlv(0x86, address.encode()))))))


def amd_extension(tail: str, value: bytes) -> bytes:
    """An extension under 1.3.6.1.4.1.3704.1; ``tail`` is the rest of the identifier, in hexadecimal."""
    return extension("2b060104019c7801" + tail, value)


@functools.cache
def rsa_key(which: str) -> rsa.RSAPrivateKey:
    key = load_pem_private_key((KEYS / f"{which}.pem").read_bytes(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def spki(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Draft:
    """A certificate before it is signed; every part may be replaced."""

    issuer: bytes
    subject: bytes
    not_before: int
    not_after: int
    spki: bytes
    extensions: list[bytes]
    version: bytes = tlv(0xA0, integer(2))
    serial: bytes = integer(0)
    algorithm: bytes = PSS_SHA384
    outer_algorithm: bytes = b""
    validity: bytes = b""

    def tbs(self) -> bytes:
        validity = self.validity or tlv(0x30, utc_time(self.not_before), utc_time(self.not_after))
        extensions = tlv(0xA3, tlv(0x30, *self.extensions))
        parts = (self.version, self.serial, self.algorithm, self.issuer, validity, self.subject, self.spki, extensions)
        return tlv(0x30, *parts)

    def sign(self, key: rsa.RSAPrivateKey) -> bytes:
        tbs = self.tbs()
        signature = key.sign(tbs, padding.PSS(padding.MGF1(SHA384()), 48), SHA384())
        return tlv(0x30, tbs, self.outer_algorithm or self.algorithm, tlv(0x03, b"\0", signature))


@dataclass
class CrlDraft:
    """A revocation list before it is signed; every part may be replaced. ``revoked`` are serial numbers."""

    issuer: bytes
    this_update: int
    next_update: int
    revoked: tuple[int, ...] = ()
    version: bytes = integer(1)
    algorithm: bytes = PSS_SHA384
    outer_algorithm: bytes = PSS_SHA384
    times: bytes = b""
    entries: bytes | None = None
    extensions: list[bytes] = field(default_factory=lambda: [extension("551d14", integer(1))])

    def tbs(self) -> bytes:
        reason = tlv(0x30, extension("551d15", bytes.fromhex("0a0101")))
        entries = b"".join(tlv(0x30, integer(s), utc_time(self.this_update), reason) for s in self.revoked)
        if self.entries is not None:
            entries = self.entries
        times = self.times or utc_time(self.this_update) + utc_time(self.next_update)
        extensions = tlv(0xA0, tlv(0x30, *self.extensions)) if self.extensions else b""
        listed = tlv(0x30, entries) if entries else b""
        return tlv(0x30, self.version, self.algorithm, self.issuer, times, listed, extensions)

    def sign(self, key: Any) -> bytes:
        tbs = self.tbs()
        signature = key.sign(tbs, padding.PSS(padding.MGF1(SHA384()), 48), SHA384())
        return tlv(0x30, tbs, self.outer_algorithm, tlv(0x03, b"\0", signature))


@dataclass(frozen=True)
class FakeAmd:
    """A root of one product line with its two signing authorities. :meth:`generate` makes one."""

    product: Product
    at: int
    ark: bytes = field(repr=False)
    ask: bytes = field(repr=False)
    asvk: bytes = field(repr=False)

    @classmethod
    @functools.cache
    def generate(cls, product: Product, at: int) -> FakeAmd:
        """Certificates that are valid from 30 days before ``at`` until 25 years after it."""
        line = product.value
        ark, ask, asvk = (
            authority_draft(product, at, common_name).sign(rsa_key("amd_ark"))
            for common_name in (f"ARK-{line}", f"SEV-{line}", f"SEV-VLEK-{line}")
        )
        return cls(product, at, ark, ask, asvk)

    @property
    def roots(self) -> Roots:
        return Roots(((hashlib.sha256(self.ark).digest(), self.product),))

    def crl(self, *revoked: int) -> CrlDraft:
        """The root's list of revoked serial numbers, to be changed and signed by the root."""
        return CrlDraft(name(f"ARK-{self.product.value}"), self.at - 10 * DAY, self.at + 300 * DAY, revoked)

    def chip(self, seed: bytes = b"chip", *, tcb: Tcb | None = None, csp: str | None = None) -> FakeChip:
        """A chip; with ``csp`` its reports are signed by that provider's VLEK."""
        hwid = hashlib.sha512(seed).digest()[: self.product.hwid_size]
        return FakeChip(self, hwid, tcb or good_tcb(self.product), csp)


def authority_draft(product: Product, at: int, common_name: str) -> Draft:
    root = common_name.startswith("ARK")
    return Draft(
        issuer=name(f"ARK-{product.value}"),
        subject=name(common_name),
        not_before=at - 30 * DAY,
        not_after=at + 8000 * DAY,
        spki=spki(rsa_key("amd_ark" if root else "amd_ask")),
        serial=integer(SERIALS[common_name.removesuffix(f"-{product.value}")]),
        extensions=[
            extension("551d13", bytes.fromhex("30030101ff" if root else "30060101ff020100"), critical=True),
            extension("551d0f", bytes.fromhex("03020106" if root else "03020104"), critical=True),
            list_place(f"https://kds.example/vcek/v1/{product.value}/crl"),
        ],
    )


def good_tcb(product: Product) -> Tcb:
    return Tcb(fmc=2 if product.has_fmc else 0, bootloader=10, tee=1, snp=25, microcode=0xDB)


@dataclass(frozen=True)
class FakeChip:
    """A processor with its key: signs whatever it is told to."""

    amd: FakeAmd
    hwid: bytes
    tcb: Tcb
    csp: str | None = None

    @property
    def kind(self) -> SigningKey:
        return SigningKey.VCEK if self.csp is None else SigningKey.VLEK

    @functools.cached_property
    def key(self) -> ec.EllipticCurvePrivateKey:
        scalar = hashlib.sha384(b"not a secret" + self.hwid + repr((self.tcb.levels, self.csp)).encode()).digest()
        return ec.derive_private_key(int.from_bytes(scalar, "big") >> 1, ec.SECP384R1())

    def draft(self) -> Draft:
        """The certificate of the key, to be changed and signed."""
        product, at = self.amd.product, self.amd.at
        levels = {1: self.tcb.bootloader, 2: self.tcb.tee, 3: self.tcb.snp, 8: self.tcb.microcode}
        levels |= dict.fromkeys(range(4, 8), 0)  # of parts that don't exist yet
        if product.has_fmc:
            levels[9] = self.tcb.fmc
        of_chip = self.csp is None
        return Draft(
            issuer=name(f"SEV-{product.value}" if of_chip else f"SEV-VLEK-{product.value}"),
            subject=name("SEV-VCEK" if of_chip else "SEV-VLEK"),
            not_before=at - 20 * DAY,
            not_after=at + 2000 * DAY,
            spki=spki(self.key),
            extensions=[
                amd_extension("01", integer(int(product.has_fmc))),
                amd_extension("02", tlv(0x16, (STEPPING[product] if of_chip else product.value).encode())),
                *(amd_extension(f"03{part:02x}", integer(level)) for part, level in levels.items()),
                amd_extension("04", self.hwid)
                if self.csp is None
                else amd_extension("05", tlv(0x16, self.csp.encode())),
            ],
        )

    @functools.cached_property
    def vcek(self) -> bytes:
        """The certificate (DER) of the key, VCEK or VLEK."""
        return self.draft().sign(rsa_key("amd_ask"))

    @property
    def endorsements(self) -> Endorsements:
        return Endorsements(self.vcek, self.amd.ask if self.csp is None else self.amd.asvk, self.amd.ark)

    def chain(self) -> VerifiedChain:
        """The verified chain, as of the hierarchy's own time."""
        e = self.endorsements
        return verify_chain(e.vcek, e.ask, e.ark, roots=self.amd.roots, at=self.amd.at)

    def report(
        self,
        *,
        measurement: bytes,
        report_data: bytes,
        signer: ec.EllipticCurvePrivateKey | None = None,
        patches: dict[int, bytes] | None = None,
        **fields: Any,
    ) -> bytes:
        """A signed report that the :func:`strict_policy` accepts, but for ``fields`` (names of :data:`FIELDS`) that are
        given otherwise, and ``patches`` (offset to bytes) that are made before signing."""
        values = self._fields(measurement, report_data) | fields
        if unknown := set(values) - set(FIELDS):
            raise KeyError(unknown)
        body = bytearray(SIGNED)
        for key, (offset, layout) in FIELDS.items():
            struct.pack_into("<" + layout, body, offset, values[key])
        for offset, data in (patches or {}).items():
            body[offset : offset + len(data)] = data
        return resign(bytes(body), signer or self.key)

    def _fields(self, measurement: bytes, report_data: bytes) -> dict[str, Any]:
        product = self.amd.product
        tcb = self.tcb.encode(product)
        family, model, stepping = CPUID[product]
        return {
            "version": 5,
            "guest_svn": 0,
            "policy": GUEST_POLICY,
            "family_id": bytes(16),
            "image_id": bytes(16),
            "vmpl": 0,
            "algorithm": 1,
            "current_tcb": tcb,
            "platform_info": PLATFORM_INFO,
            "flags": self.kind << 2,
            "report_data": report_data,
            "measurement": measurement,
            "host_data": bytes(32),
            "id_key_digest": bytes(48),
            "author_key_digest": bytes(48),
            "report_id": hashlib.sha256(b"report" + self.hwid).digest(),
            "report_id_ma": b"\xff" * 32,
            "reported_tcb": tcb,
            "cpuid_family": family,
            "cpuid_model": model,
            "cpuid_stepping": stepping,
            "chip_id": self.hwid if self.csp is None else b"",
            "committed_tcb": tcb,
            "current_firmware": bytes((55, 55, 1)),
            "committed_firmware": bytes((55, 55, 1)),
            "launch_tcb": tcb,
            "launch_mitigations": 1,
            "current_mitigations": 3,
        }


SIGNED = 0x2A0
FIELDS = {
    "version": (0x000, "I"),
    "guest_svn": (0x004, "I"),
    "policy": (0x008, "Q"),
    "family_id": (0x010, "16s"),
    "image_id": (0x020, "16s"),
    "vmpl": (0x030, "I"),
    "algorithm": (0x034, "I"),
    "current_tcb": (0x038, "8s"),
    "platform_info": (0x040, "Q"),
    "flags": (0x048, "I"),
    "report_data": (0x050, "64s"),
    "measurement": (0x090, "48s"),
    "host_data": (0x0C0, "32s"),
    "id_key_digest": (0x0E0, "48s"),
    "author_key_digest": (0x110, "48s"),
    "report_id": (0x140, "32s"),
    "report_id_ma": (0x160, "32s"),
    "reported_tcb": (0x180, "8s"),
    "cpuid_family": (0x188, "B"),
    "cpuid_model": (0x189, "B"),
    "cpuid_stepping": (0x18A, "B"),
    "chip_id": (0x1A0, "64s"),
    "committed_tcb": (0x1E0, "8s"),
    "current_firmware": (0x1E8, "3s"),
    "committed_firmware": (0x1EC, "3s"),
    "launch_tcb": (0x1F0, "8s"),
    "launch_mitigations": (0x1F8, "Q"),
    "current_mitigations": (0x200, "Q"),
}
"""Where the fields of a report are, stated a second time. Firmware versions are build, minor, major."""


def resign(body: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The report (1184 bytes) of a signed part (672 bytes)."""
    r, s = decode_dss_signature(key.sign(body, ec.ECDSA(SHA384())))
    return body + r.to_bytes(72, "little") + s.to_bytes(72, "little") + bytes(368)


def old_fields(version: int) -> dict[str, Any]:
    """What a report of an older version has where newer ones have more."""
    fields: dict[str, Any] = {"version": version, "launch_mitigations": 0, "current_mitigations": 0}
    if version < 3:
        fields |= {"cpuid_family": 0, "cpuid_model": 0, "cpuid_stepping": 0}
    return fields


def strict_policy(*chips: FakeChip, any_chip: bool = False, **changes: Any) -> Policy:
    """A policy that accepts what these chips sign by default, and nothing less."""
    products = {chip.amd.product: chip for chip in chips}
    if chips[0].csp is not None:
        signer: Any = Provider(chips[0].csp)
    else:
        signer = AnyChip() if any_chip else Chips(tuple(chip.hwid for chip in chips))
    floors = tuple(
        Floor(
            product=product,
            tcb=chip.tcb,
            launch_tcb=chip.tcb,
            firmware=(1, 55, 55),
            mitigations=1,
            report_version=5,
        )
        for product, chip in products.items()
    )
    policy = Policy(
        floors=floors,
        guest=STRICT_GUEST,
        minimum_abi=(1, 55),
        platform=STRICT_PLATFORM,
        vmpl=0,
        host_data=bytes(32),
        id_block=NO_ID_BLOCK,
        signer=signer,
        max_age=3600,
    )
    return replace(policy, **changes)

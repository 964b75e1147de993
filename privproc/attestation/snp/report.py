"""The attestation report of AMD SEV-SNP: 1184 bytes, little-endian (AMD 56860, SEV-SNP firmware ABI, table 23).

Versions 2, 3 and 5 are read; they differ in what was reserved before: 3 adds the CPUID of the processor, 5 the
mitigation vectors. The received bytes are kept, since they are what was signed.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from privproc.errors import DecodeError, UnsupportedError, UsageError

__all__ = ["REPORT_SIZE", "SIGNED_SIZE", "Product", "Report", "SigningKey", "Tcb"]

REPORT_SIZE = 0x4A0
SIGNED_SIZE = 0x2A0
"""The signature covers the bytes before this offset."""

_LAYOUT = struct.Struct(
    "<IIQ16s16sII8sQI4x64s48s32s48s48s32s32s8s"  # 000 version .. 180 reported TCB
    "BBB21x64s8sBBBxBBBx8sQQ152x"  # 188 CPUID .. 200 current mitigation vector, reserved
    "48s24x48s24x368x"  # 2A0 signature: r and s in 72 bytes each, reserved
)
_CPUID_SINCE = 3
_MITIGATIONS_SINCE = 5
_ECDSA_P384_SHA384 = 1
_FLAGS, _FLAGS_KNOWN = 0x48, 0b11111
_CPUID = (0x188, 3)
_MITIGATIONS = (0x1F8, 16)
_RESERVED = ((0x4C, 4), (0x18B, 21), (0x1EB, 1), (0x1EF, 1), (0x208, 152), (0x2D0, 24), (0x318, 24), (0x330, 368))


def _reserved(*since: tuple[int, int]) -> int:
    """The reserved bits of a report, read as one little-endian number, with the places that later versions use."""
    bits = (0xFFFFFFFF ^ _FLAGS_KNOWN) << 8 * _FLAGS
    for start, size in (*_RESERVED, *since):
        bits |= ((1 << 8 * size) - 1) << 8 * start
    return bits


_RESERVED_IN = {2: _reserved(_CPUID, _MITIGATIONS), 3: _reserved(_MITIGATIONS), 5: _reserved()}
"""By version, of those that are read."""
_PARTS = ("fmc", "bootloader", "tee", "snp", "microcode")


class Product(Enum):
    """A product line: what one root of AMD vouches for. The value is AMD's name of it."""

    MILAN = "Milan"
    GENOA = "Genoa"
    TURIN = "Turin"

    @property
    def has_fmc(self) -> bool:
        """Whether a TCB version has an FMC component and the layout that goes with it (AMD 56860, tables 3 and 4)."""
        return self is Product.TURIN

    @property
    def hwid_size(self) -> int:
        """Bytes of the chip's identifier: 64, since Turin 8 (AMD 57230, "hwID")."""
        return 8 if self is Product.TURIN else 64

    @classmethod
    def from_cpuid(cls, family: int, model: int) -> Product:
        """The line of a processor by its combined CPUID family and model. Raises :class:`UnsupportedError`.

        Bergamo and Siena (models A0h to AFh) are of the Genoa line.
        """
        if family == 0x19 and model <= 0x0F:
            return cls.MILAN
        if family == 0x19 and (0x10 <= model <= 0x1F or 0xA0 <= model <= 0xAF):
            return cls.GENOA
        if family == 0x1A and model <= 0x11:
            return cls.TURIN
        raise UnsupportedError("processor of an unknown product line")


class SigningKey(IntEnum):
    """The key that signed a report (AMD 56860, table 23, SIGNING_KEY)."""

    VCEK = 0
    """Versioned chip endorsement key: derived from secrets of one chip."""
    VLEK = 1
    """Versioned loaded endorsement key: one for all chips of a cloud provider."""
    NONE = 7
    """Not signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcb:
    """Security patch levels, each 0 to 255, of the parts that guests trust. ``fmc`` exists on Turin only (else 0).

    ``bootloader`` and ``tee`` are the secure processor's, ``snp`` the SEV-SNP firmware's. Levels are compared part by
    part: a TCB is not ordered as a number.
    """

    fmc: int = 0
    bootloader: int
    tee: int
    snp: int
    microcode: int

    def __post_init__(self) -> None:
        levels = self.levels
        if min(levels) < 0 or max(levels) > 0xFF:
            raise UsageError("a patch level is 0 to 255")

    @classmethod
    @functools.lru_cache(maxsize=64)  # a report states five, which a fleet's reports have in common
    def decode(cls, raw: bytes, product: Product) -> Tcb:
        """Read a TCB_VERSION (8 bytes) in the layout of ``product``.

        ``struct { u8 bootloader, tee, reserved[4], snp, microcode; }`` for Milan and Genoa,
        ``struct { u8 fmc, bootloader, tee, snp, reserved[3], microcode; }`` since Turin. Raises :class:`DecodeError`.
        """
        if len(raw) != 8:
            raise DecodeError("TCB_VERSION", f"{len(raw)} bytes instead of 8")
        if product.has_fmc:
            fmc, bootloader, tee, snp, *reserved, microcode = raw
        else:
            bootloader, tee, *reserved, snp, microcode = raw
            fmc = 0
        if any(reserved):
            # req: privproc1/4.9 tcb-layouts
            raise DecodeError("TCB_VERSION", "reserved bytes are not zero")
        return cls(fmc=fmc, bootloader=bootloader, tee=tee, snp=snp, microcode=microcode)

    def encode(self, product: Product) -> bytes:
        """TCB_VERSION (8 bytes) in the layout of ``product``. Raises :class:`UsageError` for an FMC that it lacks."""
        if product.has_fmc:
            return bytes((self.fmc, self.bootloader, self.tee, self.snp, 0, 0, 0, self.microcode))
        if self.fmc:
            raise UsageError(f"{product.value} has no FMC")
        return bytes((self.bootloader, self.tee, 0, 0, 0, 0, self.snp, self.microcode))

    @property
    def levels(self) -> tuple[int, int, int, int, int]:
        """fmc, bootloader, tee, snp, microcode."""
        return self.fmc, self.bootloader, self.tee, self.snp, self.microcode

    def below(self, floor: Tcb) -> tuple[str, ...]:
        """The names of the parts whose level is under that of ``floor``."""
        pairs = zip(_PARTS, self.levels, floor.levels, strict=True)
        return tuple([part for part, level, least in pairs if level < least])


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """ATTESTATION_REPORT, every field in its order; see AMD 56860, table 23.

    TCB versions are raw (8 bytes): their layout depends on the product, which a version 2 report doesn't state.
    ``cpuid`` is (family, model, stepping), ``None`` in version 2; firmware versions are (major, minor, build);
    mitigation vectors are ``None`` before version 5. ``r`` and ``s`` are the signature's integers. ``raw`` are the
    1184 received bytes.
    """

    version: int
    guest_svn: int
    policy: int
    family_id: bytes
    image_id: bytes
    vmpl: int
    current_tcb: bytes
    platform_info: int
    author_key_enabled: bool
    mask_chip_key: bool
    signing_key: SigningKey
    report_data: bytes
    measurement: bytes
    host_data: bytes
    id_key_digest: bytes
    author_key_digest: bytes
    report_id: bytes
    report_id_ma: bytes
    reported_tcb: bytes
    cpuid: tuple[int, int, int] | None
    chip_id: bytes
    committed_tcb: bytes
    current_firmware: tuple[int, int, int]
    committed_firmware: tuple[int, int, int]
    launch_tcb: bytes
    launch_mitigations: int | None
    current_mitigations: int | None
    r: int = field(repr=False)
    s: int = field(repr=False)
    raw: bytes = field(repr=False)

    @property
    def signed(self) -> bytes:
        """The 672 bytes under the signature."""
        return self.raw[:SIGNED_SIZE]

    def encode(self) -> bytes:
        """The received bytes."""
        return self.raw

    @classmethod
    def decode(cls, data: bytes) -> Report:
        """Read the 1184 bytes; what the ABI reserves for the version must be zero.

        Raises :class:`DecodeError`, or :class:`UnsupportedError` for another version or signature algorithm.
        """
        if len(data) != REPORT_SIZE:
            # req: privproc1/4.9 report-layout
            raise DecodeError("SNP report", f"{len(data)} bytes instead of {REPORT_SIZE}", min(len(data), REPORT_SIZE))
        (
            version, guest_svn, policy, family_id, image_id, vmpl, algorithm, current_tcb, platform_info, flags,
            report_data, measurement, host_data, id_key_digest, author_key_digest, report_id, report_id_ma,
            reported_tcb, family, model, stepping, chip_id, committed_tcb, build, minor, major, committed_build,
            committed_minor, committed_major, launch_tcb, launch_mitigations, current_mitigations, r, s,
        ) = _LAYOUT.unpack(data)  # fmt: skip
        if version not in _RESERVED_IN:
            # req: privproc1/4.9 known-versions
            raise UnsupportedError("SNP report: version is not 2, 3 or 5")
        if algorithm != _ECDSA_P384_SHA384:
            raise UnsupportedError("SNP report: signature algorithm is not ECDSA P-384 with SHA-384")
        has_cpuid = version >= _CPUID_SINCE
        has_mitigations = version >= _MITIGATIONS_SINCE
        if wrong := int.from_bytes(data, "little") & _RESERVED_IN[version]:
            # req: privproc1/4.9 reserved-is-zero
            raise DecodeError("SNP report", "reserved, but not zero", (wrong & -wrong).bit_length() - 1 >> 3)
        return cls(
            version=version,
            guest_svn=guest_svn,
            policy=policy,
            family_id=family_id,
            image_id=image_id,
            vmpl=vmpl,
            current_tcb=current_tcb,
            platform_info=platform_info,
            author_key_enabled=bool(flags & 1),
            mask_chip_key=bool(flags & 2),
            signing_key=_signing_key(flags >> 2),
            report_data=report_data,
            measurement=measurement,
            host_data=host_data,
            id_key_digest=id_key_digest,
            author_key_digest=author_key_digest,
            report_id=report_id,
            report_id_ma=report_id_ma,
            reported_tcb=reported_tcb,
            cpuid=(family, model, stepping) if has_cpuid else None,
            chip_id=chip_id,
            committed_tcb=committed_tcb,
            current_firmware=(major, minor, build),
            committed_firmware=(committed_major, committed_minor, committed_build),
            launch_tcb=launch_tcb,
            launch_mitigations=launch_mitigations if has_mitigations else None,
            current_mitigations=current_mitigations if has_mitigations else None,
            r=int.from_bytes(r, "little"),
            s=int.from_bytes(s, "little"),
            raw=bytes(data),
        )


def _signing_key(value: int) -> SigningKey:
    try:
        return SigningKey(value)
    except ValueError:
        raise DecodeError("SNP report", "reserved signing key", 0x48) from None

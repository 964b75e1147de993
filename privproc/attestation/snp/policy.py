"""What a verifier demands of an SEV-SNP report. Nothing here is optional, so nothing is skipped by being left out.

A policy has a canonical encoding; :attr:`Policy.id` is what privproc/1's ``Open`` message names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

from privproc.attestation.policy import CanonicalPolicy
from privproc.attestation.snp.report import Product, SigningKey, Tcb
from privproc.attestation.snp.rules import GuestRules, PlatformRules
from privproc.errors import PolicyError, UnsupportedError, UsageError
from privproc.tagged import tagged_hash
from privproc.wire import Reader, Writer

__all__ = [
    "NO_ID_BLOCK",
    "AnyChip",
    "Chips",
    "Floor",
    "IdBlock",
    "Policy",
    "Provider",
    "Signer",
]

_VERSION = 1
_PRODUCTS = tuple(Product)


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The least that is accepted of one product line.

    ``tcb`` binds the reported, the committed and the current TCB: so firmware can't be rolled back below it either.
    ``launch_tcb`` binds the TCB under which the guest was started. ``firmware`` (major, minor, build) binds the
    committed and the current firmware. ``mitigations`` are the bits that both mitigation vectors must have; other than
    0 it needs report version 5. ``report_version`` is the oldest that is accepted: 2 says that the product line may be
    taken from the root alone, since such a report doesn't state its processor.
    """

    product: Product
    tcb: Tcb
    launch_tcb: Tcb
    firmware: tuple[int, int, int]
    mitigations: int
    report_version: int

    def __post_init__(self) -> None:
        if any(not 0 <= part <= 0xFF for part in self.firmware) or len(self.firmware) != 3:
            raise UsageError("a firmware version has three parts of one byte")
        if not 0 <= self.mitigations < 1 << 64 or self.report_version not in {2, 3, 5}:
            raise UsageError("mitigations are 64 bits, a report version is 2, 3 or 5")
        self.encode()  # refuses levels that the product line doesn't have

    def encode(self) -> bytes:
        """``u8 product; u8 tcb[8]; u8 launch_tcb[8]; u8 firmware[3]; u64 mitigations; u8 report_version``."""
        writer = Writer().uint(1, _PRODUCTS.index(self.product))
        writer.raw(self.tcb.encode(self.product)).raw(self.launch_tcb.encode(self.product))
        return writer.raw(bytes(self.firmware)).uint(8, self.mitigations).uint(1, self.report_version).done()

    @classmethod
    def read(cls, reader: Reader) -> Floor:
        """The floor from its encoding. Raises :class:`DecodeError`; the caller maps :class:`UsageError`."""
        index = reader.u8()
        if index >= len(_PRODUCTS):
            raise reader.fail("unknown product")
        product = _PRODUCTS[index]
        return cls(
            product=product,
            tcb=Tcb.decode(reader.take(8), product),
            launch_tcb=Tcb.decode(reader.take(8), product),
            firmware=(reader.u8(), reader.u8(), reader.u8()),
            mitigations=reader.u64(),
            report_version=reader.u8(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdBlock:
    """What the guest's owner signed beside the measurement, compared exactly; the guest's SVN is a minimum (uint32).

    Digests are SHA-384 (48 bytes) of the keys in AMD's format, identifiers have 16 bytes. See :data:`NO_ID_BLOCK`.
    """

    id_key_digest: bytes
    author_key_digest: bytes
    family_id: bytes
    image_id: bytes
    guest_svn: int

    def __post_init__(self) -> None:
        sizes = [len(part) for part in (self.id_key_digest, self.author_key_digest, self.family_id, self.image_id)]
        if sizes != [48, 48, 16, 16] or not 0 <= self.guest_svn < 1 << 32:
            raise UsageError("an ID block has digests of 48 bytes, identifiers of 16 and an SVN of 32 bits")

    def encode(self) -> bytes:
        """``u8 id_key_digest[48]; u8 author_key_digest[48]; u8 family_id[16]; u8 image_id[16]; u32 guest_svn``."""
        parts = (self.id_key_digest, self.author_key_digest, self.family_id, self.image_id)
        return b"".join(parts) + self.guest_svn.to_bytes(4, "big")


NO_ID_BLOCK = IdBlock(
    id_key_digest=bytes(48), author_key_digest=bytes(48), family_id=bytes(16), image_id=bytes(16), guest_svn=0
)
"""A guest that was launched without an ID block: all zero."""


@dataclass(frozen=True, slots=True)
class AnyChip:
    """Signed with a VCEK, and any chip that AMD vouches for will do. Extracted VCEKs are public (TOB-WAPI-10)."""

    signing_key: ClassVar[SigningKey] = SigningKey.VCEK


@dataclass(frozen=True, slots=True)
class Chips:
    """Signed with the VCEK of one of these chips: ``hwids`` of 64 bytes (8 on Turin), at least one, in any order."""

    hwids: tuple[bytes, ...]
    signing_key: ClassVar[SigningKey] = SigningKey.VCEK

    def __post_init__(self) -> None:
        if not self.hwids or any(len(hwid) not in {8, 64} or not any(hwid) for hwid in self.hwids):
            raise UsageError("a list of chips has hwIDs of 8 or 64 bytes, at least one, none all zero")
        object.__setattr__(self, "hwids", tuple(sorted(set(self.hwids))))


@dataclass(frozen=True, slots=True)
class Provider:
    """Signed with the VLEK of this provider (the certificate's CSP name, ASCII). A VLEK says nothing of the chip."""

    csp: str
    signing_key: ClassVar[SigningKey] = SigningKey.VLEK

    def __post_init__(self) -> None:
        if not 0 < len(self.csp) <= 0xFF or not self.csp.isascii():
            raise UsageError("a provider's name is 1 to 255 ASCII characters")


Signer = AnyChip | Chips | Provider
"""Whose key must have signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(CanonicalPolicy):
    """Everything that :func:`~privproc.attestation.snp.appraisal.appraise` demands besides binding, log and role.

    ``floors``: the accepted product lines, at most one floor each, at least one. ``minimum_abi`` (major, minor) is the
    least that the guest itself demands of firmware. ``vmpl`` (0 to 3) is the privilege level that must have asked for
    the report; the host's own requests have another one and never match. ``host_data`` (32 bytes, all zero if the host
    gives none) is compared exactly. ``max_age`` (seconds, above 0) is how long the outcome of an appraisal may be used.
    Raises :class:`UsageError` for values outside of these.
    """

    floors: tuple[Floor, ...]
    guest: GuestRules
    minimum_abi: tuple[int, int]
    platform: PlatformRules
    vmpl: int
    host_data: bytes
    id_block: IdBlock
    signer: Signer
    max_age: int
    digest: bytes = field(init=False, repr=False, compare=False)
    """``T("snp policy", encoding)``, 48 bytes: what :class:`VerifiedEvidence` carries."""
    _encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lines = {floor.product for floor in self.floors}
        if not lines or len(lines) != len(self.floors):
            raise UsageError("a policy has one floor for each accepted product line, at least one")
        ordered = sorted(self.floors, key=lambda floor: _PRODUCTS.index(floor.product))
        object.__setattr__(self, "floors", tuple(ordered))
        if len(self.minimum_abi) != 2 or any(not 0 <= part <= 0xFF for part in self.minimum_abi):
            raise UsageError("an ABI version has two parts of one byte")
        if not 0 <= self.vmpl <= 3 or len(self.host_data) != 32 or not 0 < self.max_age < 1 << 32:
            raise UsageError("vmpl is 0 to 3, host_data has 32 bytes, max_age is 1 to 2^32 - 1")
        object.__setattr__(self, "_encoded", self._encode())
        object.__setattr__(self, "digest", tagged_hash("snp policy", self._encoded))  # once: each appraisal names it

    def floor(self, product: Product) -> Floor:
        """The floor of a product line. Raises :class:`PolicyError` when the line isn't accepted."""
        for floor in self.floors:
            if floor.product is product:
                return floor
        raise PolicyError(f"product line {product.value} is not accepted")

    def encode(self) -> bytes:
        """The canonical encoding: floors ordered by product line, chips by value; integers big-endian::

        struct {
            uint8 version = 1;
            Floor floors<29..87>;              uint16 length, 29 bytes each
            uint8 guest[7]; uint8 abi[2]; uint8 platform[7]; uint8 vmpl;
            opaque host_data[32]; IdBlock id_block;
            uint8 signer;                      0 any chip, 1 chips, 2 provider
            opaque names<0..2^16-1>;           chips: each with a uint8 length; provider: its name
            uint32 max_age;
        } Policy;
        """
        return self._encoded

    def _encode(self) -> bytes:
        writer = Writer().uint(1, _VERSION).vector(2, b"".join(floor.encode() for floor in self.floors))
        writer.raw(self.guest.encode()).raw(bytes(self.minimum_abi)).raw(self.platform.encode()).uint(1, self.vmpl)
        writer.raw(self.host_data).raw(self.id_block.encode())
        kind, names = _signer_parts(self.signer)
        writer.uint(1, kind).vector(2, names)
        return writer.uint(4, self.max_age).done()

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        if reader.u8() != _VERSION:
            raise UnsupportedError("policy: version is not 1")
        floors_reader = reader.sub(2)
        floors = []
        while floors_reader.left:
            floors.append(Floor.read(floors_reader))
        return cls(
            floors=tuple(floors),
            guest=GuestRules.read(reader),
            minimum_abi=(reader.u8(), reader.u8()),
            platform=PlatformRules.read(reader),
            vmpl=reader.u8(),
            host_data=reader.take(32),
            id_block=IdBlock(
                id_key_digest=reader.take(48),
                author_key_digest=reader.take(48),
                family_id=reader.take(16),
                image_id=reader.take(16),
                guest_svn=reader.u32(),
            ),
            signer=_read_signer(reader.u8(), reader.sub(2)),
            max_age=reader.u32(),
        )


def _signer_parts(signer: Signer) -> tuple[int, bytes]:
    if isinstance(signer, AnyChip):
        return 0, b""
    if isinstance(signer, Chips):
        return 1, b"".join(bytes((len(hwid),)) + hwid for hwid in signer.hwids)
    return 2, signer.csp.encode("ascii")


def _read_signer(kind: int, names: Reader) -> Signer:
    if kind == 0:
        names.finish()
        return AnyChip()
    if kind == 1:
        hwids = []
        while names.left:
            hwids.append(names.vector(1))
        return Chips(tuple(hwids))
    if kind == 2:
        try:
            return Provider(names.rest().decode("ascii"))
        except UnicodeDecodeError:
            raise names.fail("provider is not ASCII") from None
    raise names.fail("unknown signer")

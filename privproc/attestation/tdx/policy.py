"""What a verifier demands of a TDX quote, and what the ledger holds for a domain. Nothing here is optional."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Self

from privproc.attestation.policy import CanonicalPolicy
from privproc.attestation.tdx.pck import Platform
from privproc.attestation.tdx.quote import TdReport
from privproc.attestation.tdx.rules import ConfigurationRules, DomainRules
from privproc.attestation.tdx.tcb import Level, TcbStatus
from privproc.errors import PolicyError, UnsupportedError, UsageError
from privproc.tagged import tagged_hash
from privproc.wire import Reader, Writer

__all__ = [
    "AnyPlatform",
    "Families",
    "Platforms",
    "Policy",
    "PolicyPlatforms",
    "Processors",
    "Register",
    "TcbRules",
    "measurement",
]

_FORM = 2  # the first byte of a policy: 1 SEV-SNP, 2 TDX, 3 Nitro
_XFAM_REQUIRED = 0b11  # x87 and SSE: every domain has them (Intel TDX Module ABI, "XFAM")
_XFAM_KNOWN = 0x0006DBE7
_STATUSES = (
    TcbStatus.UP_TO_DATE,
    TcbStatus.SW_HARDENING_NEEDED,
    TcbStatus.CONFIGURATION_NEEDED,
    TcbStatus.CONFIGURATION_AND_SW_HARDENING_NEEDED,
)
_OUT_OF_DATE = {
    TcbStatus.OUT_OF_DATE: TcbStatus.UP_TO_DATE,
    TcbStatus.OUT_OF_DATE_CONFIGURATION_NEEDED: TcbStatus.CONFIGURATION_NEEDED,
}


class Register(Enum):
    """What a run-time measurement register must be."""

    LOGGED = 0
    """Part of the logged measurement."""
    ZERO = 1
    """Never extended."""
    OPEN = 2
    """Anything: for what the program itself measures after its start."""


def measurement(mrtd: bytes, rtmrs: tuple[bytes, ...], registers: tuple[Register, ...]) -> bytes:
    """What the ledger's entry holds: ``T("tdx measurement", MRTD, RTMR0, ..., RTMR3)``, 48 bytes.

    MRTD covers the firmware alone; kernel, command line and file system are in the registers. A register that isn't
    :attr:`Register.LOGGED` is an empty field, so which ones count is part of what is logged.
    """
    fields = (rtmr if register is Register.LOGGED else b"" for rtmr, register in zip(rtmrs, registers, strict=True))
    return tagged_hash("tdx measurement", mrtd, *fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class TcbRules:
    """Which of Intel's judgements are accepted, for platform, TDX module and quoting enclave alike.

    ``statuses``: :attr:`TcbStatus.UP_TO_DATE`, and beside it none of the kinds "out of date" or "revoked". ``grace``
    (seconds): how long after a level's date (``tcbDate``) an out-of-date level is still accepted; 0 is never.
    ``advisories``: ids of the advisories that may be said about an accepted level, such as ``"INTEL-SA-00615"``.
    ``evaluation``: the least number of Intel's evaluation, so that an older one that isn't over yet can't be used.
    """

    statuses: frozenset[TcbStatus]
    grace: int
    advisories: frozenset[str]
    evaluation: int

    def __post_init__(self) -> None:
        if TcbStatus.UP_TO_DATE not in self.statuses or not self.statuses <= set(_STATUSES):
            raise UsageError("statuses have UpToDate among them, and none that is out of date or revoked")
        if not 0 <= self.grace < 1 << 32 or not 0 <= self.evaluation <= 0xFFFF:
            raise UsageError("grace is 0 to 2^32 - 1, evaluation 0 to 65535")
        if any(not 0 < len(name) <= 0xFF or not name.isascii() for name in self.advisories):
            raise UsageError("an advisory's id is 1 to 255 ASCII characters")

    def check(self, what: str, level: Level, *, at: int) -> None:
        """Raise :class:`PolicyError` unless ``level``, of ``what``, is accepted at the Unix time ``at``."""
        status = _OUT_OF_DATE.get(level.status)
        if status is not None and at >= level.date + self.grace:
            raise PolicyError(f"{what}: TCB is {level.status.value}")
        if (status or level.status) not in self.statuses:
            raise PolicyError(f"{what}: TCB is {level.status.value}")
        if not self.advisories.issuperset(level.advisories):
            raise PolicyError(f"{what}: an advisory about its TCB is not accepted")

    def check_evaluation(self, number: int) -> None:
        """Raise :class:`PolicyError` if Intel's evaluation is an older one than demanded."""
        if number < self.evaluation:
            raise PolicyError("TCB evaluation number is under the policy's")

    def encode(self) -> bytes:
        """``u8 statuses; u32 grace; u16 evaluation; opaque advisories<0..2^16-1>``, each with a u8 length, sorted."""
        bits = sum(1 << place for place, status in enumerate(_STATUSES) if status in self.statuses)
        writer = Writer().uint(1, bits).uint(4, self.grace).uint(2, self.evaluation)
        return writer.vector(2, b"".join(_named(name.encode("ascii")) for name in sorted(self.advisories))).done()

    @classmethod
    def read(cls, reader: Reader) -> TcbRules:
        """The rules from their encoding. Raises :class:`DecodeError`; the caller maps :class:`UsageError`."""
        bits, grace, evaluation = reader.u8(), reader.u32(), reader.u16()
        return cls(
            statuses=frozenset(status for place, status in enumerate(_STATUSES) if bits >> place & 1),
            grace=grace,
            advisories=frozenset(name.decode("latin-1") for name in _names(reader.sub(2))),
            evaluation=evaluation,
        )


@dataclass(frozen=True, slots=True)
class AnyPlatform:
    """Any platform that Intel vouches for. Keys of platforms have been extracted (TEE.fail, WireTap)."""

    names: ClassVar[tuple[bytes, ...]] = ()
    size: ClassVar[int] = 0

    def check(self, platform: Platform) -> None:
        """Accept."""


@dataclass(frozen=True, slots=True)
class _Listed:
    names: tuple[bytes, ...]
    size: ClassVar[int]
    part: ClassVar[str]
    """Which part of :class:`Platform` the names are of."""

    def __post_init__(self) -> None:
        if not self.names or any(len(name) != self.size or not any(name) for name in self.names):
            raise UsageError(f"a list of names of {self.size} bytes, at least one, none all zero")
        object.__setattr__(self, "names", tuple(sorted(set(self.names))))

    def check(self, platform: Platform) -> None:
        """Raise :class:`PolicyError` unless ``platform`` is on the list."""
        if getattr(platform, self.part) not in self.names:
            raise PolicyError("platform is not on the list")


@dataclass(frozen=True, slots=True)
class Families(_Listed):
    """A platform of one of these families: FMSPC of 6 bytes, at least one, in any order."""

    size: ClassVar[int] = 6
    part: ClassVar[str] = "fmspc"


@dataclass(frozen=True, slots=True)
class Processors(_Listed):
    """One of these processors: PPID of 16 bytes."""

    size: ClassVar[int] = 16
    part: ClassVar[str] = "ppid"


@dataclass(frozen=True, slots=True)
class Platforms(_Listed):
    """One of these platforms of several packages: platform instance identifiers (PIID) of 16 bytes."""

    size: ClassVar[int] = 16
    part: ClassVar[str] = "piid"


PolicyPlatforms = AnyPlatform | Families | Processors | Platforms
"""Which hardware must have signed."""

_KINDS: tuple[type[AnyPlatform | Families | Processors | Platforms], ...] = (
    AnyPlatform,
    Families,
    Processors,
    Platforms,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(CanonicalPolicy):
    """Everything that :func:`~privproc.attestation.tdx.appraisal.appraise` demands besides binding, log and role.

    ``xfam``: the processor features that a domain may use, a subset of 0x6DBE7 with bits 0 and 1. ``registers``: a
    demand on each of RTMR0 to RTMR3. ``mrconfigid``, ``mrowner``, ``mrownerconfig`` (48 bytes, zero if not used) are
    compared exactly. ``max_age`` (seconds, above 0) is how long the outcome of an appraisal may be used. Raises
    :class:`UsageError` for values outside of these.
    """

    tcb: TcbRules
    domain: DomainRules
    xfam: int
    registers: tuple[Register, Register, Register, Register]
    mrconfigid: bytes
    mrowner: bytes
    mrownerconfig: bytes
    configuration: ConfigurationRules
    platforms: PolicyPlatforms
    max_age: int
    digest: bytes = field(init=False, repr=False, compare=False)
    """``T("tdx policy", encoding)``, 48 bytes: what :class:`VerifiedEvidence` carries."""
    _encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.xfam & ~_XFAM_KNOWN or self.xfam & _XFAM_REQUIRED != _XFAM_REQUIRED:
            raise UsageError("xfam has bits 0 and 1, and only known ones")
        if len(self.registers) != 4 or not 0 < self.max_age < 1 << 32:
            raise UsageError("there are four registers, max_age is 1 to 2^32 - 1")
        if any(len(value) != 48 for value in (self.mrconfigid, self.mrowner, self.mrownerconfig)):
            raise UsageError("mrconfigid, mrowner and mrownerconfig have 48 bytes")
        object.__setattr__(self, "_encoded", self._encode())
        object.__setattr__(self, "digest", tagged_hash("tdx policy", self._encoded))  # once: each appraisal names it

    def measurement(self, report: TdReport) -> bytes:
        """The :func:`measurement` of ``report``, by this policy's registers."""
        return measurement(report.mrtd, report.rtmrs, self.registers)

    def check_xfam(self, value: int) -> None:
        """Raise :class:`PolicyError` for a feature that isn't allowed, or without those that every domain has."""
        if value & ~self.xfam or value & _XFAM_REQUIRED != _XFAM_REQUIRED:
            raise PolicyError("XFAM: features that are not allowed")

    def encode(self) -> bytes:
        """The canonical encoding: names sorted; integers big-endian::

            struct {
                uint8 form = 2;
                TcbRules tcb;
                uint8 domain[4]; uint64 xfam; uint8 registers[4];
                opaque mrconfigid[48]; opaque mrowner[48]; opaque mrownerconfig[48];
                uint8 configuration[3];
                uint8 platforms;               0 any, 1 families, 2 processors, 3 platforms
                opaque names<0..2^16-1>;       each with a uint8 length
                uint32 max_age;
            } Policy;

        The first byte tells whose policy it is.
        """
        return self._encoded

    def _encode(self) -> bytes:
        writer = Writer().uint(1, _FORM).raw(self.tcb.encode()).raw(self.domain.encode()).uint(8, self.xfam)
        writer.raw(bytes(register.value for register in self.registers))
        writer.raw(self.mrconfigid).raw(self.mrowner).raw(self.mrownerconfig).raw(self.configuration.encode())
        writer.uint(1, _KINDS.index(type(self.platforms))).vector(2, b"".join(map(_named, self.platforms.names)))
        return writer.uint(4, self.max_age).done()

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        if reader.u8() != _FORM:
            raise UnsupportedError("policy: not one for TDX")
        return cls(
            tcb=TcbRules.read(reader),
            domain=DomainRules.read(reader),
            xfam=reader.u64(),
            registers=(_register(reader), _register(reader), _register(reader), _register(reader)),
            mrconfigid=reader.take(48),
            mrowner=reader.take(48),
            mrownerconfig=reader.take(48),
            configuration=ConfigurationRules.read(reader),
            platforms=_read_platforms(reader),
            max_age=reader.u32(),
        )


def _register(reader: Reader) -> Register:
    try:
        return Register(reader.u8())
    except ValueError:
        raise reader.fail("unknown demand on a register") from None


def _read_platforms(reader: Reader) -> PolicyPlatforms:
    kind = reader.u8()
    names = tuple(_names(reader.sub(2)))
    if kind == 0 and not names:
        return AnyPlatform()
    if kind == 1:
        return Families(names)
    if kind == 2:
        return Processors(names)
    if kind == 3:
        return Platforms(names)
    raise reader.fail("unknown kind of platforms, or names where there are none")


def _named(name: bytes) -> bytes:
    return bytes((len(name),)) + name


def _names(reader: Reader) -> list[bytes]:
    names = []
    while reader.left:
        names.append(reader.vector(1))
    return names

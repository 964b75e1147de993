"""What a verifier demands of a TDX quote, and what the ledger holds for a domain. Nothing here is optional."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Self

from privproc.attestation.dcap.policy import (
    ConfigurationRules,
    PlatformPolicy,
    TcbRules,
    encode_platforms,
    read_platforms,
)
from privproc.attestation.tdx.quote import TdReport
from privproc.attestation.tdx.rules import DomainRules
from privproc.errors import PolicyError, UnsupportedError, UsageError
from privproc.tagged import tagged_hash
from privproc.wire import Reader, Writer

__all__ = ["Policy", "Register", "measurement"]

_FORM = 2  # the first byte of a policy: 1 SEV-SNP, 2 TDX, 3 Nitro, 4 NVIDIA, 5 SGX
_XFAM_REQUIRED = 0b11  # x87 and SSE: every domain has them (Intel TDX Module ABI, "XFAM")
_XFAM_KNOWN = 0x0006DBE7


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
class Policy(PlatformPolicy):
    """Everything that :func:`~privproc.attestation.tdx.appraisal.appraise` demands besides binding, log and role.

    ``xfam``: the processor features that a domain may use, a subset of 0x6DBE7 with bits 0 and 1. ``registers``: a
    demand on each of RTMR0 to RTMR3. ``mrconfigid``, ``mrowner``, ``mrownerconfig`` (48 bytes, zero if not used) are
    compared exactly. ``max_age`` (seconds, above 0) is how long the outcome of an appraisal may be used. Raises
    :class:`UsageError` for values outside of these.

    The canonical encoding, names sorted, integers big-endian::

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
    """

    domain: DomainRules
    xfam: int
    registers: tuple[Register, Register, Register, Register]
    mrconfigid: bytes
    mrowner: bytes
    mrownerconfig: bytes

    def __post_init__(self) -> None:
        if self.xfam & ~_XFAM_KNOWN or self.xfam & _XFAM_REQUIRED != _XFAM_REQUIRED:
            raise UsageError("xfam has bits 0 and 1, and only known ones")
        if len(self.registers) != 4:
            raise UsageError("there are four registers")
        if any(len(value) != 48 for value in (self.mrconfigid, self.mrowner, self.mrownerconfig)):
            raise UsageError("mrconfigid, mrowner and mrownerconfig have 48 bytes")
        PlatformPolicy.__post_init__(self)

    def measurement(self, report: TdReport) -> bytes:
        """The :func:`measurement` of ``report``, by this policy's registers."""
        return measurement(report.mrtd, report.rtmrs, self.registers)

    def check_xfam(self, value: int) -> None:
        """Raise :class:`PolicyError` for a feature that isn't allowed, or without those that every domain has."""
        if value & ~self.xfam or value & _XFAM_REQUIRED != _XFAM_REQUIRED:
            raise PolicyError("XFAM: features that are not allowed")

    def _encode(self) -> bytes:
        writer = Writer().uint(1, _FORM).raw(self.tcb.encode()).raw(self.domain.encode()).uint(8, self.xfam)
        writer.raw(bytes(register.value for register in self.registers))
        writer.raw(self.mrconfigid).raw(self.mrowner).raw(self.mrownerconfig).raw(self.configuration.encode())
        return writer.raw(encode_platforms(self.platforms)).uint(4, self.max_age).done()

    @staticmethod
    def _digest(encoded: bytes) -> bytes:
        return tagged_hash("tdx policy", encoded)

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
            platforms=read_platforms(reader),
            max_age=reader.u32(),
        )


def _register(reader: Reader) -> Register:
    try:
        return Register(reader.u8())
    except ValueError:
        raise reader.fail("unknown demand on a register") from None

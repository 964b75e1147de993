"""What a verifier demands of an SGX quote, and what the ledger holds for an enclave. Nothing here is optional."""

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
from privproc.attestation.sgx.quote import EnclaveReport
from privproc.attestation.sgx.rules import EnclaveRules
from privproc.errors import PolicyError, UnsupportedError, UsageError
from privproc.tagged import tagged_hash
from privproc.wire import Reader, Writer

__all__ = ["Identity", "Memory", "Policy", "measurement"]

_FORM = 5  # the first byte of a policy: 1 SEV-SNP, 2 TDX, 3 Nitro, 4 NVIDIA, 5 SGX
_XFRM_REQUIRED = 0b11  # x87 and SSE: ECREATE refuses an enclave without them
_EXACT = {"isvextprodid": 16, "isvfamilyid": 16, "configid": 64}


class Identity(Enum):
    """Which program an enclave is, to the ledger."""

    ENCLAVE = 0
    """This very one, by MRENCLAVE."""
    SIGNER = 1
    """Any that this signer calls by this product's names, by MRSIGNER: then the signer is the ledger."""


class Memory(Enum):
    """How the processor protects an enclave's memory: the SGX type in a PCK certificate (Intel's profile, §1.3.5)."""

    STANDARD = 0
    """Against changes and replays too, by a tree of counters: few servers have it."""
    SCALABLE = 1
    """By encryption alone: whoever sits on the bus replays old contents (Battering RAM)."""
    SCALABLE_WITH_INTEGRITY = 2
    """By encryption and a MAC, which tells changes and no replays."""


def measurement(report: EnclaveReport, identity: Identity) -> bytes:
    """What the ledger's entry holds (48 bytes): ``T("sgx measurement", MRENCLAVE)`` or, by signer,
    ``T("sgx measurement", MRSIGNER, ISVPRODID (uint16), ISVEXTPRODID, ISVFAMILYID)``.
    """
    if identity is Identity.ENCLAVE:
        return tagged_hash("sgx measurement", report.mrenclave)
    product = report.isvprodid.to_bytes(2, "big")
    return tagged_hash("sgx measurement", report.mrsigner, product, report.isvextprodid, report.isvfamilyid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(PlatformPolicy):
    """Everything that :func:`~privproc.attestation.sgx.appraisal.appraise` demands besides binding, log and role.

    ``xfrm``: the processor features that an enclave may use, a subset of 63 bits with bits 0 and 1; ``miscselect``:
    what it may be told about its exits (32 bits). ``isvprodid`` (uint16), ``isvextprodid``, ``isvfamilyid`` (16 bytes
    each) and ``configid`` (64 bytes; all zero if not used) are compared exactly; ``isvsvn`` and ``configsvn``
    (uint16) are the least that will do. ``memory``: the protections that will do, at least one. ``max_age`` (seconds,
    above 0) is how long the outcome of an appraisal may be used. Raises :class:`UsageError` for other values.

    The report's CPUSVN isn't judged: it is the processor's own writing, which only Intel can read, and on servers not
    that of the certificate. What Intel judges are the certificate's components.

    The canonical encoding, names sorted, integers big-endian::

        struct {
            uint8 form = 5;
            TcbRules tcb;
            uint8 enclave[5]; uint64 xfrm; uint32 miscselect;
            uint8 identity;                0 enclave, 1 signer
            uint16 isvprodid; uint16 isvsvn;
            opaque isvextprodid[16]; opaque isvfamilyid[16]; opaque configid[64]; uint16 configsvn;
            uint8 configuration[3];
            uint8 memory;                  a bit for each kind, the first one lowest
            uint8 platforms;               0 any, 1 families, 2 processors, 3 platforms
            opaque names<0..2^16-1>;       each with a uint8 length
            uint32 max_age;
        } Policy;
    """

    enclave: EnclaveRules
    xfrm: int
    miscselect: int
    identity: Identity
    isvprodid: int
    isvsvn: int
    isvextprodid: bytes
    isvfamilyid: bytes
    configid: bytes
    configsvn: int
    memory: frozenset[Memory]

    def __post_init__(self) -> None:
        if not 0 <= self.xfrm < 1 << 63 or self.xfrm & _XFRM_REQUIRED != _XFRM_REQUIRED:
            raise UsageError("xfrm has bits 0 and 1, and not bit 63")
        if not 0 <= self.miscselect < 1 << 32:
            raise UsageError("miscselect is 32 bits")
        if any(not 0 <= number <= 0xFFFF for number in (self.isvprodid, self.isvsvn, self.configsvn)):
            raise UsageError("isvprodid, isvsvn and configsvn are 0 to 65535")
        if any(len(getattr(self, name)) != size for name, size in _EXACT.items()):
            raise UsageError("isvextprodid and isvfamilyid have 16 bytes, configid has 64")
        if not self.memory:
            raise UsageError("memory has at least one protection")
        PlatformPolicy.__post_init__(self)

    def measurement(self, report: EnclaveReport) -> bytes:
        """The :func:`measurement` of ``report``, by this policy's kind of identity."""
        return measurement(report, self.identity)

    def check_xfrm(self, value: int) -> None:
        """Raise :class:`PolicyError` for a feature that isn't allowed, or without those that every enclave has."""
        if value & ~self.xfrm or value & _XFRM_REQUIRED != _XFRM_REQUIRED:
            raise PolicyError("XFRM: features that are not allowed")

    def check_memory(self, sgx_type: int) -> None:
        """Raise :class:`PolicyError` for a platform of another type than those that will do."""
        if all(memory.value != sgx_type for memory in self.memory):
            raise PolicyError("platform protects memory in another way")

    def _encode(self) -> bytes:
        writer = Writer().uint(1, _FORM).raw(self.tcb.encode()).raw(self.enclave.encode())
        writer.uint(8, self.xfrm).uint(4, self.miscselect).uint(1, self.identity.value)
        writer.uint(2, self.isvprodid).uint(2, self.isvsvn).raw(self.isvextprodid).raw(self.isvfamilyid)
        writer.raw(self.configid).uint(2, self.configsvn).raw(self.configuration.encode())
        writer.uint(1, sum(1 << memory.value for memory in self.memory))
        return writer.raw(encode_platforms(self.platforms)).uint(4, self.max_age).done()

    @staticmethod
    def _digest(encoded: bytes) -> bytes:
        return tagged_hash("sgx policy", encoded)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        if reader.u8() != _FORM:
            raise UnsupportedError("policy: not one for SGX")
        return cls(
            tcb=TcbRules.read(reader),
            enclave=EnclaveRules.read(reader),
            xfrm=reader.u64(),
            miscselect=reader.u32(),
            identity=_identity(reader),
            isvprodid=reader.u16(),
            isvsvn=reader.u16(),
            isvextprodid=reader.take(16),
            isvfamilyid=reader.take(16),
            configid=reader.take(64),
            configsvn=reader.u16(),
            configuration=ConfigurationRules.read(reader),
            memory=_memory(reader.u8()),
            platforms=read_platforms(reader),
            max_age=reader.u32(),
        )


def _memory(bits: int) -> frozenset[Memory]:
    return frozenset(memory for memory in Memory if bits >> memory.value & 1)


def _identity(reader: Reader) -> Identity:
    try:
        return Identity(reader.u8())
    except ValueError:
        raise reader.fail("unknown kind of identity") from None

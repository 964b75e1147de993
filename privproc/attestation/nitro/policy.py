"""What a verifier demands of a Nitro enclave's document, and what the ledger holds for one.

Every register that is named has to be there and equal: an absent one never matches (CVE-2025-64186).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from privproc.attestation.nitro.document import PCR_COUNT, PCR_SIZE
from privproc.attestation.policy import CanonicalPolicy
from privproc.errors import UnsupportedError, UntrustedError, UsageError
from privproc.tagged import tagged_hash
from privproc.wire import Reader, Writer

__all__ = ["IMAGE_PCRS", "Policy", "measured_id", "measurement"]

IMAGE_PCRS = (0, 1, 2)
"""The image, its kernel and boot file system, its application: all three zero means a debug enclave."""

_FORM = 3  # the first byte of a policy: 1 SEV-SNP, 2 TDX, 3 Nitro


def measurement(pcrs: Mapping[int, bytes], logged: tuple[int, ...]) -> bytes:
    """What the ledger's entry holds: ``T("nitro measurement", ...)`` (48 bytes) over the registers ``logged``.

    One field a register, in ascending order: its index (one byte), then its 48 bytes. Raises :class:`UntrustedError`
    for one that is absent.
    """
    return tagged_hash("nitro measurement", *(bytes((index,)) + _present(pcrs, index) for index in sorted(logged)))


def measured_id(name: str) -> bytes:
    """The value (48 bytes) of PCR3 for the ARN of an instance's role, and of PCR4 for the id of an instance.

    SHA-384 of 48 zero bytes and the name (AWS Nitro Enclaves User Guide, "Where to get an enclave's measurements").
    """
    return hashlib.sha384(bytes(PCR_SIZE) + name.encode()).digest()


def _present(pcrs: Mapping[int, bytes], index: int) -> bytes:
    pcr = pcrs.get(index)
    if pcr is None:
        raise UntrustedError(f"PCR{index} is absent")
    return pcr


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(CanonicalPolicy):
    """Everything that :func:`~privproc.attestation.nitro.appraisal.appraise` demands besides binding, log and role.

    ``logged_pcrs``: which registers make the logged :func:`measurement`; 0, 1 and 2 always do, 8 (the image's signer)
    is a candidate. ``pcrs``: others and their exact values (48 bytes, zero included), such as 3 (the instance's role)
    and 4 (the instance, Nitro's only name for a machine); a register that comes several times has one of these values,
    which makes a list of instances (:func:`measured_id`). ``max_age`` (seconds, above 0): how long after its timestamp
    a document, and the outcome of its appraisal, may be used. Raises :class:`UsageError` for values outside of these.
    """

    logged_pcrs: tuple[int, ...]
    pcrs: tuple[tuple[int, bytes], ...]
    max_age: int
    digest: bytes = field(init=False, repr=False, compare=False)
    """``T("nitro policy", encoding)``, 48 bytes: what :class:`VerifiedEvidence` carries."""
    _encoded: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = [*self.logged_pcrs, *dict(self.pcrs)]
        if not set(IMAGE_PCRS) <= set(self.logged_pcrs):
            raise UsageError("PCR0, PCR1 and PCR2 are always logged")
        twice = len(set(named)) != len(named) or len(set(self.pcrs)) != len(self.pcrs)
        if twice or not all(0 <= index < PCR_COUNT for index in named):
            raise UsageError("a PCR, from 0 to 31, is logged once or has values, each once")
        if any(len(value) != PCR_SIZE for _, value in self.pcrs) or not 0 < self.max_age < 1 << 32:
            raise UsageError("a PCR has 48 bytes, max_age is 1 to 2^32 - 1")
        object.__setattr__(self, "logged_pcrs", tuple(sorted(self.logged_pcrs)))
        object.__setattr__(self, "pcrs", tuple(sorted(self.pcrs)))
        object.__setattr__(self, "_encoded", self._encode())
        object.__setattr__(self, "digest", tagged_hash("nitro policy", self._encoded))  # once: each appraisal names it

    def encode(self) -> bytes:
        """The canonical encoding; integers big-endian, registers in ascending order::

            struct {
                uint8 form = 3;
                uint32 logged_pcrs;                                        bit i: register i
                struct { uint8 index; opaque value[48]; } pcrs<0..65513>;  uint16 length
                uint32 max_age;
            } Policy;

        The first byte tells whose policy it is.
        """
        return self._encoded

    def _encode(self) -> bytes:
        writer = Writer().uint(1, _FORM).uint(4, sum(1 << index for index in self.logged_pcrs))
        writer.vector(2, b"".join(bytes((index,)) + value for index, value in self.pcrs))
        return writer.uint(4, self.max_age).done()

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        if reader.u8() != _FORM:
            raise UnsupportedError("policy: not one for Nitro enclaves")
        logged = reader.u32()
        entries = reader.sub(2)
        pcrs = []
        while entries.left:
            pcrs.append((entries.u8(), entries.take(PCR_SIZE)))
        return cls(
            logged_pcrs=tuple(index for index in range(PCR_COUNT) if logged >> index & 1),
            pcrs=tuple(pcrs),
            max_age=reader.u32(),
        )

    def check(self, pcrs: Mapping[int, bytes]) -> None:
        """Raise :class:`UntrustedError` unless every register of ``self.pcrs`` is there and has a value of it."""
        for index in dict(self.pcrs):
            if (index, _present(pcrs, index)) not in self.pcrs:
                raise UntrustedError(f"PCR{index} differs")

"""Evidence of one device as it travels: its report and its certificates."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Self

from privproc.attestation.certificate import MAX_CERTIFICATE
from privproc.attestation.nvidia.chain import CHAIN_LENGTH
from privproc.attestation.nvidia.report import MAX_REPORT
from privproc.attestation.pem import read_pem
from privproc.errors import UsageError
from privproc.wire import Reader, Writer

__all__ = ["Evidence", "Kind"]


class Kind(IntEnum):
    """What a device is and when it was asked: the type (uint16) under which the binder hashes its evidence."""

    GPU = 1
    """A GPU that signed the session's nonce."""
    SWITCH = 2
    """An NVSwitch that signed the session's nonce."""
    GPU_AT_BOOT = 3
    """A GPU that signed a nonce when its machine started."""
    SWITCH_AT_BOOT = 4


@dataclass(frozen=True, slots=True)
class Evidence:
    """``struct { opaque report<1..16384>; opaque certificates[5]<1..8192>; }``, each with a length of 2 bytes.

    ``report``: as the driver gives it, request and response. ``certificates``: DER, from the device's up to the root.
    Nothing in it has been appraised.
    """

    report: bytes = field(repr=False)
    certificates: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def from_driver(cls, report: bytes, certificates: bytes) -> Self:
        """From what NVIDIA's libraries give: the report, and the chain in PEM. Raises :class:`DecodeError`."""
        return cls(report, read_pem(certificates, CHAIN_LENGTH))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(data, "device evidence", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        report = reader.vector(2, 1, MAX_REPORT)
        return cls(report, tuple(reader.vector(2, 1, MAX_CERTIFICATE) for _ in range(CHAIN_LENGTH)))

    def encode(self) -> bytes:
        """The bytes of the structure, which the binder hashes. Raises :class:`UsageError` for parts without a place."""
        sizes = [len(part) for part in self.certificates]
        if len(sizes) != CHAIN_LENGTH or not all(0 < size <= MAX_CERTIFICATE for size in sizes):
            raise UsageError(f"a device has {CHAIN_LENGTH} certificates of up to {MAX_CERTIFICATE} bytes")
        if not 0 < len(self.report) <= MAX_REPORT:
            raise UsageError(f"a report has up to {MAX_REPORT} bytes")
        writer = Writer().vector(2, self.report)
        for certificate in self.certificates:
            writer.vector(2, certificate)
        return writer.done()

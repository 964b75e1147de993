"""What an attesting end shows of itself: evidence, and what its host staples to it (docs/protocol.md §15.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from privproc import cose
from privproc.attestation.binder import SessionBinding
from privproc.attestation.nvidia.appraisal import FreshDevices
from privproc.errors import DecodeError, UntrustedError, UsageError
from privproc.trust import check_window
from privproc.wire import Reader, Writer

__all__ = ["MAX_DEVICES", "MEDIA_TYPE", "Attestation", "Devices", "read_devices", "write_devices"]

MEDIA_TYPE = "application/privproc-attestation"
"""Type of an :class:`Attestation` inside a Conceptual Messages Wrapper."""

MAX_DEVICES: Final = 16

_PART_LIMIT = 0xFFFF

Devices = tuple[tuple[int, bytes], ...]
"""Type (uint16) and evidence of each."""


def read_devices(reader: Reader, at_most: int) -> Devices:
    """``struct { uint16 count; Device devices[count]; }``, a Device ``uint16 type || evidence`` after a uint32 length.

    ``at_most`` bytes each. Raises :class:`DecodeError`, also for more than :data:`MAX_DEVICES`.
    """
    count = reader.u16()
    if count > MAX_DEVICES:
        raise reader.fail(f"{count} devices")
    items = [reader.vector(4, 2, at_most) for _ in range(count)]
    return tuple((int.from_bytes(item[:2], "big"), item[2:]) for item in items)


def write_devices(writer: Writer, devices: Sequence[tuple[int, bytes]]) -> Writer:
    """What :func:`read_devices` reads. Raises :class:`UsageError` for what it doesn't."""
    if len(devices) > MAX_DEVICES or not all(0 <= kind <= 0xFFFF for kind, _ in devices):
        raise UsageError(f"there are up to {MAX_DEVICES} devices, each with a uint16 type")
    writer.uint(2, len(devices))
    for kind, evidence in devices:
        writer.vector(4, kind.to_bytes(2, "big") + evidence)
    return writer


@dataclass(frozen=True, slots=True)
class Attestation:
    """Evidence of one machine; nothing in it has been appraised::

        struct {
            uint16 format;                      as in an offer; 1: AMD SEV-SNP
            opaque evidence<1..2^16-1>;         uint32 lengths
            uint16 count;                       devices of the machine, at most 16
            Device devices[count];              uint32 length, then uint16 type || evidence
            opaque endorsements<0..2^16-1>;     the chain of the hardware's key
            opaque log_proof<0..2^16-1>;        the ledger's proof of the measurement
        } Attestation;

    The evidence commits to the devices.
    """

    format: int
    evidence: bytes = field(repr=False)
    endorsements: bytes = field(default=b"", repr=False)
    log_proof: bytes = field(default=b"", repr=False)
    devices: Devices = field(default=(), repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(data, "Attestation", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        kind, evidence = reader.u16(), reader.vector(4, 1, _PART_LIMIT)
        devices = read_devices(reader, _PART_LIMIT)
        return cls(kind, evidence, reader.vector(4, 0, _PART_LIMIT), reader.vector(4, 0, _PART_LIMIT), devices)

    def encode(self) -> bytes:
        """The wire form."""
        writer = write_devices(Writer().uint(2, self.format).vector(4, self.evidence), self.devices)
        return writer.vector(4, self.endorsements).vector(4, self.log_proof).done()

    def check_devices(self, machine: FreshDevices | None, binding: SessionBinding, *, at: int) -> None:
        """Raise :class:`UntrustedError` unless ``machine`` was found about exactly these devices, for ``binding``;
        ``None`` says that there are none. Raises :class:`ExpiredError` outside of its time.

        A device that is shown is in use: what nobody has judged must not be taken for judged.
        """
        if machine is None:
            if self.devices:
                raise UntrustedError("devices that nobody has appraised")
            return
        # req: privproc1/15.3 devices-are-judged
        if machine.report_data != binding:
            raise UntrustedError("other devices were appraised, or for another session")
        check_window("evidence of devices", machine.not_before, machine.not_after, at=at)

    @classmethod
    def unwrap(cls, cmw: bytes) -> Self:
        """Out of a CBOR record of the Conceptual Messages Wrapper (RFC 9999): ``[media type, value]``.

        Raises :class:`DecodeError`, also for a record of another type.
        """
        record = cose.decode(cmw, "CMW")
        if not isinstance(record, list) or len(record) != 2 or record[0] != MEDIA_TYPE:
            raise DecodeError("CMW", f"not a record of {MEDIA_TYPE}")
        if not isinstance(record[1], bytes):
            raise DecodeError("CMW", "its value is not bytes")
        return cls.decode(record[1])

    def wrap(self) -> bytes:
        """The record that :meth:`unwrap` reads."""
        return cose.encode([MEDIA_TYPE, self.encode()])

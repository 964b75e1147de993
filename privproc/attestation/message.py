"""What an attesting end shows of itself: evidence, and what its host staples to it (docs/protocol.md §15.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from privproc import cose
from privproc.errors import DecodeError
from privproc.wire import Reader, Writer

__all__ = ["MEDIA_TYPE", "Attestation"]

MEDIA_TYPE = "application/privproc-attestation"
"""Type of an :class:`Attestation` inside a Conceptual Messages Wrapper."""

_PART_LIMIT = 0xFFFF


@dataclass(frozen=True, slots=True)
class Attestation:
    """Evidence of one machine; nothing in it has been appraised::

        struct {
            uint16 format;                      as in an offer; 1: AMD SEV-SNP
            opaque evidence<1..2^16-1>;         uint32 lengths
            opaque endorsements<0..2^16-1>;     the chain of the hardware's key
            opaque log_proof<0..2^16-1>;        the ledger's proof of the measurement
        } Attestation;

    Evidence of devices has no place in it yet: see docs/protocol.md §4.8, 10.
    """

    format: int
    evidence: bytes = field(repr=False)
    endorsements: bytes = field(default=b"", repr=False)
    log_proof: bytes = field(default=b"", repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(data, "Attestation", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        kind, evidence = reader.u16(), reader.vector(4, 1, _PART_LIMIT)
        return cls(kind, evidence, reader.vector(4, 0, _PART_LIMIT), reader.vector(4, 0, _PART_LIMIT))

    def encode(self) -> bytes:
        """The wire form."""
        writer = Writer().uint(2, self.format).vector(4, self.evidence)
        return writer.vector(4, self.endorsements).vector(4, self.log_proof).done()

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

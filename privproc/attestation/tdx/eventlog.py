"""The event log of a trust domain (CCEL): what was measured into the run-time registers, in order.

TCG PC Client Platform Firmware Profile (TCG_PCR_EVENT, TCG_PCR_EVENT2, TCG_EfiSpecIdEvent), with UEFI's registers for
confidential computing: 1 to 4 stand for RTMR0 to RTMR3. Integers are little-endian. Nothing in a log is signed. It is
worth reading only after its replay gives the registers of an accepted quote, and even then only the digests are
authentic: the data of an event is, where its digest is the data's own (GHSA-9r4w-jg96-92mv).
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field

from privproc.attestation.tdx.appraisal import VerifiedEvidence
from privproc.errors import DecodeError, UnsupportedError, UntrustedError, UsageError
from privproc.wire import Reader

__all__ = ["MAX_LOG", "Event", "EventLog"]

MAX_LOG = 1 << 20
"""Bytes of the longest log that is read; firmware reserves 64 or 256 KiB."""

_WHAT = "event log"
_FIRST = struct.Struct("<II20sI")
_SPEC_ID = struct.Struct("<16sIBBBBIHHB")
_EVENT = struct.Struct("<IIIH48sI")
_NO_ACTION = 3
_SIGNATURE = b"Spec ID Event03\0"
_SHA384 = 0x000C
_DIGEST = 48
_ERASED = b"\xff\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class Event:
    """One measurement: into which register (0 to 3), the type of the event, its digest (48 bytes), and its data."""

    register: int
    kind: int
    digest: bytes
    data: bytes = field(repr=False)

    def authentic_data(self) -> bytes:
        """The data, if it is what was measured. Raises :class:`UntrustedError` where the digest is of something else.

        So it is for events whose data only describes what was measured, such as a kernel.
        """
        if hashlib.sha384(self.data).digest() != self.digest:
            raise UntrustedError("event: its digest is not its data's")
        return self.data


@dataclass(frozen=True, slots=True)
class EventLog:
    """A log as received; :meth:`confirm` says whether it is the one behind a quote."""

    _events: tuple[Event, ...] = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> EventLog:
        """Read a log, to the end of ``data`` or until erased memory (0xFF to the end) begins::

            u32 index; u32 type = EV_NO_ACTION; u8 digest[20]; u32 size; TCG_EfiSpecIdEvent;   then events:
            u32 index; u32 type; u32 count = 1; u16 algorithm = SHA-384; u8 digest[48]; u32 size; u8 data[size];

        Raises :class:`DecodeError`, or :class:`UnsupportedError` for other digests than SHA-384 alone.
        """
        if len(data) > MAX_LOG:
            raise DecodeError(_WHAT, f"over {MAX_LOG} bytes")
        reader = Reader(data, _WHAT)
        _read_spec_id(reader)
        events = []
        while reader.left and not _erased(reader, data):
            event = _read_event(reader)
            if event is not None:
                events.append(event)
        return cls(tuple(events))

    def confirm(self, evidence: VerifiedEvidence) -> tuple[Event, ...]:
        """The events, if their replay gives the registers of ``evidence``. Raises :class:`UntrustedError` if not."""
        if not isinstance(evidence, VerifiedEvidence):
            raise UsageError("a log is compared with appraised evidence")
        if self.replay() != evidence.rtmrs:
            raise UntrustedError("event log: is not the one behind the quote")
        return self._events

    def replay(self) -> tuple[bytes, ...]:
        """The four registers (48 bytes each) that the events give: ``RTMR = SHA-384(RTMR || digest)``, from zero."""
        registers = [bytes(_DIGEST)] * 4
        for event in self._events:
            registers[event.register] = hashlib.sha384(registers[event.register] + event.digest).digest()
        return tuple(registers)


def _erased(reader: Reader, data: bytes) -> bool:
    """Whether nothing but erased memory follows: no register has the index 0xFFFFFFFF."""
    if data[reader.offset : reader.offset + len(_ERASED)].strip(_ERASED):
        return False
    if reader.rest().strip(_ERASED):
        raise reader.fail("an event for another register than RTMR0 to RTMR3")
    return True


def _read_spec_id(reader: Reader) -> None:
    _, kind, _, size = _FIRST.unpack(reader.take(_FIRST.size))
    body = Reader(reader.take(size), _WHAT)
    fields = _SPEC_ID.unpack(body.take(_SPEC_ID.size))
    signature, algorithms, algorithm, digest_size, vendor_size = fields[0], *fields[6:]
    if kind != _NO_ACTION or signature != _SIGNATURE:
        raise reader.fail("doesn't start with a Spec ID event")
    if (algorithms, algorithm, digest_size) != (1, _SHA384, _DIGEST):
        raise UnsupportedError(f"{_WHAT}: digests are not SHA-384 alone")
    body.take(vendor_size)
    body.finish()


def _read_event(reader: Reader) -> Event | None:
    index, kind, count, algorithm, digest, size = _EVENT.unpack(reader.take(_EVENT.size))
    if (count, algorithm) != (1, _SHA384):
        raise reader.fail("an event without exactly one SHA-384 digest")
    data = reader.take(size)
    if kind == _NO_ACTION:
        return None
    if not 1 <= index <= 4:
        raise reader.fail("an event for another register than RTMR0 to RTMR3")
    return Event(index - 1, kind, digest, data)

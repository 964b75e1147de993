"""The messages of privproc/1, byte for byte (docs/protocol.md §4 and §5). Integers are big-endian."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Self

from privproc.attestation.message import Devices, read_devices, write_devices
from privproc.chunks import pad, unpad
from privproc.errors import DecodeError, UnsupportedError, UsageError
from privproc.wire import Reader, Writer

__all__ = [
    "HANDLE_LENGTH",
    "OPEN_SIZE",
    "RECORDS_LIMIT",
    "RENEWAL_SIZES",
    "VERSION",
    "Continue",
    "Continued",
    "EvidenceFormat",
    "Forward",
    "Offer",
    "Open",
    "Opened",
    "Renewed",
]

VERSION = 1
HANDLE_LENGTH = 32
OPEN_SIZE = 2048
"""Every Open has this many bytes, by its padding field: room for a ClientHello with an ML-KEM-768 share."""

RECORDS_LIMIT = 1 << 24
"""Bytes of records in a Continue, in a Continued, and of one request in a pipe."""

_NAME_LIMIT = 255
_NAME = re.compile(rf"[!-~]{{1,{_NAME_LIMIT}}}")
_ITEMS_LIMIT = 16
_PART_LIMIT = 1 << 18

RENEWAL_SIZES = (15 << 10, 30 << 10, 60 << 10, 120 << 10)
"""Bytes that :class:`Renewed` is filled to. With the records and messages around it each fits the answer size above."""


class EvidenceFormat(IntEnum):
    """Formats of evidence (uint16)."""

    SEV_SNP = 1


def _text(reader: Reader) -> str:
    text = reader.vector(4, 1, _NAME_LIMIT).decode("latin-1")
    # req: privproc1/1 names-are-visible-ascii
    if not _NAME.fullmatch(text):
        raise reader.fail("names are visible ASCII")
    return text


def _name(text: str) -> bytes:
    if not _NAME.fullmatch(text):
        raise UsageError(f"a name has 1 to {_NAME_LIMIT} characters of visible ASCII")
    return text.encode("ascii")


def _exactly(size: int, data: bytes) -> bytes:
    if len(data) != size:
        raise UsageError(f"{len(data)} bytes where {size} belong")
    return data


def _items(reader: Reader, size: int) -> tuple[bytes, ...]:
    count = reader.u16()
    if not 1 <= count <= _ITEMS_LIMIT:
        raise reader.fail(f"list of {count} items")
    return tuple(reader.vector(4, size, size) for _ in range(count))


def _write_items(writer: Writer, items: Iterable[bytes]) -> None:
    listed = tuple(items)
    if not 1 <= len(listed) <= _ITEMS_LIMIT:
        raise UsageError(f"a list of {len(listed)} items")
    writer.uint(2, len(listed))
    for item in listed:
        writer.vector(4, item)


def _uint16s(*values: int) -> bytes:
    try:
        return struct.pack(f">{len(values)}H", *values)
    except struct.error:
        raise UsageError(f"{values} are not all uint16") from None


@dataclass(frozen=True, slots=True)
class Open:
    """What the device asks an enclave for; hashed into ``th1`` from its exact bytes::

    struct {
        uint16 version = 1;
        opaque role<1..255>, log<1..255>, namespace<1..255>;    uint32 lengths, visible ASCII
        List<uint16> formats;                                   uint16 count, then uint32 length and item
        uint8 device_required;                                  0 or 1
        opaque policy_id[32];
        opaque nonce[32];
        List<Suite> suites;                                     items of uint16 kem, kdf, aead
        opaque client_hello<1..2^18>;                           uint32 length
        opaque padding<0..2048>;                                uint32 length, zeros; fills Open to 2048 bytes
    } Open;
    """

    role: str
    log: str
    namespace: str
    formats: tuple[int, ...]
    device_required: bool
    policy_id: bytes
    nonce: bytes
    suites: tuple[tuple[int, int, int], ...]
    client_hello: bytes

    SIZE: ClassVar[int] = OPEN_SIZE

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`; :class:`UnsupportedError` for another version."""
        if len(data) >= 2 and int.from_bytes(data[:2], "big") != VERSION:
            # req: privproc1/4.3 open-form
            raise UnsupportedError(f"Open of version {int.from_bytes(data[:2], 'big')}")
        return Reader.all(data, "Open", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        reader.u16()
        role, log, namespace = _text(reader), _text(reader), _text(reader)
        formats = tuple(int.from_bytes(item, "big") for item in _items(reader, 2))
        device_required = reader.u8()
        if device_required > 1:
            raise reader.fail("device_required is 0 or 1")
        policy_id, nonce = reader.take(32), reader.take(32)
        suites = tuple(
            (int.from_bytes(item[:2], "big"), int.from_bytes(item[2:4], "big"), int.from_bytes(item[4:], "big"))
            for item in _items(reader, 6)
        )
        # req: privproc1/8 bounded-before-reading
        client_hello = reader.vector(4, 1, _PART_LIMIT)
        padding = reader.vector(4)
        if padding != bytes(len(padding)):
            raise reader.fail("padding is not zero")
        if reader.offset != cls.SIZE:
            # req: privproc1/4.3 open-has-one-size
            raise reader.fail(f"{reader.offset} bytes instead of {cls.SIZE}")
        return cls(role, log, namespace, formats, bool(device_required), policy_id, nonce, suites, client_hello)

    def encode(self) -> bytes:
        """Always :data:`OPEN_SIZE` bytes; :class:`UsageError` when the parts don't fit."""
        writer = Writer().uint(2, VERSION)
        for name in (self.role, self.log, self.namespace):
            writer.vector(4, _name(name))
        _write_items(writer, map(_uint16s, self.formats))
        writer.uint(1, self.device_required).raw(_exactly(32, self.policy_id)).raw(_exactly(32, self.nonce))
        _write_items(writer, (_uint16s(*suite) for suite in self.suites))
        used = writer.vector(4, self.client_hello).done()
        if len(used) + 4 > self.SIZE:
            raise UsageError(f"Open needs {len(used) + 4} bytes, over {self.SIZE}")
        return Writer().raw(used).vector(4, bytes(self.SIZE - len(used) - 4)).done()


@dataclass(frozen=True, slots=True)
class Forward:
    """What the gateway passes to the enclave: an opaque digest of the outer exchange, and Open as it came::

    struct {
        opaque package[48];
        opaque outer[48];
        opaque open[2048];
    } Forward;
    """

    package: bytes
    outer: bytes
    open: bytes

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(data, "Forward", lambda reader: cls(reader.take(48), reader.take(48), reader.take(OPEN_SIZE)))

    def encode(self) -> bytes:
        """2144 bytes."""
        return _exactly(48, self.package) + _exactly(48, self.outer) + _exactly(OPEN_SIZE, self.open)


@dataclass(frozen=True, slots=True)
class Offer:
    """The enclave's answer to Open; everything in it is covered by the evidence or by ``th2``::

    struct {
        opaque flight<1..2^18>;             the server's TLS flight; uint32 lengths
        opaque announcement<1..2^18>;       the session's first one-time key
        uint16 format;
        opaque evidence<1..2^18>;
        uint16 count;                       devices, at most 16
        Device devices[count];              uint32 length, then uint16 type || evidence
    } Offer;
    """

    flight: bytes
    announcement: bytes
    format: int
    evidence: bytes
    devices: Devices = ()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(data, "Offer", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        return cls(reader.vector(4, 1, _PART_LIMIT), *_read_attested(reader))

    def encode(self) -> bytes:
        """The wire form."""
        writer = Writer().vector(4, self.flight)
        return _write_attested(writer, self.announcement, self.format, self.evidence, self.devices).done()


def _read_attested(reader: Reader) -> tuple[bytes, int, bytes, Devices]:
    announcement, kind, evidence = reader.vector(4, 1, _PART_LIMIT), reader.u16(), reader.vector(4, 1, _PART_LIMIT)
    return announcement, kind, evidence, read_devices(reader, _PART_LIMIT)


def _write_attested(writer: Writer, announcement: bytes, kind: int, evidence: bytes, devices: Devices) -> Writer:
    return write_devices(writer.vector(4, announcement).uint(2, kind).vector(4, evidence), devices)


@dataclass(frozen=True, slots=True)
class Opened:
    """The gateway's first answer. What the host staples authenticates itself::

    struct {
        opaque handle[32];
        opaque offer<1..2^18>;              uint32 lengths
        opaque endorsements<0..2^18>;       the chain of the hardware's key
        opaque log_proof<0..2^18>;          the ledger's proof of the measurement
    } Opened;
    """

    handle: bytes = field(repr=False)
    offer: bytes
    endorsements: bytes
    log_proof: bytes

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(data, "Opened", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        handle, offer = reader.take(HANDLE_LENGTH), reader.vector(4, 1, _PART_LIMIT)
        return cls(handle, offer, reader.vector(4, 0, _PART_LIMIT), reader.vector(4, 0, _PART_LIMIT))

    def encode(self) -> bytes:
        """The wire form."""
        writer = Writer().raw(_exactly(HANDLE_LENGTH, self.handle)).vector(4, self.offer)
        return writer.vector(4, self.endorsements).vector(4, self.log_proof).done()


@dataclass(frozen=True, slots=True)
class Continue:
    """TLS records of a session that is open already::

    struct {
        opaque handle[32];
        uint64 offset;                      bytes of records sent before, in all
        opaque mac[48];
        opaque records<1..2^24>;            uint32 length
    } Continue;
    """

    handle: bytes = field(repr=False)
    offset: int
    mac: bytes
    records: bytes = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(data, "Continue", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        return cls(reader.take(HANDLE_LENGTH), reader.u64(), reader.take(48), reader.vector(4, 1, RECORDS_LIMIT))

    def encode(self) -> bytes:
        """The wire form."""
        return (
            Writer()
            .raw(_exactly(HANDLE_LENGTH, self.handle))
            .uint(8, self.offset)
            .raw(_exactly(48, self.mac))
            .vector(4, self.records)
            .done()
        )


@dataclass(frozen=True, slots=True)
class Continued:
    """The enclave's TLS records, and the handle that replaces the one used up::

    struct {
        opaque handle[32];
        opaque records<0..2^24>;            uint32 length
    } Continued;
    """

    handle: bytes = field(repr=False)
    records: bytes = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(
            data, "Continued", lambda reader: cls(reader.take(HANDLE_LENGTH), reader.vector(4, 0, RECORDS_LIMIT))
        )

    def encode(self) -> bytes:
        """The wire form."""
        return Writer().raw(_exactly(HANDLE_LENGTH, self.handle)).vector(4, self.records).done()


@dataclass(frozen=True, slots=True)
class Renewed:
    """New evidence in a live session, inside of TLS. What the host staples authenticates itself::

    struct {
        opaque announcement<1..2^18>;       uint32 lengths; a new term's first one-time key
        uint16 format;
        opaque evidence<1..2^18>;
        uint16 count;                       devices, at most 16
        Device devices[count];              uint32 length, then uint16 type || evidence
        opaque endorsements<0..2^18>;
        opaque log_proof<0..2^18>;
    } Renewal;

    It is sent as ``uint32 size || uint32 length || Renewal || zeros``, ``size`` (of what follows it) one of
    :data:`RENEWAL_SIZES`.
    """

    announcement: bytes
    format: int
    evidence: bytes
    endorsements: bytes
    log_proof: bytes
    devices: Devices = ()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """What follows ``size``. Raises :class:`DecodeError`."""
        if len(data) not in RENEWAL_SIZES:
            raise DecodeError("renewal", f"{len(data)} bytes are no padded size")
        return Reader.all(unpad(data), "renewal", cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        announcement, kind, evidence, devices = _read_attested(reader)
        endorsements, log_proof = reader.vector(4, 0, _PART_LIMIT), reader.vector(4, 0, _PART_LIMIT)
        return cls(announcement, kind, evidence, endorsements, log_proof, devices)

    def encode(self) -> bytes:
        """The wire form but for ``size``; :class:`UsageError` when the parts don't fit the largest size."""
        writer = _write_attested(Writer(), self.announcement, self.format, self.evidence, self.devices)
        return pad(writer.vector(4, self.endorsements).vector(4, self.log_proof).done(), RENEWAL_SIZES)

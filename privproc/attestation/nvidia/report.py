"""What a device signs: the request for its measurements, and its response (SPDM 1.1, DMTF DSP0274 §10.11).

NVIDIA's drivers hand out both, one after the other. The values in opaque data are NVIDIA's own: numbers and forms are
those of its attestation SDK (nvtrust, local GPU verifier).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from privproc.errors import DecodeError, SignatureError, UnsupportedError
from privproc.wire import Reader

__all__ = ["MAX_REPORT", "MEASUREMENT_SIZE", "NONCE_SIZE", "Report"]

MAX_REPORT: Final = 16384
"""Bytes of the longest report; those known have 2168 to 4274."""
MEASUREMENT_SIZE: Final = 48
"""Bytes of a measurement: SHA-384."""
NONCE_SIZE: Final = 32

_WHAT = "SPDM measurements"
_VERSION = 0x11
_REQUEST, _RESPONSE = 0xE0, 0x60
_SIGNED, _ALL = 0x01, 0xFF  # the request's parameters: signed, and all blocks
_DMTF = 0x01
_DIGEST = 0x7F  # the highest type of a value that is a digest; above: as raw bytes
_BLOCK_SIZE = 3 + MEASUREMENT_SIZE
_BLOCK = struct.Struct("<BBHBH48s")  # all of them alike: a call a field would take longer than the signature
_SIGNATURE_SIZE = 96
_SCHEME = ec.ECDSA(SHA384())

_DRIVER, _FIRMWARE, _NVDEC, _FIRMWARE_ID = 3, 6, 11, 20
_GPU_FIRMWARE_SIZE = 8
_NVDEC_OFF = b"\x55"
_DECODER = frozenset({36})


@dataclass(frozen=True, slots=True)
class Report:
    """A request and the response to it, not to be believed before chain and signature are verified::

        struct {                                           integers little-endian
            u8 version = 0x11, code = 0xE0, param1 = 1, param2 = 0xFF;  u8 nonce[32];  u8 slot = 0;
            u8 version = 0x11, code = 0x60, param1, param2;
            u8 count;  u24 size;
            struct { u8 index;  u8 specification = 1;  u16 size = 51;  u8 type;  u16 size = 48;  u8 value[48]; }[count];
            u8 nonce[32];  u16 size;
            struct { u16 type;  u16 size;  u8 value[size]; } opaque[];
            u8 signature[96];                              r and s, big-endian, over all that comes before
        }

    ``nonce`` (32 bytes) is the verifier's. ``measurements`` (48 bytes each) are by the index of their block, from 1;
    ``opaque`` is by type.
    """

    nonce: bytes
    measurements: Mapping[int, bytes] = field(repr=False)
    opaque: Mapping[int, bytes] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Report:
        """Raises :class:`DecodeError`, or :class:`UnsupportedError` for another version of SPDM."""
        if len(data) > MAX_REPORT:
            raise DecodeError(_WHAT, f"over {MAX_REPORT} bytes")
        return Reader.all(data, _WHAT, lambda reader: cls._read(reader, data))

    @classmethod
    # req: privproc1/4.11 report-layout
    def _read(cls, reader: Reader, data: bytes) -> Report:
        _message(reader, _REQUEST)
        if reader.take(2) != bytes((_SIGNED, _ALL)):
            raise reader.fail("not a request for all measurements, signed")
        nonce = reader.take(NONCE_SIZE)
        if reader.u8():
            raise reader.fail("not the first slot of certificates")
        _message(reader, _RESPONSE)
        reader.take(2)  # the number of blocks, which a request for all of them leaves zero; the slot
        measurements = _measurements(reader)
        reader.take(NONCE_SIZE)  # the responder's own
        opaque = _opaque(reader)
        signed = data[: reader.offset]
        return cls(nonce, measurements, opaque, signed, reader.take(_SIGNATURE_SIZE))

    @property
    def driver(self) -> str:
        """The driver's version, such as ``550.90.07``; empty where it isn't stated, as by switches."""
        return _text(self.opaque.get(_DRIVER, b""))

    @property
    def firmware(self) -> str:
        """The version of VBIOS or BIOS, such as ``96.00.9F.00.01``: eight bytes of a GPU, text of a switch."""
        raw = self.opaque.get(_FIRMWARE, b"")
        if len(raw) != _GPU_FIRMWARE_SIZE:
            return _text(raw)
        return ".".join(f"{part:02X}" for part in (*raw[3::-1], raw[4]))

    @property
    def firmware_id(self) -> bytes:
        """What the device states of the firmware that its key is derived from (48 bytes); empty if it doesn't."""
        return self.opaque.get(_FIRMWARE_ID, b"")

    @property
    def void(self) -> frozenset[int]:
        """Indexes (from 1) whose measurement means nothing: that of a video decoder which the report says is off."""
        return _DECODER if self.opaque.get(_NVDEC) == _NVDEC_OFF else frozenset()

    def verify(self, key: ec.EllipticCurvePublicKey) -> None:
        """Raise :class:`SignatureError` unless ``key`` (P-384) signed this: ECDSA with SHA-384."""
        half = _SIGNATURE_SIZE // 2
        r, s = (int.from_bytes(part, "big") for part in (self.signature[:half], self.signature[half:]))
        try:
            key.verify(encode_dss_signature(r, s), self.signed, _SCHEME)
        except InvalidSignature:
            raise SignatureError(f"{_WHAT}: signature doesn't verify") from None


def _message(reader: Reader, code: int) -> None:
    if reader.u8() != _VERSION:
        raise UnsupportedError(f"{_WHAT}: not SPDM 1.1")
    if reader.u8() != code:
        raise reader.fail("not a request for measurements and the response")


def _little(reader: Reader, size: int) -> int:
    return int.from_bytes(reader.take(size), "little")


def _measurements(reader: Reader) -> Mapping[int, bytes]:
    count = reader.u8()
    if not count or _little(reader, 3) != count * _BLOCK.size:
        raise reader.fail("the blocks don't fill their record")
    found: dict[int, bytes] = {}
    for index, specification, size, kind, length, value in _BLOCK.iter_unpack(reader.take(count * _BLOCK.size)):
        if (specification, size, length) != (_DMTF, _BLOCK_SIZE, MEASUREMENT_SIZE) or kind > _DIGEST:
            raise reader.fail("a block that isn't a SHA-384 digest in DMTF's form")
        if index in found or not 0 < index < _ALL:
            raise reader.fail("a block's index is out of range or comes twice")
        found[index] = value
    return MappingProxyType(found)


def _opaque(reader: Reader) -> Mapping[int, bytes]:
    found: dict[int, bytes] = {}
    end = _little(reader, 2) + reader.offset
    while reader.offset < end:
        kind, size = _little(reader, 2), _little(reader, 2)
        if kind in found:
            raise reader.fail("opaque data of one type comes twice")
        found[kind] = reader.take(size)
    if reader.offset != end:
        raise reader.fail("opaque data goes past its end")
    return MappingProxyType(found)


def _text(raw: bytes) -> str:
    """ASCII, with or without the zero that ends it in C."""
    try:
        return raw.removesuffix(b"\0").decode("ascii")
    except UnicodeDecodeError:
        raise DecodeError(_WHAT, "a version is not ASCII") from None

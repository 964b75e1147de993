"""The attestation document of a Nitro enclave: a COSE_Sign1 message without tag, around a CBOR map (AP §2.2, §3.2).

The payload's map has its keys in another order than deterministic CBOR; the received bytes are what was signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from privproc.cose import ALG, ES384, Sign1, Value, decode_foreign
from privproc.errors import DecodeError, UnsupportedError

__all__ = ["MAX_BUNDLE", "MAX_DOCUMENT", "PCR_COUNT", "PCR_SIZE", "Document"]

MAX_DOCUMENT = 16384 + 256
"""Bytes of the longest document: a payload of up to 16384, with header and signature (AP §3.1)."""

MAX_BUNDLE = 8
"""Certificates in the bundle, at most; Amazon's have four."""

PCR_COUNT = 32
PCR_SIZE = 48
"""Bytes of a platform configuration register: SHA-384."""

_WHAT = "attestation document"
_REQUIRED = {"module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"}
_OPTIONAL = {"public_key", "user_data", "nonce"}
_MAX_CERTIFICATE = 1024
_MAX_DATA = 1024
_MAX_MODULE_ID = 255


@dataclass(frozen=True, slots=True)
class Document:
    """What the document says, not to be believed before its chain and signature are verified::

        { "module_id": tstr, "digest": "SHA384", "timestamp": uint, "pcrs": { 1*32 (0..31) => bstr .size 48 },
          "certificate": bstr .size (1..1024), "cabundle": [ 1*8 bstr .size (1..1024) ],
          ? "public_key": bstr / null, ? "user_data": bstr / null, ? "nonce": bstr / null }   up to 1024 bytes each

    ``timestamp`` is in milliseconds since 1970, ``cabundle`` is ordered from the root. An optional field that is null
    or absent is ``b""``, since an empty one says no more. ``message`` keeps the bytes that were signed.
    """

    module_id: str
    timestamp: int
    pcrs: Mapping[int, bytes]
    certificate: bytes = field(repr=False)
    cabundle: tuple[bytes, ...] = field(repr=False)
    public_key: bytes = field(repr=False)
    user_data: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    message: Sign1 = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Document:
        """Raises :class:`DecodeError`, or :class:`UnsupportedError` for other headers, digests or algorithms."""
        if len(data) > MAX_DOCUMENT:
            raise DecodeError(_WHAT, f"over {MAX_DOCUMENT} bytes")
        message = Sign1.decode(data, _WHAT)
        if dict(message.headers) != {ALG: ES384}:
            raise UnsupportedError(f"{_WHAT}: protected header is not ES384 alone")
        fields = decode_foreign(message.payload, _WHAT)
        if not isinstance(fields, dict) or not _REQUIRED <= fields.keys() <= _REQUIRED | _OPTIONAL:
            raise DecodeError(_WHAT, "not a map of the known fields")
        if fields["digest"] != "SHA384":
            raise UnsupportedError(f"{_WHAT}: digest is not SHA384")
        return cls(
            module_id=_text(fields["module_id"]),
            timestamp=_timestamp(fields["timestamp"]),
            pcrs=_pcrs(fields["pcrs"]),
            certificate=_bytes(fields["certificate"], "certificate", 1, _MAX_CERTIFICATE),
            cabundle=_bundle(fields["cabundle"]),
            public_key=_data(fields, "public_key"),
            user_data=_data(fields, "user_data"),
            nonce=_data(fields, "nonce"),
            message=message,
        )


def _text(value: Value) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_MODULE_ID:
        raise DecodeError(_WHAT, f"module_id is not text of 1 to {_MAX_MODULE_ID} characters")
    return value


def _timestamp(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise DecodeError(_WHAT, "timestamp is not a positive integer")
    return value


def _pcrs(value: Value) -> Mapping[int, bytes]:
    if not isinstance(value, dict) or not 0 < len(value) <= PCR_COUNT:
        raise DecodeError(_WHAT, f"pcrs are not a map of 1 to {PCR_COUNT}")
    if not all(isinstance(index, int) and 0 <= index < PCR_COUNT for index in value):
        raise DecodeError(_WHAT, "PCR index out of range")
    return MappingProxyType({index: _bytes(pcr, "PCR", PCR_SIZE, PCR_SIZE) for index, pcr in value.items()})


def _bundle(value: Value) -> tuple[bytes, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_BUNDLE:
        raise DecodeError(_WHAT, f"cabundle is not an array of 1 to {MAX_BUNDLE}")
    return tuple(_bytes(item, "cabundle", 1, _MAX_CERTIFICATE) for item in value)


def _data(fields: Mapping[int | str, Value], name: str) -> bytes:
    value = fields.get(name)
    return b"" if value is None else _bytes(value, name, 0, _MAX_DATA)


def _bytes(value: Value, name: str, at_least: int, at_most: int) -> bytes:
    if not isinstance(value, bytes) or not at_least <= len(value) <= at_most:
        raise DecodeError(_WHAT, f"{name} is not {at_least} to {at_most} bytes")
    return value

"""The Conceptual Message Wrapper of RATS (RFC 9999): evidence, endorsements and others, with their types around them.

A record is an array, ``[type, value, ?ind]``, in JSON or CBOR; a tag is CBOR's short form of one; a collection has
labels and more of these. It protects nothing: whoever carries a collection can take parts out, add parts, and swap
them. What binds the parts to one another is in the parts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from types import MappingProxyType
from typing import Final, NoReturn, TypeAlias

from privproc import base64url, cose, strictjson
from privproc.attestation.der import OCTET_STRING, Element
from privproc.errors import DecodeError, UnsupportedError, UsageError
from privproc.wire import Writer

__all__ = [
    "EXTENSION",
    "MAX_DEPTH",
    "MAX_PARTS",
    "MAX_SIZE",
    "Cmw",
    "Collection",
    "Indicator",
    "Record",
    "Tag",
    "decode",
    "decode_extension",
    "encode_cbor",
    "encode_json",
]

MAX_SIZE: Final = 1 << 18
"""Bytes of the longest wrapper that is read."""
MAX_DEPTH: Final = 4
"""Collections in one another, at most."""
MAX_PARTS: Final = 256
"""Labels of one collection, at most."""
EXTENSION: Final = bytes.fromhex("2b06010505070123")
"""Content of id-pe-cmw, 1.3.6.1.5.5.7.1.35: the X.509 extension that carries a wrapper (RFC 9999 §5)."""

_WHAT: Final = "CMW"
_TYPE_LABEL: Final = "__cmwc_t"
_FIRST_TAG, _LAST_TAG = 1668546817, 1668612095  # what TN() of RFC 9277 §4.3 makes of content formats 0 to 65024
_MAX_TEXT = 255
_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*"  # RFC 6838 §4.2
_PARAMETER = (
    rf'[ \t]*;[ \t]*{_NAME}=(?:[A-Za-z0-9!#$%&\'*+.^_`|~-]+|"[^"\\\x00-\x1f\x7f-\U0010ffff]*")'  # RFC 9110 §5.6.6
)
_MEDIA_TYPE = re.compile(rf"{_NAME}/{_NAME}(?:{_PARAMETER})*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_OID = re.compile(r"[0-2](?:\.(?:0|[1-9][0-9]*))*")
_UTF8_STRING = 0x0C
_UINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG = 0, 2, 3, 4, 5, 6


class Indicator(IntFlag):
    """What a value is, where its type leaves it open (RFC 9999, ``ind``)."""

    REFERENCE_VALUES = 1
    ENDORSEMENTS = 2
    EVIDENCE = 4
    ATTESTATION_RESULTS = 8


_ALL_BITS = 15


@dataclass(frozen=True, slots=True)
class Record:
    """``[type, value, ?ind]``: a media type, or in CBOR a CoAP content format (uint16) too, and the message's bytes.

    Raises :class:`UsageError` for a type that is neither, and for an indicator without a bit.
    """

    type: str | int
    value: bytes = field(repr=False)
    indicator: Indicator | None = None

    def __post_init__(self) -> None:
        if isinstance(self.type, str):
            good = len(self.type) <= _MAX_TEXT and _MEDIA_TYPE.fullmatch(self.type) is not None
        else:
            good = not isinstance(self.type, bool) and 0 <= self.type <= 0xFFFF
        if not good:
            raise UsageError("a record's type is a media type or a content format")
        if self.indicator is not None and not 0 < self.indicator <= _ALL_BITS:
            raise UsageError("an indicator has one of four bits at least")


@dataclass(frozen=True, slots=True)
class Tag:
    """A content format (0 to 65024) as the tag of a byte string; CBOR only. Raises :class:`UsageError` for others."""

    content_format: int
    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.content_format <= 65024:
            raise UsageError("a content format with a tag is 0 to 65024")

    @property
    def number(self) -> int:
        """The tag's number: ``TN(ct) = 1668546817 + (ct / 255) * 256 + ct % 255`` (RFC 9277 §4.3)."""
        return _FIRST_TAG + self.content_format // 255 * 256 + self.content_format % 255


@dataclass(frozen=True, slots=True)
class Collection:
    """Labels and what they stand for; ``type`` is a URI or an OID in dots, empty for none.

    Labels are text, in CBOR integers too. Raises :class:`UsageError` for an empty collection, one of over
    :data:`MAX_PARTS` labels, a label that is reserved, or another type.
    """

    parts: Mapping[int | str, Cmw]
    type: str = ""

    def __post_init__(self) -> None:
        if not 0 < len(self.parts) <= MAX_PARTS:
            raise UsageError(f"a collection has 1 to {MAX_PARTS} parts")
        if any(label == _TYPE_LABEL or isinstance(label, bool) for label in self.parts):
            raise UsageError("a label that is reserved or no label")
        if self.type and (len(self.type) > _MAX_TEXT or not (_URI.fullmatch(self.type) or _OID.fullmatch(self.type))):
            raise UsageError("a collection's type is a URI or an OID")
        object.__setattr__(self, "parts", MappingProxyType(dict(self.parts)))


Cmw: TypeAlias = "Record | Tag | Collection"


def decode(data: bytes) -> Cmw:
    """The wrapper in ``data``, JSON or CBOR, told apart by the first byte as in RFC 9999.

    Raises :class:`DecodeError` for what is neither, malformed, larger or deeper than this module's bounds, or followed
    by anything; :class:`UnsupportedError` for bits of the indicator and tags that the RFC doesn't have.
    """
    if len(data) > MAX_SIZE:
        raise DecodeError(_WHAT, f"over {MAX_SIZE} bytes")
    if data[:1] in (b"[", b"{"):
        return _from_json(strictjson.decode(data, _WHAT), 0)
    value, end = _from_cbor(data, 0, 0)
    if end != len(data):
        raise DecodeError(_WHAT, f"{len(data) - end} trailing bytes", end)
    return value


def decode_extension(value: bytes) -> Cmw:
    """The wrapper in an X.509 extension: ``CMW ::= CHOICE { json UTF8String, cbor OCTET STRING }``.

    Raises as :func:`decode`, also for a choice that isn't what it holds.
    """
    element = Element.decode(value, _WHAT)
    content = element.content
    is_json = content[:1] in (b"[", b"{")
    if element.tag not in (_UTF8_STRING, OCTET_STRING) or (element.tag == _UTF8_STRING) != is_json:
        raise element.fail("not JSON as text or CBOR as bytes")
    return decode(content)


def encode_cbor(value: Cmw) -> bytes:
    """The deterministic CBOR of ``value``. Raises :class:`UsageError` for over :data:`MAX_DEPTH` levels."""
    return _to_cbor(value, 0)


def encode_json(value: Cmw) -> bytes:
    """The JSON of ``value``. Raises :class:`UsageError` for what only CBOR has: tags, numbers as types or labels."""
    return json.dumps(_to_json(value, 0), separators=(",", ":")).encode()


def _refuse(error: UsageError) -> NoReturn:
    raise DecodeError(_WHAT, str(error)) from None


def _record(kind: object, value: object, ind: object, *, numbers: bool) -> Record:
    """The record of parts that were read; ``numbers``: whether content formats may stand for media types."""
    if not isinstance(kind, str) and not (numbers and isinstance(kind, int)):
        raise DecodeError(_WHAT, "a record's type is of another kind")
    if not isinstance(value, bytes):
        raise DecodeError(_WHAT, "a record's value is not bytes")
    if ind is not None and (isinstance(ind, bool) or not isinstance(ind, int) or ind < 1):
        raise DecodeError(_WHAT, "not an indicator")
    if isinstance(ind, int) and ind > _ALL_BITS:
        raise UnsupportedError(f"{_WHAT}: bits of the indicator")
    try:
        return Record(kind, value, Indicator(ind) if isinstance(ind, int) else None)
    except UsageError as error:
        _refuse(error)


def _collection(parts: Mapping[int | str, Cmw], kind: object) -> Collection:
    if not isinstance(kind, str) or (kind and not parts):
        raise DecodeError(_WHAT, "not a collection")
    try:
        return Collection(parts, kind)
    except UsageError as error:
        _refuse(error)


def _deeper(depth: int) -> int:
    if depth == MAX_DEPTH:
        raise DecodeError(_WHAT, f"over {MAX_DEPTH} collections in one another")
    return depth + 1


def _from_json(value: object, depth: int) -> Cmw:
    if isinstance(value, list):
        if len(value) not in (2, 3):
            raise DecodeError(_WHAT, "not a record")
        if len(value) == 3 and value[2] is None:
            raise DecodeError(_WHAT, "not an indicator")
        if not isinstance(value[1], str):
            raise DecodeError(_WHAT, "a value is not base64url")
        return _record(value[0], base64url.decode(value[1], _WHAT), (*value, None)[2], numbers=False)
    if not isinstance(value, dict):
        raise DecodeError(_WHAT, "neither a record nor a collection")
    below = _deeper(depth)
    parts: dict[int | str, Cmw] = {
        label: _from_json(each, below) for label, each in value.items() if label != _TYPE_LABEL
    }
    return _collection(parts, _stated(value[_TYPE_LABEL]) if _TYPE_LABEL in value else "")


def _stated(kind: object) -> object:
    """A type that is stated must not be the empty text that stands for none."""
    if kind == "":
        raise DecodeError(_WHAT, "an empty type")
    return kind


def _to_json(value: Cmw, depth: int) -> object:
    if isinstance(value, Record):
        if not isinstance(value.type, str):
            raise UsageError("JSON has no content formats")
        ind = [] if value.indicator is None else [int(value.indicator)]
        return [value.type, base64url.encode(value.value), *ind]
    if isinstance(value, Tag):
        raise UsageError("JSON has no tags")
    if depth == MAX_DEPTH or not all(isinstance(label, str) for label in value.parts):
        raise UsageError("too deep, or a label that JSON doesn't have")
    head = {_TYPE_LABEL: value.type} if value.type else {}
    return {**head, **{str(label): _to_json(each, depth + 1) for label, each in value.parts.items()}}


def _from_cbor(data: bytes, start: int, depth: int) -> tuple[Cmw, int]:
    """The wrapper at ``start``, and the offset behind it."""
    major, argument, end = cose.read_head(data, start, _WHAT)
    if major == _ARRAY:
        return _cbor_record(data, end, argument)
    if major == _TAG:
        if not _FIRST_TAG <= argument <= _LAST_TAG or (argument - _FIRST_TAG) % 256 == 255:
            raise UnsupportedError(f"{_WHAT}: a tag that is no content format's")
        content_format = (argument - _FIRST_TAG) // 256 * 255 + (argument - _FIRST_TAG) % 256
        value, end = _leaf(data, end)
        if not isinstance(value, bytes):
            raise DecodeError(_WHAT, "a tag of something else than bytes", start)
        return Tag(content_format, value), end
    if major != _MAP or argument > MAX_PARTS + 1:
        raise DecodeError(_WHAT, "neither a record, nor a tag, nor a collection", start)
    return _cbor_collection(data, end, argument, _deeper(depth))


def _cbor_record(data: bytes, start: int, count: int) -> tuple[Record, int]:
    if count not in (2, 3):
        raise DecodeError(_WHAT, "not a record", start)
    fields: list[object] = []
    for _ in range(count):
        value, start = _leaf(data, start)
        fields.append(value)
    return _record(fields[0], fields[1], (*fields, None)[2], numbers=True), start


def _cbor_collection(data: bytes, start: int, count: int, depth: int) -> tuple[Collection, int]:
    parts: dict[int | str, Cmw] = {}
    kind: object = ""
    seen = set()
    for _ in range(count):
        label, start = _leaf(data, start, labels=True)
        if isinstance(label, bytes) or label in seen:
            raise DecodeError(_WHAT, "a label that is no label, or comes twice", start)
        seen.add(label)
        if label == _TYPE_LABEL:
            kind, start = _leaf(data, start)
            kind = _stated(kind)
        else:
            parts[label], start = _from_cbor(data, start, depth)
    return _collection(parts, kind), start


def _leaf(data: bytes, start: int, *, labels: bool = False) -> tuple[int | str | bytes, int]:
    """An unsigned integer (as a label, a negative one too), text or bytes, and the offset behind it."""
    major, argument, end = cose.read_head(data, start, _WHAT)
    if major == _UINT:
        return argument, end
    if major == 1 and labels:
        return -1 - argument, end
    if major not in (_BYTES, _TEXT):
        raise DecodeError(_WHAT, "not an integer, text or bytes", start)
    if argument > len(data) - end:
        raise DecodeError(_WHAT, "truncated", start)
    raw = data[end : end + argument]
    if major == _BYTES:
        return raw, end + argument
    try:
        return raw.decode(), end + argument
    except UnicodeDecodeError:
        raise DecodeError(_WHAT, "text that isn't UTF-8", start) from None


def _to_cbor(value: Cmw, depth: int) -> bytes:
    if isinstance(value, Record):
        ind = [] if value.indicator is None else [int(value.indicator)]
        return cose.encode([value.type, value.value, *ind])
    if isinstance(value, Tag):
        return b"\xda" + value.number.to_bytes(4, "big") + cose.encode(value.value)
    if depth == MAX_DEPTH:
        raise UsageError("too many collections in one another")
    items = {cose.encode(label): _to_cbor(each, depth + 1) for label, each in value.parts.items()}
    if value.type:
        items[cose.encode(_TYPE_LABEL)] = cose.encode(value.type)
    writer = Writer().raw(_map_head(len(items)))
    for label in sorted(items):
        writer.raw(label).raw(items[label])
    return writer.done()


def _map_head(count: int) -> bytes:
    """The head of a map of up to 257 entries, in its shortest form."""
    if count < 24:
        return bytes((0xA0 + count,))
    return bytes((0xB8, count)) if count <= 0xFF else b"\xb9" + count.to_bytes(2, "big")

"""CBOR that others have written, with tags and floats (RFC 8949), which :mod:`privproc.cose` leaves out.

One pass over the bytes, without cbor2: definite lengths and preferred serialisation, as the constrained device profile
of RFC 9711 §6.4 has them, keys of maps in any order and none twice. Only floats may be longer than need be, since not
every maker of an EAT has short ones. Such a value has several encodings, so whoever verifies a signature keeps the
received bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from privproc import cose
from privproc.errors import DecodeError

__all__ = ["MAX_DEPTH", "MAX_SIZE", "Tagged", "Value", "decode"]

MAX_SIZE: Final = 1 << 18
"""Bytes of the longest encoding that is read."""
MAX_DEPTH: Final = 16
"""How many arrays, maps and tags may be nested in one another."""

_SIMPLE: Final = {0xF4: False, 0xF5: True, 0xF6: None}
_FLOATS: Final = {0xF9: ">e", 0xFA: ">f", 0xFB: ">d"}


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag's ``number`` and what it says more about."""

    number: int
    content: Value = field(repr=False)


Value: TypeAlias = "int | bytes | str | bool | float | Sequence[Value] | Mapping[int | str, Value] | Tagged | None"
"""What can be read. Arrays decode as ``list``, maps as ``dict``."""


def decode(data: bytes, what: str) -> Value:
    """The one value that ``data`` encodes; ``what`` names it in errors.

    Raises :class:`DecodeError` for indefinite lengths, longer forms than needed, map keys that repeat or are neither
    integers nor text, simple values other than false, true and null, more than :data:`MAX_DEPTH` levels, more than
    :data:`MAX_SIZE` bytes, truncated and trailing bytes, bad UTF-8.
    """
    if len(data) > MAX_SIZE:
        raise DecodeError(what, f"more than {MAX_SIZE} bytes")
    value, end = _item(data, 0, what, 0)
    if end != len(data):
        raise DecodeError(what, f"{len(data) - end} trailing bytes", end)
    return value


def _item(data: bytes, start: int, what: str, depth: int) -> tuple[Value, int]:
    """The value at ``start``, and the offset behind it."""
    first = data[start] if start < len(data) else 0
    if first >> 5 == 7:
        return _simple_or_float(data, start, what)
    major, argument, end = cose.read_head(data, start, what)
    if major <= 1:
        return -1 - argument if major else argument, end
    # Every element takes a byte at least, so that no count is believed that the bytes can't hold.
    if major != 6 and argument * (2 if major == 5 else 1) > len(data) - end:
        raise DecodeError(what, "truncated", start)
    if major <= 3:
        raw = data[end : end + argument]
        return raw if major == 2 else _text(raw, start, what), end + argument
    if depth == MAX_DEPTH:
        raise DecodeError(what, "nested too deeply", start)
    if major == 6:
        content, end = _item(data, end, what, depth + 1)
        return Tagged(argument, content), end
    return (_array if major == 4 else _map)(data, end, what, argument, depth + 1)


def _text(raw: bytes, start: int, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise DecodeError(what, "text that isn't UTF-8", start) from None


def _array(data: bytes, start: int, what: str, count: int, depth: int) -> tuple[list[Value], int]:
    items = []
    for _ in range(count):
        item, start = _item(data, start, what, depth)
        items.append(item)
    return items, start


def _map(data: bytes, start: int, what: str, count: int, depth: int) -> tuple[dict[int | str, Value], int]:
    entries: dict[int | str, Value] = {}
    for _ in range(count):
        key, end = _item(data, start, what, depth)
        # 1 and true are one key to Python, and two to everybody else.
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise DecodeError(what, "a map key that isn't an integer or text", start)
        if key in entries:
            raise DecodeError(what, "map keys repeat", start)
        entries[key], start = _item(data, end, what, depth)
    return entries, start


def _simple_or_float(data: bytes, start: int, what: str) -> tuple[Value, int]:
    first = data[start]
    if first in _SIMPLE:
        return _SIMPLE[first], start + 1
    if first not in _FLOATS:
        raise DecodeError(what, "a simple value other than false, true and null", start)
    layout = _FLOATS[first]
    end = start + 1 + struct.calcsize(layout)
    if end > len(data):
        raise DecodeError(what, "truncated", start)
    (value,) = struct.unpack(layout, data[start + 1 : end])
    return value, end

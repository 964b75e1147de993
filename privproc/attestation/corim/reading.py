"""What the readers of this package share: maps with numbered members, and the simple types in them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar

from privproc.attestation.cbor import Tagged
from privproc.attestation.oids import decode_oid
from privproc.errors import DecodeError, UnsupportedError

__all__ = ["MAX_ITEMS", "OID", "UUID", "WHAT", "array", "binary", "members", "tagged", "text", "unsigned", "uri"]

T = TypeVar("T")

WHAT: Final = "CoRIM"
MAX_ITEMS: Final = 4096
"""Elements of an array, at most."""

OID, UUID, _URI = 111, 37, 32


def members(value: object, required: Collection[int], optional: Collection[int] = ()) -> dict[int | str, Any]:
    """A map that isn't empty and has ``required``; :class:`UnsupportedError` for members that nobody here knows.

    The draft leaves room for extensions, and a profile says what they mean. What isn't understood may restrict what is.
    """
    if not isinstance(value, dict) or not value or not value.keys() >= set(required):
        raise DecodeError(WHAT, "not a map with what it must have")
    if not value.keys() <= {*required, *optional}:
        raise UnsupportedError(f"{WHAT}: an extension of a map")
    return value


def array(value: object, read: Callable[[object], T]) -> tuple[T, ...]:
    """An array that isn't empty."""
    if not isinstance(value, list) or not 0 < len(value) <= MAX_ITEMS:
        raise DecodeError(WHAT, f"not an array of 1 to {MAX_ITEMS}")
    return tuple(map(read, value))


def text(value: object) -> str:
    """Text."""
    if not isinstance(value, str):
        raise DecodeError(WHAT, "not text")
    return value


def unsigned(value: object) -> int:
    """An integer from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise DecodeError(WHAT, "not an unsigned integer")
    return value


def binary(value: object, *sizes: int) -> bytes:
    """A byte string, of one of these sizes if there are any."""
    if not isinstance(value, bytes) or (sizes and len(value) not in sizes):
        raise DecodeError(WHAT, "not a byte string of its size")
    return value


def tagged(value: object, tags: Collection[int]) -> Tagged:
    """One of these ``tags``, around what it demands: text for keys and certificates in PEM, else a byte string."""
    if not isinstance(value, Tagged):
        raise DecodeError(WHAT, "not a tag")
    if value.number not in tags:
        raise UnsupportedError(f"{WHAT}: a tag that isn't known here")
    if value.number in _SIZES:
        binary(value.content, *_SIZES[value.number])
    elif value.number == OID:
        decode_oid(binary(value.content))
    else:
        (text if value.number in _PEM else binary)(value.content)
    return value


_SIZES = {UUID: (16,), 550: tuple(range(7, 34))}  # a UEID has 7 to 33 bytes
_PEM = (554, 555, 556)


def uri(value: object) -> str:
    """A URI, below its tag (RFC 8949 §3.4.5.3)."""
    if not isinstance(value, Tagged) or value.number != _URI:
        raise DecodeError(WHAT, "not a URI")
    return text(value.content)

"""Members of JSON objects that logs answer with: each of the one type that it must have."""

from __future__ import annotations

import binascii
from collections.abc import Mapping

from privproc.errors import DecodeError
from privproc.ledger import merkle

__all__ = ["read_hash", "read_number", "read_object", "read_text"]


def read_object(parent: Mapping[str, object], name: str, what: str) -> dict[str, object]:
    """The object ``name``. Raises :class:`DecodeError`, as the others do."""
    value = parent.get(name)
    if not isinstance(value, dict):
        raise DecodeError(what, f"{name} is not an object")
    return value


def read_text(parent: Mapping[str, object], name: str, what: str) -> str:
    """The text ``name``, which UTF-8 has."""
    value = parent.get(name)
    try:
        if isinstance(value, str) and value.encode():
            return value
    except UnicodeEncodeError:
        pass
    raise DecodeError(what, f"{name} is not text")


def read_number(parent: Mapping[str, object], name: str, what: str) -> int:
    """The number ``name``, from 0 to 2^53 - 1: what every reader of JSON has without loss."""
    value = parent.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
        raise DecodeError(what, f"{name} is not a number from 0 to 2^53 - 1")
    return value


def read_hash(parent: Mapping[str, object], name: str, what: str) -> bytes:
    """The 32 bytes in lower-case hex that ``name`` is."""
    value = parent.get(name)
    try:
        data = binascii.unhexlify(value) if isinstance(value, str) and value == value.lower() else b""
    except ValueError:
        data = b""
    if len(data) != merkle.HASH_SIZE:
        raise DecodeError(what, f"{name} is not 32 bytes in lower-case hex")
    return data

"""What is given to inspect: a file or standard input, and the encodings that its bytes may be in."""

from __future__ import annotations

import base64
import binascii
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from privproc.errors import LimitError

__all__ = ["ENCODINGS", "MAX_INPUT", "Reading", "read_input", "readings"]

MAX_INPUT = 1 << 25
"""Bytes that are read: above the largest message of any format."""

ENCODINGS = ("hex", "base64", "base64url", "pem", "raw")

_HEX = re.compile(rb"(?:0[xX])?[0-9a-fA-F\s:]+")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+={0,2}\s*")
_BASE64URL = re.compile(rb"[A-Za-z0-9_\-\s]+={0,2}\s*")
_BEGIN = b"-----BEGIN "
_TEXT = bytes(range(0x20, 0x7F)) + b"\t\n\r"
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----([^-]*)(-----END \1-----)?")


@dataclass(frozen=True, slots=True)
class Reading:
    """Bytes, and the encoding that they were in.

    ``label``: what a PEM block says that it is. ``damaged``: it isn't whole, or not base64; ``data`` is its text then.
    """

    encoding: str
    data: bytes = field(repr=False)
    label: str = ""
    damaged: bool = False


def read_input(path: str) -> bytes:
    """The bytes of a file, or of standard input for ``-``. Raises :class:`OSError`, and :class:`LimitError`."""
    if path == "-":
        data = sys.stdin.buffer.read(MAX_INPUT + 1)
    else:
        with Path(path).open("rb") as file:
            data = file.read(MAX_INPUT + 1)
    if len(data) > MAX_INPUT:
        raise LimitError(f"input: more than {MAX_INPUT} bytes")
    return data


def readings(text: bytes, encoding: str | None) -> Sequence[Reading]:
    """What ``text`` can be an encoding of, in the order in which to try; with ``encoding``, in that one only.

    Empty if it isn't in the demanded one. Text that looks like hexadecimal is base64 as well, and anything is raw.
    """
    return [reading for name in ENCODINGS if encoding in (None, name) for reading in _decode(text, name)]


def _decode(text: bytes, encoding: str) -> list[Reading]:
    if encoding == "raw":
        return [Reading("raw", text)]
    if encoding == "pem":
        return _blocks(text)
    if encoding == "hex":
        digits = b"".join(text.removeprefix(b"0x").removeprefix(b"0X").replace(b":", b"").split())
        if not _HEX.fullmatch(text) or not digits or len(digits) % 2:
            return []
        return [Reading("hex", binascii.unhexlify(digits))]
    pattern, letters = (_BASE64, b"+/") if encoding == "base64" else (_BASE64URL, b"-_")
    data = _base64(text, letters) if pattern.fullmatch(text) else None
    return [Reading(encoding, data)] if data else []


def _blocks(text: bytes) -> list[Reading]:
    """PEM's. Only in text: a TDX quote has PEM inside. JSON may have, too, with its ends of lines escaped: then the
    blocks are no PEM, of which nothing is damaged.
    """
    if text.translate(None, _TEXT):
        return []
    found = []
    for block in _PEM.finditer(text):
        data = _base64(block[2], b"+/") if block[3] else None
        found.append(Reading("pem", data or block[2], block[1].decode(), damaged=not data))
    return found if text.lstrip().startswith(_BEGIN) or not all(each.damaged for each in found) else []


def _base64(text: bytes, letters: bytes) -> bytes | None:
    """The bytes of base64 with those two letters, padding or not; ``None`` if it isn't that."""
    joined = b"".join(text.split()).rstrip(b"=")
    try:
        return base64.b64decode(joined + b"=" * (-len(joined) % 4), altchars=letters, validate=True)
    except binascii.Error:
        return None

"""Object identifiers as CBOR carries them: the content of the DER encoding (RFC 9090 §2)."""

from __future__ import annotations

from typing import Final

from privproc.errors import DecodeError

__all__ = ["MAX_SIZE", "decode_oid"]

MAX_SIZE: Final = 64
"""Bytes of the longest identifier that is read."""


def decode_oid(data: bytes) -> str:
    """The identifier in dots, ``2.999.1``. Raises :class:`DecodeError` for another encoding (X.690 §8.19)."""
    if not 0 < len(data) <= MAX_SIZE or data[-1] & 0x80:
        raise DecodeError("OID", f"not 1 to {MAX_SIZE} bytes, or truncated")
    arcs, arc = [], 0
    for at, byte in enumerate(data):
        if not arc and byte == 0x80:
            raise DecodeError("OID", "an arc is not minimal", at)
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    root = min(arcs[0] // 40, 2)  # the first two arcs share a number
    return ".".join(map(str, (root, arcs[0] - 40 * root, *arcs[1:])))

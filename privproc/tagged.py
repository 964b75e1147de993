"""Tagged, injective hashing: ``lp`` and ``T`` of docs/protocol.md §1.

Every hash of privproc/1 is taken over length-prefixed fields behind a label, so that no two lists of fields, and no two
purposes, share an input.
"""

from __future__ import annotations

import functools
import hashlib

__all__ = ["LABEL", "lp", "tagged_hash"]

LABEL = b"privproc/1 "


def lp(field: bytes) -> bytes:
    """``uint32 length || field``."""
    return len(field).to_bytes(4, "big") + field


# req: privproc1/1 injective-hash
def tagged_hash(label: str, *fields: bytes) -> bytes:
    """``T(label, fields...)``: SHA-384 (48 bytes) over label, count, and each field with its length."""
    digest = hashlib.sha384(_head(label, len(fields)))
    for field in fields:
        digest.update(len(field).to_bytes(4, "big"))
        digest.update(field)
    return digest.digest()


@functools.cache
def _head(label: str, count: int) -> bytes:
    return lp(LABEL + label.encode("ascii")) + count.to_bytes(2, "big")

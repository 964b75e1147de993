"""HKDF (RFC 5869) over the standard library's one-shot HMAC, which is faster than objects for inputs this short."""

from __future__ import annotations

import hmac

from privproc.errors import UsageError

__all__ = ["expand", "extract"]

SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}


def extract(algorithm: str, salt: bytes, ikm: bytes) -> bytes:
    """HKDF-Extract (RFC 5869 §2.2): a pseudorandom key of the hash's size. ``algorithm``: sha256, sha384 or sha512."""
    return hmac.digest(salt or bytes(SIZES[algorithm]), ikm, algorithm)


def expand(algorithm: str, prk: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (RFC 5869 §2.3): ``length`` bytes, at most 255 blocks of the hash, else :class:`UsageError`."""
    if length <= SIZES[algorithm]:  # what key schedules ask for
        return hmac.digest(prk, info + b"\1", algorithm)[:length]
    blocks = -(-length // SIZES[algorithm])
    if blocks > 255:
        raise UsageError(f"HKDF-Expand gives at most {255 * SIZES[algorithm]} bytes")
    block, out = b"", b""
    for counter in range(1, blocks + 1):
        block = hmac.digest(prk, block + info + bytes((counter,)), algorithm)
        out += block
    return out[:length]

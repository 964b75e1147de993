"""EMSA-PSS encoding with SHA-384 and MGF1-SHA384 (RFC 8017 §9.1.1, §B.2.1).

Only the encoding: libraries sign and verify PSS, but none gives out the encoded message that a blind signature needs.
"""

from __future__ import annotations

from hashlib import sha384

from privproc.errors import UsageError

__all__ = ["encode"]

_HASH = 48
_COUNTERS = tuple(counter.to_bytes(4, "big") for counter in range(11))  # enough masks for a modulus of 4096 bits


def _mgf1(seed: bytes, size: int) -> bytes:
    """MGF1 (RFC 8017 §B.2.1): ``size`` bytes from ``seed``."""
    blocks = -(-size // _HASH)
    return b"".join(sha384(seed + counter).digest() for counter in _COUNTERS[:blocks])[:size]


def encode(message: bytes, bits: int, salt: bytes) -> bytes:
    """The encoded message ``EM`` of ``ceil(bits / 8)`` bytes, as an integer below ``2 ** bits``.

    ::

        EM = maskedDB || H || 0xbc
        H  = SHA-384(8 zero bytes || SHA-384(message) || salt)
        DB = zero bytes || 0x01 || salt,  masked with MGF1(H), leftmost 8 * len(EM) - bits bits cleared

    ``bits`` is one less than the modulus's length: RFC 9474 §4.2 writes ``bit_len(n)``, but its vectors, and the
    verification that it names (RFC 8017 §8.1.2), take ``modBits - 1``. When that is a multiple of 8, EM is one byte
    shorter than the modulus.

    Raises :class:`UsageError` when ``bits`` leaves no room (RFC 8017: "encoding error") or is over 4096.
    """
    size = -(-bits // 8)
    if size < _HASH + len(salt) + 2 or bits > 4096:
        raise UsageError(f"EMSA-PSS: {bits} bits with a salt of {len(salt)} bytes")
    digest = sha384(bytes(8) + sha384(message).digest() + salt).digest()
    room = size - _HASH - 1
    block = (b"\x01" + salt).rjust(room, b"\0")
    masked = int.from_bytes(block, "big") ^ int.from_bytes(_mgf1(digest, room), "big")
    masked &= (1 << (bits - 8 * (_HASH + 1))) - 1
    return masked.to_bytes(room, "big") + digest + b"\xbc"

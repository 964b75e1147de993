"""Hashing to curves (RFC 9380): ``expand_message_xmd``, and the simplified SWU map of the NIST curves.

Where what is hashed is the client's secret, the map takes constant time.
"""

from __future__ import annotations

import functools
import hashlib
from typing import NamedTuple

from privproc.errors import UsageError
from privproc.voprf.field import Number, from_bytes, inverse, maker

__all__ = ["Expander", "Sswu"]


class Expander:
    """``expand_message_xmd`` (RFC 9380 §5.3.1) with a hash, tag and output size that don't change.

    ``tag``: the domain separation tag, at most 255 bytes; ``size``: bytes of output, at most 255 hashes.
    """

    __slots__ = ("_name", "_size", "_start", "_suffix", "_tags")

    def __init__(self, name: str, tag: bytes, size: int) -> None:
        start = hashlib.new(name, usedforsecurity=True)
        blocks = -(-size // start.digest_size)
        if not 0 < len(tag) <= 255 or not 0 < blocks <= 255:
            raise UsageError("expand_message_xmd: tag or output too long")
        start.update(bytes(start.block_size))
        prime = tag + bytes((len(tag),))
        self._name = name
        self._size = size
        self._start = start
        self._suffix = size.to_bytes(2, "big") + b"\0" + prime
        self._tags = [bytes((block,)) + prime for block in range(1, blocks + 1)]

    def expand(self, message: bytes) -> bytes:
        """``size`` uniform bytes."""
        first = self._start.copy()
        first.update(message + self._suffix)
        mask = first.digest()
        width = len(mask)
        number = int.from_bytes(mask, "big")
        block = bytes(width)
        blocks = []
        for tag in self._tags:
            mixed = (number ^ int.from_bytes(block, "big")).to_bytes(width, "big")
            block = hashlib.new(self._name, mixed + tag).digest()
            blocks.append(block)
        return b"".join(blocks)[: self._size]


class _Field(NamedTuple):
    """The constants of a curve as one kind of number."""

    p: Number
    a: Number
    b: Number
    z: Number
    root_exponent: Number
    root_of_minus_z: Number


class Sswu:
    """The simplified Shallue-van de Woestijne-Ulas map onto ``y^2 = x^3 - 3 x + b`` over a prime ``p`` that is 3 modulo
    4 (RFC 9380 §6.6.2, in the straight-line form of its appendix F.2).

    ``z``: the curve's constant, negative. ``size``: ``L``, the bytes that one field element is reduced from.
    """

    __slots__ = ("_curve", "size")

    def __init__(self, p: int, b: int, z: int, size: int) -> None:
        self.size = size
        self._curve = p, b, z

    def points(self, uniform: bytes, *, public: bool) -> list[tuple[Number, Number]]:
        """``map_to_curve`` of both field elements in ``2 * size`` uniform bytes: two points, to be added."""
        field = _field(*self._curve, public=public)
        halves = uniform[: self.size], uniform[self.size :]
        return [_map(field, from_bytes(half, field.p, "big")) for half in halves]


@functools.cache
def _field(p: int, b: int, z: int, *, public: bool) -> _Field:
    make = maker(public=public)
    root = pow(-z, (p + 1) // 4, p)
    return _Field(make(p), make(p - 3), make(b), make(z % p), make((p - 3) // 4), make(root))


def _map(field: _Field, u: Number) -> tuple[Number, Number]:
    # No branch depends on u: what would be one is a choice between two values that both were computed. Products are
    # reduced when three have come together: a reduction costs more than a product.
    p, a, b, z = field.p, field.a, field.b, field.z
    t1 = u * u * z % p
    t2 = (t1 * t1 + t1) % p
    t3 = b * (t2 + 1) % p
    t4 = a * (p - t2, z)[int(t2 == 0)] % p
    t6 = t4 * t4 % p
    numerator = (t3 * t3 + a * t6) % p * t3
    t6 = t6 * t4 % p
    numerator = (numerator + b * t6) % p
    square, root = _root_of_ratio(field, numerator, t6)
    x = (t1 * t3 % p, t3)[square]
    y = (t1 * u * root % p, root)[square]
    y = (p - y, y)[int(u.is_odd() == y.is_odd())]
    return x * inverse(t4, p) % p, y


def _root_of_ratio(field: _Field, u: Number, v: Number) -> tuple[int, Number]:
    """``sqrt_ratio`` for ``p`` that is 3 modulo 4 (RFC 9380 F.2.1.2): ``(1, sqrt(u/v))``, else ``(0, sqrt(z*u/v))``."""
    p = field.p
    t = u * v % p
    root = pow(v * v * t % p, field.root_exponent, p) * t % p
    square = int(root * root * v % p == u)
    return square, (root * field.root_of_minus_z % p, root)[square]

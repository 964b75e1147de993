"""ristretto255 (RFC 9496) on pycryptodome's Ed25519 points: on every platform, about five times as slow as libsodium.

An element is a point of edwards25519, standing for all that differ from it by a point of order 4; sums and products
are those of the points, and only the encodings need this module's arithmetic. It runs on constant-time integers.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from privproc.errors import DecodeError
from privproc.voprf.field import Number, from_bytes, inverse, maker, to_bytes
from privproc.voprf.group import IntegerScalars, check_constant_time
from privproc.voprf.points import EccPoint, PointGroup

__all__ = ["IDENTITY", "ORDER", "Ed25519Ristretto"]

ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group (RFC 9496 §4)."""

IDENTITY = bytes(32)
"""How the identity is encoded."""

P = 2**255 - 19
_D = -121665 * pow(121666, -1, P) % P
_ROOT_M1 = pow(2, (P - 1) // 4, P)
_CURVE = "Ed25519"

_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BASE_Y = 4 * pow(5, -1, P) % P


def _even_root(number: int) -> int:
    """The root of a square that isn't negative, which here means even (RFC 9496 §4.1)."""
    root = pow(number, (P + 3) // 8, P)
    root = (root * _ROOT_M1 % P, root)[root * root % P == number]
    return (root, P - root)[root % 2]


class _Field(NamedTuple):
    """The constants of RFC 9496 §4.1 as one kind of number."""

    p: Number
    d: Number
    root_m1: Number
    exponent: Number
    root_ad_minus_1: Number
    inverse_root_a_minus_d: Number
    one_minus_d_squared: Number
    d_minus_1_squared: Number


@functools.cache
def _field(*, public: bool) -> _Field:
    make = maker(public=public)
    values = (
        _D,
        _ROOT_M1,
        (P - 5) // 8,
        P - _even_root((-_D - 1) % P),
        _even_root(pow(-1 - _D, -1, P)),
        (1 - _D * _D) % P,
        (_D - 1) ** 2 % P,
    )
    return _Field(make(P), *map(make, values))


def _even(field: _Field, number: Number) -> Number:
    """``CT_ABS``: the number or its negative, whichever is even."""
    return (number, field.p - number)[int(number.is_odd())]


def _root_of_ratio(field: _Field, u: Number, v: Number) -> tuple[int, Number]:
    """``SQRT_RATIO_M1`` (RFC 9496 §4.2): ``(1, sqrt(u/v))``, or ``(0, sqrt(root_m1 * u/v))``; the root is even."""
    p = field.p
    cube = v * v % p * v % p
    root = u * cube % p * pow(u * (cube * cube % p * v % p) % p, field.exponent, p) % p
    check = v * (root * root % p) % p
    right, flipped = int(check == u), int((check + u) % p == 0)
    flipped_i = int((check + u * field.root_m1) % p == 0)
    root = (root, root * field.root_m1 % p)[flipped | flipped_i]
    return right | flipped, _even(field, root)


class Ed25519Ristretto(PointGroup):
    """A :class:`privproc.voprf.Group`: ristretto255 without libsodium."""

    __slots__ = ("_base", "element_size", "hash_size", "uniform_size")

    def __init__(self) -> None:
        check_constant_time()
        super().__init__(IntegerScalars(ORDER, "little"))
        self.element_size = 32
        self.uniform_size = self.hash_size = 64
        self._base = EccPoint(_BASE_X, _BASE_Y, _CURVE)

    def decode(self, data: bytes, what: str) -> EccPoint:
        """See :meth:`Group.decode` (RFC 9496 §4.3.1)."""
        if len(data) != self.element_size or data == IDENTITY:
            raise DecodeError(what, "not an element of 32 bytes, or the identity")
        field = _field(public=True)
        p = field.p
        if data[0] & 1 or int.from_bytes(data, "little") >= P:
            raise DecodeError(what, "not a canonical encoding of ristretto255")
        s = from_bytes(data, p, "little")
        square = s * s % p
        u1, u2 = 1 + p - square, (1 + square) % p
        u2_square = u2 * u2 % p
        v = (p - field.d * (u1 * u1 % p) % p + p - u2_square) % p
        found, root = _root_of_ratio(field, 1, v * u2_square % p)
        x = _even(field, 2 * s * (root * u2 % p) % p)
        y = u1 * (root * (root * u2 % p) % p * v % p) % p
        if not found or (x * y % p).is_odd() or y == 0:
            raise DecodeError(what, "not an element of ristretto255")
        return EccPoint(x, y, _CURVE)

    def encode(self, element: EccPoint, *, public: bool = True) -> bytes:
        """See :meth:`Group.encode` (RFC 9496 §4.3.2)."""
        field = _field(public=public)
        p = field.p
        x, y = (from_bytes(number.to_bytes(32, "big"), p, "big") for number in element.xy)
        u1, u2 = (1 + y) * (1 + p - y) % p, x * y % p
        _, root = _root_of_ratio(field, 1, u1 * (u2 * u2 % p) % p)
        first, second = root * u1 % p, root * u2 % p
        z_inverse = first * second % p * u2 % p
        rotate = int((u2 * z_inverse % p).is_odd())
        x, y = (x, y * field.root_m1 % p)[rotate], (y, x * field.root_m1 % p)[rotate]
        denominator = (second, first * field.inverse_root_a_minus_d % p)[rotate]
        y = (y, p - y)[int((x * z_inverse % p).is_odd())]
        encoded = to_bytes(_even(field, denominator * (1 + p - y) % p), 32, "little")
        if encoded == IDENTITY:
            raise DecodeError("element", "the identity")
        return encoded

    def multiply_base(self, scalar: bytes) -> EccPoint:
        """See :meth:`Group.multiply_base`."""
        return self.multiply(scalar, self._base)

    def from_uniform(self, uniform: bytes, *, public: bool) -> EccPoint:
        """See :meth:`Group.from_uniform` (RFC 9496 §4.3.4)."""
        field = _field(public=public)
        return _map(field, uniform[:32]) + _map(field, uniform[32:])


def _map(field: _Field, half: bytes) -> EccPoint:
    """``MAP`` of RFC 9496 §4.3.4, on 32 bytes whose highest bit is ignored."""
    p = field.p
    t = from_bytes(half[:31] + bytes((half[31] & 127,)), p, "little")
    r = field.root_m1 * (t * t % p) % p
    u = (r + 1) * field.one_minus_d_squared % p
    v = (p - 1 + p - r * field.d % p) * (r + field.d) % p
    square, s = _root_of_ratio(field, u, v)
    other = p - _even(field, s * t % p)
    s = (other, s)[square]
    c = (r, p - 1)[square]
    n = (c * (r + p - 1) % p * field.d_minus_1_squared + p - v) % p
    s_square = s * s % p
    w0, w1 = 2 * s * v % p, n * field.root_ad_minus_1 % p
    w2, w3 = (1 + p - s_square) % p, (1 + s_square) % p
    both = inverse(w1 * w3 % p, p)
    # The point is (w0*w3, w2*w1, w1*w3, w0*w2): affine, x = w0/w1 and y = w2/w3.
    x, y = w0 * w3 % p * both % p, w2 * w1 % p * both % p
    return EccPoint(x, y, _CURVE)

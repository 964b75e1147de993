"""Field arithmetic, written once for two kinds of numbers that share their operators.

pycryptodome's integers are constant time and serve for everything. gmpy2's, where installed, are several times as fast
and serve for values that are public. Subtractions are written so that no number is ever negative.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from Crypto.Math.Numbers import Integer

__all__ = ["Make", "Number", "from_bytes", "inverse", "public", "secret", "to_bytes"]

Number: TypeAlias = Any
"""An ``Integer`` or an ``mpz``."""

Make: TypeAlias = Callable[[int], Number]
"""Makes a constant of a field: the value of a constant is public in both kinds."""


def secret(value: int) -> Number:
    """A constant for arithmetic on secret values."""
    return Integer(value, public=True)


def _public() -> Make:
    try:
        return importlib.import_module("gmpy2").mpz  # type: ignore[no-any-return]
    except ImportError:
        return secret


public = _public()
"""A constant for arithmetic on public values."""


def from_bytes(data: bytes, modulus: Number, byteorder: Literal["little", "big"]) -> Number:
    """The number in ``data``, reduced, of the same kind as ``modulus``."""
    if isinstance(modulus, Integer):
        return Integer.from_bytes(data, byteorder) % modulus
    return int.from_bytes(data, byteorder) % modulus


def to_bytes(number: Number, size: int, byteorder: Literal["little", "big"]) -> bytes:
    """``size`` bytes."""
    if isinstance(number, Integer):
        return number.to_bytes(size, byteorder)
    return int(number).to_bytes(size, byteorder)


def inverse(number: Number, modulus: Number) -> Number:
    """The inverse of a number that isn't zero."""
    return number.inverse(modulus) if isinstance(modulus, Integer) else pow(number, -1, modulus)

"""Field arithmetic, written once for two kinds of numbers that share their operators.

pycryptodome's integers are constant time and serve for everything. gmpy2's, where installed, are several times as fast
and serve for values that are public. Subtractions are written so that no number is ever negative.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from Crypto.Math.Numbers import Integer

__all__ = ["Make", "Number", "from_bytes", "inverse", "maker", "to_bytes"]

Number: TypeAlias = Any
"""An ``Integer`` or an ``mpz``."""

Make: TypeAlias = Callable[[int], Number]
"""Makes a constant of a field."""


def maker(*, public: bool) -> Make:
    """What makes the constants of arithmetic on ``public`` values, or on secret ones."""
    return _fastest() if public else _constant_time


def _constant_time(value: int) -> Number:
    return Integer(value, public=True)  # a constant is public, whatever it is for


@functools.cache  # and not at import, which gmpy2 makes a tenth longer
def _fastest() -> Make:
    try:
        return importlib.import_module("gmpy2").mpz  # type: ignore[no-any-return]
    except ImportError:
        return _constant_time


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

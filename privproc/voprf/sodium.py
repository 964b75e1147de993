"""ristretto255 (RFC 9496) on libsodium 1.0.18 or later, loaded by its name.

libsodium computes on encodings, so elements are their encodings here too. Whatever it is given has been checked for
size before: it reads 32 bytes wherever it is pointed to.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any

from privproc.errors import DecodeError, UsageError
from privproc.voprf.group import IntegerScalars
from privproc.voprf.ristretto import IDENTITY, ORDER

__all__ = ["SONAMES", "SodiumRistretto", "load"]

SONAMES = (
    "libsodium.so.26",
    "libsodium.so.23",
    "libsodium.26.dylib",
    "libsodium.23.dylib",
    "libsodium.dylib",
    "libsodium.dll",
)
"""Names under which :func:`load` looks, besides the caller's own."""

_GENERATOR = bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")  # RFC 9496 A.1
_ONE = b"\1" + bytes(31)
# Of the functions used: how many arguments there are, output first.
_FUNCTIONS = {
    "crypto_core_ristretto255_is_valid_point": 1,
    "crypto_core_ristretto255_add": 3,
    "crypto_core_ristretto255_sub": 3,
    "crypto_core_ristretto255_from_hash": 2,
    "crypto_core_ristretto255_scalar_random": 1,
    "crypto_core_ristretto255_scalar_reduce": 2,
    "crypto_core_ristretto255_scalar_invert": 2,
    "crypto_core_ristretto255_scalar_add": 3,
    "crypto_core_ristretto255_scalar_sub": 3,
    "crypto_core_ristretto255_scalar_mul": 3,
    "crypto_scalarmult_ristretto255": 3,
    "crypto_scalarmult_ristretto255_base": 2,
}


def load(path: str | None = None) -> SodiumRistretto:
    """The group on the libsodium at ``path``, or on the system's.

    Raises :class:`UsageError` when there is none, it is too old for ristretto255, or gives a wrong known answer.
    """
    for name in SONAMES if path is None else (path,):
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        return SodiumRistretto(library)
    raise UsageError("libsodium is not here")


class _SodiumScalars:
    """:class:`privproc.voprf.Scalars`: libsodium's, constant time."""

    __slots__ = ("_decode", "_invert", "_lib", "size")

    def __init__(self, library: Any) -> None:
        self._lib = library
        self._decode = IntegerScalars(ORDER, "little").decode
        self.size = 32

    def random(self) -> bytes:
        """See :meth:`Scalars.random`; libsodium gives no zero."""
        out = ctypes.create_string_buffer(32)
        self._lib.crypto_core_ristretto255_scalar_random(out)
        return out.raw

    def decode(self, data: bytes, what: str) -> bytes:
        """See :meth:`Scalars.decode`."""
        return self._decode(data, what)

    def reduce(self, uniform: bytes) -> bytes:
        """See :meth:`Scalars.reduce`."""
        out = ctypes.create_string_buffer(32)
        self._lib.crypto_core_ristretto255_scalar_reduce(out, uniform.ljust(64, b"\0"))
        return out.raw

    def add(self, left: bytes, right: bytes) -> bytes:
        """See :meth:`Scalars.add`."""
        out = ctypes.create_string_buffer(32)
        self._lib.crypto_core_ristretto255_scalar_add(out, left, right)
        return out.raw

    def minus_product(self, start: bytes, left: bytes, right: bytes) -> bytes:
        """See :meth:`Scalars.minus_product`."""
        out = ctypes.create_string_buffer(32)
        self._lib.crypto_core_ristretto255_scalar_sub(out, start, self._multiply(left, right))
        return out.raw

    def _multiply(self, left: bytes, right: bytes) -> bytes:
        out = ctypes.create_string_buffer(32)
        self._lib.crypto_core_ristretto255_scalar_mul(out, left, right)
        return out.raw

    def invert(self, scalars: Iterable[bytes]) -> list[bytes]:
        """See :meth:`Scalars.invert`: one inversion for all, by Montgomery's trick."""
        listed = list(scalars)
        product, before = _ONE, []
        for scalar in listed:
            before.append(product)
            product = self._multiply(product, scalar)
        out = ctypes.create_string_buffer(32)
        self._lib.crypto_core_ristretto255_scalar_invert(out, product)
        rest, inverses = out.raw, []
        for scalar, others in zip(reversed(listed), reversed(before), strict=True):
            inverses.append(self._multiply(rest, others))
            rest = self._multiply(rest, scalar)
        inverses.reverse()
        return inverses


class SodiumRistretto:
    """A :class:`privproc.voprf.Group`: ristretto255 by libsodium."""

    __slots__ = ("_lib", "element_size", "hash_size", "scalars", "uniform_size")

    def __init__(self, library: ctypes.CDLL) -> None:
        try:
            for name, count in _FUNCTIONS.items():
                getattr(library, name).argtypes = (ctypes.c_char_p,) * count
        except AttributeError:
            raise UsageError("this libsodium has no ristretto255") from None
        if library.sodium_init() < 0:
            raise UsageError("libsodium doesn't start")
        self._lib: Any = library
        self.scalars = _SodiumScalars(library)
        self.element_size = 32
        self.uniform_size = self.hash_size = 64
        if self.multiply_base(_ONE) != _GENERATOR:
            raise UsageError("libsodium: known answer differs")

    def decode(self, data: bytes, what: str) -> bytes:
        """See :meth:`Group.decode`."""
        # libsodium takes the identity, and 1.0.18 ignores the highest bit: a second encoding of each element.
        if len(data) != 32 or data == IDENTITY or data[31] >> 7:
            raise DecodeError(what, "not an encoding of 32 bytes, or the identity")
        if self._lib.crypto_core_ristretto255_is_valid_point(data) != 1:
            raise DecodeError(what, "not an element of ristretto255")
        return data

    def encode(self, element: bytes, *, public: bool = True) -> bytes:  # noqa: ARG002  # it is one
        """See :meth:`Group.encode`."""
        if element == IDENTITY:
            raise DecodeError("element", "the identity")
        return element

    def multiply(self, scalar: bytes, element: bytes) -> bytes:
        """See :meth:`Group.multiply`."""
        out = ctypes.create_string_buffer(32)
        if self._lib.crypto_scalarmult_ristretto255(out, scalar, element):
            raise DecodeError("element", "the identity")
        return out.raw

    def multiply_base(self, scalar: bytes) -> bytes:
        """See :meth:`Group.multiply_base`."""
        out = ctypes.create_string_buffer(32)
        self._lib.crypto_scalarmult_ristretto255_base(out, scalar)
        return out.raw

    def add(self, left: bytes, right: bytes) -> bytes:
        """See :meth:`Group.add`."""
        out = ctypes.create_string_buffer(32)
        self._lib.crypto_core_ristretto255_add(out, left, right)
        return out.raw

    def negate(self, element: bytes) -> bytes:
        """See :meth:`Group.negate`."""
        out = ctypes.create_string_buffer(32)
        self._lib.crypto_core_ristretto255_sub(out, IDENTITY, element)
        return out.raw

    def combine(self, scalars: Sequence[bytes], elements: Sequence[bytes], *, base: bytes | None = None) -> bytes:
        """See :meth:`Group.combine`."""
        terms = list(map(self.multiply, scalars, elements))
        if base is not None:
            terms.append(self.multiply_base(base))
        if not terms:
            raise UsageError("a sum of no terms")
        total = terms.pop()
        for term in terms:
            total = self.add(total, term)
        return total

    def from_uniform(self, uniform: bytes, *, public: bool) -> bytes:  # noqa: ARG002  # constant time either way
        """See :meth:`Group.from_uniform`."""
        out = ctypes.create_string_buffer(32)
        self._lib.crypto_core_ristretto255_from_hash(out, uniform)
        return out.raw

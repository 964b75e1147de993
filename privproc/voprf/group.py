"""What the protocol needs of a prime-order group (RFC 9497 §2.1).

Scalars are their canonical encodings, bytes of fixed size, so that one interface covers integers and libraries that
compute on encodings. Elements are whatever a group's library computes on; what comes from a peer becomes one in
:meth:`Group.decode` alone, which refuses the identity and every second way to write an element.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol, TypeVar

import Crypto
from Crypto.Math.Numbers import Integer

from privproc.errors import DecodeError, UsageError

__all__ = ["Group", "IntegerScalars", "Scalars", "check_constant_time"]

E = TypeVar("E")


class Scalars(Protocol):
    """Arithmetic modulo the group's order. Constant time: blinds, private keys and proof nonces pass through it."""

    @property
    def size(self) -> int:
        """``Ns``, bytes of a scalar."""
        ...

    def random(self) -> bytes:
        """A fresh scalar, uniform and never zero."""
        ...

    def decode(self, data: bytes, what: str) -> bytes:
        """``data`` if it is the encoding of a scalar that isn't zero, else :class:`DecodeError`."""
        ...

    def reduce(self, uniform: bytes) -> bytes:
        """The scalar that a longer string of uniform bytes stands for."""
        ...

    def add(self, left: bytes, right: bytes) -> bytes:
        """``left + right``."""
        ...

    def minus_product(self, start: bytes, left: bytes, right: bytes) -> bytes:
        """``start - left * right``."""
        ...

    def invert(self, scalars: Iterable[bytes]) -> list[bytes]:
        """The inverses of scalars that aren't zero."""
        ...


class Group(Protocol[E]):
    """A group of prime order with hashing into it. Its elements are never the identity."""

    @property
    def element_size(self) -> int:
        """``Ne``, bytes of an encoded element."""
        ...

    @property
    def scalars(self) -> Scalars:
        """The scalar field."""
        ...

    @property
    def uniform_size(self) -> int:
        """``L``, how many bytes :meth:`Scalars.reduce` wants for a scalar without bias."""
        ...

    def decode(self, data: bytes, what: str) -> E:
        """The element with this encoding. Raises :class:`DecodeError` for anything else, the identity included."""
        ...

    def encode(self, element: E, *, public: bool = True) -> bytes:
        """``Ne`` bytes. Raises :class:`DecodeError` for the identity.

        ``public``: whether the peer sees the element anyway, so that time may depend on it.
        """
        ...

    def multiply(self, scalar: bytes, element: E) -> E:
        """``scalar * element``, in constant time; the scalar is secret and not zero."""
        ...

    def multiply_base(self, scalar: bytes) -> E:
        """``scalar * generator``, in constant time; the scalar is secret and not zero."""
        ...

    def add(self, left: E, right: E) -> E:
        """``left + right``, in constant time; may be the identity."""
        ...

    def negate(self, element: E) -> E:
        """``-element``, in constant time."""
        ...

    def combine(self, scalars: Sequence[bytes], elements: Sequence[E], *, base: bytes | None = None) -> E:
        """``sum(scalar * element)``, and ``base * generator``, of values that are public; at least one term.

        No scalar is zero. May give the identity, which :meth:`encode` refuses, or raise :class:`DecodeError` for it.
        """
        ...

    @property
    def hash_size(self) -> int:
        """How many bytes :meth:`from_uniform` takes."""
        ...

    def from_uniform(self, uniform: bytes, *, public: bool) -> E:
        """The element that uniform bytes from ``expand_message_xmd`` map to (RFC 9380 §3).

        ``public``: whether the bytes are known to the peer anyway, so that time may depend on them.
        """
        ...


class IntegerScalars:
    """:class:`Scalars` on pycryptodome's integers, whose arithmetic is constant time."""

    __slots__ = ("_order", "_wide", "byteorder", "size")

    def __init__(self, order: int, byteorder: Literal["little", "big"]) -> None:
        self._order = Integer(order, public=True)
        self.byteorder = byteorder
        self.size = -(-order.bit_length() // 8)
        self._wide = -(-3 * order.bit_length() // 16)  # 1.5 times the order's bits (RFC 9497 §4.7.2)

    def number(self, scalar: bytes, *, public: bool = False) -> Integer:
        """The integer in an encoding; ``public`` ones are computed with in variable time, and faster."""
        return Integer.from_bytes(scalar, self.byteorder, public=public)

    def _encode(self, number: Integer) -> bytes:
        return number.to_bytes(self.size, self.byteorder)

    def random(self) -> bytes:
        """See :meth:`Scalars.random`."""
        # req: rfc9497/4.7.2 scalars-without-bias
        while not any(scalar := self.reduce(os.urandom(self._wide))):
            continue
        return scalar

    # req: rfc9497/2.1 scalars-are-canonical
    def decode(self, data: bytes, what: str) -> bytes:
        """See :meth:`Scalars.decode`."""
        if len(data) != self.size or self.number(data) >= self._order or not any(data):
            raise DecodeError(what, f"not {self.size} bytes of a number below the group's order, and not zero")
        return data

    def reduce(self, uniform: bytes) -> bytes:
        """See :meth:`Scalars.reduce`."""
        return self._encode(self.number(uniform) % self._order)

    def add(self, left: bytes, right: bytes) -> bytes:
        """See :meth:`Scalars.add`."""
        return self._encode((self.number(left) + self.number(right)) % self._order)

    def minus_product(self, start: bytes, left: bytes, right: bytes) -> bytes:
        """See :meth:`Scalars.minus_product`."""
        negative = self._order - self.number(left)  # these integers have no sign
        return self._encode((self.number(start) + negative * self.number(right)) % self._order)

    def invert(self, scalars: Iterable[bytes]) -> list[bytes]:
        """See :meth:`Scalars.invert`."""
        return [self._encode(self.number(scalar).inverse(self._order)) for scalar in scalars]


def check_constant_time() -> None:
    """Raise :class:`UsageError` unless pycryptodome's integers and points are the constant-time ones."""
    # 3.x has variable-time GMP, and 4.x falls back to Python without its C library.
    # req: rfc9497/7.4 constant-time
    if Crypto.version_info[:2] < (4, 3) or not Integer.__module__.endswith("._IntegerNat"):
        raise UsageError("pycryptodome has no constant-time integers here")

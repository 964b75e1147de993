"""The client's arithmetic: a message is multiplied by a random number's power, and its signature by the inverse.

On gmpy2's integers where they are installed, else on pycryptodome's. The latter are constant time. With gmpy2, what is
done depends on the public exponent alone, and the one inversion is of a number that a second random one hides; the
reductions after each product are not constant time.
"""

from __future__ import annotations

import functools
import importlib
import os
from typing import Any, Protocol

from Crypto.Math.Numbers import Integer

from privproc.blindrsa.keys import Verifying

__all__ = ["Blinding", "ConstantTime", "Masked", "in_use"]


class Blinding(Protocol):
    """Numbers go in and out as ``key.size`` bytes below the modulus."""

    def factor(self, key: Verifying) -> bytes:
        """A blinding factor: random, not zero."""
        ...

    def blind(self, key: Verifying, message: bytes, factor: bytes) -> tuple[bytes, bytes]:
        """``message * factor ** e``, and the inverse of the factor.

        Raises :class:`ValueError` unless both are coprime with the modulus: their product has an inverse exactly then,
        so one inversion, of a random number, tests both.
        """
        ...

    def unblind(self, key: Verifying, blind_signature: bytes, inverse: bytes) -> bytes:
        """``blind_signature * inverse``."""
        ...


class ConstantTime:
    """:class:`Blinding` on pycryptodome's integers."""

    def factor(self, key: Verifying) -> bytes:
        """See :meth:`Blinding.factor`."""
        return Integer.random_range(min_inclusive=1, max_exclusive=key._n).to_bytes(key.size)

    def blind(self, key: Verifying, message: bytes, factor: bytes) -> tuple[bytes, bytes]:
        """See :meth:`Blinding.blind`."""
        n, m, r = key._n, Integer.from_bytes(message), Integer.from_bytes(factor)
        both = (m * r % n).inverse(n)
        blinded = m * pow(r, key._e, n) % n
        return blinded.to_bytes(key.size), (both * m % n).to_bytes(key.size)

    def unblind(self, key: Verifying, blind_signature: bytes, inverse: bytes) -> bytes:
        """See :meth:`Blinding.unblind`."""
        product = Integer.from_bytes(blind_signature) * Integer.from_bytes(inverse)
        return (product % key._n).to_bytes(key.size)


class Masked:
    """:class:`Blinding` on gmpy2's integers."""

    def __init__(self, gmpy2: Any) -> None:
        self._gmp = gmpy2

    def factor(self, key: Verifying) -> bytes:
        """See :meth:`Blinding.factor`."""
        return int(self._random(key)).to_bytes(key.size, "big")

    def _random(self, key: Verifying) -> Any:
        # With 128 bits more than the modulus, the remainder is uniform to within 2**-128.
        return self._gmp.mpz(int.from_bytes(os.urandom(key.size + 16), "big")) % (key.n - 1) + 1

    def blind(self, key: Verifying, message: bytes, factor: bytes) -> tuple[bytes, bytes]:
        """See :meth:`Blinding.blind`."""
        gmp, n = self._gmp, self._gmp.mpz(key.n)
        m, r = gmp.mpz(int.from_bytes(message, "big")), gmp.mpz(int.from_bytes(factor, "big"))
        both = self._invert(key, m * r % n, n)
        blinded = m * gmp.powmod(r, key.e, n) % n
        return int(blinded).to_bytes(key.size, "big"), int(both * m % n).to_bytes(key.size, "big")

    def _invert(self, key: Verifying, number: Any, n: Any) -> Any:
        while True:
            mask = self._random(key)
            try:
                return self._gmp.invert(number * mask % n, n) * mask % n
            except ZeroDivisionError:  # no honest key's: the modulus has a small factor, of the number or of the mask
                if self._gmp.gcd(number, n) != 1:
                    raise ValueError("no inverse") from None

    def unblind(self, key: Verifying, blind_signature: bytes, inverse: bytes) -> bytes:
        """See :meth:`Blinding.unblind`."""
        product = self._gmp.mpz(int.from_bytes(blind_signature, "big")) * int.from_bytes(inverse, "big")
        return int(product % key.n).to_bytes(key.size, "big")


@functools.cache  # and not at import, which gmpy2 makes a tenth longer
def in_use() -> Blinding:
    """The one that blinds here."""
    try:
        return Masked(importlib.import_module("gmpy2"))
    except ImportError:
        return ConstantTime()

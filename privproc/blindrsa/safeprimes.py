"""Safe primes: ``p = 2 * q + 1`` with ``q`` prime as well, of which partially blind RSA makes its moduli.

pycryptodome searches without a sieve and takes minutes for 1024 bits, and no other dependency has them in its
interface. Here a window of candidates is sieved for ``q`` and ``2 * q + 1`` at once, and what is left goes through a
Fermat test, then through pycryptodome's tests (Miller-Rabin and Lucas). Not constant time: a key is made once, by its
owner.
"""

from __future__ import annotations

import os
from functools import cache

from Crypto.Math.Primality import PROBABLY_PRIME, test_probable_prime

__all__ = ["is_safe_prime", "safe_prime"]

_WINDOW = 1 << 16
_SIEVE = 1 << 17


@cache
def _small_primes() -> tuple[int, ...]:
    """The odd primes below ``_SIEVE``."""
    free = bytearray(b"\1") * _SIEVE
    for number in range(3, int(_SIEVE**0.5) + 1, 2):
        if free[number]:
            free[number * number :: number] = bytes(len(range(number * number, _SIEVE, number)))
    return tuple(number for number in range(3, _SIEVE, 2) if free[number])


def is_safe_prime(number: int) -> bool:
    """Whether ``number`` and half of it, rounded down, are primes, but for a chance that can be neglected."""
    both = (number, number >> 1)
    return number & 3 == 3 and all(test_probable_prime(one) == PROBABLY_PRIME for one in both)


def safe_prime(bits: int) -> int:
    """A random safe prime of ``bits`` bits, the two topmost set: the product of two has twice as many bits."""
    while True:
        start = int.from_bytes(os.urandom(-(-bits // 8)), "big") >> (-bits % 8 + 1)
        start |= 3 << (bits - 3) | 1
        start &= ~(1 << (bits - 4))  # so that no candidate of the window is longer
        for offset in _left(start):
            half = start + 2 * offset
            number = 2 * half + 1
            # The cheap test first: most of what the sieve leaves is composite.
            if pow(2, half - 1, half) == pow(2, number - 1, number) == 1 and is_safe_prime(number):
                return number


def _left(start: int) -> list[int]:
    """The offsets for which neither ``half = start + 2 * offset`` nor ``2 * half + 1`` has a small factor."""
    free = bytearray(b"\1") * _WINDOW
    for prime in _small_primes():
        rest, two = start % prime, (prime + 1) // 2  # the inverse of 2
        for wanted in (0, (prime - 1) * two % prime):  # of half: 0, or -1/2
            first = (wanted - rest) * two % prime
            if first < _WINDOW:
                free[first::prime] = bytes(len(range(first, _WINDOW, prime)))
    return [offset for offset, is_free in enumerate(free) if is_free]

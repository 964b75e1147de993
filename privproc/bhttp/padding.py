"""Padding policies for ``size=`` of the encoders: each maps the size of a message to the padded size, in bytes.

What a size still tells is the price of each: :func:`one_of` a choice out of few, :func:`multiple_of` the size in coarse
steps, :func:`padme` about ``log2(log2(size))`` bits, for at most 12 % more bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from privproc.errors import UsageError

__all__ = ["multiple_of", "one_of", "padme"]


def one_of(*sizes: int) -> Callable[[int], int]:
    """The smallest of ``sizes`` that holds the message; :class:`~privproc.errors.UsageError` when none does."""
    ascending = sorted(sizes)

    def policy(length: int) -> int:
        for size in ascending:
            if length <= size:
                return size
        raise UsageError(f"the message has {length} bytes and doesn't fit the largest padded size, {ascending[-1]}")

    return policy


def multiple_of(step: int) -> Callable[[int], int]:
    """The next multiple of ``step``."""
    if step < 1:
        raise UsageError("a step is 1 or more")
    return lambda length: -(-length // step) * step


def padme(length: int) -> int:
    """Padmé (Nikitin et al., Reducing Metadata Leakage from Encrypted Files and Communication with PURBs, §4)."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    mask = (1 << exponent - exponent.bit_length()) - 1
    return length + mask & ~mask

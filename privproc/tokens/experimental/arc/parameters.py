"""ARC's group, hashes and sizes, and the numbers that add up to all below a limit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from Crypto.Math.Numbers import Integer

from privproc.errors import UsageError
from privproc.tokens.experimental.sigma import P256
from privproc.voprf.hash_to_curve import Expander

__all__ = [
    "ELEMENT",
    "GROUP",
    "MAX_LIMIT",
    "ORDER",
    "REQUEST_SIZE",
    "RESPONSE_SIZE",
    "base",
    "bases",
    "checked_limit",
    "generators",
    "pedersen",
    "presentation_size",
    "session",
    "to_group",
    "to_scalar",
    "weighted",
]

REQUEST_SIZE: Final = 226
"""Bytes of a credential request."""

RESPONSE_SIZE: Final = 454
"""Bytes of a credential response."""

MAX_LIMIT: Final = 1 << 20
"""The largest limit: a presentation of 2937 bytes."""

GROUP: Final = P256.group
ORDER: Final = P256.order
_CONTEXT: Final = b"ARCV1-P256"
ELEMENT: Final = 33


@cache
def generators() -> tuple[Any, Any]:
    """``G`` and ``H``."""
    return P256.generator, to_group(GROUP.encode(P256.generator), b"generatorH")


def to_group(data: bytes, info: bytes) -> Any:
    """``HashToGroup``, of public data."""
    expanded = Expander("sha256", b"HashToGroup-" + _CONTEXT + info, GROUP.hash_size).expand(data)
    return GROUP.from_uniform(expanded, public=True)


def to_scalar(data: bytes, info: bytes) -> Integer:
    """``HashToScalar``."""
    expanded = Expander("sha256", b"HashToScalar-" + _CONTEXT + info, GROUP.uniform_size).expand(data)
    return Integer.from_bytes(GROUP.scalars.reduce(expanded))


def base(scalar: Integer) -> Any:
    """``scalar * G``, in constant time."""
    return P256.multiply(scalar, P256.generator)


def pedersen(value: Integer, blind: Integer) -> Any:
    """``value * G + blind * H``."""
    return base(value) + P256.multiply(blind, generators()[1])


def session(name: bytes) -> bytes:
    """What the proofs of one kind of message are bound to."""
    return _CONTEXT + name


def bases(limit: int) -> list[int]:
    """``ComputeBases``: sums of these are the numbers below ``limit``, and no others; in descending order."""
    bits = (limit - 1).bit_length()
    powers = [1 << place for place in range(bits - 1)]
    return sorted((*powers, limit - sum(powers) - 1), reverse=True)


def weighted(weights: Sequence[int], elements: Sequence[Any]) -> Any:
    """``sum(weight * element)``: short and public numbers, for which no method of many terms pays."""
    total, *terms = (
        GROUP.combine([weight.to_bytes(32, "big")], [element])
        for weight, element in zip(weights, elements, strict=True)
    )
    for term in terms:
        total += term
    return total


def checked_limit(limit: int) -> int:
    """``limit``. Raises :class:`UsageError` unless it is from 2 to ``MAX_LIMIT``."""
    if not 2 <= limit <= MAX_LIMIT:
        raise UsageError(f"ARC: a limit from 2 to {MAX_LIMIT}")
    return limit


def presentation_size(limit: int) -> int:
    """Bytes of a presentation: five elements, and the proof with ``k`` elements and ``6 + 3 * k`` scalars."""
    bits = (checked_limit(limit) - 1).bit_length()
    return (5 + bits) * ELEMENT + (6 + 3 * bits) * 32

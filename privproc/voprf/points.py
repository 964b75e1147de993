"""What the groups on pycryptodome's points have in common: products, and sums of public products."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from Crypto.Math.Numbers import Integer
from Crypto.PublicKey.ECC import EccPoint  # type: ignore[attr-defined]  # documented there, imported from elsewhere

from privproc.errors import UsageError
from privproc.voprf.group import IntegerScalars

__all__ = ["EccPoint", "PointGroup"]

_WIDTH = 5
_HALF, _FULL = 1 << (_WIDTH - 1), 1 << _WIDTH
_SHARED = 6  # terms from which shared doublings outweigh the library's faster loop over a single one


class PointGroup(ABC):
    """A base of groups whose elements are ``EccPoint``: constant time for secrets, faster for what is public."""

    __slots__ = ("scalars",)

    def __init__(self, scalars: IntegerScalars) -> None:
        self.scalars = scalars

    def multiply(self, scalar: bytes, element: EccPoint) -> EccPoint:
        """See :meth:`Group.multiply`."""
        return _product(element, self.scalars.number(scalar))

    @abstractmethod
    def multiply_base(self, scalar: bytes) -> EccPoint:
        """See :meth:`Group.multiply_base`."""

    def add(self, left: EccPoint, right: EccPoint) -> EccPoint:
        """See :meth:`Group.add`."""
        return left + right

    def negate(self, element: EccPoint) -> EccPoint:
        """See :meth:`Group.negate`."""
        return -element

    def combine(self, scalars: Sequence[bytes], elements: Sequence[EccPoint], *, base: bytes | None = None) -> EccPoint:
        """See :meth:`Group.combine`."""
        if len(elements) >= _SHARED:
            terms = [_straus([int.from_bytes(scalar, self.scalars.byteorder) for scalar in scalars], elements)]
        else:
            numbers = (self.scalars.number(scalar, public=True) for scalar in scalars)
            terms = list(map(_product, elements, numbers))
        if base is not None:
            terms.append(self.multiply_base(base))
        if not terms:
            raise UsageError("a sum of no terms")
        total = terms.pop()
        for term in terms:
            total += term
        return total


def _product(point: EccPoint, number: Integer) -> EccPoint:
    """In constant time, unless the number was made as a public one."""
    return point * number  # type: ignore[operator]  # declared for int, made for both


def _straus(scalars: Sequence[int], points: Sequence[EccPoint]) -> EccPoint:
    """Straus' method, in variable time: the doublings are shared by all terms."""
    places: list[list[EccPoint]] = [[] for _ in range(max(map(int.bit_length, scalars)) + 1)]
    for scalar, point in zip(scalars, points, strict=True):
        _spread(scalar, _odd_multiples(point), places)
    total = points[0].point_at_infinity()
    for terms in reversed(places):
        total.double()
        for term in terms:
            total += term
    return total


def _odd_multiples(point: EccPoint) -> dict[int, EccPoint]:
    twice = point.copy().double()
    found = {}
    for digit in range(1, _HALF, 2):
        found[digit], found[-digit] = point, -point
        point = point + twice  # in place would change what was kept
    return found


def _spread(scalar: int, odd: dict[int, EccPoint], places: list[list[EccPoint]]) -> None:
    """Add the multiples of a point that make up its product to their places: the scalar's non-adjacent form of width 5,
    with odd digits of at most 15 in size, one in six places on average.
    """
    place = 0
    while scalar:
        zeros = (scalar & -scalar).bit_length() - 1
        scalar >>= zeros
        place += zeros
        digit = scalar % _FULL
        if digit > _HALF:
            digit -= _FULL
        places[place].append(odd[digit])
        scalar = (scalar - digit) >> _WIDTH
        place += _WIDTH

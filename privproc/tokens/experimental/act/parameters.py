"""What an instance of ACT is fixed by: its name, the range of its amounts, and the generators that follow (§3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from privproc.errors import DecodeError, UsageError
from privproc.tokens.experimental import sigma
from privproc.voprf.hash_to_curve import Expander
from privproc.wire import Reader

__all__ = ["FRAMING", "GROUP", "MAX_BITS", "SUITE", "Parameters", "checked_context", "plus"]

SUITE: Final = sigma.RISTRETTO255
GROUP: Final = SUITE.group
FRAMING: Final = sigma.Framing.SIGMA_MARCH_2026
"""Of the published vectors."""

MAX_BITS: Final = 128
"""The largest ``L``. The draft allows 252, where a balance and a charge add up to more than the group's order, so that
whoever charges enough has more than before.
"""


def plus(start: Any, *terms: tuple[bytes, Any]) -> Any:
    """``start + sum(scalar * element)`` of public values; a scalar may be zero."""
    kept = [(scalar, element) for scalar, element in terms if any(scalar)]
    if not kept:
        return start
    return GROUP.add(start, GROUP.combine([scalar for scalar, _ in kept], [element for _, element in kept]))


@dataclass(frozen=True, slots=True)
class Parameters:
    """``domain_separator`` is ``ACT-v1:organization:service:deployment:version``; amounts are below ``2**bits``.

    ``version``: the date of the parameters, YYYY-MM-DD. The names are printable ASCII without a colon, which would make
    one instance of two. Issuer and clients have the same, from the same place as the issuer's key. Raises
    :class:`UsageError` for anything else.
    """

    organization: str
    service: str
    deployment: str
    version: str
    bits: int
    domain_separator: bytes = field(init=False, repr=False)
    generators: tuple[Any, Any, Any, Any] = field(init=False, repr=False, compare=False)
    """``H1`` to ``H4``: of the balance, the nullifier, the blind, the context."""
    powers: tuple[Any, ...] = field(init=False, repr=False, compare=False)
    """``2**j * H3`` for each bit."""

    def __post_init__(self) -> None:
        names = (self.organization, self.service, self.deployment, self.version)
        if not all(name.isascii() and name.isprintable() and name and ":" not in name for name in names):
            raise UsageError("ACT: a name is empty, has a colon, or isn't printable ASCII")
        if not 1 <= self.bits <= MAX_BITS:
            raise UsageError(f"ACT: from 1 to {MAX_BITS} bits")
        separator = ":".join(("ACT-v1", *names)).encode("ascii")
        expander = Expander("sha512", b"HashToGroup-" + separator, GROUP.hash_size)
        # The draft counts up the octet where two generators are equal, which nobody will see.
        hashed = (expander.expand(b"GenH%d\0" % number + separator) for number in range(1, 5))
        generators = tuple(GROUP.from_uniform(uniform, public=True) for uniform in hashed)
        powers = [generators[2]]
        for _ in range(self.bits - 1):
            powers.append(GROUP.add(powers[-1], powers[-1]))
        object.__setattr__(self, "domain_separator", separator)
        object.__setattr__(self, "generators", generators)
        object.__setattr__(self, "powers", tuple(powers))

    def context(self, data: bytes) -> bytes:
        """``HashToScalar``: the context (32 bytes) that ``data`` stands for.

        The draft's suite has no such function, and its Privacy Pass draft uses one. This is that of
        OPRF(ristretto255, SHA-512), RFC 9497 §4.1, with the domain separator for its context string.
        """
        expander = Expander("sha512", b"HashToScalar-" + self.domain_separator, GROUP.uniform_size)
        return GROUP.scalars.reduce(expander.expand(data))

    def amount(self, value: int) -> bytes:
        """The scalar of an amount. Raises :class:`UsageError` for one that is negative or has too many bits."""
        if value < 0 or value >> self.bits:
            raise UsageError(f"ACT: an amount is from 0 to 2**{self.bits} - 1")
        return value.to_bytes(sigma.SIZE, "little")

    def read_amount(self, reader: Reader) -> int:
        """Raises :class:`DecodeError` for an amount of too many bits, which would stand for a negative one."""
        value = int.from_bytes(reader.take(sigma.SIZE), "little")
        if value >> self.bits:
            raise reader.fail(f"an amount of more than {self.bits} bits")
        return value

    def weighted(self, commitments: Sequence[Any]) -> Any:
        """``sum(2**j * commitments[j])``: a commitment to the number whose bits they are of."""
        total, *others = reversed(commitments)
        for other in others:
            total = GROUP.add(GROUP.add(total, total), other)
        return total

    def signed(self, commitment: Any, amount: int, context: bytes) -> Any:
        """``X_A``: what a signature is of, a commitment to nullifier and blind, or to those and a balance, with an
        amount and the context (all public).
        """
        balance, _, _, bound = self.generators
        return plus(GROUP.add(commitment, SUITE.generator), (self.amount(amount), balance), (context, bound))


def checked_context(context: bytes) -> bytes:
    """``context``. Raises :class:`UsageError` unless it is a scalar: below the order, and not zero."""
    try:
        return GROUP.scalars.decode(context, "context")
    except DecodeError as error:
        raise UsageError(f"ACT: {error}") from None

"""Proofs that two lists of elements have the same discrete logarithm (RFC 9497 §2.2), of one size for any list."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from privproc.errors import DecodeError, SignatureError
from privproc.voprf.suite import Context, lp

__all__ = ["Statement", "prove", "verify"]


@dataclass(frozen=True, slots=True)
class Statement:
    """That some ``k`` makes ``key = k * generator`` and, for all ``i``, ``products[i] = k * elements[i]``.

    Of each element, its encoding and the group's own form. The lists are as long as each other and not empty.
    """

    context: Context
    key: bytes
    key_element: Any
    elements: Sequence[bytes]
    element_values: Sequence[Any]
    products: Sequence[bytes]
    product_values: Sequence[Any]

    def weights(self) -> list[bytes]:
        """The random scalars that fold both lists into one element each (``ComputeComposites``).

        They depend on every element and on the key, so nobody can choose elements whose errors cancel out.
        """
        context = self.context
        # req: rfc9497/2.2.1 composites-bind-all
        start = lp(context.suite.hash(lp(self.key) + context.seed_suffix))
        pairs = enumerate(zip(self.elements, self.products, strict=True))
        return [
            context.to_scalar(b"".join((start, index.to_bytes(2, "big"), lp(element), lp(product), b"Composite")))
            for index, (element, product) in pairs
        ]

    def challenge(self, *points: Any) -> bytes:
        """The challenge over the key, both composites and both commitments: it binds all that the proof is about."""
        encode = self.context.suite.group.encode
        return self.context.to_scalar(b"".join((lp(self.key), *(lp(encode(point)) for point in points), b"Challenge")))


def prove(statement: Statement, k: bytes) -> bytes:
    """``GenerateProof``: ``c || s``, ``2 * Ns`` bytes, with the ``k`` (a scalar) of the statement."""
    # req: rfc9497/2.2.1 proof-nonce-is-random
    return _derand_prove(statement, k, statement.context.suite.group.scalars.random())


def _derand_prove(statement: Statement, k: bytes, r: bytes) -> bytes:
    """:func:`prove` with the given nonce ``r``: two proofs with the same one give the key away."""
    group = statement.context.suite.group
    weights = statement.weights()
    first = group.combine(weights, statement.element_values)
    # The prover can have the second composite from the first, with the key (``ComputeCompositesFast``); for a single
    # element that is a product in constant time where one of public values does.
    second = group.multiply(k, first) if len(weights) > 1 else group.combine(weights, statement.product_values)
    c = statement.challenge(first, second, group.multiply_base(r), group.multiply(r, first))
    return c + group.scalars.minus_product(r, c, k)


def verify(statement: Statement, proof: bytes) -> None:
    """``VerifyProof``. Raises :class:`DecodeError` unless ``proof`` is two scalars, below the order and not zero, and
    nothing else; :class:`SignatureError` unless it proves the statement.

    Zero is a scalar to RFC 9497; an honest proof has one as rarely as somebody guesses the key.
    """
    group = statement.context.suite.group
    size = group.scalars.size
    c, s = (group.scalars.decode(part, "proof") for part in (proof[:size], proof[size:]))
    weights = statement.weights()
    first = group.combine(weights, statement.element_values)
    second = group.combine(weights, statement.product_values)
    try:
        expected = statement.challenge(
            first,
            second,
            group.combine((c,), (statement.key_element,), base=s),
            group.combine((s, c), (first, second)),
        )
    except DecodeError:  # a sum was the identity
        raise SignatureError("proof doesn't verify") from None
    # req: rfc9497/2.2.2 proof-is-verified
    if not hmac.compare_digest(expected, c):
        raise SignatureError("proof doesn't verify")

"""ACT's four messages (§4.1), and what the proof in each is of (§2.2).

Of each relation, the draft has the elements in the order in which its pseudo-code allocates them. The implementation
that its vectors are of has them in the order in which the equations need them: what is multiplied when it comes first,
and each left side anew, even if it was there before. Both hash what they have, so only one verifies.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Self

from privproc.tokens.experimental.act.parameters import GROUP, SUITE, Parameters, plus
from privproc.tokens.experimental.sigma import SIZE, Relation
from privproc.wire import Reader, Writer

__all__ = ["REFUND_SIZE", "REQUEST_SIZE", "RESPONSE_SIZE", "Request", "Signature", "Spend", "spend_size"]

REQUEST_SIZE: Final = 130
"""Bytes of an IssuanceRequestMsg."""

RESPONSE_SIZE: Final = 162
"""Bytes of an IssuanceResponseMsg."""

REFUND_SIZE: Final = 162
"""Bytes of a RefundMsg."""


def spend_size(parameters: Parameters) -> int:
    """Bytes of a SpendProofMsg: ``128 * L + 418``."""
    return 128 * parameters.bits + 418


def _element(reader: Reader) -> Any:
    return GROUP.decode(reader.take(GROUP.element_size), reader.what)


def _scalar(reader: Reader) -> bytes:
    return GROUP.scalars.decode(reader.take(SIZE), reader.what)


def _proof(reader: Reader, scalars: int) -> bytes:
    size = (1 + scalars) * SIZE
    return reader.vector(2, size, size)


class Request(NamedTuple):
    """``struct { opaque K[32]; opaque pok<1..2^16-1>; } IssuanceRequestMsg;`` with the proof of two scalars."""

    commitment: Any
    proof: bytes

    def __repr__(self) -> str:
        return "<Request>"

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Raises :class:`DecodeError`."""
        return cls(_element(reader), _proof(reader, 2))

    def encode(self) -> bytes:
        """130 bytes."""
        return Writer().raw(GROUP.encode(self.commitment)).vector(2, self.proof).done()

    def relation(self, parameters: Parameters) -> Relation:
        """That the commitment is one, to a nullifier and a blind."""
        relation = Relation(SUITE)
        nullifier, blind = relation.allocate(2)
        h2, h3, commitment = relation.add(*parameters.generators[1:3], self.commitment)
        relation.equate(commitment, (nullifier, h2), (blind, h3))
        return relation


class Signature(NamedTuple):
    """Of an issuance or a refund::

        struct {
            opaque A[32];
            opaque e[32];
            opaque c[32];               the amount, t of a refund
            opaque pok<1..2^16-1>;      the proof of one scalar
        } IssuanceResponseMsg, RefundMsg;

    The vectors' IssuanceResponseMsg has the context behind the amount, 194 bytes. The draft's text has none, since the
    client has it from elsewhere, and must.
    """

    a: Any
    e: bytes
    amount: int
    proof: bytes

    def __repr__(self) -> str:
        return "<Signature>"

    @classmethod
    def read(cls, reader: Reader, parameters: Parameters) -> Self:
        """Raises :class:`DecodeError`."""
        return cls(_element(reader), _scalar(reader), parameters.read_amount(reader), _proof(reader, 1))

    def encode(self, parameters: Parameters) -> bytes:
        """162 bytes."""
        writer = Writer().raw(GROUP.encode(self.a)).raw(self.e).raw(parameters.amount(self.amount))
        return writer.vector(2, self.proof).done()

    def relation(self, x_a: Any, x_g: Any) -> Relation:
        """That ``x_a`` is to ``a`` what ``x_g`` is to the generator: the private key and ``e`` together."""
        relation = Relation(SUITE)
        (exponent,) = relation.allocate(1)
        a, left, base, right = relation.add(self.a, x_a, SUITE.generator, x_g)
        relation.equate(left, (exponent, a))
        relation.equate(right, (exponent, base))
        return relation


class Spend(NamedTuple):
    """::

    struct {
        opaque k[32];               the nullifier
        opaque s[32];               the charge
        opaque ctx[32];
        opaque A_prime[32];
        opaque B_bar[32];
        opaque Com[L][32];
        opaque pok<1..2^16-1>;      the proof of 3 * L + 7 scalars
    } SpendProofMsg;
    """

    nullifier: bytes
    charge: int
    context: bytes
    a_prime: Any
    b_bar: Any
    commitments: tuple[Any, ...]
    remaining: Any
    """``K'``: what the commitments add up to, for the balance that is left and the next nullifier. Not sent."""
    proof: bytes

    def __repr__(self) -> str:
        return "<Spend>"

    @classmethod
    def read(cls, reader: Reader, parameters: Parameters) -> Self:
        """Raises :class:`DecodeError`."""
        nullifier, charge, context = _scalar(reader), parameters.read_amount(reader), _scalar(reader)
        a_prime, b_bar = _element(reader), _element(reader)
        commitments = tuple(_element(reader) for _ in range(parameters.bits))
        proof = _proof(reader, 3 * parameters.bits + 7)
        remaining = parameters.weighted(commitments)
        return cls(nullifier, charge, context, a_prime, b_bar, commitments, remaining, proof)

    def encode(self, parameters: Parameters) -> bytes:
        """``128 * L + 418`` bytes."""
        writer = Writer().raw(self.nullifier).raw(parameters.amount(self.charge)).raw(self.context)
        for element in (self.a_prime, self.b_bar, *self.commitments):
            writer.raw(GROUP.encode(element))
        return writer.vector(2, self.proof).done()

    def relation(self, parameters: Parameters, a_bar: Any) -> Relation:
        """That a signature is of the nullifier, the context and a balance, and the balance without the charge has
        ``L`` bits, to which the commitments are. ``a_bar``: the private key times ``a_prime``.

        Scalars: ``e, r2, r3, c, r``, then of each bit ``b``, of each ``s``, of each ``s2``, then ``k*, k2``.
        """
        relation = Relation(SUITE)
        e, r2, r3, balance, blind = relation.allocate(5)
        bits, blinds, helpers = (relation.allocate(parameters.bits) for _ in range(3))
        nullifier, nullifier_helper = relation.allocate(2)
        h1, h2, h3, h4 = parameters.generators

        a_prime, b_bar, left = relation.add(GROUP.negate(self.a_prime), self.b_bar, a_bar)
        relation.equate(left, (e, a_prime), (r2, b_bar))
        revealed = plus(SUITE.generator, (self.nullifier, h2), (self.context, h4))
        minus_h1, minus_h3, left = relation.add(GROUP.negate(h1), GROUP.negate(h3), revealed)
        relation.equate(left, (r3, b_bar), (balance, minus_h1), (blind, minus_h3))

        g1, g2, g3 = relation.add(h1, h2, h3)
        for place, commitment in enumerate(self.commitments):
            opened, itself, again = relation.add(commitment, commitment, commitment)
            # The first one commits to the next nullifier as well.
            also = ([(nullifier, g2)], [(nullifier_helper, g2)]) if place == 0 else ([], [])
            relation.equate(opened, (bits[place], g1), *also[0], (blinds[place], g3))
            # A number that is its own square: nothing of H1 is left if its commitment is taken once for each.
            relation.equate(again, (bits[place], itself), *also[1], (helpers[place], g3))

        g1, g2 = relation.add(h1, h2)
        powers = relation.add_multiples(
            relation.elements[g3], [1 << place for place in range(parameters.bits)], parameters.powers
        )
        (left,) = relation.add(plus(self.remaining, (parameters.amount(self.charge), h1)))
        relation.equate(left, (balance, g1), (nullifier, g2), *zip(blinds, powers, strict=True))
        return relation

"""ARC's public key and three messages, and what the proof in each is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self, final

from privproc.tokens.experimental.arc.parameters import ELEMENT, GROUP, generators
from privproc.tokens.experimental.sigma import P256, Framing, Relation
from privproc.wire import Reader

__all__ = ["Presentation", "PublicKey", "Request", "Response"]


def _element(reader: Reader) -> Any:
    return GROUP.decode(reader.take(ELEMENT), reader.what)


@final
@dataclass(frozen=True, slots=True)
class PublicKey:
    """A server's public key: three elements, 99 bytes, and the framing of the proofs under it.

    Raises :class:`DecodeError` for malformed elements.
    """

    framing: Framing
    encoded: bytes = field(repr=False)
    elements: tuple[Any, Any, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        def read(reader: Reader) -> tuple[Any, Any, Any]:
            return _element(reader), _element(reader), _element(reader)

        object.__setattr__(self, "elements", Reader.all(self.encoded, "ARC public key", read))


class Request(NamedTuple):
    """A credential request: two commitments, and the proof of four scalars."""

    m1: Any
    m2: Any
    proof: bytes

    def __repr__(self) -> str:
        return "<Request>"

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Raises :class:`DecodeError`."""
        return cls(_element(reader), _element(reader), reader.take(5 * 32))

    def relation(self) -> Relation:
        """That the commitments are to two scalars that the client knows."""
        relation = Relation(P256)
        m1, m2, r1, r2 = relation.allocate(4)
        g, h, m1_enc, m2_enc = relation.add(*generators(), self.m1, self.m2)
        relation.equate(m1_enc, (m1, g), (r1, h))
        relation.equate(m2_enc, (m2, g), (r2, h))
        return relation


class Response(NamedTuple):
    """A credential response: a blinded MAC, what unblinds it, and the proof of seven scalars."""

    u: Any
    enc_u_prime: Any
    x0_aux: Any
    x1_aux: Any
    x2_aux: Any
    h_aux: Any
    proof: bytes

    def __repr__(self) -> str:
        return "<Response>"

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Raises :class:`DecodeError`."""
        u, enc_u_prime, x0, x1, x2, h = (_element(reader) for _ in range(6))
        return cls(u, enc_u_prime, x0, x1, x2, h, reader.take(8 * 32))

    def relation(self, key: PublicKey, asked: Request) -> Relation:
        """That the key made this of what was asked for."""
        relation = Relation(P256)
        x0, x1, x2, xb, b, t1, t2 = relation.allocate(7)
        g, h, m1, m2, u, enc, k0, k1, k2, x0_aux, x1_aux, x2_aux, h_aux = relation.add(
            *generators(), asked.m1, asked.m2, self.u, self.enc_u_prime, *key.elements, *self[2:6]
        )
        relation.equate(k0, (x0, g), (xb, h))
        relation.equate(k1, (x1, h))
        relation.equate(k2, (x2, h))
        relation.equate(h_aux, (b, h))
        relation.equate(x0_aux, (xb, h_aux))
        relation.equate(x1_aux, (t1, h))
        relation.equate(x1_aux, (b, k1))
        relation.equate(x2_aux, (b, k2))
        relation.equate(x2_aux, (t2, h))
        relation.equate(u, (b, g))
        relation.equate(enc, (b, k0), (t1, m1), (t2, m2))
        return relation


class Presentation(NamedTuple):
    """A presentation: a MAC made unrecognisable, the tag, commitments to its number and to that number's bits, and the
    proof of ``5 + 3 * k`` scalars.
    """

    u: Any
    u_prime_commit: Any
    m1_commit: Any
    tag: Any
    nonce_commit: Any
    bits: tuple[Any, ...]
    proof: bytes

    def __repr__(self) -> str:
        return "<Presentation>"

    @classmethod
    def read(cls, reader: Reader, count: int) -> Self:
        """Raises :class:`DecodeError`."""
        u, u_prime, m1, tag, nonce = (_element(reader) for _ in range(5))
        bits = tuple(_element(reader) for _ in range(count))
        return cls(u, u_prime, m1, tag, nonce, bits, reader.take((6 + 3 * count) * 32))

    def relation(self, x1_element: Any, v_element: Any, generator_t: Any) -> Relation:
        """That the MAC is the server's, the tag is of its secret and the number, and bits are bits."""
        relation = Relation(P256)
        m1, z, r, nonce, blinding = relation.allocate(5)
        g, h, u, _, m1_commit, v, x1, tag, t, nonce_commit = relation.add(
            *generators(),
            *(self.u, self.u_prime_commit, self.m1_commit, v_element, x1_element, self.tag),
            *(generator_t, self.nonce_commit),
        )
        relation.equate(m1_commit, (m1, u), (z, h))
        relation.equate(v, (z, x1), (r, g))
        relation.equate(nonce_commit, (nonce, g), (blinding, h))
        relation.equate(t, (m1, tag), (nonce, tag))
        count = len(self.bits)
        values, blinds, helpers = (relation.allocate(count) for _ in range(3))
        # With one bit, its commitment is the number's, and no second element.
        places: Sequence[int] = [nonce_commit] if count == 1 else relation.add(*self.bits)
        for place, value, blind, helper in zip(places, values, blinds, helpers, strict=True):
            relation.equate(place, (value, g), (blind, h))
            relation.equate(place, (value, place), (helper, h))
        return relation

    def encode(self) -> bytes:
        """``presentation_size(limit)`` bytes."""
        return b"".join((*map(GROUP.encode, (*self[:5], *self.bits)), self.proof))

"""Proofs of knowledge of linear relations over P-256 (draft-irtf-cfrg-sigma-protocols, draft-irtf-cfrg-fiat-shamir).

What the hash takes before the commitments, the *framing*, changed twice while other drafts relied on it, and is not
settled. Proofs of one don't verify as proofs of another.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, Final

from Crypto.Math.Numbers import Integer

from privproc.errors import DecodeError, SignatureError
from privproc.voprf import P256_SHA256

__all__ = [
    "GROUP",
    "ORDER",
    "Framing",
    "Relation",
    "decode_scalar",
    "encode_scalar",
    "prove",
    "random_scalar",
    "verify",
]

GROUP: Final = P256_SHA256.group
ORDER: Final = Integer(0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551, public=True)
SIZE: Final = 32

_PROTOCOL: Final = b"sigma-proofs_Shake128_P256"
_SESSION: Final = b"fiat-shamir/session-id"
_RATE: Final = 168  # bytes that SHAKE128 takes at a time: the identifier fills the first block


def _word(number: int) -> bytes:
    return number.to_bytes(4, "little")


class Framing(Enum):
    """How session and statement come before the commitments, and how many bytes the challenge is reduced from."""

    SIGMA_BEFORE_MARCH_2026 = ("plain session", 48)
    """draft-irtf-cfrg-sigma-protocols before its change of 2 March 2026 (41b316a): session and label after their
    lengths. The vectors in the repository of draft-ietf-privacypass-arc-crypto-01 have it.
    """
    SIGMA_MARCH_2026 = ("hashed session", 48)
    """From that change on: 64 bytes that hash the session, then the label. The vectors of cloudflareresearch/arc
    (arc_v01.json) have it.
    """
    SIGMA_APRIL_2026 = ("hashed session", 64)
    """From the change of 1 April 2026 on (pull request 141): as before, and 16 more bytes of challenge."""

    def start(self, session: bytes, label: bytes) -> Any:
        """The hash, before it takes the commitments."""
        state = hashlib.shake_128(_PROTOCOL.ljust(_RATE, b"\0"))
        if self is Framing.SIGMA_BEFORE_MARCH_2026:
            for part in (session, label):
                state.update(len(part).to_bytes(4, "big") + part)
        else:
            digest = hashlib.shake_128(_SESSION.ljust(_RATE, b"\0") + session).digest(32)
            state.update(bytes(32) + digest + label)
        return state

    def challenge(self, state: Any) -> Integer:
        """The challenge, once the commitments are in."""
        return Integer.from_bytes(state.digest(self.value[1])) % ORDER


def encode_scalar(scalar: Integer) -> bytes:
    """32 bytes, big-endian."""
    return scalar.to_bytes(SIZE)


def decode_scalar(data: bytes, what: str) -> Integer:
    """Raises :class:`DecodeError` unless ``data`` is 32 bytes of a number below the order, and not zero."""
    return Integer.from_bytes(GROUP.scalars.decode(data, what))


def random_scalar() -> Integer:
    """Uniform, and not zero."""
    return Integer.from_bytes(GROUP.scalars.random())


class Relation:
    """Equations ``lhs = sum(scalar * element)``, over elements that both sides know and scalars that the prover does.

    Element 0 is the generator. Elements and scalars are known by their places in the order of their allocation, which
    is part of what is proven.
    """

    __slots__ = ("_encoded", "elements", "equations", "scalars")

    def __init__(self) -> None:
        self.scalars = 0
        self.elements: list[Any] = []
        self._encoded: list[bytes] = []
        self.equations: list[tuple[int, tuple[tuple[int, int], ...]]] = []

    def allocate(self, count: int) -> range:
        """Places of ``count`` new scalars."""
        self.scalars += count
        return range(self.scalars - count, self.scalars)

    def add(self, *elements: Any) -> range:
        """Places of these elements. Raises :class:`DecodeError` for the identity."""
        self._encoded += map(GROUP.encode, elements)
        self.elements += elements
        return range(len(self.elements) - len(elements), len(self.elements))

    def equate(self, lhs: int, *terms: tuple[int, int]) -> None:
        """``lhs`` is the sum of these scalars times elements."""
        self.equations.append((lhs, terms))

    def label(self) -> bytes:
        """The statement, as the hash takes it: counts and places are 32 bits, *little*-endian."""
        parts = [_word(len(self.equations))]
        for lhs, terms in self.equations:
            parts += (_word(lhs), _word(len(terms)), *(_word(place) for term in terms for place in term))
        return b"".join((*parts, *self._encoded))


def _merged(terms: Iterable[tuple[Integer, int]]) -> dict[int, Integer]:
    """The scalar of each element, so that no element is multiplied twice."""
    found: dict[int, Integer] = {}
    for scalar, place in terms:
        found[place] = (found[place] + scalar) % ORDER if place in found else scalar
    return found


def prove(framing: Framing, session: bytes, relation: Relation, witness: Sequence[Integer]) -> bytes:
    """Challenge and responses: 32 bytes, and as many for each scalar."""
    nonces = [random_scalar() for _ in range(relation.scalars)]
    state = framing.start(session, relation.label())
    for _, terms in relation.equations:
        state.update(GROUP.encode(_commitment(relation, _merged((nonces[scalar], place) for scalar, place in terms))))
    challenge = framing.challenge(state)
    responses = [(nonce + secret * challenge) % ORDER for nonce, secret in zip(nonces, witness, strict=True)]
    return b"".join(map(encode_scalar, (challenge, *responses)))


def _commitment(relation: Relation, scalars: dict[int, Integer]) -> Any:
    """In constant time: nonces are as secret as what they hide."""
    total = None
    for place, scalar in scalars.items():
        encoded = encode_scalar(scalar)
        term = GROUP.multiply(encoded, relation.elements[place]) if place else GROUP.multiply_base(encoded)
        total = term if total is None else total + term
    return total


def verify(framing: Framing, session: bytes, relation: Relation, proof: bytes) -> None:
    """Raises :class:`DecodeError` unless ``proof`` is a challenge and a response for each scalar, all below the order
    and not zero; :class:`SignatureError` unless it proves the relation.
    """
    if len(proof) != SIZE * (1 + relation.scalars):
        raise DecodeError("proof", f"{len(proof)} bytes, not {SIZE * (1 + relation.scalars)}")
    challenge, *responses = (
        decode_scalar(proof[place : place + SIZE], "proof") for place in range(0, len(proof), SIZE)
    )
    state = framing.start(session, relation.label())
    minus = ORDER - challenge
    try:
        for lhs, terms in relation.equations:
            merged = _merged((*((responses[scalar], place) for scalar, place in terms), (minus, lhs)))
            state.update(GROUP.encode(_combined(relation, merged)))
    except DecodeError:  # a sum was the identity
        raise SignatureError("proof doesn't verify") from None
    if not hmac.compare_digest(encode_scalar(framing.challenge(state)), encode_scalar(challenge)):
        raise SignatureError("proof doesn't verify")


def _combined(relation: Relation, scalars: dict[int, Integer]) -> Any:
    """In variable time: of public values."""
    base = scalars.pop(0, None)
    kept = {place: encode_scalar(scalar) for place, scalar in scalars.items() if scalar != 0}
    elements = [relation.elements[place] for place in kept]
    return GROUP.combine(list(kept.values()), elements, base=encode_scalar(base) if base else None)

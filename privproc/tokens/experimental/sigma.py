"""Proofs of knowledge of linear relations over P-256 and ristretto255 (draft-irtf-cfrg-sigma-protocols,
draft-irtf-cfrg-fiat-shamir).

What the hash takes before the commitments, the *framing*, changed twice while other drafts relied on it, and is not
settled. Proofs of one don't verify as proofs of another.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from Crypto.Math.Numbers import Integer

from privproc.errors import DecodeError, SignatureError
from privproc.voprf import P256_SHA256, RISTRETTO255_SHA512, Group

__all__ = ["P256", "RISTRETTO255", "SIZE", "Framing", "Relation", "Suite", "prove", "verify"]

SIZE: Final = 32
"""Bytes of a scalar, of either suite."""

_SESSION: Final = b"fiat-shamir/session-id"
_RATE: Final = 168  # bytes that SHAKE128 takes at a time: an identifier fills the first block


@dataclass(frozen=True, slots=True)
class Suite:
    """A group, and the ``protocol`` identifier that the hash of its proofs starts with. Scalars are constant-time
    integers.
    """

    protocol: bytes = field(repr=False)
    group: Group[Any] = field(repr=False)
    order: Integer = field(repr=False)
    byteorder: Literal["big", "little"]
    generator: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        one = (1).to_bytes(SIZE, self.byteorder)
        object.__setattr__(self, "generator", self.group.multiply_base(one))

    def encode_scalar(self, scalar: Integer) -> bytes:
        """32 bytes."""
        return scalar.to_bytes(SIZE, self.byteorder)

    def decode_scalar(self, data: bytes, what: str) -> Integer:
        """Raises :class:`DecodeError` unless ``data`` is 32 bytes of a number below the order, and not zero."""
        return self.number(self.group.scalars.decode(data, what))

    def number(self, encoded: bytes) -> Integer:
        """The scalar that 32 bytes stand for, which are known to be one's."""
        return Integer.from_bytes(encoded, self.byteorder)

    def random_scalar(self) -> Integer:
        """Uniform, and not zero."""
        return self.number(self.group.scalars.random())

    def multiply(self, scalar: Integer, element: Any) -> Any:
        """``scalar * element``, in constant time; not for zero."""
        encoded = self.encode_scalar(scalar)
        if element is self.generator:
            return self.group.multiply_base(encoded)
        return self.group.multiply(encoded, element)


P256: Final = Suite(
    b"sigma-proofs_Shake128_P256",
    P256_SHA256.group,
    Integer(0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551, public=True),
    "big",
)
"""Of ARC."""

RISTRETTO255: Final = Suite(
    # What sigma-rs has for groups that the drafts name no identifier for: they name none for this one.
    b"ietf sigma proof linear relation",
    RISTRETTO255_SHA512.group,
    Integer(2**252 + 27742317777372353535851937790883648493, public=True),
    "little",
)
"""Of ACT: on the system's libsodium, else on pycryptodome."""


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

    def start(self, protocol: bytes, session: bytes, label: bytes) -> Any:
        """The hash, before it takes the commitments."""
        state = hashlib.shake_128(protocol.ljust(_RATE, b"\0"))
        if self is Framing.SIGMA_BEFORE_MARCH_2026:
            for part in (session, label):
                state.update(len(part).to_bytes(4, "big") + part)
        else:
            digest = hashlib.shake_128(_SESSION.ljust(_RATE, b"\0") + session).digest(32)
            state.update(bytes(32) + digest + label)
        return state

    def challenge(self, state: Any, order: Integer) -> Integer:
        """The challenge, once the commitments are in: big-endian, whatever the group's scalars are."""
        return Integer.from_bytes(state.digest(self.value[1])) % order


class Relation:
    """Equations ``lhs = sum(scalar * element)``, over elements that both sides know and scalars that the prover does.

    Elements and scalars are known by their places in the order of their allocation, which is part of what is proven.
    """

    __slots__ = ("_encoded", "_factors", "_first", "elements", "equations", "scalars", "suite")

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.scalars = 0
        self.elements: list[Any] = []
        self._encoded: list[bytes] = []
        self._factors: dict[int, int] = {}
        self._first = {suite.group.encode(suite.generator): suite.generator}
        self.equations: list[tuple[int, tuple[tuple[int, int], ...]]] = []

    def allocate(self, count: int) -> range:
        """Places of ``count`` new scalars."""
        self.scalars += count
        return range(self.scalars - count, self.scalars)

    def add(self, *elements: Any) -> range:
        """Places of these elements. Raises :class:`DecodeError` for the identity."""
        for element in elements:
            encoded = self.suite.group.encode(element)
            self._encoded.append(encoded)
            # One object for each element, however often it is added: what it is multiplied by is summed up first.
            self.elements.append(self._first.setdefault(encoded, element))
        return range(len(self.elements) - len(elements), len(self.elements))

    def add_multiples(self, of: Any, factors: Sequence[int], multiples: Sequence[Any]) -> range:
        """Places of elements that are known to be these multiples of another: it alone is what is multiplied."""
        places = self.add(*multiples)
        for place, factor in zip(places, factors, strict=True):
            self._factors[place] = factor
            self.elements[place] = of
        return places

    def equate(self, lhs: int, *terms: tuple[int, int]) -> None:
        """``lhs`` is the sum of these scalars times elements."""
        self.equations.append((lhs, terms))

    def label(self) -> bytes:
        """The statement, as the hash takes it: counts and places are 32 bits, *little*-endian."""
        parts = [_word(len(self.equations))]
        for lhs, terms in self.equations:
            parts += (_word(lhs), _word(len(terms)), *(_word(place) for term in terms for place in term))
        return b"".join((*parts, *self._encoded))

    def sums(self, terms: Iterable[tuple[Integer, int]]) -> list[tuple[Integer, Any]]:
        """Each element of these terms once, with the sum of its scalars."""
        found: dict[int, tuple[Integer, Any]] = {}
        for scalar, place in terms:
            element, factor = self.elements[place], self._factors.get(place)
            total = scalar if factor is None else scalar * Integer(factor) % self.suite.order
            if (before := found.get(id(element))) is not None:
                total = (total + before[0]) % self.suite.order
            found[id(element)] = total, element
        return list(found.values())


def prove(framing: Framing, session: bytes, relation: Relation, witness: Sequence[Integer]) -> bytes:
    """Challenge and responses: 32 bytes, and as many for each scalar."""
    suite = relation.suite
    nonces = [suite.random_scalar() for _ in range(relation.scalars)]
    state = framing.start(suite.protocol, session, relation.label())
    for _, terms in relation.equations:
        state.update(suite.group.encode(_commitment(relation, ((nonces[scalar], place) for scalar, place in terms))))
    challenge = framing.challenge(state, suite.order)
    responses = [(nonce + secret * challenge) % suite.order for nonce, secret in zip(nonces, witness, strict=True)]
    return b"".join(map(suite.encode_scalar, (challenge, *responses)))


def _commitment(relation: Relation, terms: Iterable[tuple[Integer, int]]) -> Any:
    """In constant time: nonces are as secret as what they hide."""
    suite = relation.suite
    total, *others = (suite.multiply(scalar, element) for scalar, element in relation.sums(terms))
    for other in others:
        total = suite.group.add(total, other)
    return total


def verify(framing: Framing, session: bytes, relation: Relation, proof: bytes) -> None:
    """Raises :class:`DecodeError` unless ``proof`` is a challenge and a response for each scalar, all below the order
    and not zero; :class:`SignatureError` unless it proves the relation.
    """
    suite = relation.suite
    if len(proof) != SIZE * (1 + relation.scalars):
        raise DecodeError("proof", f"{len(proof)} bytes, not {SIZE * (1 + relation.scalars)}")
    challenge, *responses = (
        suite.decode_scalar(proof[place : place + SIZE], "proof") for place in range(0, len(proof), SIZE)
    )
    state = framing.start(suite.protocol, session, relation.label())
    minus = suite.order - challenge
    try:
        for lhs, terms in relation.equations:
            found = relation.sums((*((responses[scalar], place) for scalar, place in terms), (minus, lhs)))
            state.update(suite.group.encode(_combined(suite, found)))
    except DecodeError:  # a sum was the identity
        raise SignatureError("proof doesn't verify") from None
    if not hmac.compare_digest(*map(suite.encode_scalar, (framing.challenge(state, suite.order), challenge))):
        raise SignatureError("proof doesn't verify")


def _combined(suite: Suite, terms: Iterable[tuple[Integer, Any]]) -> Any:
    """In variable time: of public values."""
    base, scalars, elements = None, [], []
    for scalar, element in terms:
        if scalar == 0:
            continue
        if element is suite.generator:
            base = suite.encode_scalar(scalar)
        else:
            scalars.append(suite.encode_scalar(scalar))
            elements.append(element)
    if base is None and not scalars:
        raise DecodeError("proof", "a commitment is the identity")
    return suite.group.combine(scalars, elements, base=base)

"""Anonymous Credential Service: a profile of facebookresearch/acs, the credential of WhatsApp's Private Processing.

Not Privacy Pass and not RFC 9497: its hashes have no domain separation. The profile has ristretto255, keys derived from
attributes by inversion (``kdf_sdhi``, which has proofs), and its evaluation (``voprf_*_twohashdh``)::

    issuer   = Issuer(primary, permitted={Attributes((b"use:pp", b"2026-11-28"))})   service
    answer   = issuer.attribute_key(attributes)                                   service: 96 bytes, a key and its proof
    key      = verify_key(primary_public, attributes, answer)                     client
    blinded, pending = request(key)                                               client: 32 bytes
    answer   = issuer.evaluate(attributes, blinded)                               service: 96 bytes, with a proof
    credential = pending.finish(answer)                                           client
    spend_key  = issuer.redeem(token, attributes, secret, expires=...)            service

::

    sk = 1 / (psk + h)      h = the attributes, hashed to a scalar      pk = sk * G
    T  = sk * HashToGroup(token)                                        secret = SHA-512(token || T)

**What differs from the original.** Both proofs are always there and always verified: one that a flag can switch off
let a service mark a client's credentials (TOB-WAPI-2). A redemption gives a key to spend once; the original's
demonstration leaves reuse and expiry open, and its users let a credential be used many times, which links its uses.
:class:`Attributes` encode injectively: the original hashes them one behind the other, so that lists that divide the
same bytes differently share a key (:class:`AmbiguousAttributes` reproduces that, for services that speak to the
original). A client may blind by ``r * H`` or by ``H + r * G``: neither the service nor the credential can tell; here it
is the former.

What the primary key is must come from where all clients have it from, never along with the answer (TOB-WAPI-1).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self, final

from privproc._step import Step, Unique
from privproc.errors import DecodeError, PolicyError, SignatureError, UsageError
from privproc.secret import Secret
from privproc.tokens.store import SpendKey
from privproc.trust import Earned
from privproc.voprf import RISTRETTO255_SHA512

__all__ = [
    "ANSWER_SIZE",
    "AmbiguousAttributes",
    "AttributeKey",
    "AttributeList",
    "Attributes",
    "Credential",
    "Issuer",
    "PendingCredential",
    "PrimaryKey",
    "request",
    "verify_key",
]

ANSWER_SIZE: Final = 96
"""Bytes of an attribute key or an evaluated element, 32, with its proof, 64."""

_GROUP: Final = RISTRETTO255_SHA512.group
_SIZE: Final = 32
_LABEL: Final = b"privproc acs attributes"
_ONE: Final = b"\1" + bytes(31)
_BASE: Final = _GROUP.encode(_GROUP.multiply_base(_ONE))


class AttributeList(Protocol):
    """A list of attributes, in one of the two encodings."""

    def encode(self) -> bytes:
        """What is hashed to the scalar ``h``."""
        ...


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes of a credential, in order: coarse and shared by many clients, such as a use and a day.

    ::

        "privproc acs attributes" || uint32 count || ( uint32 length || attribute )*

    No other list, and nothing else that ACS hashes, has the same encoding.
    """

    values: tuple[bytes, ...] = field(repr=False)

    def encode(self) -> bytes:
        """See above."""
        sized = (len(value).to_bytes(4, "big") + value for value in self.values)
        return b"".join((_LABEL, len(self.values).to_bytes(4, "big"), *sized))


@dataclass(frozen=True, slots=True)
class AmbiguousAttributes:
    """Attributes as facebookresearch/acs hashes them: one behind the other.

    ``(b"use:pp", b"2026")`` and ``(b"use:pp2", b"026")`` have the same key, so a credential for one redeems as the
    other. Safe only where the service fixes the length of every attribute.
    """

    values: tuple[bytes, ...] = field(repr=False)

    def encode(self) -> bytes:
        """See above."""
        return b"".join(self.values)


def _scalar(*parts: bytes) -> bytes:
    """``hash_to_scalar``: SHA-512, reduced."""
    return _GROUP.scalars.reduce(hashlib.sha512(b"".join(parts)).digest())


def _hash_to_group(token: bytes) -> Any:
    """``hash_to_curve``: SHA-512, and the map of RFC 9496 §4.3.4. Until it is spent, a token is the client's secret."""
    return _GROUP.from_uniform(hashlib.sha512(token).digest(), public=False)


def _secret(token: bytes, element: Any) -> Secret:
    return Secret(hashlib.sha512(token + _GROUP.encode(element, public=False)).digest())


def _prove(bases: tuple[bytes, bytes], elements: tuple[bytes, bytes], k: bytes, nonce: bytes) -> bytes:
    """``c || s``, 64 bytes: both elements are ``k`` times their bases."""
    first, second = (_GROUP.multiply(nonce, _GROUP.decode(base, "base")) for base in bases)
    c = _challenge(bases, elements, first, second)
    return c + _GROUP.scalars.minus_product(nonce, c, k)


def _challenge(bases: tuple[bytes, bytes], elements: tuple[bytes, bytes], first: Any, second: Any) -> bytes:
    pairs = zip(bases, elements, strict=True)
    return _scalar(*(part for pair in pairs for part in pair), _GROUP.encode(first), _GROUP.encode(second))


def _verify(bases: tuple[bytes, bytes], elements: tuple[bytes, bytes], proof: bytes) -> None:
    c, s = (_GROUP.scalars.decode(part, "proof") for part in (proof[:_SIZE], proof[_SIZE:]))
    pairs = [[_GROUP.decode(one, "element") for one in pair] for pair in zip(bases, elements, strict=True)]
    try:
        expected = _challenge(bases, elements, *(_GROUP.combine((s, c), pair) for pair in pairs))
    except DecodeError:  # a sum was the identity
        raise SignatureError("ACS: proof doesn't verify") from None
    if not hmac.compare_digest(expected, c):
        raise SignatureError("ACS: proof doesn't verify")


def _split(answer: bytes) -> tuple[bytes, bytes]:
    if len(answer) != ANSWER_SIZE:
        raise DecodeError("ACS answer", f"{len(answer)} bytes, not {ANSWER_SIZE}")
    return answer[:_SIZE], answer[_SIZE:]


@final
class PrimaryKey(Unique):
    """A service's primary key ``psk``. Opaque; can't be copied or pickled.

    Raises :class:`DecodeError` unless ``scalar`` is 32 bytes of a number below the group's order, little-endian, and
    not zero.
    """

    __slots__ = ("_scalar", "public_key")

    public_key: bytes
    """``ppk``, 32 bytes, which clients have from where all have it from."""

    def __init__(self, scalar: Secret) -> None:
        self._scalar = Secret(_GROUP.scalars.decode(scalar.expose(), "ACS primary key"))
        self.public_key = _GROUP.encode(_GROUP.multiply_base(self._scalar.expose()))

    @classmethod
    def generate(cls) -> Self:
        """A new random key."""
        return cls(Secret(_GROUP.scalars.random()))

    def to_secret(self) -> Secret:
        """The scalar, 32 bytes, for the caller's own storage."""
        return Secret(self._scalar.expose())

    def _derive(self, attributes: AttributeList) -> tuple[bytes, bytes]:
        """``psk + h`` and its inverse, ``sk``."""
        total = _GROUP.scalars.add(self._scalar.expose(), _scalar(attributes.encode()))
        if not any(total):
            raise UsageError("ACS: these attributes have no key")
        return total, _GROUP.scalars.invert((total,))[0]


@dataclass(frozen=True, slots=True, init=False)
class AttributeKey(Earned):
    """The key for ``attributes`` (32 bytes): its proof was verified under the primary key."""

    attributes: AttributeList
    encoded: bytes = field(repr=False)


def verify_key(primary_public: bytes, attributes: AttributeList, answer: bytes) -> AttributeKey:
    """The attribute key in an answer of :meth:`Issuer.attribute_key`: 96 bytes.

    Raises :class:`DecodeError` for another length and what aren't elements or scalars, :class:`SignatureError` when the
    primary key has another key for these attributes.
    """
    encoded, proof = _split(answer)
    primary = _GROUP.decode(primary_public, "ACS primary key")
    # (psk + h) * G is known to everybody.
    total = _GROUP.encode(_GROUP.combine((_ONE,), (primary,), base=_scalar(attributes.encode())))
    _verify((_BASE, encoded), (total, _BASE), proof)
    return AttributeKey._earn(attributes=attributes, encoded=encoded)


@dataclass(frozen=True, slots=True)
class Credential:
    """A token (32 bytes) with the secret that redeems it (64 bytes), for its attributes. To be redeemed once."""

    token: bytes = field(repr=False)
    secret: Secret
    attributes: AttributeList


@dataclass(frozen=True, slots=True, repr=False)
class _Blinded:
    key: AttributeKey
    token: bytes
    blind: Secret
    element: bytes


@final
class PendingCredential(Step[_Blinded]):
    """A client that waits for its evaluation. Made by :func:`request`, left once by :meth:`finish`."""

    __slots__ = ()

    def finish(self, answer: bytes) -> Credential:
        """The credential in an answer of :meth:`Issuer.evaluate`: 96 bytes. The blind is wiped either way.

        Raises :class:`DecodeError` for another length and what aren't elements or scalars, :class:`SignatureError` when
        the service used another key than the one that was verified.
        """
        state = self._take()
        try:
            evaluated, proof = _split(answer)
            _verify((_BASE, state.element), (state.key.encoded, evaluated), proof)
            (inverse,) = _GROUP.scalars.invert((state.blind.expose(),))
            element = _GROUP.multiply(inverse, _GROUP.decode(evaluated, "ACS answer"))
        finally:
            state.blind.wipe()
        return Credential(state.token, _secret(state.token, element), state.key.attributes)


def request(key: AttributeKey) -> tuple[bytes, PendingCredential]:
    """A blinded element (32 bytes) for a new random token, and what reads the answer."""
    return _derand_request(key, os.urandom(_SIZE), _GROUP.scalars.random())


def _derand_request(key: AttributeKey, token: bytes, blind: bytes) -> tuple[bytes, PendingCredential]:
    """:func:`request` with the given token and blind ``r`` (32 bytes each)."""
    element = _GROUP.encode(_GROUP.multiply(blind, _hash_to_group(token)))
    return element, PendingCredential(_Blinded(key, token, Secret(blind), element))


@final
class Issuer:
    """A service: gives out attribute keys, evaluates, redeems, all for the ``permitted`` lists of attributes only.

    Whether a client may have a credential is decided before, by the caller. Attributes that are over, such as a past
    day, are taken out of ``permitted``, by making another issuer. Raises :class:`UsageError` when nothing is permitted.
    """

    __slots__ = ("_permitted", "_primary")

    def __init__(self, primary: PrimaryKey, permitted: Iterable[AttributeList]) -> None:
        self._primary = primary
        self._permitted = frozenset(permitted)
        if not self._permitted:
            raise UsageError("ACS: no attributes are permitted")

    def attribute_key(self, attributes: AttributeList) -> bytes:
        """``pk || proof``, 96 bytes. Raises :class:`PolicyError` for attributes that aren't permitted."""
        return self._derand_attribute_key(attributes, _GROUP.scalars.random())

    def _derand_attribute_key(self, attributes: AttributeList, nonce: bytes) -> bytes:
        total, sk = self._derive(attributes)
        pk = _GROUP.encode(_GROUP.multiply_base(sk))
        inverse = _GROUP.encode(_GROUP.multiply_base(total))
        return pk + _prove((_BASE, pk), (inverse, _BASE), total, nonce)

    def evaluate(self, attributes: AttributeList, blinded: bytes) -> bytes:
        """``Z || proof``, 96 bytes.

        Raises :class:`PolicyError` for attributes that aren't permitted, :class:`DecodeError` unless ``blinded`` is an
        element of the group, and not the identity.
        """
        return self._derand_evaluate(attributes, blinded, _GROUP.scalars.random())

    def _derand_evaluate(self, attributes: AttributeList, blinded: bytes, nonce: bytes) -> bytes:
        _, sk = self._derive(attributes)
        evaluated = _GROUP.encode(_GROUP.multiply(sk, _GROUP.decode(blinded, "ACS request")))
        pk = _GROUP.encode(_GROUP.multiply_base(sk))
        return evaluated + _prove((_BASE, blinded), (pk, evaluated), sk, nonce)

    def redeem(self, token: bytes, attributes: AttributeList, secret: bytes, *, expires: int) -> SpendKey:
        """What a store spends once, before anything else happens (``expires``: when the attributes aren't permitted any
        more, Unix seconds).

        Raises :class:`PolicyError` for attributes that aren't permitted, :class:`DecodeError` for a token that hasn't
        32 bytes, :class:`SignatureError` when the secret isn't the token's.
        """
        if len(token) != _SIZE:
            raise DecodeError("ACS token", f"{len(token)} bytes, not {_SIZE}")
        _, sk = self._derive(attributes)
        expected = _secret(token, _GROUP.multiply(sk, _hash_to_group(token))).expose()
        if not hmac.compare_digest(expected, secret):
            raise SignatureError("ACS: not the token's secret")
        key_id = hashlib.sha256(_GROUP.encode(_GROUP.multiply_base(sk))).digest()
        return SpendKey(key_id, token, expires)

    def _derive(self, attributes: AttributeList) -> tuple[bytes, bytes]:
        if attributes not in self._permitted:
            raise PolicyError("ACS: attributes aren't permitted")
        return self._primary._derive(attributes)

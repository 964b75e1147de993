"""Who signs packages, and in which epochs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Self, final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from privproc import cose
from privproc._step import Unique
from privproc.errors import DecodeError, UntrustedError, UsageError
from privproc.secret import Secret

__all__ = ["LAST_EPOCH", "MAX_TERMS", "SIGNERS", "Signer", "SignerKey", "Signers", "Term"]

SIGNERS: Final = "privproc/1/signers"
"""The purpose of a package whose content is a list of :class:`Signers`."""

LAST_EPOCH: Final = (1 << 48) - 1
"""The last epoch that a package can be of: the end of a term whose end isn't known yet."""

MAX_TERMS: Final = 16
"""Terms in one list."""


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A signer's public key: Ed25519, 32 bytes. ``kid`` is its SHA-256 (32 bytes)."""

    public: bytes
    kid: bytes = field(init=False, repr=False)
    _key: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.public) != 32:
            raise UsageError("an Ed25519 public key is 32 bytes")
        object.__setattr__(self, "kid", hashlib.sha256(self.public).digest())
        object.__setattr__(self, "_key", Ed25519PublicKey.from_public_bytes(self.public))


@final
class Signer(Unique):
    """The private key of a package signer (Ed25519). Opaque; can't be copied or pickled."""

    __slots__ = ("_key", "public")

    public: SignerKey

    def __init__(self, seed: Secret) -> None:
        """``seed``: the 32 bytes of an Ed25519 private key (RFC 8032 §5.1.5)."""
        if len(seed) != 32:
            raise UsageError("an Ed25519 private key is 32 bytes")
        self._key = Ed25519PrivateKey.from_private_bytes(seed.expose())
        self.public = SignerKey(self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> Self:
        """A fresh key."""
        return cls(Secret(Ed25519PrivateKey.generate().private_bytes_raw()))

    def __repr__(self) -> str:
        return f"<Signer {self.public.kid.hex()[:16]}>"


@dataclass(frozen=True, slots=True)
class Term:
    """A signer and the epochs that it signs, ``first`` to ``last``, both included."""

    key: SignerKey
    first: int
    last: int

    def __post_init__(self) -> None:
        if not 0 <= self.first <= self.last <= LAST_EPOCH:
            raise UsageError("a term begins at epoch 0 or later, and ends no earlier than it begins")


@dataclass(frozen=True, slots=True)
class Signers:
    """The signers of packages, at most one for each epoch, as a deterministic CBOR array::

        [ 1*16 [ key : bstr (32 bytes, Ed25519), first : uint, last : uint ] ]       epochs, both included, under 2^48

    in the order of epochs; terms don't overlap. Two signers for an epoch could each sign a package for it, and nobody
    could tell a rotation from a split view; a signer whose term is over can sign nothing that still counts.
    """

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.terms) <= MAX_TERMS or not _in_order(self.terms):
            raise UsageError(f"signers are 1 to {MAX_TERMS} terms in order, which don't overlap")

    @classmethod
    def only(cls, key: SignerKey) -> Self:
        """One signer for every epoch, until a list says otherwise. Where the end is known, a term that ends is better:
        a device that missed the takeover still takes the old key.
        """
        return cls((Term(key, 0, LAST_EPOCH),))

    def of(self, epoch: int) -> SignerKey:
        """The signer of ``epoch``. Raises :class:`UntrustedError` when it has none."""
        for term in self.terms:
            if term.first <= epoch <= term.last:
                return term.key
        raise UntrustedError("package: its epoch has no signer")

    def find(self, kid: cose.Value) -> SignerKey:
        """The key with this ``kid``, whatever its term. Raises :class:`UntrustedError` when there is none."""
        for term in self.terms:
            if term.key.kid == kid:
                return term.key
        raise UntrustedError("package: the signer isn't one of the accepted")

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        listed = cose.decode(data, "signers")
        if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_TERMS:
            raise DecodeError("signers", f"not a list of 1 to {MAX_TERMS} terms")
        terms = tuple(map(_term, listed))
        if not _in_order(terms):
            # req: privproc1/7.8 one-signer-an-epoch
            raise DecodeError("signers", "terms overlap, or aren't in order")
        return cls(terms)

    def encode(self) -> bytes:
        """The array: what a package of purpose :data:`SIGNERS` contains, and a form to keep it in."""
        return cose.encode([[term.key.public, term.first, term.last] for term in self.terms])


def _in_order(terms: Sequence[Term]) -> bool:
    return all(before.last < after.first for before, after in pairwise(terms))


def _term(value: cose.Value) -> Term:
    if not isinstance(value, list) or len(value) != 3:
        raise DecodeError("signers", "a term isn't key, first and last")
    key, first, last = value
    if not isinstance(key, bytes) or len(key) != 32:
        raise DecodeError("signers", "a key isn't 32 bytes")
    # The types themselves: true and false are ints too.
    if type(first) is not int or type(last) is not int or not 0 <= first <= last <= LAST_EPOCH:
        raise DecodeError("signers", "a term isn't two epochs in order")
    return Term(SignerKey(key), first, last)

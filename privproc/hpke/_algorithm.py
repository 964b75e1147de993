"""What a KEM is to the keys that use it."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from privproc.hpke._registry import Kem
from privproc.hpke._schedule import VERSION, prefixed

__all__ = ["Algorithm", "Pk", "Sk", "derive_seed"]

Pk = TypeVar("Pk")
Sk = TypeVar("Sk")


class Algorithm(ABC, Generic[Pk, Sk]):
    """A KEM over the library's key objects ``Pk`` and ``Sk``.

    The caller has checked the size of a key that it wants decoded; ``enc`` comes as it was received, and its size is
    the KEM's business. Whatever bytes can cause is a ValueError, which the caller turns into the error of its side. In
    encap and decap, ``encoded`` is the recipient's public key, which each KEM but ML-KEM alone hashes.
    """

    @abstractmethod
    def generate(self) -> Sk:
        """A new private key."""

    @abstractmethod
    def derive(self, ikm: bytes) -> Sk:
        """DeriveKeyPair: the private key of ``ikm``."""

    @abstractmethod
    def decode_public(self, encoded: bytes) -> Pk:
        """DeserializePublicKey, with the validation that the KEM demands."""

    @abstractmethod
    def decode_private(self, encoded: bytes) -> Sk:
        """DeserializePrivateKey."""

    @abstractmethod
    def public(self, private: Sk) -> tuple[Pk, bytes]:
        """The public half and its SerializePublicKey."""

    @abstractmethod
    def encode_private(self, private: Sk) -> bytes:
        """SerializePrivateKey."""

    @abstractmethod
    def encap(self, public: Pk, encoded: bytes) -> tuple[bytes, bytes]:
        """Encap: the encapsulation and the shared secret."""

    @abstractmethod
    def decap(self, private: Sk, encoded: bytes, enc: bytes) -> bytes:
        """Decap: the shared secret."""


def derive_seed(kem: Kem, ikm: bytes) -> bytes:
    """The private key, a seed of ``kem.Nsk`` bytes, that DeriveKeyPair gives (draft-ietf-hpke-pq-05 §3, §4)."""
    suite_id = b"KEM" + kem.to_bytes(2, "big")
    labeled = ikm + VERSION + suite_id + prefixed(b"DeriveKeyPair") + kem.Nsk.to_bytes(2, "big")
    return hashlib.shake_256(labeled).digest(kem.Nsk)

"""What a KEM is to the keys that use it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

__all__ = ["Algorithm", "Pk", "Sk"]

Pk = TypeVar("Pk")
Sk = TypeVar("Sk")


class Algorithm(ABC, Generic[Pk, Sk]):
    """A KEM over the library's key objects ``Pk`` and ``Sk``.

    The caller has checked the size of a key that it wants decoded; ``enc`` comes as it was received, and its size is
    the KEM's business. Whatever bytes can cause is a ValueError, which the caller turns into the error of its side. In
    encap and decap, ``encoded`` is the recipient's public key, which each KEM hashes.
    """

    @abstractmethod
    def generate(self) -> Sk:
        """A new private key."""

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

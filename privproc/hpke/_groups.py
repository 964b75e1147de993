"""The Diffie-Hellman groups of DHKEM and of the hybrids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Generic, final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from privproc.hpke._algorithm import Pk, Sk

__all__ = ["P256", "P384", "P521", "X448", "X25519", "Group"]


class Group(ABC, Generic[Pk, Sk]):
    """A group over the library's key objects. ``Ndh``: bytes of a Diffie-Hellman secret (RFC 9180 §4.1)."""

    Ndh: int

    @abstractmethod
    def generate(self) -> Sk:
        """A new private key."""

    @abstractmethod
    def derive(self, expand: Callable[[bytes, bytes], bytes]) -> Sk:
        """DeriveKeyPair (RFC 9180 §7.1.3); ``expand(label, info)`` gives ``Nsk`` bytes."""

    @abstractmethod
    def scalar(self, seed: bytes) -> Sk:
        """RandomScalar (draft-irtf-cfrg-concrete-hybrid-kems §3.1)."""

    @abstractmethod
    def decode_public(self, encoded: bytes) -> Pk:
        """DeserializePublicKey, with validation; ValueError for a wrong size too."""

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
    def exchange(self, private: Sk, public: Pk) -> bytes:
        """The Diffie-Hellman secret; raises ValueError when it is all zeros."""


@final
class Montgomery(Group[Any, Any]):
    """RFC 7748. Public keys aren't validated when read: the check is that no exchange gives zeros (RFC 9180 §7.1.4).

    Private keys are written as they were read: so draft-ietf-hpke-hpke-05 §7.1.2 and the vectors of RFC 9180, whose
    text has them clamped (erratum 7121 reports the difference). Every use clamps.
    """

    def __init__(self, size: int, public: Any, private: Any) -> None:
        self.Ndh = size
        self._public = public
        self._private = private

    def generate(self) -> Any:
        return self._private.generate()

    def derive(self, expand: Callable[[bytes, bytes], bytes]) -> Any:
        return self.decode_private(expand(b"sk", b""))

    def scalar(self, seed: bytes) -> Any:
        return self.decode_private(seed)

    def decode_public(self, encoded: bytes) -> Any:
        return self._public.from_public_bytes(encoded)

    def decode_private(self, encoded: bytes) -> Any:
        return self._private.from_private_bytes(encoded)

    def public(self, private: Any) -> tuple[Any, bytes]:
        public = private.public_key()
        return public, public.public_bytes_raw()

    def encode_private(self, private: Any) -> bytes:
        encoded: bytes = private.private_bytes_raw()
        return encoded

    def exchange(self, private: Any, public: Any) -> bytes:
        secret: bytes = private.exchange(public)
        return secret


@final
class Nist(Group[ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey]):
    """A NIST curve; points are uncompressed (RFC 9180 §7.1.1) and validated when read."""

    def __init__(self, curve: ec.EllipticCurve) -> None:
        self.Ndh = (curve.key_size + 7) // 8
        self._curve = curve
        self._mask = (1 << curve.key_size) - 1

    def generate(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(self._curve)

    def derive(self, expand: Callable[[bytes, bytes], bytes]) -> ec.EllipticCurvePrivateKey:
        return self._first(expand(b"candidate", bytes((counter,))) for counter in range(256))

    def scalar(self, seed: bytes) -> ec.EllipticCurvePrivateKey:
        return self._first(seed[start : start + self.Ndh] for start in range(0, len(seed), self.Ndh))

    def _first(self, candidates: Iterable[bytes]) -> ec.EllipticCurvePrivateKey:
        """The first candidate below the order (not the prime, which is larger), bits beyond its size cleared."""
        for candidate in candidates:
            value = int.from_bytes(candidate, "big") & self._mask
            if 0 < value < self._curve.group_order:
                return ec.derive_private_key(value, self._curve)
        raise ValueError("no candidate is a private key")

    def decode_public(self, encoded: bytes) -> ec.EllipticCurvePublicKey:
        if encoded[:1] != b"\4":  # the library would take compressed points too
            raise ValueError("not an uncompressed point")
        return ec.EllipticCurvePublicKey.from_encoded_point(self._curve, encoded)

    def decode_private(self, encoded: bytes) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(encoded, "big"), self._curve)

    def public(self, private: ec.EllipticCurvePrivateKey) -> tuple[ec.EllipticCurvePublicKey, bytes]:
        public = private.public_key()
        return public, public.public_bytes(*_POINT)

    def encode_private(self, private: ec.EllipticCurvePrivateKey) -> bytes:
        return private.private_numbers().private_value.to_bytes(self.Ndh, "big")

    def exchange(self, private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey) -> bytes:
        return private.exchange(_ECDH, public)


_ECDH = ec.ECDH()
_POINT = Encoding.X962, PublicFormat.UncompressedPoint

P256 = Nist(ec.SECP256R1())
P384 = Nist(ec.SECP384R1())
P521 = Nist(ec.SECP521R1())
X25519 = Montgomery(32, X25519PublicKey, X25519PrivateKey)
X448 = Montgomery(56, X448PublicKey, X448PrivateKey)

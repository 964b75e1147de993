"""DHKEM (RFC 9180 §4.1) over P-256 and X25519, both with HKDF-SHA256."""

from __future__ import annotations

import hmac
from abc import abstractmethod

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from privproc.hpke._algorithm import Algorithm, Pk, Sk
from privproc.hpke.suite import Kem

__all__ = ["P256", "X25519", "DhKem"]


class DhKem(Algorithm[Pk, Sk]):
    """Encapsulation over a Diffie-Hellman group; the subclasses are the groups."""

    def __init__(self, kem: Kem) -> None:
        label = b"HPKE-v1" + b"KEM" + kem.to_bytes(2, "big")
        self._extract = label + b"eae_prk"
        self._expand = kem.Nsecret.to_bytes(2, "big") + label + b"shared_secret"

    @abstractmethod
    def exchange(self, private: Sk, public: Pk) -> bytes:
        """The Diffie-Hellman secret; raises ValueError when it is all zeros."""

    def encap(self, public: Pk, encoded: bytes) -> tuple[bytes, bytes]:
        """Encap (RFC 9180 §4.1)."""
        return self.derand_encap(public, encoded, self.generate())

    def derand_encap(self, public: Pk, encoded: bytes, ephemeral: Sk) -> tuple[bytes, bytes]:
        """Encap with a given ephemeral key."""
        enc = self.public(ephemeral)[1]
        return enc, self._secret(self.exchange(ephemeral, public), enc, encoded)

    def decap(self, private: Sk, encoded: bytes, enc: bytes) -> bytes:
        """Decap (RFC 9180 §4.1). The group checks the size and form of ``enc``."""
        return self._secret(self.exchange(private, self.decode_public(enc)), enc, encoded)

    def _secret(self, dh: bytes, enc: bytes, encoded: bytes) -> bytes:
        """ExtractAndExpand. An empty HMAC key equals HKDF's salt of zeros, and Nsecret is one block of SHA-256."""
        prk = hmac.digest(b"", self._extract + dh, "sha256")
        return hmac.digest(prk, self._expand + enc + encoded + b"\1", "sha256")


class X25519(DhKem[X25519PublicKey, X25519PrivateKey]):
    """RFC 7748. Public keys aren't validated when read: the check is that no exchange gives zeros (RFC 9180 §7.1.4)."""

    def generate(self) -> X25519PrivateKey:
        return X25519PrivateKey.generate()

    def decode_public(self, encoded: bytes) -> X25519PublicKey:
        return X25519PublicKey.from_public_bytes(encoded)

    def decode_private(self, encoded: bytes) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(encoded)

    def public(self, private: X25519PrivateKey) -> tuple[X25519PublicKey, bytes]:
        public = private.public_key()
        return public, public.public_bytes_raw()

    def encode_private(self, private: X25519PrivateKey) -> bytes:
        scalar = bytearray(private.private_bytes_raw())
        scalar[0] &= 0xF8  # clamped, as RFC 9180 §7.1.2 demands; RFC 7748 §5 names the bits
        scalar[31] = scalar[31] & 0x7F | 0x40
        return bytes(scalar)

    def exchange(self, private: X25519PrivateKey, public: X25519PublicKey) -> bytes:
        return private.exchange(public)


class P256(DhKem[ec.EllipticCurvePublicKey, ec.EllipticCurvePrivateKey]):
    """NIST P-256; points are uncompressed (RFC 9180 §7.1.1) and validated when read."""

    def generate(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(_CURVE)

    def decode_public(self, encoded: bytes) -> ec.EllipticCurvePublicKey:
        if encoded[:1] != b"\4":  # the library would take compressed points too
            raise ValueError("not an uncompressed point")
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, encoded)

    def decode_private(self, encoded: bytes) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(encoded, "big"), _CURVE)

    def public(self, private: ec.EllipticCurvePrivateKey) -> tuple[ec.EllipticCurvePublicKey, bytes]:
        public = private.public_key()
        return public, public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def encode_private(self, private: ec.EllipticCurvePrivateKey) -> bytes:
        return private.private_numbers().private_value.to_bytes(32, "big")

    def exchange(self, private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey) -> bytes:
        return private.exchange(_ECDH, public)


_CURVE = ec.SECP256R1()
_ECDH = ec.ECDH()

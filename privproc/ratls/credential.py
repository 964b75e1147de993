"""A certificate with its key, and the signatures that both make and verify: TLS's schemes (RFC 8446 §4.2.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from privproc.attestation.der import SEQUENCE, Element
from privproc.errors import DecodeError, PeerError, SignatureError, UnsupportedError, UsageError

__all__ = ["SCHEMES", "Credential", "verify_signature"]

_ECDSA_P256: Final = 0x0403
_ED25519: Final = 0x0807

SCHEMES: Final = (_ED25519, _ECDSA_P256)
"""What is offered to a peer: ed25519, ecdsa_secp256r1_sha256."""

_VERSION: Final = 0xA0
_SPKI: Final = 6  # of version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo (RFC 5280 §4.1)


@dataclass(frozen=True, slots=True)
class Credential:
    """A chain of certificates (DER, the leaf first) and the leaf's private key: Ed25519 or P-256.

    Raises :class:`UsageError` for another kind of key, or one that isn't the leaf's.
    """

    chain: tuple[bytes, ...] = field(repr=False)
    key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        try:
            matches = bool(self.chain) and _public_key(self.chain[0]) == self.key.public_key()
        except PeerError:
            matches = False
        if not matches:
            raise UsageError("the key is not the leaf's, or of a kind that is not supported")

    @property
    def scheme(self) -> int:
        """The SignatureScheme of the key's signatures."""
        return _ED25519 if isinstance(self.key, Ed25519PrivateKey) else _ECDSA_P256

    def sign(self, data: bytes) -> bytes:
        """A signature of :attr:`scheme`."""
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(data)
        return self.key.sign(data, ec.ECDSA(SHA256()))


def verify_signature(leaf: bytes, scheme: int, signature: bytes, data: bytes) -> None:
    """Verify a signature of ``scheme`` by the key of a certificate (DER).

    Raises :class:`DecodeError` for the certificate's form, :class:`UnsupportedError` for its key or a scheme that isn't
    of :data:`SCHEMES`, :class:`SignatureError` for a signature that doesn't hold or is of another kind than the key.
    """
    key = _public_key(leaf)
    if scheme not in SCHEMES:
        raise UnsupportedError("CertificateVerify: a scheme that wasn't offered")
    try:
        if scheme == _ED25519 and isinstance(key, Ed25519PublicKey):
            key.verify(signature, data)
            return
        if scheme == _ECDSA_P256 and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(SHA256()))
            return
    except InvalidSignature:
        pass
    raise SignatureError("CertificateVerify doesn't hold")


def _public_key(leaf: bytes) -> Ed25519PublicKey | ec.EllipticCurvePublicKey:
    """The certificate's key. Nothing else of it is read, so nothing else can be refused."""
    outer = Element.decode(leaf, "certificate")
    fields = outer.children()
    if outer.tag != SEQUENCE or not fields or fields[0].tag != SEQUENCE:
        raise outer.fail("not a certificate")
    parts = fields[0].children()
    if len(parts) <= _SPKI or parts[0].tag != _VERSION or parts[_SPKI].tag != SEQUENCE:
        raise outer.fail("not a certificate of version 3")
    try:
        key = load_der_public_key(parts[_SPKI].raw)
    except ValueError:
        raise DecodeError("certificate", "its public key") from None
    except UnsupportedAlgorithm:
        raise UnsupportedError("the certificate's kind of key") from None
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    if isinstance(key, Ed25519PublicKey):
        return key
    raise UnsupportedError("the certificate's kind of key")

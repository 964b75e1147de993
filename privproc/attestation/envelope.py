"""Signatures around what others have written: COSE_Sign1 (RFC 9052 §4.2), and the algorithms that JWS shares with it.

privproc's own messages have a narrower form, :class:`privproc.cose.Sign1`. Here tags, unprotected headers and three
more curves are taken, since foreign tokens have them. The key is always the caller's: what a header says of keys and
certificates is not looked at, and the algorithm is the key's, whatever a header names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, Self, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from privproc import cose
from privproc.attestation import cbor
from privproc.errors import DecodeError, SignatureError, UnsupportedError, UsageError

__all__ = ["Algorithm", "Envelope", "VerificationKey", "algorithm_of", "check_signature"]

VerificationKey: TypeAlias = "ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey"
"""What verifies: a key on P-256, P-384 or P-521, or one of Ed25519."""


class Algorithm(NamedTuple):
    """What a key signs with: its number in COSE (RFC 9053 §2) and its name in JOSE (RFC 7518 §3.1, RFC 8037 §3.1)."""

    number: int
    name: str


class _Curve(NamedTuple):
    algorithm: Algorithm
    scheme: ec.ECDSA
    half: int  # bytes of each of a signature's two numbers


_EDDSA: Final = Algorithm(cose.EDDSA, "EdDSA")
# req: rfc9711/6.4 algorithms-of-constrained-devices
_CURVES: Final = {
    "secp256r1": _Curve(Algorithm(-7, "ES256"), ec.ECDSA(SHA256()), 32),
    "secp384r1": _Curve(Algorithm(cose.ES384, "ES384"), ec.ECDSA(SHA384()), 48),
    "secp521r1": _Curve(Algorithm(-36, "ES512"), ec.ECDSA(SHA512()), 66),
}


def algorithm_of(key: VerificationKey) -> Algorithm:
    """The one algorithm that ``key`` is for. Raises :class:`UsageError` for other keys than those named above."""
    return _EDDSA if isinstance(key, ed25519.Ed25519PublicKey) else _curve_of(key).algorithm


def _curve_of(key: ec.EllipticCurvePublicKey) -> _Curve:
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        raise UsageError("a verification key is on P-256, P-384 or P-521, or of Ed25519")
    return _CURVES[key.curve.name]


def check_signature(key: VerificationKey, signature: bytes, signed: bytes, what: str) -> None:
    """Raise :class:`SignatureError` unless ``signature`` is ``key``'s, of ``signed``.

    ECDSA's has the form that COSE and JOSE share: two numbers of equal size, one after the other. ``what`` names the
    message in errors.
    """
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, signed)
            return
        curve = _curve_of(key)
        if len(signature) != 2 * curve.half:
            raise SignatureError(f"{what}: signature isn't {2 * curve.half} bytes")
        r, s = (int.from_bytes(part, "big") for part in (signature[: curve.half], signature[curve.half :]))
        key.verify(encode_dss_signature(r, s), signed, curve.scheme)
    except InvalidSignature:
        raise SignatureError(f"{what}: signature doesn't verify") from None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A COSE_Sign1 message of somebody else's, its payload inside::

        COSE_Sign1 = [ protected : bstr .cbor { 1: alg, * label => any }, unprotected : { * label => any },
                       payload : bstr, signature : bstr ]

    ``protected`` and ``payload`` are kept as received. ``headers`` is what the protected header says, not to be
    believed before :meth:`verify`; ``unprotected`` isn't signed by anybody. External data is empty.
    """

    protected: bytes
    payload: bytes
    signature: bytes
    headers: Mapping[int | str, cbor.Value] = field(repr=False)
    unprotected: Mapping[int | str, cbor.Value] = field(repr=False)

    @classmethod
    def decode(cls, data: bytes, what: str, *, tags: Collection[tuple[int, ...]]) -> Self:
        """The message in ``data``, below one of the sequences of ``tags``, the outermost first; ``()`` is none.

        Raises :class:`DecodeError`, or :class:`UnsupportedError` for other tags, critical headers, and a payload that
        is elsewhere.
        """
        message, found = cbor.decode(data, what), []
        while isinstance(message, cbor.Tagged):
            found.append(message.number)
            message = message.content
        if not isinstance(message, list) or len(message) != 4:
            raise DecodeError(what, "not a COSE_Sign1 message")
        if tuple(found) not in tags:
            raise UnsupportedError(f"{what}: not below the tags that it should have")
        protected, unprotected, payload, signature = message
        if payload is None:
            raise UnsupportedError(f"{what}: the payload is not in the message")
        if not (isinstance(protected, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes)):
            raise DecodeError(what, "header, payload or signature isn't a byte string")
        headers = cbor.decode(protected, what)
        if not isinstance(headers, dict) or not isinstance(unprotected, dict) or cose.ALG not in headers:
            raise DecodeError(what, "headers aren't maps, or no algorithm is protected")
        if headers.keys() & unprotected.keys():
            raise DecodeError(what, "a header parameter is both protected and not")  # RFC 9052 §3
        if cose.CRIT in headers:
            raise UnsupportedError(f"{what}: critical headers")
        return cls(protected, payload, signature, MappingProxyType(headers), MappingProxyType(unprotected))

    def verify(self, key: VerificationKey, what: str) -> None:
        """Raise :class:`SignatureError` unless ``key`` signed this, under the one algorithm that ``key`` is for."""
        algorithm, named = algorithm_of(key).number, self.headers[cose.ALG]
        if type(named) is not int or named != algorithm:  # -7.0 equals -7
            raise SignatureError(f"{what}: algorithm isn't the key's")
        check_signature(key, self.signature, cose._signed(self.protected, self.payload), what)

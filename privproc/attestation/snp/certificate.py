"""An X.509 certificate as AMD issues them: what the chain check reads, and nothing more (RFC 5280 §4.1).

Names and algorithms are compared as the bytes that were received. The signature scheme of every certificate of the
hierarchy is RSASSA-PSS with SHA-384, MGF1-SHA-384 and a salt of 48 bytes; AMD writes it in two encodings, with and
without the trailer field, which has a default value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import load_der_public_key

from privproc.attestation.snp.der import BIT_STRING, BOOLEAN, INTEGER, OCTET_STRING, OID, SEQUENCE, SET, Element
from privproc.errors import DecodeError, SignatureError, UnsupportedError

__all__ = ["MAX_CERTIFICATE", "Certificate", "Extension"]

MAX_CERTIFICATE = 8192
"""Bytes of the longest certificate that is read; AMD's have 1289 to 1683."""

_PSS_SHA384 = (
    bytes.fromhex(
        "304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108"
        "300d06096086480165030402020500a203020130"
    ),
    bytes.fromhex(
        "304606092a864886f70d01010a3039a00f300d06096086480165030402020500a11c301a06092a864886f70d010108"
        "300d06096086480165030402020500a203020130a303020101"
    ),
)
_PSS = padding.PSS(padding.MGF1(SHA384()), 48)
_SHA384 = SHA384()
_RSA_BITS = 4096
_RSA_EXPONENT = 65537
_P384_SPKI = bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200")  # then 04 || X || Y
_P384_POINT = 97

_VERSION = 0xA0
_EXTENSIONS = 0xA3
_VERSION_3 = b"\x02\x01\x02"
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_COMMON_NAME = bytes.fromhex("550403")
_UTF8_STRING = 0x0C
_PRINTABLE_STRING = 0x13


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension: ``oid`` is the content of its OBJECT IDENTIFIER, ``value`` that of its OCTET STRING."""

    oid: bytes
    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class Certificate:
    """``Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }``, version 3.

    ``issuer``, ``subject`` and ``spki`` are whole DER elements. ``not_before`` is the first second of validity and
    ``not_after`` the first second past it (Unix).
    """

    what: ClassVar[str] = "certificate"

    name: str
    tbs: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    issuer: bytes = field(repr=False)
    subject: bytes = field(repr=False)
    spki: bytes = field(repr=False)
    common_name: str
    not_before: int
    not_after: int
    extensions: dict[bytes, Extension] = field(repr=False)

    @classmethod
    def decode(cls, data: bytes, name: str) -> Certificate:
        """Read DER; ``name`` says in errors whose certificate it is.

        Raises :class:`DecodeError`, or :class:`UnsupportedError` for another signature algorithm than AMD's.
        """
        if len(data) > MAX_CERTIFICATE:
            raise DecodeError(name, f"over {MAX_CERTIFICATE} bytes")
        outer = Element.decode(data, name)
        if outer.tag != SEQUENCE:
            raise outer.fail("not a certificate")
        tbs, algorithm, signature = outer.fields(SEQUENCE, SEQUENCE, BIT_STRING)
        parts = tbs.fields(_VERSION, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, _EXTENSIONS)
        version, _, inner_algorithm, issuer, validity, subject, spki, extensions = parts
        if version.content != _VERSION_3:
            raise version.fail("not version 3")
        if inner_algorithm.raw != algorithm.raw:
            raise algorithm.fail("two different signature algorithms")
        if algorithm.raw not in _PSS_SHA384:
            raise UnsupportedError(f"{name}: signature algorithm")
        not_before, not_after = _validity(validity)
        return cls(
            name=name,
            tbs=tbs.raw,
            signature=_bit_string(signature),
            issuer=issuer.raw,
            subject=subject.raw,
            spki=spki.raw,
            common_name=_common_name(subject),
            not_before=not_before,
            not_after=not_after,
            extensions=_extensions(extensions),
        )

    def rsa_key(self) -> rsa.RSAPublicKey:
        """The key of an authority: RSA-4096, exponent 65537. Raises :class:`UnsupportedError` for any other."""
        try:
            key = load_der_public_key(self.spki)
        except (ValueError, UnsupportedAlgorithm):
            raise UnsupportedError(f"{self.name}: public key") from None
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size != _RSA_BITS:
            raise UnsupportedError(f"{self.name}: not an RSA-{_RSA_BITS} key")
        if key.public_numbers().e != _RSA_EXPONENT:
            raise UnsupportedError(f"{self.name}: RSA exponent")
        return key

    def p384_key(self) -> ec.EllipticCurvePublicKey:
        """The key of a chip: an uncompressed point of P-384.

        Raises :class:`UnsupportedError` for another kind of key and :class:`DecodeError` for no point of the curve.
        """
        if not self.spki.startswith(_P384_SPKI) or len(self.spki) != len(_P384_SPKI) + _P384_POINT:
            raise UnsupportedError(f"{self.name}: not a P-384 key")
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), self.spki[len(_P384_SPKI) :])
        except ValueError:
            raise DecodeError(self.name, "public key is not a point of P-384") from None

    def check_signature(self, key: rsa.RSAPublicKey) -> None:
        """Raise :class:`SignatureError` unless ``key`` signed this certificate."""
        try:
            key.verify(self.signature, self.tbs, _PSS, _SHA384)
        except InvalidSignature:
            raise SignatureError(f"{self.name}: signature doesn't verify") from None


def _bit_string(element: Element) -> bytes:
    content = element.content
    if content[:1] != b"\0":
        raise element.fail("bit string is not whole bytes")
    return content[1:]


def _validity(element: Element) -> tuple[int, int]:
    times = element.children()
    if len(times) != 2:
        raise element.fail("validity isn't two times")
    first, last = map(_time, times)
    return first, last + 1


def _time(element: Element) -> int:
    digits = element.content
    if element.tag == _UTC_TIME and len(digits) == 13:
        digits = (b"19" if digits[:2] >= b"50" else b"20") + digits
    elif element.tag != _GENERALIZED_TIME or len(digits) != 15:
        raise element.fail("not a time")
    if digits[14:] != b"Z" or not digits[:14].isdigit():
        raise element.fail("not a time in UTC")
    year, rest = int(digits[:4]), [int(digits[at : at + 2]) for at in range(4, 14, 2)]
    try:
        return int(datetime(year, *rest, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]  # five integers
    except ValueError:
        raise element.fail("no such time") from None


def _common_name(subject: Element) -> str:
    found = []
    for relative in subject.children():
        if relative.tag != SET:
            raise relative.fail("not a relative name")
        for attribute in relative.children():
            parts = attribute.children()
            if attribute.tag != SEQUENCE or len(parts) != 2 or parts[0].tag != OID:
                raise attribute.fail("not an attribute")
            if parts[0].content == _COMMON_NAME:
                found.append(parts[1])
    if len(found) != 1 or found[0].tag not in {_UTF8_STRING, _PRINTABLE_STRING}:
        raise subject.fail("not one common name")
    try:
        return found[0].content.decode("ascii")
    except UnicodeDecodeError:
        raise subject.fail("common name is not ASCII") from None


def _extensions(element: Element) -> dict[bytes, Extension]:
    (sequence,) = element.fields(SEQUENCE)
    found: dict[bytes, Extension] = {}
    for item in sequence.children():
        parts = item.children()
        tags = [part.tag for part in parts]
        critical = tags == [OID, BOOLEAN, OCTET_STRING]
        if item.tag != SEQUENCE or not (critical or tags == [OID, OCTET_STRING]):
            raise item.fail("not an extension")
        if critical and parts[1].content != b"\xff":
            raise item.fail("a false or malformed critical flag")
        oid = parts[0].content
        if oid in found:
            raise item.fail("extension twice")
        found[oid] = Extension(oid, critical, parts[-1].content)
    return found

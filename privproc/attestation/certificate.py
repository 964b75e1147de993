"""An X.509 certificate as the makers of hardware issue them: what chain checks read, and nothing more (RFC 5280 §4).

Names and algorithms are compared as the bytes that were received. A vendor's hierarchy has one signature scheme: AMD's
RSASSA-PSS with SHA-384, MGF1-SHA-384 and a salt of 48 bytes (written in two encodings, with and without the trailer
field, which has a default value), Intel's ECDSA on P-256 with SHA-256, Amazon's ECDSA on P-384 with SHA-384. The
authority's key decides which one counts.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import load_der_public_key

from privproc.attestation.der import BIT_STRING, BOOLEAN, INTEGER, OCTET_STRING, OID, SEQUENCE, SET, Element
from privproc.errors import DecodeError, SignatureError, UnsupportedError, UntrustedError

__all__ = ["MAX_CERTIFICATE", "AuthorityKey", "Certificate", "check_signature", "read_extensions", "read_time"]

AuthorityKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
"""What signs certificates: RSA-4096, P-256 or P-384."""

MAX_CERTIFICATE = 8192
"""Bytes of the longest certificate that is read; those known have 533 to 1683."""

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
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_ECDSA_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")
_ECDSA = {  # by size of the field in bits
    256: (_ECDSA_SHA256, ec.ECDSA(SHA256())),
    384: (_ECDSA_SHA384, ec.ECDSA(SHA384())),
}
_ALGORITHMS = {*_PSS_SHA384, _ECDSA_SHA256, _ECDSA_SHA384}
_RSA_BITS = 4096
_RSA_EXPONENT = 65537
_P256_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")  # then 04 || X || Y
_P384_SPKI = bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200")

_BASIC_CONSTRAINTS = bytes.fromhex("551d13")
_KEY_USAGE = bytes.fromhex("551d0f")
_EXTENDED_KEY_USAGE = bytes.fromhex("551d25")
_OCSP_SIGNING = bytes.fromhex("2b06010505070309")  # 1.3.6.1.5.5.7.3.9
_OCSP_NO_CHECK = bytes.fromhex("2b0601050507300105")  # 1.3.6.1.5.5.7.48.1.5
_DIGITAL_SIGNATURE = 0x80
_KEY_CERT_SIGN = 0x04
_MAX_PATH = 0xFF

_VERSION = 0xA0
_EXTENSIONS = 0xA3
_TBS = [_VERSION, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, _EXTENSIONS]
_VERSION_3 = b"\xa0\x03\x02\x01\x02"
_EXTENSION = ((OID, OCTET_STRING), (OID, BOOLEAN, OCTET_STRING))
_CRITICAL = b"\x01\x01\xff"
_LONG_FORM = 0x80
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_COMMON_NAME = bytes.fromhex("550403")
_UTF8_STRING = 0x0C
_PRINTABLE_STRING = 0x13


@dataclass(frozen=True, slots=True)
class Certificate:
    """``Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }``, version 3.

    ``algorithm``, ``issuer``, ``subject`` and ``spki`` are whole DER elements, ``serial`` is the content of its
    INTEGER. ``not_before`` is the first second of validity and ``not_after`` the first second past it (Unix).
    ``extensions`` are the contents of their OCTET STRINGs by those of their OBJECT IDENTIFIERs, ``critical`` the
    identifiers of those that are.
    """

    name: str
    tbs: bytes = field(repr=False)
    algorithm: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    serial: bytes
    issuer: bytes = field(repr=False)
    subject: bytes = field(repr=False)
    spki: bytes = field(repr=False)
    common_name: str
    not_before: int
    not_after: int
    extensions: dict[bytes, bytes] = field(repr=False)
    critical: frozenset[bytes] = field(repr=False)

    @classmethod
    def decode(cls, data: bytes, name: str) -> Certificate:
        """Read DER; ``name`` says in errors whose certificate it is.

        Raises :class:`DecodeError`, or :class:`UnsupportedError` for a signature algorithm that no vendor uses.
        """
        if len(data) > MAX_CERTIFICATE:
            raise DecodeError(name, f"over {MAX_CERTIFICATE} bytes")
        outer = Element.decode(data, name)
        if outer.tag != SEQUENCE:
            raise outer.fail("not a certificate")
        tbs, algorithm, signature = outer.fields(SEQUENCE, SEQUENCE, BIT_STRING)
        places = tbs.places()
        if [tag for tag, *_ in places] != _TBS:
            raise tbs.fail("not the fields of a version 3 certificate")
        version, _, inner_algorithm, issuer, validity, subject, spki, extensions = [
            data[start:end] for _, start, _, end in places
        ]
        if version != _VERSION_3:
            raise tbs.fail("not version 3")
        if inner_algorithm != algorithm.raw:
            raise algorithm.fail("two different signature algorithms")
        if inner_algorithm not in _ALGORITHMS:
            raise UnsupportedError(f"{name}: signature algorithm")
        not_before, not_after = _validity(Element.decode(validity, name))
        values, critical = read_extensions(Element.decode(extensions, name))
        return cls(
            name=name,
            tbs=tbs.raw,
            algorithm=inner_algorithm,
            signature=signature.whole_bytes(),
            serial=data[slice(*places[1][2:])],
            issuer=issuer,
            subject=subject,
            spki=spki,
            common_name=_common_name(subject, name),
            not_before=not_before,
            not_after=not_after,
            extensions=values,
            critical=critical,
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
        """The key as an uncompressed point of P-384.

        Raises :class:`UnsupportedError` for another kind of key and :class:`DecodeError` for no point of the curve.
        """
        return self._ec_key(_P384_SPKI, ec.SECP384R1())

    def p256_key(self) -> ec.EllipticCurvePublicKey:
        """The same for P-256."""
        return self._ec_key(_P256_SPKI, ec.SECP256R1())

    def _ec_key(self, head: bytes, curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
        bits = curve.key_size
        if not self.spki.startswith(head) or len(self.spki) != len(head) + 1 + bits // 4:
            raise UnsupportedError(f"{self.name}: not a P-{bits} key")
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(curve, self.spki[len(head) :])
        except ValueError:
            raise DecodeError(self.name, f"public key is not a point of P-{bits}") from None

    def check_signature(self, key: AuthorityKey) -> None:
        """Raise :class:`SignatureError` unless ``key`` signed this certificate, in the scheme of such keys.

        Another scheme is an :class:`UnsupportedError`.
        """
        check_signature(self.name, key, self.algorithm, self.signature, self.tbs)

    def check_issued(self, authority: Certificate, key: AuthorityKey) -> None:
        """Raise :class:`UntrustedError` or :class:`SignatureError` unless ``authority``, of ``key``, issued this."""
        if self.issuer != authority.subject:
            raise UntrustedError(f"{self.name}: issued by another name than its authority's")
        self.check_signature(key)

    def check_authority(self, below: int) -> None:
        """Raise :class:`UntrustedError` unless this may issue certificates with ``below`` authorities under itself."""
        authority, depth = self._constraints()
        if not authority or depth < below or not self._usage() & _KEY_CERT_SIGN:
            raise UntrustedError(f"{self.name}: not an authority for what it has issued")

    def check_end(self) -> None:
        """Raise :class:`UntrustedError` unless this is no authority, and its key is for signatures."""
        authority, _ = self._constraints()
        if authority or not self._usage() & _DIGITAL_SIGNATURE:
            raise UntrustedError(f"{self.name}: not the certificate of a signer")

    def check_responder(self) -> None:
        """Raise :class:`UntrustedError` unless this may sign OCSP's answers for its authority (RFC 6960 §4.2.2.2)."""
        known = {_BASIC_CONSTRAINTS, _KEY_USAGE, _EXTENDED_KEY_USAGE, _OCSP_NO_CHECK}
        value = self.extensions.get(_EXTENDED_KEY_USAGE)
        purposes = [] if value is None else Element.decode(value, self.name).contents()
        if self.critical - known or (OID, _OCSP_SIGNING) not in purposes:
            raise UntrustedError(f"{self.name}: not a responder's")
        if _KEY_USAGE in self.extensions and not self._usage() & _DIGITAL_SIGNATURE:
            raise UntrustedError(f"{self.name}: its key is not for signatures")

    def _constraints(self) -> tuple[bool, int]:
        """Whether this is an authority, and how many authorities may follow. Refuses unknown critical extensions."""
        if self.critical - {_BASIC_CONSTRAINTS, _KEY_USAGE}:
            raise UntrustedError(f"{self.name}: a critical extension that is not known")
        value = self.extensions.get(_BASIC_CONSTRAINTS)
        if value is None:
            return False, 0
        element = Element.decode(value, self.name)
        parts = element.children()
        tags = [part.tag for part in parts]
        if element.tag != SEQUENCE or tags not in ([], [BOOLEAN], [BOOLEAN, INTEGER]):
            raise element.fail("not basic constraints")
        if parts and parts[0].content != b"\xff":
            raise element.fail("a false or malformed flag")
        return bool(parts), parts[1].unsigned(_MAX_PATH) if len(parts) == 2 else _MAX_PATH

    def _usage(self) -> int:
        """The first byte of the key usage; 0 if it isn't stated."""
        value = self.extensions.get(_KEY_USAGE)
        if value is None:
            return 0
        element = Element.decode(value, self.name)
        if element.tag != BIT_STRING or len(element.content) < 2:
            raise element.fail("not a key usage")
        return element.content[1]


def check_signature(name: str, key: AuthorityKey, algorithm: bytes, signature: bytes, signed: bytes) -> None:
    """Raise :class:`SignatureError` unless ``key`` made ``signature`` over ``signed``.

    ``algorithm`` (DER) is what the structure ``name`` states: an :class:`UnsupportedError` unless it is that of such
    keys.
    """
    try:
        if isinstance(key, rsa.RSAPublicKey):
            _same_scheme(name, algorithm in _PSS_SHA384)
            key.verify(signature, signed, _PSS, _SHA384)
        else:
            expected, scheme = _ECDSA[key.key_size]
            _same_scheme(name, algorithm == expected)
            key.verify(signature, signed, scheme)
    except InvalidSignature:
        raise SignatureError(f"{name}: signature doesn't verify") from None


def _same_scheme(name: str, same: bool) -> None:
    if not same:
        raise UnsupportedError(f"{name}: signature algorithm")


def _validity(element: Element) -> tuple[int, int]:
    times = element.children()
    if len(times) != 2:
        raise element.fail("validity isn't two times")
    first, last = map(read_time, times)
    return first, last + 1


def read_time(element: Element) -> int:
    """The Unix time in a UTCTime or GeneralizedTime (RFC 5280 §4.1.2.5). Raises :class:`DecodeError`."""
    digits = element.content
    if element.tag == _UTC_TIME and len(digits) == 13:
        digits = (b"19" if digits[:2] >= b"50" else b"20") + digits
    elif element.tag != _GENERALIZED_TIME or len(digits) != 15:
        raise element.fail("not a time")
    if digits[14:] != b"Z" or not digits[:14].isdigit():
        raise element.fail("not a time in UTC")
    hour, minute, second = int(digits[8:10]), int(digits[10:12]), int(digits[12:14])
    midnight = _midnight(digits[:8])
    if midnight is None or hour > 23 or minute > 59 or second > 59:
        raise element.fail("no such time")
    return midnight + hour * 3600 + minute * 60 + second


@functools.lru_cache(maxsize=256)  # authorities issue many certificates in a day
def _midnight(day: bytes) -> int | None:
    """The Unix time at which ``YYYYMMDD`` begins; ``None`` if there is no such day."""
    try:
        return int(datetime(int(day[:4]), int(day[4:6]), int(day[6:]), tzinfo=UTC).timestamp())
    except ValueError:
        return None


@functools.lru_cache(maxsize=32)  # all chips of a product line, and all platforms of Intel's, have one subject
def _common_name(name: bytes, what: str) -> str:
    subject = Element.decode(name, what)
    found = []
    for relative in subject.children():
        if relative.tag != SET:
            raise relative.fail("not a relative name")
        for attribute in relative.children():
            parts = attribute.contents()
            if attribute.tag != SEQUENCE or len(parts) != 2 or parts[0][0] != OID:
                raise attribute.fail("not an attribute")
            if parts[0][1] == _COMMON_NAME:
                found.append(parts[1])
    if len(found) != 1 or found[0][0] not in {_UTF8_STRING, _PRINTABLE_STRING}:
        raise subject.fail("not one common name")
    try:
        return found[0][1].decode("ascii")
    except UnicodeDecodeError:
        raise subject.fail("common name is not ASCII") from None


def read_extensions(element: Element) -> tuple[dict[bytes, bytes], frozenset[bytes]]:
    """The values in ``element``, by the content of their OBJECT IDENTIFIERs, and which of those are critical.

    Raises :class:`DecodeError`.
    """
    (sequence,) = element.fields(SEQUENCE)
    values: dict[bytes, bytes] = {}
    critical = set()
    data = sequence.data
    for tag, start, body, end in sequence.places():
        oid, value, marked = _short_extension(data, body, end) or _extension(data, sequence.what, body, end)
        if tag != SEQUENCE or oid in values:
            raise DecodeError(sequence.what, "not an extension, or one that comes twice", start)
        if marked:
            critical.add(oid)
        values[oid] = value
    return values, frozenset(critical)


def _short_extension(data: bytes, body: int, end: int) -> tuple[bytes, bytes, bool] | None:
    """Identifier and value of an extension whose parts have lengths of one byte and fill it; ``None`` for any other.

    In place, without a call a part: a chip's certificate has thirteen of them.
    """
    at = body + 2
    if at > end or data[body] != OID or data[body + 1] >= _LONG_FORM or (at := at + data[body + 1]) + 2 > end:
        return None
    oid = data[body + 2 : at]
    if marked := data[at : at + 3] == _CRITICAL:
        at += 3
    if at + 2 > end or data[at] != OCTET_STRING or data[at + 1] != end - at - 2 or end - at - 2 >= _LONG_FORM:
        return None
    return oid, data[at + 2 : end], marked


def _extension(data: bytes, what: str, body: int, end: int) -> tuple[bytes, bytes, bool]:
    """The same for any other."""
    parts = Element(data, what, SEQUENCE, body, body, end).contents()
    if tuple([tag for tag, _ in parts]) not in _EXTENSION:
        raise DecodeError(what, "not an extension", body)
    if len(parts) == 3 and parts[1][1] != b"\xff":
        raise DecodeError(what, "a false or malformed critical flag", body)
    return parts[0][1], parts[-1][1], len(parts) == 3

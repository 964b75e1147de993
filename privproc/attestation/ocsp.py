"""The answer of an authority about one certificate: the Online Certificate Status Protocol (RFC 6960, RFC 9654).

The caller fetches it, and says about which certificate, when, and with which nonce. Only "good" is good: "unknown" and
"try later" are no answers. What is checked beyond the signature is what others have left out: that the answer is about
this very certificate, and that whoever signed it may speak for the authority.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from privproc.attestation.certificate import AuthorityKey, Certificate, check_signature, read_extensions, read_time
from privproc.attestation.der import BIT_STRING, ENUMERATED, INTEGER, OCTET_STRING, OID, SEQUENCE, Element
from privproc.errors import DecodeError, UnsupportedError, UntrustedError, UsageError
from privproc.ledger import SKEW
from privproc.trust import Earned, check_window

__all__ = ["ANY_NONCE", "MAX_RESPONSE", "AnyNonce", "NotRevoked", "verify_status"]

MAX_RESPONSE: Final = 16384
"""Bytes of the longest answer that is read."""

_WHAT: Final = "OCSP response"
_SUCCESSFUL = b"\0"
_BASIC = bytes.fromhex("2b0601050507300101")  # 1.3.6.1.5.5.7.48.1.1
_NONCE = bytes.fromhex("2b0601050507300102")  # 1.3.6.1.5.5.7.48.1.2
_HASHES = {  # of a CertID, where they only name; by the content of their OBJECT IDENTIFIERs
    bytes.fromhex("2b0e03021a"): "sha1",
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
}
_NULL = (0x05, b"")
_GENERALIZED_TIME = 0x18
_FIRST, _SECOND, _THIRD = 0xA0, 0xA1, 0xA2  # context tags, constructed
_GOOD, _REVOKED = 0x80, 0xA1
_OPTIONAL: tuple[list[int], ...] = ([], [_FIRST], [_SECOND], [_FIRST, _SECOND])  # next update, extensions
_MOST_CERTIFICATES = 4
_MOST_NONCE = 128


@dataclass(frozen=True, slots=True)
class AnyNonce:
    """Says that an answer needn't be to a question of the caller's: see :data:`ANY_NONCE`."""


ANY_NONCE: Final = AnyNonce()
"""An answer that somebody else asked for will do, as long as it is young enough."""


@dataclass(frozen=True, slots=True, init=False)
class NotRevoked(Earned):
    """The authority's word that a certificate isn't revoked: made by :func:`verify_status` only.

    ``certificate`` and ``issuer``: SHA-256 (32 bytes) of both, in DER. Good while ``not_before <= at < not_after``
    (Unix seconds).
    """

    certificate: bytes
    issuer: bytes
    not_before: int
    not_after: int


def verify_status(
    response: bytes, *, certificate: bytes, issuer: bytes, nonce: bytes | AnyNonce, max_age: int, at: int
) -> NotRevoked:
    """Check that ``response`` (DER, an ``OCSPResponse``) says that ``certificate`` of ``issuer`` (DER) is good.

    ``issuer`` has a key on P-384, signs itself or has certified who does. ``nonce`` (1 to 128 bytes) is what the caller
    asked with, or :data:`ANY_NONCE`. The answer holds for ``max_age`` seconds, unless it says less, or its signer's
    certificate ends before that. That ``issuer`` is anybody to trust is for a chain to say.

    Raises :class:`DecodeError`, :class:`UnsupportedError`, :class:`SignatureError`, :class:`UntrustedError` (revoked,
    unknown, no answer, about another certificate, by somebody else, to another question) or :class:`ExpiredError`;
    :class:`UsageError` for arguments that no answer could match.
    """
    if not isinstance(nonce, AnyNonce) and not (isinstance(nonce, bytes) and 0 < len(nonce) <= _MOST_NONCE):
        raise UsageError(f"a nonce has 1 to {_MOST_NONCE} bytes")
    if max_age <= 0:
        raise UsageError("max_age is over 0")
    authority, subject = Certificate.decode(issuer, "OCSP issuer"), Certificate.decode(certificate, "certificate")
    tbs, algorithm, signature, certificates = _basic(response)
    responder, produced, single, extensions = _data(tbs)
    read_time(produced)
    signer = _signer(responder, authority, certificates)
    check_signature(_WHAT, _key(signer, authority), algorithm.raw, signature, tbs.raw)
    if not isinstance(nonce, AnyNonce):
        _check_nonce(extensions, nonce)
    this_update, next_update = _check_single(single, subject, authority)
    ends = [this_update + max_age, signer.not_after, *next_update]
    not_before, not_after = max(this_update - SKEW, signer.not_before), min(ends)
    check_window(_WHAT, not_before, not_after, at=at)
    return NotRevoked._earn(
        certificate=hashlib.sha256(certificate).digest(),
        issuer=hashlib.sha256(issuer).digest(),
        not_before=not_before,
        not_after=not_after,
    )


def _basic(response: bytes) -> tuple[Element, Element, bytes, list[Certificate]]:
    """``OCSPResponse`` and the ``BasicOCSPResponse`` in it: what is signed, how, the signature, certificates."""
    if len(response) > MAX_RESPONSE:
        raise DecodeError(_WHAT, f"over {MAX_RESPONSE} bytes")
    outer = Element.decode(response, _WHAT)
    parts = outer.children()
    if outer.tag != SEQUENCE or not parts or parts[0].tag != ENUMERATED:
        raise outer.fail("not a response")
    if parts[0].content != _SUCCESSFUL:
        raise UntrustedError(f"{_WHAT}: the responder has no answer")
    _, wrapped = outer.fields(ENUMERATED, _FIRST)
    (typed,) = wrapped.fields(SEQUENCE)
    kind, inner = typed.fields(OID, OCTET_STRING)
    if kind.content != _BASIC:
        raise UnsupportedError(f"{_WHAT}: not a basic one")
    basic = Element.decode(inner.content, _WHAT)
    fields = basic.children()
    if basic.tag != SEQUENCE or [each.tag for each in fields[:3]] != [SEQUENCE, SEQUENCE, BIT_STRING]:
        raise basic.fail("not a basic response")
    certificates = []
    for more in fields[3:]:
        if more.tag != _FIRST or len(fields) > 4:
            raise more.fail("not a list of certificates")
        (listed,) = more.fields(SEQUENCE)
        certificates = [Certificate.decode(each.raw, "OCSP responder") for each in listed.children()]
    if len(certificates) > _MOST_CERTIFICATES:
        raise basic.fail(f"over {_MOST_CERTIFICATES} certificates")
    return fields[0], fields[1], fields[2].whole_bytes(), certificates


def _data(tbs: Element) -> tuple[Element, Element, Element, dict[bytes, bytes]]:
    """``ResponseData``: who answers, when, the one answer, extensions by identifier."""
    parts = tbs.children()
    tags = [each.tag for each in parts]
    if (
        len(tags) < 3
        or tags[0] not in {_SECOND, _THIRD}
        or tags[1:]
        not in (
            [_GENERALIZED_TIME, SEQUENCE],
            [_GENERALIZED_TIME, SEQUENCE, _SECOND],
        )
    ):
        raise tbs.fail("not the fields of an answer of version 1")
    answers = parts[2].children()
    if len(answers) != 1 or answers[0].tag != SEQUENCE:
        raise tbs.fail("not one answer")
    extensions, critical = read_extensions(parts[3]) if len(parts) == 4 else ({}, frozenset())
    if critical - {_NONCE}:
        raise UnsupportedError(f"{_WHAT}: a critical extension that is not known")
    return parts[0], parts[1], answers[0], extensions


def _signer(responder: Element, authority: Certificate, certificates: list[Certificate]) -> Certificate:
    """Whom the response names: the authority itself, or one of the certificates that it brings."""
    for each in (authority, *certificates):
        named = each.subject if responder.tag == _SECOND else _octets(hashlib.sha1(_bits(each), usedforsecurity=False))
        if responder.content == named:
            return each
    raise UntrustedError(f"{_WHAT}: by a responder without a certificate")


def _key(signer: Certificate, authority: Certificate) -> AuthorityKey:
    """The signer's key, if the authority is the signer or has certified it for this (RFC 6960 §4.2.2.2)."""
    key = authority.p384_key()
    if signer is authority:
        return key
    signer.check_issued(authority, key)
    signer.check_responder()
    return signer.p384_key()


def _check_nonce(extensions: dict[bytes, bytes], nonce: bytes) -> None:
    value = Element.decode(extensions.get(_NONCE, b"\x04\0"), _WHAT)
    if value.tag != OCTET_STRING or not hmac.compare_digest(value.content, nonce):
        raise UntrustedError(f"{_WHAT}: an answer to another question")


def _check_single(single: Element, subject: Certificate, authority: Certificate) -> tuple[int, list[int]]:
    """``SingleResponse``: about this certificate, and good. Gives its times."""
    parts = single.children()
    tags = [each.tag for each in parts]
    if len(tags) < 3 or (tags[0], tags[2]) != (SEQUENCE, _GENERALIZED_TIME) or tags[3:] not in _OPTIONAL:
        raise single.fail("not the fields of an answer about one certificate")
    if _SECOND in tags[3:] and read_extensions(parts[-1])[1]:
        raise UnsupportedError(f"{_WHAT}: a critical extension that is not known")
    _check_id(parts[0], subject, authority)
    if tags[1] == _REVOKED:
        raise UntrustedError(f"{_WHAT}: the certificate is revoked")
    if tags[1] != _GOOD or parts[1].content:
        raise UntrustedError(f"{_WHAT}: the responder doesn't know the certificate")
    return read_time(parts[2]), [read_time(*each.fields(_GENERALIZED_TIME)) for each in parts[3:] if each.tag == _FIRST]


def _check_id(cert_id: Element, subject: Certificate, authority: Certificate) -> None:
    """``CertID``: hashes of the issuer's name and key, and the serial number."""
    algorithm, name, key, serial = cert_id.fields(SEQUENCE, OCTET_STRING, OCTET_STRING, INTEGER)
    (kind, identifier), *parameters = algorithm.contents() or [_NULL]
    if kind != OID or identifier not in _HASHES or parameters not in ([], [_NULL]):
        raise UnsupportedError(f"{_WHAT}: names the issuer by an unknown hash")

    def hashed(data: bytes) -> bytes:
        return hashlib.new(_HASHES[identifier], data, usedforsecurity=False).digest()

    if (name.content, key.content, serial.content) != (
        hashed(authority.subject),
        hashed(_bits(authority)),
        subject.serial,
    ):
        raise UntrustedError(f"{_WHAT}: about another certificate")


def _bits(certificate: Certificate) -> bytes:
    """The public key without its algorithm: what the hashes of RFC 6960 are over."""
    _, key = Element.decode(certificate.spki, certificate.name).fields(SEQUENCE, BIT_STRING)
    return key.whole_bytes()


def _octets(digest: hashlib._Hash) -> bytes:
    return bytes((OCTET_STRING, digest.digest_size)) + digest.digest()

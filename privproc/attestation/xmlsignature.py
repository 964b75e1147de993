"""Enveloped XML signatures (W3C XML Signature 1.1) in the one form that NVIDIA's manifests have.

One reference, to the whole document; Canonical XML 1.1; SHA-384; ECDSA on P-384; certificates. Any other structure is
refused, not interpreted: XML signatures fail where a document may choose what is hashed, how, and what is read.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from privproc.attestation.xml import Element, canonical
from privproc.errors import DecodeError, SignatureError, UnsupportedError

__all__ = ["DSIG", "Signature"]

DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
"""The namespace of signatures."""

_C14N = {"Algorithm": "http://www.w3.org/2006/12/xml-c14n11"}
_ENVELOPED = {"Algorithm": f"{DSIG}enveloped-signature"}
_SHA384 = {"Algorithm": "http://www.w3.org/2001/04/xmldsig-more#sha384"}
_ECDSA_SHA384 = {"Algorithm": "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"}
_DIGEST_SIZE = 48
_HALF = 48  # bytes of r and of s (XML Signature 1.1 §6.4.3)
_SCHEME = ec.ECDSA(SHA384())


@dataclass(frozen=True, slots=True)
class Signature:
    """``<Signature>``, not to be believed before :meth:`verify`: ``certificates`` are DER, the signer's first."""

    certificates: tuple[bytes, ...]
    digest: bytes = field(repr=False)
    value: bytes = field(repr=False)
    element: Element = field(repr=False)
    signed_info: Element = field(repr=False)

    @classmethod
    def read(cls, element: Element, what: str) -> Signature:
        """Read the signature that ``element`` is; ``what`` names it in errors.

        Raises :class:`DecodeError` for another structure, :class:`UnsupportedError` for other methods or references.
        """
        signed_info, signature_value, key_info = _parts(element, what, "Signature", 3)
        method, signature_method, reference = _parts(signed_info, what, "SignedInfo", 3)
        _parts(method, what, "CanonicalizationMethod", 0, _C14N)
        _parts(signature_method, what, "SignatureMethod", 0, _ECDSA_SHA384)
        transforms, digest_method, digest_value = _parts(reference, what, "Reference", 3, {"URI": ""})
        enveloped, second = _parts(transforms, what, "Transforms", 2)
        _parts(enveloped, what, "Transform", 0, _ENVELOPED)
        _parts(second, what, "Transform", 0, _C14N)
        _parts(digest_method, what, "DigestMethod", 0, _SHA384)
        (data,) = _parts(key_info, what, "KeyInfo", 1)
        certificates = _parts(data, what, "X509Data", len(data.elements))
        return cls(
            certificates=tuple(_base64(each, what, "X509Certificate") for each in certificates),
            digest=_base64(digest_value, what, "DigestValue", _DIGEST_SIZE),
            value=_base64(signature_value, what, "SignatureValue", 2 * _HALF),
            element=element,
            signed_info=signed_info,
        )

    def verify(self, root: Element, key: ec.EllipticCurvePublicKey, what: str) -> None:
        """Raise :class:`SignatureError` unless ``key`` (P-384) signed all of ``root`` but this signature."""
        r, s = (int.from_bytes(part, "big") for part in (self.value[:_HALF], self.value[_HALF:]))
        try:
            key.verify(encode_dss_signature(r, s), canonical(self.signed_info), _SCHEME)
        except InvalidSignature:
            raise SignatureError(f"{what}: signature doesn't verify") from None
        digest = hashlib.sha384(canonical(root, without=self.element)).digest()
        if not hmac.compare_digest(digest, self.digest):
            raise SignatureError(f"{what}: another document is signed")


def _parts(
    element: Element, what: str, name: str, count: int, attributes: Mapping[str, str] | None = None
) -> Sequence[Element]:
    """The elements in ``element``, which is ``name`` with exactly these attributes and nothing else in it."""
    found = element.elements
    if element.name != (DSIG, name) or len(found) != count or element.text:
        raise DecodeError(what, f"not the {name} of a signature in the form that is read here")
    if element.attributes != {("", key): value for key, value in (attributes or {}).items()}:
        raise UnsupportedError(f"{what}: {name} names another method or reference")
    return found


def _base64(element: Element, what: str, name: str, size: int = 0) -> bytes:
    """The bytes that ``element`` holds in Base64; ``size``: how many, if that is known."""
    if element.name != (DSIG, name) or element.attributes or element.elements:
        raise DecodeError(what, f"not the {name} of a signature in the form that is read here")
    try:
        value = binascii.a2b_base64("".join(element.text.split()), strict_mode=True)
    except ValueError:
        raise DecodeError(what, f"{name} is not Base64") from None
    if size and len(value) != size:
        raise DecodeError(what, f"{name} is not {size} bytes")
    return value

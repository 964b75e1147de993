"""NVIDIA's reference manifests (RIMs): which measurements a driver or a firmware has, signed by NVIDIA.

A RIM is a SWID tag (ISO/IEC 19770-2:2015) in TCG's RIM information model, with an enveloped XML signature and the
signer's certificates up to NVIDIA's root for manifests, which isn't that of its devices. It names the product and one
version. Nothing in it says whether that is a driver's or a firmware's: devices do, which state both versions.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from privproc.attestation.certificate import Certificate
from privproc.attestation.nvidia.evidence import Kind
from privproc.attestation.nvidia.policy import Reference, merge
from privproc.attestation.nvidia.report import MEASUREMENT_SIZE
from privproc.attestation.roots import Roots
from privproc.attestation.xml import Element, Name, parse
from privproc.attestation.xmlsignature import Signature
from privproc.errors import DecodeError, UnsupportedError, UntrustedError, UsageError
from privproc.tagged import tagged_hash
from privproc.trust import Trusted, _trusted, check_window

__all__ = ["MAX_RIM", "NVIDIA_RIM_ROOTS", "Rim", "reference", "verify_rim"]

NVIDIA_RIM_ROOTS = Roots((bytes.fromhex("12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1"),))
"""NVIDIA CoRIM signing Root CA."""

MAX_RIM: Final = 1 << 17
"""Bytes of the longest manifest that is read; those known have 20462 to 21290."""

_WHAT: Final = "RIM"
_SWID = "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
_HASH = "http://www.w3.org/2001/04/xmlenc#sha384"  # NVIDIA's; the algorithm's identifier ends in the same fragment
_CHAIN = ("RIM signer", "RIM issuer", "RIM family authority", "RIM root")
_KINDS = ("corpus", "patch", "supplemental")
_RESOURCE = {"type", "index", "active", "alternatives", "name", "size"}
_INDEXES = 254
_ALTERNATIVES = 64
_TEXT = 64


@dataclass(frozen=True, slots=True)
class Rim:
    """What one manifest says, not to be believed before :func:`verify_rim`.

    ``product``: such as ``GH100``. ``version``: of a driver, ``550.144.03``, or a firmware, ``96.00.74.00.14``.
    ``values``: the measurements that are to be compared, by index from 0; of the values (48 bytes each) one is enough.
    ``certificates``: SHA-256 (32 bytes) of the signer's certificate and of each above it.
    """

    product: str
    version: str
    values: Mapping[int, tuple[bytes, ...]] = field(repr=False)
    certificates: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Rim:
        """Raises :class:`DecodeError`, or :class:`UnsupportedError` for tags and signatures of another form."""
        return _read(data)[0]


def verify_rim(data: bytes, *, product: str, roots: Roots, at: int) -> Trusted[Rim]:
    """Check that NVIDIA signed the manifest ``data`` (XML), and that it is about ``product``.

    ``roots``: :data:`NVIDIA_RIM_ROOTS`. Trust ends with the first of the signer's certificates, which NVIDIA makes for
    some years; whether one was revoked in between is for :func:`~privproc.attestation.nvidia.status.confirm_rim`. The
    digest is SHA-384 (48 bytes) of ``data``.

    Raises what :meth:`Rim.decode` raises; :class:`SignatureError`; :class:`UntrustedError` for another root, names or
    profile of certificates, or another product; :class:`ExpiredError`; :class:`UsageError` for an empty product.
    """
    if not isinstance(roots, Roots) or not product:
        raise UsageError("roots and a product are needed")
    rim, root, signature = _read(data)
    not_before, not_after = _verify(root, signature, roots, at)
    if rim.product != product:
        raise UntrustedError("RIM: about another product")
    return _trusted(rim, hashlib.sha384(data).digest(), not_before, not_after)


def reference(
    *, kind: Kind, model: str, driver: Trusted[Rim] | None, firmware: Trusted[Rim], at: int
) -> Trusted[Reference]:
    """The state of a device that runs ``driver`` and ``firmware``, for a policy.

    ``kind`` and ``model`` as in :class:`~privproc.attestation.nvidia.policy.Reference`. A GPU has a driver's manifest,
    a switch has none. Trusted as long as both manifests are; the digest is ``T("nvidia rims", driver's, firmware's)``,
    an absent one empty. Raises :class:`ExpiredError`, and :class:`UsageError` for manifests that don't go together.
    """
    if (driver is None) is (kind is Kind.GPU):
        raise UsageError("a GPU has a RIM of its driver, and a switch has none")
    rims = [each for each in (driver, firmware) if each is not None]
    contents = [each.get(at=at) for each in rims]
    if len({each.product for each in contents}) != 1:
        raise UsageError("RIMs of two products")
    return _trusted(
        Reference(
            kind=kind,
            model=model,
            driver=contents[0].version if driver else "",
            firmware=contents[-1].version,
            values=merge(*(each.values for each in contents)),
        ),
        tagged_hash("nvidia rims", driver.digest if driver else b"", firmware.digest),
        max(each.not_before for each in rims),
        min(each.not_after for each in rims),
    )


def _read(data: bytes) -> tuple[Rim, Element, Signature]:
    if len(data) > MAX_RIM:
        raise DecodeError(_WHAT, f"over {MAX_RIM} bytes")
    root = parse(data, _WHAT)
    # Exactly this, in this order: a second payload or signature would be a question of who looks where.
    names = [each.name for each in root.elements]
    if root.name != (_SWID, "SoftwareIdentity") or root.text or len(names) != 4:
        raise _fail("not a SWID tag of three parts with a signature")
    if names[:3] != [(_SWID, part) for part in ("Entity", "Meta", "Payload")]:
        raise _fail("not an Entity, a Meta and a Payload")
    entity, meta, payload, signature = root.elements
    if any(root.attributes.get(("", name), "false") != "false" for name in _KINDS):
        raise UnsupportedError("RIM: a tag that isn't complete by itself")
    if entity.children or meta.children or payload.text:
        raise _fail("content where there is none")
    if meta.attributes.get(("", "PayloadType")) != "direct":
        raise UnsupportedError("RIM: its payload is elsewhere")
    found = Signature.read(signature, _WHAT)
    rim = Rim(
        product=_text(meta, "product"),
        version=_text(meta, "colloquialVersion"),
        values=_values(payload),
        certificates=tuple([hashlib.sha256(each).digest() for each in found.certificates]),
    )
    return rim, root, found


def _values(payload: Element) -> Mapping[int, tuple[bytes, ...]]:
    active, seen = {}, set()
    for resource in payload.elements:
        if resource.name != (_SWID, "Resource") or resource.children:
            raise _fail("not a Resource")
        index = _number(resource, "index", _INDEXES)
        if index in seen:
            raise _fail("an index comes twice")
        seen.add(index)
        values = _alternatives(resource)
        flag = resource.attributes[("", "active")]
        if flag not in {"True", "False"}:
            raise _fail("active is neither True nor False")
        if flag == "True":
            active[index] = values
    if not active:
        raise _fail("no measurement is active")
    return MappingProxyType(active)


def _alternatives(resource: Element) -> tuple[bytes, ...]:
    """``Hash0``, ``Hash1`` and so on: as many as stated, and no more, which some reader might take and others not."""
    count = _number(resource, "alternatives", _ALTERNATIVES)
    names: list[Name] = [(_HASH, f"Hash{number}") for number in range(count)]
    if resource.attributes.keys() != {*names, *(("", name) for name in _RESOURCE)} or not names:
        raise _fail("not the attributes of a measurement")
    attributes = resource.attributes
    if (attributes[("", "type")], attributes[("", "size")]) != ("Measurement", str(MEASUREMENT_SIZE)):
        raise UnsupportedError("RIM: a resource that isn't a measurement by SHA-384")
    return tuple(dict.fromkeys(_hash(attributes[name]) for name in names))


def _hash(text: str) -> bytes:
    try:
        value = binascii.unhexlify(text)
    except ValueError:
        value = b""
    if len(value) != MEASUREMENT_SIZE:
        raise _fail(f"a measurement is not {MEASUREMENT_SIZE} bytes in hexadecimal")
    return value


def _number(resource: Element, name: str, most: int) -> int:
    """A decimal number below ``most``, without leading zeroes."""
    text = resource.attributes.get(("", name), "")
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and text == str(int(text)) and int(text) < most):
        raise _fail(f"{name} is not a number below {most}")
    return int(text)


def _text(meta: Element, name: str) -> str:
    text = meta.attributes.get(("", name), "")
    if not (text.isascii() and 0 < len(text) <= _TEXT):
        raise _fail(f"{name} is not ASCII of 1 to {_TEXT} characters")
    return text


def _verify(root: Element, signature: Signature, roots: Roots, at: int) -> tuple[int, int]:
    """Check the signer's certificates, and the signature by the first of them. Gives the window of all."""
    if len(signature.certificates) != len(_CHAIN):
        raise DecodeError(_WHAT, f"not {len(_CHAIN)} certificates")
    roots.check(signature.certificates[-1])
    chain = [Certificate.decode(data, name) for data, name in zip(signature.certificates, _CHAIN, strict=True)]
    for each in chain:
        check_window(each.name, each.not_before, each.not_after, at=at)
    for depth, (issued, authority) in enumerate(pairwise(chain)):
        authority.check_authority(below=depth)
        issued.check_issued(authority, authority.p384_key())
    chain[0].check_end()
    signature.verify(root, chain[0].p384_key(), _WHAT)
    return max(each.not_before for each in chain), min(each.not_after for each in chain)


def _fail(why: str) -> DecodeError:
    return DecodeError(_WHAT, why)

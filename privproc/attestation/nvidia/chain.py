"""From the key of one device's firmware to NVIDIA: leaf <- boot ROM <- provisioner <- family <- root.

The device itself is the authority of its leaf: its boot ROM certifies the key of the firmware that it starts (DICE)
and states which firmware that is. A device is known by its boot ROM's key, which stays when the firmware changes.
NVIDIA's certificates live until the year 9999; it revokes them by OCSP, which is a service's answer and no part of
evidence (:mod:`privproc.attestation.nvidia.status`); a list of the ledger's can take its place.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import pairwise

from cryptography.hazmat.primitives.asymmetric import ec

from privproc.attestation.certificate import Certificate
from privproc.attestation.der import INTEGER, OCTET_STRING, OID, SEQUENCE, Element
from privproc.attestation.roots import Roots
from privproc.errors import DecodeError, UntrustedError
from privproc.trust import Earned, check_window

__all__ = ["CHAIN_LENGTH", "NVIDIA_ROOTS", "VerifiedAuthorities", "VerifiedChain", "verify_authorities", "verify_chain"]

NVIDIA_ROOTS = Roots((bytes.fromhex("102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48"),))
"""NVIDIA Device Identity CA."""

CHAIN_LENGTH = 5
"""Certificates of a chain, the root included."""

_NAMES = ("device certificate", "boot ROM certificate", "provisioner", "family authority", "root")
_FIRMWARE = bytes.fromhex("678105050401")  # 2.23.133.5.4.1, TCG DICE
_FIRMWARE_OF_BLACKWELL = bytes.fromhex("67810505040101")  # 2.23.133.5.4.1.1
_FWIDS = 0xA6  # of DiceTcbInfo
_SHA384 = bytes.fromhex("608648016503040202")
_FWID_SIZE = 48


@dataclass(frozen=True, slots=True, init=False)
class VerifiedAuthorities(Earned):
    """NVIDIA's part of a chain, one for all devices of a batch: made by :func:`verify_authorities` only."""

    not_before: int
    not_after: int
    provisioner: Certificate = field(repr=False)
    key: ec.EllipticCurvePublicKey = field(repr=False)


@dataclass(frozen=True, slots=True, init=False)
class VerifiedChain(Earned):
    """What NVIDIA vouches for about one device: made by :func:`verify_chain` only.

    ``identity``: SHA-256 (32 bytes) of the boot ROM's key, in its SubjectPublicKeyInfo. ``model``: its certificate's
    common name, such as ``GH100 A01 GSP BROM``. ``firmware_id``: the digest (48 bytes) of the firmware that the leaf's
    key is derived from; empty if the leaf names none. ``fingerprint``: SHA-256 (32 bytes) of the leaf, ``authorities``:
    of each certificate above it, the boot ROM's first. Valid while ``not_before <= at < not_after``.
    """

    identity: bytes
    model: str
    firmware_id: bytes = field(repr=False)
    fingerprint: bytes
    authorities: tuple[bytes, ...] = field(repr=False)
    not_before: int
    not_after: int
    key: ec.EllipticCurvePublicKey = field(repr=False)


def verify_authorities(certificates: tuple[bytes, ...], *, roots: Roots, at: int) -> VerifiedAuthorities:
    """Check NVIDIA's certificates (DER: provisioner, family, root) at the Unix time ``at``.

    Raises as :func:`verify_chain`.
    """
    # req: privproc1/4.11 chain-to-the-pinned-root
    roots.check(certificates[-1])
    chain = [Certificate.decode(data, name) for data, name in zip(certificates, _NAMES[2:], strict=True)]
    first, last = _window(chain, at)
    for depth, (issued, authority) in enumerate(pairwise(chain)):
        authority.check_authority(below=depth + 2)
        issued.check_issued(authority, authority.p384_key())
    chain[0].check_authority(below=1)
    return VerifiedAuthorities._earn(not_before=first, not_after=last, provisioner=chain[0], key=chain[0].p384_key())


def verify_chain(
    certificates: tuple[bytes, ...], *, roots: Roots, at: int, authorities: VerifiedAuthorities | None = None
) -> VerifiedChain:
    """Check five ``certificates`` (DER), from the device's up to the root, at the Unix time ``at``.

    ``authorities``: what :func:`verify_authorities` gave for the last three, where they were verified before. Raises
    :class:`UntrustedError` (root, names or profile), :class:`SignatureError`, :class:`ExpiredError`,
    :class:`DecodeError` or :class:`UnsupportedError`.
    """
    if len(certificates) != CHAIN_LENGTH:
        raise DecodeError("device chain", f"not {CHAIN_LENGTH} certificates")
    above = authorities or verify_authorities(certificates[2:], roots=roots, at=at)
    leaf, rom = (Certificate.decode(data, name) for data, name in zip(certificates[:2], _NAMES[:2], strict=True))
    first, last = _window([leaf, rom], at)
    leaf.check_end()
    rom.check_authority(below=0)
    rom.check_issued(above.provisioner, above.key)
    leaf.check_issued(rom, rom.p384_key())
    return VerifiedChain._earn(
        identity=hashlib.sha256(rom.spki).digest(),
        model=rom.common_name,
        firmware_id=_firmware_id(leaf),
        fingerprint=hashlib.sha256(certificates[0]).digest(),
        authorities=tuple([hashlib.sha256(each).digest() for each in certificates[1:]]),
        not_before=max(first, above.not_before),
        not_after=min(last, above.not_after),
        key=leaf.p384_key(),
    )


def _window(chain: list[Certificate], at: int) -> tuple[int, int]:
    for found in chain:
        check_window(found.name, found.not_before, found.not_after, at=at)
    return max(found.not_before for found in chain), min(found.not_after for found in chain)


def _firmware_id(leaf: Certificate) -> bytes:
    """The FWID of TCG's extension: Hopper has a CompositeDeviceID with one, Blackwell, under another identifier, a
    DiceTcbInfo with several, of which NVIDIA's reports state the first.

    ``CompositeDeviceID ::= SEQUENCE { version INTEGER, deviceID SubjectPublicKeyInfo, fwid FWID }``,
    ``DiceTcbInfo ::= SEQUENCE { .., fwids [6] IMPLICIT SEQUENCE OF FWID, .. }``,
    ``FWID ::= SEQUENCE { hashAlg OBJECT IDENTIFIER, digest OCTET STRING }``.
    """
    value = leaf.extensions.get(_FIRMWARE_OF_BLACKWELL, leaf.extensions.get(_FIRMWARE))
    if value is None:
        raise UntrustedError(f"{leaf.name}: states no firmware")
    outer = Element.decode(value, leaf.name)
    parts = outer.children()
    if outer.tag != SEQUENCE:
        raise outer.fail("not TCG's firmware extension")
    if [part.tag for part in parts] == [INTEGER, SEQUENCE, SEQUENCE]:
        ids = [_digest(parts[2])]
    else:
        ids = [_digest(each) for part in parts if part.tag == _FWIDS for each in part.children()]
    return ids[0] if ids and any(ids[0]) else b""  # zeros stand for no firmware


def _digest(fwid: Element) -> bytes:
    algorithm, digest = fwid.fields(OID, OCTET_STRING)
    if fwid.tag != SEQUENCE or algorithm.content != _SHA384 or len(digest.content) != _FWID_SIZE:
        raise fwid.fail("a firmware id is not a SHA-384 digest")
    return digest.content

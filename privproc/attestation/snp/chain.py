"""From a chip's key to AMD: VCEK (or VLEK) <- ASK (or ASVK) <- ARK (AMD 57230, VCEK certificate and KDS interface).

The roots are pinned as whole certificates, by the SHA-256 of their DER, one per product line: so the ARK's own
signature has nothing to add, and nothing in it is malleable. The levels in the VCEK's extensions are what AMD's key
service vouches for; :mod:`privproc.attestation.snp.appraisal` demands that the report states the same ones.

What AMD has revoked among its authorities is :mod:`privproc.attestation.snp.revocation`'s matter.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from privproc.attestation.cache import Cache
from privproc.attestation.certificate import MAX_CERTIFICATE, Certificate
from privproc.attestation.der import OCTET_STRING, Element
from privproc.attestation.pem import read_pem
from privproc.attestation.snp.report import Product, SigningKey, Tcb
from privproc.errors import DecodeError, UntrustedError, UsageError
from privproc.trust import Earned, check_window
from privproc.wire import Reader, Writer

__all__ = ["AMD_ROOTS", "Endorsements", "Roots", "VerifiedChain", "verify_chain"]

_AMD = bytes.fromhex("2b060104019c7801")  # 1.3.6.1.4.1.3704.1
_STRUCT_VERSION = _AMD + b"\x01"
_PRODUCT_NAME = _AMD + b"\x02"
_BOOTLOADER, _TEE, _SNP, _MICROCODE, _FMC = (_AMD + b"\x03" + bytes((part,)) for part in (1, 2, 3, 8, 9))
_HWID = _AMD + b"\x04"
_CSP_ID = _AMD + b"\x05"
_IA5_STRING = 0x16
_LEVELS = {bytes((0x02, 1 + (level >> 7))) + level.to_bytes(1 + (level >> 7), "big"): level for level in range(256)}
"""The INTEGERs of one byte, as DER writes them."""

_BASIC_CONSTRAINTS = bytes.fromhex("551d13")
_KEY_USAGE = bytes.fromhex("551d0f")
_CA_PATHLEN_0 = bytes.fromhex("30060101ff020100")
_KEY_CERT_SIGN = (bytes.fromhex("03020104"), bytes.fromhex("03020204"))  # as AMD writes it, and as DER would


@dataclass(frozen=True, slots=True)
class Roots:
    """Who is trusted as AMD: SHA-256 (32 bytes) of an ARK certificate's DER, and the product line that it stands for.

    Whatever an application passes other than :data:`AMD_ROOTS` is a place to review. Raises :class:`UsageError` when
    empty or malformed.
    """

    pins: tuple[tuple[bytes, Product], ...]

    def __post_init__(self) -> None:
        if not self.pins or any(len(digest) != 32 for digest, _ in self.pins):
            raise UsageError("roots are SHA-256 digests of certificates, at least one")

    def product_of(self, ark: bytes) -> Product:
        """The product line that the ARK certificate (DER) is pinned for. Raises :class:`UntrustedError`."""
        digest = hashlib.sha256(ark).digest()
        for pinned, product in self.pins:
            if pinned == digest:
                return product
        # req: privproc1/4.9 pinned-root
        raise UntrustedError("ARK certificate is not a pinned root")


AMD_ROOTS = Roots(
    (
        (bytes.fromhex("69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd"), Product.MILAN),
        (bytes.fromhex("4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1"), Product.GENOA),
        (bytes.fromhex("1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a"), Product.TURIN),
    )
)
"""AMD's ARK-Milan, ARK-Genoa and ARK-Turin as its key distribution service gives them."""


@dataclass(frozen=True, slots=True)
class Endorsements:
    """The certificates of a report's key, as they travel beside the evidence.

    ``struct { opaque vcek<1..8192>; opaque ask<1..8192>; opaque ark<1..8192>; }``, lengths in 3 bytes; all DER. They
    authenticate themselves: :func:`verify_chain` decides.
    """

    vcek: bytes
    ask: bytes
    ark: bytes

    @classmethod
    def decode(cls, data: bytes) -> Endorsements:
        """Raises :class:`DecodeError`."""
        return Reader.all(
            data, "endorsements", lambda r: cls(*(r.vector(3, at_least=1, at_most=MAX_CERTIFICATE) for _ in range(3)))
        )

    def encode(self) -> bytes:
        """The bytes of the structure."""
        writer = Writer()
        for certificate in (self.vcek, self.ask, self.ark):
            if not 0 < len(certificate) <= MAX_CERTIFICATE:
                raise UsageError(f"a certificate has 1 to {MAX_CERTIFICATE} bytes")
            writer.vector(3, certificate)
        return writer.done()

    @classmethod
    def from_kds(cls, vcek: bytes, cert_chain: bytes) -> Endorsements:
        """From what AMD's key distribution service answers: ``vcek`` in DER, and ``cert_chain`` (ASK, then ARK) in PEM.

        Raises :class:`DecodeError`.
        """
        ask, ark = read_pem(cert_chain, 2)
        return cls(vcek, ask, ark)


@dataclass(frozen=True, slots=True, init=False)
class VerifiedChain(Earned):
    """What AMD vouches for about one key: made by :func:`verify_chain` only.

    ``product`` line, kind of key, the ``tcb`` that the key belongs to, ``hwid`` of the chip (64 bytes, 8 on Turin;
    empty for a VLEK), ``csp`` name of the provider (VLEK only, else empty), ``fingerprint``: SHA-256 (32 bytes) of the
    leaf certificate, for logs of the keys seen. Valid while ``not_before <= at < not_after``: the overlap of the three
    certificates. ``revocations``: SHA-256 of the list that they were held against, else empty; see
    :meth:`VerifiedRevocations.confirm <privproc.attestation.snp.revocation.VerifiedRevocations.confirm>`.
    """

    product: Product
    signing_key: SigningKey
    tcb: Tcb
    hwid: bytes
    csp: str
    fingerprint: bytes
    not_before: int
    not_after: int
    revocations: bytes
    key: ec.EllipticCurvePublicKey = field(repr=False)
    authorities: tuple[Certificate, Certificate] = field(repr=False)
    """ARK, and ASK or ASVK."""


def verify_chain(
    vcek: bytes, ask: bytes, ark: bytes, *, roots: Roots, at: int, cache: Cache | None = None
) -> VerifiedChain:
    """Check the certificates of a report's key (DER) up to a pinned root, at the Unix time ``at``.

    ``vcek`` may be a VLEK, then ``ask`` is the ASVK. ``cache`` keeps what was verified about ``ask`` and ``ark``, which
    AMD has a handful of for all chips. Raises :class:`UntrustedError` (root, names or profile),
    :class:`SignatureError`, :class:`ExpiredError`, :class:`DecodeError` or :class:`UnsupportedError`.
    """
    if cache is None:
        authority = _authority(ask, ark, roots=roots, at=at)
    else:
        authority = cache.recall(_authority, ask, ark, roots=roots, at=at)
    root, middle, product = authority.root, authority.middle, authority.product
    leaf = Certificate.decode(vcek, "VCEK certificate")
    signing_key = _kind(leaf, middle, product)
    chain = (root, middle, leaf)
    check_window(leaf.name, leaf.not_before, leaf.not_after, at=at)
    _check_leaf(leaf, product)
    leaf.check_issued(middle, authority.key)
    of_chip = signing_key is SigningKey.VCEK
    return VerifiedChain._earn(
        product=product,
        signing_key=signing_key,
        tcb=_tcb(leaf, product),
        hwid=_hwid(leaf, product) if of_chip else b"",
        csp="" if of_chip else _text(leaf, _CSP_ID),
        fingerprint=hashlib.sha256(vcek).digest(),
        not_before=max(certificate.not_before for certificate in chain),
        not_after=min(certificate.not_after for certificate in chain),
        revocations=b"",
        key=leaf.p384_key(),
        authorities=(root, middle),
    )


class _Authority(NamedTuple):
    """What issues the keys of a product line's chips: the root, and the certificate under it with its ``key``."""

    product: Product
    root: Certificate
    middle: Certificate
    key: rsa.RSAPublicKey

    @property
    def not_before(self) -> int:
        return max(self.root.not_before, self.middle.not_before)

    @property
    def not_after(self) -> int:
        return min(self.root.not_after, self.middle.not_after)


def _authority(ask: bytes, ark: bytes, *, roots: Roots, at: int) -> _Authority:
    product = roots.product_of(ark)
    root = Certificate.decode(ark, "ARK certificate")
    middle = Certificate.decode(ask, "ASK certificate")
    for certificate in (root, middle):
        check_window(certificate.name, certificate.not_before, certificate.not_after, at=at)
    _check_authority(middle)
    middle.check_issued(root, root.rsa_key())
    return _Authority(product, root, middle, middle.rsa_key())


def _kind(leaf: Certificate, middle: Certificate, product: Product) -> SigningKey:
    names = (leaf.common_name, middle.common_name)
    if names == ("SEV-VCEK", f"SEV-{product.value}"):
        return SigningKey.VCEK
    if names == ("SEV-VLEK", f"SEV-VLEK-{product.value}"):
        return SigningKey.VLEK
    # req: privproc1/4.9 chain
    raise UntrustedError("names are not those of a VCEK or VLEK of the root's product line")


def _check_authority(middle: Certificate) -> None:
    constraints, usage = (middle.extensions.get(oid) for oid in (_BASIC_CONSTRAINTS, _KEY_USAGE))
    if middle.critical - {_BASIC_CONSTRAINTS, _KEY_USAGE} or constraints is None or usage is None:
        raise UntrustedError(f"{middle.name}: not the profile of an authority")
    if constraints != _CA_PATHLEN_0 or usage not in _KEY_CERT_SIGN:
        raise UntrustedError(f"{middle.name}: not an authority for keys of chips")


def _check_leaf(leaf: Certificate, product: Product) -> None:
    if leaf.critical:
        raise UntrustedError(f"{leaf.name}: a critical extension that is not known")
    name = _text(leaf, _PRODUCT_NAME).partition("-")[0]  # "Milan-B0" names a stepping too
    stated = _value(leaf, _STRUCT_VERSION).unsigned(0xFF)
    if name != product.value or stated != int(product.has_fmc):
        raise UntrustedError(f"{leaf.name}: for another product line than its root")


def _value(leaf: Certificate, oid: bytes) -> Element:
    return Element.decode(_raw_value(leaf, oid), leaf.name)


def _raw_value(leaf: Certificate, oid: bytes) -> bytes:
    value = leaf.extensions.get(oid)
    if value is None:
        # req: privproc1/4.9 values-of-the-leaf
        raise DecodeError(leaf.name, "an extension of AMD's is missing")
    return value


def _text(leaf: Certificate, oid: bytes) -> str:
    element = _value(leaf, oid)
    if element.tag != _IA5_STRING or not element.content or not element.content.isascii():
        raise element.fail("not an IA5String")
    return element.content.decode("ascii")


def _tcb(leaf: Certificate, product: Product) -> Tcb:
    def level(oid: bytes) -> int:
        known = _LEVELS.get(leaf.extensions.get(oid, b""))
        return _value(leaf, oid).unsigned(0xFF) if known is None else known

    return Tcb(
        fmc=level(_FMC) if product.has_fmc else 0,
        bootloader=level(_BOOTLOADER),
        tee=level(_TEE),
        snp=level(_SNP),
        microcode=level(_MICROCODE),
    )


def _hwid(leaf: Certificate, product: Product) -> bytes:
    """AMD puts the bare bytes into the extension; newer certificates wrap them in an OCTET STRING of their own."""
    value = _raw_value(leaf, _HWID)
    if len(value) != product.hwid_size:
        element = Element.decode(value, leaf.name)
        value = element.content
        if element.tag != OCTET_STRING or len(value) != product.hwid_size:
            raise element.fail("hwID of the wrong size")
    return value

"""What a verifier needs of Intel beside the quote: authorities, revocation lists, TCB info, QE identity.

The application fetches it, on a schedule of its own, from Intel's Provisioning Certification Service (API version 4) or
a cache of it. It authenticates itself: :func:`verify_as` decides, once for many quotes, and the outcome is good until
the first part of it ends. TDX and SGX have a ``verify_collateral`` each, and a type for what it gives: what Intel says
of one says nothing of the other.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field
from typing import Self, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from privproc.attestation.certificate import MAX_CERTIFICATE, Certificate
from privproc.attestation.crl import MAX_CRL, RevocationList
from privproc.attestation.dcap.jsonobject import MAX_JSON
from privproc.attestation.dcap.tcb import QeIdentity, TcbInfo
from privproc.attestation.roots import Roots
from privproc.errors import DecodeError, SignatureError, UntrustedError, UsageError
from privproc.trust import Earned, check_window
from privproc.wire import Reader, Writer

__all__ = [
    "INTEL_ROOTS",
    "Collateral",
    "VerifiedCollateral",
    "check_raw",
    "pem_decode",
    "pem_encode",
    "verify_as",
]

V = TypeVar("V", bound="VerifiedCollateral")

INTEL_ROOTS = Roots((bytes.fromhex("44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"),))
"""Intel SGX Root CA."""

_PCK_AUTHORITIES = {"Intel SGX PCK Platform CA", "Intel SGX PCK Processor CA"}
_TCB_SIGNER = "Intel SGX TCB Signing"
_SIGNATURE = 64
_ECDSA_SHA256 = ec.ECDSA(SHA256())

_BEGIN = b"-----BEGIN CERTIFICATE-----\n"
_END = b"-----END CERTIFICATE-----\n"
_LINE, _WIDTH = 48, 64  # bytes in a line, and their characters
_LIMITS = (
    MAX_CERTIFICATE,
    MAX_CERTIFICATE,
    MAX_CERTIFICATE,
    MAX_CRL,
    MAX_CRL,
    MAX_JSON,
    _SIGNATURE,
    MAX_JSON,
    _SIGNATURE,
)
_RESPONSE = re.compile(rb'\{"(\w{1,32})":(\{.*\}),"signature":"([0-9a-fA-F]{128})"\}\s{0,2}', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Collateral:
    """The parts: certificates and lists in DER, JSON objects exactly as signed, signatures as ``r || s``.

    ``struct { opaque root<..>, pck_ca<..>, tcb_signing<1..8192>; opaque root_crl<..>, pck_crl<1..2^18>;
    opaque tcb_info<1..2^18>, tcb_info_signature[64]; opaque qe_identity<1..2^18>, qe_identity_signature[64]; }``,
    all with lengths in 3 bytes. One TCB signing certificate serves for both objects.
    """

    root: bytes = field(repr=False)
    pck_ca: bytes = field(repr=False)
    tcb_signing: bytes = field(repr=False)
    root_crl: bytes = field(repr=False)
    pck_crl: bytes = field(repr=False)
    tcb_info: bytes = field(repr=False)
    tcb_info_signature: bytes = field(repr=False)
    qe_identity: bytes = field(repr=False)
    qe_identity_signature: bytes = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`."""
        return Reader.all(data, "collateral", lambda r: cls(*(r.vector(3, 1, limit) for limit in _LIMITS)))

    def encode(self) -> bytes:
        """The bytes of the structure."""
        writer = Writer()
        parts = [self.root, self.pck_ca, self.tcb_signing, self.root_crl, self.pck_crl]
        parts += [self.tcb_info, self.tcb_info_signature, self.qe_identity, self.qe_identity_signature]
        for part, limit in zip(parts, _LIMITS, strict=True):
            if not 0 < len(part) <= limit:
                raise UsageError(f"a part of 1 to {limit} bytes has {len(part)}")
            writer.vector(3, part)
        return writer.done()

    @classmethod
    def from_pcs(
        cls,
        *,
        tcb_info: bytes,
        qe_identity: bytes,
        signing_chain: bytes,
        root_crl: bytes,
        pck_crl: bytes,
        pck_chain: bytes,
    ) -> Self:
        """From what Intel's service answers.

        ``tcb_info`` and ``qe_identity``: bodies of ``/tdx/certification/v4/tcb`` and ``/qe/identity``, or SGX's;
        ``signing_chain``: their header TCB-Info-Issuer-Chain, percent-decoded; ``root_crl``: DER; ``pck_crl``: body of
        ``/sgx/certification/v4/pckcrl?encoding=der``; ``pck_chain``: its header SGX-PCK-CRL-Issuer-Chain, decoded.
        Raises :class:`DecodeError`.
        """
        tcb_signing, root = _pem_pair(signing_chain)
        pck_ca, other_root = _pem_pair(pck_chain)
        if root != other_root:
            raise DecodeError("collateral", "two roots")
        info, identity = _signed_object(tcb_info, b"tcbInfo"), _signed_object(qe_identity, b"enclaveIdentity")
        return cls(root, pck_ca, tcb_signing, root_crl, pck_crl, *info, *identity)


def _signed_object(response: bytes, name: bytes) -> tuple[bytes, bytes]:
    """The inner object of ``{"<name>":{...},"signature":"<hex>"}``, byte for byte, and the signature."""
    found = _RESPONSE.fullmatch(response) if len(response) <= MAX_JSON else None
    if found is None or found[1] != name:
        raise DecodeError("collateral", f"not a signed {name.decode()}")
    return found[2], bytes.fromhex(found[3].decode())


def pem_encode(certificate: bytes) -> bytes:
    """PEM (RFC 7468) as Intel writes it: lines of 64 characters, each ended by one line feed."""
    lines = (binascii.b2a_base64(certificate[at : at + _LINE]) for at in range(0, len(certificate), _LINE))
    return b"".join((_BEGIN, *lines, _END))


def pem_decode(text: bytes, name: str) -> bytes:
    """The DER of exactly one certificate in the form of :func:`pem_encode`: nothing in it can vary.

    Raises :class:`DecodeError`.
    """
    if len(text) > 2 * MAX_CERTIFICATE:
        raise DecodeError(name, "PEM too long")
    body = text.removeprefix(_BEGIN).removesuffix(_END)
    joined = body.replace(b"\n", b"")
    try:
        certificate = binascii.a2b_base64(joined)
    except binascii.Error:
        raise DecodeError(name, "not base64") from None
    lines = -(-len(joined) // _WIDTH)
    wrapped = (len(_BEGIN) + len(joined) + lines + len(_END), b"\n" * (len(joined) // _WIDTH), b"\n")
    if (len(text), body[_WIDTH :: _WIDTH + 1], body[-1:]) != wrapped or (
        binascii.b2a_base64(certificate, newline=False) != joined
    ):
        raise DecodeError(name, "not one certificate in PEM with lines of 64 characters")
    return certificate


def _pem_pair(text: bytes) -> tuple[bytes, bytes]:
    first, end, second = text.partition(_END)
    return pem_decode(first + end, "issuer chain"), pem_decode(second.rstrip() + b"\n", "issuer chain")


def check_raw(what: str, key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> None:
    """Raise :class:`SignatureError` unless the P-256 ``key`` made ``signature`` (``r || s``) over ``signed``."""
    half = _SIGNATURE // 2
    if len(signature) != _SIGNATURE:
        raise SignatureError(f"{what}: signature isn't {_SIGNATURE} bytes")
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    try:
        key.verify(encode_dss_signature(r, s), signed, _ECDSA_SHA256)
    except InvalidSignature:
        raise SignatureError(f"{what}: signature doesn't verify") from None


@dataclass(frozen=True, slots=True, init=False)
class VerifiedCollateral(Earned):
    """What Intel says, verified: made by the ``verify_collateral`` of its kind only.

    ``pck_ca`` is the authority of the platforms' certificates, ``pck_crl`` which of them it has revoked. Good while
    ``not_before <= at < not_after``: the overlap of all parts.
    """

    tcb: TcbInfo
    qe: QeIdentity
    pck_ca: Certificate
    pck_crl: RevocationList
    not_before: int
    not_after: int
    pck_ca_key: ec.EllipticCurvePublicKey = field(repr=False)
    chain_end: bytes = field(repr=False)
    """What follows a platform's certificate in a quote: ``pck_ca`` and root in PEM."""


def verify_as(
    kind: type[V], info: type[TcbInfo], identity: type[QeIdentity], collateral: Collateral, *, roots: Roots, at: int
) -> V:
    """Check every part of ``collateral`` at the Unix time ``at``, whose objects are an ``info`` and an ``identity``.

    Raises :class:`UntrustedError` (root, names, profile, revoked), :class:`SignatureError`, :class:`ExpiredError`,
    :class:`DecodeError` or :class:`UnsupportedError`.
    """
    roots.check(collateral.root)
    root = Certificate.decode(collateral.root, "root certificate")
    pck_ca = Certificate.decode(collateral.pck_ca, "PCK authority")
    signer = Certificate.decode(collateral.tcb_signing, "TCB signing certificate")
    root_crl = RevocationList.decode(collateral.root_crl, "root's revocation list")
    pck_crl = RevocationList.decode(collateral.pck_crl, "PCK revocation list")
    if pck_ca.common_name not in _PCK_AUTHORITIES or signer.common_name != _TCB_SIGNER:
        raise UntrustedError("names are not those of Intel's PCK authority and TCB signer")
    root_key, pck_ca_key = root.p256_key(), pck_ca.p256_key()
    pck_ca.check_authority(below=0)
    signer.check_end()
    for issued in (pck_ca, signer, root_crl):
        issued.check_issued(root, root_key)
    pck_crl.check_issued(pck_ca, pck_ca_key)
    for certificate in (root, pck_ca, signer):
        root_crl.check(certificate)
    signer_key = signer.p256_key()
    check_raw("TCB info", signer_key, collateral.tcb_info_signature, collateral.tcb_info)
    check_raw("QE identity", signer_key, collateral.qe_identity_signature, collateral.qe_identity)
    tcb, qe = info.decode(collateral.tcb_info), identity.decode(collateral.qe_identity)
    windows = [(part.name, part.not_before, part.not_after) for part in (root, pck_ca, signer, root_crl, pck_crl)]
    windows += [("TCB info", tcb.not_before, tcb.not_after), ("QE identity", qe.not_before, qe.not_after)]
    for name, not_before, not_after in windows:
        check_window(name, not_before, not_after, at=at)
    return kind._earn(
        tcb=tcb,
        qe=qe,
        pck_ca=pck_ca,
        pck_crl=pck_crl,
        not_before=max(not_before for _, not_before, _ in windows),
        not_after=min(not_after for _, _, not_after in windows),
        pck_ca_key=pck_ca_key,
        chain_end=pem_encode(collateral.pck_ca) + pem_encode(collateral.root),
    )

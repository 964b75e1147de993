"""A maker of OCSP's answers in memory: written by hand, but for what is read of certificates, which is the crypto
library's reading. Keys are those of the certificates' makers, by name, and signatures are deterministic (RFC 6979).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.world.amd import Draft, extension, integer, oid, spki, tlv, utc_time
from tests.world.aws import ECDSA_SHA384, der_signature, key, sign_draft
from tests.world.nvidia import name

BASIC = "2b0601050507300101"
NONCE = "2b0601050507300102"
HASHES = {"sha1": "2b0e03021a", "sha256": "608648016503040201", "sha384": "608648016503040202"}
GOOD = tlv(0x80)
UNKNOWN = tlv(0x82)
OCSP_SIGNING = extension("551d25", tlv(0x30, oid("2b06010505070309")), critical=True)
SIGNATURES = extension("551d0f", bytes.fromhex("03020780"), critical=True)
DAY = 86400


def general_time(at: int) -> bytes:
    return tlv(0x18, datetime.fromtimestamp(at, UTC).strftime("%Y%m%d%H%M%SZ").encode())


def revoked(at: int) -> bytes:
    """For a reason that NVIDIA's verifier has an option to overlook: the certificate is on hold."""
    return tlv(0xA1, general_time(at), tlv(0xA0, tlv(0x0A, b"\6")))


def bits(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@dataclass(frozen=True)
class FakeResponder:
    """Answers about ``certificate``, of ``issuer`` with the key ``signer``, by a responder that the issuer certified.

    ``delegate``: the key of the responder; empty, the issuer answers itself.
    """

    at: int
    certificate: bytes
    issuer: bytes
    signer: str
    delegate: str = "ocsp responder"

    def draft(self) -> Draft:
        """The responder's certificate, to be changed and signed."""
        return Draft(
            issuer=x509.load_der_x509_certificate(self.issuer).subject.public_bytes(),
            subject=name("OCSP"),
            not_before=0,
            not_after=0,
            validity=tlv(0x30, utc_time(self.at - 7 * DAY), utc_time(self.at + 7 * DAY)),
            spki=spki(key(self.delegate)),
            extensions=[OCSP_SIGNING, SIGNATURES],
            serial=integer(0x300),
            algorithm=ECDSA_SHA384,
        )

    def responder(self, *, signer: str = "", **changes: Any) -> bytes:
        return sign_draft(replace(self.draft(), **changes), key(signer or self.signer))

    def cert_id(self, *, algorithm: str = "sha384", serial: int | None = None) -> bytes:
        subject, issuer = map(x509.load_der_x509_certificate, (self.certificate, self.issuer))
        hashes = [hashlib.new(algorithm, each).digest() for each in (issuer.subject.public_bytes(), bits(issuer))]
        kind = tlv(0x30, oid(HASHES[algorithm]), tlv(0x05))
        number = subject.serial_number if serial is None else serial
        return tlv(0x30, kind, *(tlv(0x04, each) for each in hashes), integer(number))

    def single(
        self,
        *,
        status: bytes = GOOD,
        this_update: int = 0,
        next_update: int | None = DAY,
        more: bytes = b"",
        **named: Any,
    ) -> bytes:
        """One answer; times are from ``at`` on."""
        later = b"" if next_update is None else tlv(0xA0, general_time(self.at + next_update))
        return tlv(0x30, self.cert_id(**named), status, general_time(self.at + this_update), later, more)

    def answer(
        self,
        nonce: bytes | None,
        *,
        responder: bytes | None = None,
        by_name: bool = False,
        key_name: str = "",
        singles: tuple[bytes, ...] | None = None,
        extensions: tuple[bytes, ...] = (),
        certificates: tuple[bytes, ...] | None = None,
        **single: Any,
    ) -> bytes:
        """The whole response to a question with ``nonce``."""
        signing = responder or (self.responder() if self.delegate else self.issuer)
        loaded = x509.load_der_x509_certificate(signing)
        named = tlv(0xA1, loaded.subject.public_bytes())
        if not by_name:
            named = tlv(0xA2, tlv(0x04, hashlib.sha1(bits(loaded), usedforsecurity=False).digest()))
        listed = list(extensions)
        if nonce is not None:
            listed.append(extension(NONCE, tlv(0x04, nonce)))
        parts = [named, general_time(self.at), tlv(0x30, *(singles or (self.single(**single),)))]
        if listed:
            parts.append(tlv(0xA1, tlv(0x30, *listed)))
        brought = ((signing,) if self.delegate else ()) if certificates is None else certificates
        return wrap(tlv(0x30, *parts), key_name or self.delegate or self.signer, brought)


def wrap(tbs: bytes, signer: str, certificates: tuple[bytes, ...] = ()) -> bytes:
    """What is signed, signed."""
    more = tlv(0xA0, tlv(0x30, *certificates)) if certificates else b""
    basic = tlv(0x30, tbs, ECDSA_SHA384, tlv(0x03, b"\0", der_signature(key(signer), tbs)), more)
    return tlv(0x30, tlv(0x0A, b"\0"), tlv(0xA0, tlv(0x30, oid(BASIC), tlv(0x04, basic))))

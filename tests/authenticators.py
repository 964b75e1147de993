"""Exported authenticators once more, straight from RFC 9261 §4 to §6, on hashlib, hmac and cryptography.

Nothing here comes from the library. It takes any hash and any bytes for a request, so that values which were published
for a draft can be computed as well; and it leaves to the caller what is signed and sent, so that it can lie.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

CMW = 0xFF00
ED25519, ECDSA = 0x0807, 0x0403


def u(width: int, value: int) -> bytes:
    return value.to_bytes(width, "big")


def vector(width: int, data: bytes) -> bytes:
    return u(width, len(data)) + data


def message(kind: int, body: bytes) -> bytes:
    """A handshake message."""
    return u(1, kind) + vector(3, body)


def extension(kind: int, data: bytes) -> bytes:
    return u(2, kind) + vector(2, data)


def request(side: str, context: bytes, schemes: tuple[int, ...] = (ED25519, ECDSA), *, cmw: bool = True) -> bytes:
    """An authenticator request of ``side``."""
    algorithms = extension(13, vector(2, b"".join(u(2, scheme) for scheme in schemes)))
    body = vector(1, context) + vector(2, algorithms + (extension(CMW, b"") if cmw else b""))
    return message({"server": 13, "client": 17}[side], body)


def certificate(context: bytes, *entries: tuple[bytes, bytes]) -> bytes:
    """Certificate; an entry is a DER and its extensions."""
    return message(11, vector(1, context) + vector(3, b"".join(vector(3, c) + vector(2, x) for c, x in entries)))


def attested(data: bytes) -> bytes:
    """cmw_attestation."""
    return extension(CMW, vector(2, data))


@dataclass(frozen=True)
class Keys:
    """The exporter values of one sender."""

    handshake_context: bytes
    finished_key: bytes
    hash: str = "sha384"

    @classmethod
    def of(cls, export: Any, side: str) -> Keys:
        """From ``export(label, context, length)``."""
        label = f"EXPORTER-{side} authenticator "
        return cls(*(export((label + end).encode(), b"", 48) for end in ("handshake context", "finished key")))

    def digest(self, *messages: bytes) -> bytes:
        return hashlib.new(self.hash, self.handshake_context + b"".join(messages)).digest()

    def finished(self, *messages: bytes) -> bytes:
        return message(20, hmac.digest(self.finished_key, self.digest(*messages), self.hash))

    def signed(self, *messages: bytes, context: bytes = b"Exported Authenticator") -> bytes:
        """What a CertificateVerify signs."""
        return b"\x20" * 64 + context + b"\0" + self.digest(*messages)

    def verify(self, scheme: int, key: Any, *messages: bytes) -> bytes:
        """CertificateVerify."""
        data = self.signed(*messages)
        signature = key.sign(data) if isinstance(key, Ed25519PrivateKey) else key.sign(data, ec.ECDSA(SHA256()))
        return message(15, u(2, scheme) + vector(2, signature))

    def authenticator(self, asked: bytes, shown: bytes, scheme: int, key: Any) -> bytes:
        """For a request and a Certificate."""
        verify = self.verify(scheme, key, asked, shown)
        return shown + verify + self.finished(asked, shown, verify)

    def empty(self, asked: bytes, context: bytes) -> bytes:
        """The empty authenticator."""
        return self.finished(asked, certificate(context))

    def check(self, asked: bytes, authenticator: bytes, *, context: bytes = b"Exported Authenticator") -> list[bytes]:
        """The certificates of an authenticator whose Finished and CertificateVerify hold; fails otherwise."""
        parts = []
        while authenticator:
            end = 4 + int.from_bytes(authenticator[1:4], "big")
            parts.append(authenticator[:end])
            authenticator = authenticator[end:]
        shown, verify, finished = parts
        assert finished == self.finished(asked, shown, verify)
        listed = shown[4 + 1 + shown[4] + 3 :]
        chain = []
        while listed:
            size = int.from_bytes(listed[:3], "big")
            chain.append(listed[3 : 3 + size])
            listed = listed[3 + size :]
            listed = listed[2 + int.from_bytes(listed[:2], "big") :]
        scheme, signature = int.from_bytes(verify[4:6], "big"), verify[8:]
        key: Any = x509.load_der_x509_certificate(chain[0]).public_key()
        extra = () if scheme == ED25519 else (ec.ECDSA(SHA256()),)
        key.verify(signature, self.signed(asked, shown, context=context), *extra)
        return chain

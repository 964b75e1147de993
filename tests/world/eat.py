"""An attester, or a verifier that writes results: tokens of RFC 9711 by cbor2, json and cryptography alone."""

from __future__ import annotations

import base64
import json
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

CURVES = {
    "ES256": (ec.SECP256R1(), SHA256(), 32, -7),
    "ES384": (ec.SECP384R1(), SHA384(), 48, -35),
    "ES512": (ec.SECP521R1(), SHA512(), 66, -36),
}


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Entity:
    """Signs tokens with a key that follows from ``seed``, 1 to 255; the same ones each time."""

    def __init__(self, algorithm: str, seed: int) -> None:
        self.name = algorithm
        self.private: Any
        if algorithm == "EdDSA":
            self.private, self.number = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32), -8
        else:
            curve, self._hash, self._half, self.number = CURVES[algorithm]
            self.private = ec.derive_private_key(int.from_bytes(bytes([seed]) * 32, "big") >> 1, curve)
        self.key = self.private.public_key()

    def sign(self, data: bytes) -> bytes:
        if self.name == "EdDSA":
            return self.private.sign(data)
        r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(self._hash, deterministic_signing=True)))
        return r.to_bytes(self._half, "big") + s.to_bytes(self._half, "big")

    def sign1(
        self, payload: bytes, *, tags: tuple[int, ...] = (), protected: Any = None, unprotected: Any = None
    ) -> bytes:
        """COSE_Sign1 below ``tags``; ``protected``, a map or any bytes, in place of the algorithm alone."""
        header = protected if isinstance(protected, bytes) else cbor2.dumps(protected or {1: self.number})
        signature = self.sign(cbor2.dumps(["Signature1", header, b"", payload]))
        message: Any = [header, {} if unprotected is None else unprotected, payload, signature]
        for tag in reversed(tags):
            message = cbor2.CBORTag(tag, message)
        return cbor2.dumps(message)

    def cwt(self, claims: dict[int, Any]) -> bytes:
        return self.sign1(cbor2.dumps(claims), tags=(61, 18))

    def jwt(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> bytes:
        return self.jws(json.dumps(claims).encode(), header)

    def jws(self, payload: bytes, header: dict[str, Any] | None = None) -> bytes:
        head = json.dumps({"alg": self.name, "typ": "eat+jwt"} if header is None else header)
        signed = f"{unpadded(head.encode())}.{unpadded(payload)}".encode()
        return signed + b"." + unpadded(self.sign(signed)).encode()

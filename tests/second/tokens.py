"""§2.1: tokens of type 0x0002 (RFC 9578 §6, RFC 9474), with a commitment to a proof key as nonce."""

import base64
import hashlib
import json
import math
import os
import secrets
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .wire import RefusedError, check, lp, sha256, u16


@dataclass(frozen=True)
class IssuerKey:
    key_id: bytes
    public: rsa.RSAPublicKey

    @classmethod
    def only(cls, directory: bytes) -> "IssuerKey":
        """The one key of type 2 in an issuer's directory (RFC 9578 §4)."""
        keys = [k for k in json.loads(directory)["token-keys"] if k["token-type"] == 2]
        check(len(keys) == 1, "not exactly one token key")
        text = keys[0]["token-key"]
        spki = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        public = serialization.load_der_public_key(spki)
        check(isinstance(public, rsa.RSAPublicKey) and public.key_size == 2048, "not RSA with 2048 bits")
        return cls(sha256(spki), public)


@dataclass(frozen=True)
class Token:
    encoded: bytes
    pop: bytes
    key: Ed25519PrivateKey

    def proof(self, th1: bytes) -> bytes:
        return self.key.sign(lp(b"privproc/1 pop-sig") + th1)


def challenge(issuer: str, gateway: str) -> bytes:
    """RFC 9577 §2.1."""
    return u16(2) + u16(len(issuer)) + issuer.encode() + b"\0" + u16(len(gateway)) + gateway.encode()


def _mgf1(seed: bytes, length: int) -> bytes:
    blocks = (hashlib.sha384(seed + i.to_bytes(4, "big")).digest() for i in range(-(-length // 48)))
    return b"".join(blocks)[:length]


def _pss(message: bytes, bits: int) -> bytes:
    """EMSA-PSS-ENCODE (RFC 8017 §9.1.1), SHA-384, a salt of 48 bytes."""
    length, salt = -(-bits // 8), os.urandom(48)
    h = hashlib.sha384(bytes(8) + hashlib.sha384(message).digest() + salt).digest()
    db = bytes(length - 48 - 48 - 2) + b"\1" + salt
    masked = bytearray(a ^ b for a, b in zip(db, _mgf1(h, len(db)), strict=True))
    masked[0] &= 0xFF >> (8 * length - bits)
    return bytes(masked) + h + b"\xbc"


class Issuance:
    """One token in the making: `request` goes to the issuer, `finish` takes its answer."""

    def __init__(self, key: IssuerKey, issuer: str, gateway: str) -> None:
        self.issuer_key, self.proof_key = key, Ed25519PrivateKey.generate()
        self.pop = u16(0x0807) + self.proof_key.public_key().public_bytes_raw() + os.urandom(32)
        nonce = sha256(lp(b"privproc/1 pop") + lp(self.pop))
        self.token_input = u16(2) + nonce + sha256(challenge(issuer, gateway)) + key.key_id
        numbers = key.public.public_numbers()
        self.n, e = numbers.n, numbers.e
        m = int.from_bytes(_pss(self.token_input, self.n.bit_length() - 1), "big")
        check(math.gcd(m, self.n) == 1, "the issuer's key is broken")
        r = 1 + secrets.randbelow(self.n - 1)
        self.unblind = pow(r, -1, self.n)
        self.request = u16(2) + key.key_id[-1:] + (m * pow(r, e, self.n) % self.n).to_bytes(256, "big")

    def finish(self, response: bytes) -> Token:
        check(len(response) == 256, "not a blind signature")
        s = (int.from_bytes(response, "big") * self.unblind % self.n).to_bytes(256, "big")
        try:
            pss = padding.PSS(padding.MGF1(hashes.SHA384()), 48)
            self.issuer_key.public.verify(s, self.token_input, pss, hashes.SHA384())
        except InvalidSignature:
            raise RefusedError("the issuer's signature is false") from None
        return Token(self.token_input + s, self.pop, self.proof_key)

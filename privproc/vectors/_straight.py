"""privproc/1's arithmetic a second time, straight from docs/protocol.md and RFC 9180: hashlib, hmac and cryptography.

Nothing here comes from the library. The runners of the composed vectors compute each value with this and with the
library.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

X25519, X_WING = 0x0020, 0x647A
HASHES = {1: "sha256", 2: "sha384"}
KEY_SIZES = {1: 16, 2: 32}


def u(width: int, value: int) -> bytes:
    return value.to_bytes(width, "big")


def lp(data: bytes) -> bytes:
    return u(4, len(data)) + data


def t(label: bytes, *fields: bytes) -> bytes:
    """``T(label, fields...)``."""
    return hashlib.sha384(lp(b"privproc/1 " + label) + u(2, len(fields)) + b"".join(map(lp, fields))).digest()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def sha384(data: bytes) -> bytes:
    return hashlib.sha384(data).digest()


def extract(name: str, salt: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(hashlib.new(name).digest_size), ikm, name)


def expand(name: str, prk: bytes, info: bytes, length: int) -> bytes:
    out, block = b"", b""
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([len(out) // hashlib.new(name).digest_size + 1]), name)
        out += block
    return out[:length]


def ed25519(secret: bytes, message: bytes) -> tuple[bytes, bytes]:
    """Public key and signature."""
    key = Ed25519PrivateKey.from_private_bytes(secret)
    return key.public_key().public_bytes_raw(), key.sign(message)


def xor(iv: bytes, counter: int) -> bytes:
    return u(len(iv), int.from_bytes(iv, "big") ^ counter)


# KEMs: RFC 9180 §4.1 with X25519, and X-Wing.


def public_key(kem: int, secret: bytes) -> bytes:
    if kem == X25519:
        return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
    seed = hashlib.shake_256(secret).digest(96)
    return MLKEM768PrivateKey.from_seed_bytes(seed[:64]).public_key().public_bytes_raw() + public_key(X25519, seed[64:])


def dh(secret: bytes, public: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))


def decap(kem: int, secret: bytes, enc: bytes) -> bytes:
    if kem == X25519:
        return _dhkem(dh(secret, enc), enc, public_key(kem, secret))
    seed = hashlib.shake_256(secret).digest(96)
    inner = MLKEM768PrivateKey.from_seed_bytes(seed[:64]).decapsulate(enc[:1088])
    parts = inner, dh(seed[64:], enc[1088:]), enc[1088:], public_key(X25519, seed[64:]), b"\\.//^\\"
    return hashlib.sha3_256(b"".join(parts)).digest()


def enc_size(kem: int) -> int:
    """Bytes of an encapsulation."""
    return {X25519: 32, X_WING: 1088 + 32}[kem]


def encap(public: bytes, ephemeral: bytes) -> tuple[bytes, bytes]:
    """``enc`` and shared secret; X25519 only, since ML-KEM's coins can't be given."""
    enc = public_key(X25519, ephemeral)
    return enc, _dhkem(dh(ephemeral, public), enc, public)


def _dhkem(shared: bytes, enc: bytes, public: bytes) -> bytes:
    suite = b"KEM" + u(2, X25519)
    prk = extract("sha256", b"", b"HPKE-v1" + suite + b"eae_prk" + shared)
    return expand("sha256", prk, u(2, 32) + b"HPKE-v1" + suite + b"shared_secret" + enc + public, 32)


# HPKE's key schedule, base mode: RFC 9180 §5.1.


class Hpke(NamedTuple):
    suite: bytes
    name: str
    key: bytes
    nonce: bytes
    exporter: bytes

    def export(self, context: bytes, length: int) -> bytes:
        return expand(self.name, self.exporter, u(2, length) + b"HPKE-v1" + self.suite + b"sec" + context, length)

    def seal(self, plaintext: bytes) -> bytes:
        """The first message, without associated data."""
        return AESGCM(self.key).encrypt(self.nonce, plaintext, b"")

    def open(self, ciphertext: bytes) -> bytes:
        """The same, opened."""
        return AESGCM(self.key).decrypt(self.nonce, ciphertext, b"")


def hpke(ids: tuple[int, int, int], shared: bytes, info: bytes) -> Hpke:
    suite, name = b"HPKE" + b"".join(u(2, part) for part in ids), HASHES[ids[1]]

    def labeled_extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return extract(name, salt, b"HPKE-v1" + suite + label + ikm)

    context = b"\0" + labeled_extract(b"", b"psk_id_hash", b"") + labeled_extract(b"", b"info_hash", info)
    secret = labeled_extract(shared, b"secret", b"")

    def labeled_expand(label: bytes, length: int) -> bytes:
        return expand(name, secret, u(2, length) + b"HPKE-v1" + suite + label + context, length)

    size = hashlib.new(name).digest_size
    return Hpke(
        suite,
        name,
        labeled_expand(b"key", KEY_SIZES[ids[2]]),
        labeled_expand(b"base_nonce", 12),
        labeled_expand(b"exp", size),
    )


# OHTTP: RFC 9458 §4.3 and §4.4.


def ohttp_info(header: bytes) -> bytes:
    return b"message/bhttp request\0" + header


def ohttp_response(
    context: Hpke, aead: int, enc: bytes, nonce: bytes, label: bytes = b"message/bhttp response"
) -> tuple[bytes, bytes]:
    """Key and nonce of the response."""
    size = max(12, KEY_SIZES[aead])
    prk = extract(context.name, enc + nonce, context.export(label, size))
    return expand(context.name, prk, b"key", KEY_SIZES[aead]), expand(context.name, prk, b"nonce", 12)


# Binary HTTP of known length: RFC 9292 §3.


def varint(value: int) -> bytes:
    prefix, width = next(it for it in ((0, 1), (1, 2), (2, 4)) if value < 1 << (8 * it[1] - 2))
    return u(width, value | prefix << (8 * width - 2))


def counted(data: bytes) -> bytes:
    return varint(len(data)) + data


def http_request(authority: bytes, path: bytes, fields: list[tuple[bytes, bytes]], content: bytes) -> bytes:
    """A POST over https, without trailers."""
    lines = b"".join(counted(part) for line in fields for part in line)
    target = b"".join(map(counted, (b"POST", b"https", authority, path)))
    return b"\0" + target + counted(lines) + counted(content) + counted(b"")


def http_response(content: bytes) -> bytes:
    """A 200 without fields and trailers."""
    return b"\1" + varint(200) + counted(b"") + counted(content) + counted(b"")

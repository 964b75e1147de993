"""HPKE with other implementations, both roles: every suite in common, base and PSK mode, messages and exports."""

from __future__ import annotations

import os

import pytest

from privproc.hpke import (
    PrivateKey,
    Psk,
    PublicKey,
    Suite,
    setup_psk_recipient,
    setup_psk_sender,
    setup_recipient,
    setup_sender,
)
from privproc.secret import Secret
from tests.interop.driver import PeerError
from tests.interop.peers import AEADS, CIRCL, CORE, HKDF, KDFS, KEMS, PANVA, difference, named

pytestmark = [pytest.mark.loopback, pytest.mark.interop]

PSK = Psk(Secret(bytes(range(32))), b"which one")
PEERS = (CIRCL, PANVA, CORE)
PAIRS = [(peer, kem) for peer in PEERS for kem in KEMS[peer]]
with_kems = pytest.mark.parametrize(("peer", "kem"), PAIRS, indirect=["peer"], ids=named)
MESSAGES = ((b"", b""), (b"aad", b"first"), (b"", b"second"), (b"x" * 300, b"y" * 70_000))
LABEL = b"exporter context"


def suites(peer, kem):
    return [Suite(kem, kdf, aead) for kdf in KDFS.get(peer, HKDF) for aead in AEADS]


def words(suite, *, psk):
    return (suite.kem, suite.kdf, suite.aead), ((bytes(range(32)), b"which one") if psk else (b"", b""))


@with_kems
@pytest.mark.parametrize("psk", [False, True], ids=["base", "psk"])
def test_there_to_here(peer, kem, psk):
    with difference(peer.peer, f"{kem.name} as recipient here"):
        key = PrivateKey.generate(kem)
        for suite in suites(peer.peer, kem):
            ids, secrets = words(suite, psk=psk)
            pairs = [part for pair in MESSAGES for part in pair]
            got = peer.call(
                "hpke.seal", *ids, key.public_key.encode(), b"info", *secrets, LABEL, 48, len(MESSAGES), *pairs
            )
            enc, exported, *ciphertexts = got.rest()
            if psk:
                recipient = setup_psk_recipient(suite, key, enc, b"info", PSK)
            else:
                recipient = setup_recipient(suite, key, enc, b"info")
            for (aad, plaintext), ciphertext in zip(MESSAGES, ciphertexts, strict=True):
                assert recipient.open(ciphertext, aad) == plaintext, suite
            assert recipient.export(LABEL, 48).expose() == exported, suite


@with_kems
@pytest.mark.parametrize("psk", [False, True], ids=["base", "psk"])
def test_here_to_there(peer, kem, psk):
    with difference(peer.peer, f"{kem.name} as sender here"):
        key = PublicKey.decode(kem, peer.call("hpke.key", kem).bytes())
        for suite in suites(peer.peer, kem):
            ids, secrets = words(suite, psk=psk)
            if psk:
                enc, sender = setup_psk_sender(suite, key, b"info", PSK)
            else:
                enc, sender = setup_sender(suite, key, b"info")
            pairs = [part for aad, plaintext in MESSAGES for part in (aad, sender.seal(plaintext, aad))]
            got = peer.call("hpke.open", *ids, enc, b"info", *secrets, LABEL, 48, len(MESSAGES), *pairs).rest()
            assert got == [sender.export(LABEL, 48).expose(), *(plaintext for _, plaintext in MESSAGES)], suite


@with_kems
def test_both_refuse_the_same(peer, kem):
    """A wrong associated data, and an ``enc`` of another key: refused there as it is here."""
    suite = suites(peer.peer, kem)[0]
    ids, secrets = words(suite, psk=False)
    key = PublicKey.decode(kem, peer.call("hpke.key", kem).bytes())
    enc, sender = setup_sender(suite, key, b"info")
    other, _ = setup_sender(suite, PrivateKey.generate(kem).public_key, b"info")
    sealed = sender.seal(b"text", b"aad")
    for wrong in (enc, b"AAD"), (other, b"aad"), (os.urandom(len(enc) - 1), b"aad"):
        with pytest.raises(PeerError):
            peer.call("hpke.open", *ids, wrong[0], b"info", *secrets, LABEL, 16, 1, wrong[1], sealed)

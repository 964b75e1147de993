"""Base mode: decapsulation, key schedule, every printed message in both directions, and the exporter."""

from __future__ import annotations

import hmac

from privproc.hpke import (
    PrivateKey,
    PublicKey,
    Sender,
    Suite,
    _derand_encap,
    _derand_setup_sender,
    decap,
    setup_recipient,
)
from privproc.secret import Secret
from tests.vectorfile import Case


def run(case: Case) -> None:
    assert case.expect is None
    suite = Suite.from_ids(case["kem"], case["kdf"], case["aead"])
    private = PrivateKey.decode(suite.kem, Secret(case.hex("private_key")))
    assert private.public_key == PublicKey.decode(suite.kem, case.hex("public_key"))
    info, enc, shared = case.hex("info"), case.hex("enc"), Secret(case.hex("shared_secret"))
    assert decap(private, enc) == shared
    sender = Sender(suite, shared.expose(), info)
    if "ephemeral_key" in case:
        ephemeral = PrivateKey.decode(suite.kem, Secret(case.hex("ephemeral_key")))
        assert _derand_encap(private.public_key, ephemeral) == (enc, shared)
        sent, sender = _derand_setup_sender(suite, private.public_key, info, ephemeral)
        assert sent == enc
    recipient = setup_recipient(suite, private, enc, info)
    _check_schedule(case, suite, shared, info, sender)
    for context in (sender, recipient):
        assert context._exporter == case.hex("exporter_secret")
        for export in case["exports"]:
            value = Secret(bytes.fromhex(export["value"]))
            assert context.export(bytes.fromhex(export["context"]), export["length"]) == value
    _check_messages(case, sender, recipient)


def _check_schedule(case: Case, suite: Suite, shared: Secret, info: bytes, sender: Sender) -> None:
    """The values between, which no context shows."""
    constants = suite._constants
    if "key_schedule_context" in case:
        info_hash = hmac.digest(b"", constants.info + info, suite.kdf.hash)
        assert case.hex("key_schedule_context") == constants.head + info_hash
    if "secret" in case:
        assert case.hex("secret") == hmac.digest(shared.expose(), constants.secret, suite.kdf.hash)
    cipher, base = constants.cipher(case.hex("key")), case.hex("base_nonce")
    assert sender._nonce.to_bytes(suite.aead.Nn, "big") == base
    for message in case["encryptions"]:
        nonce = bytes.fromhex(message["nonce"])
        assert int.from_bytes(nonce, "big") ^ int.from_bytes(base, "big") == message["sequence"]
        aad = bytes.fromhex(message["aad"])
        assert cipher.encrypt(nonce, bytes.fromhex(message["plaintext"]), aad).hex() == message["ciphertext"]


def _check_messages(case: Case, sender: Sender, recipient) -> None:
    """Every sequence number up to the last printed one, so that the contexts come there by themselves."""
    printed = {message["sequence"]: message for message in case["encryptions"]}
    for sequence in range(max(printed) + 1):
        message = printed.get(sequence, {"plaintext": "", "aad": ""})
        plaintext, aad = bytes.fromhex(message["plaintext"]), bytes.fromhex(message["aad"])
        ciphertext = sender.seal(plaintext, aad)
        assert ciphertext.hex() == message.get("ciphertext", ciphertext.hex())
        assert recipient.open(ciphertext, aad) == plaintext

"""A whole set-up, in base mode or with a ``psk``: both key pairs, the encapsulation, the key schedule, every printed
message in both directions, and the exporter.
"""

from __future__ import annotations

import hashlib

from privproc import hkdf
from privproc.hpke import (
    Aead,
    Kdf,
    Kem,
    PrivateKey,
    Psk,
    PublicKey,
    Recipient,
    Sender,
    Suite,
    _derand_encap,
    _derand_setup_sender,
    decap,
    setup_psk_recipient,
    setup_recipient,
)
from privproc.hpke._hybrid import Hybrid
from privproc.hpke._mlkem import MlKem
from privproc.hpke.kem import ALGORITHMS
from privproc.secret import Secret
from privproc.vectors.case import Case


def run(case: Case) -> None:
    assert case.expect is None
    suite = Suite(Kem(case["kem"]), Kdf(case["kdf"]), Aead(case["aead"]))
    private = PrivateKey.decode(suite.kem, Secret(case.hex("private_key")))
    assert (
        private.encode()
        == PrivateKey.derive(suite.kem, Secret(case.hex("ikm"))).encode()
        == secret(case, "private_key")
    )
    assert private.public_key == PublicKey.decode(suite.kem, case.hex("public_key"))
    if "rejected_candidate" in case:
        _check_rejected(case)
    psk = Psk(secret(case, "psk"), case.hex("psk_id")) if "psk" in case else None
    info, enc, shared = case.hex("info"), case.hex("enc"), secret(case, "shared_secret")
    assert decap(private, enc) == shared
    sender = _sender(case, suite, private.public_key, psk)
    if psk is None:
        recipient = setup_recipient(suite, private, enc, info)
    else:
        recipient = setup_psk_recipient(suite, private, enc, info, psk)
    _check_schedule(case, suite, psk, sender)
    for context in (sender, recipient):
        assert context._exporter == case.hex("exporter_secret")
        for export in case["exports"]:
            value = Secret(bytes.fromhex(export["value"]))
            assert context.export(bytes.fromhex(export["context"]), export["length"]) == value
    _check_messages(case, sender, recipient)


def secret(case: Case, name: str) -> Secret:
    return Secret(case.hex(name))


def _check_rejected(case: Case) -> None:
    """LabeledExpand of the first candidate of DeriveKeyPair (RFC 9180 §7.1.3), once more from its parts."""
    label = b"HPKE-v1" + b"KEM" + case["kem"].to_bytes(2, "big")
    prk = hkdf.extract("sha256", b"", label + b"dkp_prk" + case.hex("ikm"))
    candidate = hkdf.expand("sha256", prk, b"\0\x20" + label + b"candidate" + b"\0", 32)
    assert candidate == case.hex("rejected_candidate") != case.hex("private_key")


def _sender(case: Case, suite: Suite, key: PublicKey, psk: Psk | None) -> Sender:
    """Deterministic encapsulation (draft-ietf-hpke-hpke-05 §C.1, draft-irtf-cfrg-hybrid-kems Appendix A)."""
    algorithm, ikm = ALGORITHMS[suite.kem], case.hex("ephemeral_ikm")
    info, enc, shared = case.hex("info"), case.hex("enc"), case.hex("shared_secret")
    if isinstance(algorithm, Hybrid):
        inner_key, ct = key.encode()[: algorithm._pk_m], enc[: algorithm._ct_m]
        inner = encapsulated(ikm[:32], inner_key), ct
        ephemeral = algorithm._group.scalar(ikm[32:])
        assert algorithm.derand_encap(key._handle, key.encode(), inner, ephemeral) == (enc, shared)
    elif isinstance(algorithm, MlKem):
        assert encapsulated(ikm, key.encode()) == shared
    else:
        ephemeral = PrivateKey.derive(suite.kem, Secret(ikm))
        if "ephemeral_key" in case:
            assert ephemeral.encode() == secret(case, "ephemeral_key")
        assert _derand_encap(key, ephemeral) == (enc, Secret(shared))
        sent, sender = _derand_setup_sender(suite, key, info, ephemeral, psk)
        assert sent == enc
        return sender
    return Sender(suite, shared, info, psk)


def encapsulated(m: bytes, key: bytes) -> bytes:
    """The shared secret of ML-KEM.Encaps_internal (FIPS 203 §6.2)."""
    return hashlib.sha3_512(m + hashlib.sha3_256(key).digest()).digest()[:32]


def _check_schedule(case: Case, suite: Suite, psk: Psk | None, sender: Sender) -> None:
    """The values between, which no context shows."""
    schedule, info, shared = suite._schedule, case.hex("info"), case.hex("shared_secret")
    if "key_schedule_context" in case:
        assert schedule.extract(shared, info, psk) == (case.hex("secret"), case.hex("key_schedule_context"))
    key, base = case.hex("key"), case.hex("base_nonce")
    assert schedule.derive(shared, info, psk) == (key, base, case.hex("exporter_secret"))
    assert sender._nonce == int.from_bytes(base, "big")
    for message in case["encryptions"]:
        nonce = bytes.fromhex(message["nonce"])
        assert int.from_bytes(nonce, "big") ^ int.from_bytes(base, "big") == message["sequence"]
        aad, plaintext = bytes.fromhex(message["aad"]), bytes.fromhex(message["plaintext"])
        assert suite.aead.cipher(key).encrypt(nonce, plaintext, aad).hex() == message["ciphertext"]


def _check_messages(case: Case, sender: Sender, recipient: Recipient) -> None:
    """Every sequence number up to the last printed one, so that the contexts come there by themselves."""
    printed = {message["sequence"]: message for message in case["encryptions"]}
    for sequence in range(max(printed, default=-1) + 1):
        message = printed.get(sequence, {"plaintext": "", "aad": ""})
        plaintext, aad = bytes.fromhex(message["plaintext"]), bytes.fromhex(message["aad"])
        ciphertext = sender.seal(plaintext, aad)
        assert ciphertext.hex() == message.get("ciphertext", ciphertext.hex())
        assert recipient.open(ciphertext, aad) == plaintext

"""C2SP notes: verifier keys, a note, which keys signed it, its checkpoint and the cosignatures' times."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from privproc.ledger.checkpoint import (
    ML_DSA_44,
    Checkpoint,
    Note,
    NoteKey,
    NoteSignature,
    cosigned_subtree,
)
from privproc.vectors.case import Case, raises


def check(case) -> None:
    keys = [NoteKey.parse(vkey) for vkey in case.get("keys", [])]
    assert [str(key) for key in keys] == case.get("keys", [])
    data = case["note"].encode()
    note = Note.decode(data)
    for key in keys:
        if key.kind == ML_DSA_44:
            assert note.cosigned(key)
        note.verify(key)
    assert note.encode() == data
    if "text" in case:
        assert note.text == case["text"].encode()
    for line, fields in zip(note.signatures, case.get("signatures", []), strict=False):
        assert line == NoteSignature(fields["name"], bytes.fromhex(fields["key_id"]), line.signature)
        if "time" in fields:
            assert int.from_bytes(line.signature[:8], "big") == fields["time"]
            assert len(line.signature) == fields.get("size", 72)
    for name, seed in case.get("ml_dsa_seeds", {}).items():
        # ML-DSA signatures are randomised: a new one over the same message verifies in place of the published one.
        (key,) = (key for key in keys if key.name == name)
        private = MLDSA44PrivateKey.from_seed_bytes(bytes.fromhex(seed))
        assert (key.kind, key.public) == (ML_DSA_44, private.public_key().public_bytes_raw())
        assert NoteKey(name, ML_DSA_44, key.public) == key
        (time,) = note.cosigned(key)
        message = cosigned_subtree(name, time, Checkpoint.decode(note.text))
        assert message.hex() == case["messages"][name]
        again = NoteSignature(name, key.key_id, time.to_bytes(8, "big") + private.sign(message))
        assert Note(note.text, (again,)).cosigned(key) == [time]
    if "seed" in case:
        # Ed25519 is deterministic: signing again gives the published line.
        (key,) = keys
        signature = Ed25519PrivateKey.from_private_bytes(case.hex("seed")).sign(note.text)
        assert Note(note.text, (NoteSignature(key.name, key.key_id, signature),)).encode() == data
    if "checkpoint" in case:
        head = Checkpoint.decode(note.text)
        expected = case["checkpoint"]
        assert head == Checkpoint(expected["origin"], expected["size"], bytes.fromhex(expected["root"]))
        assert head.encode() == note.text


def run(case: Case) -> None:
    if case.expect:
        with raises(case.expect):
            check(case)
    else:
        check(case)
    # What a refused case doesn't reach is read here, so that it counts as consumed.
    for name in ("keys", "note"):
        case.get(name)

"""C2SP notes: verifier keys, a note, which keys signed it, its checkpoint and the cosignatures' times."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from privproc.ledger.checkpoint import COSIGNATURE, Checkpoint, Note, NoteKey, NoteSignature


def check(case) -> None:
    keys = [NoteKey.parse(vkey) for vkey in case.get("keys", [])]
    assert [str(key) for key in keys] == case.get("keys", [])
    if "note" not in case:
        return
    data = case["note"].encode()
    note = Note.decode(data)
    for key in keys:
        if key.kind == COSIGNATURE:
            assert note.cosigned(key)
        else:
            note.verify(key)
    assert note.encode() == data
    if "text" in case:
        assert note.text == case["text"].encode()
    for line, fields in zip(note.signatures, case.get("signatures", []), strict=False):
        assert line == NoteSignature(fields["name"], bytes.fromhex(fields["key_id"]), line.signature)
        if "time" in fields:
            assert int.from_bytes(line.signature[:8], "big") == fields["time"]
            assert len(line.signature) == 72
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


def run(case) -> None:
    if case.expect:
        with pytest.raises(case.expect):
            check(case)
    else:
        check(case)
    # What a refused case doesn't reach is read here, so that it counts as consumed.
    for name in ("keys", "note"):
        case.get(name)

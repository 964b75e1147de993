"""Texts of transparency logs: notes, checkpoints, proofs, verifier keys; entries in proofs, and what Oak logs."""

from __future__ import annotations

import json

from privproc.cli.inspect import names
from privproc.cli.inspect.walk import Walk
from privproc.errors import DecodeError
from privproc.ledger import NoteKey, Proof
from privproc.ledger.checkpoint import COSIGNATURE, ED25519, ML_DSA_44, Checkpoint, Note, decode_base64
from privproc.ledger.oak import Statement

__all__ = ["check_checkpoint", "check_key", "checkpoint", "entry", "key", "note", "oak_endorsement", "proof"]

_KINDS = {
    ED25519: "Ed25519, a log's",
    COSIGNATURE: "Ed25519, a witness's",
    ML_DSA_44: "ML-DSA-44, a log's or a witness's",
}
# Which signature has which size, behind the key id: the type of a line's key stands nowhere in it.
_SIZES = {64: "Ed25519 of a log", 72: "Ed25519 of a witness, with its time", 2428: "ML-DSA-44, with its time"}


def _line(walk: Walk, name: str) -> str:
    end = walk.peek(walk.left).find(b"\n")
    text = walk.text(name, walk.left if end < 0 else end + 1)
    walk.rows[-1].text = walk.rows[-1].value = text.removesuffix("\\x0a")
    return text.removesuffix("\\x0a")


def check_checkpoint(data: bytes) -> None:
    """Whether this is the text of a checkpoint, without signatures."""
    Checkpoint.decode(data)


def _head(walk: Walk) -> None:
    _line(walk, "origin")
    _line(walk, "tree size")
    root = _line(walk, "root hash")
    walk.decoded(decode_base64(root, "root hash"), "root hash", _root)


def _root(walk: Walk) -> None:
    walk.opaque("root hash")


def checkpoint(walk: Walk) -> None:
    """The text of a checkpoint (c2sp.org/tlog-checkpoint)."""
    _head(walk)
    while walk.left:
        _line(walk, "extension line")


def note(walk: Walk) -> None:
    """A signed note (c2sp.org/signed-note), a checkpoint or another. The signatures aren't verified."""
    found = Note.decode(walk.peek(walk.left))
    with walk.part("text", len(found.text)) as text:
        try:
            Checkpoint.decode(found.text)
        except DecodeError:
            while text.left:
                _line(text, "line")
        else:
            checkpoint(text)
    walk.text("empty line", 1)
    for signature in found.signatures:
        _line(walk, "signature line")
        walk.rows[-1].text = f"{signature.name}, key id {signature.key_id.hex()}"
        walk.decoded(signature.key_id + signature.signature, "signature", _signature)


def _signature(walk: Walk) -> None:
    walk.opaque("key id", 4)
    said = _SIZES.get(walk.left, "of a type that isn't known here")
    if walk.left in {72, 2428}:
        walk.uint("time", 8, names.time)
    walk.opaque("signature", said=f"({said})")


def proof(walk: Walk) -> None:
    """A proof (c2sp.org/tlog-proof). Not verified."""
    found = Proof.decode(walk.peek(walk.left))
    _line(walk, "format")
    if found.extra:
        _line(walk, "extra data")
        walk.rows[-1].text = f"base64 of {len(found.extra)} bytes"
        walk.decoded(found.extra, "log entry", _extra)
    _line(walk, "leaf index")
    for level in range(len(found.hashes)):
        _line(walk, f"hash {level}")
    walk.text("empty line", 1)
    with walk.part("checkpoint") as inner:
        note(inner)


def _extra(walk: Walk) -> None:
    if walk.peek(20)[4:] == b"privproc/1 entry":
        entry(walk)
    else:
        walk.opaque("extra data")


def entry(walk: Walk) -> None:
    """A log entry of privproc/1 (docs/protocol.md §7.4)."""
    walk.text("label", walk.uint("label, length", 4))
    walk.uint("fields", 2)
    for name in ("namespace", "role"):
        walk.text(name, walk.uint(f"{name}, length", 4))
    walk.vector("digest", 4)
    walk.uint("not after, length", 4)
    walk.uint("not after", 8, names.time)
    walk.uint("security version, length", 4)
    walk.uint("security version", 4)


def check_key(data: bytes) -> None:
    """As :meth:`NoteKey.parse`."""
    _parse(data)


def _parse(data: bytes) -> NoteKey:
    try:
        return NoteKey.parse(data.decode().strip())
    except UnicodeDecodeError as error:
        raise DecodeError("verifier key", "not UTF-8", error.start) from None


def key(walk: Walk) -> None:
    """A verifier key (c2sp.org/signed-note)."""
    found = _parse(walk.peek(walk.left))
    walk.text("verifier key", walk.left)
    walk.note("name", found.name)
    walk.note("type", f"{found.kind}  {_KINDS[found.kind]}", found.kind)
    walk.note("key id", found.key_id.hex())
    walk.note("public key", f"{len(found.public)} bytes", found.public.hex())


def oak_endorsement(walk: Walk) -> None:
    """An endorsement of project-oak (docs/tr/README.md there). Its signature stands beside it, and isn't verified."""
    data = walk.peek(walk.left)
    found, fields = Statement.decode(data), json.loads(data)
    written = fields["predicate"]
    walk.json_string(found.name, "subject", found.name)
    walk.json_string(found.subject.hex(), "SHA-256", found.subject.hex())
    for name, text, seconds in (
        ("issued on", written["issuedOn"], found.issued_at),
        ("not before", written["validity"]["notBefore"], found.not_before),
        ("not after", written["validity"]["notAfter"], found.not_after),
    ):
        walk.json_string(text, name, text, f"{seconds}  {names.time(seconds)}")
    for claim in found.claims:
        walk.json_string(claim, "claim", claim)
    walk.text("JSON", walk.left)

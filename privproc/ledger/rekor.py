"""Entries of Sigstore's Rekor (v1), as projects publish them: offline, with the log's key and the signer's.

What Rekor proves is less than what :func:`privproc.ledger.verify` does: its checkpoints come without witnesses, so that
the log's word alone says that everybody sees the same tree, and an entry has no end. :class:`Entry` is no
:class:`~privproc.ledger.proof.Logged`, and no session takes one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from privproc.errors import DecodeError, ExpiredError, SignatureError, UnsupportedError, UntrustedError, UsageError
from privproc.ledger import merkle
from privproc.ledger.checkpoint import Checkpoint, Note, decode_base64
from privproc.ledger.members import read_hash, read_number, read_object, read_text
from privproc.ledger.proof import SKEW
from privproc.strictjson import decode_object
from privproc.trust import Earned

__all__ = ["MAX_ENTRY", "Entry", "Log", "verify"]

MAX_ENTRY: Final = 1 << 18
"""Bytes of the longest answer of a log that is read."""

_WHAT: Final = "Rekor entry"
_MAX_HASHES = 63
_PEM = re.compile(rb"\s*-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*")
_KINDS = (("hashedrekord", "0.0.1"), ("rekord", "0.0.1"))  # no set: what is looked for may be any JSON
_ES256 = ec.ECDSA(SHA256())
_ES256_OF_DIGEST = ec.ECDSA(Prehashed(SHA256()))


@dataclass(frozen=True, slots=True)
class Log:
    """A log by its name (what comes before the hyphen in its checkpoints' origin) and its key, on P-256.

    ``id``: SHA-256 (32 bytes) of the key's SubjectPublicKeyInfo, as entries have it. Raises :class:`UsageError` for
    another curve.
    """

    name: str
    key: ec.EllipticCurvePublicKey = field(repr=False)
    id: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", hashlib.sha256(_spki(self.key)).digest())


@dataclass(frozen=True, slots=True, init=False)
class Entry(Earned):
    """A signature over a digest that the log holds: made by :func:`verify` only.

    ``digest``: SHA-256 (32 bytes) of the artifact. ``integrated_at``: when the log says that it took it in (Unix
    seconds). ``index``: the leaf's number in the tree of ``checkpoint``.
    """

    digest: bytes
    integrated_at: int
    index: int
    checkpoint: Checkpoint


def verify(answer: bytes, *, log: Log, digest: bytes, signer: ec.EllipticCurvePublicKey, at: int) -> Entry:
    """Check the log's ``answer`` (JSON, one entry by its UUID) about an artifact of SHA-256 ``digest`` (32 bytes).

    The entry's signed timestamp, its place under a checkpoint that the log signed, and the signature of ``signer``
    (P-256) over the digest all have to be there and good. Raises :class:`DecodeError`; :class:`UnsupportedError` for
    kinds of entries other than hashedrekord and rekord 0.0.1, and for signers with certificates;
    :class:`SignatureError`; :class:`UntrustedError` for another log, artifact or signer; :class:`ExpiredError` for an
    entry that is more than :data:`~privproc.ledger.proof.SKEW` seconds in the future of ``at``; :class:`UsageError` for
    arguments that no entry could match.
    """
    if not isinstance(log, Log) or not isinstance(digest, bytes) or len(digest) != 32:
        raise UsageError("a log and a SHA-256 digest are needed")
    wanted = _spki(signer)
    if len(answer) > MAX_ENTRY:
        raise DecodeError(_WHAT, f"over {MAX_ENTRY} bytes")
    entry = _single(decode_object(answer, _WHAT))
    body = read_text(entry, "body", _WHAT)
    leaf = decode_base64(body, _WHAT)
    verification = read_object(entry, "verification", _WHAT)
    _check_timestamp(entry, body, read_text(verification, "signedEntryTimestamp", _WHAT), log)
    head, index = _included(leaf, read_object(verification, "inclusionProof", _WHAT), log)
    _check_body(leaf, digest, signer, wanted)
    integrated = read_number(entry, "integratedTime", _WHAT)
    if integrated > at + SKEW:
        raise ExpiredError("Rekor entry: integrated in the future")
    return Entry._earn(digest=digest, integrated_at=integrated, index=index, checkpoint=head)


def _single(answer: dict[str, object]) -> dict[str, object]:
    """The one entry. Its UUID, the member's name, says nothing that the log signs."""
    if len(answer) != 1:
        raise DecodeError(_WHAT, "not one entry")
    (entry,) = answer.values()
    if not isinstance(entry, dict):
        raise DecodeError(_WHAT, "not an object")
    return entry


def _check_timestamp(entry: dict[str, object], body: str, timestamp: str, log: Log) -> None:
    """The log signs the four members in RFC 8785's form: sorted, without spaces. Base64 and hex need no escapes."""
    named = log.id.hex()
    if read_text(entry, "logID", _WHAT) != named:
        raise UntrustedError("Rekor entry: of another log")
    integrated, number = read_number(entry, "integratedTime", _WHAT), read_number(entry, "logIndex", _WHAT)
    message = f'{{"body":"{body}","integratedTime":{integrated},"logID":"{named}","logIndex":{number}}}'.encode()
    _check(log.key, decode_base64(timestamp, _WHAT), message, "signed entry timestamp")


def _included(leaf: bytes, proof: dict[str, object], log: Log) -> tuple[Checkpoint, int]:
    """The checkpoint that the leaf is under, and its number in that tree, a shard of the log.

    ``rootHash`` and ``treeSize`` beside the checkpoint are what nobody signs: they must be equal to it.
    """
    note = Note.decode(read_text(proof, "checkpoint", _WHAT).encode())
    head = Checkpoint.decode(note.text)
    if head.origin.partition(" - ")[0] != log.name:
        raise UntrustedError("Rekor entry: checkpoint of another log")
    lines = [line for line in note.signatures if (line.name, line.key_id) == (log.name, log.id[:4])]
    if not lines:
        raise UntrustedError("Rekor entry: checkpoint isn't signed by the log")
    for line in lines:
        _check(log.key, line.signature, note.text, "checkpoint")
    if (read_hash(proof, "rootHash", _WHAT), read_number(proof, "treeSize", _WHAT)) != (head.root, head.size):
        raise UntrustedError("Rekor entry: proof for another tree than its checkpoint's")
    hashes, index = proof.get("hashes"), read_number(proof, "logIndex", _WHAT)
    if not isinstance(hashes, list) or len(hashes) > _MAX_HASHES:
        raise DecodeError(_WHAT, "not a list of hashes")
    merkle.verify_inclusion(
        merkle.leaf_hash(leaf),
        index,
        head.size,
        [read_hash({"hash": each}, "hash", _WHAT) for each in hashes],
        head.root,
    )
    return head, index


def _check_body(leaf: bytes, digest: bytes, signer: ec.EllipticCurvePublicKey, wanted: bytes) -> None:
    """What was logged: the digest, and the signature over it by the signer."""
    record = decode_object(leaf, _WHAT)
    if (record.get("kind"), record.get("apiVersion")) not in _KINDS:
        raise UnsupportedError("Rekor entry: neither hashedrekord nor rekord, 0.0.1")
    spec = read_object(record, "spec", _WHAT)
    stated = read_object(read_object(spec, "data", _WHAT), "hash", _WHAT)
    if stated.get("algorithm") != "sha256":
        raise UnsupportedError("Rekor entry: digest is not SHA-256")
    if not hmac.compare_digest(read_hash(stated, "value", _WHAT), digest):
        raise UntrustedError("Rekor entry: about another artifact")
    signature = read_object(spec, "signature", _WHAT)
    if signature.get("format", "x509") != "x509":
        raise UnsupportedError("Rekor entry: signature is not of an X.509 key")
    pem = decode_base64(read_text(read_object(signature, "publicKey", _WHAT), "content", _WHAT), _WHAT)
    if not hmac.compare_digest(_public_key(pem), wanted):
        raise UntrustedError("Rekor entry: signed by another key")
    made = decode_base64(read_text(signature, "content", _WHAT), _WHAT)
    _check(signer, made, digest, "artifact's", prehashed=True)


def _public_key(pem: bytes) -> bytes:
    """The SubjectPublicKeyInfo in PEM (RFC 7468 §13). Only compared: no key that a peer sends is ever loaded."""
    found = _PEM.fullmatch(pem)
    if found is None:
        raise UnsupportedError("Rekor entry: no public key, but a certificate or another form")
    return decode_base64(b"".join(found[1].split()).decode(), _WHAT)


def _check(
    key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes, what: str, *, prehashed: bool = False
) -> None:
    try:
        key.verify(signature, message, _ES256_OF_DIGEST if prehashed else _ES256)
    except InvalidSignature:
        raise SignatureError(f"{_WHAT}: {what} signature doesn't verify") from None


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UsageError("Rekor's keys, and signers' here, are on P-256")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

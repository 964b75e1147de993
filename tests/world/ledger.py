"""A transparency log in memory, with its witnesses. It lives as long as the test that made it."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from privproc.ledger import Checkpoint, Entry, LogPolicy, NoteKey, Proof
from privproc.ledger.checkpoint import (
    COSIGNATURE,
    ED25519,
    ML_DSA_44,
    Note,
    NoteSignature,
    cosigned_message,
    cosigned_subtree,
)
from privproc.ledger.merkle import EMPTY_ROOT, leaf_hash, node_hash


def split(size: int) -> int:
    """The largest power of two under ``size`` (RFC 6962 §2.1)."""
    return 1 << (size - 1).bit_length() - 1


def root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, over leaf hashes."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    k = split(len(leaves))
    return node_hash(root(leaves[:k]), root(leaves[k:]))


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962 §2.1.1."""
    if len(leaves) < 2:
        return []
    k = split(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), root(leaves[k:])]
    return [*path(index - k, leaves[k:]), root(leaves[:k])]


def consistency(size: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """PROOF of RFC 6962 §2.1.2 (SUBPROOF, where ``whole`` is its last argument)."""
    if size == len(leaves):
        return [] if whole else [root(leaves)]
    k = split(len(leaves))
    if size <= k:
        return [*consistency(size, leaves[:k], whole=whole), root(leaves[k:])]
    return [*consistency(size - k, leaves[k:], whole=False), root(leaves[:k])]


class Party:
    """A log or a witness: a name and a key made from it, so that runs repeat."""

    def __init__(self, name: str, kind: int) -> None:
        seed = hashlib.sha256(f"test {kind} {name}".encode()).digest()
        ml_dsa = kind == ML_DSA_44
        self.private = MLDSA44PrivateKey.from_seed_bytes(seed) if ml_dsa else Ed25519PrivateKey.from_private_bytes(seed)
        self.key = NoteKey(name, kind, self.private.public_key().public_bytes_raw())

    def sign(self, text: bytes, at: int) -> NoteSignature:
        """A line for ``text``: with the time for a witness, plain for a log with Ed25519."""
        if self.key.kind == ED25519:
            return NoteSignature(self.key.name, self.key.key_id, self.private.sign(text))
        if self.key.kind == COSIGNATURE:
            message = cosigned_message(text, at)
        else:
            message = cosigned_subtree(self.key.name, at, Checkpoint.decode(text))
        signature = at.to_bytes(8, "big") + self.private.sign(message)
        return NoteSignature(self.key.name, self.key.key_id, signature)


class Ledger:
    """An append-only log, signed by itself and by ``witnesses`` witnesses at the time given.

    ``kinds``: the types of the log's key and of the witnesses'.
    """

    def __init__(
        self,
        origin: str = "log.example/privproc",
        witnesses: int = 3,
        *,
        kinds: tuple[int, int] = (ED25519, COSIGNATURE),
    ) -> None:
        self.log = Party(origin, kinds[0])
        self.witnesses = [Party(f"witness{i}.example", kinds[1]) for i in range(witnesses)]
        self.entries: list[bytes] = []
        self._leaves: list[bytes] = []

    def append(self, entry: Entry | bytes) -> int:
        """Log an entry; its index."""
        self.entries.append(entry if isinstance(entry, bytes) else entry.encode())
        self._leaves.append(leaf_hash(self.entries[-1]))
        return len(self._leaves) - 1

    def head(self, size: int | None = None) -> Checkpoint:
        """The tree head at ``size`` (now, without one), unsigned: what a package pins as the floor."""
        leaves = self._leaves[:size]
        return Checkpoint(self.log.key.name, len(leaves), root(leaves))

    def checkpoint(self, at: int, *, size: int | None = None, signed_by: list[Party] | None = None) -> bytes:
        """The signed head, cosigned by all witnesses, or by those in ``signed_by``."""
        text = self.head(size).encode()
        signers = [self.log, *(self.witnesses if signed_by is None else signed_by)]
        return Note(text, tuple(signer.sign(text, at) for signer in signers)).encode()

    def prove(self, index: int, at: int, *, size: int | None = None, signed_by: list[Party] | None = None) -> bytes:
        """The proof of entry ``index`` under a checkpoint signed at ``at``."""
        hashes = tuple(path(index, self._leaves[:size]))
        checkpoint = self.checkpoint(at, size=size, signed_by=signed_by)
        return Proof(index, hashes, checkpoint, self.entries[index]).encode()

    def consistency(self, size: int) -> list[bytes]:
        """The proof that the tree of ``size`` leaves is the beginning of the present one."""
        return consistency(size, self._leaves)

    def policy(self, threshold: int = 2, max_age: int = 86400) -> LogPolicy:
        """The policy that accepts this log and its witnesses."""
        return LogPolicy(self.log.key, tuple(witness.key for witness in self.witnesses), threshold, max_age)

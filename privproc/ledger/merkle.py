"""The Merkle tree of RFC 6962 §2.1 with SHA-256, and its proofs, checked as RFC 9162 §2.1.3.2 and §2.1.4.2 say.

Hashes are 32 bytes. A proof that doesn't verify raises :class:`~privproc.errors.SignatureError`: a wrong root, a hash
of another length, too few or too many hashes, an index outside of the tree, a tree that shrinks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from privproc.errors import SignatureError

__all__ = ["EMPTY_ROOT", "HASH_SIZE", "leaf_hash", "node_hash", "verify_consistency", "verify_inclusion"]

HASH_SIZE: Final = 32
"""SHA-256, in bytes."""
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of the tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """``SHA-256(0x00 || data)``."""
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """``SHA-256(0x01 || left || right)``."""
    return hashlib.sha256(b"\1" + left + right).digest()


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise :class:`SignatureError` unless the leaf with hash ``leaf`` is number ``index`` (from 0) of the tree of
    ``size`` leaves with ``root``. ``proof``: the siblings' hashes from the leaf upwards.
    """
    if not 0 <= index < size:
        raise SignatureError("inclusion proof: the index isn't inside the tree")
    _check_lengths("inclusion proof", [leaf, root, *proof])
    at, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise SignatureError("inclusion proof: too long")
        if at & 1 or at == last:
            value = node_hash(sibling, value)
            # A node that ends its level without a sibling is carried up unhashed.
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise SignatureError("inclusion proof: too short")
    if value != root:
        raise SignatureError("inclusion proof: leads to another root")


def verify_consistency(size1: int, root1: bytes, size2: int, root2: bytes, proof: Sequence[bytes]) -> None:
    """Raise :class:`SignatureError` unless the tree of ``size1`` leaves with ``root1`` is the beginning of the tree of
    ``size2`` leaves with ``root2``. ``proof``: as RFC 6962 §2.1.2 orders it.

    Equal sizes need equal roots and no proof. The empty tree (its root is :data:`EMPTY_ROOT`) begins every tree.
    """
    if not 0 <= size1 <= size2:
        raise SignatureError("consistency proof: the tree shrinks")
    _check_lengths("consistency proof", [root1, root2, *proof])
    if size1 == 0 and root1 != EMPTY_ROOT:
        raise SignatureError("consistency proof: not the root of the empty tree")
    if size1 in (0, size2):
        if proof or (size1 == size2 and root1 != root2):
            raise SignatureError("consistency proof: differs from the trees' sizes")
        return
    old, new = _both_roots(size1, size2, root1, proof)
    if old != root1 or new != root2:
        raise SignatureError("consistency proof: leads to other roots")


def _both_roots(size1: int, size2: int, root1: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots that a proof with ``0 < size1 < size2`` leads to."""
    # The proof leaves out the first node when that is the whole old tree.
    nodes = [root1, *proof] if size1 & (size1 - 1) == 0 else list(proof)
    if not nodes:
        raise SignatureError("consistency proof: too short")
    at, last = size1 - 1, size2 - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise SignatureError("consistency proof: too long")
        if at & 1 or at == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, node)
        at, last = at >> 1, last >> 1
    if last:
        raise SignatureError("consistency proof: too short")
    return old, new


def _check_lengths(what: str, hashes: Sequence[bytes]) -> None:
    # Two hashes of wrong lengths that make 64 bytes together would hash like two right ones.
    if any(len(value) != HASH_SIZE for value in hashes):
        raise SignatureError(f"{what}: a hash isn't {HASH_SIZE} bytes")

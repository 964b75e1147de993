"""Offline proofs that an entry is logged and witnessed: the format, and the one check of all of it.

Inclusion says that an entry was logged, not that it is current: currency comes from the entry's own end, from the age
of the witnesses' cosignatures, and from a security version (docs/protocol.md §7; findings 20, 21 and 27 of the audit of
Private Processing).
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import Final, Self

from privproc.errors import DecodeError, ExpiredError, PolicyError, UntrustedError, UsageError
from privproc.ledger import merkle
from privproc.ledger.checkpoint import MAX_NOTE, Checkpoint, Note, decode_base64, decode_number
from privproc.ledger.entry import Entry
from privproc.ledger.policy import LogPolicy
from privproc.trust import Earned

__all__ = ["SKEW", "Logged", "Proof", "Witnessed", "verify", "verify_checkpoint"]

SKEW: Final = 300
"""How many seconds a cosignature may lie in the future of ``at``: clocks differ."""

_MAGIC = "c2sp.org/tlog-proof@v1"
_MAX_HASHES = 63  # a tree has fewer than 2^63 leaves
_MAX_EXTRA = 4096
_MAX_PROOF = MAX_NOTE + 16384


@dataclass(frozen=True, slots=True)
class Proof:
    """A transparency log proof (c2sp.org/tlog-proof)::

        "c2sp.org/tlog-proof@v1" || newline
        ["extra " || Base64 || newline]
        "index " || decimal || newline
        up to 63 lines of Base64, 32 bytes each, from the leaf's sibling upwards
        newline
        checkpoint, a signed note

    ``extra`` is opaque to the format (empty: the line is absent); a privproc proof has the encoded
    :class:`~privproc.ledger.entry.Entry` there. ``checkpoint`` is the note's bytes as received.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError`. The checkpoint isn't looked into: that is for :class:`Note`."""
        what = "log proof"
        if len(data) > _MAX_PROOF:
            raise DecodeError(what, f"more than {_MAX_PROOF} bytes")
        head, _, checkpoint = data.partition(b"\n\n")
        if not checkpoint:
            raise DecodeError(what, "no checkpoint")
        try:
            magic, *lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise DecodeError(what, "not ASCII") from None
        if magic != _MAGIC:
            # req: privproc1/7.6 proof-form
            raise DecodeError(what, f"doesn't start with {_MAGIC}")
        extra = b""
        if lines and lines[0].startswith("extra "):
            extra = decode_base64(lines.pop(0).removeprefix("extra "), what)
            if not 1 <= len(extra) <= _MAX_EXTRA:
                raise DecodeError(what, f"extra data isn't 1 to {_MAX_EXTRA} bytes")
        if not lines or not lines[0].startswith("index "):
            raise DecodeError(what, "no index")
        index = decode_number(lines.pop(0).removeprefix("index "), what)
        if len(lines) > _MAX_HASHES:
            raise DecodeError(what, f"more than {_MAX_HASHES} hashes")
        hashes = tuple(decode_base64(line, what) for line in lines)
        if any(len(value) != merkle.HASH_SIZE for value in hashes):
            raise DecodeError(what, f"a hash isn't {merkle.HASH_SIZE} bytes")
        return cls(index, hashes, checkpoint, extra)

    def encode(self) -> bytes:
        """The proof; for what :meth:`decode` gave, the same bytes."""
        lines = [_MAGIC]
        if self.extra:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(value).decode() for value in self.hashes]
        return "\n".join((*lines, "", "")).encode() + self.checkpoint


@dataclass(frozen=True, slots=True, init=False)
class Witnessed(Earned):
    """A checkpoint that the log signed and a quorum of its witnesses has seen.

    ``witnessed_at`` (Unix seconds) is the latest time by which the quorum had cosigned; ``not_after`` (excluded) is
    that plus the policy's age.
    """

    checkpoint: Checkpoint
    witnessed_at: int
    not_after: int


@dataclass(frozen=True, slots=True, init=False)
class Logged(Earned):
    """An entry of the log, verified: its fields, and the witnessed checkpoint that it is in.

    ``not_after`` (Unix seconds, excluded) is the sooner of the entry's end and of the cosignatures'.
    """

    namespace: str
    role: str
    digest: bytes
    security_version: int
    not_after: int
    checkpoint: Checkpoint

    def confirm(self, digest: bytes, *, at: int) -> None:
        """Raise :class:`UntrustedError` unless ``digest`` is the logged one; :class:`ExpiredError` at its end."""
        if not isinstance(digest, bytes):
            raise UsageError("a digest is bytes")
        if not hmac.compare_digest(digest, self.digest):
            raise UntrustedError("log entry: another digest is logged")
        if at >= self.not_after:
            raise ExpiredError("log entry is no longer valid")


def verify(
    proof: bytes,
    *,
    namespace: str,
    role: str,
    log: LogPolicy,
    floor: Checkpoint,
    minimum_version: int,
    at: int,
) -> Logged:
    """Check that ``proof`` shows an entry of exactly ``namespace`` and ``role`` that is logged, witnessed and current.

    ``floor`` is the newest checkpoint of this log that the caller trusts already (from the key package); only it or a
    larger tree counts. The log's growth between the two is what the witnesses vouch for.

    Raises :class:`DecodeError`; :class:`SignatureError` for a false signature or Merkle proof; :class:`UntrustedError`
    for another log, too few witnesses, a tree below the floor or of another root, another namespace or role;
    :class:`PolicyError` under ``minimum_version``; :class:`ExpiredError` for an entry past its end or a checkpoint
    past its age, or when ``at`` lies more than :data:`SKEW` seconds before the cosignatures.
    """
    if not namespace or not role or not isinstance(minimum_version, int) or minimum_version < 0:
        raise UsageError("namespace and role are needed, a minimum version is 0 or more")
    if not isinstance(log, LogPolicy) or not isinstance(floor, Checkpoint):
        raise UsageError("the log's policy and a floor are needed")
    if floor.origin != log.key.name:
        raise UsageError("the floor is another log's checkpoint")
    read = Proof.decode(proof)
    entry = Entry.decode(read.extra)
    head, witnessed = _checkpoint(read.checkpoint, log, at)
    if head.size < floor.size or (head.size == floor.size and head.root != floor.root):
        # req: privproc1/7.7 no-rollback
        raise UntrustedError("checkpoint: before the floor, or another tree of its size")
    # req: privproc1/7.7 inclusion
    merkle.verify_inclusion(merkle.leaf_hash(read.extra), read.index, head.size, read.hashes, head.root)
    if (entry.namespace, entry.role) != (namespace, role):
        # req: privproc1/4.8 logged-measurement
        raise UntrustedError("log entry: of another namespace or role")
    if entry.security_version < minimum_version:
        # req: privproc1/7.7 minimum-version
        raise PolicyError("log entry: security version under the minimum")
    # req: privproc1/7.7 soonest-end
    not_after = min(entry.not_after, witnessed + log.max_age)
    if at >= not_after:
        raise ExpiredError("log entry or its checkpoint is no longer valid")
    return Logged._earn(
        namespace=namespace,
        role=role,
        digest=entry.digest,
        security_version=entry.security_version,
        not_after=not_after,
        checkpoint=head,
    )


def verify_checkpoint(note: bytes, *, log: LogPolicy, at: int) -> Witnessed:
    """Check a checkpoint by itself (c2sp.org/tlog-checkpoint): for auditors, and for a memory of what was seen.

    Raises :class:`DecodeError`; :class:`SignatureError` for a false signature; :class:`UntrustedError` for another log
    or too few witnesses; :class:`ExpiredError` past its age, or when ``at`` lies more than :data:`SKEW` seconds before
    the cosignatures.
    """
    if not isinstance(log, LogPolicy):
        raise UsageError("the log's policy is needed")
    head, witnessed = _checkpoint(note, log, at)
    not_after = witnessed + log.max_age
    if at >= not_after:
        raise ExpiredError("checkpoint is no longer valid")
    return Witnessed._earn(checkpoint=head, witnessed_at=witnessed, not_after=not_after)


def _checkpoint(data: bytes, log: LogPolicy, at: int) -> tuple[Checkpoint, int]:
    """The checkpoint in a note, and since when the quorum of its witnesses has seen it."""
    note = Note.decode(data)
    head = Checkpoint.decode(note.text)
    note.verify(log.key)
    if head.origin != log.key.name:
        # req: privproc1/7.7 the-log-signs
        raise UntrustedError("checkpoint: another log's")
    return head, _witnessed(note, log, at)


def _witnessed(note: Note, log: LogPolicy, at: int) -> int:
    """The latest time by which the quorum had cosigned, with one time for each witness."""
    # A time of 0 makes no statement about the newest tree (tlog-cosignature): it has no age and doesn't count.
    # req: privproc1/7.5 time-zero-is-none
    each = {key: times for key in log.quorum.keys if (times := [time for time in note.cosigned(key) if time])}
    # A witness counts by its newest time that isn't in the future: one with a wrong clock neither helps nor harms.
    # req: privproc1/7.7 a-witness-counts-once
    past = {key: max(known) for key, times in each.items() if (known := [time for time in times if time <= at + SKEW])}
    since = log.quorum.since(past)
    if since is not None:
        return since
    if log.quorum.since({key: max(times) for key, times in each.items()}) is None:
        # req: privproc1/7.5 witness-quorum
        raise UntrustedError(f"checkpoint: {len(each)} witnesses are no quorum")
    raise ExpiredError("checkpoint: cosigned in the future")

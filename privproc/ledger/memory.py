"""What a device remembers of logs: per origin the newest checkpoint, so that no log can go back or fork unseen.

A size that only one device holds is a cookie: whoever is asked for a proof from it learns who asks. So this memory is
for checkpoints whose sizes everybody holds, those that come with key packages, and its use has three rules
(docs/protocol.md §7.7). Consistency proofs are asked for between the sizes of packages only, or come with the package.
A checkpoint that one enclave's host stapled to its evidence doesn't enter: it is held against
:meth:`CheckpointMemory.newest`, as the floor of :func:`~privproc.ledger.proof.verify`. And neither the memory nor a
failure of :meth:`CheckpointMemory.update` leads to a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from privproc.errors import DecodeError, ExpiredError, LimitError, UntrustedError, UsageError
from privproc.ledger.checkpoint import Checkpoint
from privproc.ledger.merkle import EMPTY_ROOT, verify_consistency
from privproc.ledger.proof import Logged, Witnessed
from privproc.tagged import LABEL, lp
from privproc.trust import Trusted
from privproc.wire import Reader

__all__ = ["CheckpointMemory"]

_WHAT = "checkpoint memory"
_LABEL: Final = lp(LABEL + b"checkpoints")
_MAX_LOGS = 64
_MAX_ORIGIN = 512
_MAX_TEXT = 1024


@dataclass(frozen=True, slots=True)
class CheckpointMemory:
    """The newest checkpoint of each log, at most 64, in the order of their origins::

        lp("privproc/1 checkpoints") || uint16 count || lp(text of the checkpoint) ..

    Extension lines aren't kept: nobody vouches for them. An origin has up to 512 bytes. The encoding is the device's
    own, to be stored where only it writes; a new device starts with ``CheckpointMemory()``.
    """

    heads: tuple[Checkpoint, ...] = ()

    def __post_init__(self) -> None:
        origins = [head.origin for head in self.heads]
        if len(origins) > _MAX_LOGS or any(a >= b for a, b in pairwise(origins)):
            raise UsageError("a memory of checkpoints has at most 64, in the order of their origins, each once")
        if any(head.extensions or len(head.origin.encode()) > _MAX_ORIGIN for head in self.heads):
            raise UsageError("a remembered checkpoint has no extension lines, and an origin of at most 512 bytes")

    def newest(self, origin: str) -> Checkpoint | None:
        """The newest checkpoint of this log; None if there was none."""
        return next((head for head in self.heads if head.origin == origin), None)

    def update(
        self,
        seen: Witnessed | Logged | Trusted[Checkpoint],
        proof: Sequence[bytes] | None,
        *,
        proof_required: bool,
        at: int,
    ) -> CheckpointMemory:
        """The memory with the checkpoint that was seen; one that expired or that no check has earned doesn't enter.

        ``proof`` is the consistency proof from :meth:`newest` to it (RFC 9162 §2.1.4), None if there is none. Growth
        without one is refused if ``proof_required``; else it rests on the word of the witnesses, or of the package's
        signer. The first checkpoint of a log needs no proof, since the empty tree begins every tree.

        Raises :class:`UntrustedError` for a rollback (a smaller tree), for a split view (another root at the same
        size; two signed checkpoints that show it are worth publishing) and for a missing proof;
        :class:`SignatureError` for a proof that doesn't verify; :class:`ExpiredError`; :class:`LimitError` for a 65th
        log or a longer origin.
        """
        head = _current(seen, at)
        old = self.newest(head.origin) or Checkpoint(head.origin, 0, EMPTY_ROOT)
        if head.size < old.size:
            raise UntrustedError("checkpoint: smaller than one that was seen before")
        if head.size == old.size and head.root != old.root:
            raise UntrustedError("checkpoint: another tree of the same size was seen before")
        if proof is not None:
            verify_consistency(old.size, old.root, head.size, head.root, proof)
        elif proof_required and 0 < old.size < head.size:
            raise UntrustedError("checkpoint: no proof that the log grew from the one seen before")
        kept = [other for other in self.heads if other.origin != head.origin]
        if len(kept) == _MAX_LOGS or len(head.origin.encode()) > _MAX_ORIGIN:
            raise LimitError("checkpoint: more logs, or a longer origin, than are remembered")
        return CheckpointMemory(tuple(sorted([*kept, head], key=lambda each: each.origin)))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Raises :class:`DecodeError` for all that :meth:`encode` doesn't write."""
        return Reader.all(data, _WHAT, cls._read)

    @classmethod
    def _read(cls, reader: Reader) -> Self:
        if reader.take(len(_LABEL)) != _LABEL:
            raise DecodeError(_WHAT, "another label")
        heads = tuple(Checkpoint.decode(reader.vector(4, 1, _MAX_TEXT)) for _ in range(reader.u16()))
        try:
            return cls(heads)
        except UsageError as error:
            raise reader.fail(str(error)) from None

    def encode(self) -> bytes:
        """The wire form."""
        return b"".join((_LABEL, len(self.heads).to_bytes(2, "big"), *(lp(head.encode()) for head in self.heads)))


def _current(seen: Witnessed | Logged | Trusted[Checkpoint], at: int) -> Checkpoint:
    """The checkpoint of what a check has earned, without extension lines."""
    if isinstance(seen, Witnessed | Logged):
        if at >= seen.not_after:
            raise ExpiredError("checkpoint is no longer valid")
        head = seen.checkpoint
    else:
        head = seen.get(at=at) if isinstance(seen, Trusted) else None
        if not isinstance(head, Checkpoint):
            raise UsageError("a checkpoint to remember comes from a check")
    return Checkpoint(head.origin, head.size, head.root)

"""Proofs that something is logged where everybody can see it: Merkle proofs, checkpoints, witnesses, entries.

:func:`verify` takes a proof to :class:`Logged`, the only way to have a logged digest confirmed. :mod:`.merkle`,
:mod:`.checkpoint`, :mod:`.entry` and :mod:`.proof` are the formats beneath it, for logs, witnesses and auditors;
:mod:`.policy` says whose word counts, :mod:`.memory` what a device has seen, :mod:`.revocation` what must no longer
serve. :mod:`.plexi` has signed epochs that aren't a log; nothing of it is exported here.
"""

from __future__ import annotations

from privproc.ledger.checkpoint import Checkpoint, NoteKey
from privproc.ledger.entry import Entry
from privproc.ledger.memory import CheckpointMemory
from privproc.ledger.policy import Group, LogPolicy, read_policy
from privproc.ledger.proof import SKEW, Logged, Proof, Witnessed, verify, verify_checkpoint
from privproc.ledger.revocation import Revocations, VerifiedRevocations

__all__ = [
    "SKEW",
    "Checkpoint",
    "CheckpointMemory",
    "Entry",
    "Group",
    "LogPolicy",
    "Logged",
    "NoteKey",
    "Proof",
    "Revocations",
    "VerifiedRevocations",
    "Witnessed",
    "read_policy",
    "verify",
    "verify_checkpoint",
]

"""Proofs that something is logged where everybody can see it: Merkle proofs, checkpoints, witnesses, entries.

:func:`verify` takes a proof to :class:`Logged`, the only way to have a logged digest confirmed. :mod:`.merkle`,
:mod:`.checkpoint`, :mod:`.entry` and :mod:`.proof` are the formats beneath it, for logs, witnesses and auditors.
"""

from __future__ import annotations

from privproc.ledger.checkpoint import Checkpoint, NoteKey
from privproc.ledger.entry import Entry
from privproc.ledger.proof import SKEW, Logged, LogPolicy, Proof, verify

__all__ = ["SKEW", "Checkpoint", "Entry", "LogPolicy", "Logged", "NoteKey", "Proof", "verify"]

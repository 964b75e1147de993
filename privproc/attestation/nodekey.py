"""What a TEE's hardware signs for a key that outlives one session: docs/protocol.md §14.1.

The first 16 bytes differ from those of :mod:`~privproc.attestation.binder`, so evidence for a key never passes for
evidence of a session, and the other way round. It says less: that the attested program holds the key, not that it is
at the other end of anything now.
"""

from __future__ import annotations

from privproc.tagged import tagged_hash

__all__ = ["node_digest", "node_report_data"]

_TAG = b"privproc/1 node\0"


def node_digest(statement: bytes) -> bytes:
    """``T("node", Statement)``, 48 bytes: what names a node. ``statement`` is the exact encoding."""
    return tagged_hash("node", statement)


def node_report_data(statement: bytes) -> bytes:
    """The 64 bytes for the hardware report over ``statement``."""
    return _TAG + node_digest(statement)

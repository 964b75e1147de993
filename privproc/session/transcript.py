"""The transcript: one running hash over every layer (docs/protocol.md §2). What is not in it is not protected by it."""

from __future__ import annotations

import hashlib
import hmac

from privproc.secret import Secret
from privproc.tagged import LABEL, lp, tagged_hash

__all__ = ["CONTINUE_EXPORT", "OUTER_EXPORT", "again", "attested", "continuation_mac", "opened", "outer", "wrapped"]

OUTER_EXPORT = LABEL + b"outer"
"""Context of the HPKE export (32 bytes) that keeps the relay from computing ``outer``."""

CONTINUE_EXPORT = LABEL + b"continue"
"""Context of the HPKE export (48 bytes) of the first exchange that authenticates the later ones."""


# req: privproc1/2.2 outer-covers-exchange
def outer(key_config: bytes, suite: bytes, enc: bytes, exported: Secret, token: bytes, pop: bytes) -> bytes:
    """The OHTTP exchange and the token, as an opaque digest (48 bytes).

    ``suite`` is ``uint16 kem, kdf, aead``; ``exported`` the 32 bytes for :data:`OUTER_EXPORT`; ``token`` the encoded
    token and ``pop`` its statement of the proof key.
    """
    return tagged_hash("outer", key_config, suite, enc, exported.expose(), token, pop)


def opened(package: bytes, outer_digest: bytes, open_message: bytes) -> bytes:
    """``th1`` (48 bytes): package, outer exchange and the exact bytes of Open."""
    # req: privproc1/2.3 th1-covers-open
    return tagged_hash("open", package, outer_digest, open_message)


# req: privproc1/2.6 evidence-in-the-transcript
def attested(th1: bytes, report_data: bytes, evidence_format: int, evidence: bytes) -> bytes:
    """``th2`` (48 bytes): ``th1``, the hardware-signed field, and the evidence that the enclave wrote, with its format.

    The host must not be the one who says by which rules the evidence is read.
    """
    written = evidence_format.to_bytes(2, "big") + evidence
    return tagged_hash("attested", th1, report_data, hashlib.sha384(written).digest())


def again(th2: bytes, nonce: bytes) -> bytes:
    """What takes the place of ``th1`` (48 bytes) when a live session is attested once more: ``nonce`` has 32 bytes."""
    # req: privproc1/6.3 bound-to-what-was
    return tagged_hash("again", th2, nonce)


# req: privproc1/5.1 continuation-is-authentic
def continuation_mac(key: Secret, handle: bytes, offset: int, enc: bytes, records: bytes) -> bytes:
    """What (48 bytes) ties a later exchange to the first one: its handle, place in the stream, ``enc`` and records."""
    fields = (LABEL + b"continue", handle, offset.to_bytes(8, "big"), enc, hashlib.sha384(records).digest())
    return hmac.digest(key.expose(), b"".join(map(lp, fields)), "sha384")


def wrapped(package: bytes, outer_digest: bytes, head: bytes) -> bytes:
    """``thw`` (48 bytes) of wrapped mode (§14.4): package, outer exchange and the exact bytes of Head."""
    return tagged_hash("wrapped", package, outer_digest, head)

"""What every appraisal gives, whatever the hardware: values that only an appraisal makes, one type for each level.

:class:`VerifiedEvidence` is about one TLS session, and alone releases a channel. :class:`KeyEvidence` and
:class:`UnboundEvidence` have the same fields, but are no kinds of it: what they lack can't be overlooked.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from privproc.attestation.binder import REPORT_DATA_LENGTH
from privproc.attestation.expectation import Level
from privproc.errors import UntrustedError, UsageError
from privproc.trust import Earned, check_window

__all__ = ["Findings", "KeyEvidence", "UnboundEvidence", "VerifiedEvidence"]


@dataclass(frozen=True, slots=True, init=False)
class Findings(Earned):
    """What was found about accepted evidence; each format adds its own.

    ``evidence_digest`` is SHA-384 (48 bytes) of the received evidence, ``measurement`` (48 bytes) the digest that the
    ledger vouched for, ``binding`` what the hardware signed as report data (64 bytes; Nitro's user data has up to
    1024), ``policy_digest`` (48 bytes) that of the policy. ``checks`` names what was checked, in order. Good while
    ``not_before <= at < not_after`` (Unix seconds).
    """

    evidence_digest: bytes
    measurement: bytes
    binding: bytes
    role: str
    policy_digest: bytes
    checks: tuple[str, ...]
    not_before: int
    not_after: int
    level = Level.NONE  # not annotated, which would make it a field
    """How much is known of what the evidence is about."""


class VerifiedEvidence(Findings):
    """Evidence of one session: made by the ``appraise`` of its format only."""

    __slots__ = ()
    level = Level.SESSION

    def expect(self, binding: bytes, *, at: int) -> None:
        """Confirm that this is the evidence of ``binding`` (64 bytes) and still good at the Unix time ``at``.

        Raises :class:`UntrustedError` or :class:`ExpiredError`; :class:`UsageError` for anything but 64 bytes.
        """
        check_window("evidence", self.not_before, self.not_after, at=at)
        if not isinstance(binding, bytes) or len(binding) != REPORT_DATA_LENGTH or not any(binding):
            raise UsageError(f"a session's binding is {REPORT_DATA_LENGTH} bytes, not all zero")
        if not hmac.compare_digest(self.binding, binding):
            raise UntrustedError("evidence is of another session")


class KeyEvidence(Findings):
    """Evidence that is bound to a key: made by the ``appraise_key`` of its format only. It releases no channel."""

    __slots__ = ()
    level = Level.KEY


class UnboundEvidence(Findings):
    """Evidence about nobody in particular: made by the ``appraise_unbound`` of its format only.

    For archives, inventories and drafts of policies. It releases no channel.
    """

    __slots__ = ()

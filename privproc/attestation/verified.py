"""What every appraisal gives, whatever the hardware: the value that releases a channel.

One level of binding only: the hardware-signed field holds :class:`~privproc.attestation.binder.Binding`'s 64 bytes, so
the evidence is about one TLS session. Evidence that is bound to a key alone has no type here, and so can't be mistaken.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from privproc.attestation.binder import REPORT_DATA_LENGTH
from privproc.errors import UntrustedError, UsageError
from privproc.ledger import Logged
from privproc.trust import Earned, check_window

__all__ = ["BINDING_SIZE", "VerifiedEvidence", "check_arguments"]

BINDING_SIZE = REPORT_DATA_LENGTH


@dataclass(frozen=True, slots=True, init=False)
class VerifiedEvidence(Earned):
    """Accepted evidence: made by the ``appraise`` of its format only, which adds what it found to these fields.

    ``evidence_digest`` is SHA-384 (48 bytes) of the received evidence, ``measurement`` (48 bytes) the digest that the
    ledger vouched for, ``binding`` the 64 bytes that the hardware signed, ``policy_digest`` (48 bytes) that of the
    policy. ``checks`` names what was checked, in order. Good while ``not_before <= at < not_after`` (Unix seconds).
    """

    evidence_digest: bytes
    measurement: bytes
    binding: bytes
    role: str
    policy_digest: bytes
    checks: tuple[str, ...]
    not_before: int
    not_after: int

    def expect(self, binding: bytes, *, at: int) -> None:
        """Confirm that this is the evidence of ``binding`` (64 bytes) and still good at the Unix time ``at``.

        Raises :class:`UntrustedError` or :class:`ExpiredError`; :class:`UsageError` for anything but 64 bytes.
        """
        check_window("evidence", self.not_before, self.not_after, at=at)
        _check_binding(binding)
        if not hmac.compare_digest(self.binding, binding):
            raise UntrustedError("evidence is of another session")


def check_arguments(binding: bytes, logged: Logged, role: str) -> None:
    """Raise :class:`UsageError` for expectations that no evidence may meet: the first thing that every appraisal does.

    CVE-2026-92702: an expected value of nil, empty or zeros must not read as "don't check".
    """
    _check_binding(binding)
    if not isinstance(logged, Logged):
        raise UsageError("logged is made by the check that earns it")
    if not role:
        raise UsageError("a role is required")


def _check_binding(binding: bytes) -> None:
    if not isinstance(binding, bytes) or len(binding) != BINDING_SIZE or not any(binding):
        raise UsageError(f"a binding is {BINDING_SIZE} bytes, not all zero")

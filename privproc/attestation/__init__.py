"""Evidence, policy, appraisal and the binder. One folder a kind of hardware, with an ``appraise`` of its own:
:mod:`.snp`, :mod:`.tdx`, :mod:`.sgx`, :mod:`.nitro`, and for the devices in a machine :mod:`.nvidia`. :mod:`.binder`,
:mod:`.expectation` and the common fields of the processors' results are the same for all.
"""

from privproc.attestation.binder import SessionBinding
from privproc.attestation.expectation import (
    NO_REVOCATIONS,
    KeyBinding,
    Level,
    NoRevocations,
    PinnedMeasurement,
    RevocationCheck,
)
from privproc.attestation.rules import Rule
from privproc.attestation.verified import Findings, KeyEvidence, UnboundEvidence, VerifiedEvidence

__all__ = [
    "NO_REVOCATIONS",
    "Findings",
    "KeyBinding",
    "KeyEvidence",
    "Level",
    "NoRevocations",
    "PinnedMeasurement",
    "RevocationCheck",
    "Rule",
    "SessionBinding",
    "UnboundEvidence",
    "VerifiedEvidence",
]

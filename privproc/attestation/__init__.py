"""Evidence, policy, appraisal and the binder. One folder a kind of hardware; :mod:`.binder` is common to all."""

from privproc.attestation.snp import VerifiedEvidence

__all__ = ["VerifiedEvidence"]

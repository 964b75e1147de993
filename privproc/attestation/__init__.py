"""Evidence, policy, appraisal and the binder. One folder a kind of hardware, with one ``appraise`` each:
:mod:`.snp`, :mod:`.tdx`, :mod:`.nitro`. :mod:`.binder` and the result's common fields are the same for all.
"""

from privproc.attestation.rules import Rule
from privproc.attestation.verified import VerifiedEvidence

__all__ = ["Rule", "VerifiedEvidence"]

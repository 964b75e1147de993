"""AMD SEV-SNP: report, chain of endorsement keys, policy and appraisal.

Documents: AMD 56860 (SEV-SNP firmware ABI, revision 1.58), AMD 57230 (VCEK certificates and key distribution).
"""

from privproc.attestation.rules import Rule
from privproc.attestation.snp.appraisal import (
    Findings,
    KeyEvidence,
    UnboundEvidence,
    VerifiedEvidence,
    appraise,
    appraise_key,
    appraise_unbound,
)
from privproc.attestation.snp.chain import AMD_ROOTS, Endorsements, Roots, VerifiedChain, verify_chain
from privproc.attestation.snp.draft import draft_policy
from privproc.attestation.snp.idblock import VerifiedIdBlock, verify_id_block
from privproc.attestation.snp.policy import NO_ID_BLOCK, AnyChip, Chips, Floor, IdBlock, Policy, Provider
from privproc.attestation.snp.report import Product, Report, SigningKey, Tcb
from privproc.attestation.snp.revocation import VerifiedRevocations, verify_revocations
from privproc.attestation.snp.rules import STRICT_GUEST, STRICT_PLATFORM, GuestRules, PlatformRules

__all__ = [
    "AMD_ROOTS",
    "NO_ID_BLOCK",
    "STRICT_GUEST",
    "STRICT_PLATFORM",
    "AnyChip",
    "Chips",
    "Endorsements",
    "Findings",
    "Floor",
    "GuestRules",
    "IdBlock",
    "KeyEvidence",
    "PlatformRules",
    "Policy",
    "Product",
    "Provider",
    "Report",
    "Roots",
    "Rule",
    "SigningKey",
    "Tcb",
    "UnboundEvidence",
    "VerifiedChain",
    "VerifiedEvidence",
    "VerifiedIdBlock",
    "VerifiedRevocations",
    "appraise",
    "appraise_key",
    "appraise_unbound",
    "draft_policy",
    "verify_chain",
    "verify_id_block",
    "verify_revocations",
]

"""AWS Nitro Enclaves: attestation document, chain, policy and appraisal.

Document: "Nitro Enclaves Attestation Process" (aws-nitro-enclaves-nsm-api, docs/attestation_process.md), cited as AP.
"""

from privproc.attestation.nitro.appraisal import (
    SKEW,
    Findings,
    KeyEvidence,
    UnboundEvidence,
    VerifiedEvidence,
    appraise,
    appraise_key,
    appraise_unbound,
)
from privproc.attestation.nitro.chain import AWS_ROOTS, VerifiedChain, verify_chain
from privproc.attestation.nitro.document import Document
from privproc.attestation.nitro.draft import draft_policy
from privproc.attestation.nitro.policy import Policy, measured_id, measurement
from privproc.attestation.roots import Roots

__all__ = [
    "AWS_ROOTS",
    "SKEW",
    "Document",
    "Findings",
    "KeyEvidence",
    "Policy",
    "Roots",
    "UnboundEvidence",
    "VerifiedChain",
    "VerifiedEvidence",
    "appraise",
    "appraise_key",
    "appraise_unbound",
    "draft_policy",
    "measured_id",
    "measurement",
    "verify_chain",
]

"""Intel SGX: quote, collateral, policy and appraisal of an enclave.

Documents: Intel SGX ECDSA Quote Library (quote format), Intel SGX PCK Certificate and CRL Profile, Intel Provisioning
Certification Service API version 4, Intel SDM volume 3D.
"""

from privproc.attestation.dcap.pck import Configuration, Platform
from privproc.attestation.dcap.policy import (
    STRICT_CONFIGURATION,
    AnyPlatform,
    ConfigurationRules,
    Families,
    Platforms,
    Processors,
    TcbRules,
)
from privproc.attestation.dcap.tcb import Level, TcbStatus
from privproc.attestation.roots import Roots
from privproc.attestation.sgx.appraisal import (
    Findings,
    KeyEvidence,
    UnboundEvidence,
    VerifiedEvidence,
    appraise,
    appraise_key,
    appraise_unbound,
)
from privproc.attestation.sgx.collateral import INTEL_ROOTS, Collateral, VerifiedCollateral, verify_collateral
from privproc.attestation.sgx.draft import draft_policy
from privproc.attestation.sgx.policy import Identity, Memory, Policy, measurement
from privproc.attestation.sgx.quote import EnclaveReport, Quote
from privproc.attestation.sgx.rules import STRICT_ENCLAVE, EnclaveRules
from privproc.attestation.sgx.tcb import QeIdentity, TcbInfo

__all__ = [
    "INTEL_ROOTS",
    "STRICT_CONFIGURATION",
    "STRICT_ENCLAVE",
    "AnyPlatform",
    "Collateral",
    "Configuration",
    "ConfigurationRules",
    "EnclaveReport",
    "EnclaveRules",
    "Families",
    "Findings",
    "Identity",
    "KeyEvidence",
    "Level",
    "Memory",
    "Platform",
    "Platforms",
    "Policy",
    "Processors",
    "QeIdentity",
    "Quote",
    "Roots",
    "TcbInfo",
    "TcbRules",
    "TcbStatus",
    "UnboundEvidence",
    "VerifiedCollateral",
    "VerifiedEvidence",
    "appraise",
    "appraise_key",
    "appraise_unbound",
    "draft_policy",
    "measurement",
    "verify_collateral",
]

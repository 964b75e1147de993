"""Intel TDX: quote, collateral, policy, appraisal and the event log behind the run-time registers.

Documents: Intel TDX DCAP Quote Generation Library (quote formats), Intel SGX PCK Certificate and CRL Profile, Intel
Provisioning Certification Service API version 4, Intel TDX Module ABI.
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
from privproc.attestation.tdx.appraisal import (
    Findings,
    KeyEvidence,
    UnboundEvidence,
    VerifiedEvidence,
    appraise,
    appraise_key,
    appraise_unbound,
)
from privproc.attestation.tdx.collateral import INTEL_ROOTS, Collateral, VerifiedCollateral, verify_collateral
from privproc.attestation.tdx.draft import draft_policy
from privproc.attestation.tdx.eventlog import Event, EventLog
from privproc.attestation.tdx.policy import Policy, Register, measurement
from privproc.attestation.tdx.quote import EnclaveReport, Quote, TdReport, strip_padding
from privproc.attestation.tdx.rules import STRICT_DOMAIN, DomainRules
from privproc.attestation.tdx.tcb import ModuleIdentity, QeIdentity, TcbInfo

__all__ = [
    "INTEL_ROOTS",
    "STRICT_CONFIGURATION",
    "STRICT_DOMAIN",
    "AnyPlatform",
    "Collateral",
    "Configuration",
    "ConfigurationRules",
    "DomainRules",
    "EnclaveReport",
    "Event",
    "EventLog",
    "Families",
    "Findings",
    "KeyEvidence",
    "Level",
    "ModuleIdentity",
    "Platform",
    "Platforms",
    "Policy",
    "Processors",
    "QeIdentity",
    "Quote",
    "Register",
    "Roots",
    "TcbInfo",
    "TcbRules",
    "TcbStatus",
    "TdReport",
    "UnboundEvidence",
    "VerifiedCollateral",
    "VerifiedEvidence",
    "appraise",
    "appraise_key",
    "appraise_unbound",
    "draft_policy",
    "measurement",
    "strip_padding",
    "verify_collateral",
]

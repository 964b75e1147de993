"""The decision about one SEV-SNP report: genuine, of this session, of a logged program, and within policy.

All checks run on the fields that the hardware signed, after its signature was verified; every expected value is a
required argument, and the result can be made in no other way. What is not checked here, and can't be: that nobody has
extracted the chip's key. Against that there are only lists of chips (:class:`~privproc.attestation.snp.policy.Chips`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from privproc.attestation import verified
from privproc.attestation.binder import SessionBinding
from privproc.attestation.expectation import Expectation, KeyBinding, PinnedMeasurement, RevocationCheck, stage
from privproc.attestation.snp.chain import VerifiedChain
from privproc.attestation.snp.policy import Chips, Floor, Policy, Provider
from privproc.attestation.snp.report import Product, Report, Tcb
from privproc.errors import PolicyError, SignatureError, UntrustedError, UsageError
from privproc.ledger import Logged
from privproc.trust import check_window

__all__ = [
    "Findings",
    "KeyEvidence",
    "UnboundEvidence",
    "VerifiedEvidence",
    "appraise",
    "appraise_key",
    "appraise_unbound",
]

F = TypeVar("F", bound="Findings")

_ECDSA_SHA384 = ECDSA(SHA384())

_AUTHORITIES = "authorities"
"""The check that no authority of the chain is on AMD's own list, where the chain was held against one."""


@dataclass(frozen=True, slots=True, init=False)
class Findings(verified.Findings):
    """What was found about an accepted report.

    ``measurement`` is the launch digest, ``chip_id`` the certified hwID (64 bytes, 8 on Turin; empty under a VLEK),
    ``chip_fingerprint`` the SHA-256 of the chip's certificate, ``tcb`` the certified levels.
    """

    product: Product
    chip_id: bytes
    chip_fingerprint: bytes
    tcb: Tcb
    host_data: bytes


class VerifiedEvidence(Findings, verified.VerifiedEvidence):
    """A report of one session: made by :func:`appraise` only."""

    __slots__ = ()


class KeyEvidence(Findings, verified.KeyEvidence):
    """A report that is bound to a key: made by :func:`appraise_key` only."""

    __slots__ = ()


class UnboundEvidence(Findings, verified.UnboundEvidence):
    """A report about nobody in particular: made by :func:`appraise_unbound` only."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Case:
    report: Report
    expected: Expectation
    policy: Policy
    chain: VerifiedChain
    at: int

    @property
    def binding(self) -> bytes:
        return self.expected.report_data

    def tcb(self, raw: bytes) -> Tcb:
        return Tcb.decode(raw, self.chain.product)

    def floor(self) -> Floor:
        return self.policy.floor(self.chain.product)


def appraise(
    evidence: bytes,
    *,
    binding: SessionBinding,
    policy: Policy,
    chain: VerifiedChain,
    logged: Logged,
    role: str,
    revocations: RevocationCheck,
    at: int,
) -> VerifiedEvidence:
    """Decide about ``evidence`` (the 1184 bytes of a report) at the Unix time ``at``.

    ``binding`` is the locally computed report data; ``chain`` comes from
    :func:`~privproc.attestation.snp.chain.verify_chain`; ``logged`` is the ledger's word for the measurement, and must
    be for exactly ``role``; ``revocations`` is the ledger's list, in which measurement, CHIP_ID, digests of the ID and
    author key and the fingerprint of the key's certificate are looked up, or
    :data:`~privproc.attestation.expectation.NO_REVOCATIONS`. Raises :class:`DecodeError`, :class:`UnsupportedError`,
    :class:`SignatureError`, :class:`UntrustedError` (another session, chip, TCB, program or role),
    :class:`PolicyError` (also: revoked) or :class:`ExpiredError`; :class:`UsageError` for arguments that no report
    could match.
    """
    expected = Expectation.session(binding, logged, role, revocations)
    return _decide(VerifiedEvidence, evidence, expected, policy, chain, at)


def appraise_key(
    evidence: bytes,
    *,
    binding: KeyBinding,
    policy: Policy,
    chain: VerifiedChain,
    logged: Logged | PinnedMeasurement,
    role: str,
    revocations: RevocationCheck,
    at: int,
) -> KeyEvidence:
    """As :func:`appraise`, for evidence that is bound to a key and not to a session: another protocol's.

    ``binding`` is computed from the key that the caller sees; ``logged`` may be a pinned measurement.
    """
    expected = Expectation.key(binding, logged, role, revocations)
    return _decide(KeyEvidence, evidence, expected, policy, chain, at)


def appraise_unbound(
    evidence: bytes,
    *,
    policy: Policy,
    chain: VerifiedChain,
    logged: Logged | PinnedMeasurement,
    role: str,
    revocations: RevocationCheck,
    at: int,
) -> UnboundEvidence:
    """As :func:`appraise`, for evidence about nobody in particular: no report data is compared."""
    expected = Expectation.unbound(logged, role, revocations)
    return _decide(UnboundEvidence, evidence, expected, policy, chain, at)


def _decide(kind: type[F], evidence: bytes, expected: Expectation, policy: Policy, chain: VerifiedChain, at: int) -> F:
    expected.check_hardware_field()
    if not isinstance(chain, VerifiedChain):
        raise UsageError("chain is made by the check that earns it")
    with stage("decode"):
        report = Report.decode(evidence)
    checks = expected.run(_CHECKS, _Case(report, expected, policy, chain, at))
    checks += expected.confirm(report.measurement, _identifiers(report, chain), at=at)
    return kind._earn(
        evidence_digest=hashlib.sha384(evidence).digest(),
        measurement=report.measurement,
        binding=report.report_data,
        role=expected.role,
        product=chain.product,
        chip_id=chain.hwid,
        chip_fingerprint=chain.fingerprint,
        tcb=chain.tcb,
        host_data=report.host_data,
        policy_digest=policy.digest,
        checks=((_AUTHORITIES,) if chain.revocations else ()) + checks,
        not_before=chain.not_before,
        not_after=min(chain.not_after, expected.not_after, at + policy.max_age),
    )


def _identifiers(report: Report, chain: VerifiedChain) -> list[bytes]:
    """What a revocation list may name beside the measurement."""
    named = [report.id_key_digest, report.author_key_digest, chain.hwid.ljust(64, b"\0")]
    return [chain.fingerprint, *filter(any, named)]


def _chain_window(case: _Case) -> None:
    check_window("certificate chain", case.chain.not_before, case.chain.not_after, at=case.at)


def _signing_key(case: _Case) -> None:
    if case.report.signing_key is not case.chain.signing_key:
        raise UntrustedError("report was signed by another kind of key than the certificate's")


def _signature(case: _Case) -> None:
    report = case.report
    try:
        case.chain.key.verify(encode_dss_signature(report.r, report.s), report.signed, _ECDSA_SHA384)
    except InvalidSignature:
        raise SignatureError("report signature doesn't verify") from None


# req: privproc1/4.8 binding-equals
def _binding(case: _Case) -> None:
    if not hmac.compare_digest(case.report.report_data, case.binding):
        raise UntrustedError("report is bound to another session")


def _chip(case: _Case) -> None:
    # Finding TOB-WAPI-10: the certificate's hwID decides, CHIP_ID has to agree. A VLEK names no chip.
    hwid = case.chain.hwid
    if hwid and case.report.chip_id != hwid.ljust(64, b"\0"):
        raise UntrustedError("report is of another chip than the certificate's")


def _certified_tcb(case: _Case) -> None:
    # Finding TOB-WAPI-8: the host chooses REPORTED_TCB; only the key that was derived for it proves it.
    if case.tcb(case.report.reported_tcb) != case.chain.tcb:
        raise UntrustedError("reported TCB is not the certificate's")


def _product(case: _Case) -> None:
    if case.report.version < case.floor().report_version:
        raise PolicyError("report version is under the floor")
    if case.report.cpuid is not None:
        family, model, _ = case.report.cpuid
        if Product.from_cpuid(family, model) is not case.chain.product:
            raise UntrustedError("report is of another product line than its root")


def _signer(case: _Case) -> None:
    signer = case.policy.signer
    if signer.signing_key is not case.chain.signing_key:
        raise PolicyError("signed by another kind of key than the policy's")
    if isinstance(signer, Chips) and case.chain.hwid not in signer.hwids:
        raise PolicyError("chip is not on the list")
    if isinstance(signer, Provider) and case.chain.csp != signer.csp:
        raise PolicyError("key is another provider's")


def _tcb_floor(case: _Case) -> None:
    report, floor = case.report, case.floor()
    for name, raw, least in (
        ("reported", report.reported_tcb, floor.tcb),
        ("committed", report.committed_tcb, floor.tcb),
        ("current", report.current_tcb, floor.tcb),
        ("launch", report.launch_tcb, floor.launch_tcb),
    ):
        if under := case.tcb(raw).below(least):
            raise PolicyError(f"{name} TCB is under the floor: {', '.join(under)}")


def _firmware_floor(case: _Case) -> None:
    least = case.floor().firmware
    if case.report.committed_firmware < least or case.report.current_firmware < least:
        raise PolicyError("firmware is under the floor")


def _mitigations(case: _Case) -> None:
    needed = case.floor().mitigations
    for vector in (case.report.launch_mitigations, case.report.current_mitigations):
        if needed & ~(vector or 0):
            raise PolicyError("a mitigation is missing")


def _guest_policy(case: _Case) -> None:
    case.policy.guest.check(case.report.policy)


def _guest_abi(case: _Case) -> None:
    if (case.report.policy >> 8 & 0xFF, case.report.policy & 0xFF) < case.policy.minimum_abi:
        raise PolicyError("guest policy: minimum ABI is under the policy's")


def _platform(case: _Case) -> None:
    case.policy.platform.check(case.report.platform_info)


def _vmpl(case: _Case) -> None:
    if case.report.vmpl != case.policy.vmpl:
        raise PolicyError("report was asked for at another VMPL")


def _host_data(case: _Case) -> None:
    if not hmac.compare_digest(case.report.host_data, case.policy.host_data):
        raise PolicyError("host data differs")


def _id_block(case: _Case) -> None:
    report, expected = case.report, case.policy.id_block
    for name, got, want in (
        ("ID key", report.id_key_digest, expected.id_key_digest),
        ("author key", report.author_key_digest, expected.author_key_digest),
        ("family", report.family_id, expected.family_id),
        ("image", report.image_id, expected.image_id),
    ):
        if got != want:
            raise PolicyError(f"ID block: {name} differs")
    if report.guest_svn < expected.guest_svn:
        raise PolicyError("ID block: guest SVN is under the minimum")


def _role(case: _Case) -> None:
    case.expected.check_role()


def _log(case: _Case) -> None:
    case.expected.logged.confirm(case.report.measurement, at=case.at)


# req: privproc1/4.8 checks-of-the-report
_CHECKS: tuple[tuple[str, Callable[[_Case], None]], ...] = (
    ("chain-window", _chain_window),
    ("signing-key", _signing_key),
    ("signature", _signature),
    ("binding", _binding),
    ("chip", _chip),
    ("certified-tcb", _certified_tcb),
    ("product", _product),
    ("signer", _signer),
    ("tcb-floor", _tcb_floor),
    ("firmware-floor", _firmware_floor),
    ("mitigations", _mitigations),
    ("guest-policy", _guest_policy),
    ("guest-abi", _guest_abi),
    ("platform", _platform),
    ("vmpl", _vmpl),
    ("host-data", _host_data),
    ("id-block", _id_block),
    ("role", _role),
    ("log", _log),
)
"""Name and check, in order. A test removes each and shows that a bad report would pass without it."""

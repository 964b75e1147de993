"""The decision about one TDX quote: genuine, of this session, of a logged program, and within policy.

From Intel down: the collateral is verified already; it vouches for the platform's certificate, that for the quoting
enclave's report, that for the attestation key, and that for the trust domain's report. All other checks run on what is
signed then. What can't be checked: that nobody has extracted a platform's keys. Against that there are only lists.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from privproc.attestation import verified
from privproc.attestation.binder import SessionBinding
from privproc.attestation.expectation import Expectation, KeyBinding, PinnedMeasurement, RevocationCheck, stage
from privproc.attestation.tdx.collateral import VerifiedCollateral, check_raw
from privproc.attestation.tdx.judged import Judged
from privproc.attestation.tdx.pck import Platform
from privproc.attestation.tdx.policy import Policy, Register
from privproc.attestation.tdx.tcb import Level
from privproc.errors import DecodeError, PolicyError, UntrustedError, UsageError
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

_PCK_NAME = "Intel SGX PCK Certificate"
_SGX_DEBUG = 0x02  # in the first byte of an enclave's attributes
_ZERO = bytes(48)


@dataclass(frozen=True, slots=True, init=False)
class Findings(verified.Findings):
    """What was found about an accepted quote.

    ``measurement`` is :func:`~privproc.attestation.tdx.policy.measurement` of ``mrtd`` and ``rtmrs`` (48 bytes each),
    ``platform`` what Intel certifies about the hardware, ``pck_fingerprint`` the SHA-256 of its certificate,
    ``levels`` Intel's judgement of platform, TDX module and quoting enclave.
    """

    platform: Platform
    pck_fingerprint: bytes
    levels: tuple[Level, ...]
    mrtd: bytes
    rtmrs: tuple[bytes, bytes, bytes, bytes]


class VerifiedEvidence(Findings, verified.VerifiedEvidence):
    """A quote of one session: made by :func:`appraise` only."""

    __slots__ = ()


class KeyEvidence(Findings, verified.KeyEvidence):
    """A quote that is bound to a key: made by :func:`appraise_key` only."""

    __slots__ = ()


class UnboundEvidence(Findings, verified.UnboundEvidence):
    """A quote about nobody in particular: made by :func:`appraise_unbound` only."""

    __slots__ = ()


@dataclass
class _Case(Judged):
    expected: Expectation
    policy: Policy
    measurement: bytes
    at: int

    @property
    def binding(self) -> bytes:
        return self.expected.report_data


def appraise(
    evidence: bytes,
    *,
    binding: SessionBinding,
    policy: Policy,
    collateral: VerifiedCollateral,
    logged: Logged,
    role: str,
    revocations: RevocationCheck,
    at: int,
) -> VerifiedEvidence:
    """Decide about ``evidence`` (a quote of up to 16384 bytes) at the Unix time ``at``.

    ``binding`` is the locally computed report data; ``collateral`` comes from
    :func:`~privproc.attestation.tdx.collateral.verify_collateral`; ``logged`` is the ledger's word for the measurement,
    and must be for exactly ``role``; ``revocations`` is the ledger's list, in which measurement, SHA-256 of PPID and of
    PIID and the fingerprint of the platform's certificate are looked up, or
    :data:`~privproc.attestation.expectation.NO_REVOCATIONS`. Raises :class:`DecodeError`, :class:`UnsupportedError`,
    :class:`SignatureError`, :class:`UntrustedError` (another session, platform, enclave, module, program or role;
    revoked by Intel), :class:`PolicyError` (also: revoked by the list) or :class:`ExpiredError`; :class:`UsageError`
    for arguments that no quote could match.
    """
    expected = Expectation.session(binding, logged, role, revocations)
    return _decide(VerifiedEvidence, evidence, expected, policy, collateral, at)


def appraise_key(
    evidence: bytes,
    *,
    binding: KeyBinding,
    policy: Policy,
    collateral: VerifiedCollateral,
    logged: Logged | PinnedMeasurement,
    role: str,
    revocations: RevocationCheck,
    at: int,
) -> KeyEvidence:
    """As :func:`appraise`, for evidence that is bound to a key and not to a session: another protocol's.

    ``binding`` is computed from the key that the caller sees; ``logged`` may be a pinned measurement.
    """
    expected = Expectation.key(binding, logged, role, revocations)
    return _decide(KeyEvidence, evidence, expected, policy, collateral, at)


def appraise_unbound(
    evidence: bytes,
    *,
    policy: Policy,
    collateral: VerifiedCollateral,
    logged: Logged | PinnedMeasurement,
    role: str,
    revocations: RevocationCheck,
    at: int,
) -> UnboundEvidence:
    """As :func:`appraise`, for evidence about nobody in particular: no report data is compared."""
    expected = Expectation.unbound(logged, role, revocations)
    return _decide(UnboundEvidence, evidence, expected, policy, collateral, at)


def _decide(
    kind: type[F], evidence: bytes, expected: Expectation, policy: Policy, collateral: VerifiedCollateral, at: int
) -> F:
    expected.check_hardware_field()
    if not isinstance(collateral, VerifiedCollateral):
        raise UsageError("collateral is made by the check that earns it")
    with stage("decode"):
        judged = Judged.decode(evidence, collateral)
    report = judged.report
    measurement = policy.measurement(report)
    case = _Case(**vars(judged), expected=expected, policy=policy, measurement=measurement, at=at)
    checks = expected.run(_CHECKS, case)
    checks += expected.confirm(measurement, [case.fingerprint, *_identifiers(case.platform)], at=at)
    return kind._earn(
        evidence_digest=hashlib.sha384(evidence).digest(),
        measurement=measurement,
        binding=report.report_data,
        role=expected.role,
        policy_digest=policy.digest,
        checks=checks,
        not_before=max(collateral.not_before, case.pck.not_before),
        not_after=min(collateral.not_after, case.pck.not_after, expected.not_after, at + policy.max_age),
        platform=case.platform,
        pck_fingerprint=case.fingerprint,
        levels=case.levels,
        mrtd=report.mrtd,
        rtmrs=report.rtmrs,
    )


def _identifiers(platform: Platform) -> list[bytes]:
    """What a revocation list may name beside measurement and certificate: it has no entries of 16 bytes."""
    return [hashlib.sha256(name).digest() for name in (platform.ppid, platform.piid) if name]


def _key(name: str, raw: bytes) -> ec.EllipticCurvePublicKey:
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\4" + raw)
    except ValueError:
        raise DecodeError(name, "not a point of P-256") from None


def _collateral_window(case: _Case) -> None:
    check_window("collateral", case.collateral.not_before, case.collateral.not_after, at=case.at)


def _pck_window(case: _Case) -> None:
    check_window("PCK certificate", case.pck.not_before, case.pck.not_after, at=case.at)


def _pck_profile(case: _Case) -> None:
    case.pck.check_end()
    if case.pck.common_name != _PCK_NAME:
        raise UntrustedError("PCK certificate: not the name of one")


def _pck_issuer(case: _Case) -> None:
    case.pck.check_issued(case.collateral.pck_ca, case.collateral.pck_ca_key)


def _pck_revocation(case: _Case) -> None:
    case.collateral.pck_crl.check(case.pck)


def _qe_signature(case: _Case) -> None:
    check_raw("QE report", case.pck.p256_key(), case.quote.qe_report_signature, case.quote.qe_report)


def _attestation_key(case: _Case) -> None:
    quote = case.quote
    expected = hashlib.sha256(quote.attestation_key + quote.qe_authentication_data).digest() + bytes(32)
    if case.qe.report_data != expected:
        raise UntrustedError("QE report is about another attestation key")


def _signature(case: _Case) -> None:
    quote = case.quote
    check_raw("quote", _key("attestation key", quote.attestation_key), quote.signature, quote.signed)


def _binding(case: _Case) -> None:
    if not hmac.compare_digest(case.report.report_data, case.binding):
        raise UntrustedError("quote is bound to another session")


def _qe_identity(case: _Case) -> None:
    # CVE-2026-22696: without it any enclave on a genuine platform could hold the attestation key.
    qe, identity = case.qe, case.collateral.qe
    for name, got, mask, want in (
        ("MISCSELECT", qe.miscselect, identity.miscselect_mask, identity.miscselect),
        ("ATTRIBUTES", qe.attributes, identity.attributes_mask, identity.attributes),
    ):
        if _masked(got, mask) != want:
            raise UntrustedError(f"quoting enclave: {name} differs")
    if qe.mrsigner != identity.mrsigner or qe.isvprodid != identity.isvprodid:
        raise UntrustedError("quoting enclave: MRSIGNER or ISVPRODID differs")


def _qe_debug(case: _Case) -> None:
    if case.qe.attributes[0] & _SGX_DEBUG:
        raise UntrustedError("quoting enclave: may be debugged")


def _family(case: _Case) -> None:
    tcb = case.collateral.tcb
    if (case.platform.fmspc, case.platform.pceid) != (tcb.fmspc, tcb.pceid):
        raise UntrustedError("TCB info is about another family of platforms")


def _module(case: _Case) -> None:
    report = case.report
    for identity, _ in case.modules:
        same = _masked(report.seam_attributes, identity.mask) == identity.attributes
        if report.mrsignerseam != identity.mrsigner or not same:
            raise UntrustedError("TDX module: MRSIGNERSEAM or SEAMATTRIBUTES differs")


def _module_debug(case: _Case) -> None:
    if any(case.report.seam_attributes):
        raise UntrustedError("TDX module: has attributes, such as debug")


def _evaluation(case: _Case) -> None:
    for number in (case.collateral.tcb.evaluation, case.collateral.qe.evaluation):
        case.policy.tcb.check_evaluation(number)


def _platform_tcb(case: _Case) -> None:
    for level in case.platform_levels:
        case.policy.tcb.check("platform", level, at=case.at)


def _module_tcb(case: _Case) -> None:
    for level in case.module_levels:
        case.policy.tcb.check("TDX module", level, at=case.at)


def _qe_tcb(case: _Case) -> None:
    case.policy.tcb.check("quoting enclave", case.qe_level, at=case.at)


def _platforms(case: _Case) -> None:
    case.policy.platforms.check(case.platform)


def _configuration(case: _Case) -> None:
    case.policy.configuration.check_stated(case.platform.configuration)


def _attributes(case: _Case) -> None:
    case.policy.domain.check(case.report.attributes)


def _xfam(case: _Case) -> None:
    case.policy.check_xfam(case.report.xfam)


def _service(case: _Case) -> None:
    if case.report.mrservicetd not in {None, _ZERO}:
        raise PolicyError("a migration service is bound to the domain")


def _owner(case: _Case) -> None:
    report, policy = case.report, case.policy
    for name, got, want in (
        ("MRCONFIGID", report.mrconfigid, policy.mrconfigid),
        ("MROWNER", report.mrowner, policy.mrowner),
        ("MROWNERCONFIG", report.mrownerconfig, policy.mrownerconfig),
    ):
        if got != want:
            raise PolicyError(f"{name} differs")


def _registers(case: _Case) -> None:
    for index, (rtmr, register) in enumerate(zip(case.report.rtmrs, case.policy.registers, strict=True)):
        if register is Register.ZERO and any(rtmr):
            raise PolicyError(f"RTMR{index} was extended")


def _role(case: _Case) -> None:
    case.expected.check_role()


def _log(case: _Case) -> None:
    case.expected.logged.confirm(case.measurement, at=case.at)


def _masked(value: bytes, mask: bytes) -> bytes:
    return (int.from_bytes(value, "big") & int.from_bytes(mask, "big")).to_bytes(len(value), "big")


_CHECKS: tuple[tuple[str, Callable[[_Case], None]], ...] = (
    ("collateral-window", _collateral_window),
    ("pck-window", _pck_window),
    ("pck-profile", _pck_profile),
    ("pck-issuer", _pck_issuer),
    ("pck-revocation", _pck_revocation),
    ("qe-signature", _qe_signature),
    ("attestation-key", _attestation_key),
    ("signature", _signature),
    ("binding", _binding),
    ("qe-identity", _qe_identity),
    ("qe-debug", _qe_debug),
    ("family", _family),
    ("module", _module),
    ("module-debug", _module_debug),
    ("evaluation", _evaluation),
    ("platform-tcb", _platform_tcb),
    ("module-tcb", _module_tcb),
    ("qe-tcb", _qe_tcb),
    ("platforms", _platforms),
    ("configuration", _configuration),
    ("attributes", _attributes),
    ("xfam", _xfam),
    ("service", _service),
    ("owner", _owner),
    ("registers", _registers),
    ("role", _role),
    ("log", _log),
)
"""Name and check, in order. A test removes each and shows that a bad quote would pass without it."""

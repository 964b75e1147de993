"""The decision about one TDX quote: genuine, of this session, of a logged program, and within policy.

What TDX and SGX share, from Intel down to the quote's signature, is in :mod:`.dcap.appraisal`; here is what the report
of a trust domain says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from privproc.attestation import verified
from privproc.attestation.binder import SessionBinding
from privproc.attestation.dcap import appraisal as dcap
from privproc.attestation.expectation import Expectation, KeyBinding, PinnedMeasurement, RevocationCheck, stage
from privproc.attestation.tdx.collateral import VerifiedCollateral
from privproc.attestation.tdx.judged import Judged
from privproc.attestation.tdx.policy import Policy, Register
from privproc.errors import PolicyError, UntrustedError, UsageError
from privproc.ledger import Logged

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

_Case: TypeAlias = dcap.Case[Judged, Policy]
_ZERO = bytes(48)


@dataclass(frozen=True, slots=True, init=False)
class Findings(dcap.Findings):
    """What was found about an accepted quote.

    ``measurement`` is :func:`~privproc.attestation.tdx.policy.measurement` of ``mrtd`` and ``rtmrs`` (48 bytes each),
    ``platform`` what Intel certifies about the hardware, ``pck_fingerprint`` the SHA-256 of its certificate,
    ``levels`` Intel's judgement of platform, TDX module and quoting enclave.
    """

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
    case = _Case(judged, expected, policy, policy.measurement(report), at)
    return dcap.conclude(kind, evidence, case, _CHECKS, mrtd=report.mrtd, rtmrs=report.rtmrs)


def _module(case: _Case) -> None:
    report = case.judged.report
    for identity, _ in case.judged.modules:
        same = dcap.masked(report.seam_attributes, identity.mask) == identity.attributes
        if report.mrsignerseam != identity.mrsigner or not same:
            raise UntrustedError("TDX module: MRSIGNERSEAM or SEAMATTRIBUTES differs")


def _module_debug(case: _Case) -> None:
    if any(case.judged.report.seam_attributes):
        raise UntrustedError("TDX module: has attributes, such as debug")


def _module_tcb(case: _Case) -> None:
    for level in case.judged.module_levels:
        case.policy.tcb.check("TDX module", level, at=case.at)


def _attributes(case: _Case) -> None:
    case.policy.domain.check(case.judged.report.attributes)


def _xfam(case: _Case) -> None:
    case.policy.check_xfam(case.judged.report.xfam)


def _service(case: _Case) -> None:
    if case.judged.report.mrservicetd not in {None, _ZERO}:
        raise PolicyError("a migration service is bound to the domain")


def _owner(case: _Case) -> None:
    report, policy = case.judged.report, case.policy
    for name, got, want in (
        ("MRCONFIGID", report.mrconfigid, policy.mrconfigid),
        ("MROWNER", report.mrowner, policy.mrowner),
        ("MROWNERCONFIG", report.mrownerconfig, policy.mrownerconfig),
    ):
        if got != want:
            raise PolicyError(f"{name} differs")


def _registers(case: _Case) -> None:
    for index, (rtmr, register) in enumerate(zip(case.judged.report.rtmrs, case.policy.registers, strict=True)):
        if register is Register.ZERO and any(rtmr):
            raise PolicyError(f"RTMR{index} was extended")


_CHECKS: tuple[tuple[str, Callable[[_Case], None]], ...] = (
    *dcap.GENUINE,
    ("module", _module),
    ("module-debug", _module_debug),
    ("evaluation", dcap.evaluation),
    ("platform-tcb", dcap.platform_tcb),
    ("module-tcb", _module_tcb),
    ("qe-tcb", dcap.qe_tcb),
    ("platforms", dcap.platforms),
    ("configuration", dcap.configuration),
    ("attributes", _attributes),
    ("xfam", _xfam),
    ("service", _service),
    ("owner", _owner),
    ("registers", _registers),
    *dcap.LOGGED,
)
"""Name and check, in order. A test removes each and shows that a bad quote would pass without it."""

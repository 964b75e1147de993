"""The decision about one SGX quote: genuine, of this session, of a logged program, and within policy.

What TDX and SGX share, from Intel down to the quote's signature, is in :mod:`.dcap.appraisal`; here is what the report
of an enclave says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from privproc.attestation import verified
from privproc.attestation.binder import SessionBinding
from privproc.attestation.dcap import appraisal as dcap
from privproc.attestation.expectation import Expectation, KeyBinding, PinnedMeasurement, RevocationCheck, stage
from privproc.attestation.sgx.collateral import VerifiedCollateral
from privproc.attestation.sgx.judged import Judged
from privproc.attestation.sgx.policy import Policy
from privproc.errors import PolicyError, UsageError
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


@dataclass(frozen=True, slots=True, init=False)
class Findings(dcap.Findings):
    """What was found about an accepted quote.

    ``measurement`` is :func:`~privproc.attestation.sgx.policy.measurement` of the report, ``platform`` what Intel
    certifies about the hardware, ``pck_fingerprint`` the SHA-256 of its certificate, ``levels`` Intel's judgement of
    platform and quoting enclave. ``mrenclave`` and ``mrsigner`` have 32 bytes, ``cpusvn`` has 16.
    """

    mrenclave: bytes
    mrsigner: bytes
    isvsvn: int
    cpusvn: bytes


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
    :func:`~privproc.attestation.sgx.collateral.verify_collateral`; ``logged`` is the ledger's word for the measurement,
    and must be for exactly ``role``; ``revocations`` is the ledger's list, in which measurement, SHA-256 of PPID and of
    PIID and the fingerprint of the platform's certificate are looked up, or
    :data:`~privproc.attestation.expectation.NO_REVOCATIONS`. Raises :class:`DecodeError`, :class:`UnsupportedError`,
    :class:`SignatureError`, :class:`UntrustedError` (another session, platform, quoting enclave, program or role;
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
    own = {"mrenclave": report.mrenclave, "mrsigner": report.mrsigner, "isvsvn": report.isvsvn, "cpusvn": report.cpusvn}
    return dcap.conclude(kind, evidence, case, _CHECKS, **own)


def _memory(case: _Case) -> None:
    case.policy.check_memory(case.judged.platform.sgx_type)


def _attributes(case: _Case) -> None:
    case.policy.enclave.check(case.judged.report.flags)


def _xfrm(case: _Case) -> None:
    case.policy.check_xfrm(case.judged.report.xfrm)


def _miscselect(case: _Case) -> None:
    if int.from_bytes(case.judged.report.miscselect, "little") & ~case.policy.miscselect:
        raise PolicyError("MISCSELECT: what is not allowed")


def _product(case: _Case) -> None:
    report, policy = case.judged.report, case.policy
    for name, got, want in (
        ("ISVPRODID", report.isvprodid, policy.isvprodid),
        ("ISVEXTPRODID", report.isvextprodid, policy.isvextprodid),
        ("ISVFAMILYID", report.isvfamilyid, policy.isvfamilyid),
    ):
        if got != want:
            raise PolicyError(f"{name} differs")


def _svn(case: _Case) -> None:
    if case.judged.report.isvsvn < case.policy.isvsvn:
        raise PolicyError("ISVSVN is under the policy's")


def _config(case: _Case) -> None:
    if case.judged.report.configid != case.policy.configid:
        raise PolicyError("CONFIGID differs")
    if case.judged.report.configsvn < case.policy.configsvn:
        raise PolicyError("CONFIGSVN is under the policy's")


_CHECKS: tuple[tuple[str, Callable[[_Case], None]], ...] = (
    *dcap.GENUINE,
    ("evaluation", dcap.evaluation),
    ("platform-tcb", dcap.platform_tcb),
    ("qe-tcb", dcap.qe_tcb),
    ("platforms", dcap.platforms),
    ("configuration", dcap.configuration),
    ("memory", _memory),
    ("attributes", _attributes),
    ("xfrm", _xfrm),
    ("miscselect", _miscselect),
    ("product", _product),
    ("svn", _svn),
    ("config", _config),
    *dcap.LOGGED,
)
"""Name and check, in order. A test removes each and shows that a bad quote would pass without it."""

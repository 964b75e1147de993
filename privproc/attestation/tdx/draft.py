"""A first policy from one good quote: the strictest that accepts it, to be read and changed by a person."""

from __future__ import annotations

from privproc.attestation.dcap.draft import draft_shared
from privproc.attestation.expectation import NO_REVOCATIONS, PinnedMeasurement
from privproc.attestation.tdx.appraisal import appraise_unbound
from privproc.attestation.tdx.collateral import VerifiedCollateral
from privproc.attestation.tdx.judged import Judged
from privproc.attestation.tdx.policy import Policy, Register
from privproc.attestation.tdx.rules import DomainRules
from privproc.errors import PolicyError, UsageError

__all__ = ["draft_policy"]


def draft_policy(evidence: bytes, *, collateral: VerifiedCollateral, max_age: int, at: int) -> Policy:
    """The strictest policy that accepts the quote ``evidence``, whose chain and signatures have to be good.

    It accepts this platform alone (by PIID, or PPID where there is none), Intel's judgement as it is, this evaluation
    or a later one, and attributes and owner's fields that are the same; all run-time registers are logged.
    ``max_age`` (seconds) is how long an outcome may be used, which no quote can say. Raises as
    :func:`~privproc.attestation.tdx.appraisal.appraise`; :class:`PolicyError` for a quote that no policy accepts, and
    for a TCB that is out of date: how long that may be borne is not for a draft to say.
    """
    if not isinstance(collateral, VerifiedCollateral) or not 0 < max_age < 1 << 32:
        raise UsageError("collateral is made by the check that earns it, max_age is 1 to 2^32 - 1")
    judged = Judged.decode(evidence, collateral)
    try:
        policy = _policy(judged, max_age)
    except UsageError as error:
        raise PolicyError(f"no draft accepts this quote: {error}") from None
    measured = PinnedMeasurement(policy.measurement(judged.report))
    appraise_unbound(
        evidence, policy=policy, collateral=collateral, logged=measured, role="draft", revocations=NO_REVOCATIONS, at=at
    )
    return policy


def _policy(judged: Judged, max_age: int) -> Policy:
    report = judged.report
    return Policy(
        **draft_shared(judged, max_age),
        domain=DomainRules.exactly(report.attributes),
        xfam=report.xfam,
        registers=(Register.LOGGED, Register.LOGGED, Register.LOGGED, Register.LOGGED),
        mrconfigid=report.mrconfigid,
        mrowner=report.mrowner,
        mrownerconfig=report.mrownerconfig,
    )

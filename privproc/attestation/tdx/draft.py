"""A first policy from one good quote: the strictest that accepts it, to be read and changed by a person."""

from __future__ import annotations

from privproc.attestation.expectation import NO_REVOCATIONS, PinnedMeasurement
from privproc.attestation.rules import Rule
from privproc.attestation.tdx.appraisal import appraise_unbound
from privproc.attestation.tdx.collateral import VerifiedCollateral
from privproc.attestation.tdx.judged import Judged
from privproc.attestation.tdx.pck import Configuration, Platform
from privproc.attestation.tdx.policy import Platforms, Policy, PolicyPlatforms, Processors, Register, TcbRules
from privproc.attestation.tdx.quote import TdReport
from privproc.attestation.tdx.rules import ConfigurationRules, DomainRules
from privproc.attestation.tdx.tcb import Level, TcbStatus
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
        policy = _policy(judged.report, judged.platform, _tcb(judged.levels, collateral), max_age)
    except UsageError as error:
        raise PolicyError(f"no draft accepts this quote: {error}") from None
    measured = PinnedMeasurement(policy.measurement(judged.report))
    appraise_unbound(
        evidence, policy=policy, collateral=collateral, logged=measured, role="draft", revocations=NO_REVOCATIONS, at=at
    )
    return policy


def _tcb(judged: tuple[Level, ...], collateral: VerifiedCollateral) -> TcbRules:
    return TcbRules(
        statuses=frozenset({TcbStatus.UP_TO_DATE, *(level.status for level in judged)}),
        grace=0,
        advisories=frozenset(name for level in judged for name in level.advisories),
        evaluation=min(collateral.tcb.evaluation, collateral.qe.evaluation),
    )


def _policy(report: TdReport, platform: Platform, tcb: TcbRules, max_age: int) -> Policy:
    return Policy(
        tcb=tcb,
        domain=DomainRules.exactly(report.attributes),
        xfam=report.xfam,
        registers=(Register.LOGGED, Register.LOGGED, Register.LOGGED, Register.LOGGED),
        mrconfigid=report.mrconfigid,
        mrowner=report.mrowner,
        mrownerconfig=report.mrownerconfig,
        configuration=_configuration(platform.configuration),
        platforms=_platforms(platform),
        max_age=max_age,
    )


def _configuration(stated: Configuration | None) -> ConfigurationRules:
    if stated is None:
        return ConfigurationRules(dynamic_platform=Rule.EITHER, cached_keys=Rule.EITHER, smt=Rule.EITHER)
    return ConfigurationRules.exactly(stated.bits)


def _platforms(platform: Platform) -> PolicyPlatforms:
    return Platforms((platform.piid,)) if platform.piid else Processors((platform.ppid,))

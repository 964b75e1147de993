"""The strictest demands on the hardware that one good quote of it meets: what drafts for TDX and SGX share."""

from __future__ import annotations

from privproc.attestation.dcap.judged import Judged
from privproc.attestation.dcap.pck import Configuration, Platform
from privproc.attestation.dcap.policy import (
    ConfigurationRules,
    Platforms,
    PolicyPlatforms,
    Processors,
    TcbRules,
)
from privproc.attestation.dcap.policyfile import Shared
from privproc.attestation.dcap.tcb import TcbStatus
from privproc.attestation.rules import Rule

__all__ = ["draft_shared"]


def draft_shared(judged: Judged, max_age: int) -> Shared:
    """The demands. Raises :class:`UsageError` where no policy accepts the hardware."""
    return {
        "tcb": _tcb(judged),
        "configuration": _configuration(judged.platform.configuration),
        "platforms": _platforms(judged.platform),
        "max_age": max_age,
    }


def _tcb(judged: Judged) -> TcbRules:
    return TcbRules(
        statuses=frozenset({TcbStatus.UP_TO_DATE, *(level.status for level in judged.levels)}),
        grace=0,
        advisories=frozenset(name for level in judged.levels for name in level.advisories),
        evaluation=min(judged.collateral.tcb.evaluation, judged.collateral.qe.evaluation),
    )


def _configuration(stated: Configuration | None) -> ConfigurationRules:
    if stated is None:
        return ConfigurationRules(dynamic_platform=Rule.EITHER, cached_keys=Rule.EITHER, smt=Rule.EITHER)
    return ConfigurationRules.exactly(stated.bits)


def _platforms(platform: Platform) -> PolicyPlatforms:
    return Platforms((platform.piid,)) if platform.piid else Processors((platform.ppid,))

"""A first policy from one good report: the strictest that accepts it, to be read and changed by a person."""

from __future__ import annotations

from privproc.attestation.expectation import NO_REVOCATIONS, PinnedMeasurement
from privproc.attestation.snp.appraisal import appraise_unbound
from privproc.attestation.snp.chain import VerifiedChain
from privproc.attestation.snp.policy import Chips, Floor, IdBlock, Policy, Provider
from privproc.attestation.snp.report import Report, Tcb
from privproc.attestation.snp.rules import GuestRules, PlatformRules
from privproc.errors import PolicyError, UsageError

__all__ = ["draft_policy"]


def draft_policy(evidence: bytes, *, chain: VerifiedChain, max_age: int, at: int) -> Policy:
    """The strictest policy that accepts the report ``evidence``, whose chain and signature have to be good.

    It accepts this chip alone (under a VLEK: this provider), levels that are no lower, and bits and fields that are the
    same. ``max_age`` (seconds) is how long an outcome may be used, which no report can say. Raises as
    :func:`~privproc.attestation.snp.appraisal.appraise`; :class:`PolicyError` for a report that no policy accepts.
    """
    if not isinstance(chain, VerifiedChain) or not 0 < max_age < 1 << 32:
        raise UsageError("chain is made by the check that earns it, max_age is 1 to 2^32 - 1")
    report = Report.decode(evidence)
    try:
        policy = _policy(report, chain, max_age)
        measured = PinnedMeasurement(report.measurement)
    except UsageError as error:
        raise PolicyError(f"no policy accepts this report: {error}") from None
    appraise_unbound(
        evidence, policy=policy, chain=chain, logged=measured, role="draft", revocations=NO_REVOCATIONS, at=at
    )
    return policy


def _policy(report: Report, chain: VerifiedChain, max_age: int) -> Policy:
    running = [
        Tcb.decode(raw, chain.product) for raw in (report.reported_tcb, report.committed_tcb, report.current_tcb)
    ]
    fmc, bootloader, tee, snp, microcode = map(min, zip(*(tcb.levels for tcb in running), strict=True))
    launched, current = report.launch_mitigations or 0, report.current_mitigations or 0
    floor = Floor(
        product=chain.product,
        tcb=Tcb(fmc=fmc, bootloader=bootloader, tee=tee, snp=snp, microcode=microcode),
        launch_tcb=Tcb.decode(report.launch_tcb, chain.product),
        firmware=min(report.committed_firmware, report.current_firmware),
        mitigations=launched & current,
        report_version=report.version,
    )
    block = IdBlock(
        id_key_digest=report.id_key_digest,
        author_key_digest=report.author_key_digest,
        family_id=report.family_id,
        image_id=report.image_id,
        guest_svn=report.guest_svn,
    )
    return Policy(
        floors=(floor,),
        guest=GuestRules.exactly(report.policy),
        minimum_abi=(report.policy >> 8 & 0xFF, report.policy & 0xFF),
        platform=PlatformRules.exactly(report.platform_info),
        vmpl=report.vmpl,
        host_data=report.host_data,
        id_block=block,
        signer=Chips((chain.hwid,)) if chain.hwid else Provider(chain.csp),
        max_age=max_age,
    )

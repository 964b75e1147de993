"""The device's decision about evidence, whatever it is bound to: log, chain and report (docs/protocol.md §4.8)."""

from __future__ import annotations

from privproc.attestation import snp
from privproc.errors import UnsupportedError
from privproc.ledger import verify as verify_log
from privproc.session.directory import Anchors, Contents, Service

__all__ = ["appraise"]


def appraise(
    evidence: bytes,
    *,
    endorsements: bytes,
    log_proof: bytes,
    binding: bytes,
    contents: Contents,
    service: Service,
    anchors: Anchors,
    at: int,
) -> snp.VerifiedEvidence:
    """Decide about ``evidence`` of a machine that serves ``service``, bound to ``binding`` (64 bytes), at ``at``.

    ``endorsements`` and ``log_proof`` as the host stapled them. Raises :class:`UnsupportedError` when ``anchors`` don't
    have the service's log, and what :func:`privproc.ledger.verify`, :func:`privproc.attestation.snp.verify_chain` and
    :func:`privproc.attestation.snp.appraise` raise.
    """
    log = anchors.logs.get(service.log)
    if log is None:
        raise UnsupportedError("the service's log is not one that this device knows")
    logged = verify_log(
        log_proof,
        namespace=service.namespace,
        role=service.role,
        log=log,
        floor=contents.checkpoint(service.log),
        minimum_version=service.minimum_version,
        at=at,
    )
    stapled = snp.Endorsements.decode(endorsements)
    chain = snp.verify_chain(stapled.vcek, stapled.ask, stapled.ark, roots=anchors.roots, at=at)
    return snp.appraise(
        evidence, binding=binding, policy=service.policy, chain=chain, logged=logged, role=service.role, at=at
    )

"""What an appraisal stands on, whatever the evidence is bound to: log entry and chain (docs/protocol.md §4.8)."""

from __future__ import annotations

from privproc import ledger
from privproc.attestation import snp
from privproc.errors import UnsupportedError
from privproc.ledger import Logged
from privproc.session.contents import Contents, Service
from privproc.session.directory import Anchors

__all__ = ["grounds"]


def grounds(
    *, endorsements: bytes, log_proof: bytes, contents: Contents, service: Service, anchors: Anchors, at: int
) -> tuple[snp.VerifiedChain, Logged]:
    """The chain of the hardware's key and the log's word on the measurement, from what the host stapled.

    Raises :class:`UnsupportedError` when ``anchors`` don't have the service's log, and what
    :func:`privproc.ledger.verify` and :func:`privproc.attestation.snp.verify_chain` raise.
    """
    log = anchors.logs.get(service.log)
    if log is None:
        # req: privproc1/4.8 a-log-with-a-policy
        raise UnsupportedError("the service's log is not one that this device knows")
    logged = ledger.verify(
        log_proof,
        namespace=service.namespace,
        role=service.role,
        log=log,
        # req: privproc1/4.8 the-packages-floor
        floor=contents.checkpoint(service.log),
        minimum_version=service.minimum_version,
        at=at,
    )
    stapled = snp.Endorsements.decode(endorsements)
    certificates = stapled.vcek, stapled.ask, stapled.ark
    chain = snp.verify_chain(*certificates, roots=anchors.roots, cache=anchors.cache, at=at)
    return chain, logged

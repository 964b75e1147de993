"""A first policy from one good document: the strictest that accepts it, to be read and changed by a person."""

from __future__ import annotations

from privproc.attestation.expectation import NO_REVOCATIONS, PinnedMeasurement
from privproc.attestation.nitro.appraisal import appraise_unbound
from privproc.attestation.nitro.document import Document
from privproc.attestation.nitro.policy import IMAGE_PCRS, Policy, measurement
from privproc.attestation.roots import Roots

__all__ = ["draft_policy"]


def draft_policy(evidence: bytes, *, roots: Roots, max_age: int, at: int) -> Policy:
    """The strictest policy that accepts the document ``evidence``, whose chain and signature have to be good.

    The image's registers are the ledger's to know; each of the others must be what it is, those for the instance and
    its role included. ``max_age`` (seconds) is how long after its timestamp a document may be used, which none can say.
    Raises as :func:`~privproc.attestation.nitro.appraisal.appraise`.
    """
    document = Document.decode(evidence)
    others = [(index, value) for index, value in document.pcrs.items() if index not in IMAGE_PCRS]
    policy = Policy(logged_pcrs=IMAGE_PCRS, pcrs=tuple(others), max_age=max_age)
    measured = PinnedMeasurement(measurement(document.pcrs, IMAGE_PCRS))
    appraise_unbound(
        evidence, policy=policy, roots=roots, logged=measured, role="draft", revocations=NO_REVOCATIONS, at=at
    )
    return policy

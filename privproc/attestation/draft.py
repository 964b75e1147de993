"""A first policy from one piece of good evidence of any format: the strictest that accepts it.

What a person then changes, on purpose: which levels may be lower, which machines more, which fields other ones.
"""

from __future__ import annotations

from privproc.attestation import nitro, sgx, snp, tdx
from privproc.attestation.expectation import stage
from privproc.attestation.policyfile import FORMATS, AnyPolicy
from privproc.attestation.roots import Roots
from privproc.errors import DecodeError, UsageError

__all__ = ["draft_policy"]


def draft_policy(
    name: str, evidence: bytes, endorsements: bytes, *, roots: snp.Roots | Roots, max_age: int, at: int
) -> AnyPolicy:
    """The strictest policy of the format ``name`` (as in a policy file) that accepts ``evidence``.

    ``endorsements`` and ``roots`` as in :class:`~privproc.attestation.case.Case`; ``max_age`` (seconds) is for the
    policy to say. Chain and signatures have to be good at the Unix time ``at``. Raises as the format's
    ``draft_policy``, and as the check of its endorsements; :class:`UsageError` for another format.
    """
    if name not in FORMATS or isinstance(roots, snp.Roots) != (name == "sev-snp"):
        raise UsageError(f"a format is one of {', '.join(FORMATS)}, with roots of its own")
    if isinstance(roots, snp.Roots):
        with stage("endorsements"):
            parts = snp.Endorsements.decode(endorsements)
            chain = snp.verify_chain(parts.vcek, parts.ask, parts.ark, roots=roots, at=at)
        return snp.draft_policy(evidence, chain=chain, max_age=max_age, at=at)
    if name == "tdx":
        with stage("endorsements"):
            collateral = tdx.verify_collateral(tdx.Collateral.decode(endorsements), roots=roots, at=at)
        return tdx.draft_policy(evidence, collateral=collateral, max_age=max_age, at=at)
    if name == "sgx":
        with stage("endorsements"):
            about_sgx = sgx.verify_collateral(sgx.Collateral.decode(endorsements), roots=roots, at=at)
        return sgx.draft_policy(evidence, collateral=about_sgx, max_age=max_age, at=at)
    if endorsements:
        raise DecodeError("endorsements", "a Nitro document carries its own")
    return nitro.draft_policy(evidence, roots=roots, max_age=max_age, at=at)

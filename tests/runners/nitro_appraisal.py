"""Nitro appraisals: document against binding, policy, log and role, from bytes alone.

The root is a fake one, given by its SHA-256: nothing here is vouched for by Amazon.
"""

from __future__ import annotations

import pytest

from privproc.attestation import NO_REVOCATIONS
from privproc.attestation.nitro import Policy, Roots, VerifiedEvidence, appraise
from privproc.ledger import Logged
from privproc.vectors.case import Case
from tests.world.binding import bound


def run(case: Case) -> None:
    policy = Policy.decode(case.hex("policy"))
    assert policy.encode() == case.hex("policy")
    assert policy.id == case.hex("policy_id")
    reason = case.get("reason")
    if case.expect is None:
        verified = _decide(case, policy)
        assert verified.measurement == case.hex("log_digest")
        assert verified.binding == case.hex("binding")
        assert verified.not_after == case["not_after"]
        return
    with pytest.raises(case.expect, match=reason) as raised:
        _decide(case, policy)
    assert type(raised.value) is case.expect


def _decide(case: Case, policy: Policy) -> VerifiedEvidence:
    # Everything is read first, so that no field is left over when an early check refuses.
    at, binding, evidence, role = case["at"], case.hex("binding"), case.hex("evidence"), case["role"]
    logged = Logged._earn(
        namespace="example",
        role=case["log_role"],
        digest=case.hex("log_digest"),
        security_version=1,
        not_after=case["log_not_after"],
        checkpoint=None,
    )
    roots = Roots((case.hex("root_sha256"),))
    return appraise(
        evidence,
        binding=bound(binding),
        policy=policy,
        roots=roots,
        logged=logged,
        role=role,
        revocations=NO_REVOCATIONS,
        at=at,
    )

"""TDX appraisals: collateral and quote against binding, policy, log and role, from bytes alone.

The root is a fake one, given by its SHA-256: nothing here is vouched for by Intel.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from privproc.attestation import NO_REVOCATIONS, tdx
from privproc.ledger import Logged
from privproc.vectors.case import Case
from tests.world.binding import bound


def run(case: Case) -> None:
    run_as(case, tdx)


def run_as(case: Case, of: ModuleType) -> None:
    """A case of TDX or, with its module, of SGX."""
    policy = of.Policy.decode(case.hex("policy"))
    assert policy.encode() == case.hex("policy")
    assert policy.id == case.hex("policy_id")
    reason = case.get("reason")
    if case.expect is None:
        verified = _decide(case, policy, of)
        assert verified.measurement == case.hex("log_digest")
        assert verified.binding == case.hex("binding")
        assert verified.not_after == case["not_after"]
        return
    with pytest.raises(case.expect, match=reason) as raised:
        _decide(case, policy, of)
    assert type(raised.value) is case.expect


def _decide(case: Case, policy: Any, of: ModuleType) -> Any:
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
    roots = of.Roots((case.hex("root_sha256"),))
    collateral = of.Collateral.decode(case.hex("collateral"))
    assert collateral.encode() == case.hex("collateral")
    verified = of.verify_collateral(collateral, roots=roots, at=at)
    return of.appraise(
        evidence,
        binding=bound(binding),
        policy=policy,
        collateral=verified,
        logged=logged,
        role=role,
        revocations=NO_REVOCATIONS,
        at=at,
    )

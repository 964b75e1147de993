"""Appraisals of NVIDIA's devices: evidence against nonces and policy, from bytes alone.

The root is a fake one, given by its SHA-256: nothing here is vouched for by NVIDIA.
"""

from __future__ import annotations

import pytest

from privproc.attestation import NO_REVOCATIONS
from privproc.attestation.binder import Binding, Direction
from privproc.attestation.nvidia import BootDevices, FreshDevices, Policy, Roots, appraise, appraise_boot
from privproc.secret import Secret
from privproc.vectors.case import Case


def run(case: Case) -> None:
    policy = Policy.decode(case.hex("policy"))
    assert policy.encode() == case.hex("policy")
    assert policy.id == case.hex("policy_id")
    reason = case.get("reason")
    if case.expect is None:
        found = _decide(case, policy)
        assert [each.measurement.hex() for each in found.devices] == case["measurements"]
        assert [each.identity.hex() for each in found.devices] == case["identities"]
        assert found.not_after == case["not_after"]
        if isinstance(found, FreshDevices):
            assert found.report_data == case.hex("report_data")
        return
    with pytest.raises(case.expect, match=reason) as raised:
        _decide(case, policy)
    assert type(raised.value) is case.expect


def _decide(case: Case, policy: Policy) -> FreshDevices | BootDevices:
    # Everything is read first, so that no field is left over when an early check refuses.
    at, roots, nonces = case["at"], Roots((case.hex("root_sha256"),)), case.get("nonces")
    devices = [(each["type"], bytes.fromhex(each["evidence"])) for each in case["devices"]]
    if nonces is None:
        binding = _binding(case["session"])
        return appraise(devices, binding=binding, policy=policy, roots=roots, revocations=NO_REVOCATIONS, at=at)
    signed = [bytes.fromhex(each) for each in nonces]
    return appraise_boot(devices, nonces=signed, policy=policy, roots=roots, revocations=NO_REVOCATIONS, at=at)


def _binding(session: dict[str, str]) -> Binding:
    return Binding(
        direction=Direction(session["direction"].encode()),
        sequence=int(session["sequence"]),
        role=session["role"],
        th1=bytes.fromhex(session["th1"]),
        exporter=Secret(bytes.fromhex(session["exporter"])),
        leaf=bytes.fromhex(session["leaf"]),
        peer=bytes.fromhex(session["peer"]),
        announcement=bytes.fromhex(session["announcement"]),
    )

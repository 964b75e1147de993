"""Evidence of GPUs between two enclaves: shown by either, committed to by its processor, and judged by the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from privproc.attestation import NO_REVOCATIONS, nvidia
from privproc.attestation.message import Attestation
from privproc.errors import UntrustedError, UsageError
from privproc.ratls import mutual
from tests.test_attestation import AT
from tests.test_mutual import FRONT, MODEL, appraise, report, responded
from tests.test_ratls import received
from tests.world.nvidia import FakeDevice, strict_policy
from tests.world.removed import removed

GPU = FakeDevice(AT)


def shown_gpu(step: mutual.Responding | mutual.Proving) -> None:
    step.show([(GPU.kind, GPU.evidence(step.device_nonce(0)))])


def judged_gpu(presented: mutual.PresentedServer | mutual.PresentedClient) -> nvidia.FreshDevices:
    return nvidia.appraise(
        presented.attestation.devices,
        binding=presented.binder,
        policy=strict_policy(GPU),
        roots=GPU.roots,
        revocations=NO_REVOCATIONS,
        at=AT,
    )


def presented_with_gpu() -> tuple[mutual.PresentedServer, mutual.Awaiting]:
    introduced, responding = responded()
    shown_gpu(responding)
    records, awaiting = responding.attest(Attestation(1, report(responding.report_data)))
    return introduced.receive(records), awaiting


def test_gpus_at_both_ends():
    presented, awaiting = presented_with_gpu()
    evidence = appraise(presented.attestation, presented.binding, MODEL)
    proving = presented.accept(evidence, machine=judged_gpu(presented), at=AT)
    assert proving.back_end.attestation.devices == presented.attestation.devices
    assert proving.beside is None
    shown_gpu(proving)
    last, channel = proving.attest(Attestation(1, report(proving.report_data)))
    client = awaiting.receive(last)
    evidence = appraise(client.attestation, client.binding, FRONT)
    other = client.accept(evidence, machine=judged_gpu(client), at=AT)
    channel.send(b"question")
    assert received(other.receive_data(channel.data_to_send())) == b"question"


@pytest.mark.parametrize("another", [False, True], ids=["none", "another session's"])
# req: privproc1/15.3 devices-are-judged
def test_a_gpu_that_nobody_appraised(another):
    presented, awaiting = presented_with_gpu()
    evidence = appraise(presented.attestation, presented.binding, MODEL)
    machine = judged_gpu(presented_with_gpu()[0]) if another else None
    with removed(mutual._Presented._check, "self.attestation.check_devices(machine, self.binding, at=at)"):
        proving = presented.accept(evidence, machine=machine, at=AT)
    shown_gpu(proving)
    last, _ = proving.attest(Attestation(1, report(proving.report_data)))
    client = awaiting.receive(last)
    with pytest.raises(UntrustedError, match="apprais"):
        client.accept(appraise(client.attestation, client.binding, FRONT), machine=machine, at=AT)
    presented, _ = presented_with_gpu()
    with pytest.raises(UntrustedError, match="apprais"):
        presented.accept(appraise(presented.attestation, presented.binding, MODEL), machine=machine, at=AT)


def test_devices_have_to_be_shown_before_the_hardware_signs():
    _, responding = responded()
    attestation = Attestation(1, report(responding.report_data), devices=((1, b"GPU"),))
    with pytest.raises(UsageError, match="before the hardware signs"):
        responding.attest(attestation)
    responding.attest(replace(attestation, devices=()))

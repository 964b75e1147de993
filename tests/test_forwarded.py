"""A back end's evidence at the device: what the device checks itself, and that it rests on exactly that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from privproc import ratls
from privproc.attestation import NO_REVOCATIONS, forwarded, nvidia, snp
from privproc.attestation.binder import Binding
from privproc.attestation.forwarded import (
    AHEAD,
    BACK_END,
    BackEnd,
    CommittedBackEnd,
    ForwardedEvidence,
    demand_back_ends,
    read_back_ends,
)
from privproc.attestation.message import Attestation
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PolicyError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.ratls import Identity, mutual
from privproc.vectors._straight import lp, sha256, sha384, t, u
from tests.test_attestation import AT
from tests.test_mutual import CLIENT, FRONT, FRONT_ID, GROUP, MODEL, MODEL_ID, SERVER, appraise, report
from tests.world.nvidia import FakeDevice, strict_policy
from tests.world.removed import removed

OTHER_ID = Identity.generate(at=AT, lifetime=60)
ASSISTANT = "assistant"


def back_end(front: Identity = FRONT_ID) -> BackEnd:
    """What the front end has once it has appraised the model, over a session in which it is the client."""
    hello, pending = ratls.connect(GROUP)
    flight, attesting = ratls.accept(MODEL_ID, hello, GROUP)
    records, introduced = mutual.introduce(pending.finish(flight), front, **CLIENT)
    responding = mutual.respond(attesting, MODEL_ID, records, **SERVER)
    records, _ = responding.attest(Attestation(1, report(responding.report_data), b"chain", b"proof"))
    presented = introduced.receive(records)
    return presented.accept(appraise(presented.attestation, presented.binding, MODEL), at=AT).back_end


BACK = back_end()


class Front(NamedTuple):
    """The device's session with the front end, whose evidence it has appraised."""

    evidence: snp.VerifiedEvidence
    binding: Binding
    devices: tuple[tuple[int, bytes], ...]


def front(*devices: tuple[int, bytes], identity: Identity = FRONT_ID, shown: Any = None) -> Front:
    hello, pending = ratls.connect(GROUP)
    flight, attesting = ratls.accept(identity, hello, GROUP)
    fields: dict[str, Any] = {"role": ASSISTANT, "th1": bytes(48), "announcement": b"keys"}
    evidence = report(attesting.bind(**fields, devices=devices))
    established = pending.finish(flight)
    report_data = established.bind(**fields, devices=devices)
    binding = established.binding(**fields)
    verified = appraise(Attestation(1, evidence), report_data, ASSISTANT)
    return Front(verified, binding, devices if shown is None else shown)


def committed(back: BackEnd = BACK, **kwargs: Any) -> CommittedBackEnd:
    (found,) = read_back_ends(*front(back.device, **kwargs), machine=None, at=AT)
    return found


def accepted(back: BackEnd = BACK, *, role: str = MODEL, maximum_age: int = 3600, at: int = AT) -> ForwardedEvidence:
    found = committed(back)
    evidence = appraise(found.attestation, found.binding, found.role)
    return found.accept(evidence, role=role, maximum_age=maximum_age, at=at)


def test_a_device_learns_of_the_back_end():
    found = committed()
    assert (found.role, found.attestation.endorsements, found.attestation.log_proof) == (MODEL, b"chain", b"proof")
    evidence = appraise(found.attestation, found.binding, MODEL)
    known = found.accept(evidence, role=MODEL, maximum_age=3600, at=AT)
    assert (known.role, known.measurement, known.since) == (MODEL, evidence.measurement, AT)
    assert known.front.role == ASSISTANT
    assert known.not_after == min(AT + 3600, evidence.not_after, known.front.not_after)
    demand_back_ends([known], [MODEL], at=AT)


def test_it_is_weaker_by_its_type():
    """It releases no channel, and is no evidence to whoever asks for evidence."""
    known = accepted()
    assert not isinstance(known, snp.VerifiedEvidence)
    hello, pending = ratls.connect(GROUP)
    flight, _ = ratls.accept(FRONT_ID, hello, GROUP)
    established = pending.finish(flight)
    established.bind(role=ASSISTANT, th1=bytes(48), announcement=b"")
    with pytest.raises(UsageError, match="appraised"):
        established.release(known, at=AT)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        ForwardedEvidence()


def test_by_hand():
    """docs/protocol.md §15.4 once more: the item of dev, and what the back end's hardware signed."""
    role, since = BACK.role.encode(), u(8, BACK.since)
    shown = BACK.attestation
    parts = u(2, shown.format) + lp(shown.evidence) + u(2, 0) + lp(shown.endorsements) + lp(shown.log_proof)
    encoded = lp(role) + since + BACK.th1 + BACK.exporter + lp(BACK.leaf) + parts
    assert BACK.device == (BACK_END, encoded) == (0x0100, BACK.encode())
    leaves = sha256(MODEL_ID.leaf), sha256(FRONT_ID.leaf)
    pre = t(b"pre", b"s2c", role, u(4, 0), BACK.th1, BACK.exporter, *leaves, b"")
    expected = b"privproc/1 bind\0" + t(b"bind", pre, u(2, 0))
    assert expected == BACK.binding(FRONT_ID.leaf) == shown.evidence[0x50:0x90]
    found = front(BACK.device)
    dev = u(2, 1) + lp(u(2, BACK_END) + sha384(encoded))
    assert found.evidence.binding == b"privproc/1 bind\0" + t(b"bind", found.binding.pre, dev)


# -- the commitment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shown",
    [
        (),
        (BACK.device, BACK.device),
        (replace(BACK, since=AT + 1).device,),
        ((BACK_END + 1, BACK.encode()),),
        (back_end().device,),
    ],
    ids=["left out", "twice", "changed", "another type", "another's"],
)
# req: privproc1/15.4 committed-to
def test_what_the_front_end_did_not_commit_to(shown):
    with pytest.raises(UntrustedError):
        read_back_ends(*front(BACK.device, shown=shown), machine=None, at=AT)


def test_the_commitment_is_what_is_checked():
    with removed(read_back_ends, "front.expect(binding.report_data(devices), at=at)"):
        read_back_ends(*front(shown=(BACK.device,)), machine=None, at=AT)


def test_a_front_end_past_its_time():
    found = front(BACK.device)
    with pytest.raises(ExpiredError):
        read_back_ends(*found, machine=None, at=found.evidence.not_after)


# req: privproc1/15.4 committed-to
def test_devices_that_are_none():
    with pytest.raises(UnsupportedError):
        read_back_ends(*front((1, b"a GPU's evidence")), machine=None, at=AT)
    with removed(read_back_ends, "any(kind != BACK_END for kind, _ in devices[own:])", "False"):
        read_back_ends(*front((1, BACK.encode())), machine=None, at=AT)


def test_no_back_ends_at_all():
    found = read_back_ends(*front(), machine=None, at=AT)
    assert found == ()
    with pytest.raises(PolicyError):
        demand_back_ends([], [MODEL], at=AT)


# -- the back end's own evidence --------------------------------------------------------------------------------------

LIES = {
    "role": "another",
    "th1": bytes(48),
    "exporter": bytes(32),
    "leaf": OTHER_ID.leaf,
}


@pytest.mark.parametrize("field", LIES)
def test_a_front_end_cannot_change_what_the_back_end_signed(field):
    found = committed(replace(BACK, **{field: LIES[field]}))
    evidence = appraise(found.attestation, found.attestation.evidence[0x50:0x90], found.role)
    with pytest.raises(UntrustedError, match="another session"):
        found.accept(evidence, role=found.role, maximum_age=3600, at=AT)
    found = committed(replace(BACK, **{field: LIES[field]}))
    with removed(CommittedBackEnd.accept, "evidence.expect(self.binding, at=at)"):
        found.accept(evidence, role=found.role, maximum_age=3600, at=AT)


# req: privproc1/15.4 the-front-ends-leaf
def test_a_back_end_of_another_front_end():
    """Its evidence names the certificate of the end that it talks to: not the one that this device talks to."""
    found = committed(back_end(OTHER_ID))
    evidence = appraise(found.attestation, found.attestation.evidence[0x50:0x90], MODEL)
    with pytest.raises(UntrustedError, match="another session"):
        found.accept(evidence, role=MODEL, maximum_age=3600, at=AT)


# req: privproc1/15.4 role-and-age
def test_another_role_than_asked_for():
    for found, evidence_role, role in ((committed(), MODEL, FRONT), (committed(), FRONT, MODEL)):
        evidence = appraise(found.attestation, found.binding, evidence_role)
        with pytest.raises(PolicyError, match="another role"):
            found.accept(evidence, role=role, maximum_age=3600, at=AT)
    found = committed()
    evidence = appraise(found.attestation, found.binding, MODEL)
    with removed(CommittedBackEnd.accept, "back_end.role != role or evidence.role != role", "False"):
        found.accept(evidence, role=FRONT, maximum_age=3600, at=AT)


@pytest.mark.parametrize(
    ("since", "at", "good"),
    [
        (AT, AT + 59, True),
        (AT, AT + 60, False),
        (AT + AHEAD, AT, True),
        (AT + AHEAD + 1, AT, False),
    ],
)
# req: privproc1/15.4 role-and-age
def test_how_old_it_may_be(since, at, good):
    back = replace(BACK, since=since)
    if good:
        assert accepted(back, maximum_age=60, at=at).since == since
        return
    with pytest.raises(ExpiredError):
        accepted(back, maximum_age=60, at=at)
    with removed(CommittedBackEnd.accept, 'check_window("back end\'s session", begin, end, at=at)'):
        accepted(back, maximum_age=60, at=at)


def test_it_ends():
    known = accepted(maximum_age=10)
    demand_back_ends([known], [MODEL], at=AT + 9)
    with pytest.raises(ExpiredError):
        demand_back_ends([known], [MODEL], at=AT + 10)


@pytest.mark.parametrize("roles", [[], [MODEL, MODEL], [MODEL, "search"], ["search"]])
# req: privproc1/15.4 exactly-the-demanded
def test_exactly_what_is_demanded(roles):
    with pytest.raises(PolicyError):
        demand_back_ends([accepted()], roles, at=AT)


def test_callers_mistakes():
    found = committed()
    evidence = appraise(found.attestation, found.binding, MODEL)
    with pytest.raises(UsageError, match="appraised"):
        found.accept(found.attestation, role=MODEL, maximum_age=1, at=AT)  # type: ignore[arg-type]
    for role, age in ("", 1), (MODEL, 0):
        with pytest.raises(UsageError, match="required"):
            found.accept(evidence, role=role, maximum_age=age, at=AT)
    found.accept(evidence, role=MODEL, maximum_age=1, at=AT)
    with pytest.raises(SpentError):
        found.accept(evidence, role=MODEL, maximum_age=1, at=AT)


# -- devices of either machine ----------------------------------------------------------------------------------------


def gpu(binding: Binding, serial: str = "0001") -> tuple[tuple[tuple[int, bytes], ...], nvidia.FreshDevices]:
    """One GPU's evidence for a session, and what was found about it."""
    device = FakeDevice(AT, serial)
    shown = ((device.kind, device.evidence(binding.device_nonce(0))),)
    kwargs: dict[str, Any] = {"policy": strict_policy(device), "roots": device.roots, "revocations": NO_REVOCATIONS}
    return shown, nvidia.appraise(shown, binding=binding, at=AT, **kwargs)


def front_with_gpu(*also: tuple[int, bytes]) -> tuple[Front, nvidia.FreshDevices]:
    hello, pending = ratls.connect(GROUP)
    flight, attesting = ratls.accept(FRONT_ID, hello, GROUP)
    fields: dict[str, Any] = {"role": ASSISTANT, "th1": bytes(48), "announcement": b"keys"}
    binding = attesting.binding(**fields)
    shown, machine = gpu(binding)
    report_data = binding.report_data((*shown, *also))
    verified = appraise(Attestation(1, report(report_data)), report_data, ASSISTANT)
    assert pending.finish(flight).binding(**fields).report_data(()) == binding.report_data(())
    return Front(verified, binding, (*shown, *also)), machine


def test_a_front_end_with_a_gpu_of_its_own():
    found, machine = front_with_gpu(BACK.device)
    (back_end,) = read_back_ends(*found, machine=machine, at=AT)
    assert back_end.role == MODEL
    with pytest.raises(UnsupportedError):
        read_back_ends(*found, machine=None, at=AT)


def test_other_devices_of_the_front_end_than_were_appraised():
    found, _ = front_with_gpu(BACK.device)
    for machine in (front_with_gpu()[1], gpu(found.binding, "0002")[1]):
        with pytest.raises(UntrustedError, match="other devices"):
            read_back_ends(*found, machine=machine, at=AT)
        fragment = "machine is not None and machine.report_data != binding.report_data(devices[:own])"
        with removed(read_back_ends, fragment, "False"):
            read_back_ends(*found, machine=machine, at=AT)


def back_end_with_gpu() -> tuple[BackEnd, nvidia.FreshDevices]:
    hello, pending = ratls.connect(GROUP)
    flight, attesting = ratls.accept(MODEL_ID, hello, GROUP)
    records, introduced = mutual.introduce(pending.finish(flight), FRONT_ID, **CLIENT)
    responding = mutual.respond(attesting, MODEL_ID, records, **SERVER)
    device = FakeDevice(AT)
    responding.show([(device.kind, device.evidence(responding.device_nonce(0)))])
    records, _ = responding.attest(Attestation(1, report(responding.report_data)))
    presented = introduced.receive(records)
    _, machine = gpu(presented.binder)
    evidence = appraise(presented.attestation, presented.binding, MODEL)
    return presented.accept(evidence, machine=machine, at=AT).back_end, machine


def test_a_back_end_with_a_gpu():
    back, machine = back_end_with_gpu()
    found = committed(back)
    assert BackEnd.decode(back.encode()) == back
    assert found.binder.report_data(back.attestation.devices) == found.binding == machine.report_data
    evidence = appraise(found.attestation, found.binding, MODEL)
    known = found.accept(evidence, machine=machine, role=MODEL, maximum_age=3600, at=AT)
    assert known.machine == machine
    assert known.not_after == machine.not_after < evidence.not_after


def test_a_gpu_of_a_back_end_that_nobody_appraised():
    back, _ = back_end_with_gpu()
    for machine in (None, front_with_gpu()[1]):
        found = committed(back)
        evidence = appraise(found.attestation, found.binding, MODEL)
        with pytest.raises(UntrustedError, match="apprais"):
            found.accept(evidence, machine=machine, role=MODEL, maximum_age=3600, at=AT)
        found = committed(back)
        with removed(CommittedBackEnd.accept, "self.attestation.check_devices(machine, self.binding, at=at)"):
            found.accept(evidence, machine=machine, role=MODEL, maximum_age=3600, at=AT)


def test_a_gpu_that_a_back_end_did_not_show():
    """Evidence of devices counts where it was committed to, and nowhere else."""
    found = committed()
    evidence = appraise(found.attestation, found.binding, MODEL)
    with pytest.raises(UntrustedError, match="other devices"):
        found.accept(evidence, machine=gpu(found.binder)[1], role=MODEL, maximum_age=3600, at=AT)


def test_a_gpu_of_a_back_end_past_its_time():
    back, machine = back_end_with_gpu()
    found = committed(back)
    evidence = appraise(found.attestation, found.binding, MODEL)
    with pytest.raises(ExpiredError, match="devices"):
        found.accept(evidence, machine=machine, role=MODEL, maximum_age=3600, at=machine.not_after)


# -- form -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        BACK.encode()[:-1],
        BACK.encode() + b"\0",
        lp(b"") + BACK.encode()[4 + len(MODEL) :],
        lp(b"\xff") + BACK.encode()[4 + len(MODEL) :],
    ],
    ids=["none", "cut", "trailing", "no role", "not UTF-8"],
)
def test_malformed(data):
    with pytest.raises(DecodeError):
        read_back_ends(*front((BACK_END, data)), machine=None, at=AT)


def test_the_exporter_value_does_not_show():
    assert BACK.exporter.hex() not in repr(BACK)
    assert forwarded.BACK_END == 0x0100

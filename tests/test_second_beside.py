"""The second implementation and what enclaves show beside their evidence: GPUs, and a model's enclave with its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest import mock

import pytest

from privproc.attestation.forwarded import BACK_END
from privproc.attestation.nvidia import Devices
from privproc.session import SUITES
from privproc.session.messages import Offer
from tests.second import directory, nvidia
from tests.second.directory import Service
from tests.second.wire import RefusedError, u16
from tests.test_second import Device, Piped, shipped
from tests.world.behind import Behind, Model
from tests.world.nvidia import FakeDevice, strict_policy
from tests.world.world import ROLE

AT = 1_800_000_000


@pytest.fixture
def device() -> Device:
    return Device(world=Behind)


@pytest.mark.parametrize("suite", SUITES, ids=["hybrid", "classic"])
def test_a_session_and_its_renewal(suite):
    device = Device(suite, world=Behind)
    session = device.session()
    assert session.state.fresh == AT + 600
    asking = session.ask(b"Which model?", AT, last=False)
    answer, session = asking.read(*device.send(asking.content), AT)
    assert answer.strip() == b"Which model?"
    device.world.at += 60
    renewing = session.renew(device.directory, AT + 60)
    session = renewing.read(*device.send(renewing.content), AT + 60)
    assert session.state.fresh == AT + 600  # the back end's, from when the front end had accepted it: 17 and 18


def test_a_pipe():
    piped = Piped(Device(world=Behind))
    (session,) = piped.events()
    session.ask(b"Which model?", AT, last=True)
    assert b"".join(piped.events()).strip() == b"Which model?"


def refused(device: Device, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        device.session()


def altered(device: Device, change: Callable[[tuple[tuple[int, bytes], ...]], tuple[tuple[int, bytes], ...]]) -> None:
    def tap(data: bytes) -> bytes:
        offer = Offer.decode(data)
        return replace(offer, devices=change(offer.devices)).encode()

    device.world.wire.taps["host → gateway"] = tap


def test_what_the_host_does_to_the_list(device):
    for change in (lambda items: (), lambda items: items[:1], lambda items: items[::-1], lambda items: items * 2):
        altered(device, change)
        refused(device, "d binding")


def shows(device: Device, *items: tuple[int, bytes]) -> mock._patch[object]:
    return mock.patch.object(device.world.machine, "beside", return_value=list(items))


def test_what_an_enclave_does_to_it(device):
    world = device.world
    (back_end,) = world.machine.back_ends
    gpu = (1, world.front_gpus[0].evidence(bytes(32)))
    cases = [
        ((gpu, back_end.device), "8 another nonce"),
        ((back_end.device,), "1 too few"),
        ((back_end.device, gpu), "1 too few"),
        (((3, gpu[1]), back_end.device), "1 another type"),
    ]
    for items, why in cases:
        with shows(device, *items):
            refused(device, why)
    show = world.machine.beside
    for more, why in [
        ([back_end.device], "18, 6"),
        ([(BACK_END + 1, back_end.encode())], "1 another type"),
        ([back_end.device, (BACK_END + 1, back_end.encode())], "18: another type"),
        ([replace(back_end, role="search").device], "no such role"),
        ([replace(back_end, since=AT - 3600).device], "18, 5"),
        ([replace(back_end, since=AT + 301).device], "18, 5"),
        ([replace(back_end, exporter=bytes(32)).device], "d binding"),
        ([replace(back_end, leaf=b"another").device], "d binding"),
        ([replace(back_end, attestation=replace(back_end.attestation, format=2)).device], "another format"),
        ([replace(back_end, attestation=replace(back_end.attestation, devices=())).device], "d binding"),
        ([(BACK_END, back_end.encode() + b"\0")], "left over"),
        ([(BACK_END, b"\0\0\0\1\xff" + back_end.encode()[9:])], "UTF-8"),
    ]:
        listed = show if why == "18, 6" else lambda opening: show(opening)[:1]
        with mock.patch.object(world.machine, "beside", lambda it, listed=listed, more=more: [*listed(it), *more]):
            refused(device, why)
    world.machine.back_ends = ()
    refused(device, "18, 6")


def test_back_ends_that_devices_would_not_take(device):
    world = device.world
    world.machine.back_ends = [Model(world).attach(world.front(b"another chip"))]
    refused(device, "d binding")
    world.model.gpus = world.model.gpus[:1]
    world.machine.back_ends = [world.model.attach(world.machine)]
    refused(device, "1 too few")


def demanding(device: Device, **changes: object) -> None:
    services = dict(device.directory.services)
    services[ROLE] = replace(services[ROLE], **changes)
    device.directory = replace(device.directory, services=services)


def test_what_the_directory_does_not_demand(device):
    policy = device.directory.services[ROLE].devices
    demanding(device, devices=None)
    refused(device, "17: devices that nobody asked for")
    demanding(device, devices=policy, back_ends=())
    refused(device, "18, 6")


def directory_of(world: Behind, *services: object) -> directory.Directory:
    world.contents = replace(world.contents, services=services)
    world.adopt(world.package(world.epoch))
    return directory.learn(shipped(world.anchors), directory.Kept(), world.fetch(), world.at)[0]


def test_demands_in_a_directory():
    world = Behind(AT, suite=SUITES[1])
    front, model = world.contents.services
    found = directory_of(world, front, model)
    assert [(s.devices is not None, s.back_ends) for s in found.services.values()] == [(True, ("model",)), (True, ())]
    plain = directory_of(world, replace(front, devices=None, back_ends=()), model).services[ROLE]
    assert isinstance(plain, Service)
    assert (plain.devices, plain.back_ends) == (None, ())


# The devices themselves.

GPU = FakeDevice(AT)
SWITCH = FakeDevice(AT, "1", "LS_10")
BLACKWELL = FakeDevice(AT, "2", "GB100")
NONCES = [bytes([n]) * 32 for n in (1, 2, 3)]
MACHINE = (GPU, SWITCH, BLACKWELL)
POLICY = strict_policy(*MACHINE)


def shown(*devices: FakeDevice, **changes: object) -> list[tuple[int, bytes]]:
    pairs = zip(devices, NONCES, strict=False)
    return [(device.kind, device.evidence(nonce, **changes)) for device, nonce in pairs]


def judged(devices, policy=POLICY, now=AT, roots=GPU.roots.pins, nonces=NONCES):
    return nvidia.appraise(devices, nonces[: len(devices)], nvidia.Policy.decode(policy.encode()), roots, now)


def test_devices_of_all_kinds():
    assert judged(shown(*MACHINE)) == AT + 600
    assert judged(shown(GPU), strict_policy(GPU, devices=Devices((GPU.identity,)))) == AT + 600


def test_a_decoder_that_is_off():
    measurements = {**GPU.measurements, 36: bytes(48)}
    off = {**GPU.opaque, 11: b"\x55"}
    policy = strict_policy(GPU)
    assert judged(shown(GPU, measurements=measurements, opaque=off), policy) == AT + 600
    with pytest.raises(RefusedError, match="11"):
        judged(shown(GPU, measurements=measurements), policy)


def chained(depth: int, **changes: object) -> list[tuple[int, bytes]]:
    chain = list(GPU.chain)
    chain[depth] = GPU.sign(depth, **changes)
    return [(1, GPU.evidence(NONCES[0], chain=tuple(chain)))]


@pytest.mark.parametrize(
    ("why", "make"),
    [
        ("1 another", lambda: ((4, shown(GPU)[0][1]),)),
        ("1 too few", lambda: shown(GPU, GPU)),
        ("3", lambda: [(1, BLACKWELL.evidence(NONCES[0], chain=(*GPU.chain[:4], GPU.certificate(3))))]),
        ("5", lambda: chained(0, signer="somebody")),
        ("5", lambda: chained(1, subject=b"\x30\x00")),
        ("5", lambda: chained(1, extensions=GPU.draft(0).extensions)),
        ("6", lambda: chained(0, extensions=GPU.draft(1).extensions)),
        ("7", lambda: [(1, GPU.evidence(NONCES[0], signer="somebody"))]),
        ("8", lambda: [(1, GPU.evidence(NONCES[1]))]),
        ("9", lambda: shown(GPU, opaque={**GPU.opaque, 20: bytes(48)})),
        ("10", lambda: shown(GPU, opaque={**GPU.opaque, 3: b"1.0"})),
        ("11", lambda: shown(GPU, measurements={**GPU.measurements, 1: bytes(48)})),
        ("opaque data twice", lambda: malformed(GPU)),
    ],
)
def test_a_device_that_is_not(why, make):
    with pytest.raises(RefusedError, match=f"^{why}"):
        judged(list(make()), strict_policy(GPU))


def malformed(device: FakeDevice) -> list[tuple[int, bytes]]:
    """Opaque data of one type twice, signed."""
    whole = device.report(NONCES[0])
    end = len(whole) - 96
    item = bytes.fromhex("0600") + u16(0x0800) + device.opaque[6]
    at = whole.index(item)
    size = int.from_bytes(whole[at - 2 : at], "little") + len(item)
    message = whole[: at - 2] + size.to_bytes(2, "little") + item + whole[at:end]
    evidence = device.signed(message)
    certificates = b"".join(u16(len(der)) + der for der in device.chain)
    return [(1, u16(len(evidence)) + evidence + certificates)]


def test_devices_twice_unlisted_or_late():
    twice = strict_policy(GPU, FakeDevice(AT, "9"))
    with pytest.raises(RefusedError, match="13 one"):
        judged(shown(GPU, GPU), twice)
    with pytest.raises(RefusedError, match="12 a"):
        judged(shown(GPU), strict_policy(GPU, devices=Devices((bytes(32),))))
    with pytest.raises(RefusedError, match="4 a"):
        judged(shown(GPU), strict_policy(GPU), now=AT - 90_000)


def test_both_read_one_policy():
    """And refuse every other encoding of it."""
    assert nvidia.Policy.decode(POLICY.encode()).max_age == POLICY.max_age
    encoded = POLICY.encode()
    for other in (b"\5" + encoded[1:], encoded + b"\0", encoded[:-4] + bytes(4), encoded[:1] + bytes(2) + encoded[3:]):
        with pytest.raises(RefusedError):
            nvidia.Policy.decode(other)

"""GPUs and back ends in a session: what the directory demands is shown, judged and kept; nothing less, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from privproc import ratls
from privproc.attestation import nitro, nvidia, tdx
from privproc.attestation.expectation import Level
from privproc.attestation.forwarded import BACK_END, BackEnd
from privproc.attestation.report import Refused, TrustAnchors
from privproc.errors import (
    DecodeError,
    ExpiredError,
    PeerError,
    PolicyError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.session import (
    Contents,
    EnclaveOpening,
    Service,
    Session,
    ask,
    ask_in,
    beside,
    drive,
    record,
    wrapped,
)
from privproc.session.messages import Forward, Offer, Open
from privproc.session.record import Record, replay
from privproc.vectors._straight import lp, sha256, sha384, t, u
from tests.world.behind import MODEL, Behind
from tests.world.device import Chat, Piped
from tests.world.enclave import Machine
from tests.world.nvidia import FakeDevice, strict_policy
from tests.world.relay import ROUTE
from tests.world.removed import removed
from tests.world.world import DAY, ROLE, SUITES, World

AT = 1_800_000_000
QUESTION = b"Which model answers this?"
WORLD = Behind(AT, suite=SUITES[1])
CHAT = Chat(WORLD)


@pytest.fixture
def world() -> Behind:
    return Behind(AT, suite=SUITES[1])


def offers(world: World) -> list[Offer]:
    found = [data for name, data in world.wire.crossings if name == "enclave → host"]
    return [Offer.decode(data) for data in found if data[:1] != b"\x17"]


def forward(world: World) -> Forward:
    """What the enclave was opened with."""
    return Forward.decode(next(data for name, data in world.wire.crossings if name == "host → enclave"))


def test_a_device_learns_of_gpus_and_of_the_model_behind(world: Behind) -> None:
    chat = Chat(world)
    live = chat.session
    assert live.devices is not None
    assert [found.identity for found in live.devices.devices] == [gpu.identity for gpu in world.front_gpus]
    (model,) = live.back_ends
    assert (model.role, model.since, model.front) == (MODEL, AT, live.evidence)
    assert model.machine is not None
    assert [found.identity for found in model.machine.devices] == [gpu.identity for gpu in world.model_gpus]
    assert live.fresh_until == live.devices.not_after == model.not_after == AT + 600
    assert chat.ask(QUESTION).startswith(b"Which model")


def test_a_pipe_carries_it_too(world: Behind) -> None:
    """And says what it was: at its beginning, after an answer, and after new evidence."""
    piped = Piped(world)
    opened = piped.open()
    assert opened.devices is not None
    assert [found.identity for found in opened.devices.devices] == [gpu.identity for gpu in world.front_gpus]
    (model,) = opened.back_ends
    assert (model.role, model.since, model.front) == (MODEL, AT, opened.evidence)
    assert [found.identity for found in model.machine.devices] == [gpu.identity for gpu in world.model_gpus]
    assert piped.ask(QUESTION).startswith(b"Which model")
    assert (piped.session.devices, piped.session.back_ends) == (opened.devices, opened.back_ends)
    piped.renew()
    renewed = piped.session
    assert [found.identity for found in renewed.devices.devices] == [gpu.identity for gpu in world.front_gpus]
    assert renewed.devices != opened.devices  # as of now
    assert [it.front for it in renewed.back_ends] == [renewed.evidence]


def test_the_simplest_call_says_it_too(world: Behind) -> None:
    directory = world.learn()
    flow = ask(directory, world.token(directory), QUESTION, role=ROLE, relay=ROUTE, anchors=world.anchors, at=AT)
    reply = drive(flow, world.send, world.now)
    assert reply.session is None
    assert reply.devices is not None
    assert [found.identity for found in reply.devices.devices] == [gpu.identity for gpu in world.front_gpus]
    (model,) = reply.back_ends
    assert (model.role, model.front) == (MODEL, reply.evidence)
    chat = Chat(world)
    live = chat.session
    reply = chat.drive(ask_in(live, directory, QUESTION, at=AT))
    assert (reply.devices, reply.back_ends) == (live.devices, live.back_ends)
    assert reply.devices is not None


def test_new_evidence_before_a_question_is_what_its_reply_says(world: Behind) -> None:
    chat = Chat(world)
    old = chat.session
    chat.ask(QUESTION)
    world.at = AT + 200
    chat.ask(QUESTION)
    world.at = chat.session.fresh_until = AT + 400
    reply = chat.drive(ask_in(chat.session, chat.directory, QUESTION, at=world.at))
    assert reply.evidence.binding != old.evidence.binding
    assert reply.devices not in (None, old.devices)
    assert [it.front for it in reply.back_ends] == [reply.evidence]


def test_a_service_that_demands_nothing_has_nothing() -> None:
    live = Chat(World(AT, suite=SUITES[1])).session
    assert (live.devices, live.back_ends) == (None, ())
    opened = Piped(World(AT, suite=SUITES[1])).open()
    assert (opened.devices, opened.back_ends) == (None, ())
    reply = World(AT, suite=SUITES[1]).run(QUESTION)
    assert (reply.devices, reply.back_ends) == (None, ())
    assert beside.Beside(None, ()).not_after > live.fresh_until


def test_open_says_that_evidence_beside_is_demanded() -> None:
    assert Open.decode(forward(WORLD).open).device_required
    plain = World(AT, suite=SUITES[1])
    Chat(plain)
    assert not Open.decode(forward(plain).open).device_required


def test_by_hand() -> None:
    """docs/protocol.md §2.5 once more: nonces of devices, their order, and what the hardware signed."""
    offer = offers(WORLD)[0]
    assert Record.of(CHAT.session).devices == offer.devices
    (kind, gpu), (last, model) = offer.devices
    assert (kind, last) == (1, BACK_END)
    found = Record.of(CHAT.session)
    th1 = t(b"open", *found.parts)
    leaf = sha256(found.leaf)
    pre = t(b"pre", b"s2c", ROLE.encode(), u(4, 0), th1, found.exporter, leaf, b"", found.announcement)
    dev = u(2, 2) + lp(u(2, 1) + sha384(gpu)) + lp(u(2, 0x0100) + sha384(model))
    assert offer.evidence[0x50:0x90] == b"privproc/1 bind\0" + t(b"bind", pre, dev)
    nonce = sha256(lp(b"privproc/1 dev") + lp(pre) + u(2, 0))
    assert nvidia.Report.decode(nvidia.Evidence.decode(gpu).report).nonce == nonce
    back_end = BackEnd.decode(model)
    shown = back_end.attestation
    leaves = sha256(back_end.leaf), leaf
    pre = t(b"pre", b"s2c", MODEL.encode(), u(4, 0), back_end.th1, back_end.exporter, *leaves, b"")
    dev = u(2, 2) + b"".join(lp(u(2, kind) + sha384(evidence)) for kind, evidence in shown.devices)
    assert shown.evidence[0x50:0x90] == b"privproc/1 bind\0" + t(b"bind", pre, dev)
    for index, (_, evidence) in enumerate(shown.devices):
        nonce = sha256(lp(b"privproc/1 dev") + lp(pre) + u(2, index))
        assert nvidia.Report.decode(nvidia.Evidence.decode(evidence).report).nonce == nonce


# Time.


def test_no_question_past_the_age_of_what_is_beside(world: Behind) -> None:
    """The enclave's own evidence would be good for an hour."""
    chat = Chat(world)
    chat.ask(QUESTION)
    world.at += 200
    chat.ask(QUESTION)
    chat.session.until = world.at = AT + 600
    chat.session.until += 1
    with pytest.raises(ExpiredError, match="beside"):
        chat.session.ask(QUESTION, at=world.at)
    with mock.patch.object(beside.Beside, "check"):
        chat.session.ask(QUESTION, at=world.at)


def test_without_devices_the_enclaves_policy_says_how_long() -> None:
    _, model = WORLD.contents.services
    assert replace(model, devices=None).age == model.policy.max_age == 3600
    assert replace(model, policy=replace(model.policy, max_age=60)).age == 60


def test_new_evidence_is_of_new_devices(world: Behind) -> None:
    chat = Chat(world)
    chat.ask(QUESTION)
    world.at += 250
    chat.renew()
    assert chat.session.devices is not None
    assert chat.session.devices.not_after == world.at + 600
    assert chat.session.back_ends[0].since == AT
    assert chat.session.fresh_until == AT + 600
    assert chat.ask(QUESTION)


def test_a_back_end_is_good_as_long_as_its_policy_says(world: Behind) -> None:
    """Whatever the front end shows: it may not use what it accepted any longer than that itself."""
    (back_end,) = world.machine.back_ends
    service = world.contents.service(MODEL)
    assert service.devices is not None
    age = service.devices.max_age
    assert age < service.policy.max_age
    world.machine.back_ends = [replace(back_end, since=AT - age + 1)]
    assert Chat(world).session.fresh_until == AT + 1
    world.machine.back_ends = [replace(back_end, since=AT - age)]
    with pytest.raises(ExpiredError, match="back end"):
        Chat(world)


class Server(Behind):
    """As they are sold: eight GPUs and four switches, and nothing behind."""

    def directory_contents(self, begins: int) -> Contents:
        contents = super().directory_contents(begins)
        front, model = contents.services
        return replace(contents, services=(replace(front, back_ends=()), model), down=1 << 17)

    @property
    def front_gpus(self) -> tuple[FakeDevice, ...]:
        gpus = tuple(FakeDevice(self.at, f"gpu {number}") for number in range(8))
        return gpus + tuple(FakeDevice(self.at, f"switch {number}", "LS_10") for number in range(4))

    def new_machine(self, *args: Any, **kwargs: Any) -> Machine:
        machine = super().new_machine(*args, **kwargs)
        machine.back_ends = ()
        return machine


def test_a_whole_server_fits_an_offer_and_a_renewal() -> None:
    chat = Chat(Server(AT, suite=SUITES[1]))
    assert chat.session.devices is not None
    assert len(chat.session.devices.devices) == 12
    offer = offers(chat.world)[0]
    assert sum(len(evidence) for _, evidence in offer.devices) > 1 << 16
    chat.renew()
    assert chat.ask(QUESTION)


# What is demanded, and by whom.


def demanding(world: Behind, **changes: Any) -> None:
    """Let the directory demand something else of the front end."""
    front, *others = world.contents.services
    world.contents = replace(world.contents, services=(replace(front, **changes), *others))
    world.adopt(world.package(world.epoch))


# req: privproc1/4.10 what-the-service-demands
def test_back_ends_without_devices(world: Behind) -> None:
    demanding(world, devices=None)
    world.machine.gpus = ()
    live = Chat(world).session
    assert live.devices is None
    assert [found.role for found in live.back_ends] == [MODEL]


def test_devices_without_back_ends(world: Behind) -> None:
    demanding(world, back_ends=())
    world.machine.back_ends = ()
    live = Chat(world).session
    assert live.devices is not None
    assert live.back_ends == ()


def test_a_back_end_without_devices(world: Behind) -> None:
    front, model = world.contents.services
    world.contents = replace(world.contents, services=(front, replace(model, devices=None)))
    world.adopt(world.package(world.epoch))
    with pytest.raises(PolicyError, match="doesn't ask for"):
        Chat(world)


# req: privproc1/4.10 machine-first
def test_a_device_among_the_back_ends(world: Behind) -> None:
    show = world.machine.beside
    with (
        mock.patch.object(world.machine, "beside", lambda opening: show(opening)[::-1]),
        pytest.raises(PolicyError, match="0 of type GPU"),
    ):
        Chat(world)
    demanding(world, devices=None)
    with (
        mock.patch.object(world.machine, "beside", lambda opening: show(opening)[::-1]),
        pytest.raises(UnsupportedError, match="not a back end"),
    ):
        Chat(world)


def test_a_back_end_of_a_role_that_the_directory_does_not_have(world: Behind) -> None:
    (back_end,) = world.machine.back_ends
    world.machine.back_ends = [replace(back_end, role="search")]
    with pytest.raises(UntrustedError, match="no role 'search'"):
        Chat(world)


# req: privproc1/15.4 judged-by-the-directory
def test_a_back_end_whose_evidence_is_of_another_format(world: Behind) -> None:
    (back_end,) = world.machine.back_ends
    world.machine.back_ends = [replace(back_end, attestation=replace(back_end.attestation, format=2))]
    with pytest.raises(UnsupportedError, match="format 2"):
        Chat(world)
    with removed(beside._back_end, "shown.format not in FORMATS", "False"):
        Chat(world)


def test_devices_of_a_vendor_whose_root_is_not_pinned(world: Behind) -> None:
    anchors = replace(world.anchors, device_roots=nvidia.NVIDIA_ROOTS)
    with (
        mock.patch.object(Behind, "anchors", anchors),
        pytest.raises(UntrustedError),
    ):
        Chat(world)


def test_a_directory_that_begins_to_demand(world: Behind) -> None:
    """Open isn't said again: a session from before ends at its renewal."""
    demanding(world, devices=None, back_ends=())
    chat = Chat(world)
    assert chat.session.back_ends == ()
    demanding(world, back_ends=(MODEL,))
    chat.directory = world.learn()
    with pytest.raises(PolicyError, match="back ends"):
        chat.renew()


def test_wrapped_mode_has_no_place_for_it(world: Behind) -> None:
    with pytest.raises(UnsupportedError, match="passport"):
        wrapped.nodes.verify_passport(passport(world), world.learn(), role=ROLE, anchors=world.anchors, at=AT)
    with removed(wrapped.nodes.verify_passport, "service.beside", "False"):
        wrapped.nodes.verify_passport(passport(world), world.learn(), role=ROLE, anchors=world.anchors, at=AT)


def passport(world: Behind) -> wrapped.Passport:
    node = wrapped.Node.generate(
        role=ROLE,
        log=world.measurements.log.key.name,
        namespace=world.contents.services[0].namespace,
        package=world.learn().package,
        suite=world.suite,
        not_before=AT - 60,
        not_after=AT + 3600,
        capacity=1,
    )
    report = world.machine.report(node.report_data)
    proof = world.measurements.prove(world.measured, AT)
    return wrapped.Passport(node.statement, report, world.machine.chip.endorsements.encode(), proof)


# req: privproc1/4.8 all-of-it-before-release
def test_no_session_before_all_of_it_was_judged(world: Behind) -> None:
    """The channel can't have been given away when the last check refuses."""
    world.machine.back_ends = ()
    with mock.patch.object(ratls.Established, "release") as release:
        with pytest.raises(PolicyError):
            Chat(world)
        assert not release.called
        with mock.patch.object(beside, "demand_back_ends"):
            Chat(world)
        assert release.called


# The enclave.


def opening(machine: Machine, *, asked: bool = True) -> EnclaveOpening:
    received = forward(WORLD)
    message = replace(Open.decode(received.open), device_required=asked)
    return machine.enclave.open(replace(received, open=message.encode()).encode(), at=AT)


# req: privproc1/4.6 shows-what-open-demands
def test_an_enclave_shows_what_is_asked_for_and_once(world: Behind) -> None:
    step = opening(world.machine)
    assert step.beside
    for early in (lambda: step.report_data, lambda: step.attest(b"evidence")):
        with pytest.raises(UsageError, match="show it first"):
            early()
    with pytest.raises(UsageError):
        step.show([])
    step.show([(BACK_END, b"one")])
    with pytest.raises(UsageError, match="once"):
        step.show([(BACK_END, b"two")])
    offer, _ = step.attest(b"evidence")
    assert Offer.decode(offer).devices == ((BACK_END, b"one"),)
    for late in (lambda: step.report_data, lambda: step.device_nonce(0), lambda: step.show([(1, b"")])):
        with pytest.raises(SpentError):
            late()


def test_an_enclave_shows_nothing_to_whom_nothing_was_promised(world: Behind) -> None:
    step = opening(world.machine, asked=False)
    assert step.beside is False
    with pytest.raises(UsageError):
        step.show([(BACK_END, b"one")])
    offer, _ = step.attest(b"evidence")
    assert Offer.decode(offer).devices == ()


def test_an_enclave_that_has_nothing_to_show_says_so() -> None:
    with pytest.raises(UnsupportedError):
        opening(World(AT, suite=SUITES[1]).machine)


def test_nothing_secret_shows(world: Behind) -> None:
    step = opening(world.machine)
    assert repr(step._look().proof) == "<Proof>"


# The directory.


def decoded(world: Behind, *services: Service) -> Contents:
    return Contents.decode(replace(world.contents, services=services).encode())


def test_what_a_service_may_demand() -> None:
    front, model = WORLD.contents.services
    assert Contents.decode(WORLD.contents.encode()) == WORLD.contents
    assert (front.back_ends, front.beside, model.beside) == ((MODEL,), True, True)
    plain = replace(model, devices=None)
    assert not plain.beside
    assert decoded(WORLD, replace(front, devices=None), plain).services[1] == plain


@pytest.mark.parametrize("back_ends", [("search",), (ROLE,), (MODEL, MODEL), ("relay",)])
# req: privproc1/3.2 back-ends-are-services
def test_back_ends_that_a_directory_cannot_name(back_ends: Sequence[str]) -> None:
    front, model = WORLD.contents.services
    middle = replace(front, role="relay", back_ends=(MODEL,))
    with pytest.raises(PolicyError, match="back ends"):
        replace(WORLD.contents, services=(replace(front, back_ends=tuple(back_ends)), model, middle))


ENCODED = WORLD.contents.encode()
BACK_ENDS = b"\x69back_ends\x81\x65model"


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (BACK_ENDS, b"\x69back_ends\x80", DecodeError),
        (BACK_ENDS, b"\x69back_ends\x65model", DecodeError),
        (BACK_ENDS, b"\x69back_ends\x81\x60", DecodeError),
        (BACK_ENDS, b"\x69back_ends\x81\x45model", DecodeError),
        (BACK_ENDS, b"\x69back_endz\x81\x65model", DecodeError),
        (BACK_ENDS, b"\x69back_ends\x81\x65modal", PolicyError),
        (b"\x67devices\x59", b"\x67devicez\x59", DecodeError),
    ],
)
def test_what_is_no_demand(old: bytes, new: bytes, error: type[PeerError]) -> None:
    assert old in ENCODED
    with pytest.raises(error) as raised:
        Contents.decode(ENCODED.replace(old, new, 1))
    assert type(raised.value) is error


def test_a_policy_for_devices_is_never_empty() -> None:
    front = WORLD.contents.services[0]
    assert front.devices is not None
    policy = front.devices.encode()
    head = b"\x67devices\x59" + u(2, len(policy))
    with pytest.raises(DecodeError):
        Contents.decode(ENCODED.replace(head + policy, b"\x67devices\x40", 1))


# Records.

RECORD = Record.of(CHAT.session)


def trusted(world: Behind = WORLD) -> TrustAnchors:
    logs = tuple(world.anchors.logs.values())
    roots = world.anchors.device_roots
    return TrustAnchors(amd=world.amd.roots, intel=tdx.INTEL_ROOTS, aws=nitro.AWS_ROOTS, logs=logs, nvidia=roots)


def test_an_auditor_judges_all_of_it_again() -> None:
    read = Record.decode(RECORD.encode())
    assert read == RECORD
    assert replay(read, anchors=trusted()).level is Level.SESSION
    assert [report.case.role for report, _ in read.back_ends] == [MODEL]


def test_a_renewal_has_a_record_of_it() -> None:
    live: Session = CHAT.session
    chat = Chat(WORLD)
    chat.renew()
    again = Record.of(chat.session)
    assert replay(Record.decode(again.encode()), anchors=trusted())
    assert again.devices[1] == Record.of(live).devices[1]
    assert again.devices[0] != Record.of(live).devices[0]


((REPORT, POLICY),) = RECORD.back_ends
OTHER = strict_policy(FakeDevice(AT, "x", "GB100"), FakeDevice(AT, "y", "GB100"), FakeDevice(AT, "z", "GB100"))
LATER = replace(REPORT, case=replace(REPORT.case, at=AT + 1))

FORGED: dict[str, tuple[Record, type[PeerError], str]] = {
    "no devices": (replace(RECORD, devices=()), UntrustedError, "other rules"),
    "one device less": (replace(RECORD, devices=RECORD.devices[:1]), UntrustedError, "not bound"),
    "devices exchanged": (replace(RECORD, devices=RECORD.devices[::-1]), UntrustedError, "not bound"),
    "nobody judged the GPU": (replace(RECORD, device_policy=None), UntrustedError, "nobody judged"),
    "judged as another machine": (replace(RECORD, device_policy=OTHER), PolicyError, "of type GPU"),
    "nobody judged the back end": (replace(RECORD, back_ends=()), UntrustedError, "for each back end"),
    "judged twice": (replace(RECORD, back_ends=RECORD.back_ends * 2), UntrustedError, "for each back end"),
    "another's report": (replace(RECORD, back_ends=((RECORD.report, POLICY),)), UntrustedError, "this back end"),
    "judged later": (replace(RECORD, back_ends=((LATER, POLICY),)), UntrustedError, "this back end"),
    "nobody judged its GPUs": (replace(RECORD, back_ends=((REPORT, None),)), UntrustedError, "nobody judged"),
    "its GPUs judged as others": (replace(RECORD, back_ends=((REPORT, OTHER),)), PolicyError, "of type GPU"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_record_that_says_something_else(name: str) -> None:
    forged, error, why = FORGED[name]
    with pytest.raises(error, match=why):
        replay(forged, anchors=trusted())


def test_a_record_of_a_back_end_bound_to_something_else() -> None:
    binding = replace(REPORT.case.binding, report_data=bytes(63) + b"\1")
    report = replace(REPORT, case=replace(REPORT.case, binding=binding))
    with pytest.raises(UntrustedError, match="this back end"):
        replay(replace(RECORD, back_ends=((report, POLICY),)), anchors=trusted())
    key = replace(REPORT, case=replace(REPORT.case, binding=replace(REPORT.case.binding, level=Level.KEY)))
    with pytest.raises(UntrustedError, match="this back end"):
        replay(replace(RECORD, back_ends=((key, POLICY),)), anchors=trusted())


def test_a_record_of_a_back_end_that_was_refused() -> None:
    case = replace(REPORT.case, policy=replace(REPORT.case.policy, vmpl=3))  # type: ignore[arg-type]
    report = record.examine(case)
    assert isinstance(report.verdict, Refused)
    with pytest.raises(UntrustedError, match="was refused"):
        replay(replace(RECORD, back_ends=((report, POLICY),)), anchors=trusted())


def test_a_record_of_a_back_end_past_its_age(world: Behind) -> None:
    """Only a device that didn't look would have such a session."""
    (back_end,) = world.machine.back_ends
    world.machine.back_ends = [replace(back_end, since=AT - DAY)]
    with (
        mock.patch.object(beside.ForwardedEvidence, "expect"),
        removed(beside.CommittedBackEnd.accept, 'check_window("back end\'s session", begin, end, at=at)'),
    ):
        live = Chat(world).session
    with pytest.raises(ExpiredError, match="back end"):
        replay(Record.of(live), anchors=trusted(world))


def test_a_device_among_the_back_ends_of_a_record(world: Behind) -> None:
    """Likewise."""
    show = world.machine.beside
    demanding(world, devices=None)
    world.machine.gpus = ()
    with (
        mock.patch.object(world.machine, "beside", lambda opening: [*show(opening), (7, show(opening)[0][1])]),
        removed(beside.read_back_ends, "any(kind != BACK_END for kind, _ in devices[own:])", "False"),
        mock.patch.object(beside, "demand_back_ends"),
    ):
        live = Chat(world).session
    found = Record.of(live)
    assert [kind for kind, _ in found.devices] == [BACK_END, 7]
    with pytest.raises(UntrustedError, match="for each back end"):
        replay(found, anchors=trusted(world))
    twice = replace(found, back_ends=found.back_ends * 2)
    with pytest.raises(UntrustedError, match="for each back end"):
        replay(twice, anchors=trusted(world))


def test_open_and_devices_of_a_record_fit() -> None:
    """A record without devices, of a device that demanded some, is none."""
    package, outer, message = RECORD.parts
    silent = replace(Open.decode(message), device_required=False).encode()
    with pytest.raises(UntrustedError, match="other rules"):
        replay(replace(RECORD, parts=(package, outer, silent)), anchors=trusted())

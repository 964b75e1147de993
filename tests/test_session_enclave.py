"""The enclave's steps: whom it serves, when, and that it sees one whole request or nothing."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from privproc import ratls, responsekey, session
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    OpenError,
    PeerError,
    PolicyError,
    SpentError,
    UnsupportedError,
    UsageError,
)
from privproc.responsekey import Announcement, AnswerData, AnswerEnd, Context
from privproc.responsekey.request import EXPORTER_LABEL, exporter_context
from privproc.session import Asked, AwaitingRequest, Enclave, EnclaveOpening
from privproc.session.frames import Kind, frame
from privproc.session.messages import RECORDS_LIMIT, Forward, Offer, Open
from privproc.session.profile import LIFETIME, REQUESTS, SUITES, WAIT
from tests.world.world import NAMESPACE, ROLE, World

AT = 1_800_000_000
WORLD = World(AT, suite=SUITES[1])
GROUP = ratls.Group.X25519MLKEM768


def enclave(**changes: Any) -> Enclave:
    return replace(WORLD.machine.enclave, **changes)


class Device:
    """The device's end of TLS and of the request, without the gateway between."""

    def __init__(self, **changes: Any) -> None:
        hello, self.tls = ratls.connect(GROUP)
        self.open = replace(
            Open(
                role=ROLE,
                log=WORLD.measurements.log.key.name,
                namespace=NAMESPACE,
                formats=(1,),
                device_required=False,
                policy_id=bytes(32),
                nonce=bytes(32),
                suites=tuple((int(suite.kem), int(suite.kdf), int(suite.aead)) for suite in SUITES),
                client_hello=hello,
            ),
            **changes,
        )
        self.forward = Forward(b"p" * 48, b"o" * 48, self.open.encode())

    def establish(self, opening: EnclaveOpening) -> AwaitingRequest:
        """Appraises nothing: takes the channel as the check would give it."""
        report_data = opening.report_data
        offer, waiting = opening.attest(b"evidence")
        self.offer = Offer.decode(offer)
        established = self.tls.finish(self.offer.flight)
        self.channel = ratls.Channel(established._take())
        self.announcement = Announcement.decode(self.offer.announcement)
        self.th1 = session.transcript.opened(b"p" * 48, b"o" * 48, self.open.encode())
        self.th2 = session.transcript.attested(self.th1, report_data, 1, b"evidence")
        return waiting

    def seal(self, question: bytes, kind: Kind = Kind.LAST) -> tuple[bytes, responsekey.Answer]:
        exporter = self.channel.export(EXPORTER_LABEL, exporter_context(self.th2, 0), 48)
        context = Context(self.th2, 0, b"", exporter)
        sealed, answer = responsekey.seal_request(context, self.announcement.suite, self.announcement.key, question)
        return frame(kind, sealed), answer

    def records(self, data: bytes) -> bytes:
        if data:
            self.channel.send(data)
        return self.channel.data_to_send()


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kem.name)
def test_from_open_to_the_end_of_the_answer(suite: Any) -> None:
    device = Device()
    waiting = device.establish(enclave(suites=(suite,)).open(device.forward.encode(), at=AT))
    assert device.announcement.suite == suite
    assert (device.announcement.max_requests, device.announcement.lifetime) == (REQUESTS, LIFETIME)
    assert (device.offer.format, device.offer.evidence, device.offer.devices) == (1, b"evidence", ())
    sealed, answer = device.seal(b"question")
    asked = waiting.receive(device.records(sealed), at=AT + WAIT - 1)
    assert isinstance(asked, Asked)
    assert asked.question == b"question"
    reply = asked.reply
    events: list[Any] = []
    for records in (reply.send(b"one "), reply.send(b"two "), reply.finish(b"three", at=AT)[0]):
        for event in device.channel.receive_data(records):
            if isinstance(event, ratls.DataReceived):
                events += answer.receive_data(event.data)
    events += answer.receive_end()
    assert events == [AnswerData(b"one "), AnswerData(b"two "), AnswerData(b"three"), AnswerEnd(None)]
    assert device.channel.receive_data(b"") == []
    with pytest.raises(SpentError):
        reply.send(b"more")
    with pytest.raises(SpentError):
        reply.finish(at=AT)


def test_report_data_commits_to_this_session() -> None:
    device = Device()
    opening = enclave().open(device.forward.encode(), at=AT)
    hello, flight = opening._state[0], opening._state[0].flight
    established = device.tls.finish(flight)
    th1 = session.transcript.opened(b"p" * 48, b"o" * 48, device.open.encode())
    assert established.bind(role=ROLE, th1=th1, announcement=hello.proof.binding.announcement) == opening.report_data
    assert len(opening.report_data) == 64
    assert enclave().open(device.forward.encode(), at=AT).report_data != opening.report_data


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"role": "translate"}, PolicyError),
        ({"log": "other.log"}, PolicyError),
        ({"namespace": "other/enclaves"}, PolicyError),
        ({"formats": (2,)}, UnsupportedError),
        ({"device_required": True}, UnsupportedError),
        ({"suites": ((0x10, 1, 1),)}, UnsupportedError),
        ({"suites": ((0x20, 1, 2),)}, UnsupportedError),
        ({"client_hello": b"hello"}, DecodeError),
    ],
)
# req: privproc1/4.6 serves-its-own-only
# req: privproc1/4.6 format-is-listed
def test_whom_an_enclave_does_not_serve(change: dict[str, Any], error: type[PeerError]) -> None:
    with pytest.raises(error) as raised:
        enclave().open(Device(**change).forward.encode(), at=AT)
    assert type(raised.value) is error


@pytest.mark.parametrize("demanded", [False, True])
# req: privproc1/4.6 shows-what-open-demands
def test_evidence_beside_is_shown_where_open_demands_it(demanded: bool) -> None:
    device = Device(device_required=demanded)
    opening = enclave(beside=True).open(device.forward.encode(), at=AT)
    assert opening.beside is demanded
    shown = ((1, b"gpu"),)
    if demanded:
        with pytest.raises(UsageError, match="demanded beside"):
            opening.attest(b"evidence")
        opening.show(shown)
    else:
        with pytest.raises(UsageError, match="an end that demands them"):
            opening.show(shown)
    device.establish(opening)
    assert device.offer.devices == (shown if demanded else ())


# req: privproc1/4.6 role-is-the-enclaves-own
def test_a_role_is_the_enclaves_own() -> None:
    with pytest.raises(PolicyError):
        enclave(role="translate").open(Device().forward.encode(), at=AT)


# req: privproc1/4.6 format-is-listed
def test_another_evidence_format_among_several_will_do() -> None:
    assert enclave().open(Device(formats=(7, 1)).forward.encode(), at=AT)


@pytest.mark.parametrize("order", [SUITES, SUITES[::-1]], ids=["hybrid first", "classic first"])
# req: privproc1/4.6 own-preference
def test_the_enclaves_order_of_suites_counts(order: Any) -> None:
    device = Device()
    device.establish(enclave(suites=order).open(device.forward.encode(), at=AT))
    assert device.announcement.suite == order[0]


@pytest.mark.parametrize(
    ("forward", "error"),
    [
        (b"", DecodeError),
        (bytes(2143), DecodeError),
        (bytes(2145), DecodeError),
        (bytes(2144), UnsupportedError),
        (bytes(96) + b"\0\1" + bytes(2046), DecodeError),
    ],
)
def test_what_is_no_forward(forward: bytes, error: type[PeerError]) -> None:
    with pytest.raises(error):
        enclave().open(forward, at=AT)


# req: privproc1/4.6 one-use-of-evidence
# req: privproc1/9.3 enclave-states
def test_evidence_is_taken_once() -> None:
    opening = enclave().open(Device().forward.encode(), at=AT)
    opening.attest(b"evidence")
    with pytest.raises(SpentError):
        opening.attest(b"evidence")


@pytest.fixture
def waiting() -> tuple[Device, AwaitingRequest]:
    device = Device()
    return device, device.establish(enclave().open(device.forward.encode(), at=AT))


@pytest.mark.parametrize("at", [AT + WAIT, -1])
# req: privproc1/4.6 waits-a-minute
def test_a_late_request(waiting: tuple[Device, AwaitingRequest], at: int) -> None:
    device, step = waiting
    records = device.records(device.seal(b"question")[0])
    with pytest.raises(ExpiredError, match=r"^session is "):
        step.receive(records, at=at)
    with pytest.raises(SpentError):  # one try
        step.receive(records, at=AT)


# req: privproc1/4.6 waits-a-minute
def test_a_request_at_0() -> None:
    """Whatever a clock counts from: times begin there, and include it."""
    device = Device()
    step = device.establish(enclave().open(device.forward.encode(), at=0))
    assert isinstance(step.receive(device.records(device.seal(b"question")[0]), at=0), Asked)


@pytest.mark.parametrize(
    ("kind", "requests", "goes_on"), [(Kind.REQUEST, 2, True), (Kind.REQUEST, 1, False), (Kind.LAST, 2, False)]
)
def test_whether_a_session_goes_on(kind: Kind, requests: int, goes_on: bool) -> None:
    device = Device()
    step = device.establish(enclave(requests=requests).open(device.forward.encode(), at=AT))
    asked = step.receive(device.records(device.seal(b"question", kind)[0]), at=AT)
    assert isinstance(asked, Asked)
    assert asked.reply.goes_on is goes_on
    _, following = asked.reply.finish(at=AT)
    assert (following is not None) is goes_on


def test_a_session_that_the_device_closed(waiting: tuple[Device, AwaitingRequest]) -> None:
    device, step = waiting
    records = device.records(device.seal(b"question")[0])
    device.channel.close()
    with pytest.raises(DecodeError, match="closed the session"):
        step.receive(records + device.records(b""), at=AT)


# req: privproc1/5.3 no-early-close
def test_a_close_in_place_of_the_request(waiting: tuple[Device, AwaitingRequest]) -> None:
    device, step = waiting
    device.channel.close()
    with pytest.raises(DecodeError, match="closed the session"):
        step.receive(device.records(b""), at=AT)


@pytest.mark.parametrize("cut", [0, 1, 4, 40, -1])
def test_an_incomplete_request(waiting: tuple[Device, AwaitingRequest], cut: int) -> None:
    device, step = waiting
    with pytest.raises(DecodeError):
        step.receive(device.records(device.seal(b"question")[0][:cut]), at=AT)


# req: privproc1/5.3 one-frame-at-a-time
def test_a_request_with_more_behind_it(waiting: tuple[Device, AwaitingRequest]) -> None:
    device, step = waiting
    with pytest.raises(DecodeError, match="after the end"):
        step.receive(device.records(device.seal(b"question")[0] + b"\0"), at=AT)


@pytest.mark.parametrize("records", [b"", b"\x17\x03\x03\0\x20" + bytes(32), b"garbage", bytes(5000)])
def test_records_that_are_none(waiting: tuple[Device, AwaitingRequest], records: bytes) -> None:
    _, step = waiting
    with pytest.raises((DecodeError, OpenError)):
        step.receive(records, at=AT)


@pytest.mark.parametrize("position", [7, -1, -5000])
def test_records_that_were_altered(waiting: tuple[Device, AwaitingRequest], position: int) -> None:
    device, step = waiting
    records = bytearray(device.records(device.seal(b"question" * 1000)[0]))
    records[position] ^= 1
    with pytest.raises((DecodeError, OpenError)):
        step.receive(bytes(records), at=AT)


def test_a_request_of_another_session(waiting: tuple[Device, AwaitingRequest]) -> None:
    """Sealed rightly but for the session: TLS alone is not enough."""
    device, step = waiting
    other = Device()
    other.establish(enclave().open(other.forward.encode(), at=AT))
    for sealed in (other.seal(b"question")[0],):
        with pytest.raises(OpenError):
            step.receive(device.records(sealed), at=AT)


# req: privproc1/9.3 enclave-states
def test_nothing_shows_and_nothing_is_copied(waiting: tuple[Device, AwaitingRequest]) -> None:
    device, step = waiting
    opening = enclave().open(Device().forward.encode(), at=AT)
    assert repr(opening._look()) == "<_Opened>"
    assert (repr(opening), repr(step)) == ("<EnclaveOpening ready>", "<AwaitingRequest ready>")
    things: list[Any] = [opening, step]
    asked = step.receive(device.records(device.seal(b"question")[0]), at=AT)
    assert isinstance(asked, Asked)
    reply = asked.reply
    assert repr(asked) == "Asked(reply=<EnclaveReply>)"
    for thing in (*things, reply):
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(UsageError):
                attempt(thing)


CHANGE_CIPHER_SPEC = b"\x14\x03\x03\0\1\1"


@pytest.mark.parametrize("step", [1, 6, 100, 1 << 20])
@pytest.mark.parametrize(
    "flight",
    [
        CHANGE_CIPHER_SPEC * 4000,
        CHANGE_CIPHER_SPEC + b"\x17\x03\x03\x40\0" + bytes(1 << 14),
        b"\x14\x03\x03\x40\0" + bytes(1 << 14),
    ],
    ids=["many", "long", "long ccs"],
)
# req: privproc1/5.3 finished-comes-first
def test_what_comes_before_finished_is_bounded(
    waiting: tuple[Device, AwaitingRequest], flight: bytes, step: int
) -> None:
    """However it comes, no more than that is taken: a token must not buy memory."""
    _, awaiting = waiting
    taken = 0
    with pytest.raises(LimitError, match=r"^client flight"):
        for start in range(0, len(flight), step):
            assert awaiting.receive_data(flight[start : start + step], at=AT) is None
            taken += step
    assert taken <= ratls.MAX_CLIENT_FLIGHT
    with pytest.raises(SpentError):
        awaiting.receive_data(b"", at=AT)


# req: privproc1/5.3 finished-comes-first
def test_a_long_flight_before_finished_is_refused_whatever_follows(waiting: tuple[Device, AwaitingRequest]) -> None:
    device, awaiting = waiting
    records = device.records(device.seal(b"question")[0])
    assert records.startswith(CHANGE_CIPHER_SPEC)
    with pytest.raises(LimitError):
        awaiting.receive(CHANGE_CIPHER_SPEC * (ratls.MAX_CLIENT_FLIGHT // 6) + records, at=AT)


# req: privproc1/5.3 requests-are-bounded
def test_records_that_say_nothing_are_bounded(waiting: tuple[Device, AwaitingRequest]) -> None:
    """TLS answers each request for a new key, so what comes and never is a frame would add up, in memory, too."""
    device, awaiting = waiting
    flight = device.records(b"")
    assert awaiting.receive_data(flight, at=AT) is None
    room = RECORDS_LIMIT - len(flight)
    with mock.patch.object(ratls.Channel, "receive_data", return_value=[]):
        for piece in (bytes(1 << 16), bytes(room - (1 << 16))):
            assert awaiting.receive_data(piece, at=AT) is None
        with pytest.raises(LimitError, match=r"^request: "):
            awaiting.receive_data(b"\0", at=AT)
    with pytest.raises(SpentError):
        awaiting.receive_data(b"", at=AT)


@pytest.mark.parametrize("step", [1, 5, 80, 81, 1000, 1 << 20])
# req: privproc1/5.3 finished-comes-first
def test_any_split_of_a_request(waiting: tuple[Device, AwaitingRequest], step: int) -> None:
    device, awaiting = waiting
    records = device.records(device.seal(b"question" * 4000)[0])
    found = [awaiting.receive_data(records[start : start + step], at=AT) for start in range(0, len(records), step)]
    assert found[:-1] == [None] * (len(found) - 1)
    asked = found[-1]
    assert isinstance(asked, Asked)
    assert asked.question == b"question" * 4000


# req: privproc1/5.3 finished-comes-first
def test_a_finished_that_is_whole_is_judged_at_once(waiting: tuple[Device, AwaitingRequest]) -> None:
    device, awaiting = waiting
    flight = device.records(b"")
    assert awaiting.receive_data(flight[:-1], at=AT) is None
    with pytest.raises(OpenError):
        awaiting.receive_data(bytes([flight[-1] ^ 1]), at=AT)


@pytest.mark.parametrize("step", [1, 4, 7, 1000])
@pytest.mark.parametrize("kind", [0, 21, 22, 255])
# req: privproc1/5.3 finished-comes-first
def test_another_record_before_finished(waiting: tuple[Device, AwaitingRequest], kind: int, step: int) -> None:
    _, awaiting = waiting
    flight = CHANGE_CIPHER_SPEC + bytes([kind]) + b"\x03\x03\0\2\2\x32"
    with pytest.raises(DecodeError, match=f"client flight: a record of type {kind} before Finished"):
        for start in range(0, len(flight), step):
            awaiting.receive_data(flight[start : start + step], at=AT)

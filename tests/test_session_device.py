"""The device's steps: what it checks before it asks, and what it accepts as an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privproc import hpke, ohttp, session
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    OpenError,
    PeerError,
    PolicyError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.http import Request, Response
from privproc.responsekey import Announcement, AnswerData, OneTimeKey
from privproc.session import AnswerComplete
from privproc.session.attested import Attested
from privproc.session.messages import Offer
from privproc.session.profile import ANSWER_SIZES, LEASE, SUITES, WAIT
from privproc.tokens import BoundToken
from tests.world.relay import ROUTE
from tests.world.world import DOWN, ROLE, UP, World

AT = 1_800_000_000
QUESTION = b"When does the boat leave the harbour? The harbour is small."
ANSWER = b"When does the boat leave the harbour?\nThe harbour is small.\n"


@pytest.fixture
def world() -> World:
    return World(AT)


def begin(world: World, **changes: Any) -> tuple[Request, session.Opening]:
    directory = world.learn()
    demanded = {"role": ROLE, "relay": ROUTE, "anchors": world.anchors, "at": AT} | changes
    return session.begin(directory, world.token(directory), **demanded)


def opened(world: World) -> session.Session:
    request, opening = begin(world)
    return opening.finish(world.send(request), at=AT)


def asked(world: World, question: bytes = QUESTION) -> tuple[Response, session.AnswerChannel]:
    request, answer = opened(world).ask(question, at=AT)
    return world.send(request), answer


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kem.name)
def test_one_private_request(suite: hpke.Suite) -> None:
    world = World(AT, suite=suite)
    reply = world.run(QUESTION)
    assert reply.content == ANSWER
    assert reply.evidence.measurement == world.machine.measurement
    first, second = (size for size in world.wire.sizes("device → relay") if size)
    assert first == UP
    assert second != UP
    assert world.wire.sizes("relay → device")[-2] == DOWN
    assert ANSWER.decode() not in repr(reply)


# req: privproc1/4.4 nothing-else-to-the-relay
def test_requests_to_the_relay_have_one_form(world: World) -> None:
    request, opening = begin(world)
    second, _ = opening.finish(world.send(request), at=AT).ask(QUESTION, at=AT)
    for it in (request, second):
        assert replace(it, content=b"") == Request(
            "POST", "https", "relay.example", "/ohttp", ((b"content-type", b"message/ohttp-req"),)
        )
    assert request.content[:7] == second.content[:7]  # the key and the suite, the same for everybody


# begin


# req: privproc1/4.1 checks-before-the-token
def test_a_role_that_the_directory_does_not_list(world: World) -> None:
    with pytest.raises(UntrustedError, match="no role"):
        begin(world, role="translate")


# req: privproc1/4.1 checks-before-the-token
def test_a_token_of_another_issuer_gateway_or_epoch(world: World) -> None:
    directory = world.learn()
    good, key = world.token(directory).spend()
    for changes in ({"challenge_digest": bytes(32)}, {"token_key_id": bytes(32)}):
        token = BoundToken(replace(good, **changes), key)
        with pytest.raises(UsageError, match="not of this directory"):
            session.begin(directory, token, role=ROLE, relay=ROUTE, anchors=world.anchors, at=AT)
        assert token.token.nonce == good.nonce  # not spent


def test_a_first_request_shows_its_name_alone(world: World) -> None:
    _, opening = begin(world)
    prepared, *_ = opening._look()
    assert repr(prepared) == "<Prepared>"


# Opening.finish


def media(value: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"content-type", value),)


PROBLEM = media(b"application/problem+json")
KEY_PROBLEM = ohttp.Problem(ohttp.OHTTP_KEY).encode()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda it: replace(it, status=500), PolicyError),
        (lambda it: replace(it, status=201), PolicyError),
        (lambda it: replace(it, fields=()), PolicyError),
        (lambda it: replace(it, fields=media(b"message/ohttp-req")), PolicyError),
        (lambda it: replace(it, fields=it.fields * 2), DecodeError),
        (lambda it: Response(401, PROBLEM, ohttp.Problem().encode()), PolicyError),
        (lambda it: Response(401, PROBLEM, b"{"), DecodeError),
        (lambda it: Response(401, PROBLEM, bytes(5000)), LimitError),
        (lambda it: Response(400, PROBLEM, KEY_PROBLEM), ExpiredError),
        (lambda it: Response(200, PROBLEM, KEY_PROBLEM), ExpiredError),
        (lambda it: replace(it, content=it.content[:-1]), PolicyError),
        (lambda it: replace(it, content=it.content + b"\0"), PolicyError),
        (lambda it: replace(it, content=b""), PolicyError),
        (lambda it: replace(it, content=bytes(DOWN)), OpenError),
        (lambda it: replace(it, content=it.content[:-1] + bytes([it.content[-1] ^ 1])), OpenError),
    ],
)
# req: privproc1/4.8 encapsulated-or-nothing
def test_what_the_first_response_must_be(world: World, change: Callable[[Response], Response], error: Any) -> None:
    request, opening = begin(world)
    response = change(world.send(request))
    with pytest.raises(error) as raised:
        opening.finish(response, at=AT)
    assert type(raised.value) is error
    with pytest.raises(SpentError):
        opening.finish(response, at=AT)


def test_a_response_to_another_request(world: World) -> None:
    (first, _), (_, opening) = begin(world), begin(world)
    with pytest.raises(OpenError):
        opening.finish(world.send(first), at=AT)


def test_a_refusal_says_nothing(world: World) -> None:
    request, opening = begin(world)
    with mock.patch.object(world.host, "open", side_effect=PolicyError("the enclave is tired")):
        response = world.send(request)
    assert (response.status, len(response.content)) == (200, DOWN)
    with pytest.raises(PolicyError, match=r"^the gateway refused the request$"):
        opening.finish(response, at=AT)


def offer_with(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda data: replace(Offer.decode(data), **changes).encode()


P256 = hpke.Suite(hpke.Kem.P256_SHA256, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)
UNOFFERED = Announcement(P256, hpke.PrivateKey.generate(P256.kem).public_key, 1, 60).encode()
LATER = Announcement(SUITES[1], hpke.PrivateKey.generate(SUITES[1].kem).public_key, 1, 1 << 30).encode()


@pytest.mark.parametrize(
    ("change", "error", "why"),
    [
        (offer_with(format=2), PolicyError, "not offered"),
        (offer_with(announcement=UNOFFERED), PolicyError, "not offered"),
        (offer_with(announcement=b"\xff" + UNOFFERED[1:]), UnsupportedError, None),
        (offer_with(announcement=b"garbage"), DecodeError, "announcement"),
        (offer_with(announcement=LATER), UntrustedError, None),
        (offer_with(devices=((1, b"gpu"),)), UntrustedError, "another session"),
        (offer_with(flight=b"\x16\x03\x03\0\1\0"), DecodeError, None),
        (offer_with(evidence=b"report"), DecodeError, None),
        (lambda data: data[:-1], DecodeError, "Offer"),
        (lambda data: b"", DecodeError, "Opened"),
    ],
)
# req: privproc1/4.8 only-what-open-listed
def test_what_an_offer_must_be(world: World, change: Any, error: type[PeerError], why: str | None) -> None:
    world.wire.taps["host → gateway"] = change
    request, opening = begin(world)
    response = world.send(request)
    with pytest.raises(error, match=why) as raised:
        opening.finish(response, at=AT)
    assert type(raised.value) is error


@pytest.mark.parametrize("boundary", ["host: endorsements", "host: log proof"])
def test_what_the_host_staples_authenticates_itself(world: World, boundary: str) -> None:
    request, opening = begin(world)
    world.wire.taps[boundary] = lambda data: b"garbage"
    with pytest.raises(DecodeError):
        opening.finish(world.send(request), at=AT)


# req: privproc1/4.8 a-log-with-a-policy
def test_a_log_that_the_device_does_not_know(world: World) -> None:
    request, opening = begin(world, anchors=replace(world.anchors, logs={}))
    with pytest.raises(UnsupportedError, match="not one that this device knows"):
        opening.finish(world.send(request), at=AT)


# req: privproc1/4.8 the-packages-floor
def test_the_floor_of_the_package_counts(world: World) -> None:
    """Inclusion under a tree older than the package's checkpoint is not currency."""
    grown = World(AT)
    grown.measurements.append(grown.entry())
    grown.contents = replace(grown.contents, checkpoints=(grown.measurements.head(),))
    grown.adopt(grown.package(grown.epoch))
    grown.host.log_proof = lambda at: grown.measurements.prove(0, at, size=1)
    request, opening = begin(grown)
    with pytest.raises(UntrustedError, match="before the floor"):
        opening.finish(grown.send(request), at=AT)


# req: privproc1/4.8 the-packages-floor
def test_the_minimum_version_of_the_package_counts(world: World) -> None:
    (service,) = world.contents.services
    world.contents = replace(world.contents, services=(replace(service, minimum_version=8),))
    world.adopt(world.package(world.epoch))
    request, opening = begin(world)
    with pytest.raises(PolicyError, match="security version"):
        opening.finish(world.send(request), at=AT)


# Session.ask


def test_a_session_ends(world: World) -> None:
    """With the handle's lease, counted from when it came, and with the announcement, counted from Open."""
    for finished, ends in ((AT, AT + LEASE), (AT + 20, AT + 20 + LEASE), (AT + 29, AT + 29 + LEASE)):
        assert ends <= AT + WAIT
        for at, fine in ((ends - 1, True), (ends, False)):
            request, opening = begin(world)
            ready = opening.finish(world.send(request), at=finished)
            if fine:
                ready.ask(QUESTION, at=at)
            else:
                with pytest.raises(ExpiredError, match=r"^session is no longer valid$"):
                    ready.ask(QUESTION, at=at)


@pytest.mark.parametrize("at", [AT + LEASE, -1])
# req: privproc1/4.7 first-answer-in-time
def test_a_first_answer_that_comes_late(world: World, at: int) -> None:
    request, opening = begin(world)
    with pytest.raises(ExpiredError, match=r"^first answer is "):
        opening.finish(world.send(request), at=at)


def test_a_step_may_be_taken_from_0_on(world: World) -> None:
    """The steps' own windows only end. What refuses that time is what came into being after it."""
    request, opening = begin(world)
    with pytest.raises(ExpiredError, match=r"^checkpoint: cosigned in the future"):
        opening.finish(world.send(request), at=0)
    request, renewing = opened(world).renew(world.learn(), at=AT)
    with pytest.raises(ExpiredError, match=r"^checkpoint: cosigned in the future"):
        renewing.finish(world.send(request), at=0)
    with pytest.raises(ExpiredError, match=r"^trusted value is not valid yet$"):
        opened(world).renew(world.learn(), at=0)
    ready = opened(world)
    with pytest.raises(ExpiredError, match=r"^session's evidence is not valid yet$"):
        ready.ask(QUESTION, at=0)
    with (
        mock.patch.object(Attested, "check"),
        pytest.raises(ExpiredError, match=r"^trusted value is not valid yet$"),
    ):
        ready.ask(QUESTION, at=0)


def test_a_session_ends_with_its_announcement(world: World) -> None:
    world.machine.enclave = replace(world.machine.enclave, lifetime=15)
    ready = opened(world)
    with pytest.raises(ExpiredError, match="session"):
        ready.ask(QUESTION, at=AT + 15)


# req: privproc1/4.8 soonest-end
def test_a_session_ends_with_its_evidence(world: World) -> None:
    proved = world.host.log_proof
    world.host.log_proof = lambda at: proved(at - 86400 + 10)  # ten seconds of its age are left
    ready = opened(world)
    assert ready.evidence.not_after == AT + 10
    with pytest.raises(ExpiredError, match="session"):
        ready.ask(QUESTION, at=AT + 10)


# req: privproc1/4.8 soonest-end
def test_a_session_ends_with_its_directory() -> None:
    epoch_end = World(AT).grid.start(World(AT).epoch + 1)
    world = World(epoch_end - 5)
    directory = world.learn()
    request, opening = session.begin(
        directory, world.token(directory), role=ROLE, relay=ROUTE, anchors=world.anchors, at=world.at
    )
    ready = opening.finish(world.send(request), at=world.at)
    with pytest.raises(ExpiredError):
        ready.ask(QUESTION, at=epoch_end)


def test_a_session_asks_once(world: World) -> None:
    ready = opened(world)
    ready.ask(QUESTION, at=AT)
    with pytest.raises(SpentError):
        ready.ask(QUESTION, at=AT)


# req: privproc1/4.1 question-fits-first
def test_a_question_that_is_too_large(world: World) -> None:
    ready = opened(world)
    with pytest.raises(UsageError, match="too large"):
        ready.ask(bytes(4 << 20), at=AT)
    assert ready.ask(QUESTION, at=AT)


def test_the_largest_question(world: World) -> None:
    room = (4 << 20) - 8 - SUITES[0].kem.Npk
    _, answer = asked(world, b"Harbour? ".ljust(room, b"\0"))
    assert answer


# req: privproc1/1 low-order-keys
def test_an_announced_key_of_low_order_gets_nothing() -> None:
    world = World(AT, suite=SUITES[1])
    low = hpke.PublicKey(SUITES[1].kem, bytes(32))
    with mock.patch.object(OneTimeKey, "announce", lambda self, **terms: Announcement(self.suite, low, **terms)):
        ready = opened(world)
    with pytest.raises(OpenError):
        ready.ask(QUESTION, at=AT)


# AnswerChannel


@given(cuts=st.lists(st.integers(0, 1 << 14), max_size=6))
@settings(max_examples=10)
def test_any_split_of_the_answer(cuts: list[int]) -> None:
    response, answer = asked(World(AT, suite=SUITES[1]))
    content, events, start = response.content, [], 0
    for cut in sorted({min(cut, len(content)) for cut in cuts} | {len(content)}):
        events += answer.receive_data(content[start:cut])
        start = cut
    events += answer.receive_end(at=AT)
    assert b"".join(event.data for event in events[:-1] if isinstance(event, AnswerData)) == ANSWER
    assert isinstance(events[-1], AnswerComplete)


def test_an_answer_is_read_once(world: World) -> None:
    response, answer = asked(world)
    answer.receive(response, at=AT)
    with pytest.raises(SpentError):
        answer.receive(response, at=AT)


def test_an_answer_is_bounded(world: World) -> None:
    _, answer = asked(world)
    answer.receive_data(bytes(ANSWER_SIZES[-1]))
    with pytest.raises(LimitError):
        answer.receive_data(b"\0")
    with pytest.raises(SpentError):
        answer.receive_end(at=AT)


def test_an_answer_of_nothing_is_opened_and_refused(world: World) -> None:
    _, answer = asked(world)
    answer.receive_data(bytes(ANSWER_SIZES[-1]))
    with pytest.raises(OpenError):
        answer.receive_end(at=AT)


# req: privproc1/5.2 answers-of-few-sizes
def test_an_answer_gets_one_try(world: World) -> None:
    """A false head, a false size, and bytes after the end leave nothing to try again with."""
    response, answer = asked(world)
    with pytest.raises(PolicyError):
        answer.receive(replace(response, status=500), at=AT)
    with pytest.raises(SpentError):
        answer.receive(response, at=AT)
    response, answer = asked(world)
    answer.receive_data(response.content[:-1])
    with pytest.raises(PolicyError, match="padded size"):
        answer.receive_end(at=AT)
    for late in (lambda: answer.receive_data(response.content), lambda: answer.receive_end(at=AT)):
        with pytest.raises(SpentError):
            late()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda it: replace(it, status=502), PolicyError),
        (lambda it: Response(400, PROBLEM, KEY_PROBLEM), ExpiredError),
        (lambda it: replace(it, fields=()), PolicyError),
        (lambda it: replace(it, content=it.content[:-1]), PolicyError),
        (lambda it: replace(it, content=b""), PolicyError),
        (lambda it: replace(it, content=it.content + bytes(len(it.content))), OpenError),
        (lambda it: replace(it, content=it.content[:-1] + bytes([it.content[-1] ^ 1])), OpenError),
    ],
)
def test_what_the_second_response_must_be(world: World, change: Callable[[Response], Response], error: Any) -> None:
    response, answer = asked(world)
    with pytest.raises(error) as raised:
        answer.receive(change(response), at=AT)
    assert type(raised.value) is error


def test_a_refused_question(world: World) -> None:
    request, answer = opened(world).ask(QUESTION, at=AT)
    world.server.live.clear()
    response = world.send(request)
    assert len(response.content) == ANSWER_SIZES[0]
    with pytest.raises(PolicyError, match=r"^the gateway refused the request$"):
        answer.receive(response, at=AT)


def test_answers_of_two_devices_do_not_fit_each_other(world: World) -> None:
    (one, _), (_, other) = asked(world), asked(world)
    with pytest.raises(OpenError):
        other.receive(one, at=AT)


def test_records_of_another_session_do_not_open(world: World) -> None:
    """The gateway itself swaps what two enclaves' sessions answered."""
    response, answer = asked(world)
    assert response
    records: list[bytes] = []

    def swap(data: bytes) -> bytes:
        if data[:1] == b"\x17":
            records.append(data)
            return records[0]
        return data

    world.wire.taps["host → gateway"] = swap
    asked(world)
    response, answer = asked(world)
    with pytest.raises(OpenError):
        answer.receive(response, at=AT)


def test_records_that_say_nothing_are_a_truncation(world: World) -> None:
    world.wire.taps["host → gateway"] = lambda data: b"" if data[:1] == b"\x17" else data
    response, answer = asked(world)
    with pytest.raises(DecodeError, match=r"^answer: truncated: 0 bytes of it are authentic") as raised:
        answer.receive(response, at=AT)
    assert (raised.value.offset, raised.value.authentic) == (0, 0)

"""Chunked exchanges: answers that stream, and a whole session in one exchange."""

from __future__ import annotations

import copy
import itertools
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privproc import bhttp, hpke, ohttp, ratls, session
from privproc.bhttp import Framing
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    OpenError,
    PeerError,
    PolicyError,
    ReplayError,
    SignatureError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.http import Request, Response
from privproc.keyconfig import select
from privproc.responsekey import AnswerData
from privproc.session import AnswerComplete, PipeRequest, StreamRequest, Upload, chunked, pipe
from privproc.session.messages import Open
from privproc.session.pipe import TRANSITIONS, PipeInput, PipeState
from privproc.session.profile import ANSWER_SIZES, CONTINUE_PATH, IDLE, LEASE, OPEN_PATH, SUITES
from privproc.session.streams import RESPONSE
from tests.world.device import Chat, Piped
from tests.world.relay import ROUTE
from tests.world.world import ADDRESS, DOWN, GATEWAY, ROLE, UP, World

AT = 1_800_000_000
QUESTION = b"When does the boat leave the harbour? The harbour is small."
ANSWER = b"When does the boat leave the harbour?\nThe harbour is small.\n"
CHUNKED = ((b"content-type", b"message/ohttp-chunked-req"), (b"incremental", b"?1"))


# Answers that stream.


def streamed(chat: Chat, question: bytes = QUESTION, *, last: bool = False) -> tuple[Any, list[Response]]:
    request, answer = chat.session.stream(question, at=chat.world.at, last=last)
    assert replace(request, content=b"") == Request("POST", "https", ROUTE.authority, ROUTE.path, CHUNKED, b"")
    pieces = chat.world.relay.stream(request, [request.content], address=ADDRESS, at=chat.world.at)
    return answer, list(pieces)


def read(answer: Any, responses: list[Response], at: int = AT) -> list[Any]:
    answer.receive_head(responses[0])
    events = [event for response in responses for event in answer.receive_data(response.content)]
    return events + answer.receive_end(at=at)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kem.name)
def test_an_answer_that_streams(suite: hpke.Suite) -> None:
    chat = Chat(World(AT, suite=suite))
    answer, responses = streamed(chat)
    answer.receive_head(responses[0])
    assert (responses[0].status, responses[0].fields) == (RESPONSE.status, RESPONSE.fields)
    given_: list[list[Any]] = [answer.receive_data(response.content) for response in responses]
    assert [AnswerData(b"When does the boat leave the harbour?\n")] in given_  # as it came
    assert [AnswerData(b"The harbour is small.\n")] in given_
    (end,) = answer.receive_end(at=AT)
    chat.session = end.session
    # It goes on, in either way.
    assert chat.ask(b"Question") == b"Question"
    events = read(*streamed(chat))
    assert b"".join(event.data for event in events[:-1]) == ANSWER
    chat.session = events[-1].session
    events = read(*streamed(chat, last=True))
    assert events[-1] == AnswerComplete(None)
    assert not chat.world.server.live
    assert not chat.world.machine.sessions


@given(cuts=st.lists(st.integers(0, 1 << 11), max_size=8))
@settings(max_examples=10)
def test_any_split_of_a_streamed_answer(cuts: list[int]) -> None:
    answer, responses = streamed(Chat(World(AT, suite=SUITES[1])))
    content = b"".join(response.content for response in responses)
    answer.receive_head(responses[0])
    events, start = [], 0
    for cut in sorted({min(cut, len(content)) for cut in cuts} | {len(content)}):
        events += answer.receive_data(content[start:cut])
        start = cut
    events += answer.receive_end(at=AT)
    assert b"".join(event.data for event in events[:-1]) == ANSWER
    assert isinstance(events[-1].session, session.Session)


# req: privproc1/5.4 what-came-is-not-the-answer
def test_a_streamed_answer_that_is_cut_off_says_how_much_is_authentic() -> None:
    whole = streamed(Chat(World(AT, suite=SUITES[1])))[1]
    for count in range(1, len(whole)):
        chat = Chat(World(AT, suite=SUITES[1]))
        answer, responses = streamed(chat)
        answer.receive_head(responses[0])
        events = [event for response in responses[:count] for event in answer.receive_data(response.content)]
        got = sum(len(event.data) for event in events)
        assert answer.received == got
        if count == len(whole) - 1:  # the answer's last chunk has come, the end of the response hasn't
            assert answer.receive_end(at=AT) == [AnswerComplete(None)]
            continue
        with pytest.raises(DecodeError, match=f"^answer: truncated: {got} bytes of it are authentic") as raised:
            answer.receive_end(at=AT)
        assert raised.value.offset == got
        with pytest.raises(SpentError):
            answer.receive_end(at=AT)


# req: privproc1/6.2 whole-whatever-follows
def test_a_whole_answer_is_whole_whatever_follows(chat: Chat) -> None:
    """The last chunk has come, and then the response is cut off: the answer counts, the session is over."""
    answer, responses = streamed(chat)
    answer.receive_head(responses[0])
    *_, last = responses
    events = [event for response in responses[:-1] for event in answer.receive_data(response.content)]
    events += answer.receive_data(last.content[:-17])  # all but the end of OHTTP's final chunk
    assert b"".join(event.data for event in events) == ANSWER
    assert answer.receive_end(at=AT) == [AnswerComplete(None)]


@pytest.fixture
def chat() -> Chat:
    return Chat(World(AT, suite=SUITES[1]))


def test_a_forged_piece_of_a_streamed_answer(chat: Chat) -> None:
    answer, responses = streamed(chat)
    answer.receive_head(responses[0])
    answer.receive_data(responses[0].content)
    forged = responses[1].content[:-1] + bytes([responses[1].content[-1] ^ 1])
    with pytest.raises(OpenError):
        answer.receive_data(forged)
    with pytest.raises(SpentError):
        answer.receive_data(responses[1].content)


# req: privproc1/5.4 what-came-is-not-the-answer
def test_a_forged_end_of_a_streamed_answer(chat: Chat) -> None:
    """It is told from one that was cut off."""
    answer, responses = streamed(chat)
    answer.receive_head(responses[0])
    events = [event for response in responses[:2] for event in answer.receive_data(response.content)]
    assert answer.receive_data(b"\0" + bytes(40)) == []
    with pytest.raises(OpenError) as raised:
        answer.receive_end(at=AT)
    assert raised.value.authentic == sum(len(event.data) for event in events) > 0


def test_records_that_the_host_drops_from_a_stream(chat: Chat) -> None:
    chat.world.wire.taps["host → gateway"] = lambda data: b""
    answer, responses = streamed(chat)
    with pytest.raises(DecodeError, match="truncated: 0 bytes"):
        read(answer, responses)


def test_a_streamed_answer_in_one_shot_and_the_other_way_round(chat: Chat) -> None:
    answer, responses = streamed(chat)
    with pytest.raises(PolicyError, match="status 200"):
        answer.receive(Response(200, ((b"content-type", b"message/ohttp-res"),), b""), at=AT)
    other = Chat(chat.world)
    _, answer = other.session.ask(b"Question", at=AT)
    with pytest.raises(PolicyError):
        answer.receive_head(responses[0])


def test_a_refused_stream(chat: Chat) -> None:
    chat.world.server.live.clear()
    answer, (refusal,) = streamed(chat)
    assert isinstance(chat.world.server.refusals[-1], ReplayError)
    with pytest.raises(PolicyError, match=r"^the gateway refused the request$"):
        answer.receive(refusal, at=AT)


def test_a_stream_that_fails_at_the_enclave_is_refused_while_it_can_be(chat: Chat) -> None:
    with mock.patch.object(chat.world.machine, "stream", side_effect=PolicyError("tired")):
        answer, (refusal,) = streamed(chat)
    with pytest.raises(PolicyError, match="refused"):
        answer.receive(refusal, at=AT)
    assert not chat.world.server.live


# A whole session in one exchange.


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kem.name)
def test_a_session_in_a_pipe(suite: hpke.Suite) -> None:
    piped = Piped(World(AT, suite=suite))
    assert piped.request == Request("POST", "https", ROUTE.authority, ROUTE.path, CHUNKED, b"")
    opened = piped.open()
    assert opened.evidence.measurement == piped.world.machine.measurement
    assert piped.pipe.state is PipeState.READY
    assert piped.ask(QUESTION) == ANSWER
    evidence = piped.session.evidence
    piped.renew()
    assert piped.session.evidence.binding != evidence.binding
    assert piped.ask(b"Another") == b"Another\n"
    assert piped.ask(b"A last one", last=True) == b"A last one\n"
    assert piped.session is None
    assert piped.pipe.state is PipeState.ENDED
    rest = b"".join(response.content for response in piped.down)
    assert piped.pipe.receive_data(rest, at=AT) + piped.pipe.receive_end(at=AT) == []
    assert not piped.world.machine.sessions
    assert not piped.world.server.live  # no handle is needed
    spent = [key.holders for key in piped.world.server.store._keys.values()]
    assert [len(holders) for holders in spent] == [1]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kem.name)
# req: privproc1/5.4 first-pieces-have-one-size
def test_first_pieces_have_one_size(suite: hpke.Suite) -> None:
    """The plaintext is that of single-shot; on the wire there are two bytes of length before the chunk."""
    piped = Piped(World(AT, suite=suite))
    piped.open()
    (up,) = [size for size in piped.world.wire.sizes("device → relay") if size][-1:]
    assert up == UP + 2
    assert piped.world.wire.sizes("relay → device")[-1] == DOWN + 2


def test_questions_of_one_class_have_one_size_and_chunks_do_not_mix() -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    piped.open()
    piped.ask(b"Question")
    piped.ask(b"One that is longer")
    piped.ask(b"")
    sizes = piped.world.wire.sizes("device → relay")[-3:]
    assert sizes[1] == sizes[2] == sizes[0] - 80  # the first one has TLS's Finished


@given(cuts=st.lists(st.integers(0, 20_000), max_size=8))
@settings(max_examples=10)
def test_any_split_of_a_pipe(cuts: list[int]) -> None:
    """The bytes of both directions, cut anywhere."""
    piped = Piped(World(AT, suite=SUITES[1]))
    piped.open()
    piped.session.ask(QUESTION, at=AT)
    responses = [response.content for response in piped.down]
    content, start, events = b"".join(responses), 0, []
    for cut in sorted({min(cut, len(content)) for cut in cuts} | {len(content)}):
        events += piped.pipe.receive_data(content[start:cut], at=AT)
        start = cut
    assert b"".join(event.data for event in events if isinstance(event, AnswerData)) == ANSWER
    assert isinstance(events[-1], AnswerComplete)


@given(cut=st.integers(1, 5000))
@settings(max_examples=10)
def test_any_split_of_the_request(cut: int) -> None:
    world = World(AT, suite=SUITES[1])
    piped = Piped(world)
    wire = piped.pipe.data_to_send()
    upload, events = Upload(world.server.gateway), []
    for start in range(0, len(wire), cut):
        events += upload.receive_data(wire[start : start + cut], at=AT)
    (event,) = events
    assert isinstance(event, PipeRequest)


# req: privproc1/5.4 what-came-is-not-the-answer
def test_a_pipe_that_is_cut_off_says_how_much_is_authentic() -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    piped.open()
    piped.session.ask(QUESTION, at=AT)
    events = piped.event()
    first = next(events)
    with pytest.raises(DecodeError, match=f"truncated: {len(first.data)} bytes") as raised:
        piped.pipe.receive_end(at=AT)
    assert raised.value.offset == len(first.data) == piped.pipe.received
    for late in (piped.pipe.data_to_send, lambda: piped.pipe.receive_data(b"", at=AT)):
        with pytest.raises(DecodeError):
            late()


def test_a_pipe_that_ends_between_questions_is_an_end() -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    session_ = piped.open()
    assert piped.pipe.receive_end(at=AT) == []
    assert piped.pipe.state is PipeState.ENDED
    with pytest.raises(UsageError, match="ASK isn't possible in state ENDED"):
        session_.ask(QUESTION, at=AT)


@pytest.mark.parametrize("stage", ["opening", "renewing"])
def test_a_pipe_that_ends_while_something_is_awaited(stage: str) -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    if stage == "renewing":
        piped.open()
        piped.session.renew(piped.directory, at=AT)
    else:
        piped.pipe.receive_head(RESPONSE)
    with pytest.raises(DecodeError, match="truncated"):
        piped.pipe.receive_end(at=AT)


# req: privproc1/5.4 one-thing-at-a-time
def test_one_question_at_a_time() -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    session_ = piped.open()
    session_.ask(QUESTION, at=AT)
    with pytest.raises(SpentError):
        session_.ask(QUESTION, at=AT)
    with pytest.raises(SpentError):
        session_.renew(piped.directory, at=AT)


def test_times_of_a_pipe() -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    session_ = piped.open()
    assert session_.until == AT + LEASE
    with pytest.raises(ExpiredError, match="session"):
        session_.ask(QUESTION, at=AT + LEASE)
    piped = Piped(World(AT, suite=SUITES[1]))
    piped.open()
    piped.ask(QUESTION)
    assert piped.session.until == AT + IDLE - LEASE
    late = Piped(World(AT, suite=SUITES[1]))
    response = next(late.down)
    late.pipe.receive_head(response)
    with pytest.raises(ExpiredError, match="first answer"):
        late.pipe.receive_data(response.content, at=AT + LEASE)


def test_a_pipe_past_its_evidence_takes_new_one() -> None:
    world = World(AT, suite=SUITES[1])
    proved = world.host.log_proof
    world.host.log_proof = lambda at: proved(at - 86400 + 20)
    piped = Piped(world)
    piped.open()
    piped.ask(QUESTION)
    with pytest.raises(ExpiredError, match="evidence"):
        piped.session.ask(QUESTION, at=AT + 20)
    world.host.log_proof = proved
    piped.renew()  # not spent
    assert piped.ask(QUESTION) == ANSWER


def test_new_evidence_that_comes_late_in_a_pipe() -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    piped.open()
    piped.session.renew(piped.directory, at=AT)
    response = next(piped.down)
    with pytest.raises(ExpiredError, match="renewal"):
        piped.pipe.receive_data(response.content, at=AT + LEASE)


def test_new_evidence_in_pieces_in_a_pipe() -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    piped.open()
    channel = piped.session._look().attested.channel
    receive = ratls.Channel.receive_data

    def byte_by_byte(self: ratls.Channel, data: bytes) -> list[Any]:
        events = receive(self, data)
        if self is not channel:
            return events
        return [ratls.DataReceived(bytes([byte])) for event in events for byte in event.data]

    with mock.patch.object(ratls.Channel, "receive_data", byte_by_byte):
        piped.renew()
    assert piped.ask(QUESTION) == ANSWER


def test_a_pipe_survives_the_epochs_switch() -> None:
    world = World(AT, suite=SUITES[1])
    end = world.grid.start(world.epoch + 1)
    world.at = end - 20
    piped = Piped(world)
    piped.open()
    piped.ask(QUESTION)
    relay, machine, host = world.relay, world.machine, world.host
    world.at = end
    world.start(world.epoch + 1)
    with pytest.raises(ExpiredError):
        piped.session.ask(QUESTION, at=end)
    piped.directory = world.learn()
    world.relay, world.machine, world.host = relay, machine, host
    piped.renew()
    assert piped.ask(QUESTION) == ANSWER


# What a device refuses in a pipe.


def test_data_before_the_head() -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    with pytest.raises(UsageError, match="head"):
        piped.pipe.receive_data(b"", at=AT)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda it: replace(it, status=500), PolicyError),
        (lambda it: replace(it, fields=()), PolicyError),
        (lambda it: Response(400, ((b"content-type", b"application/problem+json"),), KEY_PROBLEM), ExpiredError),
    ],
)
def test_heads_that_are_none(change: Callable[[Response], Response], error: type[PeerError]) -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    with pytest.raises(error):
        piped.pipe.receive_head(change(RESPONSE))
    with pytest.raises(error):
        piped.pipe.data_to_send()
    assert piped.pipe.state is PipeState.FAILED


KEY_PROBLEM = ohttp.Problem(ohttp.OHTTP_KEY).encode()


@pytest.mark.parametrize(
    ("boundary", "change", "error"),
    [
        ("host → gateway", lambda data: b"garbage", DecodeError),
        ("host: log proof", lambda data: b"garbage", DecodeError),
        ("host: endorsements", lambda data: b"garbage", DecodeError),
        ("gateway → relay", lambda data: data[:-1] + bytes([data[-1] ^ 1]), OpenError),
        ("host → enclave", lambda data: data[:-1] + b"\1", PolicyError),
    ],
)
def test_a_first_piece_that_is_not_right(boundary: str, change: Any, error: type[PeerError]) -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    piped.world.wire.taps[boundary] = change
    with pytest.raises(error) as raised:
        piped.open()
    assert type(raised.value) is error
    with pytest.raises(error):
        piped.pipe.receive_data(b"", at=AT)
    assert repr(piped.pipe) == "<Pipe FAILED>"


@pytest.mark.parametrize("size", [DOWN - 1, DOWN + 1, DOWN + 16384])
# req: privproc1/5.4 first-pieces-have-one-size
def test_a_first_piece_of_another_size(size: int) -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    original = session.streams.filled
    overhead = ohttp.response_overhead(SUITES[1])
    with mock.patch(
        "privproc.session.streams.filled", lambda head, message, _: original(head, message, size - overhead)
    ):
        response = next(piped.down)
    piped.pipe.receive_head(response)
    if size < DOWN:
        assert piped.pipe.receive_data(response.content, at=AT) == []  # not all of it yet
        with pytest.raises(DecodeError, match="truncated"):
            piped.pipe.receive_end(at=AT)
        return
    with pytest.raises((PolicyError, DecodeError)):
        piped.pipe.receive_data(response.content, at=AT)


# req: privproc1/5.4 one-thing-at-a-time
def test_records_that_nothing_asked_for() -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    piped.open()
    ready = piped.session._look().attested
    with (
        mock.patch.object(
            ready.channel.__class__, "receive_data", return_value=[session.attested.ratls.DataReceived(b"x")]
        ),
        pytest.raises(DecodeError, match="nothing asked for"),
    ):
        list(piped.pipe._records(b"", AT))


def test_an_offer_that_does_not_fit() -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    piped.world.wire.taps["host: endorsements"] = lambda data: bytes(DOWN)
    with pytest.raises(PolicyError, match="refused"):
        piped.open()
    assert isinstance(piped.world.server.refusals[-1], LimitError)


def test_an_announced_key_of_low_order_ends_a_pipe() -> None:
    from privproc.responsekey import Announcement, OneTimeKey

    low = hpke.PublicKey(SUITES[1].kem, bytes(32))
    with mock.patch.object(OneTimeKey, "announce", lambda self, **terms: Announcement(self.suite, low, **terms)):
        piped = Piped(World(AT, suite=SUITES[1]))
        piped.open()
    with pytest.raises(OpenError):
        piped.session.ask(QUESTION, at=AT)
    assert piped.pipe.state is PipeState.FAILED


def test_nothing_shows_and_nothing_is_copied() -> None:
    piped = Piped(World(AT, suite=SUITES[1]))
    piped.open()
    for thing in (piped.pipe, piped.session):
        assert repr(thing) in ("<Pipe READY>", "<PipeSession ready>")
        for attempt in (copy.copy, copy.deepcopy):
            with pytest.raises(UsageError):
                attempt(thing)
    assert repr(piped.session._state) == "[<_Ready>]"
    assert repr(session.streams._Stream(mock.sentinel.secret, mock.sentinel.epoch)) == "<_Stream>"


# What the gateway refuses.


class ByHand:
    """A chunked request with every part open to change."""

    def __init__(self, world: World | None = None, **changes: Any) -> None:
        self.world = world or World(AT, suite=SUITES[1])
        piped = Piped(self.world)
        captured: list[Any] = []
        original = chunked.filled

        def filled(head: bytes, message: bytes, size: int) -> bytes:
            captured.append((head, message, size))
            piece: bytes = changes.get("piece", original)(head, message, size)
            return piece

        with mock.patch("privproc.session.pipe.filled", filled):
            self.request, self.pipe = session.open_pipe(
                piped.directory,
                self.world.token(piped.directory),
                role=ROLE,
                relay=ROUTE,
                anchors=self.world.anchors,
                at=AT,
            )
        self.upload = Upload(self.world.server.gateway)

    def feed(self) -> list[Any]:
        return self.upload.receive_data(self.pipe.data_to_send(), at=AT)


def refused(by: ByHand, error: PeerError, size: int = DOWN) -> None:
    """The one refusal: what opens to a status, of a fixed size."""
    response = by.upload.refuse(error)
    assert (response.status, response.fields) == (RESPONSE.status, RESPONSE.fields)
    overhead = ohttp.response_overhead(SUITES[1])
    pieces = by.pipe._receiver.receive_data(response.content) + by.pipe._receiver.receive_end()
    message = b"".join(piece.data for piece in pieces if isinstance(piece, ohttp.MessageData))
    assert len(message) == size - overhead
    assert bhttp.decode_response(message) == Response(403)
    with pytest.raises(SpentError):
        by.upload.refuse(error)


@pytest.mark.parametrize(
    ("piece", "error"),
    [
        (lambda head, message, size: b"\0" + chunked.filled(head, message, size)[1:], PolicyError),
        (lambda head, message, size: chunked.filled(head, message, size) + b"\0", PolicyError),
        (lambda head, message, size: chunked.filled(head, message[:-1] + b"\1", size), SignatureError),
        (lambda head, message, size: chunked.filled(head, message, size)[:-1] + b"\1", DecodeError),
        (lambda head, message, size: chunked.filled(head, message + b"\0", size), DecodeError),
        (lambda head, message, size: chunked.filled(head.replace(b"/open", b"/opem"), message, size), UntrustedError),
        (
            lambda head, message, size: chunked.filled(head.replace(b"gateway", b"x" * 7), message, size),
            UntrustedError,
        ),
        (lambda head, message, size: chunked.filled(head.replace(b"-proof", b"-prool"), message, size), DecodeError),
    ],
    ids=["framing", "longer", "open", "padding", "trailing", "path", "gateway", "proof"],
)
# req: privproc1/5.4 indeterminate-framing
def test_first_pieces_that_are_refused(piece: Any, error: type[PeerError]) -> None:
    by = ByHand(piece=piece)
    with pytest.raises(error) as raised:
        by.feed()
    assert type(raised.value) is error
    refused(by, raised.value)


def test_a_token_twice_in_pipes() -> None:
    world = World(AT, suite=SUITES[1])
    piped = Piped(world)
    wire = piped.pipe.data_to_send()
    first, second = (list(world.server.stream([wire], at=AT)) for _ in range(2))
    assert first
    assert second
    assert isinstance(world.server.refusals[-1], ReplayError)


def test_what_has_not_opened_is_refused_in_the_clear() -> None:
    by = ByHand()
    with pytest.raises(UnsupportedError) as raised:
        by.upload.receive_data(b"\xff" + by.pipe.data_to_send()[1:], at=AT)
    response = by.upload.refuse(raised.value)
    assert response.status == 422
    assert response.fields == ((b"content-type", b"application/problem+json"),)


def test_a_pipe_that_ends_before_its_first_piece() -> None:
    by = ByHand()
    sender, _ = ohttp.begin_chunked(selection(by.world), at=AT).stream()
    head = chunked.request_head(Request("POST", "https", GATEWAY, OPEN_PATH, (), b""))
    by.upload.receive_data(sender.send(head), at=AT)
    by.upload.receive_data(sender.finish(chunked.END), at=AT)
    with pytest.raises(DecodeError, match="ends before its first piece"):
        by.upload.receive_end(at=AT)


def test_a_pipe_whose_request_ends() -> None:
    by = ByHand()
    by.pipe.finish()
    events = by.feed() + by.upload.receive_end(at=AT)
    assert [type(event) for event in events] == [PipeRequest, session.RequestEnd]


def selection(world: World) -> Any:
    return world.learn().contents.map(lambda contents: select(contents.keys, SUITES))


def continued(world: World, message: bytes, *, framing: Framing = Framing.INDETERMINATE) -> Upload:
    sender, _ = ohttp.begin_chunked(selection(world), at=AT).stream()
    inner = Request("POST", "https", GATEWAY, CONTINUE_PATH, (), message)
    upload = Upload(world.server.gateway)
    upload.receive_data(sender.finish(bhttp.encode_request(inner, framing=framing)), at=AT)
    return upload


def test_a_chunked_continuation_is_bounded(chat: Chat) -> None:
    with pytest.raises(LimitError):
        continued(chat.world, bytes(6 << 20))


# req: privproc1/5.4 continuations-in-chunks
def test_a_chunked_continuation_is_of_its_session(chat: Chat) -> None:
    other = Chat(chat.world)
    lives = list(chat.world.server.live.values())
    request, _ = chat.session.stream(QUESTION, at=AT)
    upload = Upload(chat.world.server.gateway)
    upload.receive_data(request.content, at=AT)
    (event,) = upload.receive_end(at=AT)
    assert isinstance(event, StreamRequest)
    assert other.session
    (mine,) = [live for live, _ in lives if live.handle == event.handle]
    (others,) = [live for live, _ in lives if live.handle != event.handle]
    with pytest.raises(SignatureError):
        event.accept(others, at=AT)
    with pytest.raises(SpentError):
        event.accept(mine, at=AT)


# req: privproc1/5.4 refusals-have-a-size
def test_a_refused_continuation_has_the_least_size(chat: Chat) -> None:
    upload = continued(chat.world, b"garbage")
    with pytest.raises(DecodeError) as raised:
        upload.receive_end(at=AT)
    response = upload.refuse(raised.value)
    # nonce, the final chunk's mark, plaintext and tag
    assert len(response.content) == ANSWER_SIZES[0] + 1


# req: privproc1/5.4 refusals-have-a-size
def test_a_refusal_of_a_pipe_has_the_size_of_an_answer() -> None:
    by = ByHand(piece=lambda head, message, size: chunked.filled(head, message[:-1] + b"\1", size))
    with pytest.raises(SignatureError) as raised:
        by.feed()
    assert len(by.upload.refuse(raised.value).content) == DOWN + 1


def test_downloads_end_once(chat: Chat) -> None:
    request, _ = chat.session.stream(QUESTION, at=AT)
    upload = Upload(chat.world.server.gateway)
    upload.receive_data(request.content, at=AT)
    (event,) = upload.receive_end(at=AT)
    live, _ = chat.world.server.live[event.handle]
    _, download = event.accept(live, at=AT)
    wire, kept = download.finish(ended=False, at=AT)
    assert wire
    assert kept is not None
    assert kept.expires == AT + IDLE
    with pytest.raises(UsageError):
        download.finish(ended=True, at=AT)


# Long answers.


def test_a_long_answer_in_flat_memory() -> None:
    """More than 8 MiB from end to end: no party holds more than a piece of it."""
    piece, count = bytes(range(256)) * 255, 140
    world = World(AT, suite=SUITES[1])
    piped = Piped(world)
    piped.open()
    piped.session.ask(QUESTION, at=AT)
    with (
        mock.patch.object(world.machine, "pieces", return_value=itertools.repeat(piece, count)),
        mock.patch.object(world.wire, "cross", lambda boundary, data: data),  # the record is the world's, not theirs
        mock.patch.object(world.wire, "see", lambda *seen: len(seen)),
    ):
        total, found, place = 0, None, 0
        tracemalloc.start()
        for response in piped.down:
            for event in piped.pipe.receive_data(response.content, at=AT):
                if isinstance(event, AnswerData):
                    assert event.data == (piece * 2)[place : place + len(event.data)]
                    place = (place + len(event.data)) % len(piece)
                    total += len(event.data)
                else:
                    found = event
            if found:
                break
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert isinstance(found, AnswerComplete)
    assert total == len(piece) * count > ANSWER_SIZES[-1]
    assert peak < 2 << 20


# The state machine.


# req: privproc1/9.1 device-states
def test_every_edge_of_a_pipe_is_listed() -> None:
    assert set(TRANSITIONS) == set(PipeState)
    for row in TRANSITIONS.values():
        assert set(row) <= set(PipeInput)
    for state in PipeState:
        for happened in PipeInput:
            fresh = pipe.Pipe.__new__(pipe.Pipe)
            fresh._error, fresh._state = None, state
            if happened in TRANSITIONS[state]:
                assert fresh._move(happened) is TRANSITIONS[state][happened]
            else:
                with pytest.raises(UsageError, match=f"{happened.name} isn't possible in state {state.name}"):
                    fresh._move(happened)


def test_first_pieces_of_any_size() -> None:
    for size in (2100, 16385, 16386, 16387, 16388, 16389, 65536):
        piece = chunked.filled(b"head", bytes(2000), size)
        assert len(piece) == size
    with pytest.raises(LimitError):
        chunked.filled(b"head", bytes(2000), 2011)
    assert len(chunked.filled(b"head", bytes(2000), 2012)) == 2012
    assert Open.SIZE == 2048


# An upload that has failed.


def unopened() -> tuple[Upload, list[bytes], list[bytes]]:
    by = ByHand()
    return by.upload, [b"\xff" + by.pipe.data_to_send()[1:]], [by.pipe.data_to_send()]


def forged_later() -> tuple[Upload, list[bytes], list[bytes]]:
    by = ByHand()
    first = by.pipe.data_to_send()
    by.pipe.finish()
    rest = by.pipe.data_to_send()
    return by.upload, [first, b"\x20" + bytes(32)], [rest]


def false_first_piece(change: Any) -> Callable[[], tuple[Upload, list[bytes], list[bytes]]]:
    def make() -> tuple[Upload, list[bytes], list[bytes]]:
        by = ByHand(piece=change)
        first = by.pipe.data_to_send()
        by.pipe.finish()
        return by.upload, [first], [by.pipe.data_to_send()]

    return make


def wrong_framing_first() -> tuple[Upload, list[bytes], list[bytes]]:
    """A chunk with another framing, and then an honest first piece in the same exchange."""
    captured: list[bytes] = []
    by = ByHand(piece=lambda head, message, size: captured.append(chunked.filled(head, message, size)) or b"\0")
    return by.upload, [by.pipe.data_to_send()], [by.pipe._sender.send(captured[0])]


def too_large() -> tuple[Upload, list[bytes], list[bytes]]:
    world = World(AT, suite=SUITES[1])
    sender, _ = ohttp.begin_chunked(selection(world), at=AT).stream()
    inner = bhttp.encode_request(
        Request("POST", "https", GATEWAY, CONTINUE_PATH, (), bytes(6 << 20)), framing=Framing.INDETERMINATE
    )
    return Upload(world.server.gateway), [sender.send(inner)], [sender.finish()]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (unopened, UnsupportedError),
        (forged_later, OpenError),
        (
            false_first_piece(lambda head, message, size: chunked.filled(head, message[:-1] + b"\1", size)),
            SignatureError,
        ),
        (false_first_piece(lambda head, message, size: chunked.filled(head, message, size)[:-1] + b"\1"), DecodeError),
        (false_first_piece(lambda head, message, size: chunked.filled(head, message, size) + b"\0"), PolicyError),
        (wrong_framing_first, PolicyError),
        (too_large, LimitError),
    ],
    ids=["header", "chunk", "proof", "padding", "longer", "framing", "larger"],
)
# req: privproc1/9.2 gateway-states
def test_an_upload_that_failed_gives_nothing_more(make: Any, error: type[PeerError]) -> None:
    """Whatever comes afterwards, by whichever call: the same error again. It can still be refused, once."""
    upload, bad, more = make()
    *before, last = bad
    for wire in before:
        assert upload.receive_data(wire, at=AT)
    with pytest.raises(error) as raised:
        upload.receive_data(last, at=AT)
    for late in (
        *(partial(upload.receive_data, wire, at=AT) for wire in (*more, b"", *bad)),
        lambda: upload.receive_end(at=AT),
        lambda: upload.receive_data(b"", at=AT),
    ):
        with pytest.raises(error) as again:
            late()
        assert type(again.value) is type(raised.value)
        assert again.value.args == raised.value.args
    assert upload.refuse(raised.value).status in (RESPONSE.status, 422)


@pytest.mark.parametrize("ending", ["cut off", "before the first piece", "garbage"])
# req: privproc1/9.2 gateway-states
def test_an_upload_that_failed_at_its_end_gives_nothing_more(chat: Chat, ending: str) -> None:
    if ending == "garbage":
        upload = continued(chat.world, b"garbage")
    else:
        sender, _ = ohttp.begin_chunked(selection(chat.world), at=AT).stream()
        upload = Upload(chat.world.server.gateway)
        upload.receive_data(sender.send(chunked.request_head(Request("POST", "https", GATEWAY, OPEN_PATH))), at=AT)
        if ending == "before the first piece":
            upload.receive_data(sender.finish(chunked.END), at=AT)
    with pytest.raises(DecodeError) as raised:
        upload.receive_end(at=AT)
    for late in (
        lambda: upload.receive_data(b"more", at=AT),
        lambda: upload.receive_data(b"", at=AT),
        lambda: upload.receive_end(at=AT),
    ):
        with pytest.raises(DecodeError) as again:
            late()
        assert str(again.value) == str(raised.value)
    assert upload.refuse(raised.value).status == RESPONSE.status


def test_an_upload_that_was_refused_gives_nothing_more() -> None:
    """The token was spent before, say: the store's word, not the library's."""
    by = ByHand()
    assert by.feed()
    by.pipe.finish()
    by.upload.refuse(ReplayError("spent"))
    for late in (
        lambda: by.upload.receive_data(by.pipe.data_to_send(), at=AT),
        lambda: by.upload.receive_end(at=AT),
    ):
        with pytest.raises(ReplayError, match="spent"):
            late()


def test_an_upload_that_ended_takes_no_more() -> None:
    by = ByHand()
    by.pipe.finish()
    by.feed()
    by.upload.receive_end(at=AT)
    for late in (lambda: by.upload.receive_data(b"", at=AT), lambda: by.upload.receive_end(at=AT)):
        with pytest.raises(UsageError, match="isn't possible in state"):
            late()

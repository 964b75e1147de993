"""However the bytes of a stream are split: the same events, and then the same failure or end. On every floor."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import pytest

from privproc import bhttp, ohttp, ratls
from privproc.bhttp import Data, Limits, ResponseDecoder
from privproc.errors import DecodeError, LimitError, OpenError, PeerError, PolicyError, SpentError
from privproc.http import Request, Response
from privproc.responsekey import AnswerData, AnswerEnd
from privproc.session import AnswerComplete, PipeRequest, RecordsReceived, Upload, chunked
from privproc.session.pipe import PipeState
from privproc.session.profile import SUITES
from privproc.session.streams import PipeDownload
from tests.test_ohttp import AT as KEYS_AT
from tests.test_ohttp_chunked import begun
from tests.test_ohttp_chunked import exchange as ohttp_exchange
from tests.test_ohttp_http import RELAY, gateway, selection
from tests.test_ratls import channels
from tests.test_responsekey import exchange as answer_exchange
from tests.world.device import Chat, Piped
from tests.world.world import World

AT = 1_800_000_000
STEPS = (1 << 20, 1, 2, 7, 33, 1000, 16_000)


class Stream(NamedTuple):
    """A channel, fresh, and what comes to it."""

    receive: Callable[[bytes], list[Any]]
    end: Callable[[], list[Any]]
    wire: bytes


class Outcome(NamedTuple):
    events: list[Any]
    error: PeerError | None

    def told(self) -> Any:
        """To be compared: channels have keys of their own, what they say hasn't."""
        error = self.error and (type(self.error), self.error.args, vars(self.error))
        return [(type(event), getattr(event, "data", None)) for event in self.events], error


def outcome(stream: Stream, step: int) -> Outcome:
    events: list[Any] = []
    try:
        for start in range(0, len(stream.wire), step):
            events += stream.receive(stream.wire[start : start + step])
        events += stream.end()
    except PeerError as error:
        with pytest.raises((type(error), SpentError)):  # nothing comes after it
            stream.receive(b"")
        with pytest.raises((type(error), SpentError)):
            stream.end()
        return Outcome(events, error)
    return Outcome(events, None)


def same(make: Callable[[], Stream], steps: tuple[int, ...] = STEPS) -> Outcome:
    found = [outcome(make(), step) for step in steps]
    assert [it.told() for it in found] == [found[0].told()] * len(found)
    return found[0]


def flipped(wire: bytes, place: int) -> bytes:
    place %= len(wire)
    return wire[:place] + bytes([wire[place] ^ 1]) + wire[place + 1 :]


DAMAGES: dict[str, Callable[[list[bytes]], bytes]] = {
    "none": b"".join,
    "nothing came": lambda pieces: b"",
    "cut in the first": lambda pieces: pieces[0][:-3],
    "cut between": lambda pieces: b"".join(pieces[:-1]),
    "cut in the last": lambda pieces: b"".join(pieces)[:-3],
    "forged first": lambda pieces: b"".join((flipped(pieces[0], -1), *pieces[1:])),
    "forged second": lambda pieces: b"".join((pieces[0], flipped(pieces[1], -1), *pieces[2:])),
    "forged last": lambda pieces: flipped(b"".join(pieces), -1),
    "dropped": lambda pieces: b"".join((pieces[0], *pieces[2:])),
    "swapped": lambda pieces: b"".join((pieces[0], pieces[2], pieces[1], *pieces[3:])),
    "twice": lambda pieces: b"".join((*pieces[:2], pieces[1], *pieces[2:])),
    "junk between": lambda pieces: b"".join((*pieces[:2], b"\x20" + bytes(32), *pieces[2:])),
    "junk behind": lambda pieces: b"".join((*pieces, b"\x20" + bytes(32))),
}
"""What is done to a stream of at least three pieces."""


@pytest.fixture(params=DAMAGES)
def damage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def given_out(damage: str, pieces: list[bytes], events: list[bytes]) -> None:
    """What came out is a beginning of what went in, and as long as it was in order."""
    least = {"nothing came": 0, "cut in the first": 0, "forged first": 0, "dropped": 1}.get(damage, 1)
    assert pieces[: len(events)] == events
    assert len(events) >= least


# The floors, from below.


def test_a_response_in_chunks(damage: str) -> None:
    def make() -> Stream:
        sender, receiver = ohttp_exchange()
        pieces = [sender.send(b"one"), sender.send(b"two"), sender.send(b"three"), sender.finish(b"four")]
        return Stream(receiver.receive_data, receiver.receive_end, DAMAGES[damage](pieces))

    events, error = same(make)
    data = [event.data for event in events if isinstance(event, ohttp.MessageData)]
    given_out(damage, [b"one", b"two", b"three", b"four"], data)
    assert (error is None) == (damage == "none") == isinstance(events[-1] if events else None, ohttp.MessageEnd)


@pytest.mark.parametrize("tail", [b"\x01", b"\x11" + bytes(17), b"\x80\1\0\0", b"\0" + bytes(20_000)])
def test_a_request_in_chunks(tail: bytes) -> None:
    """Two chunks, then one that is none: too short, forged, too large, a last one that is too large."""

    def make() -> Stream:
        stream = ohttp.RequestStream(RELAY.post(ohttp.Mode.CHUNKED), gateway())
        sender, _ = ohttp.begin_chunked(selection(), at=KEYS_AT).stream()
        head = bhttp.encode_request(Request("POST", "https", "x", "/"), framing=bhttp.Framing.INDETERMINATE)[:-2]
        wire = sender.send(head + b"\3one") + sender.send(b"\3two") + tail
        return Stream(lambda data: stream.receive_data(data, at=KEYS_AT), stream.receive_end, wire)

    events, error = same(make)
    assert [event.data for event in events if isinstance(event, Data)] == [b"one", b"two"]
    assert type(error) is (LimitError if len(tail) in (4, 20_001) else OpenError)


def test_a_receiver_of_requests_that_waits_for_its_key() -> None:
    def make() -> Stream:
        receiver = ohttp.RequestReceiver()
        keys = gateway()

        def receive(data: bytes) -> list[Any]:
            events = receiver.receive_data(data)
            if events and isinstance(events[0], ohttp.RequestHeader):
                events += keys.accept(receiver, at=KEYS_AT)
            return events

        sender, _ = begun().stream()
        return Stream(receive, receiver.receive_end, sender.send(b"one") + sender.send(b"two") + b"\x20" + bytes(32))

    events, error = same(make)
    assert [type(event) for event in events] == [
        ohttp.RequestHeader,
        ohttp.RequestOpened,
        ohttp.MessageData,
        ohttp.MessageData,
    ]
    assert type(error) is OpenError


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"\3\x40\xc8\0\3one\3two\0\0\0\0", None),
        (b"\3\x40\xc8\0\3one\3two\0\0\0\1", DecodeError),
        (b"\3\x40\xc8\0\3one\3two\x40\x64", LimitError),
        (b"\3\x40\xc8\0\3one\3tw", DecodeError),
        (b"\3\x40\xc8\0\3one\3two\0\1", DecodeError),
        (b"\3\x40\x64\0\x40\xc8\0\3one\3two\0\1\1\1\1", DecodeError),
    ],
    ids=["good", "padding", "too long", "cut", "trailers", "a field's name"],
)
def test_binary_http(message: bytes, error: type[PeerError] | None) -> None:
    """Data is what comes between its bounds, which mean nothing."""

    def make() -> Stream:
        decoder = ResponseDecoder(Limits(content=20))

        def joined(data: bytes) -> list[Any]:
            return [
                Data(event.data[at : at + 1]) if isinstance(event, Data) else event
                for event in decoder.receive_data(data)
                for at in range(len(event.data) if isinstance(event, Data) else 1)
            ]

        return Stream(joined, decoder.end_of_data, message)

    found = same(make)
    assert type(found.error) is (error or type(None))
    assert b"onetwo".startswith(b"".join(event.data for event in found.events if isinstance(event, Data)))
    assert sum(isinstance(event, Data) for event in found.events) >= 5


def test_a_response_with_its_message(damage: str) -> None:
    def make() -> Stream:
        posted, body, stream = ohttp.encapsulate_stream(
            Request("GET", "https", "x", "/"), selection(), RELAY, at=KEYS_AT
        )
        asked = ohttp.RequestStream(posted, gateway())
        events = asked.receive_data(body.finish(), at=KEYS_AT) + asked.receive_end()
        (opened,) = (event for event in events if isinstance(event, ohttp.RequestOpened))
        head, answer = ohttp.respond_stream(opened.responder, Response(200))
        stream.receive_head(head)
        pieces = [answer.send(b"one"), answer.send(b"two"), answer.send(b"three"), answer.finish(b"four")]
        return Stream(stream.receive_data, stream.receive_end, DAMAGES[damage](pieces))

    events, error = same(make)
    data = [event.data for event in events if isinstance(event, Data)]
    given_out(damage, [b"one", b"two", b"three", b"four"], data)
    assert (error is None) == (damage == "none") == isinstance(events[-1] if events else None, bhttp.EndOfMessage)


def test_a_tls_channel(damage: str) -> None:
    def make() -> Stream:
        device, enclave = channels()
        pieces = []
        for data in (b"one", b"two", b"three", b"four"):
            enclave.send(data)
            pieces.append(enclave.data_to_send())
        enclave.close()
        pieces.append(enclave.data_to_send())

        def end() -> list[Any]:
            device.receive_end()
            return []

        return Stream(device.receive_data, end, DAMAGES[damage](pieces))

    events, error = same(make)
    given_out(
        damage, [b"one", b"two", b"three", b"four"], [it.data for it in events if isinstance(it, ratls.DataReceived)]
    )
    assert (error is None) == (damage in ("none", "junk behind"))  # what follows close_notify is ignored (RFC 8446)


def test_what_comes_with_finished() -> None:
    """Records behind the client's Finished, the second of them forged, in the call that makes the channel."""
    from tests.test_ratls import handshake, release

    established, attesting = handshake()
    device = release(established)
    flight = device.data_to_send()
    device.send(b"one")
    flight += device.data_to_send()
    device.send(b"two")
    enclave, events = attesting.finish(flight + flipped(device.data_to_send(), -1))
    assert events == [ratls.DataReceived(b"one")]
    assert enclave.state is ratls.State.FAILED
    for late in (enclave.data_to_send, lambda: enclave.receive_data(b""), lambda: enclave.send(b"x")):
        with pytest.raises(OpenError):
            late()


def test_an_answer(damage: str) -> None:
    def make() -> Stream:
        _, answer, sealer = answer_exchange()
        pieces = [sealer.send(b"one"), sealer.send(b"two"), sealer.send(b"three"), sealer.finish(b"four")]
        return Stream(answer.receive_data, answer.receive_end, DAMAGES[damage](pieces))

    events, error = same(make)
    given_out(damage, [b"one", b"two", b"three", b"four"], [it.data for it in events if isinstance(it, AnswerData)])
    assert (error is None) == (damage == "none")
    # What follows the last chunk is refused, but not before the answer is out, whole.
    assert isinstance(events[-1] if events else None, AnswerEnd) == (damage in ("none", "junk behind"))


# The session.

QUESTION = b"The harbour is open. The harbour cafe is not. Photos show it."
ANSWER = [b"The harbour is open.\n", b"The harbour cafe is not.\n", b"Photos show it.\n"]


@pytest.fixture(scope="module")
def world() -> World:
    return World(AT, suite=SUITES[1])


def streamed(world: World, damage: str) -> tuple[Any, Stream]:
    chat = Chat(world)
    request, answer = chat.session.stream(QUESTION, at=AT)
    pieces = list(world.relay.stream(request, [request.content], address="203.0.113.9", at=AT))
    answer.receive_head(pieces[0])
    wire = DAMAGES[damage]([piece.content for piece in pieces])
    return answer, Stream(answer.receive_data, lambda: answer.receive_end(at=AT), wire)


def piped(world: World, damage: str = "none") -> tuple[Any, Stream]:
    device = Piped(world)
    device.open()
    device.session.ask(QUESTION, at=AT)
    wire = DAMAGES[damage]([response.content for response in device.down])
    pipe = device.pipe
    return pipe, Stream(lambda data: pipe.receive_data(data, at=AT), lambda: pipe.receive_end(at=AT), wire)


def said(events: list[Any], error: PeerError | None) -> int:
    """Bytes of the answer that were given out; a failure says the same."""
    pieces = [event.data for event in events if isinstance(event, AnswerData)]
    assert ANSWER[: len(pieces)] == pieces
    count = sum(map(len, pieces))
    if error is not None:
        assert error.authentic == count
        if isinstance(error, DecodeError):
            assert error.offset == count
    return count


# req: privproc1/5.4 splits-change-nothing
# req: privproc1/5.4 what-came-is-not-the-answer
# req: privproc1/6.2 whole-whatever-follows
def test_a_streamed_answer(world: World, damage: str) -> None:
    made: list[Any] = []

    def make() -> Stream:
        answer, stream = streamed(world, damage)
        made.append(answer)
        return stream

    events, error = same(make)
    count = said(events, error)
    assert {answer.received for answer in made} == {count}
    if count < len(b"".join(ANSWER)):
        assert error is not None
        return
    assert error is None
    assert isinstance(events[-1], AnswerComplete)
    assert (events[-1].session is not None) == (damage == "none")


# req: privproc1/5.4 splits-change-nothing
# req: privproc1/5.4 what-came-is-not-the-answer
# req: privproc1/6.2 whole-whatever-follows
def test_a_pipe(world: World, damage: str) -> None:
    made: list[Any] = []

    def make() -> Stream:
        pipe, stream = piped(world, damage)
        made.append(pipe)
        return stream

    events, error = same(make)
    if isinstance(events[-1] if events else None, AnswerComplete):
        assert said(events, None) == len(b"".join(ANSWER))
        assert error is None or error.authentic is None  # no answer was awaited any more
    else:
        assert error is not None
        said(events, error)
    assert {pipe.received for pipe in made} == {sum(len(event.data) for event in events if hasattr(event, "data"))}
    assert {pipe.state for pipe in made} == {PipeState.FAILED if error else PipeState.ENDED}


@contextlib.contextmanager
def spoilt(world: World, change: Callable[[int, bytes], bytes]) -> Iterator[None]:
    """The host changes what the enclave sends: calls of ``change`` count records from 0."""
    count = [0]

    def tap(data: bytes) -> bytes:
        if data[:1] != b"\x17":
            return data
        count[0] += 1
        return change(count[0] - 1, data)

    world.wire.taps["host → gateway"] = tap
    yield
    del world.wire.taps["host → gateway"]


JUNK = b"\x17\x03\x03\0\x20" + bytes(32)


@pytest.mark.parametrize("kind", [streamed, piped])
@pytest.mark.parametrize(
    ("change", "pieces"),
    [
        (lambda number, data: data + JUNK if number == 0 else data, 1),
        (lambda number, data: data + JUNK if number == 1 else data, 2),
        (lambda number, data: flipped(data, -1) if number == 1 else data, 1),
        (lambda number, data: data + data if number == 1 else data, 2),
    ],
    ids=["junk behind the first", "junk behind the second", "forged second", "second twice"],
)
# req: privproc1/5.4 splits-change-nothing
# req: privproc1/5.4 what-came-is-not-the-answer
def test_a_record_in_a_chunk_with_a_good_one(world: World, kind: Any, change: Any, pieces: int) -> None:
    """The layers above and below are in order: one OHTTP chunk holds a record that opens and one that doesn't."""

    def make() -> Stream:
        with spoilt(world, change):
            return kind(world, "none")[1]

    events, error = same(make)
    assert type(error) is OpenError
    assert said(events, error) == len(b"".join(ANSWER[:pieces]))


# req: privproc1/6.2 whole-whatever-follows
def test_records_behind_a_whole_answer(world: World) -> None:
    """From the host, in the chunk that has the answer's end."""

    def make(kind: Any) -> Stream:
        with spoilt(world, lambda number, data: data + JUNK if number == 3 else data):
            return kind(world, "none")[1]

    events, error = same(lambda: make(streamed))
    assert (events, error) == ([*map(AnswerData, ANSWER), AnswerComplete(None)], None)
    events, error = same(lambda: make(piped))
    assert events[:-1] == [*map(AnswerData, ANSWER)]
    assert isinstance(events[-1], AnswerComplete)
    assert type(error) is OpenError
    with pytest.raises(OpenError):  # the session is over
        events[-1].session.ask(QUESTION, at=AT)


def ending(
    world: World, change: Callable[[bytes], bytes], held: int = 1
) -> tuple[Any, list[Any], Callable[[], list[Any]]]:
    """A pipe with a last question, whose answer's last ``held`` records come in OHTTP's final chunk, as ``change`` has
    it: the pipe, what came before the end, and what takes the end.
    """
    device = Piped(world)
    device.open()
    device.session.ask(QUESTION, at=AT, last=True)
    kept: list[bytes] = []

    def last_is_kept(download: PipeDownload, records: bytes) -> bytes:
        kept.append(records)
        return download._sender.send(chunked.content_chunk(kept.pop(0))) if len(kept) > held else b""

    def finish(download: PipeDownload) -> bytes:
        *before, records = kept
        answer = records[: 5 + int.from_bytes(records[3:5], "big")]  # without the close_notify behind it
        content = chunked.content_chunk(b"".join((*before, answer)))
        return download._sender.finish(change(content) + chunked.END)

    with mock.patch.object(PipeDownload, "send", last_is_kept), mock.patch.object(PipeDownload, "finish", finish):
        wire = b"".join(response.content for response in device.down)
    return device.pipe, device.pipe.receive_data(wire, at=AT), lambda: device.pipe.receive_end(at=AT)


def test_a_pipes_end_with_the_answers(world: World) -> None:
    pipe, events, end = ending(world, lambda last: last)
    assert [*events, *end()] == [*map(AnswerData, ANSWER), AnswerComplete(None)]
    assert pipe.state is PipeState.ENDED


# req: privproc1/6.2 whole-whatever-follows
def test_a_pipes_end_with_the_answers_and_more(world: World) -> None:
    """The answer is whole; that the stream wasn't is for the next call to say."""
    pipe, events, end = ending(world, lambda last: last + chunked.content_chunk(JUNK))
    assert [*events, *end()] == [*map(AnswerData, ANSWER), AnswerComplete(None)]
    assert pipe.state is PipeState.FAILED
    with pytest.raises(OpenError) as raised:
        end()
    assert raised.value.authentic is None


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda last: flipped(last, -1), OpenError),
        (lambda last: last[:-10], DecodeError),
        (lambda last: b"", DecodeError),
    ],
    ids=["forged", "cut", "dropped"],
)
@pytest.mark.parametrize("held", [1, 2])
# req: privproc1/5.4 what-came-is-not-the-answer
def test_a_pipes_end_without_the_answers(world: World, change: Any, error: type[PeerError], held: int) -> None:
    """Of what comes with the end alone nothing is given out, nor counted."""
    pipe, events, end = ending(world, change, held)
    with pytest.raises(error) as raised:
        end()
    assert said(events, raised.value) == pipe.received == len(b"".join(ANSWER[: 4 - held]))


# req: privproc1/5.4 what-came-is-not-the-answer
def test_an_end_that_is_forged_between_questions(world: World) -> None:
    """Nothing is awaited, but whoever ended the response had no right to."""
    device = Piped(world)
    device.open()
    assert device.pipe.receive_data(b"\0" + bytes(40), at=AT) == []
    with pytest.raises(OpenError) as raised:
        device.pipe.receive_end(at=AT)
    assert raised.value.authentic is None
    assert device.pipe.state is PipeState.FAILED


# req: privproc1/6.2 whole-whatever-follows
def test_records_behind_a_whole_answer_in_one_shot(world: World) -> None:
    """All of the answer, not only the word that it is whole."""
    chat = Chat(world)
    request, answer = chat.session.ask(QUESTION, at=AT)
    with spoilt(world, lambda number, data: data + JUNK):
        response = chat.send(request)
    assert answer.receive(response, at=AT) == [*map(AnswerData, ANSWER), AnswerComplete(None)]
    assert answer.received == len(b"".join(ANSWER))


def test_a_whole_response_that_fails_gives_nothing_out(world: World) -> None:
    chat = Chat(world)
    request, answer = chat.session.stream(QUESTION, at=AT)
    pieces = list(world.relay.stream(request, [request.content], address="203.0.113.9", at=AT))
    content = b"".join(piece.content for piece in pieces[:-2]) + JUNK
    with pytest.raises(OpenError) as raised:
        answer.receive(Response(200, pieces[0].fields, content), at=AT)
    assert answer.received == raised.value.authentic == 0


def test_a_head_that_is_none_says_that_nothing_came(world: World) -> None:
    chat = Chat(world)
    _, answer = chat.session.stream(QUESTION, at=AT)
    with pytest.raises(PolicyError) as raised:
        answer.receive_head(Response(502))
    assert raised.value.authentic == 0


def test_a_failure_before_the_first_question_is_of_no_answer(world: World) -> None:
    device = Piped(world)
    with pytest.raises(PolicyError) as raised:
        device.pipe.receive_head(Response(502))
    assert raised.value.authentic is None


@pytest.mark.parametrize("tail", ["none", "forged", "cut"])
def test_an_upload(world: World, tail: str) -> None:
    """The first piece and a record, and then a chunk that isn't in order: the gateway acts on what came."""

    def make() -> Stream:
        device = Piped(world)
        first = device.pipe.data_to_send()
        sender = device.pipe._sender
        wire = first + sender.send(chunked.content_chunk(b"record")) + sender.send(chunked.content_chunk(b"second"))
        if tail == "forged":
            wire = flipped(wire, -1)
        wire = wire[:-2] if tail == "cut" else wire + sender.finish(chunked.END)
        upload = Upload(world.server.gateway)
        return Stream(lambda data: upload.receive_data(data, at=AT), lambda: upload.receive_end(at=AT), wire)

    events, error = same(make, (1 << 20, 1, 7, 5000))
    assert [type(event) for event in events[:2]] == [PipeRequest, RecordsReceived]
    assert len(events) == (4 if tail == "none" else 2)
    assert type(error) is {"none": type(None), "forged": OpenError, "cut": DecodeError}[tail]

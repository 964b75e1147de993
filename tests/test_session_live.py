"""A session that lives on: several requests under one-time keys, new evidence, the epoch's switch; and how it ends."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from privproc import hpke, ratls, responsekey, session
from privproc.errors import (
    DecodeError,
    ExpiredError,
    OpenError,
    PeerError,
    PolicyError,
    SpentError,
    UntrustedError,
    UsageError,
)
from privproc.responsekey import Context
from privproc.session import Live, frames
from privproc.session.frames import Kind
from privproc.session.messages import RENEWAL_SIZES, Offer, Renewed
from privproc.session.profile import ANSWER_SIZES, ATTESTATIONS, IDLE, LEASE, LIFETIME, SUITES
from privproc.wire import Feed
from tests.world.device import Chat
from tests.world.world import World

AT = 1_800_000_000


@pytest.fixture
def chat() -> Chat:
    return Chat(World(AT, suite=SUITES[1]))


# Several requests.


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kem.name)
def test_questions_in_one_session(suite: hpke.Suite) -> None:
    chat = Chat(World(AT, suite=suite))
    for number in range(5):
        question = b"Question number %d about the harbour." % number
        assert chat.ask(question) == question
        chat.world.at += IDLE - LEASE - 1
    spent = [key.holders for key in chat.world.server.store._keys.values()]
    assert [len(holders) for holders in spent] == [1]  # one token for all of them
    assert len(chat.world.server.live) == len(chat.world.machine.sessions) == 1
    assert len({len(request.content) for request in chat.sent[2:]}) == 1


def test_handles_and_one_time_keys_are_new_each_time(chat: Chat) -> None:
    handles, keys = set(), set()
    for number in range(4):
        handles |= set(chat.world.server.live)
        keys.add(chat.session._look().attested.key.encode())
        chat.ask(b"Question")
        assert len(handles) == len(keys) == number + 1


def test_the_transcript_chains(chat: Chat) -> None:
    before: list[bytes] = []
    for number in range(3):
        attested = chat.session._look().attested
        assert (attested.number, attested.previous) == (number, before[-1] if before else b"")
        request, answer = chat.session.ask(b"Question", at=AT)
        before.append(answer._answer.th3)
        *_, end = answer.receive(chat.send(request), at=AT)
        assert isinstance(end, session.AnswerComplete)
        chat.session = end.session


# req: privproc1/2.4 requests-are-counted
# req: privproc1/5.2 no-handle-after-the-end
def test_as_many_as_are_announced() -> None:
    world = World(AT, suite=SUITES[1])
    world.machine.enclave = replace(world.machine.enclave, requests=3)
    chat = Chat(world)
    for number in range(3):
        assert chat.session is not None
        chat.ask(b"Question %d" % number)
    assert chat.session is None
    assert not world.server.live
    assert not world.machine.sessions


# req: privproc1/2.4 requests-are-counted
def test_a_device_counts_for_itself(chat: Chat) -> None:
    """An enclave that goes on past its own announcement gets no further request."""
    ready = chat.session._state[0]
    chat.session._state[0] = ready._replace(attested=ready.attested._replace(max_requests=1))
    assert chat.ask(b"Question") == b"Question"
    assert chat.session is None


# req: privproc1/6 last-says-so
def test_the_last_question_says_so(chat: Chat) -> None:
    request, answer = chat.session.ask(b"Question", at=AT, last=True)
    other = Chat(chat.world)
    plain, _ = other.session.ask(b"Question", at=AT)
    assert len(request.content) == len(plain.content)  # which it is doesn't show before the enclave
    *_, end = answer.receive(chat.send(request), at=AT)
    assert end == session.AnswerComplete(None)
    assert len(chat.world.machine.sessions) == 1  # the other's


# req: privproc1/11 continuation-keys-go
def test_the_key_of_continuations_goes_with_the_session(chat: Chat) -> None:
    key = chat.session._look().link.key
    assert len(key.expose()) == 48
    request, answer = chat.session.ask(b"Question", at=AT, last=True)
    answer.receive(chat.send(request), at=AT)
    with pytest.raises(SpentError):
        key.expose()


def test_one_shot_asks_once(chat: Chat) -> None:
    world = chat.world
    reply = world.ask(chat.directory, world.token(chat.directory), b"Question")
    assert reply.session is None
    assert len(world.machine.sessions) == 1


@pytest.mark.parametrize("when", ["device", "enclave", "gateway"])
# req: privproc1/5.3 idle-sessions-end
def test_a_session_that_idles_ends_at_each(chat: Chat, when: str) -> None:
    chat.ask(b"Question")
    ends = AT + IDLE - (LEASE if when == "device" else 0)
    assert chat.session.until == AT + IDLE - LEASE
    if when != "device":
        chat.session.until = ends + 1  # a device that doesn't keep to it
    if when == "enclave":
        ((live, number),) = chat.world.server.live.values()
        chat.world.server.live = {live.handle: (replace(live, expires=ends + 1), number)}
    chat.world.at = ends
    with pytest.raises(ExpiredError if when == "device" else PolicyError) as raised:
        chat.ask(b"Question")
    if when != "device":
        assert "session" in str(raised.value) or "refused" in str(raised.value)
        error = chat.world.server.refusals[-1]
        assert isinstance(error, ExpiredError)
        assert ("handle" if when == "gateway" else "session") in str(error)


# req: privproc1/2.4 lifetime-is-kept
def test_a_session_ends_with_its_announcement_at_both_ends(chat: Chat) -> None:
    while chat.world.at < AT + LIFETIME - 100:
        chat.ask(b"Question")
        chat.world.at += 200
    assert chat.session.until == AT + LIFETIME
    (waiting,) = chat.world.machine.sessions.values()
    assert waiting.until == AT + LIFETIME
    chat.world.at = AT + LIFETIME
    with pytest.raises(ExpiredError, match="session"):
        chat.ask(b"Question")


def test_a_session_that_has_ended_gets_no_new_evidence(chat: Chat) -> None:
    ends, other = chat.session.until, Chat(chat.world)
    with pytest.raises(ExpiredError, match=r"^session is no longer valid$"):
        chat.session.renew(chat.directory, at=ends)
    with pytest.raises(SpentError):
        chat.session.renew(chat.directory, at=AT)
    assert other.session.renew(other.directory, at=ends - 1)


def test_a_lost_answer_is_the_end(chat: Chat) -> None:
    chat.ask(b"Question")
    request, answer = chat.session.ask(b"Another", at=AT)
    chat.send(request)  # the response never arrives
    with pytest.raises(SpentError):
        chat.session.ask(b"Another", at=AT)
    reached = len(chat.world.wire.sizes("gateway → host"))
    response = chat.send(request)  # the same once more: its handle is used
    assert len(chat.world.wire.sizes("gateway → host")) == reached
    with pytest.raises(PolicyError, match="refused"):
        answer.receive(response, at=AT)


def test_a_failure_leaves_no_session_and_sends_nothing(chat: Chat) -> None:
    chat.ask(b"Question")
    count = len(chat.sent)
    chat.world.wire.taps["gateway → relay"] = lambda data: data[:-1] + bytes([data[-1] ^ 1])
    session_ = chat.session
    with pytest.raises(OpenError):
        chat.ask(b"Another")
    assert len(chat.sent) == count + 1
    with pytest.raises(SpentError):
        session_.ask(b"Another", at=AT)


# req: privproc1/4.1 question-fits-first
def test_a_question_that_is_too_large_spends_nothing(chat: Chat) -> None:
    chat.ask(b"Question")
    for attempt in (
        lambda: chat.session.ask(bytes(4 << 20), at=AT),
        lambda: chat.drive(session.ask_in(chat.session, chat.directory, bytes(4 << 20), at=AT)),
    ):
        with pytest.raises(UsageError, match="too large"):
            attempt()
    assert chat.ask(b"Question") == b"Question"


# req: privproc1/11 one-time-keys-go
def test_a_one_time_key_is_gone_once_it_opened(chat: Chat) -> None:
    (waiting,) = chat.world.machine.sessions.values()
    one_time = waiting._state[0].one_time
    chat.ask(b"Question")
    with pytest.raises(SpentError):
        one_time._take()
    (waiting,) = chat.world.machine.sessions.values()
    assert waiting._state[0].one_time is not one_time


@pytest.mark.parametrize("change", ["number", "previous", "key"])
# req: privproc1/6.1 of-its-place
def test_a_request_has_its_place(chat: Chat, change: str) -> None:
    """Sealed for another place in the session, or to the key of the request before: it doesn't open."""
    first = chat.session._look().attested.key
    chat.ask(b"Question")
    ready = chat.session._state[0]
    changes = {"number": {"number": 2}, "previous": {"previous": bytes(48)}, "key": {"key": first}}[change]
    chat.session._state[0] = ready._replace(attested=ready.attested._replace(**changes))
    if change == "previous":  # only the answer depends on it
        with pytest.raises(OpenError):
            chat.ask(b"Question")
        return
    with pytest.raises(PolicyError, match="refused"):
        chat.ask(b"Question")
    assert isinstance(chat.world.server.refusals[-1], OpenError)


def test_nothing_shows_and_nothing_is_copied(chat: Chat) -> None:
    chat.ask(b"Question")
    request, renewing = chat.session.renew(chat.directory, at=AT)
    assert request
    for thing in (chat.session, renewing):
        assert thing.__class__.__name__ in repr(thing)
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(UsageError):
                attempt(thing)


# New evidence.


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.kem.name)
def test_new_evidence_in_a_live_session(suite: hpke.Suite) -> None:
    chat = Chat(World(AT, suite=suite))
    assert chat.ask(b"Question") == b"Question"
    old = chat.session._look().attested
    evidence = chat.session.evidence
    chat.world.at += 10
    chat.renew()
    new = chat.session._look().attested
    assert chat.session.evidence.binding != evidence.binding
    assert chat.session.evidence.evidence_digest != evidence.evidence_digest
    assert (new.sequence, new.number, new.previous) == (1, 0, b"")
    assert new.th2 != old.th2
    assert new.key != old.key
    assert new.until == AT + 10 + LIFETIME
    assert chat.ask(b"Another") == b"Another"
    # From outside: a request of the least size, and an answer of the size for evidence.
    sizes = [len(request.content) for request in chat.sent]
    assert sizes[2] == sizes[3] == sizes[1] - 80  # the first one has TLS's Finished
    assert chat.world.wire.sizes("relay → device")[-2] == 2 * ANSWER_SIZES[0]


# req: privproc1/6.3 eight-times
def test_attestations_have_an_end(chat: Chat) -> None:
    for number in range(ATTESTATIONS - 1):
        assert chat.session._look().attested.sequence == number
        chat.renew()
    with pytest.raises(UsageError, match="8 times"):
        chat.session.renew(chat.directory, at=AT)


# req: privproc1/6.3 eight-times
def test_an_enclave_counts_attestations_for_itself(chat: Chat) -> None:
    with mock.patch("privproc.session.enclave.ATTESTATIONS", 1), pytest.raises(PolicyError, match="refused"):
        chat.renew()
    assert "1 times" in str(chat.world.server.refusals[-1])


def test_new_evidence_makes_room(chat: Chat) -> None:
    world = World(AT, suite=SUITES[1])
    world.machine.enclave = replace(world.machine.enclave, requests=2)
    chat = Chat(world)
    for _ in range(3):
        chat.ask(b"Question")
        chat.renew()
    chat.ask(b"Question")
    chat.ask(b"Question")
    assert chat.session is None


def test_evidence_that_is_too_old_takes_new_one(chat: Chat) -> None:
    """The type says it: the session doesn't ask, it can only be renewed; the flow does so by itself."""
    world = World(AT, suite=SUITES[1])
    proved = world.host.log_proof
    world.host.log_proof = lambda at: proved(at - 86400 + 20)  # twenty seconds of its age are left
    chat = Chat(world)
    chat.ask(b"Question")
    world.at += 20
    assert chat.session.fresh_until == world.at < chat.session.until
    with pytest.raises(ExpiredError, match="evidence"):
        chat.session.ask(b"Another", at=world.at)
    count = len(chat.sent)
    assert chat.ask(b"Another") == b"Another"  # not spent
    assert len(chat.sent) == count + 2


def answered(chat: Chat, change: Any) -> None:
    """Let the enclave, or who stands in its place, change what it answers to a request for evidence."""
    original = frames.renewal
    with mock.patch("privproc.session.enclave.renewal", lambda renewed: original(change(renewed))):
        chat.renew()


P256 = hpke.Suite(hpke.Kem.P256_SHA256, hpke.Kdf.HKDF_SHA256, hpke.Aead.AES_128_GCM)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"format": 2}, PolicyError),
        ({"announcement": responsekey.OneTimeKey.generate(SUITES[0]).announce(max_requests=1, lifetime=1).encode()},
         PolicyError),
        ({"announcement": responsekey.OneTimeKey.generate(SUITES[1]).announce(max_requests=1, lifetime=1).encode()},
         UntrustedError),
        ({"announcement": b"garbage"}, DecodeError),
        ({"evidence": b"report"}, DecodeError),
        ({"endorsements": b"garbage"}, DecodeError),
        ({"log_proof": b"garbage"}, DecodeError),
    ],
)  # fmt: skip
# req: privproc1/6.3 suite-and-format-stay
def test_what_new_evidence_must_be(chat: Chat, change: dict[str, Any], error: type[PeerError]) -> None:
    before = chat.session
    with pytest.raises(error) as raised:
        answered(chat, lambda renewed: replace(renewed, **change))
    assert type(raised.value) is error
    with pytest.raises(SpentError):
        before.ask(b"Question", at=AT)


# req: privproc1/6.3 bound-to-what-was
def test_old_evidence_is_not_new(chat: Chat) -> None:
    """The evidence of the session's own beginning, with its announcement: of this session, but not of this time."""
    offer = Offer.decode(next(data for name, data in chat.world.wire.crossings if name == "enclave → host"))
    with pytest.raises(UntrustedError):
        answered(chat, lambda renewed: replace(renewed, announcement=offer.announcement, evidence=offer.evidence))


def test_an_appraisal_of_other_evidence_is_not_enough(chat: Chat) -> None:
    """Were the appraisal to return what it found elsewhere, the binding would still be compared."""
    other = Chat(chat.world).session.evidence
    with (
        mock.patch("privproc.session.attested._appraise", return_value=other),
        pytest.raises(UntrustedError, match="another session"),
    ):
        chat.renew()


def test_new_evidence_of_another_session(chat: Chat) -> None:
    other, shown = Chat(chat.world), []
    answered(other, lambda renewed: shown.append(renewed) or renewed)
    with pytest.raises(UntrustedError):
        answered(chat, lambda _: shown[0])


@pytest.mark.parametrize("missing", ["th1", "sequence", "exporter", "leaf"])
# req: privproc1/6.3 bound-to-what-was
def test_what_the_new_evidence_commits_to(chat: Chat, missing: str) -> None:
    """The binder has every part: an enclave whose part differs is refused."""
    original = session.enclave.Binding
    other = {"th1": bytes(48), "sequence": 5, "exporter": responsekey.request.Secret(bytes(32)), "leaf": b"leaf"}[
        missing
    ]

    def changed(**fields: Any) -> Any:
        return original(**(fields | {missing: other}))

    with mock.patch("privproc.session.enclave.Binding", changed), pytest.raises(UntrustedError):
        chat.renew()


# req: privproc1/6.3 judged-by-the-present
def test_a_revoked_enclave_is_not_renewed(chat: Chat) -> None:
    chat.world.machine.report_fields = {"vmpl": 1}
    with pytest.raises(PolicyError, match="VMPL"):
        chat.renew()


@pytest.mark.parametrize("at", [AT + LEASE, AT - 1])
# req: privproc1/6.3 evidence-in-time
def test_new_evidence_that_comes_late(chat: Chat, at: int) -> None:
    request, renewing = chat.session.renew(chat.directory, at=AT)
    response = chat.send(request)
    with pytest.raises(ExpiredError, match=r"^renewal is "):
        renewing.finish(response, at=at if at > AT else -1)


# req: privproc1/6.3 new-evidence-is-whole
def test_new_evidence_that_is_cut_off(chat: Chat) -> None:
    chat.world.wire.taps["host → gateway"] = lambda data: b""
    with pytest.raises(DecodeError, match="renewal: truncated"):
        chat.renew()


def test_close_notify_behind_the_new_evidence_takes_nothing_away(chat: Chat) -> None:
    """The evidence is whole: that the enclave sends nothing more is no news of it."""
    channel = chat.session._look().attested.channel
    receive = ratls.Channel.receive_data

    def closing(self: ratls.Channel, data: bytes) -> list[Any]:
        events = receive(self, data)
        return [*events, ratls.EndOfData()] if self is channel else events

    with mock.patch.object(ratls.Channel, "receive_data", closing):
        chat.renew()
    assert chat.ask(b"Question") == b"Question"


# req: privproc1/6.3 old-keys-are-gone
def test_keys_from_before_are_of_no_use(chat: Chat) -> None:
    """A question under the old key, th2 and place, after new evidence: the enclave has none of these any more."""
    chat.ask(b"Question")
    old = chat.session._look().attested
    (waiting,) = chat.world.machine.sessions.values()
    one_time = waiting._state[0].one_time
    chat.renew()
    with pytest.raises(SpentError):
        one_time._take()
    ready = chat.session._state[0]
    chat.session._state[0] = ready._replace(attested=old._replace(channel=ready.attested.channel))
    with pytest.raises(PolicyError, match="refused"):
        chat.ask(b"Another")
    assert isinstance(chat.world.server.refusals[-1], OpenError)


# What a device may send.


@contextmanager
def instead(chat: Chat, data: bytes) -> Iterator[None]:
    """A device that sends ``data`` inside of TLS in place of its question."""
    with mock.patch("privproc.session.frames.frame", return_value=data):
        yield


@pytest.mark.parametrize(
    "data",
    [
        b"\x03" + (4).to_bytes(4, "big") + b"body",
        b"\0" + bytes(4),
        b"\0" + ((1 << 23) + 1).to_bytes(4, "big"),
        b"\0" + (4).to_bytes(4, "big") + b"body",
        b"\0" + (4).to_bytes(4, "big") + b"body and more",
        b"\2" + (32).to_bytes(4, "big") + bytes(32),
        frames.frame(Kind.AGAIN, bytes(32 + 4 + 4 + 4096 + 16 - 32 + 32) + b"\1"),
        b"\0\0",
    ],
    ids=["kind", "empty", "long", "body", "trailing", "short again", "padding of again", "cut"],
)
# req: privproc1/6 frames
def test_frames_that_are_none(chat: Chat, data: bytes) -> None:
    with instead(chat, data), pytest.raises(PolicyError, match="refused"):
        chat.ask(b"Question")
    assert isinstance(chat.world.server.refusals[-1], DecodeError)
    assert not chat.world.server.live


# req: privproc1/6.3 again-has-a-requests-size
def test_the_nonce_of_again_has_the_size_of_a_request() -> None:
    for suite in SUITES:
        one_time = responsekey.OneTimeKey.generate(suite)
        context = Context(bytes(48), 0, b"", responsekey.request.Secret(bytes(48)))
        sealed, _ = responsekey.seal_request(context, suite, one_time.public_key, b"")
        wire = frames.again(b"n" * 32, suite)
        assert len(wire) == len(frames.frame(Kind.REQUEST, sealed))
        assert frames.nonce_of(wire[5:], suite) == b"n" * 32
        for bad in (wire[5:-1], wire[5:] + b"\0", wire[5:-1] + b"\1", wire[5:37]):
            with pytest.raises(DecodeError):
                frames.nonce_of(bad, suite)


# req: privproc1/6.3 new-evidence-in-few-sizes
def test_new_evidence_is_filled_to_few_sizes() -> None:
    for size, expected in ((100, RENEWAL_SIZES[0]), (RENEWAL_SIZES[0], RENEWAL_SIZES[1])):
        renewed = Renewed(b"announcement", 1, b"evidence", bytes(size), b"proof")
        wire = frames.renewal(renewed)
        assert len(wire) == 4 + expected
        assert Feed("new evidence", frames.renewals()).receive(wire, last=True) == [renewed]
        assert expected + 500 < min(size for size in ANSWER_SIZES if size > expected)
    with pytest.raises(UsageError):
        Renewed(b"a", 1, b"e", bytes(RENEWAL_SIZES[-1]), b"").encode()
    for bad in (bytes(RENEWAL_SIZES[0] - 1), bytes(100)):
        with pytest.raises(DecodeError):
            Renewed.decode(bad)
    with pytest.raises(PolicyError):
        Feed("new evidence", frames.renewals()).receive((100).to_bytes(4, "big"))


@pytest.mark.parametrize("piece", [1, 7, 79, 80, 81, 5000])
def test_a_request_in_pieces(chat: Chat, piece: int) -> None:
    """Any split of the records gives the same question, in the first request and in later ones."""
    machine, taken = chat.world.machine, []

    def split(number: int, records: bytes, at: int) -> bytes:
        waiting = machine.sessions.pop(number)
        for start in range(0, len(records), piece):
            found = waiting.receive_data(records[start : start + piece], at=at)
            assert (found is None) == (start + piece < len(records))
        assert isinstance(found, session.Asked)
        taken.append(found.question)
        out, following = found.reply.finish(found.question, at=at)
        assert following is not None
        machine.sessions[number] = following
        return out

    with mock.patch.object(machine, "receive", split):
        assert chat.ask(b"Question") == b"Question"
        assert chat.ask(b"Another") == b"Another"
    assert taken == [b"Question", b"Another"]


def test_what_is_no_finished_is_refused_at_once() -> None:
    for garbage in (b"\x16\x03\x03\x00\x05hello", b"garbage garbage"):
        (waiting,) = Chat(World(AT, suite=SUITES[1])).world.machine.sessions.values()
        with pytest.raises((DecodeError, OpenError)):
            waiting.receive_data(garbage, at=AT)
        with pytest.raises(SpentError):
            waiting.receive_data(garbage, at=AT)


def test_states_show_their_names_alone(chat: Chat) -> None:
    ready = chat.session._look()
    (waiting,) = chat.world.machine.sessions.values()
    state = waiting._look().session
    states = [ready, ready.attested, ready.link, state, state.term]
    attest = session.Again.attest

    def watched(step: session.Again, *args: Any, **named: Any) -> Any:
        states.append(step._look())
        return attest(step, *args, **named)

    with mock.patch.object(session.Again, "attest", watched):
        chat.renew()
    assert [repr(it) for it in states] == ["<_Ready>", "<Attested>", "<Link>", "<_Session>", "<_Term>", "<_Again>"]
    assert repr(frames.Frame(Kind.LAST, b"body")) == "<Frame>"
    live, _ = next(iter(chat.world.server.live.values()))
    assert Live.decode(live.encode()) == live


# The epoch's switch.


# req: privproc1/5.2 sessions-outlast-epochs
def test_a_session_survives_the_switch() -> None:
    world = World(AT, suite=SUITES[1])
    end = world.grid.start(world.epoch + 1)
    world.at = end - 20
    chat = Chat(world)
    chat.ask(b"Before")
    old_key = chat.sent[-1].content[:7]
    (before,) = world.server.gateway._epochs.values()
    servers = world.server, world.host, world.machine
    world.at = end
    world.start(world.epoch + 1)
    (after,) = world.server.gateway._epochs.values()
    # The servers are those that ran before; the gateway has both epochs' keys now.
    world.server, world.host, world.machine = servers
    world.relay._gateway = world.server
    world.server.gateway = session.Gateway([before, after])
    with pytest.raises(ExpiredError):
        chat.session.ask(b"After", at=end)
    chat.directory = world.learn()
    assert chat.ask(b"After") == b"After"
    assert chat.sent[-1].content[:7] != old_key
    assert chat.session.fresh_until > end
    assert chat.ask(b"And on") == b"And on"


def test_an_answer_that_comes_after_the_switch_is_read() -> None:
    world = World(AT, suite=SUITES[1])
    end = world.grid.start(world.epoch + 1)
    world.at = end - 1
    chat = Chat(world)
    request, answer = chat.session.ask(b"Before", at=end - 1)
    world.at = end + session.GRACE - 1
    for waiting in world.machine.sessions.values():
        waiting.until = world.at + 1  # it was asked in time, and answers late
    ((live, number),) = world.server.live.values()
    world.server.live[live.handle] = replace(live, expires=world.at + 1), number
    *_, complete = answer.receive(chat.send(request), at=world.at)
    assert isinstance(complete, session.AnswerComplete)


# req: privproc1/6.3 judged-by-the-present
def test_the_new_directory_decides() -> None:
    """A floor that was raised meanwhile stops a session that was good under the old directory."""
    world = World(AT, suite=SUITES[1])
    chat = Chat(world)
    (service,) = world.contents.services
    world.contents = replace(world.contents, services=(replace(service, minimum_version=8),))
    world.adopt(world.package(world.epoch))
    chat.directory = world.learn()
    chat.session.fresh_until = AT
    with pytest.raises(PolicyError, match="security version"):
        chat.ask(b"Question")


def test_an_enclaves_new_identity_is_for_new_sessions(chat: Chat) -> None:
    old = chat.world.machine.enclave
    chat.ask(b"Question")
    chat.world.machine.enclave = replace(old, identity=ratls.Identity.generate(at=AT, lifetime=86400))
    assert chat.ask(b"Another") == b"Another"
    chat.renew()
    assert chat.ask(b"A third") == b"A third"
    assert Chat(chat.world).session._look().attested.leaf != chat.session._look().attested.leaf

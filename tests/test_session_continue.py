"""The gateway over time: epochs and their grace, handles, continuations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from privproc import bhttp, ohttp
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    PeerError,
    SignatureError,
    SpentError,
    UnsupportedError,
    UntrustedError,
    UsageError,
)
from privproc.http import Request
from privproc.keyconfig import GatewayKey
from privproc.secret import Secret
from privproc.session import GRACE, ContinueRequest, Epoch, Gateway, Live, OpenRequest
from privproc.session.messages import Continued
from privproc.session.profile import ANSWER_SIZES, CONTINUE_PATH, IDLE, LEASE, SUITES
from tests.world.by_hand import AT, Device, forward, gateway, opened, read
from tests.world.world import GATEWAY, World


@pytest.fixture(params=SUITES, ids=lambda suite: suite.kem.name)
def world(request: pytest.FixtureRequest) -> World:
    return World(AT, suite=request.param)


# Epochs.


def epoch_of(world: World) -> Epoch:
    (epoch,) = gateway(world)._epochs.values()
    return epoch


# req: privproc1/7.3 grace
def test_yesterdays_directory_is_good_through_the_grace() -> None:
    world = World(AT, suite=SUITES[1])
    end = world.grid.start(world.epoch + 1)
    old = epoch_of(world)
    world.at = end - 1
    device = Device(world)
    wires = [device.first()[0] for _ in range(2)]
    world.at = AT
    world.start(world.epoch + 1)
    both = Gateway([old, epoch_of(world)])
    message = both.open(wires[0], at=end + GRACE - 1).read(at=end + GRACE - 1)
    assert isinstance(message, OpenRequest)
    assert forward(message, end + GRACE - 1)[0][:48] == device.directory.package
    assert message.spend_key.expires == end + GRACE
    with pytest.raises(ExpiredError, match="gateway key"):
        both.open(wires[1], at=end + GRACE)
    world.at = end
    following = Device(world)
    message = both.open(following.first()[0], at=end).read(at=end)
    assert forward(message, end)[0][:48] == following.directory.package != device.directory.package
    with pytest.raises(UnsupportedError):
        Gateway([epoch_of(world)]).open(wires[1], at=end)


# req: privproc1/4.5 token-of-the-epoch
# req: privproc1/7.3 grace
def test_the_token_has_the_grace_too_and_no_more() -> None:
    world = World(AT, suite=SUITES[1])
    end = world.grid.start(world.epoch + 1)
    world.at = end - 1
    wire, _ = Device(world).first()
    exchange = gateway(world).open(wire, at=end + GRACE - 1)
    with pytest.raises(ExpiredError):
        exchange.read(at=end + GRACE)


# req: privproc1/4.5 token-of-the-epoch
# req: privproc1/7.3 grace
def test_an_epoch_is_of_its_directory(world: World) -> None:
    directory = world.learn()
    key = world.gateway_key
    assert Epoch.of(directory, key).package == directory.package

    def with_(**changes: Any) -> GatewayKey:
        values = {name: getattr(key, name) for name in ("key_id", "private", "suites", "not_before", "not_after")}
        return GatewayKey(**(values | changes))

    for bad in (with_(key_id=(key.key_id + 1) % 256), World(AT, suite=world.suite).gateway_key):
        with pytest.raises(UsageError, match="not the directory's"):
            Epoch.of(directory, bad)
    for name in ("not_before", "not_after"):
        for difference in (-1, 1):
            with pytest.raises(UsageError, match="600 seconds more"):
                Epoch.of(directory, with_(**{name: getattr(key, name) + difference}))
    with pytest.raises(UsageError):
        Gateway([epoch_of(world), epoch_of(world)])


# Continuations.


def test_a_session_goes_on_under_new_handles(world: World) -> None:
    device = Device(world)
    live = opened(world, device)
    assert (live.offset, live.expires) == (0, AT + LEASE)
    handles = {live.handle}
    for round_, records in enumerate((b"first", b"second one", b"third")):
        offset, at = live.offset, live.expires - 1
        wire, pending = device.more(live.handle, offset, records)
        message = read(world, wire)
        assert isinstance(message, ContinueRequest)
        assert message.handle == live.handle
        out, accepted = message.accept(live, at=at)
        assert out == records
        later = at + 10 * IDLE  # a model takes its time
        sealed, following = accepted.answer(b"answer", ended=False, at=later)
        assert following is not None
        live = following
        assert (live.offset, live.expires) == (offset + len(records), later + IDLE)
        handles.add(live.handle)
        assert len(handles) == round_ + 2
        response = bhttp.decode_response(pending.finish(sealed))
        assert (response.status, response.fields) == (200, ())
        assert Continued.decode(response.content) == Continued(live.handle, b"answer")
        assert len(sealed) == ANSWER_SIZES[0]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"mac": bytes(48)}, SignatureError),
        ({"records": b"altered"}, SignatureError),
        ({"offset": 1}, SignatureError),
        ({"handle": bytes(32)}, None),
    ],
)
# req: privproc1/5.1 continuation-is-authentic
def test_an_altered_continuation(change: dict[str, Any], error: type[PeerError] | None) -> None:
    world = World(AT, suite=SUITES[1])
    device = Device(world)
    live = opened(world, device)
    message = read(world, device.more(live.handle, 0, b"records", **change)[0])
    if error is None:
        assert message.handle != live.handle  # finds no session
        return
    with pytest.raises(error):
        message.accept(live, at=AT)


# req: privproc1/5.1 continuation-is-authentic
# req: privproc1/5.2 next-bytes-only
def test_a_continuation_is_of_its_session_exchange_and_place() -> None:
    world = World(AT, suite=SUITES[1])
    device, other = Device(world), Device(world)
    live, others = opened(world, device), opened(world, other)

    def message() -> Any:
        return read(world, device.more(live.handle, 0, b"records")[0])

    with pytest.raises(SignatureError):  # another session's key
        message().accept(others, at=AT)
    with pytest.raises(SignatureError):  # another handle
        message().accept(replace(live, handle=others.handle), at=AT)
    for offset in (1, (1 << 64) - 1):
        with pytest.raises(UntrustedError, match="not the next"):
            read(world, device.more(live.handle, offset, b"records")[0]).accept(live, at=AT)
    with pytest.raises(UntrustedError, match="not the next"):
        message().accept(replace(live, offset=7), at=AT)
    outgoing = ohttp.begin(device.selection, at=AT)  # another encapsulation of the same bytes
    inner = Request("POST", "https", GATEWAY, CONTINUE_PATH, (), message()._state[0][1].encode())
    with pytest.raises(SignatureError):
        read(world, outgoing.seal(bhttp.encode_request(inner))[0]).accept(live, at=AT)
    assert message().accept(live, at=AT)[0] == b"records"


# req: privproc1/5.2 handles-end
def test_a_handle_ends(world: World) -> None:
    device = Device(world)
    live = opened(world, device)
    for at in (live.expires, -1):
        with pytest.raises(ExpiredError, match=r"^handle is"):
            read(world, device.more(live.handle, 0, b"records")[0]).accept(live, at=at)
    for at in (0, live.expires - 1):
        assert read(world, device.more(live.handle, 0, b"records")[0]).accept(live, at=at)[0] == b"records"


def test_records_come_out_once_and_are_answered_once(world: World) -> None:
    device = Device(world)
    live = opened(world, device)
    message = read(world, device.more(live.handle, 0, b"records")[0])
    _, accepted = message.accept(live, at=AT)
    with pytest.raises(SpentError):
        message.accept(live, at=AT)
    assert accepted.answer(b"", ended=True, at=AT)[1] is None
    with pytest.raises(SpentError):
        accepted.answer(b"", ended=True, at=AT)


# req: privproc1/5.2 handles-are-used-once
def test_a_continuation_has_one_try(world: World) -> None:
    device = Device(world)
    live = opened(world, device)
    message = read(world, device.more(live.handle, 0, b"records")[0])
    with pytest.raises(ExpiredError):
        message.accept(live, at=live.expires)
    with pytest.raises(SpentError):
        message.accept(live, at=AT)


# req: privproc1/5.2 answers-of-few-sizes
def test_answers_are_of_a_few_sizes() -> None:
    world = World(AT, suite=SUITES[1])
    overhead = ohttp.response_overhead(world.suite) + 16 + 32 + 4
    for size in (1 << 13, 1 << 14, 1 << 23):
        for length, expected in ((size - overhead, size), (size - overhead + 1, 2 * size)):
            device = Device(world)
            live = opened(world, device)
            wire, pending = device.more(live.handle, 0, b"records")
            exchange = gateway(world).open(wire, at=AT)
            message = exchange.read(at=AT)
            assert isinstance(message, ContinueRequest)
            _, accepted = message.accept(live, at=AT)
            if expected > ANSWER_SIZES[-1]:
                with pytest.raises(LimitError, match=r"^answer: "):
                    accepted.answer(bytes(length), ended=False, at=AT)
                assert len(exchange.refuse()) == ANSWER_SIZES[0]
                continue
            sealed, _ = accepted.answer(bytes(length), ended=False, at=AT)
            assert len(sealed) == expected
            assert len(Continued.decode(bhttp.decode_response(pending.finish(sealed)).content).records) == length


def test_what_a_session_keeps_can_be_stored() -> None:
    handle, key = bytes(range(32)), bytes(range(100, 148))
    live = Live(handle, Secret(key), 1 << 40, AT)
    stored = live.encode()
    assert stored == handle + key + bytes([0, 0, 1, 0, 0, 0, 0, 0]) + AT.to_bytes(8, "big")
    assert Live.decode(stored) == live
    for wrong in (b"", stored[:-1], stored + b"\0"):
        with pytest.raises(DecodeError) as raised:
            Live.decode(wrong)
        assert raised.value.what == "Live"


def test_what_a_session_keeps_does_not_show(world: World) -> None:
    live = opened(world, Device(world))
    shown = repr(live)
    for secret in (live.handle, live.key.expose()):
        assert repr(secret)[2:12] not in shown
        assert secret.hex()[:12] not in shown

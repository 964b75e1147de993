"""The gateway's steps for a first request: what it must be, and one refusal for everything."""

from __future__ import annotations

import base64
import copy
import hashlib
import itertools
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from privproc import bhttp, ohttp
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
from privproc.http import Request
from privproc.responsekey import REQUEST_SIZES
from privproc.responsekey.wrapped import Wrap
from privproc.session import GRACE, OpenRequest
from privproc.session.messages import Continue, Forward, Open, Opened
from privproc.session.profile import ANSWER_SIZES, CONTINUE_PATH, OPEN_PATH, SUITES
from privproc.session.wrapped import WrappedRequest
from privproc.session.wrapped.messages import Delivery, Head, Wrapped
from privproc.tokens import MemoryStore, ProofKey
from tests.world.by_hand import AT, Change, Device, forward, gateway, read, refused
from tests.world.world import DOWN, GATEWAY, NAMESPACE, ROLE, UP, World


@pytest.fixture(params=SUITES, ids=lambda suite: suite.kem.name)
def world(request: pytest.FixtureRequest) -> World:
    return World(AT, suite=request.param)


# The first request.


def test_a_good_first_request(world: World) -> None:
    device = Device(world)
    message = read(world, device.first()[0])
    assert isinstance(message, OpenRequest)
    assert message.spend_key.nonce == device.token.nonce == device.proof_key.nonce
    assert message.spend_key.expires == world.grid.start(world.epoch + 1) + GRACE
    assert forward(message)[0] == Forward(device.directory.package, device.outer, device.open).encode()


def fields(*changes: Callable[[list[Any]], object]) -> Change:
    def change(request: Request) -> Request:
        listed = list(request.fields)
        for it in changes:
            it(listed)
        return replace(request, fields=tuple(listed))

    return change


def put(index: int, value: bytes) -> Change:
    return fields(lambda it: it.__setitem__(index, (it[index][0], value)))


def proof_value(change: Callable[[bytes], bytes]) -> Change:
    return lambda it: put(1, change(it.fields[1][1]))(it)


def decoded(change: Callable[[bytes], bytes]) -> Change:
    return proof_value(lambda it: base64.urlsafe_b64encode(change(base64.urlsafe_b64decode(it))))


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 1
    return bytes(changed)


WRONG: dict[str, tuple[Change, type[PeerError]]] = {
    "method": (lambda it: replace(it, method="PUT"), UntrustedError),
    "scheme": (lambda it: replace(it, scheme="http"), UntrustedError),
    "authority": (lambda it: replace(it, authority="other.example"), UntrustedError),
    "spelling of the authority": (lambda it: replace(it, authority=GATEWAY.upper()), UntrustedError),
    "path": (lambda it: replace(it, path="/privproc/1/close"), UntrustedError),
    "query": (lambda it: replace(it, path=OPEN_PATH + "?"), UntrustedError),
    "continue without its form": (lambda it: replace(it, path=CONTINUE_PATH), DecodeError),
    "no authorization": (fields(lambda it: it.pop(0)), DecodeError),
    "two authorizations": (fields(lambda it: it.append(it[0])), DecodeError),
    "another scheme": (put(0, b"Bearer token"), UnsupportedError),
    "a malformed token": (put(0, b'PrivateToken token="AAAA"'), UnsupportedError),
    "no proof": (fields(lambda it: it.pop(1)), DecodeError),
    "two proofs": (fields(lambda it: it.append(it[1])), DecodeError),
    "an empty proof": (put(1, b""), DecodeError),
    "a proof that is not Base64": (proof_value(lambda it: b"!" + it[1:]), DecodeError),
    "a proof that is not ASCII": (proof_value(lambda it: b"\xe9" + it[1:]), DecodeError),
    "a proof in the other alphabet": (
        proof_value(lambda it: base64.b64encode(b"\xff\xef" + base64.urlsafe_b64decode(it)[2:])),
        DecodeError,
    ),
    "a proof without its padding": (proof_value(lambda it: it.rstrip(b"=")[:-1]), DecodeError),
    "a proof with more behind": (decoded(lambda it: it + b"\0"), DecodeError),
    "a proof cut": (decoded(lambda it: it[:-1]), DecodeError),
    "a proof without a statement": (decoded(lambda it: b"\0\0" + it[68:]), DecodeError),
    "a proof without a signature": (decoded(lambda it: it[:68] + b"\0\0"), DecodeError),
    "a proof of one byte and no more": (decoded(lambda it: b"\0"), DecodeError),
    "another proof algorithm": (decoded(lambda it: flipped(it, 3)), UnsupportedError),
    "a statement of another key": (decoded(lambda it: flipped(it, 10)), UntrustedError),
    "a false signature": (decoded(lambda it: flipped(it, 80)), SignatureError),
    "another Open": (lambda it: replace(it, content=flipped(it.content, 100)), SignatureError),
    "no Open": (lambda it: replace(it, content=b""), SignatureError),
}


@pytest.mark.parametrize("name", WRONG)
# req: privproc1/4.5 own-target
def test_what_is_wrong_with_a_first_request(name: str) -> None:
    world = World(AT, suite=SUITES[1])
    change, error = WRONG[name]
    wire, _ = Device(world).first(change)
    with pytest.raises(error) as raised:
        read(world, wire)
    assert type(raised.value) is error


@pytest.mark.parametrize("name", [name for name in WRONG if name.startswith(("a proof", "an empty proof"))])
def test_what_is_malformed_in_a_proof_is_called_so(name: str) -> None:
    """Neither the token nor Open is to blame."""
    world = World(AT, suite=SUITES[1])
    with pytest.raises(DecodeError) as raised:
        read(world, Device(world).first(WRONG[name][0])[0])
    assert raised.value.what == ("pop" if name == "a proof without a statement" else "proof of possession")


STEPS: list[tuple[Change, int, str]] = [  # of docs/protocol.md §4.5, each failing alone
    (lambda it: replace(it, path="/privproc/1/close"), UP, "not a path of this gateway"),
    (lambda it: it, UP + 1, "not of the directory's size"),
    (put(0, b"Bearer token"), UP, "not of the scheme PrivateToken"),
    (fields(lambda it: it.pop()), UP, "privproc-proof is missing"),
]


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(STEPS, 2)))
def test_the_first_step_that_fails_is_the_last(first: tuple[Change, int, str], second: tuple[Change, int, str]) -> None:
    """What costs less or tells less comes first: nobody without a token makes the gateway look at a proof."""
    world = World(AT, suite=SUITES[1])
    wire, _ = Device(world).first(lambda it: first[0](second[0](it)), size=max(first[1], second[1]))
    with pytest.raises(PeerError, match=first[2]):
        read(world, wire)


@pytest.mark.parametrize("size", [UP - 1, UP + 1, 2 * UP])
# req: privproc1/4.5 up-bytes-exactly
def test_a_first_request_has_the_directorys_size(size: int) -> None:
    world = World(AT, suite=SUITES[1])
    with pytest.raises(PolicyError, match="size"):
        read(world, Device(world).first(size=size)[0])


# req: privproc1/4.4 known-length-framing
def test_requests_are_framed_with_known_lengths() -> None:
    """A second framing of the same request would be a way to tell devices apart."""
    world = World(AT, suite=SUITES[1])
    outgoing = ohttp.begin(Device(world).selection, at=AT)
    inner = Request("POST", "https", GATEWAY, CONTINUE_PATH, (), Continue(bytes(32), 0, bytes(48), b"r").encode())
    wire, _ = outgoing.seal(bhttp.encode_request(inner, framing=bhttp.Framing.INDETERMINATE))
    with pytest.raises(PolicyError, match="known lengths"):
        read(world, wire)


# req: privproc1/4.4 canonical-proof-field
def test_the_encoding_of_a_proof_is_canonical() -> None:
    """The bits that Base64 leaves over are zero: 134 bytes leave two."""
    world = World(AT, suite=SUITES[1])
    wire, _ = Device(world).first(proof_value(lambda it: it[:-2] + bytes([it[-2] + 1]) + b"="))
    with pytest.raises(DecodeError, match="not canonical base64url"):
        read(world, wire)


# req: privproc1/4.5 token-of-the-epoch
def test_a_token_must_be_good() -> None:
    world = World(AT, suite=SUITES[1])
    good, key = world.token(world.learn()).spend()
    for change, error in (
        ({"authenticator": bytes(256)}, SignatureError),
        ({"challenge_digest": bytes(32)}, UntrustedError),
        ({"token_key_id": bytes(32)}, UntrustedError),
        ({"nonce": bytes(32)}, SignatureError),
    ):
        with pytest.raises(error) as raised:
            read(world, Device(world, (replace(good, **change), key)).first()[0])
        assert type(raised.value) is error
    with pytest.raises(UntrustedError, match="another proof key"):
        read(world, Device(world, (good, ProofKey.generate())).first()[0])


# req: privproc1/2.2 outer-covers-exchange
# req: privproc1/4.5 proof-of-this-exchange
def test_a_proof_is_about_this_exchange() -> None:
    world = World(AT, suite=SUITES[1])
    device = Device(world)
    device.first()
    earlier = device.proof_key.sign(device.th1)
    with pytest.raises(SignatureError):
        read(world, device.first(proof=earlier)[0])


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"", DecodeError),
        (bytes(2048), UnsupportedError),
        (b"\0\1" + bytes(2046), DecodeError),
        ("hello", DecodeError),
        ("suffix", DecodeError),
    ],
)
# req: privproc1/4.5 open-before-forwarding
def test_open_is_looked_at_before_it_is_forwarded(message: Any, error: type[PeerError]) -> None:
    """After the token was reserved: what fails here gives the reservation back."""
    world = World(AT, suite=SUITES[1])
    device = Device(world)
    if message == "hello":
        message = replace(Open.decode(device.open), client_hello=b"\x16\x03\x01\0\1\1").encode()
    if message == "suffix":
        message = device.open + b"\0"
    device.open = message
    wire, pending = device.first()
    with pytest.raises(error) as raised:
        forward(read(world, wire))
    assert type(raised.value) is error
    assert refused(pending, world.server.handle(wire, at=AT))
    assert len(world.server.store) == 0
    assert world.wire.sizes("gateway → host") == []


@pytest.mark.parametrize("name", WRONG)
# req: privproc1/4.5 all-refusals-look-alike
def test_all_refusals_look_alike(name: str) -> None:
    world = World(AT, suite=SUITES[1])
    wire, pending = Device(world).first(WRONG[name][0])
    # Of the size of the answer that was asked for: the relay can tell the two round trips apart anyway.
    size = ANSWER_SIZES[0] if name.startswith("continue") else DOWN
    assert refused(pending, world.server.handle(wire, at=AT), size)
    assert len(world.server.store) == 0


def test_refusals_after_the_token_look_like_those_before(world: World) -> None:
    token = world.token(world.learn()).spend()
    wire, pending = Device(world, token).first()
    assert not refused(pending, world.server.handle(wire, at=AT))
    again, pending = Device(world, token).first()
    assert refused(pending, world.server.handle(again, at=AT))
    assert isinstance(world.server.refusals[-1], ReplayError)
    world.host.open = lambda forward, *, at: (_ for _ in ()).throw(PolicyError("no enclave"))  # type: ignore[method-assign]
    wire, pending = Device(world).first()
    assert refused(pending, world.server.handle(wire, at=AT))
    world.host.open = lambda forward, *, at: (9, bytes(DOWN), b"", b"")  # type: ignore[method-assign]
    wire, pending = Device(world).first()
    assert refused(pending, world.server.handle(wire, at=AT))
    assert isinstance(world.server.refusals[-1], LimitError)


# Steps.


# req: privproc1/9.2 gateway-states
def test_steps_are_left_once(world: World) -> None:
    exchange = gateway(world).open(Device(world).first()[0], at=AT)
    message = exchange.read(at=AT)
    with pytest.raises(SpentError):
        exchange.read(at=AT)
    _, forwarded = forward(message)
    with pytest.raises(SpentError):
        forward(message)
    forwarded.answer(b"offer", endorsements=b"", log_proof=b"", at=AT)
    for use in (lambda: forwarded.answer(b"offer", endorsements=b"", log_proof=b"", at=AT), exchange.refuse):
        with pytest.raises(SpentError):
            use()
    assert "(<_Exchange>, " in repr(read(world, Device(world).first()[0])._state)
    for thing in (exchange, message, forwarded):
        for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(UsageError):
                attempt(thing)


def test_a_refusal_is_given_once(world: World) -> None:
    exchange = gateway(world).open(Device(world).first()[0], at=AT)
    exchange.refuse()
    with pytest.raises(SpentError):
        exchange.refuse()


# req: privproc1/4.7 too-much-is-refused
def test_an_answer_that_does_not_fit_can_still_be_refused(world: World) -> None:
    wire, pending = Device(world).first()
    exchange = gateway(world).open(wire, at=AT)
    _, forwarded = forward(exchange.read(at=AT))
    with pytest.raises(LimitError, match=r"^first answer: "):
        forwarded.answer(bytes(DOWN), endorsements=b"", log_proof=b"", at=AT)
    assert bhttp.decode_response(pending.finish(exchange.refuse())).status == 403


def test_a_first_answer_has_what_the_host_gives(world: World) -> None:
    wire, pending = Device(world).first()
    _, forwarded = forward(read(world, wire))
    sealed, live = forwarded.answer(b"offer", endorsements=b"endorsements", log_proof=b"proof", at=AT)
    response = bhttp.decode_response(pending.finish(sealed))
    assert (response.status, response.fields) == (200, ())
    assert Opened.decode(response.content) == Opened(live.handle, b"offer", b"endorsements", b"proof")


def test_a_first_answer_fills_the_size_to_the_last_byte(world: World) -> None:
    room = DOWN - ohttp.response_overhead(world.suite) - 16 - 32 - 12
    wire, pending = Device(world).first()
    sealed, _ = forward(read(world, wire))[1].answer(bytes(room), endorsements=b"", log_proof=b"", at=AT)
    assert len(sealed) == DOWN
    assert Opened.decode(bhttp.decode_response(pending.finish(sealed)).content).offer == bytes(room)
    with pytest.raises(LimitError):
        forwarded = forward(read(world, Device(world).first()[0]))[1]
        forwarded.answer(bytes(room + 1), endorsements=b"", log_proof=b"", at=AT)


# req: privproc1/4.5 reserved-before-forwarding
def test_nothing_is_forwarded_without_its_reservation(world: World) -> None:
    message, other = (read(world, Device(world).first()[0]) for _ in range(2))
    store = MemoryStore(2)
    with pytest.raises(UsageError, match="another token"):
        message.forward(store.reserve(other.spend_key, at=AT, lease=30))
    reservation = store.reserve(message.spend_key, at=AT, lease=30)
    store.release(reservation, at=AT)
    with pytest.raises(SpentError):
        message.forward(reservation)
    reservation = store.reserve(message.spend_key, at=AT, lease=30)
    forward_, _ = message.forward(reservation)
    assert len(forward_) == 2144
    store.commit(reservation, at=AT)
    with pytest.raises(ReplayError):
        store.reserve(message.spend_key, at=AT, lease=30)


# In wrapped mode.


def wrapped_message(world: World) -> Wrapped:
    body = bytes(REQUEST_SIZES[0] + 16)
    nodes = tuple(bytes((number,)) * 48 for number in range(3))
    log, digest = world.measurements.log.key.name, hashlib.sha384(body).digest()
    head = Head(ROLE, log, NAMESPACE, bytes(32), bytes(32), nodes, digest)
    return Wrapped(head.encode(), tuple(Wrap(node[:32], node[:1] * 64) for node in nodes), body)


def test_a_good_wrapped_request(world: World) -> None:
    device, sent = Device(world), wrapped_message(world)
    wire, pending = device.wrapped(sent.encode())
    message = read(world, wire)
    assert isinstance(message, WrappedRequest)
    assert message.spend_key.nonce == device.token.nonce
    assert message.nodes == Head.decode(sent.head).nodes
    reservation = MemoryStore(1).reserve(message.spend_key, at=AT, lease=30)
    delivery, forwarded = message.forward(reservation, node=message.nodes[1])
    expected = Delivery(device.directory.package, device.outer, sent.head, 1, sent.wraps[1], sent.body)
    assert Delivery.decode(delivery) == expected
    response = bhttp.decode_response(pending.finish(forwarded.answer(b"answer")))
    assert (response.status, response.content) == (200, b"\1answer")


def test_a_wrapped_request_is_proven_by_its_head_and_refused_shortly(world: World) -> None:
    sent = wrapped_message(world)
    other = replace(Head.decode(sent.head), nonce=bytes(31) + b"\1").encode()
    wire, pending = Device(world).wrapped(sent.encode(), head=other)
    with pytest.raises(SignatureError):
        read(world, wire)
    assert refused(pending, world.server.handle(wire, at=AT), ANSWER_SIZES[0])


# Before decapsulation.


# req: privproc1/4.5 clear-only-before
def test_what_does_not_open_is_rejected_in_the_clear() -> None:
    world = World(AT, suite=SUITES[1])
    wire, _ = Device(world).first()
    key = b"".join((flipped(wire[:1], 0), wire[1:]))
    suite = wire[:6] + b"\3" + wire[7:]
    end = world.grid.start(world.epoch + 1) + GRACE
    cases: list[tuple[bytes, int, type[PeerError], int]] = [
        (key, AT, UnsupportedError, 422),
        (suite, AT, UnsupportedError, 422),
        (flipped(wire, -1), AT, OpenError, 422),
        (wire, end, ExpiredError, 422),
        (wire[:5], AT, DecodeError, 400),
        (b"", AT, DecodeError, 400),
        (key + bytes((5 << 20) - len(key)), AT, UnsupportedError, 422),
        (key + bytes((5 << 20) - len(key) + 1), AT, LimitError, 413),
    ]
    documents = set()
    for data, at, error, status in cases:
        with pytest.raises(error) as raised:
            gateway(world).open(data, at=at)
        assert type(raised.value) is error
        response = gateway(world).reject(raised.value)
        assert response.status == status
        assert response.fields == ((b"content-type", b"application/problem+json"),)
        problem = ohttp.Problem.decode(response.content)
        assert problem.status == response.status
        assert (problem.type == ohttp.OHTTP_KEY) == isinstance(
            raised.value, UnsupportedError | OpenError | ExpiredError
        )
        if problem.type == ohttp.OHTTP_KEY:
            documents.add(response)
    assert len(documents) == 1  # which key exists and which has ended is nobody's business
    assert world.server.handle(key, at=AT) == documents.pop()

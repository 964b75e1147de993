"""The device's flow: no failure makes it send more, and it runs over any HTTP client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from privproc import session
from privproc.errors import (
    ExpiredError,
    PeerError,
    PrivprocError,
)
from privproc.http import Request, Response
from privproc.session import device
from privproc.session.profile import LEASE, SUITES
from tests.world.relay import ROUTE
from tests.world.world import ROLE, World

AT = 1_800_000_000
QUESTION = b"When does the boat leave the harbour? The harbour is small."
ANSWER = b"When does the boat leave the harbour?\nThe harbour is small.\n"


@pytest.fixture
def world() -> World:
    return World(AT)


# No failure makes the device send more.

BOUNDARIES = [
    "device → relay",
    "relay → gateway",
    "gateway → relay",
    "relay → device",
    "gateway → host",
    "host → enclave",
    "enclave → host",
    "host → gateway",
    "host: endorsements",
    "host: log proof",
]
DAMAGES = {"nothing": lambda it: b"", "cut": lambda it: it[:-1], "flipped": lambda it: bytes([it[0] ^ 1]) + it[1:]}


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("which", [1, 2])
# req: privproc1/3.5 no-failure-fetches
def test_a_failure_sends_at_most_two_requests(boundary: str, damage: str, which: int) -> None:
    world = World(AT, suite=SUITES[1])
    directory = world.learn()
    token = world.token(directory)
    passed = 0

    def tap(data: bytes) -> bytes:
        nonlocal passed
        passed += 1
        return DAMAGES[damage](data) if passed == which and data else data

    world.wire.taps[boundary] = tap
    sent: list[Request] = []

    def send(request: Request) -> Response:
        sent.append(request)
        return world.send(request)

    flow = session.ask(directory, token, QUESTION, role=ROLE, relay=ROUTE, anchors=world.anchors, at=AT)
    try:
        session.drive(flow, send, world.now)
    except PrivprocError as error:
        assert isinstance(error, PeerError)  # noqa: PT017
        assert 1 <= len(sent) <= which
    else:
        # Only what isn't needed can be missing: what is stapled in the first round trip, TLS's end after the answer's.
        assert which == 2
        assert boundary.startswith("host: ") or (damage == "cut" and boundary in ("enclave → host", "host → gateway"))
    assert all(request.authority == ROUTE.authority for request in sent)
    with pytest.raises(StopIteration):
        next(flow)


# drive, adrive


def flow_of(world: World) -> device.Flow[session.Reply]:
    directory = world.learn()
    token = world.token(directory)
    return session.ask(directory, token, QUESTION, role=ROLE, relay=ROUTE, anchors=world.anchors, at=AT)


def test_an_asynchronous_send(world: World) -> None:
    async def send(request: Request) -> Response:
        await asyncio.sleep(0)
        return world.send(request)

    flow = flow_of(world)
    assert run(session.adrive(flow, send, world.now)).content == ANSWER


def run(coroutine: Any) -> Any:
    """An event loop of a few lines: the real one needs a socket pair, which tests must not open."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as done:
        return done.value


def test_a_stop_iteration_of_the_callers_is_not_the_end(world: World) -> None:
    def send(request: Request) -> Response:
        raise StopIteration

    with pytest.raises(StopIteration) as raised:
        session.drive(flow_of(world), send, world.now)
    assert raised.value.value is None

    async def asend(request: Request) -> Response:
        return world.send(request)

    def now() -> int:
        raise StopIteration

    with pytest.raises(RuntimeError):
        run(session.adrive(flow_of(world), asend, now))


def test_what_send_raises_passes_through(world: World) -> None:
    def send(request: Request) -> Response:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        session.drive(flow_of(world), send, world.now)


def test_the_flow_takes_the_time_of_each_response(world: World) -> None:
    for late in (AT + LEASE, -1):
        with pytest.raises(ExpiredError, match="first answer"):
            session.drive(flow_of(world), world.send, lambda at=late: at)

"""The recipe for answers that stream, as the document has it: processes on loopback, real HTTP over real TLS."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from privproc import ohttp, session
from privproc.errors import DecodeError, PolicyError
from privproc.http import Request, Response
from privproc.responsekey import AnswerData
from privproc.session import AnswerComplete
from privproc.tokens.sqlite import SQLiteStore
from tests.test_recipes_http import AT, Certificates, now, process, recipe, recorded
from tests.world.world import ROLE, World

pytestmark = pytest.mark.loopback

QUESTION = b"We meet at the harbour. At nine. Nobody else should know."
PIECES = (b"We meet at the harbour.", b" At nine.", b" Nobody else should know.")
PATIENCE = 20  # seconds, after which a test has failed


@dataclass
class System:
    """Relay, gateway and enclave, running. ``read``: what the device has read, which the model waits for."""

    world: World
    certificates: Certificates
    ports: dict[str, int]
    wire: Path
    read: Any = field(default_factory=lambda: multiprocessing.get_context("fork").Semaphore(0))

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=self.certificates.context, timeout=PATIENCE)

    def route(self) -> session.Relay:
        return session.Relay(f"localhost:{self.ports['relay']}", "/ohttp")


def applications(system: System) -> dict[str, Callable[[], Any]]:
    """For each party a function that makes its application; each runs in the party's own process."""
    servers, streaming, ports, world = recipe("servers"), recipe("streaming"), system.ports, system.world

    def send() -> Callable[..., Any]:
        return recipe("device")["async_httpx_send"](system.client())

    def stream() -> Callable[..., Any]:
        return streaming["async_httpx_stream"](system.client())

    def relay() -> Callable[..., Any]:
        gateway = ohttp.Resource(f"localhost:{ports['gateway']}", "/")
        otherwise = servers["relay"](gateway, {}, send())
        return recorded(streaming["relay"](gateway, otherwise, stream()), system.wire)

    def gateway() -> Callable[..., Any]:
        store = SQLiteStore(sqlite3.connect(system.wire.parent / "spent.db"), capacity=100)
        rest = servers["Gateway"](world.server.gateway, store, f"localhost:{ports['front']}", send(), now)
        return streaming["gateway"](rest, servers["asgi"](rest.handle, servers["LARGEST"]), stream())

    async def model(question: bytes) -> AsyncIterator[bytes]:
        """Writes a piece, and the next one when the device has read it."""
        for number, piece in enumerate(PIECES):
            if number and not await asyncio.to_thread(system.read.acquire, timeout=PATIENCE):
                raise TimeoutError
            if b"fall silent" in question and number == 1:
                raise RuntimeError("the model failed")
            yield piece

    def front() -> Callable[..., Any]:
        machine = world.machine

        def staples() -> tuple[bytes, bytes]:
            return machine.chip.endorsements.encode(), world.host.log_proof(AT)

        rest = servers["Front"](machine.enclave, machine.report, staples, None, now)
        return streaming["front"](rest, servers["asgi"](rest.handle, servers["LARGEST"]), model)

    return {"relay": relay, "gateway": gateway, "front": front}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("streaming")
    with ExitStack() as stack:
        names = ("relay", "gateway", "front")
        sockets = {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for name in names}
        ports = {name: listening.getsockname()[1] for name, listening in sockets.items()}
        made = System(World(AT), Certificates(folder), ports, folder / "relay.jsonl")
        for name, make in applications(made).items():
            stack.enter_context(process(make, sockets[name], made.certificates))
        yield made


async def connected(system: System, client: httpx.AsyncClient) -> session.Session:
    world = system.world
    directory = world.learn()
    token = world.token(directory)
    flow = session.connect(directory, token, role=ROLE, relay=system.route(), anchors=world.anchors, at=AT)
    return await session.adrive(flow, recipe("device")["async_httpx_send"](client), now)


async def asked(system: System, send: Any, live: session.Session, question: bytes = QUESTION) -> list[Any]:
    """The events, each of which lets the model write on."""
    events = []
    async for event in recipe("streaming")["ask"](send, live, question, now):
        events.append(event)
        if isinstance(event, AnswerData):
            system.read.release()
    while system.read.acquire(block=False):  # the last piece is read, and nobody waits for it
        pass
    return events


def run(system: System, work: Callable[[Any, session.Session], Any]) -> Any:
    """``work`` with a session, and a function that streams."""

    async def main() -> Any:
        async with system.client() as client:
            live = await connected(system, client)
            return await work(recipe("streaming")["async_httpx_stream"](client), live)

    return asyncio.run(main())


def test_each_piece_arrives_before_the_next_is_written(system):
    async def work(send, live):
        *pieces, end = await asked(system, send, live)
        assert [piece.data for piece in pieces] == list(PIECES)
        assert isinstance(end, AnswerComplete)
        return await asked(system, send, end.session)  # the session goes on

    *pieces, end = run(system, work)
    assert b"".join(piece.data for piece in pieces) == QUESTION
    assert end.session is not None
    assert b"harbour" not in system.wire.read_bytes()


def test_a_model_that_fails_in_the_middle_cuts_the_answer_off(system):
    async def work(send, live):
        got = []
        with pytest.raises((DecodeError, httpx.RemoteProtocolError)):
            async for event in recipe("streaming")["ask"](send, live, b"fall silent", now):
                got.append(event)
                system.read.release()
        return got

    assert run(system, work) == [AnswerData(PIECES[0])]


def test_a_stream_that_comes_twice_is_refused(system):
    async def work(send, live):
        request, answer = live.stream(QUESTION, at=AT)
        for _ in PIECES:
            system.read.release()
        async with send(request) as (head, pieces):
            assert head.status == 200
            assert [piece async for piece in pieces]
        while system.read.acquire(block=False):
            pass
        async with send(request) as (head, pieces):
            answer.receive_head(head)
            async for piece in pieces:
                answer.receive_data(piece)
        answer.receive_end(at=AT)

    with pytest.raises(PolicyError, match="refused"):
        run(system, work)


def test_what_is_no_such_request_is_refused_in_the_clear(system):
    async def work(send, live):
        fields = ((b"content-type", b"message/ohttp-chunked-req"), (b"incremental", b"?1"))
        found = []
        for content in (b"", b"x" * 60, bytes(10 << 20)):
            async with send(Request("POST", "https", system.route().authority, "/ohttp", fields, content)) as (head, _):
                found.append(head)
        return found

    empty, unknown, large = run(system, work)
    assert [head.status for head in (empty, unknown, large)] == [400, 422, 413]
    assert isinstance(unknown, Response)

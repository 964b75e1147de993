"""A device in the game, and the ways in which it can ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from privproc import session, tokens
from privproc.errors import PeerError
from privproc.http import Request, Response
from privproc.session import AnswerComplete, Directory, Memory, PipeReady
from privproc.session import wrapped as wrapped_mode
from privproc.session.wrapped import Nodes
from privproc.tokens import BoundToken
from tests.world.issuer import token_request
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.mirrors import PATH, ROSTER
from tests.world.relay import ROUTE
from tests.world.world import ROLE, World

Habit = Callable[["Device"], AbstractContextManager[object]]
Way = Callable[["Device", bytes], None]

RENEW = None
FOLLOW_UPS = (b"And then?", RENEW, b"Who else was there?")
"""What follows a question in a conversation: questions, and new evidence at the same place for all."""


OF_ONE_AND_THREE_PIECES = (
    b"The boat leaves at noon",
    b"Noon it is. Then the harbour. Then the cafe, which is closed on Thursday.",
)
"""Two questions of one size class, and in how many pieces the world's model answers them."""


@dataclass
class Device:
    """``habit`` is in force whatever this device does: nothing in an honest game, a leak in the others."""

    world: World
    name: str
    way: Way = field(default=lambda device, question: alone(device, question))
    habit: Habit = lambda _device: nullcontext()
    tokens: list[BoundToken] = field(default_factory=list)
    directory: Directory | None = None
    nodes: Nodes | None = None
    follow_ups: tuple[bytes | None, ...] = FOLLOW_UPS
    on_demand: bool = False
    """Gets each token when it is needed: a leak."""
    query: str = ""
    """A query in the address of the package: a leak."""
    fetches_first: bool = False
    """Fetches the package before each request: with a query, a leak."""

    def send(self, request: Request) -> Response:
        name = self.name.encode()
        return self.world.send(request, account=name, address=name)

    def stream(self, request: Request, pieces: Iterable[bytes]) -> Iterator[Response]:
        return self.world.stream(request, pieces, address=self.name.encode())

    def fetch(self, path: str) -> list[tuple[str, bytes]]:
        return [(name, self.send(Request("GET", "https", name, path)).content) for name in MIRRORS]

    def learn(self) -> None:
        anchors = self.world.anchors
        with self.habit(self):
            copies = self.fetch(f"{PATH}{self.query}")
            self.directory = session.learn(copies, anchors, memory=Memory.first(anchors), at=self.world.at)
            if self.way is wrapped:
                copies = self.fetch(ROSTER)
                self.nodes = wrapped_mode.learn_nodes(
                    copies, self.directory, role=ROLE, anchors=anchors, at=self.world.at
                )

    def stock(self) -> None:
        """Tokens for later, at another time than that of their use."""
        if not self.on_demand:
            self.get_token()
            self.get_token()

    def get_token(self) -> None:
        contents = self.known().contents
        key = contents.map(lambda contents: contents.token_key)
        with self.habit(self):
            wire, pending = tokens.request_bound(contents.get(at=self.world.at).challenge, key, at=self.world.at)
            self.tokens.append(pending.finish(self.send(token_request(wire)).content))

    def known(self) -> Directory:
        assert self.directory is not None
        return self.directory

    def ask(self, question: bytes) -> None:
        """One request, or what begins with it; a device that is refused stops."""
        if self.fetches_first:
            self.learn()
        if self.on_demand:
            self.get_token()
        with self.habit(self):
            try:
                self.way(self, question)
            except PeerError:
                return


def alone(device: Device, question: bytes) -> None:
    """One question in a session that ends with it."""
    world = device.world
    token = device.tokens.pop(0)
    flow = session.ask(device.known(), token, question, role=ROLE, relay=ROUTE, anchors=world.anchors, at=world.at)
    session.drive(flow, device.send, world.now)


def connected(device: Device) -> session.Session:
    world = device.world
    flow = session.connect(
        device.known(), device.tokens.pop(0), role=ROLE, relay=ROUTE, anchors=world.anchors, at=world.at
    )
    return session.drive(flow, device.send, world.now)


def renewed(device: Device, live: session.Session) -> session.Session:
    request, renewing = live.renew(device.known(), at=device.world.at)
    return renewing.finish(device.send(request), at=device.world.at)


def conversation(device: Device, question: bytes) -> None:
    """Several questions in one session, and new evidence between them."""

    def whole(live: session.Session, turn: bytes) -> session.Session | None:
        flow = session.ask_in(live, device.known(), turn, at=device.world.at)
        return session.drive(flow, device.send, device.world.now).session

    _turns(device, question, whole)


def streamed(device: Device, question: bytes) -> None:
    """The same with answers that come as the model writes them."""

    def stream(live: session.Session, turn: bytes) -> session.Session | None:
        request, answer = live.stream(turn, at=device.world.at)
        heard = False
        for response in device.stream(request, [request.content]):
            if not heard:
                answer.receive_head(response)
            heard = True
            answer.receive_data(response.content)
        *_, end = answer.receive_end(at=device.world.at)
        return end.session if isinstance(end, AnswerComplete) else None

    _turns(device, question, stream)


def _turns(device: Device, question: bytes, ask: Callable[[session.Session, bytes], session.Session | None]) -> None:
    live: session.Session | None = connected(device)
    for turn in (question, *device.follow_ups):
        assert live is not None
        live = renewed(device, live) if turn is RENEW else ask(live, turn)


def piped(device: Device, question: bytes) -> None:
    """The same in one exchange."""
    world = device.world
    token = device.tokens.pop(0)
    request, pipe = session.open_pipe(device.known(), token, role=ROLE, relay=ROUTE, anchors=world.anchors, at=world.at)
    turns = [question, *device.follow_ups]

    def up() -> Iterator[bytes]:
        while wire := pipe.data_to_send():
            yield wire

    heard = False
    for response in device.stream(request, up()):
        if not heard:
            pipe.receive_head(response)
        heard = True
        for event in pipe.receive_data(response.content, at=world.at):
            if isinstance(event, PipeReady | AnswerComplete) and event.session is not None:
                turn = turns.pop(0)
                if turn is RENEW:
                    event.session.renew(device.known(), at=world.at)
                else:
                    event.session.ask(turn, at=world.at, last=not turns)
                if not turns:
                    pipe.finish()
    pipe.receive_end(at=world.at)


def wrapped(device: Device, question: bytes) -> None:
    """One question, wrapped for several nodes."""
    world, nodes = device.world, device.nodes
    assert nodes is not None
    flow = wrapped_mode.ask(device.known(), device.tokens.pop(0), question, nodes=nodes, relay=ROUTE, at=world.at)
    session.drive(flow, device.send, world.now)


WAYS: tuple[Way, ...] = (alone, conversation, streamed, piped, wrapped)

"""The game: two runs that differ in one thing only, and what a coalition saw of each, compared.

*Who asks.* Alice and Bob get tokens under their accounts; each asks once, and the coalition is told which request is
whose; then each asks again, in an order that is the only difference of the two runs. Issuer, mirrors, gateway, host and
enclave together must see the same.

*What is asked.* Alice and Bob ask, and their questions, of one size class, are exchanged between the two runs. Relay,
mirrors and issuer together must see the same.

Random values, ciphertexts and hashes of two runs can't be equal. So a view is made canonical: each long value is named
by its first appearance in the view, with its length. What is left is structure: sizes, fields, order, repetitions. The
verdict is exact and the same every time. What it can't find is a link that takes a computation over the values, such as
a hash of the account in place of a nonce, unless the value appears twice: docs/model is about those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import zip_longest
from unittest import mock

from privproc import session, tokens
from privproc.errors import PeerError
from privproc.http import Request, Response
from privproc.responsekey import request as responsekey_request
from privproc.session import Directory, Memory
from privproc.tokens import BoundToken
from tests.unlinkability import dissect
from tests.unlinkability.dissect import OPAQUE, Leaves, Value, under
from tests.world.issuer import token_request
from tests.world.mirrors import NAMES as MIRRORS
from tests.world.mirrors import PATH
from tests.world.relay import ROUTE
from tests.world.world import ROLE, World

AT = 1_800_000_000
QUESTIONS = (b"What did we agree on about the harbour trip?", b"Which of these letters still has to be answered?")

WHO = frozenset({"issuer", "cdn", "gateway", "host", "enclave"})
"""All but the relay, together: what they must not learn is who asks."""

WHAT = frozenset({"issuer", "cdn", "relay"})
"""What these must not learn, together, is what is asked."""

Dissector = Callable[["World", bytes], Leaves]
Habit = Callable[["Device"], AbstractContextManager[object]]


def plain(read: Callable[[bytes], Leaves]) -> Dissector:
    return lambda _world, data: read(data)


def opened(world: World, wire: bytes) -> Leaves:
    """A request, to the gateway."""
    yield from under("ohttp", dissect.encapsulated(wire))
    message, _ = world.server.gateway._ohttp.open(wire, at=world.at)
    yield from dissect.inner(message)


VIEWS: dict[str, tuple[set[str], Dissector]] = {
    "account": ({"issuer"}, plain(dissect.text)),
    "device → issuer": ({"issuer"}, plain(dissect.token_request)),
    "issuer → device": ({"issuer"}, plain(dissect.opaque)),
    "relay → cdn": ({"cdn", "relay"}, plain(dissect.text)),
    "address": ({"relay"}, plain(dissect.text)),
    "device → relay: head": ({"relay"}, plain(dissect.text)),
    "device → relay": ({"relay"}, plain(dissect.encapsulated)),
    "relay → device": ({"relay"}, plain(dissect.size)),
    "relay → gateway": ({"gateway"}, opened),
    "gateway → relay": ({"gateway"}, plain(dissect.size)),
    "gateway → host": ({"gateway", "host"}, plain(dissect.to_host)),
    "host → gateway": ({"gateway", "host"}, plain(dissect.from_host)),
    "host: endorsements": ({"host"}, plain(dissect.opaque)),
    "host: log proof": ({"host"}, plain(dissect.opaque)),
    "enclave: response key": ({"enclave"}, plain(dissect.opaque)),
    "enclave: question": ({"enclave"}, plain(dissect.opaque)),
    **{f"cdn → device ({name})": ({"cdn"}, plain(dissect.opaque)) for name in MIRRORS},
}
"""Who has each message, and how much of it. Crossings that are missing repeat one that is here."""

REPEATS = {"host → enclave", "enclave → host"}


@dataclass
class Device:
    """``habit`` is in force whatever this device does: nothing in an honest game, a leak in the others."""

    world: World
    name: str
    habit: Habit = lambda _device: nullcontext()
    tokens: list[BoundToken] = field(default_factory=list)
    directory: Directory | None = None
    on_demand: bool = False
    """Gets each token when it is needed: a leak."""
    query: str = ""
    """A query in the address of the package: a leak."""
    fetches_first: bool = False
    """Fetches the package before each request: with a query, a leak."""

    def send(self, request: Request) -> Response:
        name = self.name.encode()
        return self.world.send(request, account=name, address=name)

    def learn(self) -> None:
        anchors = self.world.anchors
        with self.habit(self):
            copies = [
                (name, self.send(Request("GET", "https", name, f"{PATH}{self.query}")).content) for name in MIRRORS
            ]
            self.directory = session.learn(copies, anchors, memory=Memory.first(anchors), at=self.world.at)

    def stock(self) -> None:
        """Tokens for later, at another time than that of their use."""
        if not self.on_demand:
            self.get_token()
            self.get_token()

    def get_token(self) -> None:
        assert self.directory is not None
        contents = self.directory.contents
        key = contents.map(lambda contents: contents.token_key)
        with self.habit(self):
            wire, pending = tokens.request_bound(contents.get(at=self.world.at).challenge, key, at=self.world.at)
            self.tokens.append(pending.finish(self.send(token_request(wire)).content))

    def ask(self, question: bytes) -> None:
        """One request; a device that is refused stops."""
        assert self.directory is not None
        if self.fetches_first:
            self.learn()
        if self.on_demand:
            self.get_token()
        with self.habit(self):
            flow = session.ask(
                self.directory,
                self.tokens.pop(0),
                question,
                role=ROLE,
                relay=ROUTE,
                anchors=self.world.anchors,
                at=self.world.at,
            )
            try:
                session.drive(flow, self.send, self.world.now)
            except PeerError:
                return


def seen_by_enclave(world: World) -> AbstractContextManager[object]:
    """Makes a crossing of what the enclave decrypts."""
    read = responsekey_request._read_plaintext

    def note(reader: object) -> tuple[bytes, bytes]:
        dk, question = read(reader)
        world.wire.cross("enclave: response key", dk)
        world.wire.cross("enclave: question", question)
        return dk, question

    return mock.patch.object(responsekey_request, "_read_plaintext", note)


def who_asks(*, swapped: bool, habit: Habit | None = None, prepare: Callable[[Device], None] | None = None) -> World:
    """One run. ``habit`` and ``prepare`` make both devices leaky, each in its own way."""
    world = World(AT)
    alice, bob = _devices(world, habit, prepare)
    with seen_by_enclave(world):
        for device in (alice, bob):
            device.ask(QUESTIONS[0])
        for device, question in zip((bob, alice) if swapped else (alice, bob), QUESTIONS, strict=True):
            device.ask(question)
    return world


def what_is_asked(
    *, swapped: bool, habit: Habit | None = None, prepare: Callable[[Device], None] | None = None
) -> World:
    """One run."""
    world = World(AT)
    devices = _devices(world, habit, prepare)
    with seen_by_enclave(world):
        for device, question in zip(devices, reversed(QUESTIONS) if swapped else QUESTIONS, strict=True):
            device.ask(question)
    return world


def _devices(world: World, habit: Habit | None, prepare: Callable[[Device], None] | None) -> list[Device]:
    devices = [Device(world, name) for name in ("alice", "bob")]
    for device in devices:
        device.habit = habit or device.habit
        if prepare is not None:
            prepare(device)
        device.learn()
    for device in devices:
        device.stock()
    return devices


@dataclass(frozen=True)
class Difference:
    """Where two views part: the leaf, and what it is in each."""

    path: str
    one: str
    other: str


def view(world: World, coalition: frozenset[str]) -> list[tuple[str, str]]:
    """What the coalition saw, in order, in canonical form: path and value of each leaf."""
    names: dict[bytes, int] = {}

    def canonical(value: Value) -> str:
        if not isinstance(value, bytes):
            return repr(value)
        if len(value) < OPAQUE:
            return value.hex()
        return f"value {names.setdefault(value, len(names))}, {len(value)} bytes"

    return [(f"{boundary}: {path}", canonical(value)) for boundary, path, value in _leaves(world, coalition)]


def _leaves(world: World, coalition: frozenset[str]) -> Iterator[tuple[str, str, Value]]:
    for boundary, data in list(world.wire.crossings):
        if boundary in REPEATS:
            continue
        parties, read = VIEWS[boundary]
        if parties & coalition:
            yield from ((boundary, path, value) for path, value in read(world, data))


def difference(one: World, other: World, coalition: frozenset[str]) -> Difference | None:
    """The first leaf in which the views differ; ``None`` if the coalition can't tell the runs apart."""
    ended = ("end", "")
    for left, right in zip_longest(view(one, coalition), view(other, coalition), fillvalue=ended):
        if left != right:
            path = left[0] if left[0] == right[0] else f"{left[0]} / {right[0]}"
            return Difference(path, left[1], right[1])
    return None

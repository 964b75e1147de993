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

import hashlib
import itertools
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from unittest import mock

from privproc.responsekey import request as responsekey_request
from privproc.responsekey import wrapped as responsekey_wrapped
from privproc.session import enclave
from privproc.session.wrapped import nodes
from tests.unlinkability import views
from tests.unlinkability.device import Device, Habit, Way, alone, wrapped
from tests.unlinkability.dissect import OPAQUE, Value
from tests.world.fleet import Fleet
from tests.world.world import World

AT = 1_800_000_000
QUESTIONS = (b"What did we agree on about the harbour trip?", b"Which of these letters still has to be answered?")

WHO = frozenset({"issuer", "cdn", "gateway", "host", "enclave"})
"""All but the relay, together: what they must not learn is who asks."""

WHAT = frozenset({"issuer", "cdn", "relay"})
"""What these must not learn, together, is what is asked."""


def seen_by_enclave(world: World) -> AbstractContextManager[object]:
    """Makes a crossing of what enclaves and nodes decrypt."""
    read, nonce_of, asked = responsekey_request._read_plaintext, enclave.nonce_of, responsekey_wrapped.Unwrapped

    def note(reader: object) -> tuple[bytes, bytes]:
        dk, question = read(reader)
        world.wire.cross("enclave: response key", dk)
        world.wire.cross("enclave: question", question)
        return dk, question

    def note_nonce(body: bytes, suite: object) -> bytes:
        return world.wire.cross("enclave: nonce of a renewal", nonce_of(body, suite))

    def note_secret(parts: tuple[object, object, object]) -> object:
        world.wire.cross("enclave: content secret", parts[1].expose())
        return asked(parts)

    stack = ExitStack()
    stack.enter_context(mock.patch.object(responsekey_request, "_read_plaintext", note))
    stack.enter_context(mock.patch.object(enclave, "nonce_of", note_nonce))
    stack.enter_context(mock.patch.object(responsekey_wrapped, "Unwrapped", note_secret))
    return stack


def same_coins() -> AbstractContextManager[object]:
    """The n-th draw of a node falls alike in every run, whoever draws: what differs is not chance."""
    count = itertools.count()

    def below(limit: int) -> int:
        return int.from_bytes(hashlib.sha256(b"%d" % next(count)).digest()[:8], "big") % limit

    return mock.patch.object(nodes, "_below", below)


Prepare = Callable[[Device], None]


def who_asks(*, swapped: bool, way: Way = alone, habit: Habit | None = None, prepare: Prepare | None = None) -> World:
    """One run. ``habit`` and ``prepare`` make both devices leaky, each in its own way."""
    world = World(AT)
    alice, bob = _devices(world, way, habit, prepare)
    with seen_by_enclave(world), same_coins():
        for device in (alice, bob):
            device.ask(QUESTIONS[0])
        for device, question in zip((bob, alice) if swapped else (alice, bob), QUESTIONS, strict=True):
            device.ask(question)
    return world


def what_is_asked(
    *,
    swapped: bool,
    way: Way = alone,
    habit: Habit | None = None,
    prepare: Prepare | None = None,
    questions: tuple[bytes, bytes] = QUESTIONS,
) -> World:
    """One run."""
    world = World(AT)
    devices = _devices(world, way, habit, prepare)
    with seen_by_enclave(world), same_coins():
        for device, question in zip(devices, reversed(questions) if swapped else questions, strict=True):
            device.ask(question)
    return world


def _devices(world: World, way: Way, habit: Habit | None, prepare: Prepare | None) -> list[Device]:
    if way is wrapped:
        Fleet(world)
        world.wire.crossings.clear()  # of making the nodes
    devices = [Device(world, name, way) for name in ("alice", "bob")]
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

    return [
        (f"{boundary}: {path}", canonical(value))
        for boundary, leaves in views.leaves(world)
        if views.VIEWS[boundary][0] & coalition
        for path, value in leaves
    ]


def difference(one: World, other: World, coalition: frozenset[str]) -> Difference | None:
    """The first leaf in which the views differ; ``None`` if the coalition can't tell the runs apart."""
    ended = ("end", "")
    for left, right in zip_longest(view(one, coalition), view(other, coalition), fillvalue=ended):
        if left != right:
            path = left[0] if left[0] == right[0] else f"{left[0]} / {right[0]}"
            return Difference(path, left[1], right[1])
    return None

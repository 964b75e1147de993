"""docs/uniformity.md lists all that a device sends, and real messages keep to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from privproc.responsekey import request
from tests.unlinkability import game, leaks
from tests.unlinkability.device import FOLLOW_UPS, WAYS, Device, Way, alone, wrapped
from tests.unlinkability.leaks import LEAKS, Leak
from tests.unlinkability.linter import MESSAGES, PAGE, Linter, rules
from tests.world.fleet import Fleet
from tests.world.world import ROLE, World

TEXT = PAGE.read_text(encoding="utf-8")
LENGTHS = (1, 900, 2800, 3000, 15_000, 60_000, 250_000, 1_000_000)


def size_class(length: int) -> int:
    return next(size for size in request.REQUEST_SIZES if length + 8 + 1216 <= size)


CLASSES = [size_class(length) for length in LENGTHS]


def run(*devices: Device) -> None:
    """Each device learns, gets tokens and asks, in questions of all sizes."""
    for device in devices:
        device.learn()
        for _ in LENGTHS:
            device.get_token()
    for number, length in enumerate(LENGTHS):
        devices[number % len(devices)].ask(b"?" * length)


def expected(way: Way) -> list[tuple[int, ...]]:
    """Size classes of what a run's devices ask, each after those before it in its session."""
    if way is wrapped:
        return [(size_class(length),) for length in LENGTHS]
    after = () if way is alone else FOLLOW_UPS
    found = []
    for size in CLASSES:
        sizes = (size, *(CLASSES[0] for _ in after))
        found += [sizes[:count] for count in range(1, len(sizes) + 1)]
    return found


def lint(linter: Linter, world: World, way: Way) -> list[str]:
    roster = set(world.server.nodes)
    return list(linter.lint(world, role=ROLE, sizes=expected(way), roster=roster))


def play(at: int, way: Way, leak: Leak | None = None) -> World:
    world = World(at)
    if way is wrapped:
        Fleet(world)
        world.wire.crossings.clear()  # of making the nodes
    devices = [Device(world, name, way) for name in ("alice", "bob")]
    for device in devices:
        if leak is not None:
            device.habit = leak.habit or device.habit
            if leak.prepare:
                leak.prepare(device)
    run(*devices)
    return world


@pytest.mark.slow
def test_every_field_of_every_message_is_what_the_page_says():
    linter = Linter(rules(TEXT))
    for at in (game.AT, game.AT + 86_400):
        for way in WAYS:
            assert not lint(linter, play(at, way), way)
    assert len(set(CLASSES)) >= 5
    assert linter.used == set(linter.rules), "a line of the page that fits nothing"


SHOWN_TO_OTHERS = {
    "answers that aren't padded",  # the enclave's and the gateway's doing
    "a response key that is made once",  # inside of the question
    "a key package a user",  # the directory isn't the device's
    "a token that is fetched when it is needed",  # the order of messages
    "a number of questions of its own",
    "new evidence at a time of its own",
    "a pipe in place of single exchanges",  # either is one of the ways
    "a renewal's nonce that is made once",  # inside of the session
    "a content secret that is made once",  # inside of the wraps
    "nodes in an order of its own",  # what is drawn may be drawn again
}


@pytest.mark.parametrize(
    "leak", [leak for leak in LEAKS if leak.name not in SHOWN_TO_OTHERS], ids=lambda leak: leak.name
)
def test_a_device_that_leaks_is_noticed(leak):
    found = lint(Linter(rules(TEXT)), play(game.AT, leak.way, leak), leak.way)
    assert found
    where = MESSAGES.get(leak.where, leak.where.rpartition(": ")[2].rstrip("["))
    assert any(where in fault for fault in found), found


def test_a_field_that_is_not_listed_is_noticed():
    linter = Linter([rule for rule in rules(TEXT) if rule.pattern != "authority"])
    linter.rules = [replace(rule, pattern="content.*") if rule.pattern == "*" else rule for rule in linter.rules]
    assert "first request: authority is not listed" in lint(linter, play(game.AT, alone), alone)


def test_a_node_that_no_mirror_serves_is_noticed():
    world = play(game.AT, wrapped)
    found = list(Linter(rules(TEXT)).lint(world, role=ROLE, sizes=expected(wrapped), roster=[]))
    assert "wrapped request: content.node[0] is none of the nodes that mirrors serve" in found


def test_a_field_that_is_missing_is_noticed():
    linter, world = Linter(rules(TEXT)), play(game.AT, alone)
    linter.seen["first request", "fields"] = "framing"
    assert "first request: has other fields than that of other devices" in lint(linter, world, alone)


def test_the_page_has_the_leaks_that_are_planted():
    for leak in leaks.LEAKS:
        assert f"| {leak.name} | `{leak.where}` |" in TEXT
    assert TEXT.count("\n| ") == len(rules(TEXT)) + len(LEAKS) + 2, "the page has rows that nothing reads"

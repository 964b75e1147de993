"""docs/uniformity.md lists all that a device sends, and real messages keep to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from privproc.responsekey import request
from tests.unlinkability import game, leaks
from tests.unlinkability.game import Device
from tests.unlinkability.leaks import LEAKS
from tests.unlinkability.linter import MESSAGES, PAGE, Linter, rules
from tests.world.world import ROLE, World

TEXT = PAGE.read_text(encoding="utf-8")
LENGTHS = (1, 900, 2800, 3000, 15_000, 60_000, 250_000, 1_000_000)
CLASSES = [next(size for size in request.REQUEST_SIZES if length + 8 + 1216 <= size) for length in LENGTHS]


def run(*devices: Device) -> None:
    """Each device learns, gets tokens and asks, in questions of all sizes."""
    for device in devices:
        device.learn()
        for _ in LENGTHS:
            device.get_token()
    for number, length in enumerate(LENGTHS):
        devices[number % len(devices)].ask(b"?" * length)


def test_every_field_of_every_message_is_what_the_page_says():
    linter = Linter(rules(TEXT))
    for at in (game.AT, game.AT + 86_400):
        world = World(at)
        run(Device(world, "alice"), Device(world, "bob"))
        assert not list(linter.lint(world, role=ROLE, sizes=CLASSES))
    assert len(set(CLASSES)) >= 5
    assert linter.used == set(linter.rules), "a line of the page that fits nothing"


SHOWN_TO_OTHERS = {
    "answers that aren't padded",  # the enclave's and the gateway's doing
    "a response key that is made once",  # inside of the question
    "a key package a user",  # the directory isn't the device's
    "a token that is fetched when it is needed",  # the order of messages
}


@pytest.mark.parametrize(
    "leak", [leak for leak in LEAKS if leak.name not in SHOWN_TO_OTHERS], ids=lambda leak: leak.name
)
def test_a_device_that_leaks_is_noticed(leak):
    world = World(game.AT)
    devices = [Device(world, name) for name in ("alice", "bob")]
    for device in devices:
        device.habit = leak.habit or device.habit
        if leak.prepare:
            leak.prepare(device)
    run(*devices)
    found = list(Linter(rules(TEXT)).lint(world, role=ROLE, sizes=CLASSES))
    assert found
    where = MESSAGES.get(leak.where, leak.where.rpartition(": ")[2].rstrip("["))
    assert any(where in fault for fault in found), found


def test_a_field_that_is_not_listed_is_noticed():
    linter = Linter([rule for rule in rules(TEXT) if rule.pattern != "authority"])
    linter.rules = [replace(rule, pattern="content.*") if rule.pattern == "*" else rule for rule in linter.rules]
    world = World(game.AT)
    run(Device(world, "alice"))
    assert "first request: authority is not listed" in list(linter.lint(world, role=ROLE, sizes=CLASSES))


def test_the_page_has_the_leaks_that_are_planted():
    for leak in leaks.LEAKS:
        assert f"| {leak.name} | `{leak.where}` |" in TEXT
    assert TEXT.count("\n| ") == len(rules(TEXT)) + len(LEAKS) + 2, "the page has rows that nothing reads"

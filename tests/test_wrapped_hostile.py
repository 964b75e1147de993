"""Each hostile run of wrapped mode ends as it must; with its checks removed, the misbehaviour succeeds."""

from __future__ import annotations

import pytest

from tests.world.fleet import Fleet
from tests.world.hostile_wrapped import RUNS, Run
from tests.world.world import World

AT = 1_800_000_000


def asked(world: World) -> bool:
    """Whether anything but first requests of a session left the device."""
    return any(size not in (0, world.contents.up) for size in world.wire.sizes("device → relay"))


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_hostile_run_ends_as_it_must(run: Run):
    world = World(AT)
    ending = run.ending(world, Fleet(world))
    assert ending == (run.expect.__name__ if run.expect else "success")
    assert not (run.before and asked(world))


@pytest.mark.parametrize("run", [run for run in RUNS if run.without], ids=lambda run: run.name)
def test_without_its_checks_it_succeeds(run: Run):
    world = World(AT)
    fleet = Fleet(world)
    with run.without():
        run.play(world, fleet)

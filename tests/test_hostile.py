"""Each hostile run ends as it must with no user byte sent; with its check removed, the misbehaviour succeeds."""

from __future__ import annotations

import pytest

from tests.world.hostile import RUNS, Run
from tests.world.world import World

AT = 1_800_000_000


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_hostile_run_ends_as_it_must(run: Run):
    world = World(AT)
    ending = run.ending(world)
    assert run.ended_well(world, ending), ending


@pytest.mark.parametrize("run", [run for run in RUNS if run.without], ids=lambda run: run.name)
def test_without_its_check_it_succeeds(run: Run):
    world = World(AT)
    with run.without():
        run.play(world)

"""Each hostile run ends as it must with no user byte sent; with its check removed, the misbehaviour succeeds."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.world import hostile_wrapped
from tests.world.hostile import RUNS, Run

AT = 1_800_000_000
PAGE = (Path(__file__).resolve().parent.parent / "docs" / "threat-model.md").read_text(encoding="utf-8")
ATTACKS = PAGE[PAGE.index("## Attacks, and the runs that show them") :]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_hostile_run_ends_as_it_must(run: Run):
    world = run.world(AT)
    ending = run.ending(world)
    assert run.ended_well(world, ending), ending


@pytest.mark.parametrize("run", [run for run in RUNS if run.without], ids=lambda run: run.name)
def test_without_its_check_it_succeeds(run: Run):
    world = run.world(AT)
    with run.without():
        run.play(world)


def test_no_two_runs_have_one_name():
    for runs in (RUNS, hostile_wrapped.RUNS):
        assert max(Counter(run.name for run in runs).values()) == 1


def test_the_threat_model_lists_each_run_once():
    session, wrapped = ATTACKS.split("### Wrapped mode\n")
    for text, runs in ((session, RUNS), (wrapped, hostile_wrapped.RUNS)):
        listed = Counter(re.findall(r"run `([^`]+)`", text))
        assert listed == Counter(run.name for run in runs)


def test_tests_that_the_threat_model_names_exist():
    named = set(re.findall(r"`(test_\w+\.py)::(\w+)`", PAGE))
    assert len(named) > 30
    for file, name in named:
        text = (Path(__file__).parent / file).read_text(encoding="utf-8")
        assert re.search(rf"^(def|class) {name}\b", text, re.MULTILINE), f"{file}::{name}"


def test_each_line_names_a_test_or_says_why_not():
    """In the tables that have a column for it."""
    for table in PAGE.split("| shown by |\n")[1:]:
        for line in table.partition("\n\n")[0].splitlines()[1:]:
            shown = line.rstrip(" |").rpartition("|")[2]
            assert "`" in shown or "**" in line, line

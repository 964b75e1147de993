"""Forward secrecy of each request of a live session, on the symbolic model, and what it rests on.

docs/model/README.md says what is modelled; the prover is tested in tests/test_model.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from docs.model import horn
from docs.model.live import LIVE_GOALS, LIVE_MECHANISMS, live

pytestmark = pytest.mark.model

PAGE = Path(__file__).resolve().parent.parent / "docs" / "model" / "README.md"

# The goals that are reached, of all; everything else is proven to be out of reach.
HOLDS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing leaked": ({}, set()),
    "TLS leaked": ({"leaks": {"TLS"}}, set()),
    "first key leaked": ({"leaks": {"first"}}, set()),
    "second key leaked": ({"leaks": {"second"}}, {"forged_next"}),
    "all one-time keys leaked": ({"leaks": {"first", "second", "dk"}}, {"forged_next"}),
    "later, TLS and the first key": ({"leaks": {"TLS", "first"}, "later": True}, {"question_0"}),
    "later, TLS and the second key": ({"leaks": {"TLS", "second"}, "later": True}, {"question_1"}),
    "later, all of the first request": ({"leaks": {"TLS", "first", "dk"}, "later": True}, {"question_0", "answer_0"}),
    "later, TLS": ({"leaks": {"TLS", "dk"}, "later": True}, set()),
    "later, one-time keys": ({"leaks": {"first", "second", "dk"}, "later": True}, set()),
}


@pytest.mark.parametrize("case", HOLDS)
def test_out_of_reach(case: str) -> None:
    arguments, expected = HOLDS[case]
    done = horn.saturate(live(**arguments))
    assert done.derivation("done"), "the honest run is impossible, so the model says nothing"
    assert {goal for goal in LIVE_GOALS if done.derivation(goal)} == expected


# What is taken out, and the goal that is reached then. With any one of them back it isn't.
RESTS_ON: list[tuple[str, set[str], dict[str, Any]]] = [
    ("forged_next", {"bound key"}, {}),
    ("question_1", {"fresh key"}, {"leaks": {"TLS", "first"}, "later": True}),
    ("question_0", {"live KEM"}, {"leaks": {"TLS"}, "later": True}),
    ("question_1", {"live KEM"}, {"leaks": {"TLS"}, "later": True}),
    ("question_1", {"live TLS half", "live records"}, {"leaks": {"second"}}),
]


@pytest.mark.parametrize(("goal", "off", "arguments"), RESTS_ON)
def test_rests_on(goal: str, off: set[str], arguments: dict[str, Any]) -> None:
    assert horn.saturate(live(off, **arguments), until=goal).derivation(goal)
    for back in off:
        assert not horn.saturate(live(off - {back}, **arguments)).derivation(goal), back


def test_every_mechanism_is_judged() -> None:
    assert set().union(*(off for _, off, _ in RESTS_ON)) == LIVE_MECHANISMS.keys()


def test_the_page_names_everything() -> None:
    code = set(re.findall(r"`([^`\n]+)`", PAGE.read_text("utf-8")))
    assert code >= LIVE_GOALS.keys() | LIVE_MECHANISMS.keys()

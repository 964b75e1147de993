"""The claims of docs/protocol.md §14.7 on the symbolic model, and that each rests on its mechanisms.

docs/model/README.md says what is modelled; the prover is tested in tests/test_model.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.model import horn
from docs.model.wrapped import GOALS, MECHANISMS, wrapped

pytestmark = pytest.mark.model

PAGE = Path(__file__).resolve().parent.parent / "docs" / "model" / "README.md"

# The goals that are reached, of all; everything else is proven to be out of reach.
HOLDS = {
    "nothing leaked": ({}, set()),
    "the other drawn node gives all away": ({"leaks": {"other"}}, {"read"}),
    "the chosen node gives all away": (
        {"leaks": {"chosen"}},
        {"read", "overheard", "impersonated", "other_view", "swapped"},
    ),
    "dk leaked": ({"leaks": {"dk"}}, set()),
    "later, nodes' keys not erased": ({"leaks": {"nodes"}, "later": True}, {"read"}),
    "later, nor response keys": ({"leaks": {"nodes", "dk"}, "later": True}, {"read", "overheard"}),
    "quantum, hybrid": ({"quantum": True}, set()),
    "quantum, classic": ({"quantum": True, "suite": "classic"}, {"read", "overheard"}),
}


@pytest.mark.parametrize("case", HOLDS)
def test_out_of_reach(case):
    arguments, expected = HOLDS[case]
    done = horn.saturate(wrapped(**arguments))
    assert done.derivation("done"), "the honest run is impossible, so the model says nothing"
    assert {goal for goal in GOALS if done.derivation(goal)} == expected


# What is taken out, and the goal that is reached then. With any one of them back it isn't.
RESTS_ON = [
    ("wrong_node_key", {"statement key"}, {}),
    ("read", {"statement key"}, {}),
    ("stale", {"statement package"}, {}),
    ("wrong_node_code", {"node's log"}, {}),
    ("wrong_node_role", {"statement role", "image of the role"}, {}),
    ("other_view", {"head"}, {}),
    ("other_view", {"exchange"}, {}),
    ("other_view", {"info"}, {}),
    ("swapped", {"body digest"}, {"leaks": {"other"}}),
    ("impersonated", {"node's export"}, {"leaks": {"other"}}),
    ("overheard", {"node's export"}, {"leaks": {"other"}}),
    ("overheard", {"dk"}, {"leaks": {"nodes"}, "later": True}),
]


@pytest.mark.parametrize(("goal", "off", "arguments"), RESTS_ON, ids=lambda x: x if isinstance(x, str) else "")
def test_rests_on(goal, off, arguments):
    assert horn.saturate(wrapped(off, **arguments), until=goal).derivation(goal)
    for back in off:
        assert not horn.saturate(wrapped(off - {back}, **arguments)).derivation(goal), back


# Alone, these can go: others do their work. README.md says which, and why they stay.
SPARE = ["node's role", "wrap in th3"]


@pytest.mark.parametrize("mechanism", SPARE)
@pytest.mark.parametrize(("leaks", "expected"), [(set(), set()), ({"other"}, {"read"})])
def test_spare(mechanism, leaks, expected):
    done = horn.saturate(wrapped({mechanism}, leaks))
    assert {goal for goal in GOALS if done.derivation(goal)} == expected


def test_every_mechanism_and_goal_is_judged():
    assert set().union(*(off for _, off, _ in RESTS_ON), SPARE) == MECHANISMS.keys()
    assert {goal for goal, _, _ in RESTS_ON} == GOALS.keys()


def test_the_page_names_everything():
    code = set(re.findall(r"`([^`\n]+)`", PAGE.read_text("utf-8")))
    assert GOALS.keys() | MECHANISMS.keys() <= code

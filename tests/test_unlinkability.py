"""The unlinkability game: nobody can tell the honest runs apart, and every planted leak is found where it is."""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.unlinkability import game
from tests.unlinkability.leaks import LEAKS


@pytest.fixture(scope="module")
def who():
    return game.who_asks(swapped=False), game.who_asks(swapped=True)


@pytest.fixture(scope="module")
def what():
    return game.what_is_asked(swapped=False), game.what_is_asked(swapped=True)


COALITIONS = [
    frozenset(some) for count in range(1, len(game.WHO) + 1) for some in combinations(sorted(game.WHO), count)
]


@pytest.mark.parametrize("coalition", COALITIONS, ids=lambda some: "+".join(sorted(some)))
def test_issuer_mirrors_gateway_host_and_enclave_cant_tell_who_asks(who, coalition):
    assert game.difference(*who, coalition) is None


def test_relay_mirrors_and_issuer_cant_tell_what_is_asked(what):
    assert game.difference(*what, game.WHAT) is None


def test_two_plays_of_one_run_look_alike_to_everybody(who):
    everybody = game.WHO | game.WHAT
    assert game.difference(who[0], game.who_asks(swapped=False), everybody) is None


def test_with_the_relay_they_know_who_asks(who):
    """The game isn't deaf: what rests on the relay's honesty is lost with it."""
    found = game.difference(*who, game.WHO | {"relay"})
    assert found is not None
    assert found.path == "address: text"


def test_with_the_enclave_they_know_what_is_asked():
    one, other = (game.what_is_asked(swapped=swapped) for swapped in (False, True))
    found = game.difference(one, other, game.WHAT | {"enclave"})
    assert found is not None
    assert found.path.startswith("enclave: question")


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)
def test_a_planted_leak_is_found_at_its_place(leak):
    found = leak.found()
    assert found is not None, "not found"
    assert leak.where in found.path, found

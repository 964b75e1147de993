"""What a device that requires hybrids does without, and that nobody can tell it by what it sends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from privproc import ratls, session
from privproc.errors import PolicyError
from privproc.session import SUITES, Anchors, Contents, wrapped
from privproc.session.messages import Open
from privproc.tokens import BoundToken
from tests.world.fleet import Fleet
from tests.world.relay import ROUTE
from tests.world.world import ROLE, World

AT = 1_800_000_000
QUESTION = b"What did we agree on about the harbour trip?"
HYBRID, CLASSIC = SUITES


def requiring(world: World) -> Anchors:
    return replace(world.anchors, require_hybrid=True)


def classic_enclave() -> World:
    """All hybrid but for the enclave, which takes the classic suite of what Open lists."""
    world = World(AT)
    world.machine.enclave = replace(world.machine.enclave, suites=(CLASSIC,))
    return world


def ask(world: World, anchors: Anchors, token: BoundToken | None = None) -> session.Reply:
    directory = world.learn()
    flow = session.ask(
        directory, token or world.token(directory), QUESTION, role=ROLE, relay=ROUTE, anchors=anchors, at=AT
    )
    return session.drive(flow, world.send, world.now)


def piped(world: World, anchors: Anchors, token: BoundToken) -> None:
    session.open_pipe(world.learn(), token, role=ROLE, relay=ROUTE, anchors=anchors, at=AT)


def test_where_all_is_hybrid_nothing_changes() -> None:
    world = World(AT)
    assert b"harbour" in ask(world, requiring(world)).content


def test_without_the_demand_the_other_end_decides() -> None:
    for world in (classic_enclave(), World(AT, suite=CLASSIC)):
        assert b"harbour" in ask(world, world.anchors).content


# req: privproc1/4.8 hybrid-suite-if-demanded
def test_a_classic_enclave_gets_no_question() -> None:
    world = classic_enclave()
    with pytest.raises(PolicyError, match="hybrid"):
        ask(world, requiring(world))
    assert not [one for party in world.wire.views.values() for one in party if b"harbour" in one]


@pytest.mark.parametrize("start", [ask, piped])
# req: privproc1/4.1 hybrid-if-demanded
def test_a_classic_gateway_key_spends_no_token(start: Callable[[World, Anchors, BoundToken], object]) -> None:
    world = World(AT, suite=CLASSIC)
    token = world.token(world.learn())
    with pytest.raises(PolicyError, match="hybrid"):
        start(world, requiring(world), token)
    start(world, world.anchors, token)


# req: privproc1/4.1 hybrid-if-demanded
def test_a_classic_group_spends_no_token() -> None:
    world = World(AT)
    contents = Contents.decode(world.contents.encode())
    world.contents = replace(contents, group=ratls.Group.X25519)
    world.adopt(world.package(world.epoch))
    token = world.token(world.learn())
    with pytest.raises(PolicyError, match="hybrid"):
        ask(world, requiring(world), token)
    token.spend()


# req: privproc1/4.1 hybrid-if-demanded
def test_a_session_that_is_renewed_is_judged_again() -> None:
    """By a directory that came since and that has a classic key."""
    world, later = World(AT), World(AT, suite=CLASSIC)
    directory = world.learn()
    flow = session.connect(directory, world.token(directory), role=ROLE, relay=ROUTE, anchors=requiring(world), at=AT)
    live = session.drive(flow, world.send, world.now)
    with pytest.raises(PolicyError, match="hybrid"):
        live.renew(later.learn(), at=AT)


# req: privproc1/14.3 hybrid-nodes-if-demanded
def test_classic_nodes_are_not_learnt() -> None:
    world = World(AT)
    fleet = Fleet(world, suite=CLASSIC)
    directory = world.learn()
    copies = fleet.fetch()
    assert wrapped.learn_nodes(copies, directory, role=ROLE, anchors=world.anchors, at=AT)
    with pytest.raises(PolicyError, match="hybrid"):
        wrapped.learn_nodes(copies, directory, role=ROLE, anchors=requiring(world), at=AT)


# req: privproc1/4.1 hybrid-if-demanded
def test_nodes_of_a_classic_directory_are_not_learnt() -> None:
    world = World(AT, suite=CLASSIC)
    fleet = Fleet(world, suite=HYBRID)
    with pytest.raises(PolicyError, match="gateway key"):
        wrapped.learn_nodes(fleet.fetch(), world.learn(), role=ROLE, anchors=requiring(world), at=AT)


def test_what_is_sent_is_what_every_device_sends() -> None:
    sent = []
    for anchors in (lambda it: it.anchors, requiring):
        world = World(AT)
        ask(world, anchors(world))
        forwards = [data for name, data in world.wire.crossings if name == "gateway → host"]
        opened = Open.decode(session.gateway.Forward.decode(forwards[0]).open)
        sent.append((opened.suites, len(opened.client_hello), [len(data) for _, data in world.wire.crossings]))
    assert sent[0] == sent[1]
    assert len(sent[0][0]) == 2

"""Wrapped mode, and any party killed at any step of fetching and asking, as in :mod:`tests.test_session_crash`.

A node stores nothing: one that is started anew has another key, and the mirrors another roster.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from privproc.session import wrapped
from privproc.session.wrapped.messages import Delivery
from tests.test_session_crash import AT, KEY, QUESTION, Crash, Life, living
from tests.world.fleet import Fleet
from tests.world.mirrors import Mirrors
from tests.world.relay import ROUTE

NODES = 3


class Wrapping(Life):
    """``delivered``: nonces of the tokens whose request a host got."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fleet = Fleet(self.world, count=NODES, wraps=2)
        self.delivered: set[bytes] = set()

    def start_node(self) -> None:
        self.fleet.servers = [self.fleet.server(b"node %d" % number) for number in range(NODES)]
        self.fleet.publish()

    def start_mirror(self) -> None:
        """It serves what it has on its disk."""
        world, before = self.world, self.world.mirrors
        world.mirrors = Mirrors(world.wire)
        world.mirrors.publish(world.published)
        world.mirrors.rosters = before.rosters
        self.start_relay()

    def converse(self) -> None:
        nodes = self.fleet.learn(self.directory)
        bound = self.wallet.take(self.source, at=AT)
        self.taken.add(bound.token.nonce)
        self.disk = self.wallet.save(KEY)
        self.pending = bound.token.nonce
        request, awaiting = wrapped.seal(self.directory, bound, QUESTION, nodes=nodes, relay=ROUTE, at=AT)
        before = len(self.deliveries())
        try:
            response = self.world.send(request)
        finally:
            if len(self.deliveries()) > before:
                self.delivered.add(self.pending)
            self.pending = b""
        assert awaiting.finish(response).content.strip() == QUESTION

    def deliveries(self) -> list[Delivery]:
        return [Delivery.decode(data) for name, data in self.world.wire.crossings if name == "gateway → host"]

    def check(self) -> None:
        assert set(Counter(one.head for one in self.deliveries()).values()) == {1}
        assert len(self.deliveries()) == len(self.delivered)
        assert self.taken - self.delivered <= self.sent


def whole(folder: Path) -> list[str]:
    """The boundaries that undisturbed fetching and asking crosses."""
    folder.mkdir()
    with living(folder, Wrapping) as life:
        before = len(life.world.wire.crossings)
        life.converse()
        life.check()
        return [boundary for boundary, _ in life.world.wire.crossings[before:]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("party", "part"),
    [("device", ""), ("relay", "relay"), ("gateway", "gateway"), ("node", "enclave"), ("mirror", "cdn")],
)
def test_any_party_is_killed_at_any_step(tmp_path: Path, party: str, part: str) -> None:
    """The device at all of them, each other one at those that it has a part in."""
    fatals = [number for number, boundary in enumerate(whole(tmp_path / "whole"), 1) if part in boundary]
    assert len(fatals) >= 2
    for fatal in fatals:
        folder = tmp_path / f"{fatal}"
        folder.mkdir()
        with living(folder, Wrapping) as life:
            life.fatal = life.steps + fatal
            with pytest.raises(Crash):
                life.converse()
            spent = len(life.taken)
            life.restart(party)
            life.converse()
            life.check()
            assert len(life.taken) == spent + 1


def test_a_node_that_is_started_anew_is_another_one(tmp_path: Path) -> None:
    """Its key of before is nowhere any more, so nothing can be asked under it."""
    with living(tmp_path, Wrapping) as life:
        nodes = life.fleet.learn(life.directory)
        life.restart("node")
        assert not {node.digest for node in nodes.each} & {
            node.digest for node in life.fleet.learn(life.directory).each
        }
        life.converse()
        life.check()

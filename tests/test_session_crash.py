"""Any party is killed at any step and started anew from what it had stored.

What is stored: the device's wallet, the gateway's spent tokens and live sessions, of the enclave nothing. After each
crash no token was used twice, none is lost unless its first byte was sent, no key met a nonce twice, the user knows
that the request failed, and the next one succeeds.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from privproc import session
from privproc.errors import DecodeError, PeerError
from privproc.hpke import Aead
from privproc.secret import Secret
from privproc.session import Live, transcript
from privproc.session.messages import Forward
from privproc.session.profile import SUITES
from privproc.tokens import Source, Wallet
from privproc.tokens.sqlite import SQLiteStore
from tests.world.relay import ROUTE
from tests.world.world import ROLE, World

AT = 1_800_000_000
TOKENS = 2
KEY = Secret(bytes(range(32)))
FORWARD_SIZE = 2144
QUESTION = b"When does the boat leave the harbour?"


class Crash(Exception):
    """A process is gone, and with it the connections to it."""


class Nonces:
    """Every key with every nonce under which something was sealed."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[bytes, bytes]] = Counter()

    def watch(self, make: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        outer = self

        class Watched:
            def __init__(self, key: bytes) -> None:
                self._key, self._cipher = key, make(key)
                self.decrypt = self._cipher.decrypt

            def encrypt(self, nonce: bytes, data: bytes, aad: bytes | None) -> bytes:
                outer.seen[self._key, nonce] += 1
                sealed: bytes = self._cipher.encrypt(nonce, data, aad)
                return sealed

        return Watched


class Life:
    """A world whose parties can be killed; ``steps`` counts what crosses a boundary."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World(AT, suite=SUITES[1])
        self.steps = 0
        self.fatal = -1
        self.nonces: dict[bytes, bytes] = {}  # th1 to the token's nonce
        self.sent: set[bytes] = set()  # nonces of tokens of which a byte went out
        self.taken: set[bytes] = set()
        self.fill()
        self.start_gateway()
        cross = self.world.wire.cross

        def crossing(boundary: str, data: bytes) -> bytes:
            if self.pending and (boundary == "address" or boundary.startswith("device →")):
                self.sent.add(self.pending)
            arrived = cross(boundary, data)
            self.steps += 1
            if self.steps == self.fatal:
                raise Crash
            return arrived

        self.pending = b""
        mock.patch.object(self.world.wire, "cross", crossing).start()

    def fill(self) -> None:
        wallet = Wallet()
        self.directory = directory = self.world.learn()
        contents = directory.contents.get(at=AT)
        self.source = Source.of(contents.challenge, contents.token_key)
        plan = wallet.plan(self.source, count=TOKENS, opens=AT, closes=AT + 1, expires=AT + 9999, at=AT)
        wallet.add(plan, [self.world.token(directory) for _ in range(TOKENS)], at=AT)
        self.disk = wallet.save(KEY)
        self.start_device()

    # Starting anew.

    def start_device(self) -> None:
        self.wallet = Wallet.load(self.disk, KEY)

    def start_gateway(self) -> None:
        server = self.world.server
        connection = sqlite3.connect(self.folder / "spent.db")
        server.store = SQLiteStore(connection, capacity=100)
        server.live = {handle: (Live.decode(live.encode()), number) for handle, (live, number) in server.live.items()}
        server.gateway = self.world.new_gateway().gateway

    def start_enclave(self) -> None:
        self.world.machine.sessions.clear()

    def restart(self, party: str) -> None:
        getattr(self, f"start_{party}")()

    # The user.

    def connect(self) -> Any:
        bound = self.wallet.take(self.source, at=AT)
        nonce = bound.token.nonce
        self.taken.add(nonce)
        self.disk = self.wallet.save(KEY)  # taken, saved, and only then sent
        request, opening = session.begin(
            self.directory, bound, role=ROLE, relay=ROUTE, anchors=self.world.anchors, at=AT
        )
        self.nonces[opening._state[0][0].th1] = self.pending = nonce
        response = self.world.send(request)
        self.pending = b""
        return opening.finish(response, at=AT)

    def ask(self, ready: Any) -> Any:
        request, answer = ready.ask(QUESTION, at=AT)
        *pieces, end = answer.receive(self.world.send(request), at=AT)
        assert b"".join(piece.data for piece in pieces).strip() == QUESTION
        return end.session

    def renew(self, ready: Any) -> Any:
        request, renewing = ready.renew(self.directory, at=AT)
        return renewing.finish(self.world.send(request), at=AT)

    def converse(self) -> None:
        ready = self.connect()
        for step in (self.ask, self.renew, self.ask):
            ready = step(ready)

    # What must hold.

    def check(self) -> None:
        forwarded: Counter[bytes] = Counter()
        for name, data in self.world.wire.crossings:
            if name == "gateway → host" and len(data) == FORWARD_SIZE:
                forward = Forward.decode(data)
                forwarded[self.nonces[transcript.opened(forward.package, forward.outer, forward.open)]] += 1
        assert set(forwarded.values()) <= {1}
        left = Wallet.load(self.disk, KEY).count(self.source, at=AT)
        assert left == TOKENS - len(self.taken)
        assert self.taken - set(forwarded) <= self.sent


@contextmanager
def living(folder: Path) -> Iterator[Life]:
    nonces = Nonces()
    with (
        mock.patch.object(Aead.AES_128_GCM, "_new", nonces.watch(Aead.AES_128_GCM._new)),
        mock.patch.object(Aead.AES_256_GCM, "_new", nonces.watch(Aead.AES_256_GCM._new)),
    ):
        life = Life(folder)
        try:
            yield life
        finally:
            mock.patch.stopall()
    assert nonces.seen
    assert set(nonces.seen.values()) == {1}


def steps(folder: Path) -> int:
    """How many steps an undisturbed conversation has."""
    with living(folder) as life:
        before = life.steps
        life.converse()
        life.check()
        return life.steps - before


@pytest.mark.slow
@pytest.mark.parametrize("party", ["device", "gateway", "enclave"])
def test_any_party_is_killed_at_any_step(tmp_path: Path, party: str) -> None:
    (tmp_path / "whole").mkdir()
    count = steps(tmp_path / "whole")
    assert count > 20
    for fatal in range(1, count + 1):
        folder = tmp_path / f"{fatal}"
        folder.mkdir()
        with living(folder) as life:
            life.fatal = life.steps + fatal
            with pytest.raises(Crash):  # the user's outcome: it failed, and nothing goes on by itself
                life.converse()
            life.restart(party)
            assert life.steps == life.fatal
            life.converse()
            life.check()
            assert len(life.taken) == 2


@pytest.mark.parametrize("step", range(3))
def test_a_gateway_that_is_started_anew_goes_on(tmp_path: Path, step: int) -> None:
    """Between two round trips nothing is lost but connections: what it keeps is stored."""
    with living(tmp_path) as life:
        ready = life.connect()
        for number, move in enumerate((life.ask, life.renew, life.ask)):
            if number == step:
                life.restart("gateway")
            ready = move(ready)
        life.check()


def test_an_enclave_that_is_started_anew_ends_its_sessions(tmp_path: Path) -> None:
    with living(tmp_path) as life:
        ready = life.ask(life.connect())
        life.restart("enclave")
        unknown = mock.patch.object(life.world.machine, "receive", side_effect=DecodeError("session", "unknown"))
        with unknown, pytest.raises(PeerError, match="refused"):
            life.ask(ready)
        life.converse()
        life.check()


def test_a_device_that_is_started_anew_has_a_fresh_token(tmp_path: Path) -> None:
    with living(tmp_path) as life:
        first = life.connect()
        life.restart("device")
        second = life.connect()
        assert first.evidence.binding != second.evidence.binding
        assert life.wallet.count(life.source, at=AT) == TOKENS - 2
        life.ask(second)
        life.check()


def test_the_check_notices_a_token_that_comes_twice(tmp_path: Path) -> None:
    with living(tmp_path) as life:
        life.connect()
        forwards = [data for data in life.world.wire.crossings if data[0] == "gateway → host"]
        life.world.wire.crossings += forwards
        with pytest.raises(AssertionError):
            life.check()

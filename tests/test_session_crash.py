"""Any party is killed at any step and started anew from what it had stored.

What is stored: the device's wallet with its plan, the issuer's key, the gateway's spent tokens and live sessions, of
the enclave nothing. After each crash no token was used twice, none is lost unless its first byte was sent, no key met a
nonce twice, the user knows that the request failed, and the next one succeeds. Steps are what crosses a boundary: of
single exchanges each message, of a pipe each piece, of issuance each request and answer.
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
from privproc.blindrsa import PrivateKey
from privproc.errors import DecodeError, PeerError
from privproc.hpke import Aead
from privproc.secret import Secret
from privproc.session import Live, transcript
from privproc.session.messages import Forward
from privproc.session.profile import SUITES
from privproc.tokens import BoundToken, Issuer, IssuerKey, Source, Wallet
from privproc.tokens.sqlite import SQLiteStore
from tests.world.device import Piped
from tests.world.relay import ROUTE
from tests.world.world import ROLE, World

AT = 1_800_000_000
TOKENS = 2
MANY = 300
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
    """A world whose parties can be killed; ``steps`` counts what crosses a boundary. ``tokens``: how many the wallet
    plans for; they are there already if it is ``stocked``.
    """

    def __init__(self, folder: Path, tokens: int, *, stocked: bool) -> None:
        self.folder = folder
        self.world = World(AT, suite=SUITES[1])
        self.steps = 0
        self.fatal = -1
        self.nonces: dict[bytes, bytes] = {}  # th1 to the token's nonce
        self.sent: set[bytes] = set()  # nonces of tokens of which a byte went out
        self.taken: set[bytes] = set()
        self.planned = self.held = 0
        self.plan(tokens)
        self.start_device()
        if stocked:
            self.fetch()
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

    def plan(self, count: int) -> None:
        self.directory = self.world.learn()
        contents = self.directory.contents.get(at=AT)
        self.source = Source.of(contents.challenge, contents.token_key)
        wallet = Wallet()
        wallet.plan(self.source, count=count, opens=AT, closes=AT + 1, expires=AT + 9999, at=AT)
        self.disk = wallet.save(KEY)

    def fetch(self) -> None:
        """Carry out what is due, if anything is: a fetch that failed is, and one that was stored isn't."""
        for plan in self.wallet.due(at=AT):
            self.wallet.add(plan, [self.world.token(self.directory) for _ in range(plan.count)], at=AT)
            self.disk = self.wallet.save(KEY)
            self.held += plan.count

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

    def start_issuer(self) -> None:
        """Its key and its window are all that it has."""
        (key,) = self.world.issuer.issuer._keys.values()
        assert isinstance(key.op, PrivateKey)
        stored = PrivateKey.decode_pkcs8(key.op.encode_pkcs8())
        self.world.issuer.issuer = Issuer([IssuerKey(stored, key.not_before, key.not_after)])

    def restart(self, party: str) -> None:
        self.pending = b""
        getattr(self, f"start_{party}")()

    # The user.

    def take(self) -> BoundToken:
        bound = self.wallet.take(self.source, at=AT)
        self.taken.add(bound.token.nonce)
        self.disk = self.wallet.save(KEY)  # taken, saved, and only then sent
        return bound

    def connect(self) -> Any:
        bound = self.take()
        nonce = bound.token.nonce
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

    def converse_in_a_pipe(self) -> None:
        bound = self.take()
        nonce = bound.token.nonce
        piped = Piped(self.world, self.directory, bound)
        self.nonces[piped.pipe._prepared[0].th1] = self.pending = nonce
        piped.open()
        self.pending = b""
        assert piped.ask(QUESTION).strip() == QUESTION
        piped.renew()
        assert piped.ask(QUESTION, last=True).strip() == QUESTION
        list(piped.event())

    def fetch_and_converse(self) -> None:
        self.fetch()
        self.converse()

    # What must hold.

    def check(self) -> None:
        forwarded: Counter[bytes] = Counter()
        for name, data in self.world.wire.crossings:
            if name == "gateway → host" and len(data) == FORWARD_SIZE:
                forward = Forward.decode(data)
                forwarded[self.nonces[transcript.opened(forward.package, forward.outer, forward.open)]] += 1
        assert set(forwarded.values()) <= {1}
        left = Wallet.load(self.disk, KEY).count(self.source, at=AT)
        assert left == self.held - len(self.taken)
        assert self.taken - set(forwarded) <= self.sent


@contextmanager
def living(folder: Path, tokens: int = TOKENS, *, stocked: bool = True) -> Iterator[Life]:
    nonces = Nonces()
    with (
        mock.patch.object(Aead.AES_128_GCM, "_new", nonces.watch(Aead.AES_128_GCM._new)),
        mock.patch.object(Aead.AES_256_GCM, "_new", nonces.watch(Aead.AES_256_GCM._new)),
    ):
        life = Life(folder, tokens, stocked=stocked)
        try:
            yield life
        finally:
            mock.patch.stopall()
    assert nonces.seen
    assert set(nonces.seen.values()) == {1}


Talk = Callable[[Life], None]


def killed(life: Life, talk: Talk, party: str, fatal: int) -> None:
    """The step ``fatal`` of ``talk`` is the last of ``party``; then it goes on from what it has stored."""
    life.fatal = life.steps + fatal
    with pytest.raises(Crash):  # the user's outcome: it failed, and nothing goes on by itself
        talk(life)
    assert life.steps == life.fatal
    life.restart(party)
    talk(life)
    life.check()


@pytest.mark.parametrize("party", ["device", "gateway", "enclave"])
@pytest.mark.parametrize("talk", [Life.converse, Life.converse_in_a_pipe], ids=["exchanges", "pipe"])
def test_any_party_is_killed_at_any_step(tmp_path: Path, talk: Talk, party: str) -> None:
    with living(tmp_path, MANY) as life:
        before = life.steps
        talk(life)
        count = life.steps - before
        assert count > 20
        for fatal in range(1, count + 1):
            killed(life, talk, party, fatal)
        assert len(life.taken) == 2 * count + 1


@pytest.mark.parametrize("party", ["device", "issuer"])
def test_issuance_is_killed_at_any_step(tmp_path: Path, party: str) -> None:
    """A fetch that failed stays due, over a restart too; tokens that were not stored are nobody's."""
    count = 3 * TOKENS  # the account, the request, the answer
    with living(tmp_path, stocked=False) as life:
        before = life.steps
        life.fetch()
        assert life.steps == before + count
        life.converse()
    for fatal in range(1, count + 1):
        folder = tmp_path / f"{fatal}"
        folder.mkdir()
        with living(folder, stocked=False) as life:
            killed(life, Life.fetch_and_converse, party, fatal)
            assert life.held == TOKENS
            assert len(life.taken) == 1


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

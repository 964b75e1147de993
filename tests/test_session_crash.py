"""Any party is killed at any step and started anew from what it had stored.

What is stored: the device's wallet, the issuer's charges, the gateway's spent tokens and live sessions, of relay and
enclave nothing. After each crash no token was used twice, none is lost unless its first byte was sent, no key met a
nonce twice, the user knows that the request failed, and the next one succeeds.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import pytest

from privproc import session, tokens
from privproc.errors import DecodeError, LimitError, PeerError
from privproc.hpke import Aead
from privproc.http import Request, Response
from privproc.secret import Secret
from privproc.session import Live, transcript
from privproc.session.messages import Forward
from privproc.session.profile import SUITES
from privproc.tokens import BoundToken, Decision, MemoryQuotas, NoTokenError, Source, Wallet
from privproc.tokens.sqlite import SQLiteStore
from tests.world.issuer import WorldIssuer, token_request
from tests.world.relay import ROUTE, RelayServer
from tests.world.wire import Wire
from tests.world.world import ROLE, World

AT = 1_800_000_000
TOKENS = 2
KEY = Secret(bytes(range(32)))
FORWARD_SIZE = 2144
QUESTION = b"When does the boat leave the harbour?"
L = TypeVar("L", bound="Life")


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
        self.fetched = TOKENS
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

    def start_relay(self) -> None:
        """It keeps nothing."""
        self.world.relay = RelayServer(self.world.wire, self.world.server, self.world.mirrors)

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
        assert left == self.fetched - len(self.taken)
        assert self.taken - set(forwarded) <= self.sent


@contextmanager
def living(folder: Path, kind: type[L] = Life) -> Iterator[L]:
    nonces = Nonces()
    with (
        mock.patch.object(Aead.AES_128_GCM, "_new", nonces.watch(Aead.AES_128_GCM._new)),
        mock.patch.object(Aead.AES_256_GCM, "_new", nonces.watch(Aead.AES_256_GCM._new)),
    ):
        life = kind(folder)
        try:
            yield life
        finally:
            mock.patch.stopall()
    assert nonces.seen
    assert set(nonces.seen.values()) == {1}


def steps(folder: Path) -> list[str]:
    """The boundaries that an undisturbed conversation crosses."""
    folder.mkdir()
    with living(folder) as life:
        before = len(life.world.wire.crossings)
        life.converse()
        life.check()
        return [boundary for boundary, _ in life.world.wire.crossings[before:]]


@pytest.mark.slow
@pytest.mark.parametrize("party", ["device", "relay", "gateway", "enclave"])
def test_any_party_is_killed_at_any_step(tmp_path: Path, party: str) -> None:
    """The relay at those that it has a part in: what it has passed on goes its way without it."""
    whole = steps(tmp_path / "whole")
    fatals = [number for number, boundary in enumerate(whole, 1) if party != "relay" or "relay" in boundary]
    assert len(fatals) >= 20
    for fatal in fatals:
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


class ChargingIssuer(WorldIssuer):
    """Charges an account before it signs. ``ledger`` is what it stores."""

    def __init__(self, wire: Wire, before: WorldIssuer, ledger: MemoryQuotas) -> None:
        self.issuer = before.issuer
        self.wire = wire
        self.ledger = ledger
        self.decision = Decision.of(b"alice", key=KEY, epoch=1, limit=LIMIT)

    def handle(self, request: Request, *, at: int) -> Response:
        try:
            self.ledger.charge(self.decision, count=1, once=hashlib.sha256(request.content).digest())
        except LimitError:
            return Response(429)
        self.wire.cross("issuer: charged", b"")
        response = super().handle(request, at=at)
        self.wire.cross("issuer: signed", request.content)
        return response


class Fetch:
    """A planned fetch of tokens, whose issuer can be killed; ``got`` is what the device has in memory."""

    def __init__(self, life: Life) -> None:
        self.life, self.world = life, life.world
        self.ledger = MemoryQuotas(100)
        self.start_issuer()
        wallet = Wallet()
        plan = wallet.plan(life.source, count=TOKENS, opens=AT, closes=AT + 1, expires=AT + 9999, at=AT)
        assert wallet.due(at=AT) == (plan,)
        life.disk = wallet.save(KEY)
        self.start_device()

    def start_device(self) -> None:
        self.life.start_device()
        self.got: list[BoundToken] = []

    def start_issuer(self) -> None:
        self.world.issuer = ChargingIssuer(self.world.wire, self.world.issuer, self.ledger)

    def run(self) -> int:
        """Carry out what is due, to its end or the issuer's refusal; how many tokens the device has then."""
        life = self.life
        contents = life.directory.contents.get(at=AT)
        key = life.directory.contents.map(lambda it: it.token_key)
        for plan in life.wallet.due(at=AT):
            while len(self.got) < plan.count:
                wire, pending = tokens.request_bound(contents.challenge, key, at=AT)
                response = self.world.send(token_request(wire))
                if response.status != 200:
                    break
                self.got.append(pending.finish(response.content))
            life.wallet.add(plan, self.got, at=AT)
            life.disk = life.wallet.save(KEY)
        life.fetched = life.wallet.count(life.source, at=AT)
        return life.fetched


LIMIT = TOKENS + 1
FETCH_STEPS = 5 * TOKENS  # account, request, charge, signature, answer


@pytest.mark.parametrize("party", ["device", "issuer"])
def test_issuance_is_killed_at_any_step(tmp_path: Path, party: str) -> None:
    """Nobody is signed more than was charged; a token is lost only if its request was out, and the fetch stays due."""
    for fatal in range(1, FETCH_STEPS + 1):
        folder = tmp_path / f"{fatal}"
        folder.mkdir()
        with living(folder) as life:
            fetch = Fetch(life)
            life.fatal = life.steps + fatal
            with pytest.raises(Crash):
                fetch.run()
            getattr(fetch, f"start_{party}")()
            # One request was under way, and a device that is killed forgets what it hadn't saved yet.
            lost = len(fetch.ledger) - len(fetch.got)
            assert lost <= (1 if party == "issuer" else TOKENS)
            count = fetch.run()
            assert count == min(TOKENS, LIMIT - lost)
            assert len(fetch.ledger) == count + lost
            signed = [data for name, data in fetch.world.wire.crossings if name == "issuer: signed"]
            assert len(set(signed)) == len(signed) <= len(fetch.ledger)
            assert life.wallet.due(at=AT) == ()
            life.converse()
            life.check()


def test_an_issuer_that_is_killed_twice_leaves_fewer_tokens_and_a_clear_word(tmp_path: Path) -> None:
    with living(tmp_path) as life:
        fetch = Fetch(life)
        for _ in range(2):
            life.fatal = life.steps + 4  # signed, and the answer never leaves
            with pytest.raises(Crash):
                fetch.run()
            fetch.start_issuer()
        assert fetch.run() == TOKENS - 1
        life.converse()
        with pytest.raises(NoTokenError, match="wait for the next planned fetch"):
            life.connect()

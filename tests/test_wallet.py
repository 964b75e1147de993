"""The wallet: planned fetches, one use of each token whatever crashes, and its bytes on the disk."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from privproc import voprf
from privproc.errors import (
    DecodeError,
    ExpiredError,
    LimitError,
    OpenError,
    PeerError,
    ReplayError,
    SpentError,
    UnsupportedError,
    UsageError,
)
from privproc.secret import Secret
from privproc.tokens import (
    BLIND_RSA,
    VOPRF,
    VOPRF_RISTRETTO255,
    BoundToken,
    MemoryStore,
    NoTokenError,
    Plan,
    ProofKey,
    Source,
    SpendKey,
    Store,
    Token,
    TokenChallenge,
    TokenKey,
    Wallet,
    wallet,
)
from privproc.tokens.sqlite import SQLiteStore
from privproc.wire import Writer

KEY = Secret(bytes(range(32)))
SOURCES = [Source(BLIND_RSA, bytes(32), bytes((n,)) * 32) for n in range(3)]
SOURCE = SOURCES[0]
SIZES = {BLIND_RSA: 256, VOPRF: 48, VOPRF_RISTRETTO255: 64}
NOW = 1_800_000_000
EPOCH = {"opens": NOW, "closes": NOW + 3600, "expires": NOW + 86400}


def bound(source: Source = SOURCE) -> BoundToken:
    """A token as issuance gives it, but for the signature, which no wallet looks at."""
    proof_key = ProofKey.generate()
    authenticator = os.urandom(SIZES[source.token_type])
    token = Token(source.token_type, proof_key.nonce, source.challenge_digest, source.token_key_id, authenticator)
    return BoundToken(token, proof_key)


def filled(count: int = 3, source: Source = SOURCE) -> tuple[Wallet, dict[bytes, bytes]]:
    """A wallet, and the proof secrets by the tokens in it."""
    made = Wallet()
    plan = made.plan(source, count=max(count, 1), **EPOCH, at=NOW)
    given_ = [bound(source) for _ in range(count)]
    known = {one.token.encode(): one._look()[1].to_secret().expose() for one in given_}
    made.add(plan, given_, at=NOW)
    return made, known


def drain(held: Wallet, source: Source = SOURCE, at: int = NOW) -> dict[bytes, bytes]:
    found = {}
    with contextlib.suppress(NoTokenError):
        while True:
            token, proof_key = held.take(source, at=at).spend()
            found[token.encode()] = proof_key.to_secret().expose()
    return found


@pytest.mark.parametrize("token_type", [*SIZES])
def test_what_goes_in_comes_out_once(token_type: int):
    source = Source(token_type, bytes(32), bytes(32))
    held, known = filled(5, source)
    assert held.count(source, at=NOW) == 5
    again = Wallet.load(held.save(KEY), KEY)
    assert drain(held, source) == known
    assert held.count(source, at=NOW) == 0
    assert drain(again, source) == known


def test_a_token_that_was_added_is_the_wallets():
    held = Wallet()
    plan = held.plan(SOURCE, count=2, **EPOCH, at=NOW)
    one = bound()
    held.add(plan, [one], at=NOW)
    with pytest.raises(SpentError):
        one.spend()


def test_empty_says_to_wait():
    held, _ = filled(1)
    held.take(SOURCE, at=NOW)
    for source in SOURCES[:2]:
        with pytest.raises(NoTokenError, match="wait"):
            held.take(source, at=NOW)


def test_taken_is_gone_from_what_is_saved():
    held, known = filled(3)
    taken = held.take(SOURCE, at=NOW).token.encode()
    saved = held.save(KEY)
    assert set(drain(Wallet.load(saved, KEY))) == set(known) - {taken}


def test_order_of_use_is_not_order_of_issue():
    firsts = Counter()
    for _ in range(120):
        held, known = filled(3)
        firsts[list(known).index(held.take(SOURCE, at=NOW).token.encode())] += 1
    assert min(firsts[n] for n in range(3)) > 15


# Plans.


def test_a_plan_is_within_its_window_and_stays():
    seen = set()
    for _ in range(40):
        held = Wallet()
        plan = held.plan(SOURCE, count=7, **EPOCH, at=NOW - 100)
        assert (plan.source, plan.count, plan.opens, plan.closes) == (SOURCE, 7, NOW, NOW + 3600)
        assert NOW <= plan.not_before < NOW + 3600
        # Asking again, for more, later, or after a restart, draws nothing.
        for other in (held, Wallet.load(held.save(KEY), KEY)):
            assert other.plan(SOURCE, count=1, **EPOCH, at=NOW + 3599) == plan
        seen.add(plan.not_before)
    assert len(seen) > 30
    assert max(seen) - min(seen) > 1800


@pytest.mark.parametrize("holding", [0, 50])
def test_a_plan_does_not_depend_on_what_is_held(monkeypatch: pytest.MonkeyPatch, holding: int):
    monkeypatch.setattr(os, "urandom", lambda count: bytes(count - 2) + b"\7\7")
    held = Wallet()
    if holding:
        first = held.plan(SOURCE, count=50, opens=NOW - 10, closes=NOW, expires=NOW + 86400, at=NOW - 10)
        monkeypatch.undo()
        held.add(first, [bound() for _ in range(50)], at=NOW - 1)
        monkeypatch.setattr(os, "urandom", lambda count: bytes(count - 2) + b"\7\7")
    plan = held.plan(SOURCE, count=7, **EPOCH, at=NOW)
    assert (plan.count, plan.not_before) == (7, NOW + 0x0707)


def test_late_in_the_window_what_is_left_of_it_counts():
    held = Wallet()
    assert held.plan(SOURCE, count=1, **EPOCH, at=NOW + 3599).not_before == NOW + 3599
    for at in (NOW + 3600, NOW + 9999):
        with pytest.raises(ExpiredError):
            Wallet().plan(SOURCE, count=1, **EPOCH, at=at)


def test_due():
    held = Wallet()
    plan = held.plan(SOURCE, count=2, **EPOCH, at=NOW)
    other = held.plan(SOURCES[1], count=2, opens=NOW + 50, closes=NOW + 51, expires=NOW + 3600, at=NOW)
    assert plan not in held.due(at=plan.not_before - 1)
    assert plan in held.due(at=plan.not_before)
    assert plan in held.due(at=plan.not_before)  # a fetch that failed
    assert other in held.due(at=NOW + 50)
    assert other not in held.due(at=NOW + 51)
    held = Wallet.load(held.save(KEY), KEY)
    assert plan in held.due(at=NOW + 3599)
    held.add(plan, [], at=NOW + 3599)
    assert held.due(at=NOW + 3599) == ()
    assert held.due(at=NOW + 3600) == ()
    assert Wallet.load(held.save(KEY), KEY).due(at=NOW + 3599) == ()


def test_windows_do_not_overlap():
    held = Wallet()
    plan = held.plan(SOURCE, count=2, **EPOCH, at=NOW)
    later = {"opens": NOW + 3600, "closes": NOW + 7200, "expires": NOW + 86400}
    with pytest.raises(UsageError):  # the first fetch is still to come
        held.plan(SOURCE, count=2, **later, at=NOW)
    held.add(plan, [bound()], at=NOW)
    for opens in (NOW, NOW + 1, NOW + 3599):
        with pytest.raises(UsageError):
            held.plan(SOURCE, count=2, opens=opens, closes=NOW + 7200, expires=NOW + 86400, at=NOW)
    second = held.plan(SOURCE, count=2, **later, at=NOW)
    assert held.plan(SOURCE, count=2, **later, at=NOW) == second
    with pytest.raises(UsageError):
        held.add(plan, [bound()], at=NOW)
    held.add(second, [bound(), bound()], at=NOW)
    assert held.count(SOURCE, at=NOW) == 3
    third = {"opens": NOW + 7200, "closes": NOW + 7201, "expires": NOW + 7201}
    held.plan(SOURCE, count=2, **third, at=NOW)
    assert held.count(SOURCE, at=NOW + 86399) == 3  # an epoch isn't shortened by a plan
    held = Wallet()
    held.plan(SOURCE, count=2, **EPOCH, at=NOW)
    held.plan(SOURCE, count=2, **later, at=NOW + 3600)  # missed


@pytest.mark.parametrize(
    "bad",
    [
        {"count": 0},
        {"count": wallet.MAX_TOKENS + 1},
        {"opens": -1},
        {"closes": NOW},
        {"expires": NOW + 3599},
        {"expires": 1 << 63},
    ],
)
def test_plans_that_make_no_sense(bad):
    with pytest.raises(UsageError):
        Wallet().plan(SOURCE, **{"count": 1, **EPOCH, **bad}, at=NOW)


def test_as_many_pools_as_there_may_be():
    held = Wallet()
    for n in range(wallet.MAX_POOLS):
        held.plan(Source(VOPRF, bytes(32), n.to_bytes(32, "big")), count=1, **EPOCH, at=NOW)
    with pytest.raises(UsageError):
        held.plan(SOURCE, count=1, **EPOCH, at=NOW)
    assert len(Wallet.load(held.save(KEY), KEY)._pools) == wallet.MAX_POOLS


# What is added.


def test_what_is_refused_leaves_the_tokens_to_the_caller(monkeypatch: pytest.MonkeyPatch):
    held = Wallet()
    plan = held.plan(SOURCE, count=2, **EPOCH, at=NOW)
    good, used, twin = bound(), bound(), bound()
    used.spend()
    token, _ = twin._look()
    unbound = BoundToken(token, ProofKey.generate())
    cases = [
        (UsageError, [good, bound(), bound()]),
        (UsageError, [good, good]),
        (UsageError, [good, bound(SOURCES[1])]),
        (UsageError, [good, bound(Source(VOPRF, bytes(32), bytes(32)))]),
        (UsageError, [good, bound(Source(BLIND_RSA, b"\1" * 32, bytes(32)))]),
        (UsageError, [good, unbound]),
        (SpentError, [good, used]),
    ]
    for kind, tokens in cases:
        with pytest.raises(kind):
            held.add(plan, tokens, at=NOW)
        assert held.count(SOURCE, at=NOW) == 0
    with pytest.raises(UsageError):
        Wallet().add(plan, [good], at=NOW)
    monkeypatch.setattr(wallet, "MAX_TOKENS", 0)
    with pytest.raises(UsageError):
        held.add(plan, [good], at=NOW)
    monkeypatch.undo()
    held.add(plan, [good], at=NOW)
    with pytest.raises(UsageError):
        held.add(plan, [bound()], at=NOW)


def test_tokens_die_with_their_epoch():
    held, _ = filled(3)
    records = held._pools[SOURCE].records
    assert held.count(SOURCE, at=NOW + 86399) == 3
    stale = held.save(KEY)
    assert held.count(SOURCE, at=NOW + 86400) == 0
    assert not any(records)
    for each in (held, Wallet.load(stale, KEY)):
        with pytest.raises(NoTokenError):
            each.take(SOURCE, at=NOW + 86400)
        assert each._pools == {}
    plan = held.plan(SOURCE, count=1, **EPOCH, at=NOW)
    with pytest.raises(UsageError):
        held.add(plan, [bound()], at=NOW + 86400)


# req: rfc9577/2.1.4 kept-tokens-by-challenge
def test_sources():
    issuer = voprf.PrivateKey(voprf.RISTRETTO255_SHA512, Secret((5).to_bytes(32, "little")))
    key = TokenKey.of(issuer.public_key)
    challenge = TokenChallenge(VOPRF_RISTRETTO255, "issuer.example", b"", ())
    assert Source.of(challenge, key) == Source(VOPRF_RISTRETTO255, challenge.digest, key.key_id)
    with pytest.raises(UsageError):
        Source.of(TokenChallenge(VOPRF, "issuer.example", b"", ()), key)
    for wrong in ((BLIND_RSA, bytes(31), bytes(32)), (BLIND_RSA, bytes(32), bytes(33))):
        with pytest.raises(UsageError):
            Source(*wrong)
    with pytest.raises(UnsupportedError):
        Source(3, bytes(32), bytes(32))


def test_threads_take_each_token_once():
    held, known = filled(64)
    taken: list[bytes] = []
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        taken.extend(drain(held))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(known)


# The stored form.


def plaintext(data: bytes) -> bytes:
    aead, nonce = wallet._aead(KEY, data[: wallet.HEAD])
    return aead.decrypt(nonce, data[wallet.HEAD :], data[: wallet.HEAD])


def sealed(plain: bytes) -> bytes:
    head = wallet.MAGIC + bytes(32)
    aead, nonce = wallet._aead(KEY, head)
    return head + aead.encrypt(nonce, plain, head)


def test_stored_form():
    """Byte for byte, built by hand from the docstring."""
    held, known = filled(2, Source(VOPRF, b"\1" * 32, b"\2" * 32))
    held.plan(SOURCE, count=9, opens=1, closes=NOW + 1, expires=NOW + 2, at=NOW)
    one, two = (secret + token[-48:] for token, secret in known.items())
    plan = held._pools[Source(VOPRF, b"\1" * 32, b"\2" * 32)].plan
    first = Writer().uint(2, 1).raw(b"\1" * 32 + b"\2" * 32).uint(8, NOW + 86400).uint(8, NOW).uint(8, NOW + 3600)
    first.uint(8, plan.not_before).uint(4, 2).uint(1, 1).vector(4, one + two)
    second = Writer().uint(2, 2).raw(bytes(64)).uint(8, NOW + 2).uint(8, 1).uint(8, NOW + 1).uint(8, NOW)
    second.uint(4, 9).uint(1, 0).vector(4, b"")
    data = held.save(KEY)
    assert data[:16] == b"privproc wallet\1"
    assert plaintext(data) == b"\0\2" + first.done() + second.done()
    assert held.save(KEY)[16:48] != data[16:48]
    assert plaintext(Wallet.load(data, KEY).save(KEY)) == plaintext(data)


def test_no_token_shows_in_what_is_stored():
    held, known = filled(2)
    data = held.save(KEY)
    for token, secret in known.items():
        assert secret[:16] not in data
        assert token[-16:] not in data
    assert "x" * 12 not in repr(held)
    assert repr(held._pools[SOURCE]).count("records") == 0


def test_other_keys_and_altered_bytes():
    data = filled(1)[0].save(KEY)
    with pytest.raises(OpenError):
        Wallet.load(data, Secret(bytes(32)))
    for position in (*range(16, 70), len(data) - 1):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(OpenError):
            Wallet.load(bytes(changed), KEY)
    for cut in range(len(data)):
        with pytest.raises((OpenError, DecodeError)):
            Wallet.load(data[:cut], KEY)
    with pytest.raises(OpenError):
        Wallet.load(data + b"\0", KEY)
    for head in (b"privproc wallet\2", b"privproc Wallet\1"):
        with pytest.raises(DecodeError):
            Wallet.load(head + data[16:], KEY)
    for size in (0, 16, 31, 33):
        for use in (lambda key: Wallet.load(data, key), Wallet().save):
            with pytest.raises(UsageError):
                use(Secret(bytes(size)))


def test_what_is_inside_is_checked_too():
    """Whoever has the key can be wrong as well: a version, a bug."""
    plain = plaintext(filled(2)[0].save(KEY))
    for cut in range(len(plain)):
        with pytest.raises(DecodeError):
            Wallet.load(sealed(plain[:cut]), KEY)
    pool = plain[2:]

    def changed(position: int, new: bytes) -> bytes:
        return plain[:position] + new + plain[position + len(new) :]

    cases = [
        plain + b"\0",
        b"\0\2" + pool + pool,
        b"\0\2" + changed(10, b"\1")[2:] + pool,  # not ascending
        b"\1\1" + pool * 257,
        changed(68, bytes(8)),  # expires before the window
        changed(68, b"\xff" * 8),
        changed(76, b"\xff" * 8),
        changed(84, bytes(8)),
        changed(92, bytes(8)),
        changed(100, bytes(4)),
        changed(100, b"\xff" * 4),
        changed(104, b"\2"),
        changed(105, (639).to_bytes(4, "big"))[:-1],
        changed(105, (wallet.MAX_TOKENS * 320 + 320).to_bytes(4, "big")),
    ]
    for case in cases:
        with pytest.raises(DecodeError):
            Wallet.load(sealed(case), KEY)
    with pytest.raises(UnsupportedError):
        Wallet.load(sealed(changed(2, b"\0\3")), KEY)


def test_bounded(monkeypatch: pytest.MonkeyPatch):
    data = filled(1)[0].save(KEY)
    monkeypatch.setattr(wallet, "MAX_SIZE", len(data) - 1)
    with pytest.raises(LimitError):
        Wallet.load(data, KEY)


@given(st.binary(max_size=400), st.booleans())
def test_contract(data: bytes, inside: bool):
    with contextlib.suppress(PeerError):
        Wallet.load(sealed(data) if inside else wallet.MAGIC + data, KEY)


def test_a_hundred_thousand_tokens():
    """Within a second, and beside the token itself no more than 200 bytes."""
    count = 100_000
    held, _ = filled(1)
    record = bytes(held._pools[SOURCE].records)
    held._pools[SOURCE].records *= count
    data = held.save(KEY)
    assert len(data) < count * len(record) + 300
    assert len(record) < 354  # a whole token of this type
    best = min(_seconds(lambda: Wallet.load(data, KEY)) for _ in range(3))
    assert best < 1
    loaded = Wallet.load(data, KEY)
    assert loaded.count(SOURCE, at=NOW) == count
    loaded.take(SOURCE, at=NOW)
    assert loaded.count(SOURCE, at=NOW) == count - 1


def _seconds(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


# A device that crashes, over a store that does.


class Spending(RuleBasedStateMachine):
    """Device: plan, fetch, take, save, send; gateway: reserve, effect, commit. Either crashes wherever it likes.

    What is on the device's disk is the last thing that was saved; the network may deliver a token once more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.connection = sqlite3.connect(Path(self.folder) / "store.db")
        self.store: Store = self.make_store()
        self.now = NOW
        self.wallet = Wallet()
        self.disk = self.wallet.save(KEY)
        self.taken: list[Token] = []  # not sent yet, and not saved
        self.ready: list[Token] = []  # saved, so they may be sent
        self.sent: Counter[bytes] = Counter()
        self.wire: list[Token] = []
        self.reserved: list = []
        self.effects: Counter[bytes] = Counter()
        self.issued: set[bytes] = set()
        self.plans: list[Plan] = []

    def make_store(self) -> Store:
        return MemoryStore(10_000)

    def teardown(self) -> None:
        self.connection.close()
        shutil.rmtree(self.folder)

    def window(self) -> dict[str, int]:
        start = self.now - self.now % 20
        return {"opens": start, "closes": start + 20, "expires": start - start % 400 + 400}

    @rule(seconds=st.sampled_from([1, 1, 5, 20]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(source=st.sampled_from(SOURCES), count=st.integers(1, 3))
    def plan(self, source, count):
        self.plans.append(self.wallet.plan(source, count=count, **self.window(), at=self.now))

    @rule(source=st.sampled_from(SOURCES), count=st.integers(1, 3))
    def stock_up(self, source, count):
        """What a device does when it has the time."""
        self.plan(source, count)
        self.wait_for_a_plan()

    @precondition(lambda self: self.plans)
    @rule()
    def wait_for_a_plan(self):
        self.now = max(self.now, self.plans.pop().not_before)
        self.fetch(0)

    @rule(fewer=st.integers(0, 1))
    def fetch(self, fewer):
        """What is due, saved at once as it must be."""
        for plan in self.wallet.due(at=self.now):
            assert plan.not_before <= self.now < plan.closes
            tokens = [bound(plan.source) for _ in range(max(0, plan.count - fewer))]
            self.issued |= {one.token.nonce for one in tokens}
            self.wallet.add(plan, tokens, at=self.now)
        self.save()

    @rule(source=st.sampled_from(SOURCES))
    def take(self, source):
        left = self.wallet.count(source, at=self.now)
        try:
            token = self.wallet.take(source, at=self.now).token
        except NoTokenError:
            assert left == 0
            return
        assert token.nonce in self.issued
        self.taken.append(token)

    @rule()
    def save(self):
        self.disk = self.wallet.save(KEY)
        self.ready += self.taken
        self.taken = []

    @rule(source=st.sampled_from(SOURCES))
    def spend_one(self, source):
        """What a device does when nothing is in the way."""
        self.take(source)
        self.save()
        if self.ready:
            self.send()
            self.deliver(-1)
        if self.reserved:
            self.effect(crash=False)

    @rule()
    def device_crashes(self):
        self.wallet = Wallet.load(self.disk, KEY)
        self.taken, self.ready = [], []

    @precondition(lambda self: self.ready)
    @rule()
    def send(self):
        token = self.ready.pop()
        self.sent[token.nonce] += 1
        self.wire.append(token)

    @precondition(lambda self: self.wire)
    @rule(pick=st.integers(0, 100))
    def deliver(self, pick):
        token = self.wire[pick % len(self.wire)]
        key = SpendKey(token.token_key_id, token.nonce, NOW + 10**6)
        with contextlib.suppress(ReplayError):
            self.reserved.append((token, self.store.reserve(key, at=self.now, lease=10)))

    @precondition(lambda self: self.reserved)
    @rule(crash=st.booleans())
    def effect(self, crash):
        token, reservation = self.reserved.pop()
        self.effects[token.nonce] += 1
        if not crash:
            self.store.commit(reservation, at=self.now)

    @precondition(lambda self: self.reserved)
    @rule()
    def give_back(self):
        _, reservation = self.reserved.pop()
        with contextlib.suppress(ExpiredError):
            self.store.release(reservation, at=self.now)

    @rule()
    def gateway_crashes(self):
        self.reserved = []

    @invariant()
    def no_token_is_sent_or_has_its_effect_twice(self):
        assert set(self.sent.values()) <= {1}
        assert set(self.effects.values()) <= {1}
        assert set(self.effects) <= set(self.sent)

    @invariant()
    def what_is_on_the_disk_was_not_sent(self):
        stored = Wallet.load(self.disk, KEY)
        held = itertools.chain.from_iterable(drain(stored, source, self.now) for source in SOURCES)
        assert not {Token.decode(token).nonce for token in held} & set(self.sent)


class SpendingWithSQLite(Spending):
    def make_store(self) -> Store:
        store = SQLiteStore(self.connection, capacity=10_000)
        self.connection.execute("PRAGMA synchronous = OFF")  # nothing is cut off here, and it takes long
        return store


TestSpending = pytest.mark.slow(Spending.TestCase)
TestSpending.settings = settings(max_examples=50, stateful_step_count=40)
TestSpendingWithSQLite = pytest.mark.slow(SpendingWithSQLite.TestCase)
TestSpendingWithSQLite.settings = settings(max_examples=25, stateful_step_count=30)


def test_the_machine_notices_a_device_that_sends_before_it_saves():
    machine = Spending()
    machine.plan(SOURCE, 3)
    machine.now = NOW + 19
    machine.fetch(0)
    for _ in range(2):
        for _ in range(3):
            machine.take(SOURCE)
        machine.ready, machine.taken = machine.taken, []
        for _ in range(3):
            machine.send()
        machine.device_crashes()
    with pytest.raises(AssertionError):
        machine.no_token_is_sent_or_has_its_effect_twice()
    machine.teardown()

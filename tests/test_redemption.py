"""The store of spent tokens: exactly once, against a model that keeps everything, and under a race of threads."""

from __future__ import annotations

import copy
import itertools
import pickle
import sys
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from privproc.errors import ExpiredError, LimitError, ReplayError, SpentError, UsageError
from privproc.tokens import Lease, MemoryStore, Reservation, SpendKey, Store

KEY_IDS = [bytes((n,)) * 32 for n in range(3)]
NONCES = [bytes((n,)) * 32 for n in range(4)]


def spend(nonce: int = 0, *, key_id: int = 0, expires: int = 1000) -> SpendKey:
    return SpendKey(KEY_IDS[key_id], NONCES[nonce], expires)


# req: rfc9577/2.2.2 spent-once
def test_reserve_commit():
    store: Store = MemoryStore(10)
    reservation = store.reserve(spend(), at=0, lease=30)
    with pytest.raises(ReplayError):
        store.reserve(spend(), at=0, lease=30)
    store.commit(reservation, at=1)
    with pytest.raises(ReplayError):
        store.reserve(spend(), at=2, lease=30)
    # Another nonce, or the same one under another key, is another token.
    store.reserve(spend(1), at=2, lease=30)
    store.reserve(spend(key_id=1), at=2, lease=30)


def test_release_frees_within_the_lease():
    store = MemoryStore(1)
    for _ in range(3):
        store.release(store.reserve(spend(), at=0, lease=30), at=29)
        assert len(store) == 0
    store.commit(store.reserve(spend(), at=0, lease=30), at=0)
    assert len(store) == 1


def test_lease_that_ended_is_spent():
    store = MemoryStore(10)
    late = store.reserve(spend(), at=0, lease=30)
    with pytest.raises(ReplayError):
        store.reserve(spend(), at=30, lease=30)
    with pytest.raises(ExpiredError):
        store.release(late, at=30)
    with pytest.raises(ReplayError):
        store.reserve(spend(), at=31, lease=30)
    committed = store.reserve(spend(1), at=0, lease=30)
    store.commit(committed, at=500)
    with pytest.raises(ReplayError):
        store.reserve(spend(1), at=501, lease=30)


@pytest.mark.parametrize("leave", ["commit", "release"])
def test_reservation_is_left_once(leave):
    store = MemoryStore(10)
    reservation = store.reserve(spend(), at=0, lease=30)
    assert reservation.key == spend()
    getattr(store, leave)(reservation, at=0)
    with pytest.raises(SpentError):
        _ = reservation.key
    for again in (store.commit, store.release):
        with pytest.raises(SpentError):
            again(reservation, at=0)
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError):
            attempt(reservation)
    assert repr(reservation) == "<Reservation spent>"


def test_release_late_uses_the_reservation_up():
    store = MemoryStore(10)
    reservation = store.reserve(spend(), at=0, lease=1)
    with pytest.raises(ExpiredError):
        store.release(reservation, at=1)
    with pytest.raises(SpentError):
        store.release(reservation, at=0)


def test_expired_keys():
    store = MemoryStore(10)
    with pytest.raises(ExpiredError):
        store.reserve(spend(expires=10), at=10, lease=1)
    held = store.reserve(spend(expires=10), at=9, lease=100)
    committed = store.reserve(spend(1, expires=10), at=9, lease=100)
    assert len(store) == 2
    # The lease ends with the key, and then the spends are forgotten but not free.
    with pytest.raises(ExpiredError):
        store.release(held, at=10)
    assert len(store) == 0
    store.commit(committed, at=11)
    for expires, at in ((10, 9), (10, 11), (100, 11)):  # a clock set back; the usual case; a key given a longer life
        with pytest.raises(ExpiredError):
            store.reserve(spend(expires=expires), at=at, lease=1)


def test_expiry_moved_while_spends_are_held():
    store = MemoryStore(10)
    store.commit(store.reserve(spend(0, expires=10), at=0, lease=1), at=0)
    store.commit(store.reserve(spend(1, expires=20), at=0, lease=1), at=0)
    with pytest.raises(ReplayError):
        store.reserve(spend(0, expires=20), at=15, lease=1)
    store = MemoryStore(10)
    store.commit(store.reserve(spend(0, expires=20), at=0, lease=1), at=0)
    store.commit(store.reserve(spend(1, expires=10), at=0, lease=1), at=0)
    with pytest.raises(ReplayError):
        store.reserve(spend(0, expires=20), at=15, lease=1)


def test_capacity():
    store = MemoryStore(2)
    first = store.reserve(spend(0, expires=10), at=0, lease=5)
    store.reserve(spend(1, key_id=1), at=0, lease=5)
    with pytest.raises(LimitError):
        store.reserve(spend(2), at=0, lease=5)
    with pytest.raises(LimitError):
        store.reserve(spend(2), at=9, lease=5)  # leases that ended make no room
    with pytest.raises(ReplayError):  # what is held is still known
        store.reserve(spend(1, key_id=1), at=9, lease=5)
    store.release(first, at=1)
    store.reserve(spend(2, expires=10), at=0, lease=5)
    store.reserve(spend(3, key_id=2), at=10, lease=5)  # forgetting made room


def test_a_refused_reservation_leaves_no_trace():
    store = MemoryStore(1)
    held = store.reserve(spend(key_id=1), at=0, lease=5)
    with pytest.raises(LimitError):
        store.reserve(spend(), at=0, lease=5)
    store.release(held, at=0)
    store.reserve(spend(), at=0, lease=5)


@pytest.mark.parametrize("bad", [0, -1])
def test_wrong_use(bad):
    with pytest.raises(UsageError):
        MemoryStore(bad)
    with pytest.raises(UsageError):
        MemoryStore(1).reserve(spend(), at=0, lease=bad)


def test_reservations_belong_to_their_store():
    here, there = MemoryStore(10), MemoryStore(10)
    for leave in (there.commit, there.release):
        with pytest.raises(UsageError):
            leave(here.reserve(spend(), at=0, lease=5), at=0)
        here = MemoryStore(10)
    there.reserve(spend(), at=0, lease=5)
    with pytest.raises(UsageError):  # the same token, reserved by another
        there.release(here.reserve(spend(), at=0, lease=5), at=0)
    with pytest.raises(ReplayError):
        there.reserve(spend(), at=0, lease=5)


def test_lease():
    lease = Lease.grant(spend(expires=10), at=3, lease=5)
    assert (lease.ends, len(lease.holder)) == (8, 16)
    assert Lease.grant(spend(expires=10), at=3, lease=50).ends == 10
    assert Reservation(lease).leave() is lease
    assert Lease.grant(spend(), at=0, lease=5).holder != lease.holder


def test_spend_keys_are_the_same_whatever_their_expiry():
    assert spend(expires=1) == spend(expires=2)
    assert hash(spend(expires=1)) == hash(spend(expires=2))


@pytest.fixture
def fast_switches():
    """Threads change over as often as Python allows, so that a missing lock shows.

    They go without coverage, which at this pace now and then loses a race with itself: the thread dies as it starts.
    """
    before, trace = sys.getswitchinterval(), threading.gettrace()
    threading.settrace(None)  # type: ignore[arg-type]
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
    threading.settrace(trace)


@pytest.mark.usefixtures("fast_switches")
@pytest.mark.parametrize("release", [True, False])
def test_race(release):
    """Of many threads that reserve the same tokens, each token has one winner; of its releases, each frees it once."""
    store = MemoryStore(1000)
    won: list[tuple[int, int]] = []
    barrier = threading.Barrier(8, timeout=60)  # a thread that died would be waited for in vain
    counter = itertools.count()

    def run(thread: int) -> None:
        barrier.wait()
        for n in range(100):
            key = SpendKey(KEY_IDS[0], n.to_bytes(32, "big"), 1000)
            try:
                reservation = store.reserve(key, at=0, lease=10)
            except ReplayError:
                continue
            if release and next(counter) % 3 == 0:
                store.release(reservation, at=1)
                continue
            store.commit(reservation, at=1)
            won.append((n, thread))

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = [n for n, _ in won]
    assert len(spent) == len(set(spent))
    assert len(store) == len(spent)
    assert release or len(spent) == 100


def test_spends_are_touched_under_the_lock_only():
    """What a race shows only by luck: each look-up of a nonce finds the lock held."""
    store = MemoryStore(10)
    held: list[bool] = []

    class Watched(bytes):
        __slots__ = ()

        def __hash__(self) -> int:
            held.append(store._lock.locked())
            return super().__hash__()

    key = SpendKey(KEY_IDS[0], Watched(32), 1000)
    for leave in (store.release, store.commit):
        leave(store.reserve(key, at=0, lease=10), at=0)
        assert len(held) >= 2
        assert all(held)
        held.clear()
    with pytest.raises(ReplayError):
        store.reserve(key, at=0, lease=10)
    assert held == [True]


def test_one_reservation_is_left_by_one_thread():
    for _ in range(50):
        store = MemoryStore(10)
        reservation = store.reserve(spend(), at=0, lease=10)
        barrier = threading.Barrier(2)
        outcome: list[str] = []

        def leave(name: str, store=store, reservation=reservation, barrier=barrier, outcome=outcome) -> None:
            barrier.wait()
            try:
                getattr(store, name)(reservation, at=1)
            except SpentError:
                return
            outcome.append(name)

        threads = [threading.Thread(target=leave, args=(name,)) for name in ("commit", "release")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcome) == 1
        assert len(store) == (outcome == ["commit"])


EXPIRES = {KEY_IDS[0]: 12, KEY_IDS[1]: 25, KEY_IDS[2]: 1000}


class StoreMachine(RuleBasedStateMachine):
    """A store beside a model that forgets nothing: effects of tokens are counted, and none happens twice."""

    reservations = Bundle("reservations")
    CAPACITY = 5

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore(self.CAPACITY)
        self.now = 0
        self.taken: set[SpendKey] = set()  # reserved, spent, or lapsed: everything but released
        self.effects: list[SpendKey] = []
        self.expired: set[bytes] = set()

    def _seen(self) -> None:
        self.expired |= {key_id for key_id, expires in EXPIRES.items() if self._held(key_id) and self.now >= expires}

    def _held(self, key_id: bytes) -> bool:
        return any(key.token_key_id == key_id for key in self.taken)

    @rule(by=st.integers(-3, 6))
    def time_passes(self, by):
        self.now = max(0, self.now + by)

    @rule(target=reservations, key_id=st.sampled_from(KEY_IDS), nonce=st.sampled_from(NONCES), lease=st.integers(1, 8))
    def reserve(self, key_id, nonce, lease):
        key = SpendKey(key_id, nonce, EXPIRES[key_id])
        try:
            reservation = self.store.reserve(key, at=self.now, lease=lease)
        except ExpiredError:
            assert self.now >= key.expires or key_id in self.expired or self._forgotten(key_id)
            return None
        except ReplayError:
            assert key in self.taken
            return None
        except LimitError:
            assert len(self.store) == self.CAPACITY
            assert key not in self.taken
            return None
        finally:
            if self.now < key.expires:  # a refused lease doesn't reach the store
                self._seen()
        assert key not in self.taken
        assert self.now < key.expires
        self.taken.add(key)
        return key, min(self.now + lease, key.expires), reservation

    def _forgotten(self, key_id: bytes) -> bool:
        self._seen()
        return key_id in self.expired

    @rule(held=consumes(reservations).filter(lambda held: held is not None))
    def commit(self, held):
        key, _, reservation = held
        self.store.commit(reservation, at=self.now)
        self._seen()
        self.effects.append(key)

    @rule(held=consumes(reservations).filter(lambda held: held is not None))
    def release(self, held):
        key, ends, reservation = held
        self._seen()
        try:
            self.store.release(reservation, at=self.now)
        except ExpiredError:
            assert self.now >= ends or key.token_key_id in self.expired
            return
        assert self.now < ends
        self.taken.discard(key)

    @rule(held=consumes(reservations).filter(lambda held: held is not None))
    def crash(self, held):
        """The gateway forgets its reservation, after the token had its effect."""
        self.effects.append(held[0])

    @invariant()
    def exactly_once(self):
        assert len(self.effects) == len(set(self.effects))
        assert set(self.effects) <= self.taken

    @invariant()
    def bounded(self):
        assert len(self.store) == len([key for key in self.taken if key.token_key_id not in self.expired])
        assert len(self.store) <= self.CAPACITY


TestStoreMachine = pytest.mark.slow(StoreMachine.TestCase)
TestStoreMachine.settings = settings(stateful_step_count=40)

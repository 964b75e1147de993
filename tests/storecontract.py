"""The contract of :class:`privproc.tokens.Store`, as a test that any implementation can run.

    def test_my_store():
        check_store(MyStore)

``make`` gives an empty store with room for 1000 spends, ``now`` is where its time begins. Stores that several
processes share should also be raced by several of them: what counts is that each token has one effect.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from privproc.errors import ExpiredError, LimitError, ReplayError, SpentError, UsageError
from privproc.tokens import Lease, Reservation, SpendKey, Store

THREADS = 8
REFUSED = (ReplayError, ExpiredError)
"""Where a store may say either: it forgets an expired key when it likes."""


def spend(number: int = 0, *, key: int = 0, expires: int) -> SpendKey:
    return SpendKey(bytes((key,)) * 32, number.to_bytes(32, "big"), expires)


def check_store(make: Callable[[], Store], *, now: int = 0, threads: bool = True) -> None:
    """Raises if the store breaks a rule. ``threads``: whether one store may be used by several threads."""
    for check in (
        _a_token_is_reserved_once,
        _released_within_the_lease_it_is_free,
        _a_lease_that_ended_is_spent,
        _a_reservation_is_left_once,
        _expired_keys_stay_expired,
        _an_expiry_moved_revives_nothing,
        _refusals_leave_no_trace,
        _reservations_are_their_stores,
    ):
        check(make(), now)
    if threads:
        _of_racing_callers_one_wins(make(), now)


def check_capacity(make: Callable[[int], Store]) -> None:
    """Raises if a store that holds so many spends takes more, or forgets how to take less."""
    store = make(2)
    first = store.reserve(spend(0, expires=10), at=0, lease=5)
    store.reserve(spend(1, key=1, expires=1000), at=0, lease=5)
    for at in (0, 9):  # leases that ended make no room
        with pytest.raises(LimitError):
            store.reserve(spend(2, expires=1000), at=at, lease=5)
    with pytest.raises(ReplayError):  # what is held is still known
        store.reserve(spend(1, key=1, expires=1000), at=9, lease=5)
    store.release(first, at=1)
    store.reserve(spend(2, expires=10), at=0, lease=5)
    with pytest.raises(LimitError):
        store.reserve(spend(3, key=2, expires=1000), at=1, lease=5)
    store.reserve(spend(3, key=2, expires=1000), at=10, lease=5)  # forgetting made room
    with pytest.raises(UsageError):
        make(0)


def _a_token_is_reserved_once(store: Store, now: int) -> None:
    end = now + 1000
    reservation = store.reserve(spend(expires=end), at=now, lease=30)
    assert reservation.key == spend(expires=end)
    with pytest.raises(ReplayError):
        store.reserve(spend(expires=end), at=now, lease=30)
    store.commit(reservation, at=now + 1)
    for at in (now, now + 1, now + 999):
        with pytest.raises(ReplayError):
            store.reserve(spend(expires=end), at=at, lease=30)
    store.reserve(spend(1, expires=end), at=now + 2, lease=30)
    store.reserve(spend(key=1, expires=end), at=now + 2, lease=30)


def _released_within_the_lease_it_is_free(store: Store, now: int) -> None:
    key = spend(expires=now + 1000)
    for _ in range(3):
        store.release(store.reserve(key, at=now, lease=30), at=now + 29)
    store.commit(store.reserve(key, at=now, lease=30), at=now)
    with pytest.raises(ReplayError):
        store.reserve(key, at=now, lease=30)


def _a_lease_that_ended_is_spent(store: Store, now: int) -> None:
    key, other = spend(expires=now + 1000), spend(1, expires=now + 1000)
    late = store.reserve(key, at=now, lease=30)
    with pytest.raises(ReplayError):
        store.reserve(key, at=now + 30, lease=30)
    with pytest.raises(ExpiredError):
        store.release(late, at=now + 30)
    with pytest.raises(ReplayError):
        store.reserve(key, at=now + 31, lease=30)
    store.commit(store.reserve(other, at=now, lease=30), at=now + 500)
    with pytest.raises(ReplayError):
        store.reserve(other, at=now + 501, lease=30)


def _a_reservation_is_left_once(store: Store, now: int) -> None:
    for number, leave in enumerate((store.commit, store.release)):
        reservation = store.reserve(spend(number, expires=now + 1000), at=now, lease=30)
        leave(reservation, at=now)
        for again in (store.commit, store.release):
            with pytest.raises(SpentError):
                again(reservation, at=now)


def _expired_keys_stay_expired(store: Store, now: int) -> None:
    end = now + 10
    with pytest.raises(ExpiredError):
        store.reserve(spend(expires=end), at=end, lease=1)
    held = store.reserve(spend(expires=end), at=now + 9, lease=100)
    committed = store.reserve(spend(1, expires=end), at=now + 9, lease=100)
    with pytest.raises(ExpiredError):  # the lease ended with the key
        store.release(held, at=end)
    store.commit(committed, at=end + 1)
    for number in (0, 1):  # a clock set back; the usual case; a key given a longer life
        for expires, at in ((end, end - 1), (end, end + 1), (end + 90, end + 1)):
            with pytest.raises(REFUSED):
                store.reserve(spend(number, expires=expires), at=at, lease=1)


def _an_expiry_moved_revives_nothing(store: Store, now: int) -> None:
    for key, (first, second) in enumerate(((10, 20), (20, 10))):
        store.commit(store.reserve(spend(0, key=key, expires=now + first), at=now, lease=1), at=now)
        store.commit(store.reserve(spend(1, key=key, expires=now + second), at=now, lease=1), at=now)
        for at in (now + 5, now + 15, now + 5):
            with pytest.raises(REFUSED):
                store.reserve(spend(0, key=key, expires=now + 20), at=at, lease=1)


def _refusals_leave_no_trace(store: Store, now: int) -> None:
    key = spend(expires=now + 1000)
    for lease in (0, -1):
        with pytest.raises(UsageError):
            store.reserve(key, at=now, lease=lease)
    store.release(store.reserve(key, at=now, lease=5), at=now)
    with pytest.raises(ExpiredError):
        store.reserve(spend(expires=now), at=now, lease=5)
    store.reserve(key, at=now, lease=5)


def _reservations_are_their_stores(store: Store, now: int) -> None:
    key = spend(expires=now + 1000)
    released = store.reserve(key, at=now, lease=5)
    twin = Reservation(released._look())  # what another store would give for the same token
    store.release(released, at=now)
    with pytest.raises(UsageError):
        store.commit(twin, at=now)
    store.reserve(key, at=now, lease=5)
    for leave in (store.commit, store.release):
        with pytest.raises(UsageError):
            leave(Reservation(Lease.grant(key, at=now, lease=5)), at=now)
    with pytest.raises(ReplayError):
        store.reserve(key, at=now, lease=5)


def _of_racing_callers_one_wins(store: Store, now: int) -> None:
    won: list[int] = []
    start = threading.Barrier(THREADS)

    def race() -> None:
        start.wait()
        for number in range(30):
            try:
                reservation = store.reserve(spend(number, expires=now + 1000), at=now, lease=30)
            except ReplayError:
                continue
            won.append(number)
            store.commit(reservation, at=now)

    threads = [threading.Thread(target=race) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(30))

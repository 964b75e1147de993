"""The contract of :class:`privproc.ohttp.ReplayStore`, as a test that any implementation can run.

    def test_my_store():
        check_replay_store(MyStore)

``make`` gives an empty store with room for 1000 keys. Stores that several processes share should also be given this
from several of them at once, over one store: what counts is that ``admit`` returns once for each key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from privproc.errors import ExpiredError, ReplayError
from privproc.ohttp import ReplayKey, ReplayStore

THREADS = 8


def key(number: int) -> ReplayKey:
    return ReplayKey(number.to_bytes(32, "big"))


def check_replay_store(make: Callable[[], ReplayStore]) -> None:
    """Raises if the store breaks a rule."""
    _a_key_is_admitted_once(make())
    _what_is_over_is_refused(make())
    _each_ends_in_its_own_time(make())
    _what_isnt_admitted_isnt_remembered(make())
    _of_racing_callers_one_is_admitted(make())


def _a_key_is_admitted_once(store: ReplayStore) -> None:
    store.admit(key(1), at=100, until=200)
    store.admit(key(2), at=100, until=200)
    for at in (100, 150, 199):
        for until in (200, 300):  # another end, for the same request, changes nothing
            with pytest.raises(ReplayError):
                store.admit(key(1), at=at, until=until)


def _what_is_over_is_refused(store: ReplayStore) -> None:
    for until in (99, 100):
        with pytest.raises(ExpiredError):
            store.admit(key(1), at=100, until=until)
    store.admit(key(2), at=100, until=200)
    with pytest.raises((ExpiredError, ReplayError)):  # a store may keep longer than it must
        store.admit(key(2), at=200, until=200)


def _each_ends_in_its_own_time(store: ReplayStore) -> None:
    for number, until in ((1, 300), (2, 150), (3, 200)):
        store.admit(key(number), at=100, until=until)
    for at in (150, 200, 299):
        with pytest.raises(ReplayError):
            store.admit(key(1), at=at, until=300)


def _what_isnt_admitted_isnt_remembered(store: ReplayStore) -> None:
    with pytest.raises(ExpiredError):
        store.admit(key(1), at=100, until=100)
    store.admit(key(1), at=100, until=200)


def _of_racing_callers_one_is_admitted(store: ReplayStore) -> None:
    admitted: list[int] = []
    start = threading.Barrier(THREADS)

    def race() -> None:
        start.wait()
        for number in range(50):
            try:
                store.admit(key(number), at=1, until=2)
            except ReplayError:
                continue
            admitted.append(number)

    threads = [threading.Thread(target=race) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(admitted) == list(range(50))

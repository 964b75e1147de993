"""A gateway's process over a shared store, for tests that race and kill it: ``python -m tests.spender``.

race PATH COUNT         spends COUNT tokens in SQLite, and says which ones had their effect here
crash KIND WHERE LEAVE  for each step of a spend, forks a child that is killed right before it, then spends the same
                        token again; says for each how often the token had its effect. LEAVE: release or commit

KIND: ``sqlite``, where a step is a statement, or a store of the recipes, where it is whatever goes to the server or
comes back: ``redis``, ``postgres``.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys

from privproc.errors import ReplayError
from privproc.tokens import SpendKey, Store
from privproc.tokens.sqlite import SQLiteStore


def key(number: int) -> SpendKey:
    return SpendKey(bytes(32), number.to_bytes(32, "big"), 1000)


def race(path: str, count: int) -> None:
    store = SQLiteStore(sqlite3.connect(path, timeout=60), capacity=10_000)
    for number in range(count):
        try:
            reservation = store.reserve(key(number), at=0, lease=30)
            if (number + os.getpid()) % 3 == 0:
                store.release(reservation, at=1)
                reservation = store.reserve(key(number), at=1, lease=30)
        except ReplayError:
            continue
        print(number, flush=True)
        store.commit(reservation, at=2)


class Life:
    """Ends this process, without warning, at step number ``left``."""

    left = 1 << 30

    @classmethod
    def step(cls) -> None:
        cls.left -= 1
        if cls.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Mortal(sqlite3.Connection):
    """Each statement is a step."""

    def execute(self, *args):
        Life.step()
        return super().execute(*args)


def sqlite_store(path: str) -> Store:
    return SQLiteStore(sqlite3.connect(path, factory=Mortal), capacity=10_000)


def redis_store(socket: str) -> Store:
    import redis.connection

    from tests.test_recipes import recipe

    class Connection(redis.connection.UnixDomainSocketConnection):
        def send_packed_command(self, *args, **kwargs):
            Life.step()
            super().send_packed_command(*args, **kwargs)

        def read_response(self, *args, **kwargs):
            Life.step()
            return super().read_response(*args, **kwargs)

    pool = redis.ConnectionPool(connection_class=Connection, path=socket)
    return recipe()["RedisStore"](redis.Redis(connection_pool=pool))


def postgres_store(where: str) -> Store:
    import psycopg

    from tests.test_recipes import recipe

    class Connection(psycopg.Connection):
        def wait(self, *args, **kwargs):
            Life.step()
            answer = super().wait(*args, **kwargs)
            Life.step()
            return answer

    return recipe()["PostgresStore"](lambda: Connection.connect(where, autocommit=True))


STORES = {"sqlite": sqlite_store, "redis": redis_store, "postgres": postgres_store}


def spend(store: Store, number: int, effects: int, leave: str) -> None:
    """One spend; its effect is a byte in the pipe."""
    try:
        reservation = store.reserve(key(number), at=0, lease=30)
    except ReplayError:
        return
    if leave == "release":
        store.release(reservation, at=1)
        return
    os.write(effects, b"!")
    store.commit(reservation, at=1)


def crash(kind: str, where: str, leave: str) -> None:
    make = STORES[kind]
    make(where)
    step, killed = 0, True
    while killed:
        step += 1
        reader, writer = os.pipe()
        if not (child := os.fork()):
            Life.left = step
            spend(make(where), step, writer, leave)
            os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        spend(make(where), step, writer, "commit")
        os.close(writer)
        print(step, int(killed), len(os.read(reader, 100)), flush=True)
        os.close(reader)


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:]
    if mode == "race":
        race(arguments[0], int(arguments[1]))
    else:
        crash(*arguments)

"""A gateway's process over a store in SQLite, for tests that race and kill it: ``python -m tests.spender``.

race PATH COUNT            spends COUNT tokens, and says which ones had their effect here
crash PATH release|commit  for each statement of a spend, forks a child that is killed right before it, then
                           spends the same token again; says for each how often the token had its effect
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys

from privproc.errors import ReplayError
from privproc.tokens import SpendKey
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


class Mortal(sqlite3.Connection):
    """Kills its process, without warning, before statement number ``left``."""

    left = 1 << 30

    def execute(self, *args):
        Mortal.left -= 1
        if Mortal.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*args)


def spend(path: str, number: int, effects: int, leave: str, factory: type[sqlite3.Connection]) -> None:
    """One spend; its effect is a byte in the pipe."""
    store = SQLiteStore(sqlite3.connect(path, factory=factory), capacity=10_000)
    try:
        reservation = store.reserve(key(number), at=0, lease=30)
    except ReplayError:
        return
    if leave == "release":
        store.release(reservation, at=1)
        return
    os.write(effects, b"!")
    store.commit(reservation, at=1)


def crash(path: str, leave: str) -> None:
    SQLiteStore(sqlite3.connect(path), capacity=10_000)
    step, killed = 0, True
    while killed:
        step += 1
        reader, writer = os.pipe()
        if not (child := os.fork()):
            Mortal.left = step
            spend(path, step, writer, leave, Mortal)
            os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        spend(path, step, writer, "commit", sqlite3.Connection)
        os.close(writer)
        print(step, int(killed), len(os.read(reader, 100)), flush=True)
        os.close(reader)


if __name__ == "__main__":
    mode, path, argument = sys.argv[1:]
    if mode == "race":
        race(path, int(argument))
    else:
        crash(path, argument)

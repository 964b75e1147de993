"""The store of spent tokens in SQLite: for one machine, shared by any number of its processes.

The only module that imports ``sqlite3``; nothing else of the package imports this one. It works over the caller's
connection, which it puts into WAL mode with full synchronisation, so what :meth:`SQLiteStore.reserve` returned is on
the disk: neither a killed process nor a power cut frees a token. Every move is one ``BEGIN IMMEDIATE`` transaction,
that is, one writer at a time over all processes, and what they decide by is what they read under that lock.

WAL needs shared memory: the file is on a local disk, never on a network file system. Several machines take the
recipes for Redis and PostgreSQL, or one of them keeps the store.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from privproc.errors import ExpiredError, LimitError, PrivprocError, ReplayError, UsageError
from privproc.tokens.store import Lease, Reservation, SpendKey

__all__ = ["SQLiteStore", "StoreUnavailableError"]

# forgotten: the key has expired and its spends are nobody's; its row stays, so that it stays expired.
# held: how many spends count towards the capacity. Rows of forgotten keys linger for a while and don't.
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS privproc_keys (
        id INTEGER PRIMARY KEY,
        key_id BLOB NOT NULL UNIQUE,
        expires INTEGER NOT NULL,
        held INTEGER NOT NULL CHECK (held >= 0),
        forgotten INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS privproc_spends (
        key INTEGER NOT NULL REFERENCES privproc_keys,
        nonce BLOB NOT NULL,
        holder BLOB,
        PRIMARY KEY (key, nonce)) WITHOUT ROWID""",
)
PURGE = 500  # rows that one move removes at most, so that none waits for a whole epoch's


class StoreUnavailableError(PrivprocError):
    """The store couldn't say: locked for too long, a full or failing disk, another schema. The token isn't accepted.

    Neither the caller's program nor a peer is at fault, so it is on neither side of the library's errors. Whether the
    token was reserved is unknown, and it is treated as spent.
    """


@final
class SQLiteStore:
    """A :class:`privproc.tokens.Store` over a connection of ``sqlite3``. Safe for threads if the connection may be
    used by them (``check_same_thread=False``), and for processes with a connection each.

    ``capacity``: how many spends all keys hold together, about 100 bytes of disk each. How long a move waits for
    another process is the connection's ``timeout``. Two tables are made, ``privproc_keys`` and ``privproc_spends``.

    Every method raises :class:`StoreUnavailableError` when SQLite fails, and :class:`UsageError` for a connection that
    is closed, another thread's, or inside of a transaction of the caller's, whose end would decide over the token's.
    Raises :class:`UsageError` for a database that can't be in WAL mode, as those in memory.
    """

    __slots__ = ("_capacity", "_connection", "_lock")

    def __init__(self, connection: sqlite3.Connection, *, capacity: int) -> None:
        if capacity <= 0:
            raise UsageError("a store holds at least one spend")
        self._connection = connection
        self._capacity = capacity
        self._lock = threading.Lock()
        with _translated():
            _outside(connection)
            if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
                raise UsageError("the database can't be in WAL mode, so it can't be both shared and durable")
            # FULL syncs the log at each commit; NORMAL, which many set with WAL, may lose the last ones.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = ON")  # macOS: fsync alone stops at the drive's cache
            for statement in SCHEMA:
                connection.execute(statement)

    def reserve(self, key: SpendKey, *, at: int, lease: int) -> Reservation:
        """See :meth:`privproc.tokens.Store.reserve`. Durable when it returns."""
        granted = Lease.grant(key, at=at, lease=lease)
        with self._transaction(at):
            number = self._key(key)
            insert = "INSERT INTO privproc_spends VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
            if self._connection.execute(insert, (number, key.nonce, granted.holder)).rowcount != 1:
                raise ReplayError("the token is spent or reserved")
            if self._held() >= self._capacity:
                raise LimitError(f"the store holds {self._capacity} spends and takes no more")
            update = "UPDATE privproc_keys SET held = held + 1, expires = max(expires, ?) WHERE id = ?"
            self._connection.execute(update, (key.expires, number))
        return Reservation(granted)

    def commit(self, reservation: Reservation, *, at: int) -> None:
        """See :meth:`privproc.tokens.Store.commit`. Raises :class:`UsageError` for a reservation of another store."""
        lease = reservation.leave()
        with self._transaction(at):
            if (number := self._holds(lease)) is not None:
                update = "UPDATE privproc_spends SET holder = NULL WHERE key = ? AND nonce = ?"
                self._connection.execute(update, (number, lease.key.nonce))

    def release(self, reservation: Reservation, *, at: int) -> None:
        """See :meth:`privproc.tokens.Store.release`. Raises :class:`UsageError` for a reservation of another store."""
        lease = reservation.leave()
        with self._transaction(at):
            number = self._holds(lease)
            if number is None or at >= lease.ends:
                raise ExpiredError("the lease has ended: the token is spent")
            delete = "DELETE FROM privproc_spends WHERE key = ? AND nonce = ?"
            self._connection.execute(delete, (number, lease.key.nonce))
            self._connection.execute("UPDATE privproc_keys SET held = held - 1 WHERE id = ?", (number,))

    def __len__(self) -> int:
        """How many spends it holds, reservations included."""
        with self._lock, _translated():
            return self._held()

    def _held(self) -> int:
        count: int = self._connection.execute("SELECT coalesce(sum(held), 0) FROM privproc_keys").fetchone()[0]
        return count

    def _key(self, key: SpendKey) -> int:
        """The row of the token's key, made if need be. A move that is refused undoes that."""
        insert = "INSERT INTO privproc_keys (key_id, expires, held) VALUES (?, ?, 0) ON CONFLICT DO NOTHING"
        self._connection.execute(insert, (key.token_key_id, key.expires))
        select = "SELECT id, forgotten FROM privproc_keys WHERE key_id = ?"
        number, forgotten = self._connection.execute(select, (key.token_key_id,)).fetchone()
        if forgotten:
            raise ExpiredError("the token's key has expired before")
        return int(number)

    def _holds(self, lease: Lease) -> int | None:
        """The row of the reservation's key, ``None`` when that is forgotten."""
        select = """SELECT id, forgotten, holder FROM privproc_keys
            LEFT JOIN privproc_spends ON key = id AND nonce = ? WHERE key_id = ?"""
        row = self._connection.execute(select, (lease.key.nonce, lease.key.token_key_id)).fetchone()
        if row is not None and row[1]:
            return None
        if row is None or row[2] != lease.holder:
            raise UsageError("the reservation is not of this store")
        return int(row[0])

    def _forget(self, at: int) -> None:
        execute = self._connection.execute
        execute("UPDATE privproc_keys SET forgotten = 1, held = 0 WHERE forgotten = 0 AND expires <= ?", (at,))
        # CROSS JOIN has SQLite start from the keys; from the spends it would walk over all of them at each move.
        execute(
            """DELETE FROM privproc_spends WHERE (key, nonce) IN (
                SELECT key, nonce FROM privproc_keys CROSS JOIN privproc_spends ON key = id WHERE forgotten LIMIT ?)""",
            (PURGE,),
        )

    @contextmanager
    def _transaction(self, at: int) -> Iterator[None]:
        """One move, whole or not at all. What was seen to expire stays so even if the move itself is refused."""
        with self._lock, _translated():
            _outside(self._connection)
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._forget(at)
                self._connection.execute("SAVEPOINT move")
                try:
                    yield
                except PrivprocError:
                    self._connection.execute("ROLLBACK TO move")
                    self._connection.execute("COMMIT")
                    raise
                self._connection.execute("COMMIT")
            except BaseException:
                # Some failures have SQLite roll back by itself; then there is nothing to undo.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _outside(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        raise UsageError("the connection is inside of a transaction")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.ProgrammingError as error:  # closed, or made in another thread
        raise UsageError(f"SQLite: {error}") from None
    except OverflowError:
        raise UsageError("times are integers of 64 bits") from None
    except sqlite3.Error as error:
        raise StoreUnavailableError(f"the store of spent tokens is unavailable: {_name(error)}") from error


def _name(error: sqlite3.Error) -> str:
    # Errors of SQLite have a name of its own; those of the module around it only their class's.
    return getattr(error, "sqlite_errorname", type(error).__name__)

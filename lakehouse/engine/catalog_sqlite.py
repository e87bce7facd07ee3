"""The catalog in a SQLite file inside the lake: the default for one machine.

Readers never wait (WAL). Writers of one machine queue on a file lock, which the kernel hands
over in order, and commit with `synchronous=full`, after the files that they name were fsynced.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from lakehouse.engine import catalog_sql as sql
from lakehouse.engine import forks
from lakehouse.engine.catalog import (
    CATALOG_NAME,
    NAMESPACE,
    Commit,
    Heads,
    KeysTaken,
    PointerMoved,
    Swap,
)
from lakehouse.engine.sqlite_db import SqliteDb
from lakehouse.errors import CatalogUnavailable, LakeExists, NoWriteAccess

_OWN_TABLES = (
    "CREATE TABLE IF NOT EXISTS lh_key (key TEXT PRIMARY KEY, uid TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS lh_garbage (id INTEGER PRIMARY KEY, seq BIGINT, path TEXT)",
    "CREATE INDEX IF NOT EXISTS lh_garbage_seq ON lh_garbage (seq)",
)
_BUSY_SECONDS = 30.0
_T = TypeVar("_T")


class SqliteCatalog:
    """A `Catalog` in one SQLite file.

    Args:
        path: The database file; its folder must exist.
    """

    def __init__(self, path: str, *, busy_seconds: float = _BUSY_SECONDS) -> None:
        self._path = path
        self._busy = busy_seconds
        self._lock = threading.RLock()
        self._connection: SqliteDb | None = None
        self._opened = 0
        self._written = 0
        self._held: set[int] = set()
        forks.watch(self)

    def _db(self) -> SqliteDb:
        if self._connection is not None and self._connection.outdated:
            self._disconnect()
        if self._connection is None:
            self._connection = SqliteDb(self._path, self._busy)
            self._opened += 1
        return self._connection

    def __del__(self) -> None:
        self._disconnect()

    def before_fork(self) -> None:
        """Close the connection: SQLite forbids to carry one into a child."""
        self._lock.acquire()
        self._disconnect()

    def after_fork(self, *, child: bool) -> None:
        """Let go of what the parent's other threads hold."""
        if child:
            for descriptor in self._held:
                os.close(descriptor)
            self._held.clear()
        self._lock.release()

    def _do(self, action: Callable[[SqliteDb], _T]) -> _T:
        with self._lock:
            try:
                while True:
                    db = self._db()
                    found = action(db)
                    if not db.outdated:  # else it was written while we read it without locks
                        return found
            except sqlite3.Error as error:
                raise self._unavailable(error) from error

    def _unavailable(self, error: sqlite3.Error) -> CatalogUnavailable:
        locked = "locked" in str(error) or "busy" in str(error)
        return CatalogUnavailable(
            f"The catalog {self._path!r} is {'locked by another process' if locked else 'unusable'};"
            " nothing was committed.",
            found=str(error),
            hint="retry when the other process has finished"
            if locked
            else "check that the file exists, is readable and writable, and is a lake's catalog",
        )

    @contextmanager
    def _write(self, db: SqliteDb) -> Iterator[None]:
        db.raw.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.raw.execute("COMMIT")
        except BaseException:
            if db.raw.in_transaction:  # a full disk has rolled it back already
                db.raw.execute("ROLLBACK")
            raise
        finally:
            self._written += 1

    # -- making and settings ---------------------------------------------------------

    def create(self, info: Mapping[str, str]) -> None:
        """Make the catalog's tables; an existing lake is left alone."""

        def make(db: SqliteDb) -> None:
            with self._write(db):
                for statement in (*sql.TABLES, *_OWN_TABLES):
                    db.run(statement)
                if db.rows("SELECT 1 FROM lh_info LIMIT 1"):
                    raise LakeExists(f"The catalog {self._path!r} already holds a lake.")
                db.run(
                    "INSERT INTO iceberg_namespace_properties VALUES (?, ?, 'exists', 'true')",
                    (CATALOG_NAME, NAMESPACE),
                )
                db.run_many("INSERT INTO lh_info VALUES (?, ?)", info.items())

        self._do(make)

    def info(self) -> dict[str, str]:
        """The lake's settings."""

        def read(db: SqliteDb) -> dict[str, str]:
            if not db.rows("SELECT 1 FROM sqlite_master WHERE name = 'lh_info'"):
                return {}
            return dict(db.rows("SELECT name, value FROM lh_info"))

        return self._do(read)

    def set_info(self, values: Mapping[str, str]) -> None:
        """Set some of the lake's settings."""

        def write(db: SqliteDb) -> None:
            with self._write(db):
                db.run_many(
                    "INSERT INTO lh_info VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    values.items(),
                )

        self._do(write)

    # -- reading ---------------------------------------------------------------------

    def token(self) -> object:
        """Counts of this connection's and of all other connections' commits."""

        def read(db: SqliteDb) -> object:
            return self._opened, self._written, db.rows("PRAGMA data_version")[0][0]

        return self._do(read)

    def heads(self) -> Heads:
        """All pointers in one statement."""
        return self._do(sql.read_heads)

    def holder(self, key: str) -> str | None:
        """The uid that holds a unique key."""
        return self._do(lambda db: sql.read_holder(db, key))

    def holders(self, keys: Sequence[str]) -> dict[str, str]:
        """The uids that hold the taken ones of many unique keys."""
        return self._do(lambda db: sql.read_holders(db, keys))

    def commit_by_id(self, commit_id: str) -> Commit | None:
        """A commit by its id."""
        return self._do(lambda db: sql.read_commit(db, commit_id))

    def commit_at(self, seq: int) -> Commit | None:
        """A commit by its number."""
        return self._do(lambda db: sql.read_commit_at(db, seq))

    def log(self, limit: int | None = None) -> list[Commit]:
        """Commits, newest first."""
        return self._do(lambda db: sql.read_log(db, limit))

    def seq_at(self, moment: datetime) -> int | None:
        """The number of the last commit at or before a moment."""
        return self._do(lambda db: sql.read_seq_at(db, moment))

    def pointers_at(self, seq: int) -> dict[str, str]:
        """The logged location of every table as of a commit."""
        return self._do(lambda db: sql.read_pointers(db, seq))

    # -- writing ---------------------------------------------------------------------

    @contextmanager
    def exclusive(self) -> Iterator[SqliteCatalog]:
        """Take the file lock; the kernel serves waiting writers in order."""
        path = f"{self._path}.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except PermissionError as error:
            raise NoWriteAccess(
                f"The lake's catalog {self._path!r} can't be written; nothing was committed.",
                found=str(error),
                expected="permission to write",
            ) from error
        except OSError as error:
            raise CatalogUnavailable(
                f"The lock file {path!r} can't be opened; nothing was committed.", found=str(error)
            ) from error
        self._held.add(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self
        finally:
            # unlocked by hand, since a child may have inherited the descriptor
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            self._held.discard(descriptor)
            os.close(descriptor)

    def swap(self, swap: Swap) -> int:
        """Apply a swap in one transaction."""

        def write(db: SqliteDb) -> int:
            try:
                with self._write(db):
                    return sql.apply_swap(db, swap)
            except KeysTaken:
                raise sql.taken_of(db, swap) from None

        try:
            return self._do(write)
        except PointerMoved:
            raise
        except CatalogUnavailable:
            # a commit that reported an error may have happened: the log knows
            done = self.commit_by_id(swap.commit_id)
            if done is not None:
                return done.seq
            raise

    def tags(self) -> dict[str, int]:
        """Tag names and the commits that they name."""
        return dict(self._do(lambda db: db.rows("SELECT name, seq FROM lh_tag ORDER BY seq, name")))

    def set_tag(self, name: str, seq: int) -> None:
        """Name a commit."""

        def write(db: SqliteDb) -> None:
            with self._write(db):
                rows = db.rows("SELECT seq FROM lh_tag WHERE name = ?", (name,))
                if rows and rows[0][0] != seq:
                    raise KeysTaken([(name, str(rows[0][0]))])
                if not rows:
                    db.run("INSERT INTO lh_tag VALUES (?, ?)", (name, seq))

        self._do(write)

    def delete_tag(self, name: str) -> None:
        """Remove a tag."""
        self._do(lambda db: db.run("DELETE FROM lh_tag WHERE name = ?", (name,)))

    # -- maintenance -----------------------------------------------------------------

    def garbage(self, until_seq: int) -> list[tuple[int, str]]:
        """Files that commits up to a number superseded."""
        statement = "SELECT id, path FROM lh_garbage WHERE seq <= ?"
        return self._do(lambda db: db.rows(statement, (until_seq,)))

    def forget(self, floor: int, kept: Sequence[int], garbage_ids: Sequence[int]) -> None:
        """Drop what only states before `floor` need, except those in `kept`."""

        def write(db: SqliteDb) -> None:
            with self._write(db):
                sql.do_forget(db, floor, kept, garbage_ids)

        self._do(write)

    def rewrite_locations(self, old: str, new: str) -> None:
        """Replace the prefix of every location."""

        def write(db: SqliteDb) -> None:
            with self._write(db):
                sql.do_rewrite(db, old, new)

        self._do(write)

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._lock:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.raw.close()
        self._connection = None

"""The catalog in a SQLite file inside the lake: the default for one machine.

Readers never wait (WAL). Writers of one machine queue on a file lock, which the kernel hands
over in order, and commit with `synchronous=full`, after the files that they name were fsynced.
On a network mount there is a rollback journal instead of WAL, which needs shared memory.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import TypeVar

from lakehouse.config import settings
from lakehouse.engine import forks
from lakehouse.engine.catalog import copy as catalog_copy
from lakehouse.engine.catalog import sql as sql
from lakehouse.engine.catalog.base import CATALOG_NAME, NAMESPACE, Commit, Heads, KeysTaken, Swap
from lakehouse.engine.catalog.file_lock import (
    PATIENCE,
    FileLock,
    holder_of,
    tell_waiting,
    waited_too_long,
)
from lakehouse.engine.catalog.sqlite_db import (
    SqliteDb,
    has_no_room,
    is_busy,
    is_read_only,
    may_write,
)
from lakehouse.errors import CatalogUnavailable, CommitStateUnknown, LakeExists, NoWriteAccess

_OWN_TABLES = (
    # without rowid the key's tree is the table: a claim writes one tree instead of two
    "CREATE TABLE IF NOT EXISTS lh_key (key TEXT PRIMARY KEY, uid TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS lh_garbage (id INTEGER PRIMARY KEY, seq BIGINT, path TEXT)",
    "CREATE INDEX IF NOT EXISTS lh_garbage_seq ON lh_garbage (seq)",
)
# how often a catalog that others write, and we may only read, is read anew after an error
_RELOADS = 200
_RELOADS_UNCHANGED = 20
_T = TypeVar("_T")


class SqliteCatalog:
    """A `Catalog` in one SQLite file.

    Args:
        path: The database file; its folder must exist.
        busy_seconds: How long to wait for other writers, if not `settings.lock_timeout`.
    """

    def __init__(self, path: str, *, busy_seconds: float | None = None) -> None:
        self._path = path
        self._seconds = busy_seconds
        self._turns = FileLock(f"{path}.lock", path, self._limit)
        self._lock = threading.RLock()
        self._connection: SqliteDb | None = None
        self._ending = False  # whether the last transaction came to its end, whatever came of it
        self._opened = 0
        self._written = 0
        self._heads: tuple[object, Heads] | None = None
        forks.watch(self)

    def _limit(self) -> float:
        return settings.lock_timeout if self._seconds is None else self._seconds

    def _db(self) -> SqliteDb:
        if self._connection is not None and self._connection.outdated:
            self._disconnect()
        if self._connection is None:
            # SQLite waits no longer at a time, so that `_Busy` can say who is waited for
            self._connection = SqliteDb(self._path, min(PATIENCE, self._limit()))
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
        # the thread that forks holds it, and is the one that goes on in the child
        self._lock.release()

    def _do(self, action: Callable[[SqliteDb], _T], *, writes: bool = False) -> _T:
        with self._lock:
            busy = _Busy(self._path, self._turns, self._limit)
            reloads = 0
            while True:
                try:
                    db = self._db()
                    found = action(db)
                    # read without locks it counts only if the file stayed as it was meanwhile
                    if not db.outdated:
                        return found
                except sqlite3.Error as error:
                    if is_busy(error):
                        busy.wait(error)
                    # a reader is told so, too, while a writer mends the log that it reads
                    elif (writes and is_read_only(error)) or not self._stale(reloads):
                        raise self._unavailable(error) from error
                # it was written while we read it without locks
                reloads += 1
                if reloads > 1:
                    time.sleep(min(0.001 * reloads, 0.05))

    def _stale(self, reloads: int) -> bool:
        """Whether an error may come from writers whose locks we can't take part in."""
        db = self._connection
        if db is None:  # it couldn't be opened: its log may just have come or gone
            return not may_write(self._path) and reloads < _RELOADS_UNCHANGED
        changed = db.outdated
        read_only = db.read_only
        self._disconnect()
        return read_only and reloads < (_RELOADS if changed else _RELOADS_UNCHANGED)

    def _change(self, body: Callable[[SqliteDb], _T]) -> _T:
        """Run the body of a transaction."""

        def change(db: SqliteDb) -> _T:
            with self._write(db):
                return body(db)

        # also for changes that don't queue: none may come before locks were tried (decision 008)
        self._turns.check()
        with self._lock:
            if self._connection is not None and self._connection.full:
                self._disconnect()  # there may be room now
        return self._do(change, writes=True)

    def _unavailable(self, error: sqlite3.Error) -> CatalogUnavailable | NoWriteAccess:
        if has_no_room(error) or (self._connection is not None and self._connection.full):
            return CatalogUnavailable(
                f"The catalog {self._path!r} can't be written: the disk is full; nothing was"
                " committed.",
                found=str(error),
                hint="free some space, then save again; lake.gc(keep=…) or `lakehouse gc` removes"
                " what no kept state needs, also from a full disk",
            )
        if is_read_only(error):
            return NoWriteAccess(
                f"The lake's catalog {self._path!r} can't be written; nothing was committed.",
                found=str(error),
                expected="permission to write",
            )
        return CatalogUnavailable(
            f"The catalog {self._path!r} is unusable; nothing was committed.",
            found=str(error),
            hint="check that the file exists, is readable and writable, and is a lake's catalog;"
            " `lakehouse check` looks for damage, `lakehouse repair` mends it",
        )

    @contextmanager
    def _write(self, db: SqliteDb) -> Iterator[None]:
        # for `swap`: whether an error came while COMMIT ran, so that the outcome is in doubt
        self._ending = False
        # the write lock at once: who reads first and then writes may be refused without any wait
        db.raw.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._ending = True
            db.raw.execute("COMMIT")
        except BaseException:
            if db.raw.in_transaction:  # a full disk has rolled it back already
                db.raw.execute("ROLLBACK")
            raise
        finally:
            # after failures, too: nobody may believe the heads from before
            self._written += 1

    # -- making and settings ---------------------------------------------------------

    def create(self, info: Mapping[str, str]) -> None:
        """Make the catalog's tables; an existing lake is left alone."""

        def make(db: SqliteDb) -> None:
            self._make(db)
            db.run(
                "INSERT INTO iceberg_namespace_properties VALUES (?, ?, 'exists', 'true')"
                " ON CONFLICT DO NOTHING",
                (CATALOG_NAME, NAMESPACE),
            )
            db.run_many("INSERT INTO lh_info VALUES (?, ?)", info.items())

        self._change(make)

    def _make(self, db: SqliteDb) -> None:
        for statement in (*sql.TABLES, *_OWN_TABLES):
            db.run(statement)
        if db.rows("SELECT 1 FROM lh_info LIMIT 1"):
            raise LakeExists(f"The catalog {self._path!r} already holds a lake.")

    def info(self) -> dict[str, str]:
        """The lake's settings."""

        def read(db: SqliteDb) -> dict[str, str]:
            if not db.rows("SELECT 1 FROM sqlite_master WHERE name = 'lh_info'"):
                return {}
            return dict(db.rows("SELECT name, value FROM lh_info"))

        return self._do(read)

    def is_empty(self) -> bool:
        """Whether it holds nothing of any lake."""

        def read(db: SqliteDb) -> bool:
            there = {name for (name,) in db.rows("SELECT name FROM sqlite_master")}
            return not sql.have_rows(db, (name for name in sql.TELLING if name in there))

        return self._do(read)

    def set_info(self, values: Mapping[str, str]) -> None:
        """Set some of the lake's settings."""
        self._change(
            lambda db: db.run_many(
                "INSERT INTO lh_info VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                values.items(),
            )
        )

    # -- reading ---------------------------------------------------------------------

    def may_write(self) -> bool:
        """Whether the file and its folder may be written."""
        return may_write(self._path)

    def token(self) -> object:
        """Counts of this connection's and of all other connections' commits."""
        return self._do(self._token)

    def _token(self, db: SqliteDb) -> object:
        # the pragma doesn't count the commits of its own connection, `_written` does
        return self._opened, self._written, db.rows("PRAGMA data_version")[0][0]

    def heads(self) -> Heads:
        """All pointers in one statement, if anybody has written since they were last read."""

        def read(db: SqliteDb) -> Heads:
            token = self._token(db)  # first: what is committed after it is read again next time
            if self._heads is None or self._heads[0] != token or db.read_only:
                self._heads = token, sql.read_heads(db)
            return self._heads[1]

        return self._do(read)

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

    def seq_at(self, moment: datetime, now: datetime | None = None) -> int | None:
        """The number of the last commit before the first one that is later than a moment."""
        return self._do(lambda db: sql.read_seq_at(db, moment, now))

    def pointers_at(self, seq: int) -> dict[str, str]:
        """The logged location of every table as of a commit."""
        return self._do(lambda db: sql.read_pointers(db, seq))

    # -- writing ---------------------------------------------------------------------

    @contextmanager
    def exclusive(self) -> Iterator[SqliteCatalog]:
        """Take the file lock; the kernel serves waiting writers in order."""
        with self._turns.held():
            yield self

    def swap(self, swap: Swap) -> int:
        """Apply a swap in one transaction."""
        try:
            return self._change(lambda db: sql.apply_swap(db, swap))
        except KeysTaken:
            # looked up afterwards, since SQLite doesn't say which of many rows was refused
            raise self._do(lambda db: sql.taken_of(db, swap)) from None
        except CatalogUnavailable:
            if not self._ending:
                raise
            # a commit that reported an error may have happened: the log knows
            done = self._found(swap.commit_id)
            if done is not None:
                return done.seq
            raise

    def _found(self, commit_id: str) -> Commit | None:
        """A commit whose outcome isn't known.

        Raises:
            CommitStateUnknown: The log can't be read.
        """
        try:
            return self.commit_by_id(commit_id)
        except CatalogUnavailable as error:
            raise CommitStateUnknown(
                f"The catalog {self._path!r} failed during commit {commit_id}, and can't be read.",
                found=error.found,
                hint=f"when it can, look for {commit_id} in the log before saving again",
            ) from error

    def tags(self) -> dict[str, int]:
        """Tag names and the commits that they name."""
        return dict(self._do(lambda db: db.rows("SELECT name, seq FROM lh_tag ORDER BY seq, name")))

    def set_tag(self, name: str, seq: int) -> None:
        """Name a commit."""

        def write(db: SqliteDb) -> None:
            rows = db.rows("SELECT seq FROM lh_tag WHERE name = ?", (name,))
            if rows and rows[0][0] != seq:
                raise KeysTaken([(name, str(rows[0][0]))])
            if not rows:
                db.run("INSERT INTO lh_tag VALUES (?, ?)", (name, seq))

        self._change(write)

    def delete_tag(self, name: str) -> None:
        """Remove a tag."""
        self._change(lambda db: db.run("DELETE FROM lh_tag WHERE name = ?", (name,)))

    # -- maintenance -----------------------------------------------------------------

    def garbage(self, until_seq: int) -> list[tuple[int, str]]:
        """Files that commits up to a number superseded."""
        return self._do(lambda db: sql.read_garbage(db, until_seq))

    def forget(self, floor: int, kept: Sequence[int], garbage_ids: Sequence[int]) -> None:
        """Drop what only states before `floor` need, except those in `kept`."""
        self._change(lambda db: sql.do_forget(db, floor, kept, garbage_ids))

    def locations(self) -> list[tuple[str, int, str]]:
        """Every kept version of every table."""
        return self._do(sql.read_locations)

    def claims(self) -> list[tuple[str, str]]:
        """Every unique key with a row of its own."""
        return self._do(sql.read_claims)

    def packs(self) -> list[tuple[str, bytes, bytes]]:
        """Every block of packed unique keys."""
        return self._do(sql.read_packs)

    def problems(self, *, deep: bool) -> list[str]:
        """What SQLite finds damaged in the file."""
        check = "integrity_check" if deep else "quick_check"
        found = [str(r[0]) for r in self._do(lambda db: db.rows(f"PRAGMA {check}"))]
        return [] if found == ["ok"] else found

    def mend(self, moved: Mapping[str, str], keys: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Put other locations in the place of logged ones, and keys in that of whole scopes."""
        self._change(lambda db: sql.do_mend(db, moved, keys))

    def drop_info(self, name: str) -> None:
        """Remove one of the lake's settings."""
        self._change(lambda db: db.run("DELETE FROM lh_info WHERE name = ?", (name,)))

    def wipe(self) -> bool:
        """Write the database's file anew, and empty its log; False while others read."""

        def write(db: SqliteDb) -> bool:
            # else what was deleted stays readable in free pages; the log holds copies, too
            db.run("PRAGMA secure_delete=ON")
            db.run("VACUUM")
            found = db.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            # the first column is 1 where readers kept it from emptying the log
            return not found or found[0][0] == 0

        self._turns.check()
        return self._do(write)

    def rewrite_locations(self, old: str, new: str) -> None:
        """Replace the prefix of every location."""
        self._change(lambda db: sql.do_rewrite(db, old, new))

    def copy_to(self, path: str) -> None:
        """Write a copy of one moment into a new SQLite file, by SQLite's online backup."""

        def copy(db: SqliteDb) -> None:
            with closing(sqlite3.connect(path)) as target:
                db.raw.backup(target)
                # one file without a log beside it, which can be moved and read as it lies
                target.execute("PRAGMA journal_mode=DELETE")

        self._do(copy)

    @classmethod
    def write_rows(cls, path: str, source: catalog_copy.Tables) -> None:
        """Write another backend's rows into a new SQLite file, as `copy_to` does."""
        with closing(sqlite3.connect(path, isolation_level=None)) as raw:
            raw.execute("BEGIN")
            for statement in (*sql.TABLES, *_OWN_TABLES):
                raw.execute(statement)
            catalog_copy.copy_rows(source, catalog_copy.SqliteTables(raw))
            raw.execute("COMMIT")

    def copy_from(self, path: str) -> None:
        """Take over what `copy_to` wrote."""

        def copy(db: SqliteDb) -> None:
            self._make(db)
            with closing(sqlite3.connect(path)) as source:
                catalog_copy.copy_rows(
                    catalog_copy.SqliteTables(source), catalog_copy.SqliteTables(db.raw)
                )

        self._change(copy)

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._lock:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class _Busy:
    """Waiting for others who have locked the database, with a word and not for ever."""

    def __init__(self, path: str, turns: FileLock, limit: Callable[[], float]) -> None:
        self._path = path
        self._turns = turns
        self._limit = limit
        self._since = time.monotonic()
        self._told = False

    def wait(self, error: sqlite3.Error) -> None:
        """After SQLite has waited in vain: say so once, and let it wait again.

        Raises:
            CatalogUnavailable: It was long enough, or SQLite means that there are no locks.
        """
        waited, limit = time.monotonic() - self._since, self._limit()
        if waited < limit and self._told:
            return
        self._turns.check_known()
        holder = holder_of(f"{self._path}.lock", self._path, f"{self._path}-shm")
        if waited >= limit:
            raise waited_too_long(self._path, limit, holder) from error
        if waited >= PATIENCE:
            tell_waiting(holder)
            self._told = True

"""The catalog in a Postgres database: for teams, and for writers on several machines.

A lake fills one database schema: `postgresql://user@host/name` uses the first schema of the
search path (`public`), and `…?schema=lab` the schema `lab`, which is made if it is missing; so
one database holds as many lakes as it has schemas. A stock `SqlCatalog` opens the same tables,
with `postgresql+psycopg://…?options=-csearch_path%3Dlab` for a named schema.

Writers lock the one row of `lh_lock` before they read the pointers, in the transaction that
later moves them. Postgres hands a row lock over in order, so no writer starves.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from typing import TypeVar

from lakehouse.config import settings
from lakehouse.engine.catalog import copy as catalog_copy
from lakehouse.engine.catalog import sql as sql
from lakehouse.engine.catalog.base import (
    CATALOG_NAME,
    NAMESPACE,
    Commit,
    Heads,
    KeysTaken,
    PointerMoved,
    Swap,
)
from lakehouse.engine.catalog.file_lock import PATIENCE, tell_waiting
from lakehouse.engine.catalog.postgres_session import (
    ConnectionLost,
    LockTaken,
    PostgresDb,
    PostgresSession,
)
from lakehouse.engine.catalog.postgres_url import PostgresUrl
from lakehouse.engine.catalog.sqlite import SqliteCatalog
from lakehouse.errors import CatalogUnavailable, CommitStateUnknown, LakeExists, LakehouseError
from lakehouse.text.printable import printable_line

_OWN_TABLES = (
    # by bytes, as in SQLite: ranges of keys mean the same whatever the database's locale
    'CREATE TABLE IF NOT EXISTS lh_key (key TEXT COLLATE "C" PRIMARY KEY, uid TEXT NOT NULL)',
    """CREATE TABLE IF NOT EXISTS lh_garbage (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, seq BIGINT, path TEXT)""",
    "CREATE INDEX IF NOT EXISTS lh_garbage_seq ON lh_garbage (seq)",
    "CREATE TABLE IF NOT EXISTS lh_lock (id INTEGER PRIMARY KEY)",
)
# the pointers as well, since stock writers move them without a commit of ours
_TOKEN = f"""
    SELECT (SELECT MAX(seq) FROM lh_commit), md5(string_agg(metadata_location, ' ' ORDER BY table_name))
    FROM iceberg_tables WHERE catalog_name = '{CATALOG_NAME}' AND table_namespace = '{NAMESPACE}'
"""
_MAY_WRITE = """
    SELECT has_table_privilege('lh_commit', 'INSERT')
    AND current_setting('transaction_read_only') = 'off'
"""
# of those who have or want the lock, the one whose transaction is oldest has it
_HOLDER = """
    SELECT a.pid, a.usename, a.application_name, COALESCE(host(a.client_addr), 'the server'),
        date_trunc('second', a.xact_start)
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.relation = 'lh_lock'::regclass AND l.granted AND a.pid <> pg_backend_pid()
    ORDER BY a.xact_start LIMIT 1
"""
_WIPED = ("lh_info", "lh_commit", "lh_key", "lh_pack", "lh_change", "lh_garbage")
_CREATION_LOCK = 0x6C616B65
_OUTCOME_SECONDS = 10.0
_T = TypeVar("_T")


class PostgresCatalog:
    """A `Catalog` in a Postgres database.

    Args:
        url: `postgresql://user:password@host:port/database?schema=name`; libpq's environment
            variables and password file hold as well.
        lock_seconds: How long a writer waits for the others, if not `settings.lock_timeout`.
        credentials: Whether the environment's credentials may be sent to that server.

    Example:
        >>> catalog = PostgresCatalog("postgresql://me@db.lab.org/lakes?schema=cells")
    """

    def __init__(
        self, url: str, *, lock_seconds: float | None = None, credentials: bool = True
    ) -> None:
        self._url = PostgresUrl.parse(url)
        self._seconds = lock_seconds
        # two connections: reads go on while a writer of this process waits for the lock
        self._reader = PostgresSession(self._url, credentials=credentials)
        self._writer = PostgresSession(self._url, credentials=credentials)

    # -- making and settings ---------------------------------------------------------

    def create(self, info: Mapping[str, str]) -> None:
        """Make the catalog's tables; an existing lake is left alone."""

        def make(db: PostgresDb) -> None:
            self._make(db)
            db.run(
                "INSERT INTO iceberg_namespace_properties VALUES (?, ?, 'exists', 'true')"
                " ON CONFLICT DO NOTHING",
                (CATALOG_NAME, NAMESPACE),
            )
            db.run_many("INSERT INTO lh_info VALUES (?, ?)", info.items())

        self._reader.transact(make)

    def _make(self, db: PostgresDb) -> None:
        # the row that writers lock isn't there yet
        db.rows("SELECT pg_advisory_xact_lock(?)", (_CREATION_LOCK,))
        if self._url.schema is not None:
            made = self._reader.statement("CREATE SCHEMA IF NOT EXISTS {}", self._url.schema)
            db.raw.execute(made)
        if _has_lake(db) and sql.have_rows(db, ["lh_info"]):
            raise LakeExists(
                f"The catalog {self._url} already holds a lake.",
                hint="add ?schema=NAME to the URL for another lake in the same database",
            )
        for statement in (*sql.TABLES, *_OWN_TABLES):
            db.run(statement)
        db.run("INSERT INTO lh_lock VALUES (1) ON CONFLICT DO NOTHING")

    def info(self) -> dict[str, str]:
        """The lake's settings."""

        def read(db: PostgresDb) -> dict[str, str]:
            return dict(db.rows("SELECT name, value FROM lh_info")) if _has_lake(db) else {}

        return self._reader.repeat(read)

    def is_empty(self) -> bool:
        """Whether it holds nothing of any lake."""

        def read(db: PostgresDb) -> bool:
            there = (n for n in sql.TELLING if db.rows("SELECT to_regclass(?)", (n,))[0][0])
            return not sql.have_rows(db, there)

        return self._reader.repeat(read)

    def set_info(self, values: Mapping[str, str]) -> None:
        """Set some of the lake's settings."""
        self._reader.transact(
            lambda db: db.run_many(
                "INSERT INTO lh_info VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                values.items(),
            )
        )

    # -- reading ---------------------------------------------------------------------

    def may_write(self) -> bool:
        """Whether the server lets this user write the log."""
        return bool(self._reader.repeat(lambda db: db.rows(_MAY_WRITE)[0][0]))

    def token(self) -> object:
        """The newest commit's number and a digest of all pointers."""
        return self._reader.repeat(lambda db: db.rows(_TOKEN)[0])

    def heads(self) -> Heads:
        """All pointers in one statement."""
        return self._reader.repeat(sql.read_heads)

    def holder(self, key: str) -> str | None:
        """The uid that holds a unique key."""
        return self._reader.repeat(lambda db: sql.read_holder(db, key))

    def holders(self, keys: Sequence[str]) -> dict[str, str]:
        """The uids that hold the taken ones of many unique keys."""
        return self._reader.repeat(lambda db: sql.read_holders(db, keys))

    def commit_by_id(self, commit_id: str) -> Commit | None:
        """A commit by its id."""
        return self._reader.repeat(lambda db: sql.read_commit(db, commit_id))

    def commit_at(self, seq: int) -> Commit | None:
        """A commit by its number."""
        return self._reader.repeat(lambda db: sql.read_commit_at(db, seq))

    def log(self, limit: int | None = None) -> list[Commit]:
        """Commits, newest first."""
        return self._reader.repeat(lambda db: sql.read_log(db, limit))

    def seq_at(self, moment: datetime, now: datetime | None = None) -> int | None:
        """The number of the last commit before the first one that is later than a moment."""
        return self._reader.repeat(lambda db: sql.read_seq_at(db, moment, now))

    def pointers_at(self, seq: int) -> dict[str, str]:
        """The logged location of every table as of a commit."""
        return self._reader.repeat(lambda db: sql.read_pointers(db, seq))

    # -- writing ---------------------------------------------------------------------

    @contextmanager
    def exclusive(self) -> Iterator[_Turn]:
        """Lock the head row; Postgres serves waiting writers in order."""
        with self._writer.lock:
            limit = settings.lock_timeout if self._seconds is None else self._seconds
            turn = _Turn(self._writer, limit)
            try:
                yield turn
            finally:
                turn.end()

    def tags(self) -> dict[str, int]:
        """Tag names and the commits that they name."""
        return dict(
            self._reader.repeat(
                lambda db: db.rows("SELECT name, seq FROM lh_tag ORDER BY seq, name")
            )
        )

    def set_tag(self, name: str, seq: int) -> None:
        """Name a commit."""

        def write(db: PostgresDb) -> None:
            db.run("INSERT INTO lh_tag VALUES (?, ?) ON CONFLICT DO NOTHING", (name, seq))
            found = db.rows("SELECT seq FROM lh_tag WHERE name = ?", (name,))[0][0]
            if found != seq:
                raise KeysTaken([(name, str(found))])

        self._reader.transact(write)

    def delete_tag(self, name: str) -> None:
        """Remove a tag."""
        self._reader.repeat(lambda db: db.run("DELETE FROM lh_tag WHERE name = ?", (name,)))

    # -- maintenance -----------------------------------------------------------------

    def garbage(self, until_seq: int) -> list[tuple[int, str]]:
        """Files that commits up to a number superseded."""
        return self._reader.repeat(lambda db: sql.read_garbage(db, until_seq))

    def forget(self, floor: int, kept: Sequence[int], garbage_ids: Sequence[int]) -> None:
        """Drop what only states before `floor` need, except those in `kept`."""
        self._reader.transact(lambda db: sql.do_forget(db, floor, kept, garbage_ids))

    def locations(self) -> list[tuple[str, int, str]]:
        """Every kept version of every table."""
        return self._reader.repeat(sql.read_locations)

    def claims(self) -> list[tuple[str, str]]:
        """Every unique key with a row of its own."""
        return self._reader.repeat(sql.read_claims)

    def packs(self) -> list[tuple[str, bytes, bytes]]:
        """Every block of packed unique keys."""
        return self._reader.repeat(sql.read_packs)

    def problems(self, *, deep: bool) -> list[str]:
        """Nothing: Postgres checks its pages itself."""
        return []

    def mend(self, moved: Mapping[str, str], keys: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Put other locations in the place of logged ones, and keys in that of whole scopes."""
        self._reader.transact(lambda db: sql.do_mend(db, moved, keys))

    def drop_info(self, name: str) -> None:
        """Remove one of the lake's settings."""
        self._reader.transact(lambda db: db.run("DELETE FROM lh_info WHERE name = ?", (name,)))

    def wipe(self) -> bool:
        """Let the server write the tables anew; False where the user may not order that."""
        try:
            self._reader.attempt(_rewrite_tables)
        except CatalogUnavailable:
            return False
        return True

    def rewrite_locations(self, old: str, new: str) -> None:
        """Replace the prefix of every location."""
        self._reader.transact(lambda db: sql.do_rewrite(db, old, new))

    def copy_to(self, path: str) -> None:
        """Write a copy of one moment into a new SQLite file, read in one transaction."""

        def copy(db: PostgresDb) -> None:
            # else each statement would see what was committed just before it
            db.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            SqliteCatalog.write_rows(path, catalog_copy.PostgresTables(db))

        self._reader.transact(copy)

    def copy_from(self, path: str) -> None:
        """Take over what `copy_to` wrote, in one transaction."""

        def copy(db: PostgresDb) -> None:
            self._make(db)
            with closing(sqlite3.connect(path)) as source:
                catalog_copy.copy_rows(
                    catalog_copy.SqliteTables(source), catalog_copy.PostgresTables(db)
                )

        self._reader.transact(copy)

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        self._writer.close()
        self._reader.close()


class _Turn:
    """A writer's turn: it holds the head row until it has swapped or ends."""

    def __init__(self, session: PostgresSession, limit: float) -> None:
        self._session = session
        self._limit = limit
        self._locked = False
        self._begin()

    def _begin(self) -> None:
        """Open the transaction that holds the lock, unless it is open."""
        if self._locked:
            return
        first = min(PATIENCE, self._limit)
        try:
            self._session.repeat(lambda db: self._take_lock(db, first))
        except LockTaken as error:
            holder = self._session.repeat(_holder)
            if self._limit <= first:
                raise self._waited_too_long(holder) from error
            tell_waiting(holder)
            self._wait_on(self._limit - first)
        self._locked = True

    def _wait_on(self, seconds: float) -> None:
        try:
            self._session.repeat(lambda db: self._take_lock(db, seconds))
        except LockTaken as error:
            raise self._waited_too_long(self._session.repeat(_holder)) from error

    def _waited_too_long(self, holder: str) -> CatalogUnavailable:
        return CatalogUnavailable(
            f"The catalog {self._session.url} is locked by another writer; nothing was committed.",
            found=f"the lock was held for {self._limit:g} s by {holder}",
            hint="retry when it has finished, or end it; LAKEHOUSE_LOCK_TIMEOUT is how many"
            " seconds are waited",
        )

    def _take_lock(self, db: PostgresDb, seconds: float) -> None:
        # 0 would be for ever, and so much is more than the server can count to
        timeout = f"SET LOCAL lock_timeout = {min(max(int(seconds * 1000), 1), 2**31 - 1)}"
        try:
            # in one round trip
            db.run(f"BEGIN; {timeout}; SELECT id FROM lh_lock FOR UPDATE")
        except self._session.pg.Error:
            if not db.lost:
                db.run("ROLLBACK")
            raise

    def _run(self, action: Callable[[PostgresDb], _T]) -> _T:
        """Run an action in the open transaction."""
        self._begin()
        try:
            return self._session.attempt(action)
        except ConnectionLost:
            self._locked = False  # and the next action begins anew
            raise

    def end(self) -> None:
        """Give the lock back; what wasn't committed is undone."""
        if self._locked:
            self._locked = False
            with suppress(CatalogUnavailable):  # the server undoes what a lost connection began
                self._session.attempt(lambda db: db.run("ROLLBACK"))

    def heads(self) -> Heads:
        """All pointers in one statement, read under the lock."""
        return self._run(sql.read_heads)

    def swap(self, swap: Swap) -> int:
        """Apply a swap and commit it, which ends the turn."""
        try:
            seq = self._run(lambda db: sql.apply_swap(db, swap))
        except KeysTaken:
            self.end()
            raise self._session.repeat(lambda db: sql.taken_of(db, swap)) from None
        except (PointerMoved, LakehouseError):
            self.end()
            raise
        # first, since COMMIT ends the transaction whatever comes of it
        self._locked = False
        try:
            self._session.attempt(lambda db: db.run("COMMIT"))
        except ConnectionLost as error:
            return self._outcome(swap.commit_id, error)
        return seq

    def _outcome(self, commit_id: str, lost: ConnectionLost) -> int:
        """The number of a commit whose acknowledgement was lost.

        Raises:
            ConnectionLost: It didn't happen.
            CommitStateUnknown: The server doesn't answer.
        """
        deadline = time.monotonic() + _OUTCOME_SECONDS
        while True:
            try:
                # with the lock in hand the old transaction has ended, one way or the other
                found = self._run(lambda db: sql.read_commit(db, commit_id))
            except CatalogUnavailable as error:
                self.end()
                if time.monotonic() > deadline:
                    raise CommitStateUnknown(
                        f"The connection to the catalog {self._session.url} broke during commit"
                        f" {commit_id}, and the server doesn't answer.",
                        found=lost.found,
                        hint=f"when it does, look for {commit_id} in the log before saving again",
                    ) from error
                time.sleep(0.2)
            else:
                self.end()
                if found is None:
                    raise lost
                return found.seq


def _rewrite_tables(db: PostgresDb) -> None:
    """Write tables anew, without what was deleted from them."""
    for table in _WIPED:
        # outside of a transaction, which it refuses to run in
        db.run(f"VACUUM FULL {table}")


def _holder(db: PostgresDb) -> str:
    """Who holds the writers' lock, in words."""
    found = db.rows(_HOLDER)
    if not found:
        return "another writer"
    pid, user, program, place, since = found[0]
    return printable_line(f"process {pid} of {user} from {place} ({program}, since {since})")


def _has_lake(db: PostgresDb) -> bool:
    """Whether the schema holds a lake."""
    return bool(db.rows("SELECT to_regclass('lh_info') IS NOT NULL")[0][0])

"""Connections to Postgres: made when needed, replaced when lost, never shared with a child."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from lakehouse._lazy import require
from lakehouse.engine import forks
from lakehouse.engine.catalog.postgres_url import PostgresUrl
from lakehouse.engine.catalog.sql import Statement
from lakehouse.errors import CatalogUnavailable, InvalidArgument, LakehouseError

if TYPE_CHECKING:
    import psycopg

_COPY_FROM = 200
_REQUIRE_AUTH = 160000  # the first version of libpq that can be told to send no password
_T = TypeVar("_T")

# A child that dropped its parent's connections would warn, or end the parent's session.
_inherited: list[object] = []


class ConnectionLost(CatalogUnavailable):
    """The connection broke; another one may work."""


class LockTaken(CatalogUnavailable):
    """Another writer holds the lock that was waited for."""


@functools.lru_cache(maxsize=256)
def _translated(statement: str) -> str:
    return statement.replace("?", "%s")


class PostgresDb:
    """One Postgres connection behind the shared statements of `catalog_sql`."""

    def __init__(self, raw: psycopg.Connection[tuple[Any, ...]], taken: type[Exception]) -> None:
        self.raw = raw
        self._taken = taken

    @property
    def lost(self) -> bool:
        """Whether the connection is of no use any more."""
        return bool(self.raw.closed or self.raw.broken)

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch its rows."""
        # None, not an empty list: then psycopg leaves percent signs in the text alone
        return self.raw.execute(_translated(statement), values or None).fetchall()

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it changed."""
        return self.raw.execute(_translated(statement), values or None).rowcount

    def run_many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Run a statement for many rows of values."""
        rows = list(values)
        if len(rows) == 1:
            self.run(statement, rows[0])
        elif rows:
            with self.raw.cursor() as cursor:
                cursor.executemany(_translated(statement), rows)

    def run_all(self, statements: Sequence[Statement]) -> None:
        """Run different statements in one round trip."""
        with self.raw.pipeline():
            for statement, values in statements:
                self.raw.execute(_translated(statement), values)

    def claim(self, claims: Sequence[tuple[str, str]]) -> bool:
        """Insert unique keys; False where one is taken (the transaction is then lost)."""
        try:
            if len(claims) < _COPY_FROM:
                self.run(
                    # two parameters for any number of rows, where `executemany` sends each
                    "INSERT INTO lh_key SELECT * FROM unnest(?::text[], ?::text[])",
                    ([key for key, _ in claims], [uid for _, uid in claims]),
                )
            else:
                with self.raw.cursor() as cursor, cursor.copy("COPY lh_key FROM STDIN") as copy:
                    # in the order of the index, whose pages are then filled one after the other
                    for row in sorted(claims):
                        copy.write_row(row)
        except self._taken:
            return False
        return True

    def release(self, releases: Sequence[tuple[str, str]]) -> None:
        """Delete those of many unique keys that the given uids hold."""
        self.run(
            "DELETE FROM lh_key k USING unnest(?::text[], ?::text[]) AS r (key, uid)"
            " WHERE k.key = r.key AND k.uid = r.uid",
            ([key for key, _ in releases], [uid for _, uid in releases]),
        )


class PostgresSession:
    """A connection that is opened when it is used, and again after it was lost.

    Args:
        url: Where to connect to.
        credentials: Whether the environment's credentials may be sent to the server.
    """

    def __init__(self, url: PostgresUrl, *, credentials: bool = True) -> None:
        self._db: PostgresDb | None = None
        self.pg: Any = require("psycopg", "use a catalog in Postgres")
        self.url = url
        self.lock = threading.RLock()
        self._credentials = credentials or url.has_password
        forks.watch(self)

    def __del__(self) -> None:
        if self._db is not None:
            self._db.raw.close()

    def before_fork(self) -> None:
        """Nothing to prepare: the child opens a connection of its own."""

    def after_fork(self, *, child: bool) -> None:
        """Leave the parent's connection alone."""
        if child:
            # kept and not closed: closing says goodbye to the server in the parent's name
            _inherited.append(self._db)
            self._db = None
            # the old one may be held by a thread that the child doesn't have
            self.lock = threading.RLock()

    def attempt(self, action: Callable[[PostgresDb], _T]) -> _T:
        """Run an action on the connection.

        Raises:
            ConnectionLost: The connection broke; the next attempt gets another one.
            CatalogUnavailable: The server refuses, or can't be reached.
            InvalidArgument: It refuses a value.
        """
        with self.lock:
            try:
                if self._db is None:
                    self._db = self._connect()
                return action(self._db)
            except self.pg.Error as error:
                if self._db is not None and self._db.lost:
                    self._db = None
                    raise ConnectionLost(
                        f"The connection to the catalog {self.url} broke; nothing was committed.",
                        found=str(error).strip(),
                        hint="retry",
                    ) from error
                raise self._refused(error) from error

    def repeat(self, action: Callable[[PostgresDb], _T]) -> _T:
        """Run an action that does no harm twice; again, where the connection was lost."""
        try:
            return self.attempt(action)
        except ConnectionLost:
            return self.attempt(action)

    def transact(self, action: Callable[[PostgresDb], _T]) -> _T:
        """Run an action that does no harm twice in a transaction."""

        def run(db: PostgresDb) -> _T:
            with db.raw.transaction():
                return action(db)

        return self.repeat(run)

    def _connect(self) -> PostgresDb:
        # a mere read must leave no transaction open, which would hold back the server's vacuum
        raw = self.pg.connect(self.url.dsn, autocommit=True, **self._kept_back())
        if self.url.schema is not None:
            raw.execute(self.statement("SET search_path TO {}", self.url.schema))
        return PostgresDb(raw, self.pg.errors.UniqueViolation)

    def _kept_back(self) -> dict[str, str]:
        """Settings with which libpq gives a server that the user never named nothing of theirs."""
        if self._credentials:
            return {}
        if self.pg.pq.version() < _REQUIRE_AUTH:
            raise self._unnamed("libpq can't be kept from sending a password")
        return {
            "require_auth": "none",
            "gssencmode": "disable",
            "sslcertmode": "disable",
            "passfile": os.devnull,
            "options": "",
        }

    def _unnamed(self, found: str) -> CatalogUnavailable:
        return CatalogUnavailable(
            f"The catalog {self.url} isn't used: only the lake's own file names that server, and "
            "so nothing of yours is sent there.",
            found=found,
            hint=f"if it is right, name it once: lakehouse connect ROOT --db {self.url.server}/…",
        )

    def statement(self, template: str, name: str) -> Any:
        """A statement with a quoted identifier in it."""
        return self.pg.sql.SQL(template).format(self.pg.sql.Identifier(name))

    def _refused(self, error: Exception) -> LakehouseError:
        text = str(error).strip()
        if not self._credentials and self._db is None:
            return self._unnamed(text)
        if isinstance(error, self.pg.DataError):
            return InvalidArgument(
                "Postgres can't keep this value; nothing was committed.", found=text
            )
        if isinstance(error, self.pg.errors.LockNotAvailable):
            return LockTaken(
                f"The catalog {self.url} is locked by another writer; nothing was committed.",
                found=text,
                hint="retry when the other writer has finished",
            )
        return CatalogUnavailable(
            f"The catalog {self.url} can't be used; nothing was committed.",
            found=text,
            hint="check that the server runs, and that the user may read and write the database",
        )

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self.lock:
            if self._db is not None:
                self._db.raw.close()
            self._db = None

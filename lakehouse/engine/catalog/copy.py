"""The rows of a catalog, copied from one backend to another.

Tables and columns are those that both sides have, so that a copy made by an older version can
be taken over by a newer one. What only holds while a process runs isn't copied.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from lakehouse.engine.catalog.postgres_session import PostgresDb

_CHUNK = 10_000
_PREFIXES = ("lh_", "iceberg_")
_PASSING = frozenset({"lh_lock"})
# numbered by the database itself, in Postgres always
_NUMBERED = frozenset({("lh_garbage", "id")})

Rows = Sequence[Sequence[Any]]


class Tables(Protocol):
    """The tables of one database."""

    def columns(self) -> Mapping[str, Sequence[str]]:
        """The columns of every table."""

    def read(self, table: str, columns: Sequence[str]) -> Iterator[Rows]:
        """The rows of a table, some at a time."""

    def write(self, table: str, columns: Sequence[str], rows: Rows) -> None:
        """Add rows to a table."""


class SqliteTables:
    """The tables of a SQLite database."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    def columns(self) -> Mapping[str, Sequence[str]]:
        """The columns of every table."""
        names = self._raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        statement = "SELECT name FROM pragma_table_info(?)"
        return {n: [c for (c,) in self._raw.execute(statement, (n,))] for (n,) in names}

    def read(self, table: str, columns: Sequence[str]) -> Iterator[Rows]:
        """The rows of a table, some at a time."""
        cursor = self._raw.execute(f"SELECT {', '.join(columns)} FROM {table}")
        while rows := cursor.fetchmany(_CHUNK):
            yield rows

    def write(self, table: str, columns: Sequence[str], rows: Rows) -> None:
        """Add rows to a table."""
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        self._raw.executemany(statement, rows)


class PostgresTables:
    """The tables of a Postgres schema, inside an open transaction."""

    def __init__(self, db: PostgresDb) -> None:
        self._db = db

    def columns(self) -> Mapping[str, Sequence[str]]:
        """The columns of every table."""
        found: dict[str, list[str]] = {}
        for table, column in self._db.rows(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"
        ):
            found.setdefault(table, []).append(column)
        return found

    def read(self, table: str, columns: Sequence[str]) -> Iterator[Rows]:
        """The rows of a table, some at a time."""
        # named, so a cursor of the server: rows come in parts instead of all at once
        with self._db.raw.cursor(name="lakehouse_copy") as cursor:
            cursor.execute(f"SELECT {', '.join(columns)} FROM {table}".encode())
            while rows := cursor.fetchmany(_CHUNK):
                yield rows

    def write(self, table: str, columns: Sequence[str], rows: Rows) -> None:
        """Add rows to a table."""
        statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()
        with self._db.raw.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)


def copy_rows(source: Tables, target: Tables) -> None:
    """Copy a lake's catalog into tables that were just made.

    Args:
        source: Where the rows are.
        target: Where they are added, in the caller's transaction.
    """
    known = source.columns()
    for table, columns in target.columns().items():
        if table in _PASSING or table not in known or not table.startswith(_PREFIXES):
            continue
        shared = [c for c in columns if c in known[table] and (table, c) not in _NUMBERED]
        for rows in source.read(table, shared):
            target.write(table, shared, rows)

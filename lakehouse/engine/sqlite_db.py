"""Connections to a SQLite catalog, also where it may only be read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from lakehouse.engine.catalog_sql import Statement


class SqliteDb:
    """One SQLite connection behind the shared statements of `catalog_sql`.

    Where the folder may not be written, SQLite can't take part in the locks of a database in
    WAL mode. While a writer has it open, its log and shared memory are there and are read; else
    the file is read as it lies, and again if it turns out to have changed meanwhile.

    Args:
        path: The database file.
        busy_seconds: How long to wait for other processes' locks.
    """

    def __init__(self, path: str, busy_seconds: float) -> None:
        self._path = path
        self._read_only = not os.access(os.path.dirname(path), os.W_OK) or (
            os.path.exists(path) and not os.access(path, os.W_OK)
        )
        self._seen = self._stamp() if self._read_only else None
        self.raw = sqlite3.connect(
            self._uri(),
            timeout=busy_seconds,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        if self._read_only:
            return
        try:
            self.raw.execute("PRAGMA journal_mode=WAL")
            self.raw.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error:
            self.raw.close()
            raise

    def _uri(self) -> str:
        uri = f"file:{quote(self._path)}"
        if not self._read_only:
            return uri
        return f"{uri}?mode=ro" if self._seen and self._seen[2] else f"{uri}?immutable=1"

    def _stamp(self) -> tuple[int, int, bool]:
        try:
            stat = os.stat(self._path)
        except OSError:
            return 0, 0, False
        return stat.st_mtime_ns, stat.st_size, os.path.exists(f"{self._path}-wal")

    @property
    def outdated(self) -> bool:
        """Whether this is a connection without locks to a file that has changed since."""
        return self._seen is not None and self._seen != self._stamp()

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch its rows."""
        return self.raw.execute(statement, values).fetchall()

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; how many rows it changed."""
        return self.raw.execute(statement, values).rowcount

    def run_many(self, statement: str, values: Iterable[Sequence[Any]]) -> None:
        """Run a statement for many rows of values."""
        self.raw.executemany(statement, values)

    def run_all(self, statements: Sequence[Statement]) -> None:
        """Run different statements whose results don't matter."""
        for statement, values in statements:
            self.raw.execute(statement, values)

    def claim(self, claims: Sequence[tuple[str, str]]) -> bool:
        """Insert unique keys; False where one is taken (the transaction is then lost)."""
        # sorted keys append to the B-tree's leaves in order: several times faster in bulk
        ordered = sorted(claims) if len(claims) > 1 else claims
        try:
            self.raw.executemany("INSERT INTO lh_key VALUES (?, ?)", ordered)
        except sqlite3.IntegrityError:
            return False
        return True

    def release(self, releases: Sequence[tuple[str, str]]) -> None:
        """Delete those of many unique keys that the given uids hold."""
        self.raw.executemany("DELETE FROM lh_key WHERE key = ? AND uid = ?", releases)

"""Connections to a SQLite catalog: shared by a group's writers, and where it may only be read.

A process that closes a file gives back all locks that it has of it, whichever opening they were
taken by, and SQLite's locks are of that kind. Without them another process takes a database in
WAL mode for unused, and removes the log that this one is writing: commits are lost, and reads
find a malformed database. So nothing here opens a database file itself while a connection of
this process has it open (`_first_bytes`), and all connections are counted.
"""

from __future__ import annotations

import functools
import os
import shutil
import sqlite3
import stat
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote

from lakehouse.engine.catalog.sql import Statement
from lakehouse.errors import CatalogUnavailable
from lakehouse.io import filesystem

_MAGIC = b"SQLite format 3\0"
_TABLES = "SELECT count(*), coalesce(sum(name = 'lh_info'), 0) FROM sqlite_master"


def check_is_catalog(path: str) -> None:
    """Refuse a file that is there and isn't a lake's catalog; nothing is written.

    Opening a database for writing switches it to WAL mode, which other programs' databases
    must be spared.

    Raises:
        CatalogUnavailable: It is another file or database.
    """
    try:
        head = _first_bytes(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CatalogUnavailable(
            f"The catalog {path!r} can't be read.", found=str(error)
        ) from error
    if not head:  # made just now, or in use by this process, which has looked at it
        return
    if head.startswith(_MAGIC):
        # as it lies, without locks and without making other files
        if _may_be_ours(path, "immutable=1"):
            return
        # what was made last may be in the log only, which is there in WAL mode
        if _is_wal(path) and os.path.exists(f"{path}-wal") and _may_be_ours(path, "mode=ro"):
            return
    raise CatalogUnavailable(
        f"The file {path!r} is not a lake's catalog, and was left as it is; it is unusable.",
        found="another database" if head.startswith(_MAGIC) else "a file of another kind",
        expected="the SQLite file that lakehouse made",
        hint="name another database: db='sqlite:///path'",
    )


class _Use:
    """A database that connections of this process have open.

    Attributes:
        connections: How many.
        wal: Whether it keeps a log beside it.
    """

    def __init__(self) -> None:
        self.connections = 0
        self.wal = False


_GUARD = threading.RLock()
# by inode, since it is what locks belong to, by whatever path it was opened
_IN_USE: dict[tuple[int, int], _Use] = {}
"""The databases that connections of this process have open, by device and inode."""

os.register_at_fork(
    before=_GUARD.acquire, after_in_parent=_GUARD.release, after_in_child=_GUARD.release
)


def _inode(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _first_bytes(path: str) -> bytes | None:
    """The header of a database file; None where this process has it open.

    Raises:
        OSError: It can't be read.
    """
    with _GUARD:
        if _inode(path) in _IN_USE:
            return None
        with open(path, "rb") as file:
            return file.read(20)


def _may_be_ours(path: str, how: str) -> bool:
    """Whether a database holds a catalog, or nothing yet."""
    try:
        db = sqlite3.connect(f"file:{quote(path)}?{how}", uri=True)
        try:
            tables, known = db.execute(_TABLES).fetchone()
        finally:
            db.close()
    except sqlite3.Error:
        return False
    return bool(known) or not tables


_BUSY = (5, 6, 15)  # SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL
# what a full disk gives: SQLITE_FULL, and SQLITE_IOERR_WRITE, _FSYNC, _SHMOPEN, _SHMSIZE, _SHMMAP
_NO_ROOM = (13, 778, 1034, 4618, 4874, 5386)
_READ_ONLY = 8  # SQLITE_READONLY
_WAL_VERSION = 2  # in the bytes 18 and 19 of a database
_TICK = 0.02  # seconds in which two changes may give a file the same time
_TICKS = 10


class _Stamp(NamedTuple):
    """What tells that a database has changed: its time, its size, and whether a log lies there."""

    time_ns: int = 0
    size: int = 0
    has_log: bool = False


class SqliteDb:
    """One SQLite connection behind the shared statements of `catalog_sql`.

    Where the catalog may not be written, SQLite can't take part in the locks of a database in
    WAL mode. While a writer has it open, its log and shared memory are there and are read; else
    the file is read as it lies, and again if it turns out to have changed meanwhile. Nothing is
    made in the folder then. It is read so, too, where the disk is too full to write: a lake on a
    full disk can be looked at, and `gc` finds what to remove.

    Args:
        path: The database file.
        busy_seconds: How long SQLite waits for other processes' locks.

    Attributes:
        read_only: Whether it can't be written by this connection.
        full: Whether that is so because the disk is full.
    """

    def __init__(self, path: str, busy_seconds: float) -> None:
        self._path = path
        self._busy = busy_seconds
        self.read_only = not may_write(path)
        self.full = False
        self._seen: _Stamp | None = None
        self._inode = self._announced()
        try:
            self._open()
        except BaseException:
            self._forget()
            raise

    def close(self) -> None:
        """Close the connection."""
        self.raw.close()
        self._forget()

    def _announced(self) -> tuple[int, int] | None:
        """Count this connection before it is made; the file's inode, or None if there is none."""
        with _GUARD:
            if not self.read_only:
                _make_shared(self._path)
            try:
                # counted before it is opened: a look at the header in between would free locks
                inode = _inode(self._path)
            except OSError:  # SQLite tells why
                return None
            wal = _is_wal(self._path)
            use = _IN_USE.setdefault(inode, _Use())
            use.connections += 1
            use.wal = wal
            return inode

    def _forget(self) -> None:
        with _GUARD:
            use = _IN_USE.get(self._inode) if self._inode else None
            if use is not None:
                use.connections -= 1
                if not use.connections:
                    del _IN_USE[self._inode]  # type: ignore[arg-type]
            self._inode = None

    def _open(self) -> None:
        if self.read_only:
            self.raw = self._opened_to_read()
            return
        self.raw = self._connected(f"file:{quote(self._path)}")
        try:
            self._choose_journal()
            # in WAL mode anything less may lose the last commits in a power cut
            self.raw.execute("PRAGMA synchronous=FULL")
        except sqlite3.Error as error:
            self.raw.close()
            if not has_no_room(error):
                raise
            self.read_only = self.full = True
            self.raw = self._opened_to_read()

    def _connected(self, uri: str) -> sqlite3.Connection:
        # transactions are begun by hand; the catalog's lock lets in one thread at a time
        return sqlite3.connect(
            uri, timeout=self._busy, isolation_level=None, check_same_thread=False, uri=True
        )

    def _choose_journal(self) -> None:
        """Keep a log beside the database (WAL), except where machines can't share its memory."""
        if not _shared_by_machines(os.path.dirname(self._path)):
            (mode,) = self.raw.execute("PRAGMA journal_mode=WAL").fetchone()
            with _GUARD:
                if self._inode in _IN_USE:
                    _IN_USE[self._inode].wal = mode == "wal"
        elif _is_wal(self._path):
            # not worth waiting for: whoever opens it next tries again
            self.raw.execute("PRAGMA busy_timeout=0")
            try:
                self.raw.execute("PRAGMA journal_mode=DELETE")
            except sqlite3.OperationalError as error:
                if not is_busy(error):  # another process has it open as it was
                    raise
            self.raw.execute(f"PRAGMA busy_timeout={int(self._busy * 1000)}")

    # -- reading where one may not write -----------------------------------------------

    def _opened_to_read(self) -> sqlite3.Connection:
        uri = f"file:{quote(self._path)}"
        if not _is_wal(self._path):
            return self._connected(f"{uri}?mode=ro")  # takes part in the locks
        self._seen = self._settled()
        if not self._seen.has_log:
            return self._connected(f"{uri}?immutable=1")
        # where the disk is full, its memory may have been made without room for anything
        if os.path.exists(f"{self._path}-shm") and not self.full:
            return self._connected(f"{uri}?mode=ro")
        return self._copied()

    def _settled(self) -> _Stamp:
        """The file's stamp, once another change would give it another one."""
        for _ in range(_TICKS):
            stamp = self._stamp()
            age = time.time() - stamp.time_ns / 1e9
            if not 0 <= age < _TICK:
                break
            time.sleep(_TICK - age)
        return stamp

    def _stamp(self) -> _Stamp:
        try:
            found = os.stat(self._path)
        except OSError:
            return _Stamp()
        try:
            has_log = os.stat(f"{self._path}-wal").st_size > 0
        except OSError:
            has_log = False
        return _Stamp(found.st_mtime_ns, found.st_size, has_log)

    def _copied(self) -> sqlite3.Connection:
        """The database in memory: its log lies there without the memory that goes with it."""
        memory = self._connected("file::memory:")
        with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder:
            copy = os.path.join(folder, "catalog.db")
            try:
                for suffix in ("", "-wal"):
                    shutil.copyfile(self._path + suffix, copy + suffix)
            except OSError as error:
                memory.close()
                raise sqlite3.OperationalError(str(error)) from error
            # opening makes the memory that the log needs, here where files may be made
            copied = self._connected(f"file:{quote(copy)}")
            try:
                copied.backup(memory)
            finally:
                copied.close()
        memory.execute("PRAGMA query_only=ON")  # what was written here would be lost
        return memory

    @property
    def outdated(self) -> bool:
        """Whether this is a connection without locks to a file that has changed since."""
        return self._seen is not None and self._seen != self._stamp()

    # -- statements --------------------------------------------------------------------

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
        # with the uid: a key that is another row's by now stays
        self.raw.executemany("DELETE FROM lh_key WHERE key = ? AND uid = ?", releases)


def may_write(path: str) -> bool:
    """Whether a database may be written, which needs the right to make files beside it."""
    return os.access(os.path.dirname(path), os.W_OK) and (
        os.access(path, os.W_OK) or not os.path.exists(path)
    )


def is_busy(error: sqlite3.Error) -> bool:
    """Whether an error says that another process holds a lock."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


def has_no_room(error: sqlite3.Error) -> bool:
    """Whether an error says that the disk is full."""
    return getattr(error, "sqlite_errorcode", 0) in _NO_ROOM


def is_read_only(error: sqlite3.Error) -> bool:
    """Whether an error says that a database can't be written by a connection."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == _READ_ONLY


def _make_shared(path: str) -> None:
    """Give the database the mode that its folder gives, which its log will have, too.

    SQLite would make it readable for all, and writable for its owner only.
    """
    try:
        found = os.stat(path)
    except FileNotFoundError:
        with suppress(OSError):  # SQLite tells why it can't be made
            os.close(filesystem.create(path, exclusive=False))
        return
    wanted = filesystem.file_mode(os.path.dirname(path))
    if wanted is None or found.st_uid != os.geteuid():
        return
    if stat.S_IMODE(found.st_mode) | wanted != stat.S_IMODE(found.st_mode):
        with suppress(OSError):  # some mounts give all files one mode
            os.chmod(path, stat.S_IMODE(found.st_mode) | wanted)


def _is_wal(path: str) -> bool:
    """Whether a database keeps a log beside it."""
    with _GUARD:
        try:
            header = _first_bytes(path)
            if header is None:
                return _IN_USE[_inode(path)].wal
        except (OSError, KeyError):  # it has just come or gone
            return False
    return len(header) == 20 and header[18] == _WAL_VERSION


@functools.lru_cache(maxsize=64)
def _shared_by_machines(folder: str) -> bool:
    return filesystem.network_kind(folder) is not None

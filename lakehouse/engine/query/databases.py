"""DuckDB databases of this process: each one locked to the files that its queries may read.

The registries' own queries run on one, what users write in SQL on others, so that nothing that a
query leaves behind can change what a registry answers. All of them are in memory; they can read
the files below a few folders and nothing else: no other file, no network, no extension, and
nobody can change a setting. Making one takes 15 ms, so they are kept.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass

import duckdb

from lakehouse.errors import InvalidArgument

_KEPT = 8
_lock = threading.Lock()
_databases: OrderedDict[Database, duckdb.DuckDBPyConnection] = OrderedDict()
_inherited: list[duckdb.DuckDBPyConnection] = []  # a child that closed them would wait for ever
_spill: tuple[int, str] | None = None


def _after_fork() -> None:
    _inherited.extend(_databases.values())
    _databases.clear()
    _lock.release()


os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_after_fork)


@dataclass(frozen=True)
class Database:
    """What a database may read and use; equal ones are one database.

    Attributes:
        purpose: Who asks: databases of different purposes are never shared.
        folders: Real paths of folders whose files can be read.
        files: Paths of single files that can be read.
        memory_limit: Memory that its queries use together, as DuckDB writes it.
        timeout: Seconds that one query may take.
        threads: Threads that its queries use.
    """

    purpose: str
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    memory_limit: str | None = None
    timeout: float | None = None
    threads: int | None = None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A new connection to the database, which is made if there is none yet."""
        with _lock:
            found = _databases.get(self)
            if found is None:
                found = _databases[self] = self._locked()
                while len(_databases) > _KEPT:
                    # what still runs on it holds it; then it goes
                    _databases.popitem(last=False)
            else:
                _databases.move_to_end(self)
            return found.cursor()

    def open(self) -> duckdb.DuckDBPyConnection:
        """A new database of its own, without any lock: for those who want all of DuckDB."""
        config: dict[str, str | bool | int | float | list[str]] = {"temp_directory": _spilled()}
        if self.memory_limit is not None:
            config["memory_limit"] = self.memory_limit
        if self.timeout is not None:
            config["max_execution_time"] = max(1, round(self.timeout * 1_000))
        if self.threads is not None:
            config["threads"] = self.threads
        try:
            connection = duckdb.connect(config=config)
        except duckdb.Error as error:
            raise InvalidArgument(
                "DuckDB doesn't take the limits of ln.settings.query.",
                found=str(error),
                hint="ln.settings.query.memory_limit = '4GB'",
            ) from error
        # moments are kept in UTC, and their dates must not depend on the machine
        connection.execute("SET TimeZone = 'UTC'")
        return connection

    def _locked(self) -> duckdb.DuckDBPyConnection:
        connection = self.open()
        connection.execute(
            # in this order: no path can be allowed once access is off, and nothing once it is locked
            f"SET python_enable_replacements = false; SET autoinstall_known_extensions = false;"
            f"SET autoload_known_extensions = false; SET allowed_directories = {_listed(self.folders)};"
            f"SET allowed_paths = {_listed(self.files)}; SET enable_external_access = false;"
            "SET lock_configuration = true"
        )
        return connection


INTERNAL = Database("registries")


def _listed(paths: tuple[str, ...]) -> str:
    return "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in paths) + "]"


def _spilled() -> str:
    """The folder where large queries put what memory doesn't hold; only this user can read it."""
    global _spill
    if _spill is None or _spill[0] != os.getpid():
        _spill = os.getpid(), tempfile.mkdtemp(prefix="lakehouse-duckdb-")
        atexit.register(_remove_spilled, *_spill)
    return _spill[1]


def _remove_spilled(process: int, folder: str) -> None:
    if process == os.getpid():  # a child that was forked has inherited the call
        shutil.rmtree(folder, ignore_errors=True)

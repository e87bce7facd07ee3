"""Opening a lake once more in a process takes nothing away from the connections that it has.

A process that closes a file gives back all of its `fcntl` locks of it. Where a check reads and
closes the database, others take it for unused and remove the log that is being written.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lakehouse.engine.catalog.base import Catalog, Swap
from lakehouse.engine.catalog.place import catalog_for
from lakehouse.engine.catalog.sqlite import SqliteCatalog
from lakehouse.identity import new_uid

pytestmark = pytest.mark.faults
ROUNDS = 60
COMER = """
    import sys
    from lakehouse.engine.catalog.sqlite import SqliteCatalog
    from tests.faults.test_sqlite_locks import count_up

    for _ in range(int(sys.argv[2])):
        catalog = SqliteCatalog(sys.argv[1])
        count_up(catalog)
        catalog.close()
"""


def count_up(catalog: Catalog) -> None:
    with catalog.exclusive() as exclusive:
        found = exclusive.heads().pointers.get("a")
        pointers = {"a": (found, str(int(found or "0") + 1))}
        exclusive.swap(Swap(new_uid(), datetime.now(UTC), pointers=pointers))


def test_no_commit_is_lost_where_a_process_opens_its_lake_again_and_others_come_and_go(
    tmp_path: Path,
) -> None:
    path = str(tmp_path / "catalog.db")
    mine = SqliteCatalog(path)
    mine.create({"root": "x"})
    stop, failures = threading.Event(), []

    def open_again() -> None:
        try:
            while not stop.is_set():
                again = catalog_for("unused", f"sqlite:///{path}", create=False)
                again.heads()
                again.close()
        except Exception as error:
            failures.append(error)

    opener = threading.Thread(target=open_again)
    opener.start()
    command = [sys.executable, "-c", textwrap.dedent(COMER), path, str(ROUNDS)]
    comers = [subprocess.Popen(command) for _ in range(2)]
    counted = 0
    try:
        while any(comer.poll() is None for comer in comers):
            count_up(mine)
            counted += 1
    finally:
        stop.set()
        opener.join()
    assert failures == []
    assert [comer.returncode for comer in comers] == [0, 0]
    assert mine.heads().pointers == {"a": str(counted + 2 * ROUNDS)}
    mine.close()

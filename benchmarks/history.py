"""Long histories: going back, and collecting what is no longer kept."""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks import tables
from benchmarks.harness import Bench, Line, median, ms, timed
from lakehouse.engine import Engine


def _long(bench: Bench, commits: int) -> Engine:
    engine = tables.create(bench.fresh("history"))
    for i in range(commits):
        tables.insert_one(engine, f"label {i}")
    return engine


def travel_and_gc(bench: Bench) -> Iterator[Line]:
    """The state of 5,000 commits ago, then gc that keeps 100 of them."""
    commits = bench.size(5_000, 500)
    engine = _long(bench, commits + 10)

    def first_row() -> None:
        # a fresh process has nothing cached; so has a freshly opened engine
        other = Engine.open(engine.root, [tables.SPEC])
        other.state()
        seconds.append(timed(lambda: _read(other, 10)))

    seconds: list[float] = []
    median(first_row, 9, warm=1)
    yield Line(
        f"state of {commits:,} commits ago, to the first row",
        ms(sorted(seconds)[len(seconds) // 2]) or 0.0,
        "ms",
        "≤ 50 ms",
        50.0,
    )
    keep = 100
    took = timed(lambda: engine.gc(keep=keep, min_age=0))
    fresh = Engine.open(engine.root, [tables.SPEC])
    newest = fresh.state().seq
    for seq in range(newest - keep + 1, newest + 1):
        state = fresh.state_at(seq)
        assert state.count("label") == seq, (state.count("label"), seq)
        assert state.arrow("label").num_rows == seq
    uid = fresh.state().arrow("label")["uid"][random.Random(1).randrange(commits)].as_py()
    assert fresh.state().row("label", uid) is not None
    yield Line(
        f"gc after {commits:,} commits, keeping {keep}",
        took,
        "s",
        "≤ 2 s, nothing reachable lost",
        2.0,
        note=f"all {keep} kept states read back whole afterwards",
    )


def _read(engine: Engine, seq: int) -> None:
    rows = engine.state_at(seq).arrow("label")
    assert rows.slice(0, 1).to_pylist()[0]["name"] == "label 0"
    assert rows.num_rows == seq


MEASURES = {"history": travel_and_gc}

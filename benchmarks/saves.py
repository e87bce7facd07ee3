"""One save at a time, many at once, and files by the folder."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks import stock_iceberg, tables
from benchmarks.harness import Bench, Line, each, ms

GROWTH = 1.5


def commit(bench: Bench) -> Iterator[Line]:
    """The engine alone: one durable one-row commit, now and after 20,000 more."""
    engine = tables.create(bench.fresh("commit"))
    stock = stock_iceberg.one_row_append(bench.fresh("stock"), 30)
    early = each(lambda i: tables.insert_one(engine, f"early {i}"), range(220))[20:]
    first = statistics.median(early)
    yield Line(
        "one-row commit, fsynced (engine)",
        ms(first) or 0.0,
        "ms",
        "faster than stock append",
        ms(stock),
        ms(stock),
        "pyiceberg append",
        note="pyiceberg fsyncs no file",
    )
    commits = bench.size(20_000, 1_000)
    every = each(lambda i: tables.insert_one(engine, f"more {i}"), range(commits))
    # the machine drifts within a minute: the yardstick is a fresh lake measured at the same time
    fresh = tables.create(bench.fresh("commit"))
    each(lambda i: tables.insert_one(fresh, f"early {i}"), range(20))
    late: list[float] = []
    young: list[float] = []
    for i in range(200):
        late += each(lambda n: tables.insert_one(engine, n), [f"late {i}"])
        young += each(lambda n: tables.insert_one(fresh, n), [f"young {i}"])
    then = statistics.median(late)
    yield Line(
        f"  the same after {commits:,} commits",
        ms(then) or 0.0,
        "ms",
        f"≤ {GROWTH}x a fresh lake",
        GROWTH * (ms(statistics.median(young)) or 0.0),
        ms(statistics.median(young)),
        "a fresh lake, interleaved",
        note=f"slowest of all {max(every) * 1e3:.0f} ms",
    )


MEASURES = {"commit": commit}

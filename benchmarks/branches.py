"""Branches: merging one with many records, and the difference of two states."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.harness import Bench, Line, ms, public_lake, timed
from benchmarks.harness import median as median_of


def merge(bench: Bench) -> Iterator[Line]:
    """Merge 10,000 records into a main branch with 100,000 labels; compare states."""
    import lakehouse as ln

    rows, count = bench.size(100_000, 10_000), bench.size(10_000, 1_000)
    with public_lake(bench) as lake:
        ln.save([ln.ULabel(name=f"label {i:07d}") for i in range(rows)])
        taken = []
        for run in range(3):
            ln.setup.switch(f"branch-{run}", create=True)
            ln.save([ln.Record(name=f"record {run} {i:07d}") for i in range(count)])
            ln.setup.switch("main")
            taken.append(timed(lambda r=run: ln.setup.merge(f"branch-{r}")))
            assert ln.Record.filter(name__startswith=f"record {run} ").count() == count
        yield Line(
            f"merge of a branch with {count:,} records beside {rows:,} labels",
            statistics.median(taken),
            "s",
            "≤ 1 s",
            1.0,
        )
        before = lake.log(1)[0].seq
        ln.ULabel(name="one more").save()
        after = lake.log(1)[0].seq
        seconds = median_of(lambda: lake.diff(before, after).summary, 9)
        what = f"difference of two states with {rows:,} labels"
        yield Line(what, ms(seconds) or 0.0, "ms", "nothing promised", None)


MEASURES = {"merge": merge}

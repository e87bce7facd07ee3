"""Reading labels at 100,000 rows, and seeing what another process has just committed.

As a module it is also that other process: `python -m benchmarks.reads ROOT`.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator

from benchmarks.harness import Bench, Line, child, each, median, ms, public_lake, timed

PREFIX_ROWS = 1_000


def reads(bench: Bench) -> Iterator[Line]:
    """Get by uid, filter by prefix, everything as a data frame, and a refresh."""
    import lakehouse as ln

    rows = bench.size(100_000, 10_000)
    theirs = bench.ask("reads", rows=rows)
    with public_lake(bench) as lake:
        labels = ln.save([ln.ULabel(name=f"label {i:07d}") for i in range(rows)])
        uids = [label.uid for label in labels[7 :: rows // 400]]
        prefix = labels[rows // 2].name[:-3]
        del labels
        each(ln.ULabel.get, uids[:20])
        yield Line(
            f"get(uid), warm, {rows:,} rows",
            ms(statistics.median(each(ln.ULabel.get, uids))) or 0.0,
            "ms",
            "≤ 0.3 ms",
            0.3,
            ms(theirs.get("get")),
            "lamindb",
        )

        def prefixed() -> None:
            frame = ln.ULabel.filter(name__startswith=prefix).to_dataframe(limit=None)
            assert len(frame) == PREFIX_ROWS, len(frame)

        peer = ms(theirs.get("prefix"))
        yield Line(
            f"prefix filter to a data frame ({PREFIX_ROWS:,} of {rows:,})",
            ms(median(prefixed, 21, warm=2)) or 0.0,
            "ms",
            "≤ 1/3 of lamindb",
            (peer or 32.0) / 3,
            peer,
            "lamindb",
        )

        def everything() -> None:
            assert len(ln.ULabel.filter().to_dataframe(limit=None)) == rows

        yield Line(
            f"all {rows:,} labels to a data frame",
            ms(median(everything, 5)) or 0.0,
            "ms",
            "faster than lamindb",
            ms(theirs.get("frame")),
            ms(theirs.get("frame")),
            "lamindb",
        )
        yield _refresh(lake.root, rows, theirs.get("refresh"))


def _refresh(root: str, rows: int, peer: float | None) -> Line:
    import lakehouse as ln

    other = child("benchmarks.reads", root)
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline().strip() == "ready"
    seconds = []
    for i in range(20):
        other.stdin.write(f"other {i}\n")
        other.stdin.flush()
        assert other.stdout.readline().strip() == "saved"
        seconds.append(timed(lambda i=i: ln.ULabel.filter(name=f"other {i}").one()))
    other.communicate()
    return Line(
        f"first query after another process's commit, {rows:,} rows",
        ms(statistics.median(seconds)) or 0.0,
        "ms",
        "≤ 10 ms",
        10.0,
        ms(peer),
        "lamindb",
        note=f"slowest {max(seconds) * 1e3:.1f} ms",
    )


def main() -> None:
    """Save a label for every name that comes in."""
    import lakehouse as ln

    ln.connect(sys.argv[1])
    ln.ULabel(name="warm").save()
    print("ready", flush=True)
    for line in sys.stdin:
        ln.ULabel(name=line.strip()).save()
        print("saved", flush=True)


MEASURES = {"reads": reads}

if __name__ == "__main__":
    main()

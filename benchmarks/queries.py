"""Searching, look-ups and data frames at 100,000 rows, and the memory of the snapshot cache.

As a module it is the process whose memory is measured: `python -m benchmarks.queries ROOT`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness import Bench, Line, child, median, ms, public_lake

SEARCHED = "label 0054321"


def queries(bench: Bench) -> Iterator[Line]:
    """Search, look-up objects, and all artifacts as a data frame."""
    import lakehouse as ln

    rows = bench.size(100_000, 10_000)
    theirs = bench.ask("queries", rows=rows)
    wanted = SEARCHED if rows > 54_321 else SEARCHED.replace("54", "04")
    with public_lake(bench) as lake:
        ln.save([ln.ULabel(name=f"label {i:07d}") for i in range(rows)])
        _artifacts(lake, rows)

        def search() -> None:
            assert ln.ULabel.search(wanted)[0].name == wanted

        def misspelt() -> None:
            assert ln.ULabel.search("lable 0004321")[0].name.startswith("label")

        def lookup() -> None:
            found = ln.ULabel.lookup()
            assert getattr(found, wanted.replace(" ", "_")).name == wanted

        def frame() -> None:
            assert len(ln.Artifact.filter().to_dataframe(limit=None)) == rows

        def contains() -> None:
            found = ln.ULabel.filter(name__contains=wanted[-4:]).to_dataframe(limit=None)
            assert wanted in set(found["name"])

        at = f"{rows:,} labels"
        yield _line(f"search in {at}", search, theirs.get("search"), "≤ 1/2 of lamindb", 2)
        yield Line(
            f"search for a misspelt name in {at}", ms(median(misspelt, 7)) or 0.0, "ms", "", None
        )
        yield _line(f"look-up object of {at}", lookup, theirs.get("lookup"), "≥ 20x lamindb", 20)
        what = f"all {rows:,} artifacts to a data frame"
        yield _line(what, frame, theirs.get("frame"), "≥ 5x lamindb", 5)
        what = f"filter by part of the name in {at}"
        yield _line(what, contains, theirs.get("contains"), "faster than lamindb", 1)


def _line(name: str, action: Any, peer: float | None, reach: str, times: float) -> Line:
    theirs = ms(peer)
    limit = None if theirs is None else theirs / times
    return Line(name, ms(median(action, 7)) or 0.0, "ms", reach, limit, theirs, "lamindb")


def _artifacts(lake: Any, rows: int) -> list[str]:
    """Commit rows of artifacts below the registries: no files lie behind them."""
    import pyarrow as pa

    from lakehouse.engine import Changes
    from lakehouse.identity import new_uids

    uids = [uid + "0000" for uid in new_uids(rows)]
    now = datetime.now(UTC)
    same = {
        "suffix": ".parquet",
        "kind": "dataset",
        "otype": "DataFrame",
        "storage_uid": lake.storage_uid,
        "key_is_virtual": True,
        "branch_uid": "main",
        "space_uid": "all",
        "is_locked": False,
        "created_at": now,
        "updated_at": now,
        "created_by_uid": lake.user_uid,
    }
    each = {
        "uid": uids,
        "key": [f"study/file_{i:07d}.parquet" for i in range(rows)],
        "description": [f"batch {i % 997} of a study" for i in range(rows)],
        "size": range(rows),
        "hash": [f"hash{uid}" for uid in uids],
        "storage_key": [f".lakehouse/artifacts/{uid}.parquet" for uid in uids],
        "n_observations": range(rows),
    }
    columns = []
    spec = lake.Artifact.meta.spec
    for column in spec.columns:
        if column.name in each:
            columns.append(pa.array(each[column.name], column.arrow_type))
        else:
            value = pa.scalar(same.get(column.name), column.arrow_type)
            columns.append(pa.repeat(value, rows))
    changes = Changes()
    changes.insert("artifact", pa.table(columns, names=list(spec.column_names)))
    lake.commit(changes)
    return uids


# -- memory ----------------------------------------------------------------------------


def memory(bench: Bench) -> Iterator[Line]:
    """What a process holds that has read a million artifacts and five million links."""
    artifacts = bench.size(1_000_000, 20_000)
    with public_lake(bench) as lake:
        uids = _artifacts(lake, artifacts)
        _links(lake, uids, 5)
        root = lake.root
    reader = child("benchmarks.queries", root)
    out, _ = reader.communicate()
    found = json.loads(out.splitlines()[-1])
    what = f"{artifacts:,} artifacts and {5 * artifacts:,} links"
    size = found["arrow"] / 2**20
    yield Line(
        f"memory of the snapshot cache, {what}",
        (found["after"] - found["before"]) / 2**20,
        "MB",
        "≤ 3x the Arrow size",
        3 * size,
        note=f"Arrow size {size:.0f} MB; highest while reading "
        f"{(found['highest'] - found['before']) / 2**20:.0f} MB",
    )


def _links(lake: Any, uids: list[str], each: int) -> None:
    import pyarrow as pa

    from lakehouse.engine import Changes
    from lakehouse.identity import new_uids

    spec = next(s for s in lake.directory.specs() if s.name == "artifact_link")
    now = datetime.now(UTC)
    named = [{"uid": uid, "name": f"label {i}"} for i, uid in enumerate(new_uids(each))]
    some_labels = Changes()
    some_labels.insert("ulabel", [{**row, "branch_uid": "main"} for row in named])
    lake.commit(some_labels)
    labels = [row["uid"] for row in named]
    for start in range(0, len(uids), 200_000):
        some = uids[start : start + 200_000]
        n = len(some) * each
        subjects = [uid for uid in some for _ in range(each)]
        values: dict[str, Any] = {
            "uid": [f"{uid}{i % each:012d}" for i, uid in enumerate(subjects)],
            "subject_uid": subjects,
            "target_uid": [labels[i % each] for i in range(n)],
        }
        same = {"registry": "ulabel", "created_at": now, "created_by_uid": lake.user_uid}
        columns = [
            pa.array(values[c.name], c.arrow_type)
            if c.name in values
            else pa.repeat(pa.scalar(same.get(c.name), c.arrow_type), n)
            for c in spec.columns
        ]
        changes = Changes()
        changes.insert("artifact_link", pa.table(columns, names=list(spec.column_names)))
        lake.commit(changes)


def _resident(field: str = "VmRSS") -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def main() -> None:
    """Read both tables, and say how much memory that took."""
    import lakehouse as ln

    lake = ln.connect(sys.argv[1])
    lake.state.arrow("user")
    before = _resident()
    tables = [lake.state.arrow(name) for name in ("artifact", "artifact_link")]
    found = {
        "before": before,
        "after": _resident(),
        "highest": _resident("VmHWM"),
        "arrow": sum(table.nbytes for table in tables),
    }
    print(json.dumps(found), flush=True)


MEASURES = {"queries": queries, "memory": memory}

if __name__ == "__main__":
    main()

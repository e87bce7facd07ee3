"""A process that measures one version of the package: asked on its input, answers on its output.

Run with the checkout to be measured first on PYTHONPATH; it uses nothing that only one of the
versions has. Each line of input names an action; the answer is its time in seconds.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROWS = 100_000


def actions(folder: Path) -> dict[str, Callable[[], Any]]:
    """What can be asked for; every action may be repeated."""
    import lakehouse as ln

    os.chdir(folder)
    ln.setup.init(storage=str(folder / "lake"), modules="bionty")
    ln.settings.verbosity = "error"
    ln.settings.creation.search_names = False
    count = iter(range(10**9))
    ln.save([ln.ULabel(name=f"label {i:07d}") for i in range(ROWS)])
    table = folder / "rows.parquet"
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"n": range(1_000), "t": [f"text {i}" for i in range(1_000)]}), table)
    ln.Artifact(table, key="rows.parquet").save()
    lake = ln.Lake.open(str(folder / "lake"))

    def artifact() -> None:
        i = next(count)
        path = folder / f"a{i}.txt"
        path.write_text(f"content {i}\n" * 100)
        start = time.perf_counter()
        ln.Artifact(path, key=f"a/{i}.txt").save()
        artifact.took = time.perf_counter() - start  # type: ignore[attr-defined]

    def bulk_read() -> None:
        # a fresh engine has nothing in memory: the files are read
        fresh = ln.Lake.open(str(folder / "lake"))
        assert fresh.engine.state().arrow("ulabel").num_rows >= ROWS

    def create() -> ln.Lake:
        return ln.Lake.create(str(folder / f"lake{next(count)}"), modules=["bionty"])

    def first_label() -> None:
        with create() as new:
            start = time.perf_counter()
            new.ULabel(name="one").save()
            first_label.took = time.perf_counter() - start  # type: ignore[attr-defined]

    return {
        "label": lambda: ln.ULabel(name=f"one {next(count)}").save(),
        "artifact": artifact,
        "sql": lambda: ln.sql(
            "SELECT count(*) FROM ulabel WHERE name LIKE 'label 00000%'"
        ).fetchall(),
        "sql small": lambda: ln.sql("SELECT key FROM artifact").fetchall(),
        "dataset": lambda: ln.sql("SELECT count(*) FROM dataset('rows.parquet')").fetchall(),
        "get": lambda: ln.ULabel.get(name="label 0000077"),
        "filter": lambda: ln.Artifact.filter(suffix=".parquet").count(),
        "load": lambda: ln.Artifact.get(key="rows.parquet").load(),
        "open lake": lambda: ln.Lake.open(str(folder / "lake")).engine.state(),
        "create lake": lambda: create().close(),
        "first label": first_label,
        "bulk read": bulk_read,
        "bulk save": lambda: ln.save([ln.ULabel(name=f"b {next(count)}") for _ in range(2_000)]),
        "close": lake.close,
    }


def main() -> None:
    """Answer until the input ends."""
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(sys.stderr):
        known = actions(Path(name).resolve())
        print("ready", file=sys.__stdout__, flush=True)
        for line in sys.stdin:
            action = known[line.strip()]
            start = time.perf_counter()
            action()
            took = getattr(action, "took", None) or time.perf_counter() - start
            print(took, file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main()

"""Validating a frame of eight columns, two of them categorical, beside lamindb.

    python benchmarks/validate.py [--rows 10000000] [--peer-python PATH]

Each measurement runs in a process of its own, which builds the frame, notes its memory, then
validates three times. Printed are the best wall time, the time of the first run, and the peak
of memory, the frame included, in multiples of the frame's size. `--peer-python` names the
interpreter of an environment with lamindb; without it, only our side is measured.

This file runs in both environments, so it imports neither library at the top.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CELL_TYPES = [f"cell type {i}" for i in range(100)]
TISSUES = [f"tissue {i}" for i in range(40)]
DTYPES = {
    "cell_type": "cat[ULabel]",
    "tissue": "cat[ULabel]",
    "n_counts": "int",
    "n_genes": "int",
    "pct_mito": "float",
    "score": "float",
    "is_doublet": "bool",
    "batch": "int",
}
FORMS = ("pandas", "pandas, bad values", "arrow", "polars", "parquet")
RUNS = 3


def make_frame(rows: int):
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    codes = {"cell_type": CELL_TYPES, "tissue": TISSUES}
    frame = {
        name: pd.Categorical.from_codes(rng.integers(0, len(terms), rows, dtype="int8"), terms)
        for name, terms in codes.items()
    }
    frame["n_counts"] = rng.integers(0, 10_000, rows)
    frame["n_genes"] = rng.integers(0, 5_000, rows)
    frame["pct_mito"] = rng.random(rows)
    frame["score"] = rng.normal(size=rows)
    frame["is_doublet"] = rng.random(rows) < 0.1
    frame["batch"] = rng.integers(0, 8, rows)
    return pd.DataFrame(frame)


def memory(field: str) -> int:
    """A figure of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def measured(run, size: int) -> dict[str, float]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, times = memory("VmRSS"), []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    grown = memory("VmHWM") - before
    return {"best": min(times), "first": times[0], "grown": grown, "size": size}


def ours(rows: int, form: str) -> dict[str, float]:
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lakehouse.curation import ColumnRule, DatasetSpec, TableResolver, validate

    frame = make_frame(rows)
    size = int(frame.memory_usage(index=False).sum())
    if form == "pandas, bad values":
        column = frame["cell_type"].cat.rename_categories({"cell type 7": "cell-type 7"})
        frame = frame.assign(cell_type=column, n_genes=frame["n_genes"].where(frame.index % 9 > 0))
    data = frame
    with tempfile.TemporaryDirectory() as folder:
        if form not in ("pandas", "pandas, bad values"):
            data = pa.Table.from_pandas(frame, preserve_index=False)
        if form == "polars":
            data = pl.from_arrow(data)
        elif form == "parquet":
            pq.write_table(data, f"{folder}/frame.parquet")
            data = f"{folder}/frame.parquet"
        del frame
        labels = [*CELL_TYPES, *TISSUES]
        terms = pa.table({"uid": [str(i) for i in range(len(labels))], "name": labels})
        spec = DatasetSpec(tuple(ColumnRule(*item, nullable=False) for item in DTYPES.items()))

        def run() -> None:
            report = validate(data, spec, TableResolver({"ULabel": terms}))
            if report.ok != (form != "pandas, bad values"):
                raise SystemExit(str(report))

        return measured(run, size)


def peer(rows: int) -> dict[str, float]:
    """The same frame through lamindb's DataFrameCurator, in a throw-away instance."""
    with tempfile.TemporaryDirectory() as folder:
        # Settings go to a home of their own, which must not be the working directory.
        os.environ["HOME"] = folder
        Path(folder, "work").mkdir()
        os.chdir(f"{folder}/work")
        import lamindb_setup

        lamindb_setup.init(storage=f"{folder}/peer")
        import lamindb as ln

        ln.setup.settings.instance._is_on_hub = False  # else it asks the network
        ln.settings.verbosity = "error"
        ln.save([ln.ULabel(name=name) for name in [*CELL_TYPES, *TISSUES]])
        types = {"int": int, "float": float, "bool": bool, "cat[ULabel]": ln.ULabel}
        features = [
            ln.Feature(name=name, dtype=types[dtype], nullable=False).save()
            for name, dtype in DTYPES.items()
        ]
        schema = ln.Schema(name="benchmark", features=features).save()
        frame = make_frame(rows)

        def run() -> None:
            ln.curators.DataFrameCurator(frame, schema).validate()

        return measured(run, int(frame.memory_usage(index=False).sum()))


def in_process(python: str, rows: int, side: str) -> dict[str, float]:
    command = [python, __file__, "--rows", str(rows), "--side", side]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--peer-python", help="interpreter of an environment with lamindb")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        result = peer(options.rows) if options.side == "peer" else ours(options.rows, options.side)
        print(json.dumps(result))
        return
    print(f"{options.rows:,} rows, 8 columns; Python {platform.python_version()}")
    baseline = None
    sides = (["peer"] if options.peer_python else []) + list(FORMS)
    for side in sides:
        python = options.peer_python if side == "peer" else sys.executable
        result = in_process(python, options.rows, side)
        baseline = result["best"] if side == "peer" else baseline
        name = "lamindb, pandas" if side == "peer" else f"lakehouse, {side}"
        ratio = f"{baseline / result['best']:6.1f}x" if baseline else ""
        # A Parquet file's data isn't in memory before, so all of it is growth.
        held = 0 if side == "parquet" else result["size"]
        print(
            f"{name:30} {result['best']:7.3f} s (first {result['first']:.3f}) {ratio}  "
            f"peak {(held + result['grown']) / result['size']:.2f}x the data "
            f"(+{result['grown'] / 1e6:.0f} MB on {result['size'] / 1e6:.0f})"
        )


if __name__ == "__main__":
    main()

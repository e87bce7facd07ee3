"""Validating frames of eight columns, beside lamindb and pandera.

    python benchmarks/validate.py [--rows 10000000] [--frame plain --frame "mixed, 1% bad"]
        [--peer-python PATH] [--pandera-python PATH]

Each measurement runs in a process of its own, which makes the frame, notes its memory, then
validates three times (slow peers fewer times: none is begun after half a minute), collecting
everything that is wrong: as the message of an error, and as data. Printed are the best wall time, its
CPU time, the time of the first run, and the peak of memory, the frame included, in multiples of
the frame's size. The paths name interpreters of environments with lamindb and with pandera;
without them, only our side is measured.

lamindb has no conditions on values, so ranges and patterns are checked by us and by pandera only. With wrong values lamindb raises; the time is that to its verdict.

This file runs in all environments, so it imports no library at the top.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from frames import FRAMES, LABELS, conditions_of, dtypes_of, make_frame

FORMS = ("pandas", "arrow", "polars", "parquet")
PANDERA = ("pandera, pandas", "pandera, polars")
RUNS = 3
ENOUGH_S = 30.0


def memory(field: str) -> int:
    """A figure of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def measured(run, size: int, runs: int = RUNS) -> dict[str, Any]:
    """Time and memory of a function that returns how many things were wrong."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, times, wrong = memory("VmRSS"), [], 0
    for _ in range(runs):
        start, used = time.perf_counter(), time.process_time()
        wrong = run()
        times.append((time.perf_counter() - start, time.process_time() - used))
        if sum(wall for wall, _ in times) > ENOUGH_S:
            break
    best, cpu = min(times)
    grown = memory("VmHWM") - before
    found = {"best": best, "cpu": cpu, "first": times[0][0], "grown": grown, "size": size}
    return {**found, "wrong": wrong, "pandera": version("pandera")}


def version(package: str) -> str:
    """The version of a package of this environment, or nothing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def size_of(frame) -> int:
    """Bytes of a frame; texts count as the pointers that pandas holds."""
    return int(frame.memory_usage(index=False).sum())


def ours(rows: int, kind: str, form: str) -> dict[str, Any]:
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lakehouse.curation import ColumnRule, DatasetSpec, TableResolver, validate

    data = make_frame(rows, kind)
    size = size_of(data)
    with tempfile.TemporaryDirectory() as folder:
        if form != "pandas":
            data = pa.Table.from_pandas(data, preserve_index=False)
        if form == "polars":
            data = pl.from_arrow(data)
        elif form == "parquet":
            pq.write_table(data, f"{folder}/frame.parquet")
            data = f"{folder}/frame.parquet"
        pa.default_memory_pool().release_unused()
        labels = [label for names in LABELS.values() for label in names]
        terms = pa.table({"uid": [str(i) for i in range(len(labels))], "name": labels})
        conditions = conditions_of(kind)
        spec = DatasetSpec(
            tuple(
                ColumnRule(name, dtype, nullable=False, checks=conditions.get(name, {}))
                for name, dtype in dtypes_of(kind).items()
            )
        )

        def run() -> int:
            report = validate(data, spec, TableResolver({"ULabel": terms}))
            # the message, and all failures as data, as pandera gives them
            return int(report.to_polars()["count"].sum()) if str(report) and not report.ok else 0

        return measured(run, size)


def lamindb(rows: int, kind: str) -> dict[str, Any]:
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
        ln.save([ln.ULabel(name=label) for names in LABELS.values() for label in names])
        from datetime import datetime

        types = {"int": int, "float": float, "bool": bool, "str": str, "datetime": datetime}
        features = [
            # of text it takes categories only where they are coerced
            ln.Feature(
                name=name,
                dtype=types.get(dtype, ln.ULabel),
                nullable=False,
                coerce=True if name == "donor" else None,
            ).save()
            for name, dtype in dtypes_of(kind).items()
        ]
        schema = ln.Schema(name="benchmark", features=features).save()
        frame = make_frame(rows, kind)

        def run() -> int:
            try:
                ln.curators.DataFrameCurator(frame, schema).validate()
            except ln.errors.ValidationError:
                return 1
            return 0

        return measured(run, size_of(frame), 1 if kind.endswith("bad") else RUNS)


def pandera(rows: int, kind: str, backend: str) -> dict[str, Any]:
    """The same frame through pandera, which collects all that is wrong (`lazy=True`)."""
    import importlib

    module = importlib.import_module(f"pandera.{backend}")
    frame = make_frame(rows, kind)
    size = size_of(frame)
    if backend == "polars":
        import polars as pl

        frame = pl.from_pandas(frame)
    from pandera.errors import SchemaErrors

    def checks(name: str, dtype: str) -> list:
        if dtype.startswith("cat"):
            return [module.Check.isin(LABELS[name])]
        made = {
            "pattern": module.Check.str_matches,
            "enum": module.Check.isin,
            "ge": module.Check.ge,
            "le": module.Check.le,
            "lt": module.Check.lt,
        }
        return [made[rule](value) for rule, value in conditions_of(kind).get(name, {}).items()]

    columns = {
        name: module.Column(frame[name].dtype, checks(name, dtype), nullable=False)
        for name, dtype in dtypes_of(kind).items()
    }
    schema = module.DataFrameSchema(columns)

    def run() -> int:
        try:
            schema.validate(frame, lazy=True)
        except SchemaErrors as error:
            return len(error.failure_cases)
        return 0

    return measured(run, size, 1 if kind.endswith("bad") else RUNS)


def in_process(python: str, rows: int, kind: str, side: str, env=None) -> dict[str, Any]:
    """One measurement, by an interpreter in a process of its own."""
    command = [python, __file__, "--rows", str(rows), "--frame", kind, "--side", side]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def one(rows: int, kind: str, side: str) -> dict[str, Any]:
    """The measurement that this process is for."""
    warnings.simplefilter("ignore")
    if side == "lamindb":
        return lamindb(rows, kind)
    if side in PANDERA:
        return pandera(rows, kind, side.removeprefix("pandera, "))
    return ours(rows, kind, side)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--frame", action="append", choices=FRAMES, help="by default all")
    parser.add_argument("--peer-python", help="interpreter of an environment with lamindb")
    parser.add_argument("--pandera-python", help="interpreter of an environment with pandera")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(one(options.rows, options.frame[0], options.side)))
        return
    print(f"{options.rows:,} rows, 8 columns; Python {platform.python_version()}")
    sides = [("lamindb", options.peer_python)] if options.peer_python else []
    sides += [(side, options.pandera_python) for side in PANDERA if options.pandera_python]
    sides += [(form, sys.executable) for form in FORMS]
    for kind in options.frame or FRAMES:
        print(f"{kind}:")
        for side, python in sides:
            found = in_process(python, options.rows, kind, side)
            # A Parquet file's data isn't in memory before, so all of it is growth.
            held = 0 if side == "parquet" else found["size"]
            print(
                f"  {side:16} {found['best']:7.3f} s (CPU {found['cpu']:.3f}, first "
                f"{found['first']:.3f}), {found['wrong']:,} wrong, "
                f"peak {(held + found['grown']) / found['size']:.2f}x the data "
                f"(+{found['grown'] / 1e6:.0f} MB on {found['size'] / 1e6:.0f})",
                flush=True,
            )


if __name__ == "__main__":
    main()

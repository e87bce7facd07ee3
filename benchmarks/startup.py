"""Importing the library, and making a lake on the command line."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.harness import Bench, Line, environment, ms, timed

HEAVY = ("pyiceberg", "polars", "duckdb", "pandas", "anndata")
IMPORT = f"""
import json, sys, time
start = time.perf_counter()
import lakehouse
took = time.perf_counter() - start
print(json.dumps([took, [m for m in {HEAVY!r} if m in sys.modules]]))
"""

CLI = "from lakehouse.cli import app; app()"


def _import() -> tuple[float, list[str]]:
    command = [sys.executable, "-c", IMPORT]
    options = {"capture_output": True, "text": True, "check": True}
    done = subprocess.run(command, env=environment(), **options)
    took, heavy = json.loads(done.stdout)
    return took, heavy


def startup(bench: Bench) -> Iterator[Line]:
    """`import lakehouse` and `lakehouse init`, each in fresh processes."""
    times = bench.size(9, 3)
    theirs = bench.ask("startup", times=times)
    _import()
    found = [_import() for _ in range(times)]
    heavy = sorted({module for _, modules in found for module in modules})
    took = statistics.median(seconds for seconds, _ in found)
    peer = theirs.get("import")
    limit = 0.93 / 4 if peer is None else peer / 4
    yield Line(
        "import",
        ms(took) or 0.0,
        "ms",
        "≤ 1/4 of lamindb, nothing heavy",
        -1.0 if heavy else limit * 1e3,
        ms(peer),
        "lamindb",
        note=f"it loads {', '.join(heavy)}" if heavy else f"loads none of {', '.join(HEAVY)}",
    )

    def init() -> None:
        command = [sys.executable, "-c", CLI, "init", "--storage", "./store"]
        folder = bench.fresh("init")
        options = {"cwd": folder, "capture_output": True, "check": True}
        subprocess.run(command, env=environment(), **options)

    init()
    seconds = statistics.median(timed(init) for _ in range(max(times // 2, 1)))
    peer = theirs.get("init")
    yield Line(
        "init on the command line",
        seconds,
        "s",
        "≤ lamin init",
        1.6 if peer is None else peer,
        peer,
        "lamin init",
    )


MEASURES = {"startup": startup}

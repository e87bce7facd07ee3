"""The lines of `validate.py`: frames of eight columns in several forms, beside lamindb."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

from benchmarks.harness import ROOT, Bench, Line, environment
from benchmarks.validate import FORMS

MEMORY = 1.3


def _side(python: str, env: Mapping[str, str], rows: int, side: str) -> dict[str, float]:
    script = str(ROOT / "benchmarks" / "validate.py")
    command = [python, script, "--rows", str(rows), "--side", side]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-2000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def validate(bench: Bench) -> Iterator[Line]:
    """Time and peak memory; of three runs the best counts on both sides."""
    rows = bench.size(10_000_000, 200_000)
    peer = None
    if bench.peer is not None:
        peer = _side(bench.peer.python, bench.peer.env(), rows, "peer")["best"]
    for form in FORMS:
        found = _side(sys.executable, environment(), rows, form)
        yield Line(
            f"validate {rows:,} rows x 8, {form}",
            found["best"],
            "s",
            "≥ 8x lamindb",
            (8.1 * rows / 1e7 if peer is None else peer) / 8,
            peer,
            "lamindb, pandas",
            note=f"the first run took {found['first']:.2f} s",
        )
        # a Parquet file's data isn't in memory before, so that all of it is growth
        held = 0 if form == "parquet" else found["size"]
        yield Line(
            f"  its peak memory, {form}",
            (held + found["grown"]) / found["size"],
            "x the data",
            f"≤ {MEMORY}x the data",
            MEMORY,
        )


MEASURES = {"validate": validate}

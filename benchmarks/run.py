"""Run the benchmarks.

    python -m benchmarks.run [--peer-python PATH] [--pandera-python PATH] [--only NAME]…
        [--before PATH] [--quick] [--record]

NAME is a group (`saves`) or one measure (`saves.commit`). lamindb and pandera are measured in the
same run when the interpreters of environments that have them are given; an earlier version of
ours, when its checkout is given.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import report
from benchmarks.harness import Bench, Line, Peer

Measure = Callable[[Bench], Iterable[Line]]

# group → module with a table `MEASURES` of name → measure; each yields lines
GROUPS = {
    "startup": "benchmarks.startup",
    "saves": "benchmarks.saves",
    "bulk": "benchmarks.bulk",
    "reads": "benchmarks.reads",
    "features": "benchmarks.features",
    "queries": "benchmarks.queries",
    "branches": "benchmarks.branches",
    "writers": "benchmarks.writers",
    "history": "benchmarks.history",
    "validate": "benchmarks.validation",
    "curate": "benchmarks.curation",
    "ontology": "benchmarks.ontology",
    "terms": "benchmarks.terms",
    "before": "benchmarks.before",
}


def chosen(only: list[str]) -> list[tuple[str, Measure]]:
    """The measures that the names on the command line select, in order."""
    out = []
    for group, module in GROUPS.items():
        wanted = [o for o in only if o == group or o.startswith(group + ".")]
        if only and not wanted:
            continue
        measures: dict[str, Measure] = importlib.import_module(module).MEASURES
        out += [
            (f"{group}.{name}", measure)
            for name, measure in measures.items()
            if not only or group in wanted or f"{group}.{name}" in wanted
        ]
    if not out:
        known = ", ".join(GROUPS)
        raise SystemExit(f"No measure is named {', '.join(only)}; the groups are {known}.")
    return out


def measure(bench: Bench, measures: Iterable[tuple[str, Measure]]) -> list[Line]:
    """Run measures one after the other; each one's files are removed when it has ended."""
    lines: list[Line] = []
    for name, run in measures:
        print(f"{name} …", file=sys.stderr, flush=True)
        start = time.perf_counter()
        try:
            for line in run(bench):
                lines.append(line)
                print(f"  {report.sentence(line)}", file=sys.stderr, flush=True)
        except Exception:  # noqa: BLE001 - one broken measure shouldn't cost the others' hour
            traceback.print_exc()
            lines.append(Line(f"{name} failed", float("nan"), "", "to run", 0.0))
        print(f"  ({time.perf_counter() - start:.0f} s)", file=sys.stderr, flush=True)
        for folder in bench.folder.iterdir():
            if folder.name != "peer":
                shutil.rmtree(folder, ignore_errors=True)
    return lines


def main() -> None:
    """Parse the command line, measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", help="an interpreter that has lamindb")
    parser.add_argument("--pandera-python", help="an interpreter that has pandera and polars")
    parser.add_argument(
        "--before", help="an earlier checkout, to be measured in turn with this one"
    )
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all runs")
    parser.add_argument("--json", default="benchmarks.json", help="where the figures go")
    parser.add_argument("--record", action="store_true", help="write them into RESULTS.md")
    options = parser.parse_args()
    measures = chosen(options.only)
    folder = Path(tempfile.mkdtemp(prefix="lakehouse-bench-"))
    try:
        peer = Peer(options.peer_python, folder / "peer") if options.peer_python else None
        bench = Bench(
            folder,
            peer,
            quick=options.quick,
            pandera=options.pandera_python,
            before=options.before,
        )
        lines = measure(bench, measures)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    machine = report.machine({**(peer.versions if peer else {}), **bench.versions})
    Path(options.json).write_text(
        json.dumps(
            {"machine": machine, "lines": [{**asdict(x), "ok": x.ok} for x in lines]}, indent=1
        )
    )
    report.show(lines)
    if options.record:
        report.record(lines, machine, only=options.only, quick=options.quick)
    if any(math.isnan(line.ours) for line in lines):
        raise SystemExit("Some measures failed.")


if __name__ == "__main__":
    main()

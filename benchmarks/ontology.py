"""Ontologies: parsing beside bare pronto, kept Parquet, and the table for a registry.

    python -m benchmarks.ontology [PATH ...]

The file is the Gene Ontology inside the package `psims`, where that is installed; else name one,
here or in `LAKEHOUSE_BENCH_ONTOLOGY`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import ROOT, Bench, Line, median
from lakehouse.ontology import closure, read, registry_rows

INSIDE_PSIMS = Path("controlled_vocabulary/vendor/go.obo.gz")

BARE = """
import pronto, warnings
warnings.simplefilter("ignore")
len(pronto.Ontology(path, import_depth=0, threads=os.cpu_count()).terms())
"""
OURS = """
from lakehouse.ontology import read
read(path, keep=False)
"""
# Arrow's first array imports pandas where that is installed: no part of either side's work
WARM = "import lakehouse.ontology.reading.pronto, pyarrow; pyarrow.array(['x'])"
MEASURED = """
import json, os, sys, time
{imports}
path = sys.argv[1]
start, cpu = time.perf_counter(), time.process_time()
{code}
wall, cpu = time.perf_counter() - start, time.process_time() - cpu
# ru_maxrss would start with what the parent process has
high = next(x for x in open("/proc/self/status") if x.startswith("VmHWM"))
peak = int(high.split()[1]) / 1024
print(json.dumps([wall, cpu, peak]))
"""


def gene_ontology() -> Path | None:
    """The file to measure with, or None."""
    given = os.environ.get("LAKEHOUSE_BENCH_ONTOLOGY")
    if given:
        return Path(given)
    found = importlib.util.find_spec("psims")
    for place in (found.submodule_search_locations or ()) if found else ():
        if (Path(place) / INSIDE_PSIMS).is_file():
            return Path(place) / INSIDE_PSIMS
    return None


def _apart(code: str, imports: str, path: Path) -> list[float]:
    """Wall seconds, CPU seconds and peak megabytes of code in a process of its own."""
    script = MEASURED.format(imports=imports, code=code)
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    figures: list[float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def parse(bench: Bench) -> Iterator[Line]:
    """From the file to tables, beside `pronto.Ontology` alone; the two take turns."""
    path = gene_ontology()
    if path is None:
        print("  no ontology to measure with: pip install psims", file=sys.stderr)
        return
    bare, ours = [], []
    for _ in range(bench.size(3, 1)):
        bare.append(_apart(BARE, "import pronto", path))
        ours.append(_apart(OURS, WARM, path))
    wall, cpu, peak = (statistics.median(column) for column in zip(*ours, strict=True))
    bare_wall, bare_cpu, bare_peak = (statistics.median(c) for c in zip(*bare, strict=True))
    yield Line(
        f"{path.name} to tables",
        wall,
        "s",
        "≤ 1.3x bare pronto.Ontology",
        1.3 * bare_wall,
        bare_wall,
        "bare pronto.Ontology",
        note=f"CPU {cpu:.1f} against {bare_cpu:.1f} s, peak {peak:.0f} against {bare_peak:.0f} MB",
    )


def kept(bench: Bench) -> Iterator[Line]:
    """The same tables from kept Parquet, hashing the file included."""
    path = gene_ontology()
    if path is None:
        return
    folder = bench.fresh("kept")
    read(path, keep=folder)
    seconds = median(lambda: read(path, keep=folder), bench.size(9, 3))
    yield Line(f"{path.name} from kept Parquet", seconds, "s", "≤ 0.3 s", 0.3)


def rows(bench: Bench) -> Iterator[Line]:
    """Three thousand terms as the table that a registry is filled from, and their closure."""
    blocks = (
        f'[Term]\nid: T:{i:07}\nname: term {i}\nsynonym: "t{i}" EXACT []\n'
        f'synonym: "term no {i}" RELATED []\n' + (f"is_a: T:{i // 2:07}\n" if i else "")
        for i in range(3000)
    )
    text = "format-version: 1.4\nontology: t\n\n" + "\n".join(blocks)
    onto = read(text.encode(), keep=False)
    table = median(lambda: registry_rows(onto), bench.size(15, 3))
    yield Line("3k terms to registry rows", table * 1e3, "ms", "≤ 50 ms", 50.0)
    path = gene_ontology()
    if path is not None:
        parents = read(path, keep=bench.fresh("closure")).parents
        start = time.perf_counter()
        found = closure(parents)
        seconds = time.perf_counter() - start
        note = f"{found.num_rows:,} pairs"
        yield Line(f"closure of {path.name}", seconds, "s", "nothing promised", None, note=note)


MEASURES = {"parse": parse, "kept": kept, "rows": rows}


def main() -> None:
    """Measure with the files named on the command line, or the one that is found."""
    for path in sys.argv[1:] or [""]:
        if path:
            os.environ["LAKEHOUSE_BENCH_ONTOLOGY"] = str(Path(path).resolve())
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder))
            for measure in MEASURES.values():
                for line in measure(bench):
                    peer = f" ({line.peer_name} {line.peer:.2f})" if line.peer else ""
                    print(
                        f"{line.name}: {line.ours:.3g} {line.unit}{peer}; {line.reach}; {line.note}"
                    )


if __name__ == "__main__":
    main()

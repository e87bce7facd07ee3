"""Curating AnnData: tiny ones, many cells, many genes, and files larger than what is read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import Bench, Line, environment, median, public_lake

_GENES = 78_000
_LIMIT = 120  # seconds after which the peer is no longer waited for


def _schema(count: int) -> tuple[Any, list[str]]:
    """A schema of cell types and gene ids, over a registry of `count` genes."""
    import lakehouse as ln
    from lakehouse import bionty as bt

    human = bt.Organism(name="human").save()
    ids = [f"ENSG{i:011}" for i in range(count)]
    ln.save([bt.Gene(symbol=f"G{i}", ensembl_gene_id=g, organism=human) for i, g in enumerate(ids)])
    for name in ("B cell", "T cell"):
        bt.CellType(name=name).save()
    obs = ln.Schema([ln.Feature(name="cell_type", dtype=bt.CellType).save()]).save()
    genes = ln.Schema(itype=bt.Gene.ensembl_gene_id, maximal_set=True).save()
    return ln.Schema(slots={"obs": obs, "var.T": genes}, otype="AnnData").save(), ids


def _cells(cells: int, genes: list[str]) -> Any:
    import anndata
    import numpy as np
    import pandas as pd

    kinds = pd.Categorical.from_codes(np.arange(cells) % 2, ["B cell", "T cell"])
    return anndata.AnnData(
        np.zeros((cells, len(genes)), dtype="float32"),
        obs=pd.DataFrame({"cell_type": kinds}, index=[str(i) for i in range(cells)]),
        var=pd.DataFrame(index=genes),
    )


def slots(bench: Bench) -> Iterator[Line]:
    """Validation of `obs` and gene ids; the registry holds all human genes."""
    import lakehouse as ln

    curator = ln.curators.AnnDataCurator
    known = bench.size(_GENES, 2_000)
    many, wide = bench.size(100_000, 2_000), bench.size(60_000, 2_000)
    sizes = ((3, 3), (many, 2_000), (3, wide))
    peer = bench.ask("curate", genes=known, sizes=sizes, limit=_LIMIT)
    reaches = (("≤ 0.1 s", 0.1), ("≤ lamindb's 0.17 s", 0.17), ("≤ 0.2 s", 0.2))
    with public_lake(bench):
        schema, ids = _schema(known)
        for (cells, genes), (reach, limit) in zip(sizes, reaches, strict=True):
            adata = _cells(cells, ids[:genes])
            taken = median(lambda a=adata: curator(a, schema).validate(), 5)
            rival, note = peer.get(f"{cells}x{genes}"), ""
            if f"{cells}x{genes}" in peer and rival is None:
                rival, note = float(_LIMIT), f"lamindb was given up after {_LIMIT} s"
            name = f"curate an AnnData of {cells:,} cells x {genes:,} genes, {known:,} known"
            yield Line(name, taken, "s", reach, limit, rival, "lamindb", note=note)


def backed(bench: Bench) -> Iterator[Line]:
    """`obs` of a file with very many cells, read from the file."""
    import anndata
    import numpy as np
    import pandas as pd

    import lakehouse as ln
    from lakehouse import bionty as bt

    cells = bench.size(5_000_000, 50_000)
    draw = np.random.default_rng(0)
    columns: dict[str, Any] = {
        "cell_type": pd.Categorical.from_codes(draw.integers(0, 2, cells), ["B cell", "T cell"])
    }
    words = [f"v{i}" for i in range(50)]
    for i in range(5):
        columns[f"c{i}"] = pd.Categorical.from_codes(draw.integers(0, 50, cells), words)
    for i in range(4):
        columns[f"n{i}"] = draw.random(cells)
    path = bench.fresh("backed") / "cells.h5ad"
    obs = pd.DataFrame(columns, index=pd.RangeIndex(cells).astype(str))
    anndata.AnnData(obs=obs).write_h5ad(path)
    with public_lake(bench):
        for name in ("B cell", "T cell"):
            bt.CellType(name=name).save()
        features = [ln.Feature(name="cell_type", dtype=bt.CellType)]
        features += [ln.Feature(name=f"c{i}", dtype=str) for i in range(5)]
        features += [ln.Feature(name=f"n{i}", dtype=float, nullable=False) for i in range(4)]
        obs_schema = ln.Schema([feature.save() for feature in features]).save()
        schema = ln.Schema(slots={"obs": obs_schema}, otype="AnnData", name="cells").save()
        taken = median(lambda: ln.curators.AnnDataCurator(path, schema).validate(), 3)
        yield Line(f"curate obs of {cells:,} cells x 10 in a file", taken, "s", "≤ 5 s", 5.0)
        peak = _peak(path)
    yield Line("  its peak memory, all of the process", peak, "MB", "≤ 1.5 GB", 1_500.0)


def _peak(path: Path) -> float:
    """The highest memory of a process that connects to the lake and validates the file, in MB."""
    code = (
        "import sys, pathlib, lakehouse as ln;"
        "schema = ln.Schema.get(name='cells');"
        "ln.curators.AnnDataCurator(sys.argv[1], schema).validate();"
        # ru_maxrss begins with what the parent has, VmHWM with nothing
        "lines = pathlib.Path('/proc/self/status').read_text().splitlines();"
        "print(next(int(x.split()[1]) for x in lines if x.startswith('VmHWM')) * 1.024e-3)"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-2000:])
    return float(done.stdout.splitlines()[-1])


MEASURES = {"slots": slots, "backed": backed}

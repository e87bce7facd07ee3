"""Stock pyiceberg on the same machine: a SQL catalog and one-row appends."""

from __future__ import annotations

import statistics
from pathlib import Path

from benchmarks import tables
from benchmarks.harness import timed


def one_row_append(folder: Path, times: int) -> float:
    """The median seconds of `Table.append` with one row."""
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog(
        "stock", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}"
    )
    catalog.create_namespace("bench")
    rows = [tables.SPEC.encode_rows([tables.label(f"label {i}")]) for i in range(times + 1)]
    table = catalog.create_table("bench.label", rows[0].schema)
    table.append(rows[0])
    return statistics.median(timed(lambda r=row: table.append(r)) for row in rows[1:])

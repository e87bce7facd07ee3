"""Three thousand ontology terms into a registry, with their hierarchy, in one commit."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.harness import Bench, Line, public_lake, timed


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
    yield Line(
        f"{count:,} terms into a registry with their hierarchy",
        statistics.median(found["import"]),
        "s",
        "≤ 0.3 s",
        0.3,
        note=f"from kept tables; reading the file the first time took {read_s:.2f} s more",
    )


MEASURES = {"terms": terms}

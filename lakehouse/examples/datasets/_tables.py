"""Tables: flowers, a screen, titles of notebooks."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from lakehouse._lazy import require

# Name, and mean and spread in cm of sepal length and width, petal length and width.
_SPECIES = (
    ("setosa", ((5.0, 0.35), (3.4, 0.38), (1.5, 0.17), (0.2, 0.1))),
    ("versicolor", ((5.9, 0.5), (2.8, 0.3), (4.3, 0.47), (1.3, 0.2))),
    ("virginica", ((6.6, 0.6), (3.0, 0.32), (5.5, 0.55), (2.0, 0.27))),
)
_LENGTHS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
_PER_SPECIES = 50


def df_iris() -> Any:
    """150 made-up irises of three species: four lengths in cm and the species' number.

    Shape and statistics are those of the well-known collection; the flowers are drawn from
    normal distributions.

    Example:
        >>> df_iris().shape
        (150, 5)
    """
    pd = require("pandas", "make an example table")
    draw = random.Random(1936)
    columns: dict[str, list[Any]] = {name: [] for name in _LENGTHS}
    target = []
    for number, (_, lengths) in enumerate(_SPECIES):
        for _ in range(_PER_SPECIES):
            for name, (mean, spread) in zip(_LENGTHS, lengths, strict=True):
                columns[name].append(max(0.1, round(draw.gauss(mean, spread), 1)))
            target.append(number)
    return pd.DataFrame(columns | {"target": target})


def df_iris_in_meter() -> Any:
    """The same flowers in meters, with the species' name instead of its number."""
    frame = df_iris()
    names = {name: name.removesuffix(" (cm)").replace(" ", "_") for name in _LENGTHS}
    frame = frame.rename(columns=names)
    frame[list(names.values())] /= 100
    frame["iris_organism_name"] = [_SPECIES[i][0] for i in frame.pop("target")]
    return frame


def df_iris_in_meter_study1() -> Any:
    """The first half of the flowers in meters: setosa and versicolor."""
    return df_iris_in_meter().iloc[:75]


def df_iris_in_meter_study2() -> Any:
    """The second half of the flowers in meters: versicolor and virginica."""
    return df_iris_in_meter().iloc[75:]


def schmidt22_crispra_gws_IFNG(basedir: str | Path = ".") -> Path:  # noqa: N802 - the peer's name
    """Write a table of 200 made-up hits of a CRISPR activation screen for interferon gamma.

    Args:
        basedir: Where the file goes.
    """
    draw = random.Random(22)
    head = "id,num,neg|score,neg|p-value,neg|fdr,neg|lfc,pos|score,pos|p-value,pos|fdr,pos|lfc"
    lines = [head]
    for i in range(200):
        lfc = round(draw.gauss(0, 0.8), 4)
        down, up = round(draw.random(), 6), round(draw.random(), 6)
        lines.append(
            f"GENE{i:03d},6,{down},{down},{min(1, down * 2):.6f},{lfc},"
            f"{up},{up},{min(1, up * 2):.6f},{lfc}"
        )
    path = Path(basedir) / "schmidt22-crispra-gws-IFNG.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


_STARTS = ("Cluster", "Study", "Rank", "Visualize", "Classify", "Compare", "Annotate", "Explore")
_CELLS = ("CD8 T cells", "B cells", "monocytes", "microglia", "hepatocytes", "IgG plasma cells")
_ENDS = (
    "in the spleen of aged mice",
    "from patients with Alzheimer disease",
    "after interferon stimulation",
    "across twelve donors",
    "in the developing thymus",
    "under hypoxia",
)


def fake_bio_notebook_titles(n: int = 100) -> list[str]:
    """Titles that notebooks of a biology lab might have; the same ones at every call.

    Args:
        n: How many.

    Example:
        >>> len(fake_bio_notebook_titles(3))
        3
    """
    draw = random.Random(7)
    parts = (_STARTS, _CELLS, _ENDS)
    return [" ".join(draw.choice(part) for part in parts) + "." for _ in range(n)]

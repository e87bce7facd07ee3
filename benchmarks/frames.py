"""The frames that validation is measured on, made alike in every environment.

Whichever library validates runs in an interpreter of its own, so this imports neither ours
nor the peers' at the top, and only numpy and pandas below.
"""

from __future__ import annotations

LABELS = {
    "cell_type": [f"cell type {i}" for i in range(100)],
    "tissue": [f"tissue {i}" for i in range(40)],
    "donor": [f"donor {i}" for i in range(500)],
}
STAGES = ["adult", "child", "fetal"]
PATTERN = r"^S\d{6}$"

# column → dtype, in our words; the peers' come from these
PLAIN = {
    "cell_type": "cat[ULabel]",
    "tissue": "cat[ULabel]",
    "n_counts": "int",
    "n_genes": "int",
    "pct_mito": "float",
    "score": "float",
    "is_doublet": "bool",
    "batch": "int",
}
MIXED = {
    "cell_type": "cat[ULabel]",
    "donor": "cat[ULabel]",
    "sample": "str",
    "stage": "str",
    "n_counts": "int",
    "pct_mito": "float",
    "collected": "datetime",
    "is_doublet": "bool",
}
CONDITIONS = {
    "sample": {"pattern": PATTERN},
    "stage": {"enum": STAGES},
    "n_counts": {"ge": 0, "lt": 10_000},
    "pct_mito": {"ge": 0.0, "le": 1.0},
}
FRAMES = ("plain", "mixed", "mixed, 1% bad")


def make_frame(rows: int, kind: str = "plain"):
    """A frame of eight columns.

    Args:
        rows: Its length.
        kind: `plain` has categoricals, numbers and booleans; `mixed` also text, text that is
            categorical, and moments; `mixed, 1% bad` has 1% of wrong values in every column.
    """
    import numpy as np

    draw = np.random.default_rng(0)
    if kind == "plain":
        return _plain(rows, draw)
    frame = _mixed(rows, draw)
    return frame if kind == "mixed" else _spoilt(frame, draw)


def _categorical(terms, rows, draw):
    import pandas as pd

    return pd.Categorical.from_codes(draw.integers(0, len(terms), rows, dtype="int8"), terms)


def _plain(rows, draw):
    import pandas as pd

    return pd.DataFrame(
        {
            "cell_type": _categorical(LABELS["cell_type"], rows, draw),
            "tissue": _categorical(LABELS["tissue"], rows, draw),
            "n_counts": draw.integers(0, 10_000, rows),
            "n_genes": draw.integers(0, 5_000, rows),
            "pct_mito": draw.random(rows),
            "score": draw.normal(size=rows),
            "is_doublet": draw.random(rows) < 0.1,
            "batch": draw.integers(0, 8, rows),
        }
    )


def _mixed(rows, draw):
    import numpy as np
    import pandas as pd

    names = np.array([f"S{i:06}" for i in range(100_000)], dtype=object)
    moments = np.datetime64("2020-01-01", "ns") + draw.integers(0, 10**9, rows) * 10**8
    return pd.DataFrame(
        {
            "cell_type": _categorical(LABELS["cell_type"], rows, draw),
            "donor": np.array(LABELS["donor"], dtype=object)[draw.integers(0, 500, rows)],
            "sample": names[draw.integers(0, len(names), rows)],
            "stage": np.array(STAGES, dtype=object)[draw.integers(0, 3, rows)],
            "n_counts": draw.integers(0, 10_000, rows),
            "pct_mito": draw.random(rows),
            "collected": moments,
            "is_doublet": draw.random(rows) < 0.1,
        }
    )


def _spoilt(frame, draw):
    """The frame with other rows wrong in each column: 1% of them each.

    Categories are unknown or misspelt, texts don't match, numbers are out of range, and
    moments and booleans are missing. Wrong numbers and texts are nearly all different.
    """
    import numpy as np
    import pandas as pd

    rows = len(frame)
    bad = {name: np.flatnonzero(draw.random(rows) < 0.01) for name in frame.columns}
    terms = LABELS["cell_type"][:-5] + [f"cel type {i}" for i in range(5)]
    codes = draw.integers(0, 95, rows, dtype="int8")
    codes[bad["cell_type"]] = draw.integers(95, 100, len(bad["cell_type"]), dtype="int8")
    frame["cell_type"] = pd.Categorical.from_codes(codes, terms)
    misspelt = np.array([f"doner {i}" for i in range(500)], dtype=object)
    wrong = {
        "donor": misspelt[draw.integers(0, 500, len(bad["donor"]))],
        "sample": np.array([f"sample {row}" for row in bad["sample"]], dtype=object),
        "stage": np.array(["Adult", "embryo"], dtype=object)[bad["stage"] % 2],
        "n_counts": -1 - draw.integers(0, 10**6, len(bad["n_counts"])),
        "pct_mito": 1 + draw.random(len(bad["pct_mito"])),
        "collected": np.datetime64("NaT"),
        "is_doublet": pd.NA,
    }
    for name, values in wrong.items():
        column = frame[name].to_numpy().copy()
        if name == "is_doublet":
            column = pd.array(column, "boolean")
        column[bad[name]] = values
        frame[name] = column
    return frame

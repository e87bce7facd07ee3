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
RANGES = {  # of the plain frame
    "n_counts": {"ge": 0},
    "n_genes": {"ge": 0, "lt": 5_000},
    "score": {"ge": -10.0, "le": 10.0},
    "batch": {"enum": list(range(8))},
}
CONDITIONS = {
    "sample": {"pattern": PATTERN},
    "stage": {"enum": STAGES},
    "n_counts": {"ge": 0, "lt": 10_000},
    "pct_mito": {"ge": 0.0, "le": 1.0},
}
FRAMES = ("plain", "plain, 1% bad", "mixed", "mixed, 1% bad")


def dtypes_of(kind: str) -> dict[str, str]:
    """The dtype of each column of a frame."""
    return PLAIN if kind.startswith("plain") else MIXED


def conditions_of(kind: str) -> dict[str, dict]:
    """What else a frame's columns must fulfil; nothing for the plain frame that is valid."""
    return {"plain": {}, "plain, 1% bad": RANGES}.get(kind, CONDITIONS)


def make_frame(rows: int, kind: str = "plain"):
    """A frame of eight columns.

    Args:
        rows: Its length.
        kind: `plain` has categoricals, numbers and booleans; `mixed` also text, text that is
            categorical, and moments. With `, 1% bad`, 1% of the values are wrong in every column.
    """
    import numpy as np

    draw = np.random.default_rng(0)
    frame = _plain(rows, draw) if kind.startswith("plain") else _mixed(rows, draw)
    if kind.endswith("bad"):
        spoil = _spoilt_plain if kind.startswith("plain") else _spoilt_mixed
        frame = spoil(frame, draw, _chosen(frame, draw))
    return frame


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


def _chosen(frame, draw):
    """One row in a hundred, others in each column."""
    import numpy as np

    return {name: np.flatnonzero(draw.random(len(frame)) < 0.01) for name in frame.columns}


def _misspelt_terms(rows, draw, bad):
    import pandas as pd

    terms = LABELS["cell_type"][:-5] + [f"cel type {i}" for i in range(5)]
    codes = draw.integers(0, 95, rows, dtype="int8")
    codes[bad] = draw.integers(95, 100, len(bad), dtype="int8")
    return pd.Categorical.from_codes(codes, terms)


def _spoilt_plain(frame, draw, bad):
    """Categories are misspelt, values of every type are missing, numbers are out of range."""
    import numpy as np
    import pandas as pd

    frame["cell_type"] = _misspelt_terms(len(frame), draw, bad["cell_type"])
    codes = frame["tissue"].cat.codes.to_numpy().copy()
    codes[bad["tissue"]] = -1
    frame["tissue"] = pd.Categorical.from_codes(codes, LABELS["tissue"])
    wrong = {
        "n_counts": pd.NA,
        "n_genes": 5_000 + draw.integers(0, 10**6, len(bad["n_genes"])),
        "pct_mito": np.nan,
        "score": 10 + draw.random(len(bad["score"])),
        "is_doublet": pd.NA,
        "batch": 99,
    }
    nullable = {"n_counts": "Int64", "is_doublet": "boolean"}
    for name, values in wrong.items():
        column = frame[name].to_numpy().copy()
        if name in nullable:
            column = pd.array(column, nullable[name])
        column[bad[name]] = values
        frame[name] = column
    return frame


def _spoilt_mixed(frame, draw, bad):
    """Categories and texts are misspelt, numbers are out of range, others are missing.

    Wrong numbers and texts are nearly all different.
    """
    import numpy as np
    import pandas as pd

    frame["cell_type"] = _misspelt_terms(len(frame), draw, bad["cell_type"])
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

"""Each kind of dataset passes the contract of slots."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from lakehouse.examples.datasets._spatial import without_pulling
from lakehouse.testing import SlotsContract
from tests.optional import installed_or_skip


def cells(prefix: str = "") -> ad.AnnData:
    obs = {"cell_type": ["B cell", "T cell"], "n": [1, 2]}
    return ad.AnnData(
        np.ones((2, 3), "float32"),
        obs=pd.DataFrame(obs, index=["a", "b"]),
        var=pd.DataFrame({"symbol": list("xyz")}, index=[f"{prefix}g{i}" for i in range(3)]),
        uns={"study": {"temperature": 21.6}},
    )


class TestPandas(SlotsContract):
    otype = "DataFrame"
    slots = {"columns": "table", "attrs": "values", "attrs:study": "values"}

    def example(self):
        frame = pd.DataFrame({"a": ["x", "y"], "b": [1, 2]})
        frame.attrs["study"] = {"temperature": 21.6}
        return frame


class TestPolars(SlotsContract):
    otype = "DataFrame"
    slots = {"columns": "table"}

    def example(self):
        return pl.DataFrame({"a": ["x", "y"], "b": [1, 2]})


class TestArrow(SlotsContract):
    otype = "DataFrame"
    slots = {"columns": "table"}

    def example(self):
        return pa.table({"a": ["x", "y"], "b": [1, 2]})


class TestAnnData(SlotsContract):
    otype = "AnnData"
    slots = {
        "obs": "table",
        "var": "table",
        "var.T": "names",
        "uns": "values",
        "uns:study": "values",
    }

    def example(self):
        return cells()


class TestMuData(SlotsContract):
    otype = "MuData"
    slots = {"obs": "table", "rna:obs": "table", "rna:var.T": "names", "rna:uns:study": "values"}

    def example(self):
        mudata = installed_or_skip("mudata")
        with without_pulling(mudata):
            made = mudata.MuData({"rna": cells("r"), "adt": cells("p")})
        made.obs["dose"] = [1.0, 2.0]
        return made

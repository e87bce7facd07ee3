"""Objects of optional packages are recognized by their class, wherever it says it is defined."""

from __future__ import annotations

import ast
import sys
import types
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import polars as pl
import pytest

import lakehouse
from lakehouse._lazy import is_a, is_one, is_type
from lakehouse.curation.data.chunks import is_missing
from lakehouse.curation.data.sources import as_arrow
from lakehouse.curation.slots import otype_of
from lakehouse.formats import format_of
from lakehouse.schema import parse_dtype

PLACES = ("pandas", "pandas.core.frame", "anndata._core.anndata", "elsewhere", "")


@pytest.fixture(params=PLACES)
def place(request, monkeypatch):
    """The classes say that they are defined in another module, as they do between versions."""
    for cls in (pd.DataFrame, pl.DataFrame, pl.LazyFrame, ad.AnnData):
        monkeypatch.setattr(cls, "__module__", request.param)
    return request.param


def frames():
    class Own(pd.DataFrame):
        @property
        def _constructor(self):
            return Own

    class OwnPolars(pl.DataFrame):
        pass

    plain = {"a": [1, 2], "b": ["x", None]}
    return [pd.DataFrame(plain), Own(plain), pl.DataFrame(plain), OwnPolars(plain)]


def annotated():
    class Own(ad.AnnData):
        pass

    return [cls(np.ones((2, 1), "float32")) for cls in (ad.AnnData, Own)]


def test_tables_are_known(place, tmp_path):
    expected = {"a": [1, 2], "b": ["x", None]}
    for number, frame in enumerate([*frames(), pl.LazyFrame(expected)]):
        adapter = format_of(frame)
        assert adapter is not None, type(frame)
        assert adapter.name == "parquet"
        assert otype_of(frame) == "DataFrame"
        assert as_arrow(frame).select(["a", "b"]).to_pydict() == expected
        adapter.write(frame, tmp_path / f"{number}.parquet")
        read = adapter.load(tmp_path / f"{number}.parquet")
        assert list(read.columns) == ["a", "b"]


def test_annotated_are_known(place, tmp_path):
    for number, adata in enumerate(annotated()):
        assert otype_of(adata) == "AnnData"
        adapter = format_of(adata)
        assert adapter is not None
        adapter.write(adata, tmp_path / f"{number}.h5ad")
        assert adapter.load(tmp_path / f"{number}.h5ad").n_obs == 2


def test_others_are_not(place):
    class DataFrame:
        """A class of the same name."""

    DataFrame.__module__ = "pandas"
    fake = types.SimpleNamespace(columns=["a"], obs=None, var=None)
    for other in (DataFrame(), fake, pd.Series([1]), pd.DataFrame, 3, None):
        assert format_of(other) is None
        assert otype_of(other) is None


def test_nothing_is_imported():
    before = set(sys.modules)
    assert not is_a(3, "lib2to3_is_gone.Thing", "wsgiref.simple_server.WSGIServer", "pandas.Nope")
    assert not is_one(None, "no_such_module.Nothing")
    assert not is_type(int, "no_such_module.Kind")
    assert set(sys.modules) == before


def test_a_part_that_cannot_be_loaded(monkeypatch):
    module = types.ModuleType("breaks_on_demand")

    def __getattr__(name):
        raise ImportError(name)

    module.__getattr__ = __getattr__
    monkeypatch.setitem(sys.modules, "breaks_on_demand", module)
    assert not is_a(3, "breaks_on_demand.Thing")


def test_what_is_missing():
    for value in (None, pd.NA, pd.NaT, np.nan, float("nan"), np.datetime64("NaT", "s")):
        assert is_missing(value), value

    class NAType:
        """A class of the same name as pandas' own."""

    for value in ("", 0, False, np.bool_(False), NAType(), pd.Timestamp(0), "NaN"):
        assert not is_missing(value), value


def test_dtypes():
    assert parse_dtype(np.int8).kind == "int"
    assert parse_dtype(np.float32).kind == "float"
    assert parse_dtype(np.bool_).kind == "bool"
    assert parse_dtype(np.dtype("datetime64[s]")).kind == "datetime"
    assert parse_dtype(pd.Int64Dtype()).kind == "int"
    assert parse_dtype(pd.StringDtype()).kind == "str"
    assert parse_dtype(pd.DataFrame({"a": ["x"]}).dtypes["a"]).kind == "str"
    assert parse_dtype(pd.DatetimeTZDtype("us", "UTC")).utc


@pytest.mark.slow
def test_no_object_is_known_by_the_name_of_its_module():
    """`__module__` and class names are for messages and for classes of our own."""
    allowed = {"__module__", "__name__", "__qualname__"}
    found = []
    for path in Path(lakehouse.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Compare | ast.Call):
                continue
            parts = [node.func] if isinstance(node, ast.Call) else [node.left, *node.comparators]
            for part in parts:
                if isinstance(part, ast.Attribute) and part.attr in ("startswith", "partition"):
                    part = part.value
                if isinstance(part, ast.Attribute) and part.attr in allowed:
                    of = part.value
                    if isinstance(of, ast.Call) and getattr(of.func, "id", "") == "type":
                        found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    # pyo3's exception, whose class no module has
    assert [line for line in found if "PanicException" not in line] == []

"""Choosing a format, and what loading one costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from lakehouse.formats import format_for, format_in, format_of, suffix_of
from lakehouse.testing._formats import frame


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        *(("a.csv", ".csv"), ("a.b.csv", ".csv"), ("a.CSV", ".CSV"), ("x/y.z/file", "")),
        *(("a.fastq.gz", ".fastq.gz"), ("a.tar.bz2", ".tar.bz2"), ("a.gz", ".gz")),
        *(("v1.2.csv", ".csv"), ("v1.2.gz", ".gz"), ("a.anndata.zarr", ".anndata.zarr")),
        *(("a.b.zarr", ".zarr"), ("a.ome.tif", ".ome.tif"), ("a.spatialdata.zarr/", None)),
        *((".bashrc", ""), ("Makefile", ""), ("", ""), (".hidden.csv", ".csv")),
    ],
)
def test_suffix_of(name: str, suffix: str | None) -> None:
    assert suffix_of(name) == (".spatialdata.zarr" if suffix is None else suffix)
    assert suffix_of(Path(name)) == suffix_of(name)


def test_format_for() -> None:
    found = {name: format_for(name) for name in ("a.parquet", ".parquet", "A.PARQUET", "x/.tsv")}
    assert [fmt and fmt.name for fmt in found.values()] == ["parquet", "parquet", "parquet", "tsv"]
    assert format_for("a.bam") is None
    assert format_for("parquet") is None
    assert format_for("") is None
    assert format_for(Path("a/b.h5ad")) is format_for(".h5ad")


def test_format_of() -> None:
    class Frame(pd.DataFrame):
        pass

    objects = {
        "parquet": [
            *(frame(), Frame({"a": [1]}), pl.DataFrame(), pl.LazyFrame(), pa.table({"a": [1]})),
        ],
        "h5ad": [anndata.AnnData(np.zeros((1, 1)))],
    }
    for name, examples in objects.items():
        for obj in examples:
            found = format_of(obj)
            assert found is not None
            assert found.name == name
    for other in (None, {}, [], "a.csv", np.zeros(3), pd.Series([1])):
        assert format_of(other) is None


def test_format_in(tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "parts", partition_cols=["donor"])
    found = format_in(tmp_path / "parts")
    assert found is not None
    assert found.name == "parquet"
    (tmp_path / "parts" / "_SUCCESS").touch()
    assert format_in(tmp_path / "parts") is found
    (tmp_path / "parts" / "notes.csv").touch()
    assert format_in(tmp_path / "parts") is None
    (tmp_path / "none").mkdir()
    assert format_in(tmp_path / "none") is None


@pytest.mark.slow
def test_nothing_heavy_is_loaded_until_needed(tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "x.parquet")
    code = (
        "import sys, pathlib\n"
        "heavy = ('pyarrow', 'polars', 'pandas', 'h5py', 'anndata', 'zarr')\n"
        "from lakehouse.formats import format_of, suffix_of, format_for\n"
        "suffix_of('a.csv'); format_of({}); format_for('a.json')\n"
        "print([m for m in heavy if m in sys.modules])\n"
        "format_for('.parquet').describe(pathlib.Path(sys.argv[1]))\n"
        "print([m for m in heavy if m in sys.modules])\n"
        "format_for('.h5ad')\n"
        "print([m for m in heavy if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.parquet")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.splitlines() == ["[]", "['pyarrow']", "['pyarrow']"]

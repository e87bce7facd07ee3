"""Datasets that name other files of the machine: refused by whoever reads them, with the name."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

import lakehouse as ln
from lakehouse.errors import UnreadableFile
from lakehouse.formats import format_for
from lakehouse.formats.annotated.matrices import whole
from lakehouse.formats.soma.write import write_anndata
from lakehouse.orm import Lake
from tests.optional import installed_or_skip

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.bin"
    path.write_bytes(b"root:x:0:0" * 10)
    return path


def adata() -> anndata.AnnData:
    obs = pd.DataFrame({"n": [1, 2, 3]}, index=["a", "b", "c"])
    return anndata.AnnData(np.eye(3, dtype="f4"), obs=obs)


def external_link(root: h5py.Group, secret: Path) -> None:
    root["obs/secret"] = h5py.ExternalLink(str(secret), "/x")


def deep_link(root: h5py.Group, secret: Path) -> None:
    root["uns/a/b/c"] = h5py.ExternalLink(str(secret), "/x")


def raw_storage(root: h5py.Group, secret: Path) -> None:
    node = root.create_dataset("obs/raw", (3,), "u1", external=[(str(secret), 0, 3)])
    node.attrs["encoding-type"], node.attrs["encoding-version"] = "array", "0.2.0"
    root["obs"].attrs["column-order"] = np.array(["n", "raw"], object)


def virtual(root: h5py.Group, secret: Path) -> None:
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(str(secret), "x", (3,))
    root["obsm"].create_virtual_dataset("v", layout)


HDF5 = [external_link, deep_link, raw_storage, virtual]


def ways(path: Path):
    """Every public way to read an AnnData."""
    stored = format_for(path)
    yield lambda: stored.describe(path)
    yield lambda: stored.load(path)
    yield lambda: stored.open(path)
    yield lambda: stored.table(path, "obs")
    yield lambda: whole(path).__enter__()
    yield lambda: ln.Artifact(path, key=f"x{path.suffix}").save()


@pytest.mark.parametrize("spoil", HDF5)
def test_hdf5(spoil, secret: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.h5ad"
    adata().write_h5ad(path)
    with h5py.File(path, "r+") as root:
        spoil(root, secret)
    with Lake.create(str(tmp_path / "lake")):
        for read in ways(path):
            with pytest.raises(UnreadableFile, match="leads out of itself") as caught:
                read()
            assert "secret" in str(caught.value)
        assert ln.Artifact.filter().count() == 0


def test_hdf5_of_several_modalities(secret: Path, tmp_path: Path) -> None:
    import mudata

    path = tmp_path / "a.h5mu"
    mudata.MuData({"rna": adata()}).write(path)
    with h5py.File(path, "r+") as root:
        root["mod/rna/uns/secret"] = h5py.ExternalLink(str(secret), "/x")
    stored = format_for(path)
    for read in (stored.describe, stored.load, stored.open, lambda p: stored.table(p, "rna:obs")):
        with pytest.raises(UnreadableFile, match="external link 'mod/rna/uns/secret'"):
            read(path)


def test_links_within_a_file_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "a.h5ad"
    adata().write_h5ad(path)
    with h5py.File(path, "r+") as root:
        root["uns/soft"] = h5py.SoftLink("/obs/n")
        root["uns/hard"] = root["obs/n"]
        layout = h5py.VirtualLayout((3,), "i8")
        layout[:] = h5py.VirtualSource(".", "obs/n", (3,))
        root["obsm"].create_virtual_dataset("v", layout)
        root["obsm/v"].attrs["encoding-type"] = "array"
        root["obsm/v"].attrs["encoding-version"] = "0.2.0"
    assert format_for(path).table(path, "obs", ["n"])["n"].to_pylist() == [1, 2, 3]


def zarr_store(tmp_path: Path) -> Path:
    path = tmp_path / "a.zarr"
    adata().write_zarr(path)
    return path


def test_zarr_with_links(secret: Path, tmp_path: Path) -> None:
    path = zarr_store(tmp_path)
    chunk = next(p for p in (path / "X").rglob("*") if p.is_file() and p.name.startswith("0"))
    chunk.unlink()
    chunk.symlink_to(secret)
    with Lake.create(str(tmp_path / "lake")):
        for read in ways(path):
            with pytest.raises(UnreadableFile, match="symbolic link"):
                read()
    chunk.unlink()
    (path / "elsewhere").symlink_to(tmp_path)  # a folder
    with pytest.raises(UnreadableFile, match="symbolic link 'elsewhere'"):
        format_for(path).describe(path)
    (path / "elsewhere").unlink()
    (path / "same").symlink_to("X")
    format_for(path).describe(path)


class Run:
    """What a pickle would run."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("codec", [[{"id": "pickle"}], [{"id": "pickle"}, {"id": "zlib"}]])
@pytest.mark.parametrize("dtype", ["|O", "<i8"])
def test_zarr_never_unpickles(codec, dtype, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = zarr_store(tmp_path)
    node = path / "uns" / "bad"
    node.mkdir(parents=True)
    meta = {
        "zarr_format": 2,
        "shape": [1],
        "chunks": [1],
        "dtype": dtype,
        "compressor": None,
        "fill_value": 0,
        "order": "C",
        "filters": codec,
    }
    (node / ".zarray").write_text(json.dumps(meta))
    (node / ".zattrs").write_text("{}")
    (node / "0").write_bytes(pickle.dumps(Run()))
    for read in (format_for(path).describe, format_for(path).load, format_for(path).open):
        with pytest.raises(UnreadableFile, match="pickle"):
            read(path)
    assert not Path("ran").exists()


def test_zarr_names_that_lead_out(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.save_array(str(path), np.arange(4), zarr_format=2)
    meta = json.loads((path / ".zarray").read_text())
    for change in ({"dimension_separator": "/../../"}, {"name": "a/../../b"}):
        (path / ".zarray").write_text(json.dumps(meta | change))
        os.utime(path)
        with pytest.raises(UnreadableFile, match="leads out"):
            format_for(path).describe(path)
    (path / ".zarray").write_text(json.dumps(meta))
    (path / ".zmetadata").write_text(
        json.dumps({"zarr_consolidated_format": 1, "metadata": {"../x/.zarray": meta}})
    )
    with pytest.raises(UnreadableFile, match="leads out"):
        format_for(path).load(path)


def test_attributes_may_say_anything(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    made = adata()
    made.uns["path"] = "../raw/cells.pickle"
    made.write_zarr(path)
    node = zarr.open(str(path), mode="r+", use_consolidated=False)
    node.attrs["note"] = {"name": "../up", "id": "pickle"}
    assert format_for(path).describe(path).n_observations == 3


def test_objects_in_files_are_not_unpickled(tmp_path: Path, monkeypatch) -> None:
    """What numpy, pandas and HDF5 keep as pickles stays bytes."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.h5ad"
    adata().write_h5ad(path)
    with h5py.File(path, "r+") as root:
        bad = root.create_dataset("uns/bad", data=np.void(pickle.dumps(Run())))
        bad.attrs["encoding-type"], bad.attrs["encoding-version"] = "bytes", "0.2.0"
    with contextlib.suppress(UnreadableFile):
        format_for(path).load(path)
    schema = pa.schema([pa.field("x", pa.int64())], {b"pandas": pickle.dumps(Run())})
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": [1]}).cast(schema), "t.parquet")
    with contextlib.suppress(UnreadableFile):
        format_for(Path("t.parquet")).load(Path("t.parquet"))
    assert not Path("ran").exists()


def test_soma_members_that_lie_elsewhere(tmp_path: Path) -> None:
    soma = installed_or_skip("tiledbsoma")
    mine, other = str(tmp_path / "mine.tiledbsoma"), str(tmp_path / "other.tiledbsoma")
    for place in (mine, other):
        write_anndata(place, adata(), "RNA")
    assert format_for(Path(mine)).describe(Path(mine)).n_observations == 3
    with (
        soma.Experiment.open(mine, "w") as experiment,
        soma.DataFrame.open(f"{other}/obs") as obs,
    ):
        experiment.ms["RNA"].set("theirs", obs, use_relative_uri=False)
    adapter = format_for(Path(mine))
    with Lake.create(str(tmp_path / "lake")):
        for read in (
            lambda: adapter.describe(Path(mine)),
            lambda: adapter.table(Path(mine), "obs"),
            lambda: adapter.open(Path(mine)),
            lambda: ln.Artifact(mine, key="x.tiledbsoma").save(),
        ):
            with pytest.raises(UnreadableFile, match="ms/RNA/theirs"):
                read()


@pytest.mark.parametrize("linked", ["file", "folder"])
def test_folders_with_links_that_lead_out(tmp_path: Path, linked: str) -> None:
    folder = tmp_path / "parts"
    (folder / "sub").mkdir(parents=True)
    pq.write_table(pa.table({"n": [1]}), folder / "sub/a.parquet")
    (folder / "again.parquet").symlink_to("sub/a.parquet")
    out = folder / "sub" / "b.parquet"
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    pq.write_table(pa.table({"n": [7]}), theirs / "secret.parquet")
    out.symlink_to(theirs / "secret.parquet" if linked == "file" else theirs)
    with Lake.create(str(tmp_path / "lake")):
        for made in (
            lambda: ln.Artifact(folder, key="parts").save(),
            lambda: ln.Artifact.from_dir(folder).save(),
        ):
            with pytest.raises(UnreadableFile, match=r"symbolic link 'sub/b\.parquet'"):
                made()
        assert not ln.Artifact.filter().count()
        out.unlink()
        saved = ln.Artifact(folder, key="parts").save()
        assert saved.n_files == 2


@pytest.mark.parametrize("linked", ["file", "folder"])
@pytest.mark.parametrize("name", ["table.parquet", "table"])
@pytest.mark.parametrize("secret", ["text", "table"])
def test_partitioned_tables_with_links_that_lead_out(
    tmp_path: Path, name: str, linked: str, secret: str
) -> None:
    """The error names the link, not what the file behind it is, which is none of the dataset's."""
    folder = tmp_path / name
    (folder / "x=1").mkdir(parents=True)
    (folder / "x=2").mkdir()
    pq.write_table(pa.table({"n": [1]}), folder / "x=1/a.parquet")
    pq.write_table(pa.table({"n": [2]}), folder / "x=2/a.parquet")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    if secret == "text":
        (theirs / "secret.parquet").write_text("TOPSECRET, and no table")
    else:
        pq.write_table(pa.table({"n": ["TOPSECRET"]}), theirs / "secret.parquet")
    out = folder / "x=2/b.parquet" if linked == "file" else folder / "x=3"
    out.symlink_to(theirs / "secret.parquet" if linked == "file" else theirs)
    expected = re.escape(f"symbolic link {str(out.relative_to(folder))!r}")
    with Lake.create(str(tmp_path / "lake")) as lake:
        schema = lake.Schema(features=[lake.Feature(name="n", dtype=int).save()]).save()
        for read in (
            lambda: ln.Artifact(folder, key=name).save(),
            lambda: ln.Artifact(folder, key=name, schema=schema).save(),
            lambda: ln.Artifact.from_dataframe(folder, key=name).save(),
            lambda: ln.curators.DataFrameCurator(folder, schema).validate(),
            lambda: format_for("x.parquet").table(folder, "columns"),
            lambda: format_for("x.parquet").open(folder),
        ):
            with pytest.raises(UnreadableFile, match=expected) as caught:
                read()
            assert "TOPSECRET" not in str(caught.value)
        out.unlink()
        ln.curators.DataFrameCurator(folder, schema).validate()
        assert ln.Artifact(folder, key=name, schema=schema).save().n_observations == 2


def test_a_partitioned_table_with_a_damaged_file(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    pq.write_table(pa.table({"n": [1]}), folder / "a.parquet")
    (folder / "b.parquet").write_bytes((folder / "a.parquet").read_bytes()[:-9])
    with Lake.create(str(tmp_path / "lake")) as lake:
        schema = lake.Schema(features=[lake.Feature(name="n", dtype=int).save()]).save()
        with pytest.raises(UnreadableFile, match="table"):
            ln.curators.DataFrameCurator(folder, schema).validate()

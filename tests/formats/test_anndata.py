"""AnnData in .h5ad and .zarr, current and old."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse

from lakehouse.errors import InvalidArgument, UnknownField, UnreadableFile
from lakehouse.formats import INDEX
from lakehouse.formats.annotated.h5ad import H5ad
from lakehouse.formats.annotated.zarr import Zarr
from lakehouse.testing import DamageContract, StructuredContract
from lakehouse.testing._formats import N, frame

GENES = 20


def cells() -> anndata.AnnData:
    """An AnnData with a bit of everything."""
    rng = np.random.default_rng(0)
    obs = frame()
    obs["grade"] = pd.Categorical(["low", "high"] * (N // 2), ["low", "high"], ordered=True)
    obs["maybe"] = pd.array([1, None] * (N // 2), dtype="Int64")
    obs["flag"] = pd.array([True, None] * (N // 2), dtype="boolean")
    obs["batch"] = pd.Categorical([1, 2, 3] * (N // 3))
    matrix = scipy.sparse.random(N, GENES, 0.3, format="csr", dtype="f4", random_state=0)
    return anndata.AnnData(
        matrix,
        obs=obs,
        var=pd.DataFrame({"symbol": [f"G{i}" for i in range(GENES)]}, index=genes()),
        uns={
            "title": "study",
            "n": 3,
            "params": {"resolution": 0.5, "names": np.array(["a", "b"])},
            "markers": pd.DataFrame({"gene": ["G1", "G2"]}),
        },
        obsm={"X_pca": rng.random((N, 4)), "X_sparse": matrix[:, :3].copy()},
        layers={"counts": matrix.copy(), "dense": matrix.toarray()},
    )


def genes() -> list[str]:
    return [f"ENSG{i:05}" for i in range(GENES)]


class AnnDataContract(StructuredContract):
    def example(self) -> anndata.AnnData:
        return cells()

    def assert_equal(self, got: Any, expected: Any) -> None:
        expected.strings_to_categoricals()
        for slot in ("obs", "var"):
            pd.testing.assert_frame_equal(getattr(got, slot), getattr(expected, slot))
        np.testing.assert_array_equal(got.X.toarray(), expected.X.toarray())
        np.testing.assert_array_equal(got.layers["dense"], expected.layers["dense"])
        np.testing.assert_array_equal(got.obsm["X_pca"], expected.obsm["X_pca"])
        assert got.uns["title"] == expected.uns["title"]
        assert got.uns["params"]["resolution"] == expected.uns["params"]["resolution"]
        pd.testing.assert_frame_equal(
            got.uns["markers"],
            expected.uns["markers"],
            check_index_type=False,
            check_categorical=False,
            check_dtype=False,
        )

    def test_describe(self, path: Path) -> None:
        description = self.fmt.describe(path)
        assert description.n_observations == N
        assert list(description.components) == ["obs", "var", "uns", "obsm", "layers"]
        obs = description.components["obs"]
        assert (obs.n_rows, obs.index) == (N, ("barcode",))
        text = "dictionary<values=string, indices=int32, ordered="
        assert {field.name: str(field.type) for field in obs.schema} == {
            "cell_type": f"{text}0>",
            "donor": f"{text}0>",
            "count": "int64",
            "score": "double",
            "ok": "bool",
            "grade": f"{text}1>",
            "maybe": "int64",
            "flag": "bool",
            "batch": "dictionary<values=int64, indices=int32, ordered=0>",
        }
        var = description.components["var"]
        assert (var.n_rows, var.index, var.schema.names) == (GENES, (INDEX,), ["symbol"])
        uns = description.components["uns"].schema
        assert str(uns.field("title").type) == "string"
        assert str(uns.field("n").type) == "int64"
        assert (
            str(uns.field("params").type) == "struct<names: list<item: string>, resolution: double>"
        )
        obsm = description.components["obsm"].schema
        assert {field.name: str(field.type) for field in obsm} == {
            "X_pca": "fixed_size_list<item: double>[4]",
            "X_sparse": "fixed_size_list<item: float>[3]",
        }
        layers = description.components["layers"].schema
        assert {field.name: str(field.type) for field in layers} == {
            "counts": "float",
            "dense": "float",
        }

    def test_empty_slots_are_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / f"x{self.suffix}"
        self.fmt.write(anndata.AnnData(obs=frame()[["count"]]), path)
        assert list(self.fmt.describe(path).components) == ["obs"]

    def test_tables_hold_the_values(self, path: Path) -> None:
        adata = cells()
        for slot in ("obs", "var", "uns"):
            stored, memory = self.fmt.table(path, slot), self.fmt.table(adata, slot)
            assert stored.column_names == memory.column_names
            assert stored.to_pylist() == memory.to_pylist()
        for source in (path, adata):
            table = self.fmt.table(source, "obsm", ["X_pca"])
            got = np.array(table.column("X_pca").to_pylist())
            np.testing.assert_array_equal(got, adata.obsm["X_pca"])

    def test_columns_are_chosen(self, path: Path) -> None:
        for source in (path, cells()):
            table = self.fmt.table(source, "obs", ["maybe", INDEX, "barcode", "cell_type"])
            assert table.column_names == ["maybe", INDEX, "barcode", "cell_type"]
            assert table.column(INDEX).to_pylist() == [f"c{i}" for i in range(N)]
            assert table.column("maybe").to_pylist()[:2] == [1, None]
            assert pa.types.is_dictionary(table.schema.field("cell_type").type)
            assert self.fmt.table(source, "var", [INDEX]).column(0).to_pylist() == genes()
            assert self.fmt.table(source, "uns", ["title"]).to_pylist() == [{"title": "study"}]
            with pytest.raises(UnknownField, match="cell_type"):
                self.fmt.table(source, "obs", ["celltype"])
            with pytest.raises(InvalidArgument, match="matrices"):
                self.fmt.table(source, "layers")

    def test_open(self, path: Path) -> None:
        adata = cells()
        with self.fmt.open(path) as backed:
            assert backed.shape == adata.shape
            assert list(backed.obs["count"]) == list(adata.obs["count"])
            np.testing.assert_array_equal(backed.X[:5].toarray(), adata.X[:5].toarray())
            subset = backed[backed.obs["cell_type"] == "T cell"].to_memory()
            np.testing.assert_array_equal(subset.layers["dense"], adata[::3].layers["dense"])
        with pytest.raises(InvalidArgument, match="Several"):
            self.fmt.open([path, path])

    def test_writing_leaves_the_object_as_it_was(self, tmp_path: Path) -> None:
        adata = cells()
        self.fmt.write(adata, tmp_path / f"x{self.suffix}")
        pd.testing.assert_frame_equal(adata.obs, cells().obs)
        pd.testing.assert_frame_equal(adata.var, cells().var)

    def test_what_cannot_be_written_leaves_nothing(self, tmp_path: Path) -> None:
        adata = cells()
        adata.uns["bad"] = object()
        path = tmp_path / f"x{self.suffix}"
        with pytest.raises(ValueError, match="AnnData"):
            self.fmt.write(adata, path)
        assert not path.exists()

    def test_a_view_is_written(self, tmp_path: Path) -> None:
        path = tmp_path / f"x{self.suffix}"
        adata = cells()
        adata.obs["text"] = [f"t{i % 3}" for i in range(N)]  # is stored as a category
        before = adata.obs["text"].dtype
        view = adata[:6]
        self.fmt.write(view, path)
        assert self.fmt.describe(path).n_observations == 6
        assert view.is_view
        assert adata.obs["text"].dtype == before


class TestH5ad(DamageContract, AnnDataContract):
    fmt = H5ad()
    flips = 4  # the HDF5 library itself can take minutes over a damaged header
    suffix = ".h5ad"

    def test_kwargs_reach_the_writer(self, tmp_path: Path) -> None:
        self.fmt.write(cells(), tmp_path / "x.h5ad", compression="gzip")
        with h5py.File(tmp_path / "x.h5ad") as file:
            assert file["X/data"].compression == "gzip"

    def test_another_hdf5_file(self, tmp_path: Path) -> None:
        with h5py.File(tmp_path / "x.h5ad", "w") as file:
            file["measurements"] = [1, 2, 3]
        self.damaged(tmp_path / "x.h5ad")
        with pytest.raises(UnreadableFile, match="measurements"):
            self.fmt.describe(tmp_path / "x.h5ad")

    @pytest.mark.slow
    def test_scanpys_old_file(self) -> None:
        import scanpy

        path = Path(scanpy.__file__).parent / "datasets" / "10x_pbmc68k_reduced.h5ad"
        description = self.fmt.describe(path)
        assert description.n_observations == 700
        obs = description.components["obs"]
        text = "dictionary<values=string, indices=int32, ordered=0>"
        types = {field.name: str(field.type) for field in obs.schema}
        assert types["bulk_labels"] == types["phase"] == types["louvain"] == text
        assert (types["n_genes"], types["percent_mito"]) == ("int64", "float")
        assert "bulk_labels_categories" not in description.components["uns"].schema.names
        loaded = self.fmt.load(path)
        for slot in ("obs", "var"):
            got = self.fmt.table(path, slot, [INDEX, *getattr(loaded, slot).columns])
            want = self.fmt.table(loaded, slot, [INDEX, *getattr(loaded, slot).columns])
            assert got.to_pylist() == want.to_pylist()
        pca = self.fmt.table(path, "obsm", ["X_pca"]).column(0).to_pylist()
        np.testing.assert_array_equal(np.array(pca, "f4"), loaded.obsm["X_pca"])

    def test_categories_by_reference(self, tmp_path: Path) -> None:
        """The layout of anndata 0.7: codes whose attribute refers to `__categories`."""
        path = tmp_path / "old.h5ad"
        self.fmt.write(anndata.AnnData(obs=frame()[["cell_type", "count"]]), path)
        with h5py.File(path, "r+") as file:
            obs = file["obs"]
            codes = obs["cell_type/codes"][...]
            categories = obs["cell_type/categories"][...]
            del obs["cell_type"]
            obs["cell_type"] = codes
            obs["__categories/cell_type"] = categories
            obs.attrs["encoding-version"] = "0.1.0"
            obs["cell_type"].attrs["categories"] = obs["__categories/cell_type"].ref
        schema = self.fmt.describe(path).components["obs"].schema
        assert schema.names == ["cell_type", "count"]
        assert str(schema.field("cell_type").type).startswith("dictionary<values=string")
        values = self.fmt.table(path, "obs", ["cell_type"]).column(0).to_pylist()
        assert values[:3] == ["T cell", "B cell", None]
        assert list(self.fmt.load(path).obs["cell_type"])[:2] == ["T cell", "B cell"]

    def test_matrices_are_never_read(self, path: Path) -> None:
        with h5py.File(path, "r+") as file:
            for name in ("X", "layers/counts", "layers/dense", "obsm/X_pca"):
                node = file[name]
                data = node["data"] if isinstance(node, h5py.Group) else node
                shape, dtype, attrs = data.shape, data.dtype, dict(data.attrs)
                place = data.name
                del file[place]
                # who reads it fails, since its only chunk isn't what gzip writes
                new = file.create_dataset(place, shape, dtype, chunks=shape, compression="gzip")
                new.id.write_direct_chunk((0,) * len(shape), b"damaged")
                new.attrs.update(attrs)
        assert self.fmt.describe(path).n_observations == N
        assert self.fmt.table(path, "obs").num_rows == N
        with h5py.File(path) as file, pytest.raises(OSError, match=r"filter|inflate"):
            file["layers/dense"][...]


class TestZarr(AnnDataContract):
    fmt = Zarr()
    suffix = ".zarr"

    def truncate(self, path: Path) -> None:
        shutil.rmtree(path / "obs")

    def test_other_stores(self, tmp_path: Path) -> None:
        import zarr

        path = tmp_path / "array.zarr"
        zarr.create_array(str(path), data=np.arange(3))
        description = self.fmt.describe(path)
        assert (description.otype, description.components) == (None, {})
        assert list(self.fmt.load(path)[...]) == [0, 1, 2]
        assert list(self.fmt.open(path)[1:]) == [1, 2]
        with pytest.raises(UnreadableFile, match="obs"):
            self.fmt.table(path, "obs")

    @pytest.mark.slow
    def test_both_zarr_formats(self, tmp_path: Path) -> None:
        descriptions = []
        for version in (2, 3):
            path = tmp_path / f"v{version}.zarr"
            with warnings.catch_warnings():  # anndata 0.13 deprecates the setting
                warnings.simplefilter("ignore", DeprecationWarning)
                with anndata.settings.override(zarr_write_format=version):
                    self.fmt.write(cells(), path)
            descriptions.append(self.fmt.describe(path))
            assert self.fmt.table(path, "obs").num_rows == N
        assert descriptions[0] == descriptions[1]

"""Zarr stores: AnnData in full, of others only that they are Zarr."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lakehouse._lazy import require
from lakehouse.errors import UnreadableFile
from lakehouse.formats.annotated.base import (
    DAMAGE,
    Annotated,
    Backed,
    load_failures,
    quiet,
    refusals,
    unchanged,
)
from lakehouse.formats.annotated.elements import encoding
from lakehouse.formats.annotated.spatial import SpatialZarr, is_spatial
from lakehouse.formats.base import Description
from lakehouse.formats.confined import check_folder
from lakehouse.formats.probe import reading, sniff, writing

_MARKS = (".zgroup", ".zarray", "zarr.json")
_SMALL = ("obs", "var", "uns", "obsm", "varm", "obsp", "varp")


class Zarr(Annotated):
    """`.zarr` folders."""

    name = "zarr"
    suffixes = (".zarr", ".anndata.zarr")
    expected = "a Zarr store"

    def describe(self, path: Path) -> Description:
        """See `Format.describe`; a store of anything else has no otype and no slots."""
        with self.group(Path(path)) as root:
            if is_spatial(root):
                return SpatialZarr().describe(Path(path))
            if encoding(root) not in ("anndata", "raw") and "obs" not in root:
                return Description(None, None)
        return super().describe(path)

    @contextmanager
    def group(self, path: Path) -> Iterator[Any]:
        """See `Annotated.group`."""
        if not path.is_dir() or not any((path / mark).is_file() for mark in _MARKS):
            found, _ = sniff(path)
            if found == "a folder":
                found = "an empty folder" if not any(path.iterdir()) else "a folder without Zarr"
            raise UnreadableFile(
                f"The file {str(path)!r} can't be read as {self.expected}.",
                found=found,
                expected=f"a folder with one of {', '.join(_MARKS)}",
                hint="write it with AnnData.write_zarr or zarr.save",
            )
        zarr = require("zarr", "read .zarr stores")
        with reading(path, self.expected, *DAMAGE):
            check_folder(path)
            # metadata consolidated earlier may tell of nodes that are gone
            yield zarr.open(str(path), mode="r", use_consolidated=False)

    def load(self, path: Path, **kwargs: Any) -> Any:
        """An AnnData in memory; kwargs go to `anndata.read_zarr`. Else the Zarr node."""
        path = Path(path)
        otype = self.describe(path).otype
        if otype == SpatialZarr.otype:
            return SpatialZarr().load(path, **kwargs)
        if otype is None:
            return self._node(path, **kwargs)
        anndata = require("anndata", "load .zarr stores")
        with quiet(), reading(path, self.expected, *load_failures(kwargs)):
            return anndata.read_zarr(path, **kwargs)

    def open(self, path: Any, engine: str = "pyarrow", **kwargs: Any) -> Any:
        """See `Format.open`; gives a `Backed` AnnData, or the Zarr node of anything else."""
        if isinstance(path, str | Path):
            otype = self.describe(Path(path)).otype
            if otype == SpatialZarr.otype:
                return SpatialZarr().load(Path(path), **kwargs)
            if otype is None:
                return self._node(Path(path), **kwargs)
        return super().open(path, engine, **kwargs)

    def backed(self, path: Path, **kwargs: Any) -> Backed:
        """See `Annotated.backed`."""
        io = require("anndata", "open .zarr stores").io
        root = self._node(path, **kwargs)
        in_memory = [name for name in _SMALL if name in root]
        parts = {name: io.read_elem(root[name]) for name in in_memory}
        nodes = root.get("layers", {})
        layers = {name: _lazy(io, nodes[name]) for name in nodes}
        anndata = require("anndata", "open .zarr stores")
        x = _lazy(io, root["X"]) if "X" in root else None
        return Backed(anndata.AnnData(X=x, layers=layers, **parts), lambda: None)

    def write(self, obj: Any, path: Path, **kwargs: Any) -> None:
        """See `Format.write`; kwargs go to `AnnData.write_zarr`."""
        self.require_anndata(obj)
        if obj.is_view:  # writing it would warn, and make it a dataset of its own
            obj = obj.copy()
        path = Path(path)
        fresh = not path.exists()
        with writing(path, "AnnData", *refusals()), unchanged(obj):
            try:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "Writing zarr v2 data", UserWarning)
                    warnings.filterwarnings("ignore", "zarr v3 autosharding", UserWarning)
                    warnings.filterwarnings("ignore", "Consolidated metadata is", UserWarning)
                    obj.write_zarr(path, **kwargs)
            except BaseException:
                if fresh:
                    shutil.rmtree(path, ignore_errors=True)
                raise

    def _node(self, path: Path, **kwargs: Any) -> Any:
        return require("zarr", "open .zarr stores").open(str(path), **({"mode": "r"} | kwargs))


def _lazy(io: Any, node: Any) -> Any:
    return io.sparse_dataset(node) if hasattr(node, "keys") else node

"""AnnData in HDF5."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lakehouse._lazy import require
from lakehouse.formats.annotated.base import (
    DAMAGE,
    Annotated,
    Backed,
    load_failures,
    quiet,
    refusals,
    unchanged,
)
from lakehouse.formats.confined import check_hdf5
from lakehouse.formats.probe import reading, starts_with, writing

_MAGIC = b"\x89HDF\r\n\x1a\n"


class H5ad(Annotated):
    """`.h5ad` files."""

    name = "h5ad"
    suffixes = (".h5ad",)
    expected = "an HDF5 file"

    @contextmanager
    def group(self, path: Path) -> Iterator[Any]:
        """See `Annotated.group`."""
        starts_with(path, _MAGIC, self.expected)
        h5py = require("h5py", "read .h5ad files")
        with reading(path, self.expected, *DAMAGE), h5py.File(path, "r") as root:
            check_hdf5(root, path)
            yield root

    def load(self, path: Path, **kwargs: Any) -> Any:
        """An AnnData in memory; kwargs go to `anndata.read_h5ad`."""
        path = Path(path)
        self.describe(path)
        anndata = require("anndata", "load .h5ad files")
        with quiet(), reading(path, self.expected, *load_failures(kwargs)):
            return anndata.read_h5ad(path, **kwargs)

    def backed(self, path: Path, **kwargs: Any) -> Backed:
        """See `Annotated.backed`; kwargs go to `anndata.read_h5ad`."""
        anndata = require("anndata", "open .h5ad files")
        adata = anndata.read_h5ad(path, backed="r", **kwargs)
        return Backed(adata, adata.file.close)

    def write(self, obj: Any, path: Path, **kwargs: Any) -> None:
        """See `Format.write`; kwargs go to `AnnData.write_h5ad`. The object stays as it is."""
        self.require_anndata(obj)
        if obj.is_view:  # writing it would warn, and make it a dataset of its own
            obj = obj.copy()
        with writing(Path(path), "AnnData", *refusals()), unchanged(obj):
            obj.write_h5ad(path, **kwargs)

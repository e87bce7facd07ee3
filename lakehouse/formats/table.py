"""Which suffix and which object belong to which format. Adapters load on first use."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from lakehouse._lazy import is_a, load_name
from lakehouse.extension import added, added_names
from lakehouse.formats.base import AnyPath, Format
from lakehouse.io.uris import name_of

_BY_SUFFIX = {
    ".parquet": "lakehouse.formats.tabular.parquet:Parquet",
    ".csv": "lakehouse.formats.tabular.csv:Csv",
    ".csv.gz": "lakehouse.formats.tabular.csv:Csv",
    ".tsv": "lakehouse.formats.tabular.csv:Tsv",
    ".tsv.gz": "lakehouse.formats.tabular.csv:Tsv",
    ".ipc": "lakehouse.formats.tabular.ipc:Ipc",
    ".arrow": "lakehouse.formats.tabular.ipc:Ipc",
    ".feather": "lakehouse.formats.tabular.ipc:Ipc",
    ".h5ad": "lakehouse.formats.annotated.h5ad:H5ad",
    ".h5mu": "lakehouse.formats.annotated.h5mu:H5mu",
    ".tiledbsoma": "lakehouse.formats.soma.experiment:Soma",
    ".spatialdata.zarr": "lakehouse.formats.annotated.spatial:SpatialZarr",
    ".zarr": "lakehouse.formats.annotated.zarr:Zarr",
    ".anndata.zarr": "lakehouse.formats.annotated.zarr:Zarr",
    ".json": "lakehouse.formats.plain:Json",
    ".vitessce.json": "lakehouse.formats.plain:Json",
    ".yaml": "lakehouse.formats.plain:Yaml",
    ".yml": "lakehouse.formats.plain:Yaml",
    ".txt": "lakehouse.formats.plain:Text",
    ".md": "lakehouse.formats.plain:Text",
}

_BY_OBJECT = {  # public name of a class → the suffix its objects are written with
    "pandas.DataFrame": ".parquet",
    "polars.DataFrame": ".parquet",
    "polars.LazyFrame": ".parquet",
    "pyarrow.Table": ".parquet",
    "pyarrow.RecordBatch": ".parquet",
    "anndata.AnnData": ".h5ad",
    "mudata.MuData": ".h5mu",
    "spatialdata.SpatialData": ".spatialdata.zarr",
    "tiledbsoma.Experiment": ".tiledbsoma",
}

_COMPRESSED = {".gz", ".bz2", ".xz", ".zst"}
_CONTAINERS = {".zarr", ".tif", ".tiff"}
_KINDS = {".anndata", ".mudata", ".spatialdata", ".ome", ".vitessce", ".geff"}
_WHOLE = {".vitessce.json"}


def suffix_of(path: AnyPath) -> str:
    """The suffix of a path, with the part before it that belongs to it.

    Example:
        >>> suffix_of("reads/a.fastq.gz"), suffix_of("x.anndata.zarr"), suffix_of("v1.2.csv")
        ('.fastq.gz', '.anndata.zarr', '.csv')
        >>> suffix_of("https://lab.org/x.csv?token=a.b")
        '.csv'
        >>> suffix_of("Makefile"), suffix_of(".bashrc")
        ('', '')
    """
    name = name_of(_text(path))
    parts = name.lstrip(".").split(".")
    if len(parts) == 1 or not parts[-1]:
        return ""  # no dot, only leading ones, or one at the end
    last = f".{parts[-1]}"
    before = f".{parts[-2]}" if len(parts) > 2 else ""
    letters = before[1:].replace("_", "").isalnum() and not before[1:].isdecimal()
    if (last.lower() in _COMPRESSED and letters) or (
        (last.lower() in _CONTAINERS and before.lower() in _KINDS)
        or (before + last).lower() in _WHOLE
    ):
        return before + last
    return last


def format_for(path: AnyPath) -> Format | None:
    """The format of a path or suffix, by its name alone; None for any other file.

    Example:
        >>> format_for("a/b.parquet").name, format_for(".TSV").name, format_for("b.bam")
        ('parquet', 'tsv', None)
    """
    name = _text(path).rstrip("/").rpartition("/")[2]
    suffix = suffix_of(f"x{name}" if name.startswith(".") else name)
    return _format(suffix.lower())


def format_in(folder: AnyPath) -> Format | None:
    """The table format that all visible files in a folder have: a partitioned dataset."""
    adapter: Format | None = None
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for name in names:
            if not name.startswith((".", "_")):
                found = _format(suffix_of(name).lower())
                if found is None or (adapter or found) is not found:
                    return None
                adapter = found
    return adapter if adapter is not None and adapter.otype is not None else None


def format_of(obj: object) -> Format | None:
    """The format that an in-memory object is written in; imports nothing to find out."""
    found = next((suffix for name, suffix in _BY_OBJECT.items() if is_a(obj, name)), None)
    if found is None:
        known = added_names("objects", _BY_OBJECT)
        claimed = next((name for name in known if is_a(obj, name)), None)
        found = None if claimed is None else added("objects", claimed, _BY_OBJECT)
    return None if found is None else _format(found)


def known_suffixes() -> tuple[str, ...]:
    """Every suffix that has a format."""
    return (*_BY_SUFFIX, *added_names("formats", _BY_SUFFIX))


def _format(suffix: str) -> Format | None:
    if suffix in _BY_SUFFIX:
        return _adapter(load_name(_BY_SUFFIX[suffix]))
    return _adapter(made) if suffix and (made := added("formats", suffix, _BY_SUFFIX)) else None


@cache
def _adapter(make: Callable[[], Format]) -> Format:
    return make()


def _text(path: Any) -> str:
    return path if isinstance(path, str) else str(path)

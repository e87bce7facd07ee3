"""Copies of AnnData, MuData and SpatialData in which some columns and values are others.

The container is copied as bytes, so that matrices are never read; of the copy only the named
columns and values are written anew.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.types as pt

from lakehouse._lazy import require
from lakehouse.errors import InvalidArgument
from lakehouse.formats.annotated.base import refusals
from lakehouse.formats.annotated.elements import attribute, is_group
from lakehouse.formats.confined import check_folder, check_hdf5
from lakehouse.formats.probe import writing


@dataclass
class Rewritten:
    """What is other in one group of a copy.

    Attributes:
        columns: Columns of a frame, or values by key, that are new.
        gone: Names of those that are no more.
        order: The names of a frame's columns in order; None for a group of values.
        index: The new index of a frame, if it has one.
    """

    columns: Mapping[str, Any] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    order: tuple[str, ...] | None = None
    index: Any = None


Changes: TypeAlias = Mapping[tuple[str, ...], Rewritten]
"""By the path of the group in its container; `ATTRS` and keys lead to its attributes."""

ATTRS = "attrs"


def rewrite(source: Path, target: Path, changes: Changes) -> None:
    """Copy a container, with changes.

    Args:
        source: A `.h5ad` or `.h5mu` file, a `.zarr` folder; it stays as it is.
        target: Where the copy goes.
        changes: What is other in it.

    Raises:
        InvalidArgument: A frame has the layout of anndata 0.6, whose columns are no nodes.
        InvalidData: A value has no place in such a container.
    """
    with writing(target, "AnnData", *refusals()), _copied(source, target) as root:
        for path, changed in changes.items():
            if path[0] == ATTRS:
                _write_attrs(root, path[1:], changed)
                continue
            node = root["/".join(path)]
            if not is_group(node):
                raise InvalidArgument(
                    f"The columns of {'/'.join(path)!r} can't be replaced in this file's old layout.",
                    hint="load the dataset, and curate the object",
                )
            _write(node, changed)


@contextmanager
def _copied(source: Path, target: Path) -> Iterator[Any]:
    """The root of a copy, open for changes."""
    if not source.is_dir():
        h5py = require("h5py", "write .h5ad files")
        with h5py.File(source, "r") as root:
            check_hdf5(root, source)
        shutil.copyfile(source, target)
        with h5py.File(target, "r+") as root:
            yield root
        return
    check_folder(source)
    zarr = require("zarr", "write .zarr stores")
    shutil.copytree(source, target)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*zarr v[23].*", UserWarning)
        warnings.filterwarnings("ignore", "Consolidated metadata is", UserWarning)
        yield zarr.open(str(target), mode="r+", use_consolidated=False)
        if zarr.open(str(source), mode="r").metadata.consolidated_metadata is not None:
            zarr.consolidate_metadata(str(target))


def _write(node: Any, changed: Rewritten) -> None:
    """Write what is new in a group."""
    write = require("anndata", "write AnnData").io.write_elem
    for name in changed.gone:
        del node[name]
    for name, value in changed.columns.items():
        stored = _stored(value) if changed.order is not None else _plain(value)
        write(node, name, stored, dataset_kwargs=_packing(node.get(name)))
    if changed.index is not None:
        texts = _stored(changed.index.cast(pa.string()))
        write(node, str(attribute(node, "_index") or "_index"), texts)
    if changed.order is not None:
        names = list(changed.order)
        is_zarr = not hasattr(node, "file")
        node.attrs["column-order"] = (
            names if is_zarr else require("numpy", "write columns").array(names, object)
        )


def _write_attrs(root: Any, keys: tuple[str, ...], changed: Rewritten) -> None:
    """Write what is new in the attributes of a store, or in a dictionary inside them."""
    attributes = dict(root.attrs)
    inner = attributes
    for key in keys:
        inner = inner[key]
    for name in changed.gone:
        del inner[name]
    for name, value in changed.columns.items():
        inner[name] = value.tolist() if hasattr(value, "tolist") else value
    root.attrs.put(attributes)


def _packing(node: Any) -> dict[str, Any]:
    """How the column was compressed that a new one replaces, in HDF5."""
    if is_group(node):
        node = node.get("codes", node.get("values"))
    packed = getattr(node, "compression", None) if hasattr(node, "file") else None
    return {} if packed is None else {"compression": packed}


def _stored(column: Any) -> Any:
    """A column as what anndata stores: categories, numbers with or without a mask, texts."""
    plain = column.type.value_type if pt.is_dictionary(column.type) else column.type
    pandas = require("pandas", "write columns")
    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    if pt.is_string(column.type) or pt.is_large_string(column.type):
        if not column.null_count:
            return column.to_numpy(zero_copy_only=False)
        column = column.dictionary_encode()  # as anndata stores texts of which some are missing
    if pt.is_dictionary(column.type):
        return pandas.Series(column.to_pandas()).array
    if column.null_count and pt.is_integer(plain):
        named = str(plain).replace("uint", "UInt").replace("int", "Int")
        return pandas.array(column.to_pylist(), dtype=named)
    if column.null_count and pt.is_boolean(plain):
        return pandas.array(column.to_pylist(), dtype="boolean")
    return column.to_numpy(zero_copy_only=False)


def _plain(value: Any) -> Any:
    """A value of `uns` as what anndata stores."""
    if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
        return require("numpy", "write values").array(value, object)
    return value

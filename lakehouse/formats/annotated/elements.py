"""How AnnData lays out columns and values in HDF5 and Zarr, current and old, as Arrow.

Written after https://anndata.readthedocs.io/en/stable/fileformat-prose.html; older files have
categorical codes whose categories are found by reference (0.7), or tables as compound
datasets with categories in `uns` (0.6). Works on h5py and zarr nodes alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import pyarrow as pa

from lakehouse.formats.arrow import usual

_CATEGORIES = "_categories"
_SLICE = 1 << 18


def is_group(node: Any) -> bool:
    """Whether a node holds others."""
    return hasattr(node, "keys")


def attribute(node: Any, name: str) -> Any:
    """An attribute of a node as plain Python; None if it has none."""
    value = node.attrs.get(name)
    if hasattr(value, "tolist"):
        value = value.tolist()
    return value.decode() if isinstance(value, bytes) else value


def encoding(node: Any) -> str:
    """The encoding that AnnData noted, `"csr_matrix"` for old sparse ones, or `""`."""
    noted = attribute(node, "encoding-type")
    if noted is None and attribute(node, "h5sparse_format") is not None:
        return f"{attribute(node, 'h5sparse_format')}_matrix"
    return str(noted or "")


class Frame:
    """`obs` or `var`: columns that are read one by one.

    Args:
        node: Its group, or its compound dataset in old files.
        root: The file's root group.
    """

    def __init__(self, node: Any, root: Any) -> None:
        self._node = node
        self._root = root

    @cached_property
    def index(self) -> str:
        """The stored name of the index."""
        if is_group(self._node):
            return str(attribute(self._node, "_index") or "_index")
        names = self._node.dtype.names
        return next((name for name in ("index", "_index") if name in names), names[0])

    @cached_property
    def columns(self) -> list[str]:
        """Names in order, without the index."""
        if not is_group(self._node):
            return [name for name in self._node.dtype.names if name != self.index]
        order = attribute(self._node, "column-order")
        if order is not None:
            return [name.decode() if isinstance(name, bytes) else str(name) for name in order]
        hidden = {self.index, "__categories"}
        return sorted(name for name in self._node.keys() if name not in hidden)  # noqa: SIM118

    @cached_property
    def n_rows(self) -> int:
        """Rows."""
        if not is_group(self._node):
            return int(self._node.shape[0])
        index = self._node[self.index]
        return int(
            index["codes" if encoding(index) == "categorical" else "values"].shape[0]
            if is_group(index)
            else index.shape[0]
        )

    def type_of(self, name: str) -> pa.DataType:
        """The Arrow type of a column, from metadata."""
        if not is_group(self._node):
            if self._old_categories(name) is not None:
                return pa.dictionary(pa.int32(), pa.string())
            return numpy_type(self._node.dtype[name])
        categories = self._referred(self._node[name])
        if categories is not None:
            return pa.dictionary(pa.int32(), type_of(categories))
        return type_of(self._node[name])

    def read(self, name: str) -> pa.Array:
        """One column, nothing else."""
        if is_group(self._node):
            node = self._node[name]
            categories = self._referred(node)
            if categories is not None:
                return _categorical(node[...], array_of(categories[...]), ordered=False)
            return read(node)
        values = self._node[name]
        categories = self._old_categories(name)
        if categories is not None:
            return _categorical(values, array_of(categories[...]), ordered=False)
        return array_of(values)

    def reader(self, name: str) -> Callable[[int, int], pa.Array]:
        """Reads some rows of a column: from which row on, and how many."""
        node: Any = self._node[name] if is_group(self._node) else None
        kind = "" if node is None else encoding(node)
        if kind == "categorical":
            categories, ordered = read(node["categories"]), bool(attribute(node, "ordered"))
            return lambda start, count: _categorical(
                node["codes"][start : start + count], categories, ordered=ordered
            )
        plain = kind in ("array", "string-array") and len(node.shape) == 1
        if plain and self._referred(node) is None:
            return lambda start, count: array_of(node[start : start + count])
        whole = self.read(name)
        return lambda start, count: whole.slice(start, count)

    def _referred(self, node: Any) -> Any:
        if is_group(node) or "categories" not in node.attrs:
            return None
        reference = node.attrs["categories"]
        if isinstance(reference, str):
            return self._node[reference]
        return self._node.file[reference]

    def _old_categories(self, name: str) -> Any:
        uns = self._root.get("uns")
        key = name + _CATEGORIES
        return uns[key] if uns is not None and key in uns else None


def values_of(root: Any, slot: str) -> Iterator[tuple[str, Any]]:
    """Name and node of each value in `uns`, `obsm` or `layers`, without old categories."""
    node = root.get(slot)
    if node is None:
        return
    if not is_group(node):  # old obsm: one compound dataset
        for name in node.dtype.names:
            yield name, _Field(node, name)
        return
    hidden: set[str] = set()
    if slot == "uns":
        for frame in ("obs", "var"):
            if not is_group(root[frame]):
                hidden |= {name + _CATEGORIES for name in root[frame].dtype.names}
    for name in sorted(node.keys()):
        if name not in hidden:
            yield name, node[name]


class _Field:
    """A field of a compound dataset, seen as a dataset."""

    attrs: dict[str, Any] = {}  # noqa: RUF012 - always empty

    def __init__(self, node: Any, name: str) -> None:
        self._node, self._name = node, name
        base, shape = node.dtype[name].subdtype or (node.dtype[name], ())
        self.dtype = base
        self.shape = (*node.shape, *shape)

    def __getitem__(self, key: Any) -> Any:
        return self._node[self._name][key]


def type_of(node: Any) -> pa.DataType:
    """The Arrow type of one element of a column."""
    kind = encoding(node)
    if kind == "categorical":
        ordered = bool(attribute(node, "ordered"))
        return pa.dictionary(pa.int32(), type_of(node["categories"]), ordered)
    if kind in ("nullable-integer", "nullable-boolean", "nullable-string-array"):
        return type_of(node["values"])
    if kind == "null":
        return pa.null()
    if is_group(node):
        return pa.struct([(name, type_of(node[name])) for name in sorted(node.keys())])
    if kind.startswith("string"):
        return pa.string()
    return numpy_type(node.dtype)


def read(node: Any) -> pa.Array:
    """A column as an Arrow array."""
    kind = encoding(node)
    if kind == "categorical":
        ordered = bool(attribute(node, "ordered"))
        return _categorical(node["codes"][...], read(node["categories"]), ordered=ordered)
    if kind.startswith("nullable"):
        values = array_of(node["values"][...])
        mask = node["mask"][...] if "mask" in node else None
        return values if mask is None else _masked(values, mask)
    if len(node.shape) == 1 and node.shape[0] > _SLICE and node.dtype.kind in "OT":
        # each text is a Python object at first, of which not all should stand at once
        starts = range(0, node.shape[0], _SLICE)
        return pa.concat_arrays([array_of(node[start : start + _SLICE]) for start in starts])
    return array_of(node[...])


def value_type(node: Any) -> pa.DataType:
    """The Arrow type of a whole value of `uns`: scalars, nested lists, structs."""
    kind = encoding(node)
    if kind == "categorical":
        return pa.list_(type_of(node["categories"]))
    if kind.startswith("nullable"):
        return pa.list_(type_of(node))
    if kind in ("csr_matrix", "csc_matrix"):
        return pa.list_(pa.list_(numpy_type(node["data"].dtype)))
    if kind == "null":
        return pa.null()
    if kind == "dataframe":
        frame = Frame(node, {})
        return pa.struct([(name, pa.list_(_plain(frame.type_of(name)))) for name in frame.columns])
    if is_group(node):
        return pa.struct([(name, value_type(node[name])) for name in sorted(node.keys())])
    found = type_of(node)
    for _ in node.shape:
        found = pa.list_(found)
    return found


def matrix_type(node: Any, *, wide: bool) -> pa.DataType:
    """The type of a row of `obsm` (its width is part of it), or of a cell of a layer."""
    kind = encoding(node)
    if kind in ("csr_matrix", "csc_matrix"):
        cell = numpy_type(node["data"].dtype)
        shape = attribute(node, "shape") or attribute(node, "h5sparse_shape")
    elif kind == "dataframe":
        frame = Frame(node, {})
        return pa.struct([(name, _plain(frame.type_of(name))) for name in frame.columns])
    elif is_group(node):
        return value_type(node)
    else:
        cell, shape = type_of(node), node.shape
    if not wide:
        return cell
    return pa.list_(cell, int(shape[1])) if len(shape) > 1 else cell


def python_value(node: Any) -> Any:
    """A value of `uns` as plain Python."""
    kind = encoding(node)
    if kind == "null":
        return None
    if kind == "dataframe":
        frame = Frame(node, {})
        return {name: frame.read(name).to_pylist() for name in frame.columns}
    if kind in ("csr_matrix", "csc_matrix"):
        return None  # a graph among cells is no value to validate
    if kind == "categorical" or kind.startswith("nullable"):
        return read(node).to_pylist()
    if is_group(node):
        return {name: python_value(node[name]) for name in sorted(node.keys())}
    if node.shape == ():
        value = node[()]
        value = value.item() if hasattr(value, "item") else value
        return value.decode() if isinstance(value, bytes) else value
    if node.dtype.names or len(node.shape) > 1:
        return None if node.dtype.names else node[...].tolist()
    return array_of(node[...]).to_pylist()


def numpy_type(dtype: Any) -> pa.DataType:
    """The Arrow type of a numpy dtype; text of every kind is `string`."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        found = numpy_type(base)
        for width in reversed(shape):
            found = pa.list_(found, int(width))
        return found
    if dtype.names:
        return pa.struct([(name, numpy_type(dtype[name])) for name in dtype.names])
    if dtype.kind in "OSUTV":
        return pa.string()
    if dtype.kind == "c":
        part = pa.float32() if dtype.itemsize == 8 else pa.float64()
        return pa.struct([("real", part), ("imag", part)])
    return pa.from_numpy_dtype(dtype.newbyteorder("="))


def array_of(values: Any) -> pa.Array:
    """A one-dimensional numpy array as Arrow; bytes are UTF-8 text."""
    kind = values.dtype.kind
    if kind in "iufb":
        return pa.array(values.astype(values.dtype.newbyteorder("="), copy=False))
    if kind in "mM":
        return pa.array(values)
    if kind == "c":
        parts = [pa.array(values.real.copy()), pa.array(values.imag.copy())]
        return pa.StructArray.from_arrays(parts, ["real", "imag"])
    if kind == "S":
        return pa.array(values.tolist(), pa.binary()).cast(pa.string())
    if kind in "UT":
        return pa.array(values.astype(object), pa.string())
    first = next(iter(values.flat), "")
    if isinstance(first, bytes):
        return pa.array(values, pa.binary()).cast(pa.string())
    return pa.array(values, pa.string())


def _categorical(codes: Any, categories: pa.Array, *, ordered: bool) -> pa.Array:
    indices = pa.array(codes.astype("int32", copy=False), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, categories, ordered=ordered)


def _masked(values: pa.Array, mask: Any) -> pa.Array:
    import pyarrow.compute as pc

    return pc.if_else(pa.array(mask), pa.scalar(None, values.type), values)


def _plain(kind: pa.DataType) -> pa.DataType:
    found = usual(kind)
    return found.value_type if pa.types.is_dictionary(found) else found

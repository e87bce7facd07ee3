"""All of an AnnData: tables in memory, matrices in blocks of rows wherever they are.

A matrix is read some millions of values at a time, so that one larger than memory can be judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lakehouse._lazy import require
from lakehouse.errors import UnreadableFile
from lakehouse.formats.annotated.base import Annotated, quiet
from lakehouse.formats.annotated.elements import attribute, encoding, is_group
from lakehouse.formats.base import is_path
from lakehouse.formats.table import format_for

Layout = Literal["csr", "csc", "dense", "other"]
_VALUES = 1 << 22
_MAPPINGS = ("obsm", "varm", "obsp", "varp", "layers")


class Block(NamedTuple):
    """The values other than zero of some rows.

    Attributes:
        start: The first row.
        n_rows: How many.
        rows: Row of each value, from 0 within the block, ascending.
        columns: Its column.
        values: The values.
    """

    start: int
    n_rows: int
    rows: Any
    columns: Any
    values: Any


class Matrix:
    """A matrix in memory or in a file.

    Args:
        name: How the AnnData calls it, e.g. `raw.X`.
        node: An array, a scipy matrix, or a node of an HDF5 or Zarr file.
    """

    def __init__(self, name: str, node: Any) -> None:
        self.name = name
        self._node = node

    @property
    def layout(self) -> Layout:
        """How it is stored."""
        kind = encoding(self._node) if hasattr(self._node, "attrs") else ""
        if kind.startswith(("csr", "csc")):
            return "csr" if kind.startswith("csr") else "csc"
        if hasattr(self._node, "indptr"):
            return "csr" if self._node.format == "csr" else "csc"
        plain = not is_group(self._node) and not hasattr(self._node, "columns")
        return "dense" if plain and hasattr(self._node, "dtype") else "other"

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, columns."""
        if is_group(self._node) and not hasattr(self._node, "columns"):
            found = attribute(self._node, "shape") or attribute(self._node, "h5sparse_shape") or ()
            return tuple(int(n) for n in found)
        return tuple(int(n) for n in self._node.shape)

    @property
    def dtype(self) -> Any:
        """The dtype of its values."""
        sparse = is_group(self._node) and "data" in self._node
        return (self._node["data"] if sparse else self._node).dtype

    def blocks(self) -> Iterator[Block]:
        """The values other than zero, rows in order; only of `csr` and `dense`."""
        return self._sparse_blocks() if self.layout == "csr" else self._dense_blocks()

    def slices(self) -> Iterator[tuple[int, Any]]:
        """A dense matrix as arrays of some rows, each with its first row."""
        width = max(1, _product(self.shape[1:]))
        step = max(1, _VALUES // width)
        for start in range(0, self.shape[0], step):
            yield start, self._node[start : start + step]

    def _dense_blocks(self) -> Iterator[Block]:
        np = require("numpy", "read matrices")
        for start, part in self.slices():
            rows, columns = np.nonzero(part)
            yield Block(start, len(part), rows, columns, part[rows, columns])

    def _sparse_blocks(self) -> Iterator[Block]:
        np = require("numpy", "read matrices")
        data, indices, indptr = (self._part(name) for name in ("data", "indices", "indptr"))
        ends = np.asarray(indptr[:]).astype("int64")
        n_rows, start = len(ends) - 1, 0
        while start < n_rows:
            stop = int(np.searchsorted(ends, ends[start] + _VALUES, side="right")) - 1
            stop = min(max(stop, start + 1), n_rows)
            low, high = int(ends[start]), int(ends[stop])
            values = np.asarray(data[low:high])
            rows = np.repeat(np.arange(stop - start), np.diff(ends[start : stop + 1]))
            kept = values != 0
            columns = np.asarray(indices[low:high])
            yield Block(start, stop - start, rows[kept], columns[kept], values[kept])
            start = stop

    def _part(self, name: str) -> Any:
        return self._node[name] if is_group(self._node) else getattr(self._node, name)


def _product(numbers: tuple[int, ...]) -> int:
    made = 1
    for number in numbers:
        made *= number
    return made


@dataclass
class Whole:
    """An AnnData with everything that it has.

    Attributes:
        obs: The cells, a pandas DataFrame.
        var: The features.
        raw_var: Those of `raw`; None without it.
        uns: Unstructured values.
        matrices: `X`, `raw.X`, and the layers as `layers[name]`.
        mappings: Matrices by name in `obsm`, `varm`, `obsp`, `varp`.
        stored: Whether it lies in a file.
    """

    obs: Any
    var: Any
    raw_var: Any
    uns: Mapping[str, Any]
    matrices: dict[str, Matrix]
    mappings: dict[str, dict[str, Matrix]] = field(default_factory=dict)
    stored: bool = False


@contextmanager
def whole(data: Any) -> Iterator[Whole]:
    """Open all of an AnnData, given as an object, backed or not, or as a path.

    Raises:
        UnreadableFile: There is none.
    """
    if is_path(data):
        adapter = format_for(Path(data))
        if not isinstance(adapter, Annotated):
            raise UnreadableFile(
                f"{str(data)!r} holds no AnnData.", expected="a .h5ad or .zarr path"
            )
        with adapter.group(Path(data)) as root:
            yield _stored(root)
    else:
        yield _in_memory(data)


def _stored(root: Any) -> Whole:
    read = require("anndata", "read AnnData").io.read_elem
    with quiet():
        obs, var = read(root["obs"]), read(root["var"])
        raw = root.get("raw")
        raw_var = None if raw is None else read(raw["var"])
        uns = read(root["uns"]) if "uns" in root else {}
    nodes = {"X": root.get("X"), "raw.X": None if raw is None else raw.get("X")}
    maps = {name: dict(root[name].items()) if name in root else {} for name in _MAPPINGS}
    return _whole(obs, var, raw_var, uns, nodes, maps, stored=True)


def _in_memory(adata: Any) -> Whole:
    nodes = {"X": adata.X, "raw.X": None}
    raw = adata.raw
    if getattr(adata, "isbacked", False):
        root = adata.file._file
        nodes = {"X": root.get("X"), "raw.X": root["raw"].get("X") if "raw" in root else None}
    elif raw is not None:
        nodes["raw.X"] = raw.X
    # the layer that anndata 0.13 calls None is X once more
    maps = {
        name: {key: node for key, node in getattr(adata, name).items() if key is not None}
        for name in _MAPPINGS
    }
    raw_var = None if raw is None else raw.var
    return _whole(adata.obs, adata.var, raw_var, adata.uns, nodes, maps, stored=False)


def _whole(
    obs: Any,
    var: Any,
    raw_var: Any,
    uns: Any,
    nodes: Mapping[str, Any],
    maps: Mapping[str, Mapping[str, Any]],
    *,
    stored: bool,
) -> Whole:
    nodes = {**nodes, **{f"layers[{name!r}]": node for name, node in maps["layers"].items()}}
    matrices = {name: Matrix(name, node) for name, node in nodes.items() if node is not None}
    mappings = {
        kind: {name: Matrix(name, node) for name, node in maps[kind].items()}
        for kind in _MAPPINGS[:-1]
    }
    return Whole(obs, var, raw_var, uns, matrices, mappings, stored)

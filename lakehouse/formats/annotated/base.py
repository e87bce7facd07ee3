"""What .h5ad and .zarr share: everything of AnnData but opening the container."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from lakehouse._lazy import is_a, require
from lakehouse.errors import InvalidArgument, UnreadableFile
from lakehouse.formats.annotated.elements import (
    Frame,
    encoding,
    is_group,
    matrix_type,
    python_value,
    value_type,
    values_of,
)
from lakehouse.formats.arrow import check_slot, choose, table_of, usual
from lakehouse.formats.base import INDEX, AnyPath, Component, Description, is_path
from lakehouse.formats.probe import reading

# -- An AnnData on disk, used like one in memory and closed like a file


class Backed:
    """An AnnData whose matrices stay on disk.

    Everything that AnnData has is there: `obs`, `var`, `X`, slices, `to_memory()`.

    Example:
        >>> with artifact.open() as adata:
        ...     adata[adata.obs.cell_type == "T cell"].to_memory()
    """

    def __init__(self, adata: Any, close: Callable[[], None]) -> None:
        self._adata = adata
        self._close = close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adata, name)

    def __getitem__(self, index: Any) -> Any:
        return self._adata[index]

    def __len__(self) -> int:
        return len(self._adata)

    def __repr__(self) -> str:
        return f"Backed {self._adata!r}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._close()


FRAMES = ("obs", "var")
SLOTS = (*FRAMES, "uns", "obsm", "layers")

# A damaged file can fail at any node, with whatever the layout makes of the bytes.
DAMAGE = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


class Annotated(ABC):
    """AnnData in some container. `describe` and `table` never read a matrix."""

    name: str
    suffixes: tuple[str, ...]
    otype: str | None = "AnnData"
    expected: str

    @abstractmethod
    def group(self, path: Path) -> AbstractContextManager[Any]:
        """The root group of a file, checked to be readable."""

    def describe(self, path: Path) -> Description:
        """See `Format.describe`."""
        path = Path(path)
        with self.group(path) as root:
            self.check(path, root)
            return Description(self.otype, Frame(root["obs"], root).n_rows, components_of(root))

    def table(self, source: Any, slot: str, columns: Sequence[str] | None = None) -> pa.Table:
        """See `Format.table`; `uns` is one row, `obsm` has a list or struct per cell."""
        check_slot(slot, SLOTS)
        if slot == "layers":
            raise InvalidArgument(
                "Layers are matrices, not tables.", hint="artifact.open().layers[name]"
            )
        if not is_path(source):
            return _in_memory(source, slot, columns)
        path = Path(source)
        with self.group(path) as root:
            self.check(path, root)
            return element_table(root, slot, columns)

    @contextmanager
    def frame(self, path: Path, slot: str) -> Iterator[Frame]:
        """`obs` or `var` of a file, to be read column by column."""
        with self.group(path) as root:
            self.check(path, root)
            yield Frame(root[slot], root)

    def open(
        self, path: AnyPath | Sequence[AnyPath], engine: str = "pyarrow", **kwargs: Any
    ) -> Any:
        """See `Format.open`; gives a `Backed` AnnData, whatever the engine."""
        del engine
        if not is_path(path):
            raise InvalidArgument(
                "Several AnnData files can't be opened as one.", hint="Collection.mapped()"
            )
        place = Path(path)  # type: ignore[arg-type]
        self.describe(place)
        with quiet(), reading(place, self.expected, *load_failures(kwargs)):
            return self.backed(place, **kwargs)

    @abstractmethod
    def backed(self, path: Path, **kwargs: Any) -> Backed:
        """A file opened without reading its matrices."""

    def check(self, path: Path, root: Any) -> None:
        """Raise unless the root group is an AnnData."""
        names = sorted(root.keys()) if is_group(root) else []
        missing = set(FRAMES) - set(names)
        kind = encoding(root)
        if missing or kind not in ("anndata", ""):
            found = f"{kind or 'a container'} with {names[:10]}"
            raise UnreadableFile(
                f"The file {str(path)!r} can't be read as {self.expected}.",
                found=found,
                expected="an AnnData with obs and var",
                hint="store it under another suffix",
            )

    def require_anndata(self, obj: Any) -> None:
        """Raise unless an object is an AnnData."""
        if not is_anndata(obj):
            raise InvalidArgument(
                f"A {type(obj).__module__}.{type(obj).__qualname__} can't be written as "
                f"{self.expected}.",
                expected="an AnnData",
            )


def components_of(root: Any) -> dict[str, Component]:
    """The slots of an AnnData's group that aren't empty."""
    rows = Frame(root["obs"], root).n_rows
    components = {slot: _frame(Frame(root[slot], root)) for slot in FRAMES}
    for slot in SLOTS[2:]:
        fields = [pa.field(name, usual(_type(slot, node))) for name, node in values_of(root, slot)]
        components[slot] = Component(pa.schema(fields), None if slot == "uns" else rows)
    return {
        slot: found
        for slot, found in components.items()
        if len(found.schema) or (slot in FRAMES and found.index and found.n_rows)
    }


def element_table(root: Any, slot: str, columns: Sequence[str] | None) -> pa.Table:
    """One slot of an AnnData's group as a table; see `Format.table`."""
    if slot in FRAMES:
        return _columns(Frame(root[slot], root), columns)
    nodes = dict(values_of(root, slot))
    chosen = choose(columns, list(nodes))
    if slot == "uns":
        return _one_row({name: python_value(nodes[name]) for name in chosen.values()})
    read = require("anndata", "read arrays of cells").io.read_elem
    return _matrices({name: _rows(nodes[name], read) for name in chosen.values()})


def is_anndata(obj: object) -> bool:
    """Whether an object is an AnnData, or a subclass's."""
    return is_a(obj, "anndata.AnnData")


@contextmanager
def quiet() -> Iterator[None]:
    """Without anndata's remarks on old files, which a reader can't act on."""
    with warnings.catch_warnings():
        old = getattr(require("anndata", "read AnnData"), "OldFormatWarning", FutureWarning)
        warnings.simplefilter("ignore", old)
        warnings.filterwarnings("ignore", "Moving element from", FutureWarning)
        yield


def load_failures(kwargs: dict[str, Any]) -> tuple[type[Exception], ...]:
    """What a damaged file makes anndata raise; with arguments, a TypeError is the caller's."""
    registry = require("anndata._io.specs.registry", "read AnnData")
    damage = (KeyError, RuntimeError, ValueError, registry.IORegistryError)
    return damage if kwargs else (*damage, TypeError)


def refusals() -> tuple[type[Exception], ...]:
    """What anndata raises for a value that it can't write."""
    registry = require("anndata._io.specs.registry", "write AnnData")
    return (TypeError, ValueError, NotImplementedError, registry.IORegistryError)


@contextmanager
def unchanged(adata: Any) -> Iterator[None]:
    """Undo what anndata does to an object while it writes: text columns turned categorical."""
    before = {slot: dict(getattr(adata, slot).items()) for slot in FRAMES}
    try:
        yield
    finally:
        for slot, columns in before.items():
            frame = getattr(adata, slot)
            for name, values in columns.items():
                if frame[name].dtype != values.dtype:
                    frame[name] = values


def _type(slot: str, node: Any) -> pa.DataType:
    return value_type(node) if slot == "uns" else matrix_type(node, wide=slot == "obsm")


def _frame(frame: Frame) -> Component:
    fields = [pa.field(name, usual(frame.type_of(name))) for name in frame.columns]
    return Component(pa.schema(fields), frame.n_rows, (frame.index,))


def _columns(frame: Frame, columns: Sequence[str] | None) -> pa.Table:
    chosen = choose(columns, frame.columns, {frame.index: frame.index, INDEX: frame.index})
    if not chosen:
        return pa.table({"": frame.read(frame.index)}).select([])
    return pa.table([frame.read(name) for name in chosen.values()], names=list(chosen))


def _in_memory(adata: Any, slot: str, columns: Sequence[str] | None) -> pa.Table:
    if not is_anndata(adata):
        raise InvalidArgument(
            f"A {type(adata).__module__}.{type(adata).__qualname__} is no AnnData."
        )
    if slot in FRAMES:
        return table_of(getattr(adata, slot), columns)
    values = getattr(adata, slot)
    chosen = choose(columns, sorted(values))
    picked = {name: values[name] for name in chosen.values()}
    return (
        _one_row({n: _plain(v) for n, v in picked.items()}) if slot == "uns" else _matrices(picked)
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return {str(name): list(column) for name, column in value.to_dict("list").items()}
    if hasattr(value, "tocsr"):
        return None
    return value.tolist() if hasattr(value, "tolist") else value


def _one_row(values: dict[str, Any]) -> pa.Table:
    arrays = []
    for value in values.values():
        try:
            arrays.append(pa.array([value]))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            arrays.append(pa.array([repr(value)]))  # mixed lists have no Arrow type
    return pa.table(arrays, names=list(values))


def _rows(node: Any, read: Any) -> Any:
    return node[...] if not hasattr(node, "name") else read(node)


def _matrices(values: dict[str, Any]) -> pa.Table:
    arrays = []
    for value in values.values():
        if hasattr(value, "columns"):
            arrays.append(table_of(value).to_struct_array())
            continue
        dense = value.toarray() if hasattr(value, "toarray") else value
        if dense.ndim == 1:
            arrays.append(pa.array(dense))
        else:
            flat = pa.array(dense.reshape(dense.shape[0], -1).ravel())
            arrays.append(
                pa.FixedSizeListArray.from_arrays(flat, dense[0].size if len(dense) else 1)
            )
    return pa.table(arrays, names=list(values))

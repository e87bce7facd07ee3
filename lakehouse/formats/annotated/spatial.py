"""SpatialData in Zarr stores: tables, images, shapes and points. Only tables are described."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse._lazy import require
from lakehouse.errors import InvalidArgument
from lakehouse.formats.annotated.base import DAMAGE, FRAMES, components_of, element_table
from lakehouse.formats.arrow import table_of
from lakehouse.formats.base import AnyPath, Component, Description, is_path
from lakehouse.formats.confined import check_folder
from lakehouse.formats.probe import reading, writing

MARK = "spatialdata_attrs"


def is_spatial(root: Any) -> bool:
    """Whether a Zarr group is a SpatialData."""
    return MARK in root.attrs


class SpatialZarr:
    """SpatialData stores. Slots are `tables:<table>:obs`, `…:var` and `…:uns`."""

    name = "spatialdata"
    suffixes: tuple[str, ...] = (".spatialdata.zarr", ".zarr")
    otype: str | None = "SpatialData"
    expected = "a SpatialData store"

    @contextmanager
    def _root(self, path: AnyPath) -> Iterator[Any]:
        zarr = require("zarr", "read .zarr stores")
        with reading(Path(path), self.expected, *DAMAGE):
            check_folder(Path(path))
            yield zarr.open(str(path), mode="r", use_consolidated=False)

    def describe(self, path: Path) -> Description:
        """See `Format.describe`; rows are those of the only table, if there is one."""
        found: dict[str, Component] = {}
        rows: list[int | None] = []
        with self._root(path) as root:
            tables = root["tables"] if "tables" in root else {}  # noqa: SIM401 - a Zarr group
            for name in tables:
                parts = components_of(tables[name])
                found |= {f"tables:{name}:{slot}": part for slot, part in parts.items()}
                rows.append(parts["obs"].n_rows if "obs" in parts else None)
        return Description(self.otype, rows[0] if len(rows) == 1 else None, found)

    def table(self, source: Any, slot: str, columns: Sequence[str] | None = None) -> pa.Table:
        """See `Format.table`."""
        parts = slot.split(":")
        if len(parts) != 3 or parts[0] != "tables":
            raise InvalidArgument(f"There is no slot {slot!r}.", expected="tables:<table>:obs")
        _, table, own = parts
        if not is_path(source):
            if own not in FRAMES:
                raise InvalidArgument(f"The slot {slot!r} is no table.", expected="obs or var")
            return table_of(getattr(source.tables[table], own), columns)
        with self._root(source) as root:
            return element_table(root["tables"][table], own, columns)

    def load(self, path: Path, **kwargs: Any) -> Any:
        """A SpatialData; images stay on disk until they are used."""
        spatialdata = require("spatialdata", "load SpatialData")
        path = Path(path)
        with _settled(), reading(path, self.expected, *DAMAGE):
            check_folder(path)
            return spatialdata.read_zarr(path, **kwargs)

    def open(
        self, path: AnyPath | Sequence[AnyPath], engine: str = "pyarrow", **kwargs: Any
    ) -> Any:
        """See `load`."""
        del engine
        if not is_path(path):
            raise InvalidArgument("Several SpatialData stores can't be opened as one.")
        return self.load(Path(path), **kwargs)  # type: ignore[arg-type]

    def write(self, obj: Any, path: Path, **kwargs: Any) -> None:
        """See `Format.write`; kwargs go to `SpatialData.write`."""
        refused = (TypeError, ValueError, NotImplementedError)
        with writing(Path(path), "SpatialData", *refused), _settled():
            obj.write(path, **({"update_sdata_path": False} | kwargs))


@contextmanager
def _settled() -> Iterator[None]:
    """Without remarks of its many dependencies on their own future."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

"""What parquet, csv and ipc share: opening lazily, and tables of in-memory objects."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse._lazy import require
from lakehouse.errors import InvalidArgument
from lakehouse.formats.arrow import check_slot, table_of
from lakehouse.formats.base import (
    COLUMNS,
    AnyPath,
    Component,
    Description,
    is_path,
    is_remote,
)
from lakehouse.formats.confined import check_links
from lakehouse.formats.probe import reading

if TYPE_CHECKING:
    import polars as pl

ENGINES = ("pyarrow", "polars")


class Tabular(ABC):
    """A format whose one slot is `columns`; subclasses read and write files."""

    name: str
    suffixes: tuple[str, ...]
    otype: str | None = "DataFrame"
    expected: str

    def describe(self, path: Path) -> Description:
        """See `Format.describe`."""
        path = Path(path)
        self.check(path)
        with reading(path, self.expected, pa.ArrowException, ValueError):
            component = self.component(path)
        return Description(self.otype, component.n_rows, {COLUMNS: component})

    def table(self, source: Any, slot: str, columns: Sequence[str] | None = None) -> pa.Table:
        """See `Format.table`."""
        check_slot(slot, (COLUMNS,))
        if not is_path(source):
            return table_of(source, columns)
        path = Path(source)
        if path.is_dir():
            content = self.open(path)
            with reading(
                path, f"a folder, each file of which is {self.expected}", pa.ArrowException
            ):
                return content.to_table(columns=None if columns is None else list(columns))
        self.check(path)
        with reading(path, self.expected, pa.ArrowException, ValueError):
            return self.read(path, columns)

    def open(
        self, path: AnyPath | Sequence[AnyPath], engine: str = "pyarrow", **kwargs: Any
    ) -> Any:
        """See `Format.open`."""
        if engine not in ENGINES:
            raise InvalidArgument(
                f"There is no engine {engine!r}.", expected=f"one of {list(ENGINES)}"
            )
        paths = [path] if is_path(path) else list(path)  # type: ignore[arg-type]
        if not paths:
            raise InvalidArgument("There is nothing to open.", expected="at least one file")
        near = [Path(one) for one in paths if not is_remote(one)]  # type: ignore[arg-type]
        for one in near:
            if one.is_dir():
                check_links(one)
            else:
                self.check(one)
        if engine == "polars":
            return self._lazy(paths, kwargs)
        with reading(Path(str(paths[0])), self.expected, pa.ArrowException):
            return self.dataset(paths, **kwargs)

    @contextmanager
    def _lazy(self, paths: list[Any], kwargs: dict[str, Any]) -> Iterator[pl.LazyFrame]:
        import polars as pl

        if any(is_remote(path) for path in paths):
            yield pl.scan_pyarrow_dataset(self.dataset(paths, **kwargs))
        else:
            yield self.scan([str(path) for path in paths], **kwargs)

    def dataset(self, paths: list[Any], **kwargs: Any) -> Any:
        """A pyarrow dataset over files or folders that are all on one file system."""
        datasets = require("pyarrow.dataset", "open tables lazily")
        if is_remote(paths[0]):
            kwargs.setdefault("filesystem", paths[0].fs)
            names = [path.path for path in paths]
        else:
            names = [str(path) for path in paths]
        kwargs.setdefault("format", self.dataset_format(paths))
        source = names[0] if len(names) == 1 else names
        return datasets.dataset(source, **kwargs)

    @abstractmethod
    def check(self, path: Path) -> None:
        """Raise `UnreadableFile` if a glance shows that this isn't the format."""

    @abstractmethod
    def component(self, path: Path) -> Component:
        """The schema and row count of a checked file."""

    @abstractmethod
    def read(self, path: Path, columns: Sequence[str] | None) -> pa.Table:
        """A checked file as a table, without its index unless asked for."""

    def dataset_format(self, paths: list[Any]) -> Any:
        """What `pyarrow.dataset` wants to know of the format."""
        return self.name

    @abstractmethod
    def scan(self, paths: list[str], **kwargs: Any) -> pl.LazyFrame:
        """Local files as a LazyFrame."""

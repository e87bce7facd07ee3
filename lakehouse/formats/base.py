"""What a data format is: the whole contract for somebody who adds one.

Write `formats/<name>.py` with a class that has these attributes and methods, name it in
`formats/table.py`, and inherit the suite `lakehouse.testing.FormatContract` in its tests.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

INDEX = "_index"
"""The name by which `Format.table` gives the index, whatever its own name is."""

COLUMNS = "columns"
"""The one slot of tables."""

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Component:
    """One slot of a dataset.

    Attributes:
        schema: Columns in their order without the index; field metadata stripped, and types
            that mean the same written alike (`large_string` is `string`, a dictionary has
            int32 indices), so that equal tables have equal schemas whoever wrote them.
        n_rows: Rows, or None for a slot that has none (`uns`).
        index: Names of the index levels, `"_index"` for one without a name; empty if rows are
            merely numbered.
    """

    schema: pa.Schema
    n_rows: int | None
    index: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What can be said of a file without reading its data.

    Attributes:
        otype: `"DataFrame"`, `"AnnData"` or None for anything else.
        n_observations: Rows of a table, cells of an AnnData.
        components: Slot → component; only slots that aren't empty.
    """

    otype: str | None
    n_observations: int | None
    components: Mapping[str, Component] = field(default_factory=dict)


class Format(Protocol):
    """A data format.

    Attributes:
        name: Short name, e.g. `"parquet"`.
        suffixes: File suffixes in lower case, with the dot; the first is the usual one.
        otype: `"DataFrame"`, `"AnnData"` or None.
    """

    name: str
    suffixes: tuple[str, ...]
    otype: str | None

    def describe(self, path: Path) -> Description:
        """Read the schema of every slot, and no data where the format allows that.

        Raises:
            UnreadableFile: Missing, empty, truncated, damaged or of another format.
        """

    def table(self, source: Any, slot: str, columns: Sequence[str] | None = None) -> pa.Table:
        """One slot as an Arrow table; categoricals are dictionary-encoded.

        Args:
            source: A path or an in-memory object.
            slot: A slot of the description.
            columns: Only these, in this order; an index level is given by its name or, the
                first one, as `"_index"`. None means all columns and no index.

        Raises:
            UnknownField: There is no such column.
            InvalidArgument: There is no such slot.
            InvalidData: A column of an object has values that no Arrow type holds.
        """

    def load(self, path: Path, **kwargs: Any) -> Any:
        """Read everything into memory, as the object that users of the format expect."""

    def open(self, path: Path | Sequence[Path], engine: str = "pyarrow", **kwargs: Any) -> Any:
        """Open one or several files lazily.

        Args:
            path: A file, a folder of such files, or several files with equal schemas; UPaths
                are read in place.
            engine: `"pyarrow"` for a dataset, `"polars"` for a context manager that yields a
                LazyFrame; only tables have a choice.
            kwargs: For the reader.
        """

    def write(self, obj: Any, path: Path, **kwargs: Any) -> None:
        """Write an object; equal objects give equal bytes. A failure leaves no file.

        Args:
            obj: An in-memory object of this format's type.
            path: The file to make.
            kwargs: For the writer.

        Raises:
            InvalidData: The object can't be written in this format.
        """


def is_path(obj: object) -> bool:
    """Whether an object is a path rather than data."""
    return isinstance(obj, str) or hasattr(obj, "__fspath__") or hasattr(obj, "storage_options")


def is_remote(path: object) -> bool:
    """Whether a path is a UPath on another file system than the machine's own."""
    return getattr(path, "protocol", "") not in ("", "file", "local")

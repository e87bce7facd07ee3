"""`obs` and `var` of a file: columns that are read some rows at a time, when a rule needs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
import pyarrow as pa

from lakehouse.curation.chunks import CHUNK_ROWS, Chunk, with_columns
from lakehouse.formats.base import INDEX, Component

_UNNAMED = "__index_level_0__"
_NOTHING: Mapping[str, pa.ChunkedArray] = MappingProxyType({})


class StoredFrame:
    """A frame in a file, as a `Source`.

    Args:
        stored: The file's format, which has `frame` beside what formats have.
        path: The file.
        slot: Which of its frames.
        component: What the format says of it.
    """

    def __init__(self, stored: Any, path: Path, slot: str, component: Component) -> None:
        self._format = stored
        self._path = path
        self._slot = slot
        self._schema = component.schema
        self.names = tuple(component.schema.names)
        self.n_rows: int | None = component.n_rows
        named = component.index[0] if component.index else INDEX
        # an index that is a column, too, is that column
        self.index = None if named in self.names else _UNNAMED if named == INDEX else named

    def type_of(self, name: str) -> pa.DataType | None:
        """A column's type; of the index only reading tells."""
        return self._schema.field(name).type if name in self.names else None

    def null_count(self, name: str) -> int | None:
        """Unknown before reading."""
        return None

    def read(
        self, names: Sequence[str], encoded: Set[str]
    ) -> Iterator[tuple[int, dict[str, Chunk]]]:
        """Slices of the columns, read one after the other."""
        del encoded
        assert self.n_rows is not None
        with self._format.frame(self._path, self._slot) as frame:
            own = {name: name if name in self.names else frame.index for name in names}
            parts = {name: frame.reader(stored) for name, stored in own.items()}
            for start in range(0, self.n_rows, CHUNK_ROWS):
                count = min(CHUNK_ROWS, self.n_rows - start)
                yield count, {name: read(start, count) for name, read in parts.items()}

    def table(self, replaced: Mapping[str, pa.ChunkedArray] = _NOTHING) -> pa.Table:
        """All of it; the index, which may be a schema's, is marked as pandas marks it."""
        columns = list(self.names)
        if self.index is None:
            table = self._format.table(self._path, self._slot, columns)
        else:
            table = self._format.table(self._path, self._slot, [*columns, INDEX])
            marked = orjson.dumps({"index_columns": [self.index], "columns": []})
            named = table.rename_columns([*columns, self.index])
            table = named.replace_schema_metadata({"pandas": marked})
        return with_columns(table, replaced)

"""Finding the rows in which a column has a value, over and over in one transaction.

A single search goes through the column. From a few dozen on, as when thousands of records are
deleted for good, the column is indexed once for the rest of the transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.orm.context import active_batch

if TYPE_CHECKING:
    from lakehouse.orm.batch import Batch
    from lakehouse.orm.lake import Lake

_SEARCHES = 32


@dataclass
class _Column:
    """One column of one state's rows, and where its values are once that is worth knowing."""

    rows: pa.Table
    searches: int = 0
    places: dict[str | None, list[int]] | None = None

    def find(self, name: str, value: str) -> pa.Table:
        self.searches += 1
        if self.places is None and self.searches <= _SEARCHES:
            return self.rows.filter(pc.equal(self.rows[name], value))
        if self.places is None:
            self.places = {}
            for place, found in enumerate(self.rows[name].to_pylist()):
                self.places.setdefault(found, []).append(place)
        places = self.places.get(value)
        return self.rows.take(places) if places else self.rows.slice(0, 0)


_known: WeakKeyDictionary[Batch, dict[tuple[str, str], _Column]] = WeakKeyDictionary()


def rows_where(lake: Lake, table: str, column: str, value: str) -> pa.Table:
    """The rows of the lake's present state in which a column has a value.

    Args:
        lake: The lake.
        table: Name of a table that the state has.
        column: One of its columns of text.
        value: The value.
    """
    rows = lake.state.arrow(table)
    batch = active_batch(lake)
    if batch is None:
        return rows.filter(pc.equal(rows[column], value))
    columns = _known.setdefault(batch, {})
    known = columns.get((table, column))
    if known is None or known.rows is not rows:  # the state moved on
        known = columns[table, column] = _Column(rows)
    return known.find(column, value)

"""What a part of a dataset is, and what somebody writes who adds a structure.

Write `curation/slots/<name>.py` with a class that has `part`, name it in
`curation/slots/table.py`, and inherit `lakehouse.testing.SlotsContract` in its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import pyarrow as pa

from lakehouse._lazy import is_a
from lakehouse.curation.data.chunks import first_positions
from lakehouse.errors import InvalidArgument, UnknownField, near

EXTERNAL = "__external__"
COLUMNS = "columns"

Kind = Literal["table", "values", "names"]
Replace = Callable[[Mapping[str, pa.ChunkedArray]], None]


@dataclass
class Part:
    """One part of a dataset.

    Attributes:
        slot: Its slot.
        kind: A table whose columns are features, a dictionary of feature values, or names
            (of genes, say) that are looked up themselves.
        data: The table, the dictionary, or an Arrow array of names.
        replace: Puts other columns in the place of the part's own, where that is possible.
        copied: Whether it was read from a file of which a copy can have other columns.
    """

    slot: str
    kind: Kind
    data: Any
    replace: Replace | None = None
    copied: bool = False


class Slots(Protocol):
    """The parts of one dataset."""

    def part(self, slot: str, *, of_features: bool) -> Part:
        """One part.

        Args:
            slot: Its slot, a schema's key.
            of_features: Whether its columns are named by features, not by genes and the like.

        Raises:
            UnknownField: There is no such slot in this structure.
            InvalidArgument: This dataset lacks it.
        """
        ...


def names_of(index: Any) -> pa.Array:
    """An index as Arrow texts."""
    if isinstance(index, pa.ChunkedArray):
        index = index.combine_chunks()
    if isinstance(index, pa.Array):
        return index.cast(pa.string())
    return pa.array([str(name) for name in index], pa.string())


def entry(root: Any, keys: Sequence[str], slot: str) -> Any:
    """What lies under a path of keys in nested dictionaries.

    Raises:
        InvalidArgument: A key isn't there; names those that are.
    """
    found = root
    for position, key in enumerate(keys):
        available = [str(k) for k in found] if isinstance(found, Mapping) else []
        if not isinstance(found, Mapping) or key not in found:
            above = ":".join(slot.split(":")[: -len(keys) + position] or [slot])
            raise InvalidArgument(
                f"The schema's slot {slot!r} needs the key {key!r}, which isn't there.",
                found=f"keys {available} in {above!r}",
                expected=", ".join(near(key, available)) or None,
                hint=f"add it to the dataset: {above.replace(':', '.')}[{key!r}] = {{…}}",
            )
        found = found[key]
    return found


def nested_part(root: Any, keys: Sequence[str], slot: str) -> Part:
    """The part that is a dictionary, or a table in one, below `uns` or `attrs`."""
    found = entry(root, keys, slot)
    if isinstance(found, Mapping):
        values = found if isinstance(found, dict) else dict(found)
        return Part(slot, "values", values, _filler(found))
    if hasattr(found, "columns"):
        return Part(slot, "table", found, frame_writer(found))
    if keys:
        return Part(slot, "values", {keys[-1]: found})
    raise InvalidArgument(
        f"The slot {slot!r} holds neither a dictionary nor a table.", found=type(found).__name__
    )


def _filler(mapping: Any) -> Replace | None:
    if not hasattr(mapping, "update"):
        return None

    def replace(values: Mapping[str, Any]) -> None:
        mapping.update(values)

    return replace


def frame_writer(frame: Any) -> Replace | None:
    """Puts columns into a pandas frame, in place; categoricals stay categorical."""
    if not is_a(frame, "pandas.DataFrame"):
        return None

    def replace(columns: Mapping[str, pa.ChunkedArray]) -> None:
        places = first_positions(list(frame.columns))
        for name, column in columns.items():
            series = _series(column)
            series.index = frame.index
            if name in places:
                objects = frame.dtypes.iloc[places[name]].name == "object"
                if objects and is_a(series.dtype, "pandas.StringDtype"):
                    # pandas 3 makes text a type of its own; what was objects stays objects
                    series = type(series)(column.to_pylist(), series.index, dtype=object)
                frame.isetitem(places[name], series)
            elif name == frame.index.name:
                frame.index = type(frame.index)(series.array, name=name)
            else:
                frame[name] = series

    return replace


def _series(column: pa.ChunkedArray) -> Any:
    """A column as pandas users know it."""
    if pa.types.is_nested(column.type):  # lists stay lists, which pyarrow makes arrays
        series = column.slice(0, 0).to_pandas()
        return type(series)(column.to_pylist(), dtype=object)
    if pa.types.is_integer(column.type) and column.null_count:  # they don't become fractions
        whole = column.to_pandas(integer_object_nulls=True)
        return whole.astype("Int64" if pa.types.is_signed_integer(column.type) else "UInt64")
    if pa.types.is_timestamp(column.type) and column.type.unit != "ns":
        try:
            return column.cast(pa.timestamp("ns", column.type.tz)).to_pandas()
        except pa.ArrowInvalid:
            pass  # centuries away
    return column.to_pandas()


def unknown_slot(structure: str, slot: str, known: Sequence[str]) -> UnknownField:
    """The error for a slot that a structure doesn't have."""
    return UnknownField(
        f"{structure} has no slot {slot!r}.",
        expected=", ".join(known),
        hint=f"did you mean {near(slot, list(known))[0]!r}?" if near(slot, list(known)) else None,
    )

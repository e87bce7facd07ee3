"""Look-up objects: a registry's records as attributes, for completion in notebooks."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import notify
from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument, UnknownField
from lakehouse.orm.session.matching import similar_names

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake

Keep = Literal["first", "last", False]

_TAKEN = (*keyword.kwlist, "dict")  # can't be attributes, or are one of ours
_KEEPS: tuple[Any, ...] = ("first", "last", False)


def attribute_names(texts: pa.ChunkedArray) -> list[str]:
    """Texts as Python attributes: `T cell` becomes `t_cell`, `3T3` becomes `ln_3t3`."""
    names = pc.ascii_lower(pc.replace_substring_regex(texts, "[^0-9a-zA-Z_]+", "_"))
    lettered = pc.match_substring_regex(names, "^[a-z]")
    # peer: its prefix, too
    names = pc.if_else(lettered, names, pc.binary_join_element_wise("ln_", names, ""))
    taken = pc.is_in(names, pa.array(_TAKEN))  # arrays import pandas
    return list(pc.if_else(taken, pc.binary_join_element_wise(names, "_", ""), names).to_pylist())


def _grouped(keys: list[str], uids: list[str]) -> dict[str, list[str]]:
    found = {key: [uid] for key, uid in zip(keys, uids, strict=True)}
    # most fields have one record for each value: no list is ever extended then
    if len(found) == len(keys):
        return found
    found = {}
    for key, uid in zip(keys, uids, strict=True):
        found.setdefault(key, []).append(uid)
    return found


@operations
class Lookup:
    """Records as attributes; each is read when it is asked for.

    Attribute names are the values of a field in lower case, with `_` for everything that a
    name can't have. Exact values are keys: `lookup["T cell"]`, `lookup.dict()["T cell"]`.

    Args:
        registry: The record class.
        lake: The lake.
        values: Gives a table of the records' uids and their values of the field.
        field: The field.
        return_field: The field to give instead of records, if any.
        keep: Which of several records with one name to give; False gives them all.

    Example:
        >>> cell_types = CellType.lookup()
        >>> cell_types.t_cell
        CellType(uid='...', name='T cell')
    """

    def __init__(
        self,
        registry: type[Any],
        lake: Lake,
        values: Callable[[], pa.Table],
        field: str,
        *,
        return_field: str | None = None,
        keep: Keep = "first",
    ) -> None:
        if keep not in _KEEPS:
            raise InvalidArgument("There is no such way to keep.", found=keep, expected=_KEEPS)
        self._registry = registry
        self._lake = lake
        self._values = values
        self._field = field
        self._return_field = return_field
        self._keep = keep
        self._told: set[str] = set()

    @cached_property
    def _pairs(self) -> tuple[list[str], pa.ChunkedArray]:
        """The uids, and their values of the field, without those that are no name."""
        table = self._values()
        table = table.filter(pc.greater(pc.binary_length(table[1]), 0))
        return table[0].to_pylist(), table[1]

    @cached_property
    def _by_value(self) -> dict[str, list[str]]:
        uids, values = self._pairs
        return _grouped(values.to_pylist(), uids)

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """Uids by attribute name."""
        uids, values = self._pairs
        return _grouped(attribute_names(values), uids)

    def _give(self, uids: list[str]) -> Any:
        if self._keep is False and len(uids) > 1:
            return self._records(uids)
        return self._records([uids[-1] if self._keep == "last" else uids[0]])[0]

    def _records(self, uids: list[str]) -> list[Any]:
        rows = self._lake.state.rows(self._registry.meta.table, uids)
        records = [self._registry._from_row(self._lake, row) for row in rows]
        if self._return_field is None:
            return records
        return [getattr(record, self._return_field) for record in records]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)  # notebooks and pickle ask for such: nothing is read
        uids = self._names.get(name)
        if uids is None:
            close = similar_names(name, list(self._names))
            raise UnknownField(
                f"No {self._registry.meta.name} is looked up as {name!r}.",
                expected=", ".join(close) or None,
            )
        if len(uids) > 1 and name not in self._told and self._keep is not False:
            self._told.add(name)
            notify(
                f"{len(uids)} records are called {name!r}; giving the {self._keep} one", "warning"
            )
        return self._give(uids)

    def __getitem__(self, value: str) -> Any:
        """The record by the exact value of the field."""
        uids = self._by_value.get(value)
        if uids is None:
            raise KeyError(value)
        return self._give(uids)

    def dict(self) -> dict[str, Any]:
        """All records by the exact values of the field."""
        uids = [uid for found in self._by_value.values() for uid in found]
        records = dict(zip(uids, self._records(uids), strict=True))
        found: dict[str, Any] = {}
        for value, held in self._by_value.items():
            several = self._keep is False and len(held) > 1
            last = held[-1] if self._keep == "last" else held[0]
            found[value] = [records[u] for u in held] if several else records[last]
        return found

    def __contains__(self, value: object) -> bool:
        return value in self._by_value or value in self._names

    def __iter__(self) -> Iterator[Any]:
        return iter(self._give(uids) for uids in self._names.values())

    def __len__(self) -> int:
        return len(self._names)

    def __dir__(self) -> list[str]:
        return [*self._names, "dict"]

    def __repr__(self) -> str:
        shown = ", ".join(list(self._names)[:5]) + (", …" if len(self) > 5 else "")
        name = self._registry.meta.name
        return f"<Lookup of {len(self)} {name} records by {self._field!r}: {shown}>"

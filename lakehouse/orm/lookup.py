"""Look-up objects: a registry's records as attributes, for completion in notebooks."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lakehouse.errors import UnknownField, near

if TYPE_CHECKING:
    from lakehouse.orm.lake import Lake

_OTHER = re.compile(r"\W+")


def attribute_name(text: str) -> str:
    """A text as a Python attribute: `T cell` becomes `t_cell`."""
    name = _OTHER.sub("_", text.lower()).strip("_") or "_"
    return f"_{name}" if name[0].isdigit() else name


class Lookup:
    """Records as attributes; each is read when it is asked for.

    Example:
        >>> cell_types = CellType.lookup()   # doctest: +SKIP
        >>> cell_types.t_cell                # doctest: +SKIP
        CellType(uid='…', name='T cell')
    """

    def __init__(self, registry: type[Any], lake: Lake, values: dict[str, Any], field: str) -> None:
        self._registry = registry
        self._lake = lake
        self._by_uid = values
        self._field = field

    @cached_property
    def _uids(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for uid, value in self._by_uid.items():
            if value is None:
                continue
            name = base = attribute_name(str(value))
            n = 1
            while name in found:
                n += 1
                name = f"{base}_{n}"
            found[name] = uid
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        uid = self._uids.get(name)
        if uid is None:
            close = near(name, list(self._uids))
            raise UnknownField(
                f"No {self._registry.meta.name} is looked up as {name!r}.",
                expected=", ".join(close) or None,
            )
        row = self._lake.state.row(self._registry.meta.table, uid)
        return self._registry._from_row(self._lake, row)

    def __getitem__(self, value: str) -> Any:
        """The record by the exact value of the field."""
        for uid, known in self._by_uid.items():
            if known == value:
                row = self._lake.state.row(self._registry.meta.table, uid)
                return self._registry._from_row(self._lake, row)
        raise KeyError(value)

    def dict(self) -> dict[str, Any]:
        """All records by attribute name."""
        rows = self._lake.state.rows(self._registry.meta.table, list(self._uids.values()))
        records = {r["uid"]: self._registry._from_row(self._lake, r) for r in rows}
        return {name: records[uid] for name, uid in self._uids.items() if uid in records}

    def __len__(self) -> int:
        return len(self._uids)

    def __dir__(self) -> list[str]:
        return [*self._uids, "dict"]

    def __repr__(self) -> str:
        return f"<Lookup of {len(self)} {self._registry.meta.name} records by {self._field!r}>"

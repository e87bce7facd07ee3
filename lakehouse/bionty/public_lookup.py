"""Terms of public sources as attributes, for completion."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import UnknownField, near
from lakehouse.orm.lookup import attribute_names
from lakehouse.places import places_of
from lakehouse.printable import printable_line


class Origin(Protocol):
    """The public source that a term is from."""

    entity: str
    organism: str | None
    source: str | None
    version: str | None


class PublicLookup:
    """Terms as attributes, named by their values of a field; several of one name as a list.

    Example:
        >>> bt.CellType.public().lookup().t_cell.ontology_id
        'CL:0000084'
    """

    def __init__(self, terms: pa.Table, field: str, origin: Origin) -> None:
        self._terms = terms.filter(pc.is_valid(terms[field]))
        self._field = field
        self._origin = origin

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for row, name in enumerate(attribute_names(self._terms[self._field])):
            found.setdefault(name, []).append(row)
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        rows = self._rows.get(name)
        if rows is None:
            close = near(name, list(self._rows))
            raise UnknownField(
                f"No {self._origin.entity} is looked up as {name!r}.",
                expected=", ".join(close) or None,
            )
        return self._given(rows)

    def __getitem__(self, value: str) -> Any:
        hits = places_of(pc.equal(self._terms[self._field], value)).to_pylist()
        if not hits:
            raise KeyError(value)
        return self._given(hits)

    def _given(self, rows: list[int]) -> Any:
        found = [PublicTerm(self._origin, row) for row in self._terms.take(rows).to_pylist()]
        return found[0] if len(found) == 1 else found

    def dict(self) -> dict[str, Any]:
        """All terms by their values of the field."""
        values = self._terms[self._field].to_pylist()
        terms = (PublicTerm(self._origin, row) for row in self._terms.to_pylist())
        return dict(zip(values, terms, strict=True))

    def __dir__(self) -> list[str]:
        return [*self._rows, "dict"]


class PublicTerm:
    """A term of a public source: its fields as attributes.

    A registry makes a record of it: `bt.CellType(bt.CellType.public().lookup().t_cell)`.
    """

    def __init__(self, origin: Origin, values: dict[str, Any]) -> None:
        self._origin = origin
        self._fields = tuple(values)
        self.__dict__.update(values)

    @property
    def origin(self) -> Origin:
        """The source that it is from."""
        return self._origin

    def __getattr__(self, name: str) -> Any:
        if name == "_origin":
            raise AttributeError(name)
        raise AttributeError(f"a term of {self._origin.entity} has no field {name!r}")

    def __getitem__(self, name: str) -> Any:
        return self._asdict()[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field, if there is one."""
        return self._asdict().get(name, default)

    def _asdict(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in self._fields}

    def __repr__(self) -> str:
        shown = {k: v for k, v in self._asdict().items() if v}
        entity = printable_line(self._origin.entity)
        return f"{entity}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"

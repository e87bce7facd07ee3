"""Terms of public sources as attributes, for completion."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import UnknownField, near
from lakehouse.orm.lookup import attribute_names


class PublicLookup:
    """Terms as attributes, named by their values of a field; several of one name as a list.

    Example:
        >>> bt.CellType.public().lookup().t_cell.ontology_id  # doctest: +SKIP
        'CL:0000084'
    """

    def __init__(self, terms: pa.Table, field: str, entity: str) -> None:
        self._terms = terms.filter(pc.is_valid(terms[field]))
        self._field = field
        self._entity = entity

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
                f"No {self._entity} is looked up as {name!r}.", expected=", ".join(close) or None
            )
        return self._given(rows)

    def __getitem__(self, value: str) -> Any:
        hits = pc.indices_nonzero(pc.equal(self._terms[self._field], value)).to_pylist()
        if not hits:
            raise KeyError(value)
        return self._given(hits)

    def _given(self, rows: list[int]) -> Any:
        found = [PublicTerm(self._entity, row) for row in self._terms.take(rows).to_pylist()]
        return found[0] if len(found) == 1 else found

    def dict(self) -> dict[str, Any]:
        """All terms by their values of the field."""
        values = self._terms[self._field].to_pylist()
        terms = (PublicTerm(self._entity, row) for row in self._terms.to_pylist())
        return dict(zip(values, terms, strict=True))

    def __dir__(self) -> list[str]:
        return [*self._rows, "dict"]


class PublicTerm:
    """A term of a public source: its fields as attributes."""

    def __init__(self, entity: str, values: dict[str, Any]) -> None:
        self._entity = entity
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a term of {self._entity} has no field {name!r}")

    def __repr__(self) -> str:
        shown = {k: v for k, v in vars(self).items() if not k.startswith("_") and v}
        return f"{self._entity}({', '.join(f'{k}={v!r}' for k, v in shown.items())})"

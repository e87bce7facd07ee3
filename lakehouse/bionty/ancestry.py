"""Saving terms of a public source together with what is above them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.annotation.making import existing_records, quiet_creation
from lakehouse.bionty.content import PARENTS
from lakehouse.bionty.given import add_after
from lakehouse.bionty.related import stage_parents

if TYPE_CHECKING:
    from lakehouse.bionty.source import Source
    from lakehouse.orm.batch import Batch


class Ancestry:
    """The hierarchy of a public source, as far as records of it are saved.

    Args:
        registry: The registry.
        terms: The source's terms.
        source: The source.
    """

    def __init__(self, registry: type[Any], terms: pa.Table, source: Source) -> None:
        self._registry = registry
        self._terms = terms
        self._source = source
        self._made: dict[str, Any] = {}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {key: i for i, key in enumerate(self._terms["ontology_id"].to_pylist())}

    @cached_property
    def _parents(self) -> dict[str, list[str]]:
        ids = self._terms["ontology_id"].to_pylist()
        return dict(zip(ids, self._terms[PARENTS].to_pylist(), strict=True))

    def save_with(self, record: Any, batch: Batch) -> None:
        """Save with a record the terms above it that the registry doesn't have, and the links."""
        if not self._source._saved:
            batch.add(self._source)
        own = record._values.get("ontology_id")
        self._made[own] = record
        above = sorted(self._above(own), key=self._places.__getitem__)
        records = {own: record, **self._records([key for key in above if key != own])}
        add_after(record, [r for r in records.values() if r is not record], batch)
        pairs = [
            (records[child], records[parent])
            for child in records
            for parent in self._parents.get(child, ())
            if parent in records
        ]
        stage_parents(batch, record._lake, pairs)

    def _above(self, key: str) -> list[str]:
        found: dict[str, None] = {}
        left = list(self._parents.get(key, ()))
        while left:
            parent = left.pop()
            if parent in self._parents and parent not in found:
                found[parent] = None
                left += self._parents[parent]
        return list(found)

    def _records(self, keys: list[str]) -> dict[str, Any]:
        """The records of some terms: those of the registry as they are, the others new."""
        new = [key for key in keys if key not in self._made]
        known = existing_records(self._registry, self._registry._rows(), "ontology_id", set(new))
        self._made.update((key, records[0]) for key, records in known.items())
        fields = self._registry.meta.fields
        with quiet_creation():
            for key in new:
                if key not in self._made:
                    row = self._terms.slice(self._places[key], 1).to_pylist()[0]
                    values = {n: v for n, v in row.items() if n in fields and v is not None}
                    self._made[key] = self._registry(**values, source=self._source)
        return {key: self._made[key] for key in keys}

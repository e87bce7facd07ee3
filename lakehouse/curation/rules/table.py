"""Which rules there are. Adding one is one file and one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, cast, runtime_checkable

import pyarrow as pa

from lakehouse._lazy import load_name
from lakehouse.curation.data.chunks import Chunk
from lakehouse.curation.failure import Failure
from lakehouse.curation.reports.failures import Group
from lakehouse.curation.spec import ColumnRule, DatasetSpec
from lakehouse.curation.terms import Matches, TermResolver

DATASET_RULES = {
    "duplicates": "lakehouse.curation.rules.duplicates:check",
    "presence": "lakehouse.curation.rules.presence:check",
    "extra": "lakehouse.curation.rules.extra:check",
    "order": "lakehouse.curation.rules.order:check",
}

COLUMN_RULES = {
    "dtype": "lakehouse.curation.rules.dtype:make",
    "dicts": "lakehouse.curation.rules.dicts:make",
    "null": "lakehouse.curation.rules.nulls:make",
    "constraint": "lakehouse.curation.rules.constraints:make",
    "category": "lakehouse.curation.rules.categories:make",
}


class DatasetRule(Protocol):
    """Judges a dataset by its column names."""

    def __call__(
        self, names: tuple[str, ...], index: str | None, spec: DatasetSpec, slot: str
    ) -> Iterator[Failure]:
        """Yield what is wrong."""
        ...


class ColumnCheck(Protocol):
    """Judges one column, chunk by chunk."""

    def settled(self, arrow: pa.DataType | None, null_count: int | None) -> bool:
        """Whether the type and the number of missing values alone say that all is well."""
        ...

    def update(self, chunk: Chunk, start: int) -> None:
        """Look at the rows from `start` on."""
        ...

    def failures(self, slot: str) -> Iterator[Failure | Group]:
        """Yield what was wrong."""
        ...


class ColumnFamily(Protocol):
    """Makes the check of a column, or None where it has nothing to say about it."""

    def __call__(self, rule: ColumnRule, resolver: TermResolver | None) -> ColumnCheck | None:
        """Make the check."""
        ...


@runtime_checkable
class HasTerms(Protocol):
    """A check that also learns which terms a column holds."""

    def matches(self) -> tuple[Matches, ...]:
        """The valid terms seen."""
        ...


def dataset_rules() -> list[DatasetRule]:
    """The rules about column names."""
    return [cast("DatasetRule", load_name(path)) for path in DATASET_RULES.values()]


def column_families() -> list[ColumnFamily]:
    """The rules about values."""
    return [cast("ColumnFamily", load_name(path)) for path in COLUMN_RULES.values()]

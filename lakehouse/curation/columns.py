"""The columns of a dataset, each on its way through coercion and checks."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from lakehouse.curation.chunks import Chunk, joined
from lakehouse.curation.coercion import Coercer
from lakehouse.curation.failure import Failure
from lakehouse.curation.failures import Group
from lakehouse.curation.inputs import Source
from lakehouse.curation.rules._table import HasTerms, column_families
from lakehouse.curation.spec import ColumnRule, DatasetSpec
from lakehouse.curation.terms import Matches, TermResolver


class Column:
    """One column on its way through coercion and checks.

    Args:
        key: Its name in the source.
        rule: What it must be.
        spec: The dataset's.
        resolver: Knows the terms of registries.
    """

    def __init__(
        self, key: str, rule: ColumnRule, spec: DatasetSpec, resolver: TermResolver | None
    ) -> None:
        self.key = key
        self.rule = rule
        self._coercer = Coercer(rule, convert=spec.coerces(rule))
        self.may_change = spec.coerces(rule) or rule.default is not None
        made = (make(rule, resolver) for make in column_families())
        self._checks = [check for check in made if check is not None]
        self._chunks: list[Chunk] = []

    @property
    def changed(self) -> bool:
        """Whether a value was converted or filled."""
        return self._coercer.changed

    @property
    def of_text(self) -> bool:
        """Whether each distinct text is looked at once."""
        text = self.rule.dtype.kind == "str" and bool(self.rule.checks)
        return self.rule.dtype.is_categorical or text

    @property
    def matches(self) -> tuple[Matches, ...]:
        """The valid terms seen, by registry."""
        return tuple(
            match
            for check in self._checks
            if isinstance(check, HasTerms)
            for match in check.matches()
        )

    def settled(self, source: Source) -> bool:
        """Whether type and null count say that all is well; they are asked for only then."""
        if not all(check.settled(pa.null(), 0) for check in self._checks):
            return False  # no type would be enough
        arrow = source.type_of(self.key)
        needs_count = not self.rule.nullable or self.rule.default is not None
        null_count = source.null_count(self.key) if needs_count else None
        return self._coercer.settled(arrow, null_count) and all(
            check.settled(arrow, null_count) for check in self._checks
        )

    def update(self, chunk: Chunk, start: int) -> Chunk:
        """Look at the rows from `start` on; gives them as they should be."""
        if self.may_change:
            chunk = self._coercer.apply(chunk, start)
            self._chunks.append(chunk)
        for check in self._checks:
            check.update(chunk, start)
        return chunk

    def failures(self, slot: str) -> Iterator[Failure | Group]:
        """What is wrong with it."""
        yield from self._coercer.failures(slot)
        for check in self._checks:
            yield from check.failures(slot)

    def result(self) -> pa.ChunkedArray:
        """The column as it became; only of a column without failures."""
        return joined(self._chunks, self.rule.fill_type)

"""What a validation found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from lakehouse.curation.failure import Failure
from lakehouse.curation.reports import html as _html
from lakehouse.curation.reports import text as _text
from lakehouse.curation.reports.failures import Failures, Group, Part, columns_of
from lakehouse.curation.terms import Matches
from lakehouse.errors import InvalidArgument, ValidationError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text as RichText

SUFFIXES = (".html", ".json", ".csv", ".parquet")
"""What reports are written as."""


@dataclass(repr=False)
class Report:
    """The outcome of a validation: every failure of every column at once.

    `str(report)` is a readable account that names the first values of each failure and says
    how many more there are; `failures` and `to_polars()` hold all of them.

    Attributes:
        failures: Everything that is wrong; empty if the data is valid. A sequence that makes
            its `Failure` objects as they are looked at: there may be millions.
        terms: The valid terms by column, for annotation.
        table: The data; an Arrow table if coercion or defaults changed something.
        changed: Whether they did.
        changes: The names of the columns that they changed or added.
        columns: The dtype of each column that was validated.
        n_rows: Rows seen.
        unknown: Names that are no terms where other names are allowed, e.g. of genes.
    """

    failures: Sequence[Failure] = ()
    terms: dict[str, tuple[Matches, ...]] = field(default_factory=dict)
    table: Any = None
    changed: bool = False
    changes: tuple[str, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    n_rows: int = 0
    unknown: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.failures = Failures.of(self.failures)

    def add(self, found: Iterable[Failure]) -> None:
        """Note further failures."""
        self.failures = Failures.of(self.failures) + Failures.of(found)

    @property
    def ok(self) -> bool:
        """Whether the data is valid."""
        return not self.failures

    def raise_for_failures(self) -> Report:
        """Raise ValidationError, which carries this report, unless the data is valid."""
        if self.failures:
            raise ValidationError(str(self), report=self)
        return self

    def non_validated(self) -> dict[str, list[str]]:
        """The values that are no terms, by categorical column."""
        found: dict[str, list[str]] = {}
        for failure in Failures.of(self.failures).single():
            if failure.rule == "category":
                found.setdefault(failure.column, []).append(failure.value)
        return found

    def synonyms(self) -> dict[str, dict[str, str]]:
        """By categorical column: which invalid value is a synonym of which term."""
        found: dict[str, dict[str, str]] = {}
        for failure in Failures.of(self.failures).single():
            if failure.synonym_of is not None:
                found.setdefault(failure.column, {})[failure.value] = failure.synonym_of
        return found

    def in_slot(self, slot: str) -> Report:
        """The same report, saying that it is about a slot."""
        found = Failures.of(self.failures).map(lambda failure: replace(failure, slot=slot))
        return replace(self, failures=found)

    @staticmethod
    def join(reports: Mapping[str, Report]) -> Report:
        """One report over several slots; terms and columns are keyed `slot:column`."""
        parts = [(slot, report.in_slot(slot)) for slot, report in reports.items()]
        return Report(
            failures=Failures(p for _, r in parts for p in Failures.of(r.failures).parts),
            terms={f"{s}:{name}": terms for s, p in parts for name, terms in p.terms.items()},
            table={slot: part.table for slot, part in parts},
            changed=any(part.changed for _, part in parts),
            columns={f"{s}:{name}": dtype for s, p in parts for name, dtype in p.columns.items()},
            n_rows=max((part.n_rows for _, part in parts), default=0),
        )

    def to_polars(self) -> pl.DataFrame:
        """All failures as a data frame, one row each; values as text."""
        return columns_of(self.failures)

    def to_rows(self) -> pl.DataFrame:
        """Every failing row: slot, column, rule, value and row, from 0.

        Raises:
            InvalidArgument: Only the first rows of each failure were kept.
        """
        if not all(_has_all_rows(part) for part in Failures.of(self.failures).parts):
            raise InvalidArgument(
                "This report keeps only the first rows of each failure.",
                hint="validate again with all_rows=True",
            )
        frame = self.to_polars().select("slot", "column", "rule", "value", row="rows")
        return frame.explode("row").drop_nulls("row")

    def write_rows(self, path: str | os.PathLike[str]) -> None:
        """Write `to_rows()` as a Parquet file; it appears whole or not at all."""
        from lakehouse.storage.local import appearing  # 30 ms, for those who write

        rows = self.to_rows()
        with appearing(Path(path)) as target:
            rows.write_parquet(target)

    def to_html(self, title: str = "Validation report") -> str:
        """One self-contained HTML page with the counts of every column and every failure."""
        return _html.page(self.failures, self.columns, n_rows=self.n_rows, title=title)

    def write(self, path: str | os.PathLike[str], *, title: str = "Validation report") -> None:
        """Write the report: `.html` for people, `.json`, `.csv` or `.parquet` for programs.

        It appears whole or not at all, in the place of an older one.

        Raises:
            InvalidArgument: The suffix is another one.
        """
        from lakehouse.storage.local import appearing  # as above

        suffix = Path(path).suffix
        if suffix not in SUFFIXES:
            raise InvalidArgument(
                f"A report can't be written as {suffix or 'a file without suffix'!r}.",
                expected=", ".join(SUFFIXES),
            )
        with appearing(Path(path)) as target:
            if suffix == ".html":
                target.write_text(self.to_html(title), encoding="utf-8")
                return
            frame = self.to_polars()
            if suffix == ".json":
                frame.write_json(target)
            elif suffix == ".parquet":
                frame.write_parquet(target)
            else:
                joined = (
                    pl.col(n).list.eval(pl.element().cast(pl.String)) for n in ("rows", "nearest")
                )
                frame.with_columns(c.list.join("; ") for c in joined).write_csv(target)

    def __repr__(self) -> str:
        return f"Report({len(self.failures):,} failures, {self.n_rows:,} rows)"

    def _repr_html_(self) -> str:
        return self.to_html()

    def __str__(self) -> str:
        return _text.describe(self.failures, n_columns=len(self.columns), n_rows=self.n_rows)

    def __rich__(self) -> Table | RichText:
        from rich.text import Text  # only for those who print it

        return _text.rich_table(self.failures) if self.failures else Text(str(self), style="green")


def _has_all_rows(part: Part) -> bool:
    if isinstance(part, Group):
        return part.has_all_rows
    return all(failure.count <= len(failure.rows) for failure in part)

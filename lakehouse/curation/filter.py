"""Parting the good rows of a dataset from the bad ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from lakehouse._lazy import is_a
from lakehouse.curation.data.sources import source_of
from lakehouse.curation.reports.report import Report
from lakehouse.errors import InvalidArgument


@dataclass(frozen=True)
class Filtered:
    """The rows of a dataset, parted.

    What is wrong with a column as such, e.g. that it is missing, makes no row bad; the report
    says it.

    Attributes:
        good: The rows in which nothing is wrong.
        bad: The others.
        report: What is wrong.
    """

    good: Any
    bad: Any
    report: Report

    def __repr__(self) -> str:
        parts = (f"{name}=<{_size(getattr(self, name))}>" for name in ("good", "bad"))
        return f"Filtered({', '.join(parts)}, report={self.report!r})"


def split(data: Any, report: Report) -> Filtered:
    """Part a dataset by a report that keeps all rows.

    Args:
        data: The table that was validated, or the AnnData whose `obs` it is.
        report: What `validate(…, all_rows=True)` found.

    Raises:
        InvalidArgument: The report keeps only the first rows of each failure.
    """
    given, data = data, _whole(data)
    rows = report.to_rows()["row"].unique()
    bad = pl.int_range(len(data), eager=True).is_in(rows.implode())
    good, bad = _chosen(data, ~bad), _chosen(data, bad)
    if isinstance(given, pl.LazyFrame):
        good, bad = good.lazy(), bad.lazy()
    return Filtered(good, bad, report)


def _whole(data: Any) -> Any:
    """The dataset as something that has rows: files and streams are read."""
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if isinstance(data, pl.DataFrame) or is_a(data, "pandas.DataFrame"):
        return data
    if hasattr(data, "obs"):
        if not data.obs.columns.is_unique:
            raise InvalidArgument(
                "An AnnData whose obs has several columns of one name can't be filtered.",
                hint="rename or drop the repeated columns",
            )
        return data
    table = source_of(data).table()
    if not isinstance(table, pa.Table):
        raise InvalidArgument("Only rows of tables can be filtered.", found=type(data).__name__)
    return table


def _size(data: Any) -> str:
    kind = type(data).__name__
    return kind if isinstance(data, pl.LazyFrame) else f"{kind}, {len(data):,} rows"


def _chosen(data: Any, mask: pl.Series) -> Any:
    if isinstance(data, pl.DataFrame):
        return data.filter(mask)
    if is_a(data, "pandas.DataFrame"):
        return data.iloc[mask.to_numpy()]
    if hasattr(data, "obs"):
        return data[mask.to_numpy()]
    return data.filter(mask.to_arrow())

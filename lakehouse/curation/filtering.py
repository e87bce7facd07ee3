"""Parting the good rows of a dataset from the bad ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from lakehouse.curation.inputs import source_of
from lakehouse.curation.report import Report
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


def split(data: Any, report: Report) -> Filtered:
    """Part a dataset by a report that keeps all rows.

    Args:
        data: The table that was validated, or the AnnData whose `obs` it is.
        report: What `validate(…, all_rows=True)` found.

    Raises:
        InvalidArgument: The report keeps only the first rows of each failure.
    """
    rows = report.to_rows()["row"].unique()
    n_rows = len(data) if hasattr(data, "__len__") else report.n_rows
    bad = pl.int_range(n_rows, eager=True).is_in(rows.implode())
    return Filtered(_chosen(data, ~bad), _chosen(data, bad), report)


def _chosen(data: Any, mask: pl.Series) -> Any:
    if isinstance(data, pl.DataFrame):
        return data.filter(mask)
    if isinstance(data, pl.LazyFrame):
        return data.collect().filter(mask).lazy()
    if hasattr(data, "iloc"):
        return data.iloc[mask.to_numpy()]
    if hasattr(data, "obs"):
        return data[mask.to_numpy()]
    if isinstance(data, pa.Table):
        return data.filter(mask.to_arrow())
    table = source_of(data).table()
    if not isinstance(table, pa.Table):
        raise InvalidArgument("Only rows of tables can be filtered.", found=type(data).__name__)
    return table.filter(mask.to_arrow())

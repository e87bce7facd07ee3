"""pandera schemas whose checks are ours: for pipelines that already validate with pandera."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import polars as pl

from lakehouse._lazy import require
from lakehouse.annotation.specs import resolver_of, spec_of
from lakehouse.curation import ColumnRule, DatasetSpec, TermResolver, validate

if TYPE_CHECKING:
    from lakehouse.orm import Lake


def pandera_schema(schema: Any, lake: Lake) -> Any:
    """The `pandera.pandas.DataFrameSchema` of a schema of one table; terms are those of now."""
    pandera = require("pandera.pandas", "make pandera schemas")
    spec, resolver = spec_of(schema, lake.state), resolver_of(lake)
    columns = {}
    for rule in spec.columns:
        check = pandera.Check(_of_column(rule, resolver), name=str(rule.dtype), ignore_na=False)
        # nullable for pandera, since our own check says what may be missing
        columns[rule.name] = pandera.Column(
            checks=check, nullable=True, required=spec.is_required(rule)
        )
    checks = [] if spec.rows is None else [pandera.Check(_of_rows(spec), name=spec.rows.name)]
    return pandera.DataFrameSchema(
        columns,
        checks=checks,
        name=schema.name,
        strict=spec.maximal_set,
        ordered=spec.ordered_set,
    )


def _of_column(rule: ColumnRule, resolver: TermResolver) -> Callable[[Any], Any]:
    def check(series: Any) -> Any:
        return _fine(series.to_frame(rule.name), DatasetSpec((rule,)), resolver)

    return check


def _of_rows(spec: DatasetSpec) -> Callable[[Any], Any]:
    only_rows = dataclasses.replace(spec, columns=(), maximal_set=False, ordered_set=False)
    return lambda frame: _fine(frame, only_rows, None)


def _fine(frame: Any, spec: DatasetSpec, resolver: TermResolver | None) -> Any:
    """Of each row, whether nothing is wrong with it."""
    rows = validate(frame, spec, resolver, all_rows=True).to_rows()["row"].unique()
    fine = ~pl.int_range(len(frame), eager=True).is_in(rows.implode())
    return require("pandas", "make pandera schemas").Series(fine.to_numpy(), index=frame.index)

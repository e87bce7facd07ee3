"""Columns of rare types and layouts are judged like any other."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse.curation import ColumnRule, DatasetSpec, Report, TableResolver, validate
from lakehouse.curation.data.chunks import CHUNK_ROWS

AT_LEAST_2 = ColumnRule("x", "int", nullable=False, checks={"ge": 2})
LABELS = ColumnRule("x", "list[cat[ULabel]]")
TERMS = TableResolver({"ULabel": pa.table({"uid": ["1", "2"], "name": ["a", "b"]})})


def refused(value: Any) -> None:
    raise ValueError("no")


def found(report: Report) -> list[tuple[str, Any, tuple[int, ...]]]:
    report.to_polars(), str(report)  # must be possible for any type of value
    return [(f.rule, f.value, f.rows) for f in report.failures]


def judged(data: Any, *rules: ColumnRule, **settings: Any) -> list[tuple[str, Any, Any]]:
    return found(validate(data, DatasetSpec(columns=rules, **settings), TERMS))


@pytest.mark.parametrize("dtype", [">i8", ">i2", ">u4"])
def test_numbers_of_other_machines(dtype: str) -> None:
    assert judged(pd.DataFrame({"x": np.array([1, 3], dtype)}), AT_LEAST_2) == [
        ("constraint", 1, (0,))
    ]


@pytest.mark.parametrize("dtype", [">f8", np.longdouble])
def test_fractions_of_other_machines(dtype: Any) -> None:
    rule = ColumnRule("x", "float", checks={"ge": 2})
    assert judged(pd.DataFrame({"x": np.array([1, 3], dtype)}), rule) == [("constraint", 1.0, (0,))]


@pytest.mark.parametrize(
    ("index", "rule", "wrong"),
    [
        (pd.Index([1, None, 5], dtype="Int64"), "int", [("null", None, (1,))]),
        (pd.Index([True, None], dtype="boolean"), "bool", [("null", None, (1,))]),
        (pd.MultiIndex.from_tuples([("a", 1), ("b", 2)]), "str", [("dtype", ("a", 1), (0, 1))]),
    ],
)
def test_indexes_of_rare_types(index: Any, rule: str, wrong: list[Any]) -> None:
    frame = pd.DataFrame({"a": range(len(index))}, index=index)
    assert judged(frame, index=ColumnRule("id", rule, nullable=False)) == wrong


def test_a_column_may_have_the_name_that_stands_for_the_index() -> None:
    frame = pd.DataFrame({"__index__": [1, 2]}, index=["q", "rr"])
    rule = ColumnRule("id", "str", checks={"min_length": 2})
    assert judged(frame, index=rule) == [("constraint", "q", (0,))]


@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view()], ids=str)
def test_views(kind: pa.DataType) -> None:
    text = pa.types.is_string_view(kind)
    rule = ColumnRule("x", "str" if text else "bytes", checks={"min_length": 2, "custom": refused})
    short, long = ("a", "bb") if text else (b"a", b"bb")
    table = pa.table({"x": pa.array([short, None, long], kind)})
    wrong = [("constraint", short, (0,)), ("constraint", long, (2,))]
    assert judged(table, rule) == wrong
    assert judged(table.to_reader(), rule) == wrong


def test_runs_and_extensions() -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([1, 5]))
    assert judged(pa.table({"x": runs}), AT_LEAST_2) == [("constraint", 1, (0, 1))]
    intervals = pd.DataFrame({"x": pd.interval_range(0, 2)})
    rule = ColumnRule("x", "object", checks={"custom": refused})
    assert [rows for _, _, rows in judged(intervals, rule)] == [(0,), (1,)]


def test_numbers_of_128_bits() -> None:
    frame = pl.DataFrame({"x": pl.Series([1, 2], dtype=pl.Int128)})
    assert judged(frame, AT_LEAST_2) == [("constraint", 1, (0,))]


def test_text_in_several_pieces() -> None:
    arrow = pd.ArrowDtype(pa.string())
    pieces = [pd.Series(pd.array([text], dtype=arrow)) for text in ("a", "zz")]
    frame = pd.DataFrame({"x": pd.concat(pieces, ignore_index=True)})
    assert judged(frame, ColumnRule("x", "cat[ULabel]")) == [("category", "zz", (1,))]


@pytest.mark.parametrize(
    "cells",
    [
        [np.array(["a", "zz"]), {"b"}],
        [pd.Series(["a", "zz"]), ("b",)],
        [{"a": 1, "zz": 2}.keys(), ["b"]],
    ],
)
def test_items_of_any_sequence_are_looked_up(cells: list[Any]) -> None:
    report = validate(pd.DataFrame({"x": cells}), DatasetSpec(columns=(LABELS,)), TERMS)
    assert found(report) == [("category", "zz", (0,))]
    assert sorted(report.terms["x"][0].values.to_pylist()) == ["a", "b"]


def test_items_that_missing_lists_still_hold_count_for_no_row() -> None:
    offsets, mask = pa.array([0, 2, 3, 4], pa.int32()), pa.array([True, False, False])
    lists = pa.ListArray.from_arrays(offsets, pa.array([None, "a", "zz", None]), mask=mask)
    rule = ColumnRule("x", LABELS.dtype, checks={"null_items": False})
    wrong = [("constraint", "[None]", (2,)), ("category", "zz", (1,))]
    assert judged(pa.table({"x": lists}), rule) == wrong


@pytest.mark.parametrize("leading", [True, False])
def test_a_stretch_without_values_beside_one_that_is_converted(leading: bool) -> None:
    nothing, given = [None] * CHUNK_ROWS, ["1", "2"]
    cells = [*nothing, *given] if leading else [*given, *nothing]
    frame = pd.DataFrame({"x": np.array(cells, object)})
    spec = DatasetSpec(columns=(ColumnRule("x", "int", coerce=True),))
    report = validate(frame, spec).raise_for_failures()
    assert report.table["x"].drop_null().to_pylist() == [1, 2]
    assert report.table["x"].null_count == CHUNK_ROWS


def test_parquet_files_with_repeated_names(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    twice = pa.Table.from_arrays([pa.array([1]), pa.array(["a"])], names=["x", "x"])
    pq.write_table(twice, path)
    wrong = [("duplicates", None, ()), ("constraint", 1, (0,))]
    assert judged(path, AT_LEAST_2) == judged(twice, AT_LEAST_2) == wrong


@pytest.mark.parametrize("bound", [datetime.datetime(2021, 1, 1), "aware"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_moments_with_and_without_zone_are_compared(bound: Any, zone: str | None) -> None:
    if bound == "aware":
        bound = datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC)
    moments = pa.array([datetime.datetime(2020, 1, 1), None, bound], pa.timestamp("us", zone))
    rule = ColumnRule("x", "datetime", checks={"ge": bound})
    ((kind, _, rows),) = judged(pa.table({"x": moments}), rule)
    assert (kind, rows) == ("constraint", (0,))


def test_hexadecimal_text_is_no_number() -> None:
    rule = ColumnRule("x", "int", coerce=True)
    assert judged(pa.table({"x": ["0x10"]}), rule) == [("coerce", "0x10", (0,))]
    assert judged(pa.table({"x": ["0x10", "q"]}), rule)[0] == ("coerce", "0x10", (0,))

"""Converting values and filling in defaults."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from lakehouse.curation import ColumnRule, DatasetSpec, TableResolver, validate
from lakehouse.curation.data.chunks import with_columns
from lakehouse.errors import InvalidArgument

UTC = dt.UTC


def coerced(values: Any, dtype: Any, **settings: Any) -> Any:
    rule = ColumnRule("a", dtype, coerce=True, **settings)
    return validate(values, DatasetSpec(columns=(rule,)))


@pytest.mark.parametrize(
    ("dtype", "given_values", "expected"),
    [
        ("int", ["1", " 2 ", None], [1, 2, None]),
        ("int", ["1", "2.0", "9223372036854775807"], [1, 2, 2**63 - 1]),
        ("int", [1.0, float("nan"), None], [1, None, None]),
        ("int", [True, False], [1, 0]),
        ("float", ["1.5", "-1e3", "inf"], [1.5, -1000.0, float("inf")]),
        ("float", [1, 2], [1.0, 2.0]),
        ("num", ["1", "2.5"], [1.0, 2.5]),
        ("str", [1, None], ["1", None]),
        ("str", [1.5, 1.0], ["1.5", "1.0"]),
        ("str", [True, None], ["True", None]),
        ("str", [dt.date(2024, 1, 2)], ["2024-01-02"]),
        ("bool", ["true", "No", "1", None], [True, False, True, None]),
        ("bool", [1, 0], [True, False]),
        ("date", ["2024-01-02", None], [dt.date(2024, 1, 2), None]),
        ("date", [dt.datetime(2024, 1, 2)], [dt.date(2024, 1, 2)]),
        ("datetime", ["2024-01-02", "2024-01-02T03:04:05"],
         [dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 2, 3, 4, 5)]),
        ("datetime", ["2024-01-02T03:00:00+02:00"], [dt.datetime(2024, 1, 2, 1)]),
        ("datetime", [dt.date(2024, 1, 2)], [dt.datetime(2024, 1, 2)]),
        ("datetime64[ns, UTC]", ["2024-01-02T03:00:00Z", "2024-01-02"],
         [dt.datetime(2024, 1, 2, 3, tzinfo=UTC), dt.datetime(2024, 1, 2, tzinfo=UTC)]),
        ("datetime64[ns, UTC]", [dt.datetime(2024, 1, 2)], [dt.datetime(2024, 1, 2, tzinfo=UTC)]),
        ("time", ["03:04:05"], [dt.time(3, 4, 5)]),
        ("list[str]", [[1, 2], None], [["1", "2"], None]),
        ("cat", ["x", "y", "x"], ["x", "y", "x"]),
        ("cat", [1, 2], ["1", "2"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["arrow", "stream", "pandas"])
def test_values_that_can_be_converted(
    dtype: str, given_values: list[Any], expected: list[Any], form: str
) -> None:
    data: Any = pa.table({"a": given_values})
    if form == "stream":
        data = data.to_reader(max_chunksize=1)
    elif form == "pandas":
        data = pd.DataFrame({"a": pd.Series(given_values, dtype=object)})
    report = coerced(data, dtype)
    assert report.ok, str(report)
    assert report.changed
    column = report.table["a"]
    assert column.to_pylist() == expected
    assert ColumnRule("a", dtype).dtype.accepts(column.type)
    assert pa.types.is_dictionary(column.type) == (dtype == "cat")


@pytest.mark.parametrize(
    ("dtype", "given_values", "failed"),
    [
        ("int", ["1", "x", "1.5", "x", "1_0", "inf"],
         {"x": (1, 3), "1.5": (2,), "1_0": (4,), "inf": (5,)}),
        ("int", [1.0, 1.5], {1.5: (1,)}),
        ("int", ["99999999999999999999"], {"99999999999999999999": (0,)}),
        ("float", ["1.5", "", "1_0"], {"": (1,), "1_0": (2,)}),
        ("bool", ["true", "maybe"], {"maybe": (1,)}),
        ("bool", [1, 2], {2: (1,)}),
        ("date", ["2024-01-01", "yesterday"], {"yesterday": (1,)}),
        ("date", [dt.datetime(2024, 1, 2, 3)], {"datetime.datetime(2024, 1, 2, 3, 0)": (0,)}),
        ("date", [20240101], {20240101: (0,)}),
        ("datetime", ["2024-13-01"], {"2024-13-01": (0,)}),
        ("datetime", [5], {5: (0,)}),
        ("time", [5], {5: (0,)}),
        ("str", [{"a": 1}], {"{'a': 1}": (0,)}),
        ("cat", [[1]], {"[1]": (0,)}),
    ],
)  # fmt: skip
def test_values_that_cannot_be_converted_are_listed(
    dtype: str, given_values: list[Any], failed: dict[Any, tuple[int, ...]]
) -> None:
    data = pa.table({"a": given_values})
    for form in (data, data.to_reader(max_chunksize=2), data.to_pandas()):
        report = coerced(form, dtype)
        assert {f.value: f.rows for f in report.failures} == failed
        assert {(f.rule, f.expected) for f in report.failures} == {("coerce", dtype)}
        assert not report.changed
    assert "values of column 'a' not valid" in str(report) or "value of column 'a'" in str(report)


def test_mixed_pandas_columns_are_converted() -> None:
    frame = pd.DataFrame({"a": ["x", 1, None, Decimal("2.5"), True]}, index=list("vwxyz"))
    report = coerced(frame, str)
    assert report.ok, str(report)
    assert report.table["a"].to_pylist() == ["x", "1", None, "2.5", "True"]
    back = report.table.to_pandas()
    assert list(back.index) == list("vwxyz")
    assert list(back.columns) == ["a"]
    wrong = coerced(frame, int)
    assert {(f.value, f.rows) for f in wrong.failures} == {("x", (0,)), ("Decimal('2.5')", (3,))}


def test_nothing_to_convert_changes_nothing() -> None:
    table = pa.table({"a": pa.array([1, 2], pa.int16())})
    report = coerced(table, int)
    assert report.table is table
    assert not report.changed
    frame = pl.DataFrame({"a": ["x"]})
    assert coerced(frame, str).table is frame


def test_lists_and_bytes_that_cannot_be_cast_fail_by_type() -> None:
    assert [f.rule for f in coerced(pa.table({"a": [["x"]]}), "list[int]").failures] == ["dtype"]
    assert [f.rule for f in coerced(pa.table({"a": [1.5]}), "bytes").failures] == ["dtype"]


def test_the_dataset_coerces_every_column() -> None:
    spec = DatasetSpec((ColumnRule("a", int), ColumnRule("b", float)), coerce=True)
    report = validate(pa.table({"a": ["1"], "b": ["2"], "c": ["3"]}), spec)
    assert report.table.to_pylist() == [{"a": 1, "b": 2.0, "c": "3"}]


def test_coercion_comes_before_looking_terms_up() -> None:
    terms = pa.table({"uid": ["u1"], "name": ["1"]})
    spec = DatasetSpec((ColumnRule("a", "cat[ULabel]"),), coerce=True)
    report = validate(pa.table({"a": [1, 2]}), spec, TableResolver({"ULabel": terms}))
    assert [(f.rule, f.value) for f in report.failures] == [("category", "2")]


def test_without_coercion_the_hint_names_it() -> None:
    report = validate(pa.table({"a": ["1"]}), DatasetSpec((ColumnRule("a", int),)))
    assert "coerce=True on feature 'a'" in str(report)


class TestDefaults:
    def test_missing_values_are_filled(self) -> None:
        spec = DatasetSpec(
            (
                ColumnRule("s", str, default="x", nullable=False),
                ColumnRule("f", float, default=0.5, nullable=False),
                ColumnRule("c", "cat", default="new", nullable=False),
                ColumnRule("n", int, default=7),
            )
        )
        table = pa.table(
            {
                "s": ["a", None],
                "f": [float("nan"), None],
                "c": pa.array(["old", None]).dictionary_encode(),
                "n": pa.nulls(2),
            }
        )
        expected = [
            {"s": "a", "f": 0.5, "c": "old", "n": 7},
            {"s": "x", "f": 0.5, "c": "new", "n": 7},
        ]
        for data in (table, table.to_reader(max_chunksize=1), table.to_pandas()):
            report = validate(data, spec)
            assert report.ok, str(report)
            assert report.table.to_pylist() == expected

    def test_missing_columns_are_added(self) -> None:
        spec = DatasetSpec(
            (
                ColumnRule("a", int),
                ColumnRule("b", "cat", default="x"),
                ColumnRule("c", str, has_default=True),
            )
        )
        report = validate(pa.table({"a": [1, 2]}), spec)
        assert report.changed
        assert report.table.to_pylist()[1] == {"a": 2, "b": "x", "c": None}
        assert pa.types.is_dictionary(report.table["b"].type)

    def test_full_columns_stay_as_they_are(self) -> None:
        table = pa.table({"a": [1]})
        assert validate(table, DatasetSpec((ColumnRule("a", int, default=3),))).table is table

    def test_a_default_does_not_hide_a_wrong_type(self) -> None:
        report = validate(
            pa.table({"a": ["x", None]}), DatasetSpec((ColumnRule("a", int, default=3),))
        )
        assert [f.rule for f in report.failures] == ["dtype"]

    def test_a_default_is_of_the_dtype(self) -> None:
        with pytest.raises(InvalidArgument, match="'a'"):
            ColumnRule("a", int, default="x")


@pytest.mark.parametrize("index", [[10, 11], pd.RangeIndex(2), ["x", 1]])
@pytest.mark.parametrize("name", [None, "cell"])
def test_a_pandas_index_is_converted(index: Any, name: str | None) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index(index, name=name))
    rule = ColumnRule("cell", str, coerce=True)
    report = validate(frame, DatasetSpec(index=rule))
    assert report.ok, str(report)
    back = report.table.to_pandas()
    assert list(back.index) == [str(value) for value in index]
    assert back.index.name == name
    assert list(back["a"]) == [1, 2]
    assert list(frame.index) == list(index)


def test_columns_are_put_in_the_place_of_others() -> None:
    table = pa.Table.from_arrays([pa.array([1])] * 3, names=["a", "b", "a"])
    table = table.replace_schema_metadata({"k": "v"})
    made = with_columns(table, {"a": pa.chunked_array([["x"]]), "c": pa.chunked_array([[2.5]])})
    assert made.column_names == ["a", "b", "a", "c"]
    assert [column.to_pylist() for column in made.columns] == [["x"], [1], [1], [2.5]]
    assert made.schema.metadata == {b"k": b"v"}

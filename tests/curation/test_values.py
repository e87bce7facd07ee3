"""Single values and dictionaries, through generated pydantic models."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pydantic
import pytest

from lakehouse.curation import (
    ColumnRule,
    DatasetSpec,
    TableResolver,
    model_of,
    validate,
    validate_values,
)
from lakehouse.curation.data.chunks import Objects, is_missing, missing
from lakehouse.curation.vocabulary import distinct
from lakehouse.features.codec import is_null
from lakehouse.schema import parse_dtype


def report_of(dtype: Any, value: Any, **settings: Any) -> Any:
    return validate_values({"a b": value}, DatasetSpec((ColumnRule("a b", dtype, **settings),)))


@pytest.mark.parametrize(
    ("dtype", "value", "made"),
    [
        ("int", 3, 3),
        ("int", np.int32(3), 3),
        ("float", 21.6, 21.6),
        ("float", 3, 3.0),
        ("float", Decimal("1.5"), 1.5),
        ("num", 3, 3),
        ("num", 2.5, 2.5),
        ("bool", np.bool_(True), True),
        ("str", "x", "x"),
        ("path", Path("a/b"), "a/b"),
        ("url", "https://example.org", "https://example.org"),
        ("date", dt.date(2024, 10, 1), dt.date(2024, 10, 1)),
        ("date", "2024-10-01", dt.date(2024, 10, 1)),
        ("datetime", "2024-10-01T12:00:00", dt.datetime(2024, 10, 1, 12)),
        ("time", "12:30", dt.time(12, 30)),
        ("dict", {"x": [1, {"y": None}]}, {"x": [1, {"y": None}]}),
        ("dict", '{"x": 1}', {"x": 1}),
        ("list[int]", (1, 2), [1, 2]),
        ("list", ["a", 1], ["a", 1]),
        ("cat", {"x"}, ["x"]),
        ("object", dt.date, dt.date),
        ("int", None, None),
        ("float", float("nan"), None),
    ],
)
def test_values_of_the_dtype(dtype: str, value: Any, made: Any) -> None:
    report = report_of(dtype, value)
    assert report.ok, str(report)
    assert report.table == {"a b": made}
    assert type(report.table["a b"]) is type(made)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int", 1.5),
        ("int", "3"),
        ("int", True),
        ("float", "1.5"),
        ("float", True),
        ("bool", 1),
        ("str", 3),
        ("date", "yesterday"),
        ("date", dt.datetime(2024, 1, 1)),
        ("date", 5),
        ("datetime", "2024-13-01"),
        ("dict", "no"),
        ("dict", "[1]"),
        ("dict", [1]),
        ("list[int]", ["x"]),
        ("list[int]", 3),
        ("cat", 3),
        ("num", "x"),
    ],
)
def test_values_of_another_dtype(dtype: str, value: Any) -> None:
    (failure,) = report_of(dtype, value).failures
    assert (failure.column, failure.rule, failure.value) == ("a b", "dtype", value)
    assert (failure.expected, failure.slot) == (dtype, "__external__")
    assert repr(value) in str(report_of(dtype, value))


def test_coercion() -> None:
    assert report_of("int", "3", coerce=True).table == {"a b": 3}
    assert report_of("str", 3, coerce=True).table == {"a b": "3"}
    assert [f.rule for f in report_of("int", "x", coerce=True).failures] == ["dtype"]


def test_everything_wrong_is_said_at_once(resolver: TableResolver) -> None:
    spec = DatasetSpec(
        (
            ColumnRule("temperature", float),
            ColumnRule("date", dt.date),
            ColumnRule("cell_type", "cat[bionty.CellType]"),
            ColumnRule("missing", int),
            ColumnRule("null", int, nullable=False),
            ColumnRule("optional", int, required=False),
        ),
        maximal_set=True,
    )
    values = {
        "temperature": "warm",
        "date": "2024-10-01",
        "cell_type": ["B cell", "B-cell"],
        "null": None,
        "extra": 1,
    }
    report = validate_values(values, spec, resolver)
    assert {(f.column, f.rule) for f in report.failures} == {
        ("temperature", "dtype"),
        ("missing", "presence"),
        ("null", "null"),
        ("extra", "extra"),
        ("cell_type", "category"),
    }
    assert report.terms["cell_type"][0].uids.to_pylist() == ["ct1"]
    assert report.synonyms() == {"cell_type": {"B-cell": "B cell"}}
    assert "column 'missing' not in" in str(report)


def test_defaults_and_extra_values() -> None:
    spec = DatasetSpec(
        (
            ColumnRule("a", int, default=3),
            ColumnRule("b", int, default=4, nullable=False),
            ColumnRule("c", str, has_default=True),
            ColumnRule("d", int, required=False),
        )
    )
    report = validate_values({"b": None, "other": "kept"}, spec)
    assert report.ok, str(report)
    assert report.table == {"a": 3, "b": 4, "c": None, "other": "kept"}
    assert report.changed


def test_flexible_values() -> None:
    spec = DatasetSpec(flexible=True, known={"n": ColumnRule("n", int), "m": ColumnRule("m", int)})
    assert validate_values({"n": 1, "else": "x"}, spec).ok
    assert [f.column for f in validate_values({"n": "x"}, spec).failures] == ["n"]


def test_the_model_is_an_ordinary_pydantic_model() -> None:
    spec = DatasetSpec((ColumnRule("percent.mito", float), ColumnRule("model_config", dict)))
    model = model_of(spec)
    made = model.model_validate({"percent.mito": 1, "model_config": {"a": 1}})
    assert made.model_dump(by_alias=True) == {"percent.mito": 1.0, "model_config": {"a": 1}}
    assert model.model_json_schema()["required"] == ["percent.mito", "model_config"]
    with pytest.raises(pydantic.ValidationError):
        model.model_validate({"percent.mito": "x"})


def test_keys_may_be_named_as_fields_of_the_model() -> None:
    spec = DatasetSpec((ColumnRule("b", int), ColumnRule("c", int, required=False)))
    report = validate_values({"f1": 9, "b": 1}, spec)
    assert (report.ok, report.changed, report.table) == (True, False, {"f1": 9, "b": 1})


@pytest.mark.parametrize("value", [np.array(["a", "zz"]), ("a", "zz"), {"a": 1, "zz": 2}.keys()])
@pytest.mark.parametrize("dtype", ["cat[ULabel]", "list[cat[ULabel]]"])
def test_sequences_of_any_kind_are_lists(dtype: str, value: Any) -> None:
    terms = TableResolver({"ULabel": pa.table({"uid": ["1"], "name": ["a"]})})
    report = validate_values({"b": value}, DatasetSpec((ColumnRule("b", dtype),)), terms)
    assert [(f.rule, f.value) for f in report.failures] == [("category", "zz")]
    assert report.changed == (not isinstance(value, np.ndarray))


@pytest.mark.parametrize("value", ["\udc80", ["\udc80"], [["a"], "a"]])
def test_what_is_no_text_is_no_term(value: Any) -> None:
    terms = TableResolver({"ULabel": pa.table({"uid": ["1"], "name": ["a"]})})
    spec = DatasetSpec((ColumnRule("b", "list[cat[ULabel]]"),))
    assert [f.rule for f in validate_values({"b": value}, spec, terms).failures] == ["dtype"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        math.nan,
        np.float32("nan"),
        np.datetime64("NaT", "s"),
        np.timedelta64("NaT", "s"),
        complex("nan"),
        Decimal("NaN"),
        pd.NA,
        pd.NaT,
    ],
    ids=repr,
)
def test_missing_means_the_same_everywhere(value: Any) -> None:
    assert is_missing(value)
    assert is_null(value)
    assert missing(Objects([value, "a"])).to_pylist() == [True, False]
    assert distinct([value, "a"]) == ["a"] == distinct(["", "a"])
    rule = ColumnRule("a", parse_dtype("object"), nullable=False)
    assert not validate(pd.DataFrame({"a": [value, "a", 1]}), DatasetSpec((rule,))).ok


@pytest.mark.parametrize(
    "value", [0, False, "", "nan", b"", Decimal(0), np.datetime64(0, "s"), [], pd.Timestamp(0)]
)
def test_other_values_are_not_missing(value: Any) -> None:
    assert not is_missing(value)


def test_a_signalling_nan_is_missing() -> None:
    assert is_missing(Decimal("sNaN"))

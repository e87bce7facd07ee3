"""Validation agrees with a slow reading of the same rules, row by row."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.curation import ColumnRule, DatasetSpec, TableResolver, validate
from lakehouse.curation.data import pandas as _pandas
from lakehouse.curation.data import sources as inputs

TERMS = ["a", "b", "c"]
RESOLVER = TableResolver({"ULabel": pa.table({"uid": ["1", "2", "3"], "name": TERMS})})


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    """Three rows at a time, so that counts and row numbers cross chunks."""
    kept = inputs.CHUNK_ROWS
    inputs.CHUNK_ROWS = _pandas.CHUNK_ROWS = 3  # type: ignore[attr-defined]
    yield
    inputs.CHUNK_ROWS = _pandas.CHUNK_ROWS = kept  # type: ignore[attr-defined]


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_of(dtype: str, value: Any) -> bool:
    if dtype == "int":
        return type(value) is int
    if dtype == "float":
        return type(value) is float
    if dtype == "bool":
        return type(value) is bool
    return isinstance(value, str)


def oracle(values: list[Any], rule: ColumnRule) -> dict[tuple[str, Any], list[int]]:
    """Rows by rule and value; values of wrong types are one, whatever they are."""
    wrong: dict[tuple[str, Any], list[int]] = defaultdict(list)
    for row, value in enumerate(values):
        if is_missing(value):
            if not rule.nullable:
                wrong["null", None].append(row)
        elif not is_of(rule.dtype.kind, value):
            wrong["dtype", None].append(row)
        elif rule.dtype.kind == "cat" and value not in TERMS:
            wrong["category", value].append(row)
    return dict(wrong)


def judged(data: Any, rule: ColumnRule) -> dict[tuple[str, Any], list[int]]:
    report = validate(data, DatasetSpec((rule,)), RESOLVER)
    counts: dict[tuple[str, Any], int] = defaultdict(int)
    rows: dict[tuple[str, Any], list[int]] = defaultdict(list)
    for failure in report.failures:
        value = failure.value if failure.rule == "category" else None
        counts[failure.rule, value] += failure.count
        rows[failure.rule, value] += failure.rows
    # More rows than a failure lists are stood for by as many -1.
    return {key: sorted(rows[key]) + [-1] * (counts[key] - len(rows[key])) for key in counts}


def listed(wrong: dict[tuple[str, Any], list[int]]) -> dict[tuple[str, Any], list[int]]:
    return {key: rows[:5] + [-1] * (len(rows) - 5) for key, rows in wrong.items()}


_missing = st.sampled_from([None, None, float("nan")])
_texts = st.sampled_from([*TERMS, "A", "x", "", "ä"])
_columns = st.one_of(
    st.lists(_texts | st.none(), max_size=14),
    st.lists(st.integers(-3, 3) | st.none(), max_size=14),
    st.lists(st.sampled_from([0.5, math.inf, -2.0]) | _missing, max_size=14),
    st.lists(st.booleans() | st.none(), max_size=14),
)
_rules = st.builds(
    ColumnRule,
    st.just("a"),
    st.sampled_from(["int", "float", "bool", "str", "cat[ULabel]"]),
    nullable=st.booleans(),
)


@pytest.mark.slow
@given(_columns, _rules)
def test_typed_columns(values: list[Any], rule: ColumnRule) -> None:
    expected = listed(oracle(values, rule))
    table = pa.table({"a": values})
    assert judged(table, rule) == expected
    assert judged(table.to_reader(max_chunksize=2), rule) == expected
    assert judged(pl.DataFrame({"a": values}, strict=False), rule) == expected
    # Else pandas makes fractions of whole numbers as soon as one is missing.
    assert judged(pd.DataFrame({"a": pd.Series(values, dtype=object)}), rule) == expected


@given(st.lists(_texts | st.none(), max_size=14), _rules)
def test_encoded_columns(values: list[Any], rule: ColumnRule) -> None:
    expected = listed(oracle(values, rule))
    encoded = pa.table({"a": pa.array(values, pa.string()).dictionary_encode()})
    assert judged(encoded, rule) == expected
    assert judged(pd.DataFrame({"a": pd.Categorical(values)}), rule) == expected
    assert judged(pl.DataFrame({"a": pl.Series(values, dtype=pl.Categorical)}), rule) == expected


@given(
    st.lists(_texts | st.integers(0, 1) | st.booleans() | _missing, max_size=14),
    _rules.filter(lambda rule: rule.dtype.kind in ("str", "cat")),
)
def test_mixed_pandas_columns(values: list[Any], rule: ColumnRule) -> None:
    expected = oracle(values, rule)
    found = judged(pd.DataFrame({"a": pd.Series(values, dtype=object)}), rule)
    # One failure per wrong type lists up to five rows each.
    assert {key: len(rows) for key, rows in found.items()} == {
        key: len(rows) for key, rows in expected.items()
    }
    for key, rows in found.items():
        assert set(rows) - {-1} <= set(expected[key])


def test_categories_of_polars_that_come_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "CHUNK_ROWS", 1000)
    early = ["a", None, "b", "x", "c"] * 400
    values = [*early, *(["late", "b", "y"] * 400), *early]
    pl.Series(["y", "late"], dtype=pl.Categorical)  # codes are those of the whole process
    rule = ColumnRule("a", "cat[ULabel]", nullable=False)
    spec = DatasetSpec((rule, ColumnRule("b", str, checks={"pattern": "^[abc]"})))
    frame = pl.DataFrame({"a": values, "b": values})
    coded = frame.with_columns(pl.all().cast(pl.Categorical))
    expected = validate(frame, spec, RESOLVER)
    found = validate(coded, spec, RESOLVER)
    assert {(f.column, f.value, f.count) for f in found.failures} == {
        ("a", None, 800),
        ("a", "x", 800),
        ("a", "late", 400),
        ("a", "y", 400),
        *(("b", value, count) for value, count in (("x", 800), ("late", 400), ("y", 400))),
    }
    assert (
        found.to_polars()
        .sort("column", "value", "rows")
        .equals(expected.to_polars().sort("column", "value", "rows"))
    )
    assert sorted(found.terms["a"][0].values.to_pylist()) == TERMS

"""Look-ups mean the same in SQL, Arrow and Python, over columns, keys of JSON and features."""

from __future__ import annotations

import datetime as dt
import math
import re

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lakehouse as ln
from lakehouse.engine.table.json_text import dump_json
from lakehouse.errors import InvalidArgument, LakehouseError
from lakehouse.features.codec import encoded
from lakehouse.features.filter import asked_of, fulfilling
from lakehouse.orm import Lake
from lakehouse.orm.model.operands import Subject
from lakehouse.orm.query.lookups import LOOKUPS, PARTS, ask, column_sql, fitted, folded
from lakehouse.orm.query.lookups_json import json_sql
from lakehouse.schema import parse_dtype

ODD = ("", "a", "A", "aß", "STRASSE", "straße", "ẞ", "İ", "Σ", "ας", "ƛꟜ", "%", "_", "a_b%", "\\", "a\\b", "\n", "a\r\nb",
       "a\x00b", "\u2028", "🧬", "e\u0301", "é", "'", '"', "1", "1.0", "true", "2024-01-02", "Infinity", "null")  # fmt: skip
texts = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
edges = [s * n + d for n in (0, 2**31, 2**53, 2**62, 2**63) for s in (1, -1) for d in (-1, 0, 1)]
int64 = st.integers(-3, 12) | st.sampled_from([n for n in edges if -(2**63) <= n < 2**63])
doubles = st.floats(allow_nan=False) | st.sampled_from([0.5, 1.0, 2.0**53, 2.0**63, 1e16, 1e22])
numbers = int64 | doubles | st.sampled_from([*edges, 2**64, 10**22 + 1, 2**200, -(2**2000)])
days = st.dates() | st.sampled_from([dt.date(2020, 2, 29), dt.date(2019, 12, 30)])
moments = st.datetimes(timezones=st.just(dt.UTC)) | st.just(dt.datetime(2020, 2, 29, tzinfo=dt.UTC))
STORED = {
    "str": (texts, pa.string()),
    "int": (int64, pa.int64()),
    "float": (doubles, pa.float64()),
    "bool": (st.booleans(), pa.bool_()),
    "date": (days, pa.date32()),
    "datetime": (moments, pa.timestamp("us", "UTC")),
    "time": (st.times(), pa.time64("us")),
}
offsets = st.timezones().filter(lambda zone: zone.key != "localtime")
single = st.one_of(
    st.none(), texts, numbers, st.booleans(), days, moments, st.times(), st.datetimes(),
    st.just(math.nan), st.just("\ud800"), st.just(np.int64(3)), st.just(np.float32(1.5)),
    st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2050, 1, 1), timezones=offsets), days.map(str),
    moments.map(str), texts.map(re.escape), st.sampled_from(["[", "(?<=a)b", "^a", "b$", "a.b", r"\p{Lu}", "(a+)+$"]),
)  # fmt: skip
anything = single | st.lists(single, max_size=3) | st.tuples(single, single)
leaves = st.none() | st.booleans() | texts | int64
# the text of a dictionary at a key is DuckDB's, who writes 1e16 in it in another way than orjson
nested = doubles.filter(math.isfinite) | st.recursive(
    leaves | st.sampled_from([0.5, -1.5, 2.0]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "0", ""]), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def database():
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    yield connection
    connection.close()


def told(database, column: pa.Array, compiled) -> list[bool]:
    """What DuckDB says of each row of the column `c`."""
    tables = {"rows_": pa.table({"c": column, "place": range(len(column))})}

    def large(values):
        tables["values_"] = pa.table({"v": pa.array(values)})
        return "SELECT v FROM values_"

    sql, params = compiled(large)
    for name, table in tables.items():
        database.register(name, table)
    found = database.execute(f"SELECT {sql} FROM rows_ ORDER BY place", params).fetchall()
    return [bool(hit) for (hit,) in found]


def drawn(data, kind, *, of=""):
    """A look-up, with or without a part of a moment, and what it is compared with."""
    parts = [[p.name] for p in PARTS.values() if kind in p.kinds]
    part = data.draw(st.sampled_from([[], *parts]))
    seen = PARTS[part[0]].kind if part else kind
    names = [n for (n, for_) in LOOKUPS if for_ in ("", of)]
    name = data.draw(st.sampled_from(names))
    like = STORED[seen][0] if seen in STORED else nested
    several = {
        "in": st.lists(like, max_size=60),
        "range": st.tuples(like, like),
        "isnull": st.booleans(),
    }
    return [*part, name], data.draw(several.get(name, like) | anything)


def refusal(call):
    """The question, or the class and the text of the error."""
    try:
        return call(), None
    except InvalidArgument as error:
        return None, (type(error), str(error))


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_columns_and_features_agree(database, data):
    kind = data.draw(st.sampled_from(sorted(STORED)))
    values, arrow = STORED[kind]
    stored = data.draw(st.lists(values | st.none(), min_size=1, max_size=8))
    path, value = drawn(data, kind)
    asked, error = refusal(lambda: ask(Subject("x", kind), path, value))
    feature, other = refusal(lambda: asked_of("x", parse_dtype(kind), path, value))
    assert (error is None) is (other is None)
    if error is not None:
        assert error == (other[0], other[1].replace("feature", "field"))
        return
    right = list(map(asked.test(), stored))
    column = pa.array(stored, arrow)
    assert told(database, column, lambda large: column_sql("c", kind, asked, large)) == right
    kept = pa.chunked_array(
        [pa.array([None if v is None else encoded(v) for v in stored], pa.string())]
    )
    assert pc.fill_null(fulfilling(kept, parse_dtype(kind), feature), False).to_pylist() == right
    row, operand = asked.row, asked.operand
    if kind == "time" or asked.part or (row.sees == "text" and kind != "str"):
        return  # nobody asks Arrow
    operand = (
        fitted(row, operand, kind) if kind in ("int", "float") and row.name != "isnull" else operand
    )
    if operand is not None:
        sizes = operand if isinstance(operand, tuple) else (operand,)
        if kind == "int" and any(abs(n) >= 2**63 for n in sizes):
            return
        assert pc.fill_null(row.arrow(column, operand), False).to_pylist() == right


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_keys_of_json_agree(database, data):
    stored = data.draw(
        st.lists(
            st.none() | st.fixed_dictionaries({}, optional={"k": nested}), min_size=1, max_size=6
        )
    )
    (name,), value = drawn(data, "json", of="json")
    path = [*data.draw(st.lists(st.sampled_from(["k", "a", "0", ""]), max_size=3)), name]
    asked, error = refusal(lambda: ask(Subject("x", "json"), path, value))
    feature, other = refusal(lambda: asked_of("x", parse_dtype("dict"), path, value))
    assert (error is None) is (other is None)
    if error is not None:
        assert error == (other[0], other[1].replace("feature", "field"))
        return
    column = pa.array([None if v is None else dump_json(v) for v in stored], pa.string())
    right = list(map(asked.test(), stored))
    assert told(database, column, lambda _: json_sql("c", asked)) == right
    found = fulfilling(pa.chunked_array([column]), parse_dtype("dict"), feature)
    assert pc.fill_null(found, False).to_pylist() == right


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_lists_agree(database, data):
    stored = data.draw(st.lists(st.none() | st.lists(texts, max_size=3), min_size=1, max_size=6))
    names = [n for (n, of), _ in LOOKUPS.items() if of in ("", "list")]
    name = data.draw(st.sampled_from(names))
    value = data.draw(texts | st.lists(texts, max_size=3) | st.integers(0, 3) | st.booleans())
    asked, error = refusal(lambda: ask(Subject("x", "list", item="str"), [name], value))
    feature, other = refusal(lambda: asked_of("x", parse_dtype("list[str]"), [name], value))
    assert (error is None) is (other is None)
    if error is None:
        right = list(map(asked.test(), stored))
        column = pa.array(stored, pa.list_(pa.string()))
        assert told(database, column, lambda large: column_sql("c", "list", asked, large)) == right
        kept = pa.chunked_array(
            [pa.array([None if v is None else encoded(v) for v in stored], pa.string())]
        )
        found = fulfilling(kept, parse_dtype("list[str]"), feature)
        assert pc.fill_null(found, False).to_pylist() == right


def test_every_letter_has_the_lower_case_of_duckdb(database):
    letters = [chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000]
    database.register("letters", pa.table({"c": letters}))
    (lower,) = database.execute("SELECT list(lower(c)) FROM letters").fetchone()
    known = [(c, low) for c, low in zip(letters, lower, strict=True) if folded(c) != low]
    # the two may be of different versions of Unicode, which differ in rare new letters
    assert not [pair for pair in known if ord(pair[0]) < 0x1C80]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agree")
    with Lake.create(str(folder / "lake")) as lake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_USER", "ada")
        ln.save([ln.Feature(name="note", dtype=str), ln.Feature(name="data", dtype=dict)])
        for i, text in enumerate([*ODD[:12], None]):
            record = ln.Record(
                name=f"r{i}", description=text, extra_data=None if text is None else {"k": text}
            ).save()
            if text is not None:
                record.features.set_values({"note": text, "data": {"k": text}})
    return lake


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({n for n, of in LOOKUPS if not of}))
@pytest.mark.parametrize(
    "value", ["a", "A", "straße", "[", "", 1, None, ["a", None], ("a", "b"), True]
)
def test_filters_by_fields_keys_and_features_agree(filled, name, value):
    def asked(path):
        with filled:
            try:
                return filled.Record.filter(**{f"{path}__{name}": value}).to_list("name")
            except LakehouseError as error:
                return type(error).__name__

    field = asked("description")
    assert asked("note") == field
    if isinstance(value, str) or name in ("in", "range"):
        assert asked("extra_data__k") == asked("data__k") == field


@pytest.mark.parametrize("nothing", [None, math.nan, np.float32("nan"), pd.NA, pd.NaT], ids=repr)
def test_what_is_missing_equals_nothing(filled, nothing):
    with filled:
        for path in ("description", "note", "extra_data__k"):
            assert filled.Record.filter(**{f"{path}__in": ["a", nothing]}).count() == 1
            with pytest.raises(InvalidArgument, match=f"{path}__isnull=True"):
                filled.Record.filter(**{f"{path}__gt": nothing})

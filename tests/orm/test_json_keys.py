"""Keys of dictionaries are looked up as they are, whatever text they are."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.engine.table.json_text import dump_json
from lakehouse.errors import FieldValidationError, InvalidArgument, UnknownField
from lakehouse.orm import Lake
from lakehouse.orm.query.compile import Compiler
from lakehouse.orm.query.lookups import NAMES as LOOKUPS
from lakehouse.orm.query.values import Max

KEYS = [
    *("a", "A", "a.b", "$", "*", '"', "'", "[0]", "[#-1]", "", " ", "é", "e\u0301", "²", "😀"),
    *("\\", '\\"', "a\\", 'a"b', "\n", "\x00", "a\x00", "0", "01", "-", "~", "~1", "/", "a/b"),
    *("?", "{row}", "\\u0061", "c0", "uid", "x'); DROP TABLE record; --"),
]
NAMES = set(LOOKUPS["json"])


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    made = Lake.create(str(tmp_path_factory.mktemp("keys") / "lake"))
    with made:
        made.save([made.Record(name=f"r{i}", extra_data=_data(i, k)) for i, k in enumerate(KEYS)])
    yield made
    made.close()


def _data(number, key):
    return {key: number, "nested": {key: f"text {number}"}, "deep": {key: {"x": number}}}


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(KEYS)), ids=[ascii(k) for k in KEYS])
def test_a_key_is_found_by_itself_and_by_no_other(lake, place):
    key, name = KEYS[place], f"r{place}"
    path = f"extra_data__{key}"

    def names(**conditions):
        return lake.Record.filter(**conditions).to_list("name")

    for conditions in (
        {path: place},
        {f"{path}__exact": place},
        {f"{path}__gte": 0},
        {f"{path}__in": [place, -1]},
        {f"{path}__range": (0, 1000)},
        {f"{path}__isnull": False},
        {"extra_data__has_key": key},
        {"extra_data__has_keys": [key, "nested"]},
        {"extra_data__has_any_keys": [key, "no such key"]},
        {"extra_data__contains": {key: place}},
        {f"extra_data__nested__{key}": f"text {place}"},
        {f"extra_data__nested__{key}__startswith": "text"},
        {f"extra_data__deep__{key}": {"x": place}},
        {f"extra_data__deep__{key}__x": place},
        {"extra_data__nested__has_key": key},
    ):
        assert names(**conditions) == [name], conditions
    assert name not in lake.Record.exclude(**{path: place}).to_list("name")
    records = lake.Record.filter()
    assert [v for v in records.values_list(path, flat=True) if v is not None] == [place]
    assert lake.Record.filter(name=name).values(path)[0] == {path: place}
    assert records.order_by(f"-{path}").first().name == name
    assert records.aggregate(most=Max(path)) == {"most": place}
    assert list(lake.Record.filter(name=name).to_dataframe(include=[path])[path]) == [place]


def test_names_that_differ_in_case_only_are_two_columns(lake):
    paths = ["extra_data__a", "extra_data__A"]
    found = lake.Record.filter(name__in=["r0", "r1"]).order_by("name").to_dataframe(include=paths)
    assert found["extra_data__a"].dropna().to_list() == [0]
    assert found["extra_data__A"].dropna().to_list() == [1]
    grouped = lake.Record.filter(name="r1").values(*paths).annotate(n="count(*)")
    assert list(grouped) == [{"extra_data__a": None, "extra_data__A": 1, "n": 1}]


def test_figures_over_what_lies_at_keys(tmp_path):
    with Lake.create(str(tmp_path / "lake")) as lake:
        numbers = [9, 10, 2.5, 2**53, 2**53 + 1, -(2**63), None, "text", {"a": 1}]
        made = [lake.Record(name=f"r{i}", extra_data={"n": n}) for i, n in enumerate(numbers)]
        lake.save([*made, lake.Record(name="without")])
        records = lake.Record.filter()
        figures = ("min(extra_data__n)", "max(extra_data__n)", "count(extra_data__n)")
        assert records.filter(extra_data__n__gt=0).aggregate(*figures) == {
            "extra_data__n__min": 2.5,
            "extra_data__n__max": 2**53 + 1,
            "extra_data__n__count": 5,
        }
        few = records.filter(name__in=["r0", "r1", "r2"])
        assert few.aggregate("sum(extra_data__n)", "avg(extra_data__n)") == {
            "extra_data__n__sum": 21.5,
            "extra_data__n__avg": pytest.approx(21.5 / 3),
        }
        assert records.filter(name="without").aggregate(m=Max("extra_data__n")) == {"m": None}
        # texts come before numbers, as in order_by
        assert records.aggregate(m=Max("extra_data__n"))["m"] == 2**53 + 1
        assert records.filter(extra_data__n="text").aggregate(m=Max("extra_data__n")) == {
            "m": "text"
        }
        with pytest.raises(InvalidArgument):
            list(records.values_list("extra_data__a.b", named=True))


def test_lists_take_numbers_and_dictionaries_any_text(lake):
    with lake:
        lake.Record(name="list", extra_data={"l": [7, 8], "d": {"1": 9}}).save()
        lake.Record(name="odd", extra_data={"l": {"1": 8, "01": 5}}).save()
    assert lake.Record.filter(extra_data__l__1=8).to_list("name") == ["list", "odd"]
    assert lake.Record.filter(extra_data__l__01=5).to_list("name") == ["odd"]
    assert lake.Record.filter(extra_data__l__01__isnull=False).to_list("name") == ["odd"]
    assert lake.Record.filter(extra_data__d__1=9).to_list("name") == ["list"]
    assert not lake.Record.filter(**{"extra_data__l__-": 8}).count()


@pytest.mark.parametrize("bad", ["\ud800", "a\udcff"])
def test_keys_that_utf8_cannot_encode_are_told(lake, bad):
    asked = lake.Record.filter
    for question in (
        lambda: asked(**{f"extra_data__{bad}": 1}).count(),
        lambda: asked(**{f"extra_data__{bad}__x__in": [1]}).count(),
        lambda: asked(extra_data__has_key=bad).count(),
        lambda: asked(extra_data__has_any_keys=["a", bad]).count(),
        lambda: asked(extra_data__contains={bad: 1}).count(),
        lambda: asked(extra_data__a=bad).count(),
        lambda: asked(extra_data__a__in=[bad]).count(),
        lambda: asked(extra_data__a__range=["a", bad]).count(),
        lambda: asked(extra_data__a__icontains=bad).count(),
        lambda: asked(extra_data__a__regex=bad).count(),
        lambda: asked().order_by(f"extra_data__{bad}").first(),
        lambda: asked().values(f"extra_data__{bad}"),
        lambda: asked().to_dataframe(include=[f"extra_data__{bad}"]),
        lambda: asked().aggregate(x=Max(f"extra_data__{bad}")),
        lambda: asked(**{bad: 1}).count(),
        lambda: asked(**{f"type__{bad}": 1}).count(),
    ):
        with pytest.raises((InvalidArgument, FieldValidationError, UnknownField)):
            question()


def test_look_ups_on_keys_take_keys(lake):
    asked = lake.Record.filter
    for conditions in (
        {"extra_data__has_keys": 5.5},
        {"extra_data__has_key": None},
        {"extra_data__has_key": ["a"]},
        {"extra_data__has_any_keys": [None]},
        {"extra_data__a__range": 5},
        {"extra_data__a__range": []},
        {"extra_data__a__in": 5},
    ):
        with pytest.raises((InvalidArgument, FieldValidationError)):
            asked(**conditions).count()


_texts = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\\\"'.$*[]#/~0-@:;{}?\x00"),
    max_size=6,
).filter(lambda key: "__" not in f"_{key}_" and key not in NAMES)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_texts, min_size=2, max_size=6, unique=True))
def test_random_keys_are_found_by_their_own_key_and_by_no_other(lake, keys):
    field = lake.Record.meta.fields["extra_data"]
    table = pa.table({"place": range(len(keys)), "d": [dump_json({k: "v"}) for k in keys]})
    assert [list(json.loads(d)) for d in table["d"].to_pylist()] == [[k] for k in keys]
    for place, key in enumerate(keys):
        compiler = Compiler(lake)
        for path, value in (([key], "v"), ([key, "isnull"], False), (["has_key"], key)):
            sql, params = compiler.column("d", field, path, value)
            query = f"SELECT place FROM lh_keys WHERE {sql}"
            found = lake.state.sql(query, params, tables={"lh_keys": table}).fetchall()
            assert found == [(place,)], (keys, path)

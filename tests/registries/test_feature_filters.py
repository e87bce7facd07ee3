"""Filters by features on artifacts, runs and records, and their columns in data frames."""

from __future__ import annotations

import datetime

import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import (
    FieldValidationError,
    InvalidArgument,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    UnknownField,
)
from lakehouse.features.write import tails
from lakehouse.relations.tables import tail

DAY, MOMENT = datetime.date(2024, 10, 1), datetime.datetime(2024, 10, 1, 3, 4, 5)
BIG = 2**53
DTYPES = {
    "temp": float,
    "n": int,
    "number": "num",
    "d": datetime.date,
    "dt": datetime.datetime,
    "s": str,
    "ls": "list[str]",
    "li": "list[int]",
    "di": dict,
    "b": bool,
    "lc": "list[cat[ULabel]]",
    "c": "cat[ULabel]",
    "un": "cat[ULabel|bionty.CellType]",
    "rec": "cat[Record]",
}


@pytest.fixture(params=["artifact", "run", "record"])
def many(request, lake):
    """Four subjects a to d; d has no features."""
    ln.save([ln.Feature(name=n, dtype=t) for n, t in DTYPES.items()])
    ln.save([ln.ULabel(name="l1"), ln.ULabel(name="l2")])
    bt.CellType(name="T cell").save()
    ln.Record(name="r1", features={"temp": 0.5}).save()
    found = {}
    transform = ln.Transform(key="t.py").save()
    for name in "abcd":
        if request.param == "artifact":
            with open(name, "w") as file:
                file.write(name)
            found[name] = ln.Artifact(name, key=name).save()
        elif request.param == "run":
            found[name] = ln.Run(transform, name=name).save()
        else:
            found[name] = ln.Record(name=name).save()
    found["a"].features.set_values(
        {
            "temp": 21.5,
            "n": BIG + 1,
            "number": 2,
            "d": DAY,
            "dt": MOMENT,
            "s": "DMSO",
            "ls": ["a", "b"],
            "li": [1, 2],
            "di": {"detail1": "123", "detail2": 2, "nest": {"k": "v"}, "x'y\"": 1},
            "b": True,
            "c": "l1",
            "lc": ["l1", "l2"],
            "un": "T cell",
            "rec": "r1",
        }
    )
    other = {"temp": 30.0, "n": BIG, "number": 2.5, "d": DAY + datetime.timedelta(1), "s": "IFNG"}
    found["b"].features.set_values({**other, "c": "l2", "b": False, "un": "l1"})
    found["c"].features.set_values({"s": 'it\'s "odd" \\ é', "n": -3})
    return type(found["a"]), found


def names(many, *queries, **lookups) -> str:
    registry, subjects = many
    by_uid = {r.uid: name for name, r in subjects.items()}
    found = registry.filter(*queries, **lookups)
    listed = [by_uid[r.uid] for r in found if r.uid in by_uid]
    assert found.count() == len(list(found))
    return "".join(sorted(listed))


CASES = [
    ({"temp": 21.5}, "a"),
    ({"temp__gt": 21.5}, "b"),
    ({"temp__gte": 21.5, "temp__lt": 30}, "a"),
    ({"temp__range": (20, 22)}, "a"),
    ({"temp__in": [21.5, 30]}, "ab"),
    ({"temp__in": []}, ""),
    ({"temp__ne": 30}, "acd"),
    ({"n": BIG + 1}, "a"),
    ({"n": BIG}, "b"),
    ({"n__gt": BIG}, "a"),
    ({"n__gte": BIG}, "ab"),
    ({"n__lt": BIG + 1}, "bc"),
    ({"n__lt": float(BIG)}, "c"),
    ({"n__gt": -3.5}, "abc"),
    ({"n": 2**70}, ""),
    ({"n__lt": 2**70}, "abc"),
    ({"number": 2}, "a"),
    ({"number__gt": 2}, "b"),
    ({"d": DAY}, "a"),
    ({"d": "2024-10-01"}, "a"),
    ({"d__gt": "2024-10-01"}, "b"),
    ({"d__lte": DAY}, "a"),
    ({"dt": MOMENT}, "a"),
    ({"dt": "2024-10-01T03:04:05"}, "a"),
    ({"dt__lt": datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)}, "a"),
    ({"dt__gt": "2024-10-02"}, ""),
    ({"s": "DMSO"}, "a"),
    ({"s__contains": "MS"}, "a"),
    ({"s__icontains": "ms"}, "a"),
    ({"s__startswith": "D"}, "a"),
    ({"s__endswith": "NG"}, "b"),
    ({"s__iexact": "dmso"}, "a"),
    ({"s__regex": "^D.SO$"}, "a"),
    ({"s__in": ["DMSO", "zz"]}, "a"),
    ({"s__ne": "DMSO"}, "bcd"),
    ({"s": 'it\'s "odd" \\ é'}, "c"),
    ({"s__contains": '"odd" \\'}, "c"),
    ({"s": "x' OR 1=1 --"}, ""),
    ({"s__isnull": True}, "d"),
    ({"s__isnull": False}, "abc"),
    ({"s": None}, "d"),
    ({"ls": "a"}, "a"),
    ({"ls": ["a", "b"]}, "a"),
    ({"ls": ["a"]}, ""),
    ({"ls__contains": "a"}, "a"),
    ({"li": 1}, "a"),
    ({"li__contains": 2}, "a"),
    ({"di__detail1": "123"}, "a"),
    ({"di__detail1": 123}, ""),
    ({"di__detail2": 2}, "a"),
    ({"di__detail2__gt": 1}, "a"),
    ({"di__detail1__contains": "2"}, "a"),
    ({"di__nest__k": "v"}, "a"),
    ({"di__x'y\"": 1}, "a"),
    ({"di__missing__isnull": True}, "abcd"),
    ({"b": True}, "a"),
    ({"b": False}, "b"),
    ({"c": "l1"}, "a"),
    ({"c__in": ["l1", "l2", "zz"]}, "ab"),
    ({"c__name": "l1"}, "a"),
    ({"c__contains": "1"}, "a"),
    ({"c__startswith": "l"}, "ab"),
    ({"c__ne": "l1"}, "bcd"),
    ({"c__isnull": True}, "cd"),
    ({"lc": "l2"}, "a"),
    ({"un": "T cell"}, "a"),
    ({"un": "l1"}, "b"),
    ({"rec": "r1"}, "a"),
    ({"rec__temp": 0.5}, "a"),
    ({"s": "DMSO", "c": "l1"}, "a"),
    ({"s": "DMSO", "c": "l2"}, ""),
]


@pytest.mark.slow
def test_lookups(many):
    found = [(lookups, names(many, **lookups)) for lookups, _ in CASES]
    assert found == CASES


def test_records_as_values(many):
    l1, l2, r1 = ln.ULabel.get(name="l1"), ln.ULabel.get(name="l2"), ln.Record.get(name="r1")
    assert names(many, c=l1) == "a"
    assert names(many, c__in=[l1, l2]) == "ab"
    assert names(many, c__in=ln.ULabel.filter(name="l2")) == "b"
    assert names(many, un=bt.CellType.get(name="T cell")) == "a"
    with pytest.raises(InvalidArgument, match="records of ULabel"):
        names(many, c=r1)


def test_predicates(many):
    feature = {n: ln.Feature.get(name=n) for n in DTYPES}
    label = ln.ULabel.get(name="l1")
    cases = [
        (feature["s"] == "DMSO", "a"),
        (feature["s"] != "DMSO", "bcd"),
        (feature["temp"] > 22, "b"),
        (feature["temp"] >= 21.5, "ab"),
        (feature["temp"] < 22, "a"),
        (feature["temp"] <= 30, "ab"),
        (feature["n"] > BIG, "a"),
        (feature["s"].in_(["DMSO", "IFNG"]), "ab"),
        (feature["s"].contains("MS"), "a"),
        (feature["s"].startswith("I"), "b"),
        (feature["s"].isnull(), "d"),
        (feature["c"] == label, "a"),
        (feature["c"] == "l1", "a"),
        (feature["c"] != label, "bcd"),
        (feature["d"] == DAY, "a"),
        ((feature["s"] == "DMSO") | (feature["c"] == "l2"), "ab"),
        ((feature["s"] == "DMSO") & (feature["c"] == "l2"), ""),
        (~(feature["s"] == "DMSO"), "bcd"),
        (ln.Q(feature["s"] == "DMSO") | ln.Q(c="l2"), "ab"),
    ]
    for predicate, expected in cases:
        assert names(many, predicate) == expected, predicate
    assert names(many, feature["s"] == "DMSO", feature["c"] == "l1", b=True) == "a"
    registry, subjects = many
    assert registry.filter(b=True).get(n=BIG + 1) == subjects["a"]
    assert registry.filter(b=True).exclude(s="DMSO").count() == 0
    with pytest.raises(InvalidArgument, match="aren't annotated"):
        ln.ULabel.filter(feature["s"] == "DMSO")


def test_features_as_values_of_python(lake):
    s, n = ln.Feature(name="s", dtype=str).save(), ln.Feature(name="n", dtype=int).save()
    assert s == ln.Feature.get(name="s")
    assert s != n
    assert s in [n, s]
    assert {s: 1}[ln.Feature.get(name="s")] == 1
    with pytest.raises(TypeError, match="cannot be used as booleans"):
        bool(s == "x")
    assert repr(s == "x") == "FeaturePredicate(feature='s', comparator='exact', value='x')"


WRONG = [
    ({"temp": "hot"}, FieldValidationError, "a number"),
    ({"n__in": 3}, FieldValidationError, "a list"),
    ({"s": 3}, FieldValidationError, "text"),
    ({"s__regex": "("}, FieldValidationError, "regular expression"),
    ({"b": "yes"}, FieldValidationError, "True or False"),
    ({"d": "notaday"}, FieldValidationError, "date"),
    ({"temp__range": 3}, FieldValidationError, "two values"),
    ({"c__contains": 3}, FieldValidationError, "text"),
    ({"c": 3}, InvalidArgument, "names, or records of ULabel"),
    ({"c": "nope"}, ObjectDoesNotExist, "Did not find a ULabel matching `name=nope`"),
    ({"s__nolookup": "x"}, UnknownField, "nolookup"),
    ({"s__isnull": 3}, InvalidArgument, "True or False"),
    ({"tempp": 3}, UnknownField, "temp"),
    ({"nothing_like_it": 3}, UnknownField, "nothing_like_it"),
]


def test_wrong_filters(many):
    for lookups, error, text in WRONG:
        with pytest.raises(error, match=text):
            many[0].filter(**lookups)


def test_equal_names(many):
    registry, subjects = many
    one, two = (ln.Feature(name=n, is_type=True).save() for n in ("one", "two"))
    first = ln.Feature(name="twin", dtype=str, type=one).save()
    second = ln.Feature(name="twin", dtype=str, type=two).save()
    subjects["a"].features.update_values({first: "x"})
    subjects["b"].features.update_values({second: "x"})
    with pytest.raises(MultipleObjectsReturned, match="Ambiguous match for Feature 'twin'"):
        registry.filter(twin="x")
    assert names(many, first == "x") == "a"
    assert ln.Feature(name="twin", dtype=str) == first
    top = ln.Feature(name="twin", dtype=str, type=None).save()
    subjects["c"].features.update_values({top: "x"})
    assert names(many, twin="x") == "c"


def test_filters_follow_changes(many):
    registry, subjects = many
    query = registry.filter(s="DMSO")
    assert query.count() == 1
    subjects["b"].features.update_values({"s": "DMSO"})
    assert query.count() == 2
    subjects["a"].delete()
    assert query.count() == 1
    past = ln.current_lake().at(1)
    with pytest.raises(UnknownField):
        getattr(past, registry.__name__).filter(s="DMSO")


def test_data_frames(many):
    registry, subjects = many
    frame = registry.filter(uid__in=[r.uid for r in subjects.values()]).to_dataframe(
        include="features", order_by="uid"
    )
    a, b, _, d = (frame.loc[r.uid] for r in subjects.values())
    assert a["n"] == BIG + 1
    assert str(frame["n"].dtype) == "Int64"
    assert str(frame["c"].dtype) == "category"
    assert str(frame["b"].dtype) == "boolean"
    assert a["d"] == DAY
    assert a["dt"] == pd.Timestamp(MOMENT)
    assert a["ls"] == ["a", "b"]
    assert a["lc"] == ["l1", "l2"]
    assert a["di"]["nest"] == {"k": "v"}
    assert a["un"] == "T cell"
    assert b["un"] == "l1"
    assert pd.isna(d["s"])
    assert pd.isna(d["temp"])
    only = registry.filter(temp__gt=20).to_dataframe(features=["s", "temp"])
    assert list(only.columns)[-2:] == ["s", "temp"]
    with pytest.raises(UnknownField, match="tempp"):
        registry.filter().to_dataframe(features=["tempp"])


def test_several_values_are_sets(lake):
    ln.save([ln.Feature(name="s", dtype=str), ln.Feature(name="c", dtype=ln.ULabel)])
    ln.save([ln.ULabel(name="l1"), ln.ULabel(name="l2")])
    for name in "ab":
        with open(name, "w") as file:
            file.write(name)
        ln.Artifact(name, key=name).save()
    a, b = ln.Artifact.get(key="a"), ln.Artifact.get(key="b")
    a.features.set_values({"s": "x", "c": ["l1", "l2"]})
    a.features.add_values({"s": "y"})
    b.features.set_values({"s": "x", "c": "l1"})
    frame = ln.Artifact.to_dataframe(include="features").set_index("key")
    assert frame["s"].to_dict() == {"a": {"x", "y"}, "b": "x"}
    assert frame["c"].to_dict() == {"a": {"l1", "l2"}, "b": "l1"}
    ln.ULabel.get(name="l2").delete()
    frame = ln.Artifact.to_dataframe(include="features").set_index("key")
    assert frame["c"].to_dict() == {"a": "l1", "b": "l1"}


def test_bulk_uids_are_those_of_single_rows():
    texts = [f'"t{i} é\ud800"' for i in range(500)] + ["", "1"]
    assert tails("record", "f", "s", texts) == [tail("record", "f", "s", t) for t in texts]
    assert tails("record", "f", "s", []) == []


def test_long_arrays_are_told_apart(lake):
    ln.Feature(name="c", dtype="cat[ULabel]").save()
    ln.save([ln.ULabel(name=name) for name in ("x", "y")])
    artifact = ln.Artifact.from_dataframe(pd.DataFrame({"a": [1]}), key="a.parquet").save()
    artifact.features.add_values({"c": "x"})
    with_x = pd.Series(["y"] * 3000)
    with_x[1500] = "x"  # the array's text doesn't show it
    without = pd.Series(["y"] * 3000)
    for make in (lambda series: series.to_numpy(), lambda series: series):
        assert ln.Artifact.filter(c__in=make(with_x)).count() == 1
        assert ln.Artifact.filter(c__in=make(without)).count() == 0


def test_parts_of_dates(many):
    registry, subjects = many
    ln.Feature(name="day", dtype=datetime.date).save()
    ln.Feature(name="moment", dtype=datetime.datetime).save()
    for i, name in enumerate("abc"):
        subjects[name].features.update_values(
            {
                "day": datetime.date(2022 + i, 1 + i, 10 + i),
                "moment": datetime.datetime(2022 + i, 11, 5, 8 + i, tzinfo=datetime.UTC),
            }
        )
    for conditions, expected in (
        ({"day__year": 2023}, "b"),
        ({"day__year__gte": 2023}, "bc"),
        ({"day__month__in": [1, 3]}, "ac"),
        ({"day__day__range": (11, 12)}, "bc"),
        ({"day__quarter": 1}, "abc"),
        ({"moment__hour__lt": 9}, "a"),
        ({"moment__year__ne": 2022}, "bcd"),
    ):
        assert names(many, **conditions) == expected, conditions
    with pytest.raises(UnknownField, match="hour"):
        registry.filter(day__hour=3)
    with pytest.raises(FieldValidationError):
        registry.filter(day__year="2023")

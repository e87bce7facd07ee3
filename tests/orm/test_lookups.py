"""Look-ups against plain Python predicates, and every way to ask wrongly."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.errors import (
    FieldValidationError,
    InvalidArgument,
    MixedLakes,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    UnknownField,
)
from lakehouse.orm import Lake, Q, save
from lakehouse.registries import Feature, Record, Run, Transform, ULabel

TEXTS = [
    "",
    "a",
    "A",
    "b",
    "aß",
    "ab c",
    "a_b%",
    "x'y",
    'q"r',
    "[z]",
    "line\nbreak",
    "ÄÖ",
    "{row}",
    "?",
]
NUMBERS = [0, 1, 2, 3, 10, 21, 100]
MOMENTS = [
    dt.datetime(2019, 12, 30, 23, 59, 59, tzinfo=dt.UTC),
    dt.datetime(2020, 2, 29, 0, 0, 0, tzinfo=dt.UTC),
    dt.datetime(2021, 1, 3, 12, 30, 1, tzinfo=dt.UTC),
    dt.datetime(2024, 7, 1, 6, 5, 4, tzinfo=dt.UTC),
]


def folded(text):
    return text.lower()


TEXT_LOOKUPS = {
    "exact": lambda a, b: a == b,
    "iexact": lambda a, b: folded(a) == folded(b),
    "ne": lambda a, b: a != b,
    "contains": lambda a, b: b in a,
    "icontains": lambda a, b: folded(b) in folded(a),
    "startswith": lambda a, b: a.startswith(b),
    "istartswith": lambda a, b: folded(a).startswith(folded(b)),
    "endswith": lambda a, b: a.endswith(b),
    "iendswith": lambda a, b: folded(a).endswith(folded(b)),
    "gt": lambda a, b: a.encode() > b.encode(),
    "gte": lambda a, b: a.encode() >= b.encode(),
    "lt": lambda a, b: a.encode() < b.encode(),
    "lte": lambda a, b: a.encode() <= b.encode(),
}
NUMBER_LOOKUPS = {
    "exact": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "contains": lambda a, b: str(b) in str(a),
    "startswith": lambda a, b: str(a).startswith(str(b)),
}
PARTS = {
    "year": lambda m: m.year,
    "iso_year": lambda m: m.isocalendar().year,
    "quarter": lambda m: (m.month - 1) // 3 + 1,
    "month": lambda m: m.month,
    "week": lambda m: m.isocalendar().week,
    "week_day": lambda m: m.isoweekday() % 7 + 1,
    "iso_week_day": lambda m: m.isoweekday(),
    "day": lambda m: m.day,
    "hour": lambda m: m.hour,
    "minute": lambda m: m.minute,
    "second": lambda m: m.second,
}


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """Features whose description, number, truth and time cover the values above."""
    lake = Lake.create(str(tmp_path_factory.mktemp("lookups") / "lake"))
    with lake:
        made = [
            Feature(
                name=f"f{i}",
                dtype=str,
                description=None if i % 7 == 6 else TEXTS[i % len(TEXTS)],
                array_rank=NUMBERS[i % len(NUMBERS)],
                coerce=i % 3 == 0,
                created_at=MOMENTS[i % len(MOMENTS)],
            )
            for i in range(60)
        ]
        save(made)
    yield lake, made
    lake.close()


text_conditions = st.tuples(
    st.just("description"), st.sampled_from(sorted(TEXT_LOOKUPS)), st.sampled_from(TEXTS)
)
number_conditions = st.tuples(
    st.just("array_rank"), st.sampled_from(sorted(NUMBER_LOOKUPS)), st.sampled_from(NUMBERS)
)
part_conditions = st.builds(
    lambda part, look_up, moment: ("created_at", f"{part}__{look_up}", PARTS[part](moment)),
    st.sampled_from(sorted(PARTS)),
    st.sampled_from(["exact", "gt", "lte"]),
    st.sampled_from(MOMENTS),
)
sets = st.builds(
    lambda values: ("description", "in", values), st.lists(st.sampled_from(TEXTS), max_size=4)
)
nulls = st.builds(lambda value: ("description", "isnull", value), st.booleans())
truths = st.builds(lambda value: ("coerce", "exact", value), st.booleans())
leaves = st.one_of(text_conditions, number_conditions, part_conditions, sets, nulls, truths)


def holds(feature, condition):
    """The condition as a Python predicate; what is unknown because of a null is false."""
    field, look_up, value = condition
    have = getattr(feature, field)
    if look_up == "isnull":
        return (have is None) is value
    if have is None:
        return look_up.endswith("ne")
    if field == "created_at":
        part, _, compare = look_up.partition("__")
        return NUMBER_LOOKUPS[compare](PARTS[part](have), value)
    if look_up == "in":
        return have in value
    lookups = TEXT_LOOKUPS if isinstance(have, str) else NUMBER_LOOKUPS
    return lookups[look_up](have, value)


def as_q(condition):
    field, look_up, value = condition
    return Q(**{f"{field}__{look_up}": value})


trees = st.recursive(
    leaves.map(lambda c: (as_q(c), lambda f: holds(f, c))),
    lambda inner: st.one_of(
        st.builds(lambda a, b: (a[0] & b[0], lambda f: a[1](f) and b[1](f)), inner, inner),
        st.builds(lambda a, b: (a[0] | b[0], lambda f: a[1](f) or b[1](f)), inner, inner),
        st.builds(lambda a, b: (a[0] ^ b[0], lambda f: a[1](f) != b[1](f)), inner, inner),
        st.builds(lambda a: (~a[0], lambda f: not a[1](f)), inner),
    ),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=trees)
def test_any_tree_of_conditions_means_what_python_says(features, tree):
    lake, made = features
    q, predicate = tree
    expected = sorted(f.uid for f in made if predicate(f))
    found = lake.Feature.filter(q)
    assert sorted(found.to_list("uid")) == expected
    assert found.count() == len(expected)
    assert sorted(found.to_polars().collect()["uid"].to_list()) == expected
    assert lake.Feature.exclude(q).count() == len(made) - len(expected)


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=30))
def test_any_text_is_a_value_and_nothing_else(features, text):
    lake, made = features
    try:
        text.encode()
    except UnicodeEncodeError:
        with pytest.raises(FieldValidationError):
            lake.Feature.filter(name=text)
        return
    assert lake.Feature.filter(name=text).count() == sum(f.name == text for f in made)
    kept = [f for f in made if f.description is not None and text in f.description]
    assert lake.Feature.filter(description__contains=text).count() == len(kept)
    assert lake.Feature.filter(description__regex=re.escape(text)).exists() == bool(kept)


# -- JSON ------------------------------------------------------------------------------


@pytest.fixture
def records(lake):
    return save([
        Record(name="a", extra_data={"lab": {"name": "x'y", "tags": ["t", "u"]}, "n": 3, "ok": True}),
        Record(name="b", extra_data={"n": 4.5, "ok": False, "none": None, "lab": {"name": "z"}}),
        Record(name="c", extra_data={"n": "3", "day": "2024-01-02", 'q"k': 1}),
        Record(name="d"),
    ])  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lookups", "expected"),
    [
        ({"extra_data__lab__name": "x'y"}, "a"),
        ({"extra_data__lab__name__icontains": "X"}, "a"),
        ({"extra_data__lab__name__in": ["z", "w"]}, "b"),
        ({"extra_data__lab__tags": ["t", "u"]}, "a"),
        ({"extra_data__lab__tags__1": "u"}, "a"),
        ({"extra_data__n": 3}, "a"),
        ({"extra_data__n": "3"}, "c"),
        ({"extra_data__n__gt": 3}, "b"),
        ({"extra_data__n__range": (3, 5)}, "ab"),
        ({"extra_data__n__ne": 3}, "bcd"),
        ({"extra_data__ok": True}, "a"),
        ({"extra_data__ok": 1}, ""),
        ({"extra_data__none": None}, "b"),
        ({"extra_data__none__isnull": True}, "acd"),
        ({"extra_data__none__isnull": False}, "b"),
        ({"extra_data__has_key": "lab"}, "ab"),
        ({"extra_data__has_keys": ["lab", "none"]}, "b"),
        ({"extra_data__has_any_keys": ["day", "none"]}, "bc"),
        ({"extra_data__lab__has_key": "tags"}, "a"),
        ({"extra_data__contains": {"n": 3}}, "a"),
        ({"extra_data__lab": {"tags": ["t", "u"], "name": "x'y"}}, "a"),
        ({"extra_data": {"ok": False, "n": 4.5, "lab": {"name": "z"}, "none": None}}, "b"),
        ({"extra_data__icontains": "2024"}, "c"),
        ({"extra_data__day": dt.date(2024, 1, 2)}, "c"),
        ({'extra_data__q"k': 1}, "c"),
        ({"extra_data__isnull": True}, "d"),
        ({"extra_data": None}, "d"),
        ({"extra_data__nope__deeper": 1}, ""),
    ],
)
def test_keys_of_dictionaries(records, lookups, expected):
    assert "".join(sorted(Record.filter(**lookups).to_list("name"))) == expected


def test_order_and_values_at_keys(records):
    found = Record.filter(extra_data__n__isnull=False).order_by("extra_data__n", "name")
    assert found.to_list("extra_data__n") in ([3, "3", 4.5], ["3", 3, 4.5])
    assert found.last().name == "b"


# -- fields of other kinds -------------------------------------------------------------


def test_times_and_dates(features):
    lake, made = features
    day = MOMENTS[0].date()
    of_day = [f.uid for f in made if f.created_at.date() == day]
    assert sorted(lake.Feature.filter(created_at__date=day).to_list("uid")) == sorted(of_day)
    assert lake.Feature.filter(created_at__date__in=[day]).count() == len(of_day)
    assert lake.Feature.filter(created_at__time=dt.time(12, 30, 1)).count() == 15
    assert lake.Feature.filter(created_at__time__gt=dt.time(12)).count() == 30
    assert lake.Feature.filter(created_at__range=("2020-01-01", "2021-12-31")).count() == 30
    assert lake.Feature.filter(created_at__startswith="2020-02-29").count() == 15
    assert lake.Feature.filter(created_at__year__isnull=False).count() == 60
    with pytest.raises(UnknownField):
        lake.Feature.filter(created_at__year__contains=2)
    for wrong in (3, 2020.5):
        with pytest.raises(FieldValidationError, match="a datetime, or its ISO text"):
            lake.Feature.filter(created_at__gt=wrong)
    assert lake.Feature.filter(coerce=1).count() == lake.Feature.filter(coerce=True).count() == 20
    with pytest.raises(UnknownField, match="month"):
        lake.Feature.filter(created_at__mont=2)


def test_lists_of_texts(lake):
    save([
        Feature(name="a", dtype=str, array_shape=[2, 3]),
        Run(Transform(key="t").save(), name="r", params={"list": ["x", "y"]}),
    ])  # fmt: skip
    assert Run.filter(params__list=["x", "y"]).count() == 1
    assert Run.filter(params__list__0="x").count() == 1


# -- foreign keys, ids and wrong values ------------------------------------------------


def test_ids_and_foreign_keys_by_the_peers_names(lake):
    kind = ULabel(name="Kind", is_type=True).save()
    label = ULabel(name="a", type=kind).save()
    for lookups in ({"type_id": kind.uid}, {"type_id__in": [kind.uid]}, {"type__id": kind.uid},
                    {"type__uid": kind.uid}, {"type__pk": kind.uid}, {"type__id__in": [kind.uid]}):  # fmt: skip
        assert ULabel.filter(**lookups).one() == label
    assert ULabel.get(id=label.id) == label
    assert ULabel.filter(pk=label.uid).one() == label
    assert ULabel.filter().order_by("-id").first() == label
    assert ULabel.filter(type_id__isnull=True).one() == kind


def test_every_branch_is_meant_by_none(lake):
    label = ULabel(name="gone").save()
    label.delete()
    assert ULabel.filter(name="gone").count() == 0
    assert ULabel.filter(name="gone", branch=None).one() == label
    assert ULabel.filter(name="gone", branch_id=None).one() == label
    assert ULabel.filter(Q(branch__name="trash") | Q(name="zz")).one() == label
    assert ULabel.filter(uid=label.uid).one() == label


def test_a_forgotten_field_is_named(lake):
    ULabel(name="some").save()
    for lookups in ({"type": "some"}, {"created_by": "ada"}, {"type__in": ["some"]}):
        with pytest.raises(InvalidArgument, match=r"Did you mean \w+__(name|handle)\?"):
            ULabel.filter(**lookups)
    with pytest.raises(InvalidArgument, match="Did you mean ulabels__name"):
        lake.Artifact.filter(ulabels="some")


def test_records_that_cant_be_compared(lake, tmp_path):
    kind = ULabel(name="Kind", is_type=True)
    with pytest.raises(InvalidArgument, match="isn't saved"):
        ULabel.filter(type=kind)
    kind.save()
    with pytest.raises(InvalidArgument, match="records of ULabel"):
        ULabel.filter(type=Record(name="r").save())
    with pytest.raises(InvalidArgument, match="query set of Record"):
        ULabel.filter(type__in=Record.filter())
    other = Lake.create(str(tmp_path / "other"))
    with pytest.raises(MixedLakes):
        ULabel.filter(type=other.ULabel(name="Kind", is_type=True).save())
    other.close()
    with lake.transaction():
        staged = ULabel(name="Staged", is_type=True).save()
        assert ULabel.filter(type=staged).count() == 0


def test_uid_stubs(lake):
    labels = save([ULabel(name=f"l{i}") for i in range(3)])
    assert ULabel.get(labels[0].uid) == labels[0]
    with pytest.raises(MultipleObjectsReturned, match="more characters"):
        ULabel.get(labels[0].uid[:3])
    with pytest.raises(ObjectDoesNotExist, match="get\\(name='l0'\\)"):
        ULabel.get("l0")
    with pytest.raises(ObjectDoesNotExist, match="ids are uids"):
        ULabel.get(9999)
    for wrong in ("", None, 1.5, True):
        with pytest.raises(InvalidArgument):
            ULabel.get(wrong)
    assert labels[0].pk == labels[0].id == labels[0].uid


def test_the_latest_version_is_meant(lake):
    first = Transform(key="a.py", source_code="1").save()
    second = Transform(key="a.py", source_code="2", revises=first).save()
    assert Transform.get(key="a.py") == second
    assert Transform.filter().get(key="a.py") == second
    assert Transform.get(key="a.py", is_latest=False) == first
    assert Transform.filter(key="a.py").count() == 2
    with pytest.raises(MultipleObjectsReturned):
        Transform.filter(key="a.py").one()
    with pytest.raises(ObjectDoesNotExist):
        Transform.get(key="b.py")


LONG = "x" * 10_000
HOSTILE = ["'; DROP TABLE ulabel; --", 'a"b', "[br]{ack}ets", "new\nline\r\n", "tab\t", LONG, "%_\\", "$1 ? :x",
           "NULL", "ünïcödé 🧬", "{uids}", "'|| 'x"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(lake, name):
    label = ULabel(name=name).save()
    ULabel(name="other").save()
    for lookups in ({"name": name}, {"name__in": [name]}, {"name__contains": name},
                    {"name__startswith": name}, {"name__iexact": name},
                    {"name__regex": "^" + re.escape(name)[:900]}):  # fmt: skip
        assert ULabel.filter(**lookups).one() == label
    assert ULabel.get(name=name) == label
    assert ULabel.search(name)[0] == label
    assert ULabel.lookup()[name] == label
    assert ULabel.filter(name=name).to_dataframe()["name"].iloc[0] == name
    assert ULabel.filter(name=name).to_polars().collect()["name"].item() == name
    assert ULabel.filter().count() == 2


@pytest.mark.parametrize(
    "name", ['name"; DROP TABLE x', "name'", "na me", "__", "name__", "", "uid) --"]
)
def test_hostile_field_names(lake, name):
    ULabel(name="a").save()
    with pytest.raises(InvalidArgument):
        ULabel.filter(**{name: "a"})
    with pytest.raises(InvalidArgument):
        ULabel.filter().order_by(name)
    with pytest.raises(InvalidArgument):
        ULabel.filter().values(name)
    with pytest.raises(InvalidArgument):
        ULabel.filter().to_dataframe(include=name)
    with pytest.raises(InvalidArgument):
        ULabel.search("a", field=name)
    with pytest.raises(InvalidArgument):
        ULabel.lookup(name)
    assert ULabel.filter().one().name == "a"

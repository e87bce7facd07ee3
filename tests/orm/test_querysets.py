"""What query sets give: order, slices, sets of sets, values, figures, frames, lazy frames."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from lakehouse.config import settings
from lakehouse.engine import State
from lakehouse.engine.table.limits import Limits
from lakehouse.errors import InvalidArgument, ObjectDoesNotExist, UnknownField
from lakehouse.orm import Lake, Q, save
from lakehouse.orm.query.values import Avg, Count, Max, Min, StdDev, Sum
from lakehouse.registries import Record, Run, Storage, Transform, ULabel, User


@pytest.fixture
def labels(lake):
    kind = ULabel(name="Kind", is_type=True, description="the type").save()
    names = ("alpha", "beta", "gamma", "delta")
    made = [ULabel(name=n, type=kind if n in ("alpha", "beta") else None) for n in names]
    made[0].description = "first"
    save(made)
    return [kind, *made]


def names(query):
    return query.order_by("name").to_list("name")


# -- sets of sets ----------------------------------------------------------------------


def test_sets_combine(labels):
    a = ULabel.filter(name__in=["alpha", "beta"])
    b = ULabel.filter(name__in=["beta", "gamma"])
    assert names(a | b) == ["alpha", "beta", "gamma"]
    assert names(a & b) == ["beta"]
    assert names(a - b) == ["alpha"]
    assert names(a.union(b, ULabel.filter(name="delta"))) == ["alpha", "beta", "delta", "gamma"]
    assert names(a.intersection(b)) == ["beta"]
    assert names(a.difference(b)) == ["alpha"]
    assert names((a | b).filter(description=None)) == ["beta", "gamma"]
    assert names(a.order_by("name")[:1] | b.order_by("-name")[:1]) == ["alpha", "gamma"]
    assert (a | b).count() == 3
    assert ULabel.filter().none().count() == 0
    with pytest.raises(InvalidArgument, match="query set of Record"):
        _ = a | Record.filter()


def test_trashed_records_stay_out_of_combined_sets(labels):
    labels[1].delete()
    assert names(ULabel.filter(name__in=["alpha", "beta"]) | ULabel.filter(name="gamma")) == [
        "beta",
        "gamma",
    ]


def test_q_xor(labels):
    both = Q(name__in=["alpha", "beta"]) ^ Q(name__in=["beta", "gamma"])
    assert names(ULabel.filter(both)) == ["alpha", "gamma"]


def test_a_generator_as_value_may_be_read_again(labels):
    query = ULabel.filter(name__in=(n for n in ("alpha", "beta")))
    assert names(query) == names(query) == ["alpha", "beta"]


# -- ends ------------------------------------------------------------------------------


def test_earliest_latest_and_bulk(labels):
    assert ULabel.filter().earliest("name").name == "Kind"
    assert ULabel.filter().latest("name").name == "gamma"
    assert ULabel.filter().earliest() == labels[0]
    with pytest.raises(ObjectDoesNotExist):
        ULabel.filter(name="zz").latest()
    uids = [label.uid for label in labels[:2]]
    assert ULabel.filter().in_bulk(uids) == dict(zip(uids, labels[:2], strict=True))
    assert set(ULabel.filter().in_bulk(["alpha", "zz"], field_name="name")) == {"alpha"}


def test_update_is_one_commit(lake, labels):
    before = lake.state.seq
    assert ULabel.filter(is_type=False).update(description="same") == 4
    assert lake.state.seq == before + 1
    assert ULabel.filter(description="same").count() == 4


# -- values ----------------------------------------------------------------------------


def test_values(labels):
    kind = labels[0]
    query = ULabel.filter(is_type=False).order_by("name")
    assert query.values("name", "type__name")[:2] == [
        {"name": "alpha", "type__name": "Kind"},
        {"name": "beta", "type__name": "Kind"},
    ]
    assert query.values("name").first() == {"name": "alpha"}
    assert query.values()[0]["uid"] == labels[1].uid
    assert query.values_list("name", flat=True) == ["alpha", "beta", "delta", "gamma"]
    assert query.values_list("name", "type_id")[0] == ("alpha", kind.uid)
    assert query.values_list("type", flat=True)[0] == kind.uid
    assert query.values_list("name", named=True)[0].name == "alpha"
    assert query.values_list("type__name", flat=True).distinct() == ["Kind", None]
    assert query.values_list("name", flat=True).count() == 4
    assert query.values_list("name", flat=True).filter(name__gt="b").last() == "gamma"
    assert query.values_list("name", flat=True).order_by("-name").to_list()[0] == "gamma"
    assert ULabel.filter(name__in=query.values_list("name", flat=True)).count() == 4
    assert ULabel.filter(uid__in=query.values_list("type_id", flat=True)).one() == kind
    assert query.values_list("created_at__year", flat=True)[0] == datetime.now().year
    assert repr(query.values_list("name", flat=True)).startswith("['alpha'")
    assert not ULabel.filter(name="zz").values("name").exists()
    with pytest.raises(UnknownField, match="name"):
        query.values("nme")
    with pytest.raises(InvalidArgument):
        query.values_list("name", "uid", flat=True)


def test_values_over_relations_give_one_row_per_related_record(lake):
    user = User.filter().one()
    transform = Transform(key="a.py").save()
    for name in ("one", "two"):
        Run(transform, name=name).save()
    Transform(key="b.py").save()
    found = Transform.filter().order_by("key").values_list("key", "runs__name")
    assert sorted(found[:2]) == [("a.py", "one"), ("a.py", "two")]
    assert found[2] == ("b.py", None)
    assert set(Transform.filter(key="a.py").to_list("runs__name")) == {"one", "two"}
    assert Transform.filter(key="a.py").aggregate(n=Count("runs")) == {"n": 2}
    assert Transform.filter().values("created_by__handle").annotate(n=Count()) == [
        {"created_by__handle": user.handle, "n": 2}
    ]


# -- figures ---------------------------------------------------------------------------


def test_aggregates(lake):
    save([Record(name=f"r{i}", extra_data={"n": i}, description=f"d{i % 2}") for i in range(4)])
    records = Record.filter()
    assert records.aggregate(Count("id"), Count("description", distinct=True)) == {
        "id__count": 4,
        "description__count": 2,
    }
    assert records.aggregate(Min("name"), last=Max("name")) == {"name__min": "r0", "last": "r3"}
    assert records.aggregate(n="count(*)", m="max(name)") == {"n": 4, "m": "r3"}
    assert records.aggregate(n=Count(filter=Q(description="d1"))) == {"n": 2}
    assert Record.filter(name="zz").aggregate(Max("name"), n=Count()) == {
        "name__max": None,
        "n": 0,
    }
    assert records.values("description").annotate(n=Count()) == [
        {"description": "d0", "n": 2},
        {"description": "d1", "n": 2},
    ]
    for wrong in ("total(name)", "name", 3, "sum"):
        with pytest.raises(InvalidArgument):
            records.aggregate(x=wrong)
    with pytest.raises(InvalidArgument):
        records.aggregate(Sum("name"))
    with pytest.raises(InvalidArgument):
        records.aggregate(Sum())
    with pytest.raises(InvalidArgument):
        records.aggregate()
    with pytest.raises(UnknownField):
        records.aggregate(Count("nope"))


def test_aggregates_of_numbers(lake):
    from lakehouse.registries import Feature

    save([Feature(name=f"f{i}", dtype=int, array_rank=i) for i in range(1, 5)])
    numbers = Feature.filter()
    assert numbers.aggregate(Sum("array_rank"), Avg("array_rank"), StdDev("array_rank")) == {
        "array_rank__sum": 10,
        "array_rank__avg": 2.5,
        "array_rank__stddev": pytest.approx(1.118, abs=1e-3),
    }


# -- frames ----------------------------------------------------------------------------


def test_frames_have_the_peers_columns_and_the_newest_first(labels):
    frame = ULabel.filter().to_dataframe()
    assert list(frame.columns)[:3] == ["uid", "name", "description"]
    assert {"created_at", "branch_id", "space_id", "created_by_id", "run_id", "type_id"} <= set(
        frame.columns
    )
    assert "updated_at" not in frame.columns
    assert not [c for c in frame.columns if c.endswith("_uid")]
    assert frame.index.name == "id"
    assert list(frame.index) == list(frame["uid"]) == sorted(frame["uid"], reverse=True)
    assert ULabel.filter().to_dataframe(order_by="name")["name"].iloc[0] == "Kind"
    assert ULabel.filter().order_by("name").to_dataframe()["name"].iloc[0] == "Kind"
    assert len(ULabel.filter().order_by("name")[1:3].to_dataframe()) == 2
    assert frame["is_type"].dtype == bool
    assert "updated_at" not in ULabel.filter().to_dataframe(include="privates").columns
    empty = ULabel.filter(name="zz").to_dataframe()
    assert list(empty.columns) == list(frame.columns)
    assert len(empty) == 0


def test_frames_of_versions_say_which_is_the_latest(lake):
    first = Transform(key="a.py", source_code="1").save()
    second = Transform(key="a.py", source_code="2", revises=first).save()
    frame = Transform.filter().to_dataframe()
    assert list(frame["is_latest"]) == [True, False]
    assert list(frame["uid"]) == [second.uid, first.uid]
    assert list(Transform.filter(is_latest=False).to_dataframe()["uid"]) == [first.uid]


def test_included_fields(labels):
    frame = (
        ULabel.filter()
        .order_by("name")
        .to_dataframe(include=["created_by__handle", "type__name", "description"])
    )
    assert list(frame.columns) == [
        "uid", "name", "created_by__handle", "type__name", "description",
    ]  # fmt: skip
    names = frame["type__name"].astype(object)
    assert list(names.where(names.notna(), None)) == [None, "Kind", "Kind", None, None]
    assert list(frame["description"])[:2] == ["the type", "first"]
    with pytest.raises(UnknownField):
        ULabel.filter().to_dataframe(include="created_by__nope")


def test_included_relations_are_sets(lake):
    transform = Transform(key="a.py").save()
    for name in ("one", "two"):
        Run(transform, name=name).save()
    Transform(key="b.py").save()
    frame = Transform.to_dataframe(include="runs__name", order_by="key")
    assert list(frame["runs__name"]) == [{"one", "two"}, {None}]


def test_registries_without_features_say_so(labels):
    with pytest.raises(InvalidArgument, match="no features"):
        ULabel.filter().to_dataframe(include="features")


def test_json_columns_are_decoded(lake):
    run = Run(Transform(key="k").save(), params={"a": [1]}).save()
    assert Run.to_dataframe()["params"].iloc[0] == {"a": [1]}
    assert Run.filter().values("params") == [{"params": run.params}]
    assert Run.filter().values("params__a") == [{"params__a": [1]}]


def test_limits_are_said(lake, capfd):
    save([ULabel(name=f"l{i}") for i in range(120)])
    assert len(ULabel.filter().to_dataframe()) == 120
    assert capfd.readouterr().err == ""
    assert len(ULabel.to_dataframe()) == 100
    assert "showing 100 of more ULabel records" in capfd.readouterr().err
    assert len(ULabel.to_dataframe(limit=None)) == 120
    assert len(ULabel.filter().order_by("name")[:50].to_dataframe(limit=60)) == 50
    assert capfd.readouterr().err == ""


# -- lazy frames -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        lambda: ULabel.filter(),
        lambda: ULabel.filter(name__startswith="a"),
        lambda: ULabel.filter(name__contains="a", is_type=False),
        lambda: ULabel.filter(description__isnull=True, name__gt="b"),
        lambda: ULabel.filter(name__iendswith="A"),
        lambda: ULabel.filter(type__name="Kind").order_by("-name"),
        lambda: ULabel.filter().order_by("name")[1:3],
        lambda: ULabel.filter(Q(name="alpha") | Q(name="beta")),
        lambda: ULabel.filter(uid__startswith="0"),
        lambda: User.filter(),
        lambda: Storage.filter(type="local"),
    ],
)
def test_lazy_frames_hold_the_same_rows(labels, query):
    lazy = query().to_polars()
    assert isinstance(lazy, pl.LazyFrame)
    eager = pl.DataFrame(query().to_arrow())
    assert lazy.collect().equals(eager)
    assert lazy.select("uid").collect()["uid"].to_list() == query().to_list("uid")
    assert lazy.head(1).collect().height == min(1, eager.height)
    assert (
        lazy.filter(pl.col("uid").is_not_null()).select(pl.len()).collect().item() == eager.height
    )


def test_lazy_frames_read_nothing_before_collect_and_stay_at_their_state(labels, monkeypatch):
    query = ULabel.filter(name__icontains="ALPHA")
    lazy = query.to_polars()
    ULabel(name="alphabet").save()
    assert lazy.collect().height == 1
    assert query.to_polars().collect().height == 2
    assert "ULabel query" in lazy.explain()


def test_explain_shows_the_sql(labels):
    text = ULabel.filter(created_by__handle__startswith="a").order_by("-name")[:3].explain()
    assert "starts_with" in text
    assert "LIMIT 3" in text
    assert "'a'" not in text.split("--")[0]


def test_values_are_compared_with_the_set(labels):
    some = ULabel.filter(name__in=["alpha", "beta"])
    assert list(some.validate(["alpha", "gamma"], field="name", mute=True)) == [True, False]
    assert some.inspect(["alpha", "gamma"], ULabel.name, mute=True).validated == ["alpha"]
    assert list(some.standardize(["alpha"], field="name")) == ["alpha"]


def test_artifacts_frames_hide_bookkeeping(lake):
    columns = list(lake.Artifact.to_dataframe().columns)
    assert columns[:3] == ["uid", "key", "description"]
    assert not {"hash_key", "storage_key"} & set(columns)
    assert {"is_latest", "storage_id", "schema_id"} <= set(columns)
    assert "storage_key" in lake.Artifact.to_dataframe(include="privates").columns


def test_values_of_one_field_are_operands(labels):
    some = ULabel.filter(name__startswith="a")
    assert names(ULabel.filter(name__in=some.values("name"))) == ["alpha"]
    assert names(ULabel.filter(uid__in=some.values_list("uid"))) == ["alpha"]
    assert names(ULabel.filter(type__in=some.values("type"))) == ["alpha", "beta"]
    with pytest.raises(InvalidArgument, match="one field"):
        ULabel.filter(name__in=some.values("name", "uid"))


def test_ways_of_the_peer(labels):
    query = ULabel.objects.filter(name="alpha")
    assert query.contains(labels[1])
    assert not query.contains(labels[2])
    assert list(query.iterator()) == list(query.select_related("type")) == [labels[1]]
    assert query.order_by("name").ordered
    assert not query.ordered
    with pytest.raises(AttributeError):
        _ = labels[1].objects


def test_words_that_a_field_never_holds(lake):
    assert Run.filter(status="completed").count() == 0
    with pytest.raises(ValueError, match="Invalid Run status 'nope'"):
        Run.filter(status="nope")
    with pytest.raises(InvalidArgument, match="aborted"):
        Run.filter(status__in=["completed", "nope"])


def test_order_by_a_feature(lake):
    from lakehouse.registries import Feature

    number = Feature(name="number", dtype=float).save()
    label = Feature(name="label", dtype=ULabel).save()
    save([ULabel(name="x"), ULabel(name="y")])
    for name, n, word in (("a", 10, "y"), ("b", 9, "x"), ("c", None, None)):
        record = Record(name=name).save()
        if n is not None:
            record.features.set_values({"number": n, "label": word})
    assert Record.filter().order_by(number).to_list("name") == ["b", "a"]
    assert Record.filter().order_by(-number, "name").to_list("name") == ["a", "b"]
    assert Record.filter().order_by(label).to_list("name") == ["b", "a"]
    assert Record.filter().order_by(number).last().name == "a"
    assert Record.filter().order_by(number).reverse().first().name == "a"
    for wrong in (3, None, label == "x"):
        with pytest.raises(InvalidArgument):
            Record.filter().order_by(wrong)
    with pytest.raises(InvalidArgument):
        ULabel.filter().order_by(number)


def test_artifacts_by_their_path(lake, tmp_path):
    source = tmp_path / "a.csv"
    source.write_text("a\n1\n")
    artifact = lake.Artifact(source, key="a.csv").save()
    assert lake.Artifact.get(path=artifact.path) == artifact
    assert lake.Artifact.filter(path__startswith=lake.root).one() == artifact
    with pytest.raises(ObjectDoesNotExist):
        lake.Artifact.get(path="nowhere.csv")


def test_settings_say_where_one_is(lake):
    lines = repr(settings).splitlines()
    assert lines[0] == "Settings"
    assert [line.split(":")[0] for line in lines[1:]] == [
        "  instance", "  storage", "  verbosity", "  track_run_inputs",
    ]  # fmt: skip
    assert lines[2] == f"  storage: {lake.root}"


def test_tables_that_are_too_large_for_memory(tmp_path, monkeypatch):
    limits = Limits(memory_bytes=1)
    with Lake.create(str(tmp_path / "small"), modules=["bionty"], limits=limits):
        kind = ULabel(name="Kind", is_type=True).save()
        labels = save([ULabel(name=f"label {i}", type=kind if i % 2 else None) for i in range(40)])
        first = Transform(key="a.py", source_code="1").save()
        Transform(key="a.py", source_code="2", revises=first).save()
        loaded = set()
        read = State.arrow

        def spied(state, table):
            loaded.add(table)
            return read(state, table)

        monkeypatch.setattr(State, "arrow", spied)
        odd = ULabel.filter(type=kind)
        assert odd.count() == len(odd) == len(odd.to_dataframe()) == 20
        assert ULabel.filter(name__startswith="label 1").count() == 11
        assert ULabel.search("label 7").first().name == "label 7"
        assert ULabel.search("lable 7")[0].name.startswith("label")
        assert odd.to_polars().select("name").collect().height == 20
        assert odd.order_by("name").to_polars().collect().height == 20
        assert odd.values_list("name", "type__name")[0] == ("label 1", "Kind")
        assert ULabel.lookup().label_3 == labels[3]
        assert list(Transform.to_dataframe()["is_latest"]) == [True, False]
        assert not loaded & {"ulabel", "transform"}


def test_sets_describe_their_registry(labels):
    assert "description" in ULabel.filter(name="alpha").describe(return_str=True)

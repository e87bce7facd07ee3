from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from lakehouse.bionty import CellType, Gene, Organism
from lakehouse.engine import Changes
from lakehouse.errors import (
    FieldValidationError,
    InvalidArgument,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    UnknownField,
)
from lakehouse.orm import Q, save
from lakehouse.registries import Record, Run, Transform, ULabel


@pytest.fixture
def labels(lake):
    kind = ULabel(name="Kind", is_type=True, description="the type").save()
    made = [
        ULabel(name="alpha", description="First one", type=kind),
        ULabel(name="Beta", description="second ONE", reference="r1"),
        ULabel(name="gamma ray", created_at=datetime(2020, 5, 17, 13, 4, 5)),
        ULabel(name="delta_100%", created_at=datetime(2021, 12, 31, 23, 59, 59)),
    ]
    save(made)
    return [kind, *made]


def names(query):
    return sorted(query.to_list("name"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lookups", "expected"),
    [
        ({"name": "alpha"}, ["alpha"]),
        ({"name__exact": "alpha"}, ["alpha"]),
        ({"name__iexact": "ALPHA"}, ["alpha"]),
        ({"name__ne": "alpha"}, ["Beta", "Kind", "delta_100%", "gamma ray"]),
        ({"name__contains": "a r"}, ["gamma ray"]),
        ({"name__contains": "_100%"}, ["delta_100%"]),
        ({"name__contains": "%"}, ["delta_100%"]),
        ({"name__icontains": "BET"}, ["Beta"]),
        ({"name__startswith": "al"}, ["alpha"]),
        ({"name__istartswith": "b"}, ["Beta"]),
        ({"name__endswith": "ray"}, ["gamma ray"]),
        ({"name__iendswith": "RAY"}, ["gamma ray"]),
        ({"name__in": ["alpha", "Beta", None]}, ["Beta", "alpha"]),
        ({"name__in": []}, []),
        ({"name__in": [f"x{i}" for i in range(100)] + ["Beta"]}, ["Beta"]),
        ({"name__gt": "d"}, ["delta_100%", "gamma ray"]),
        ({"name__range": ("a", "b")}, ["alpha"]),
        ({"name__regex": "^g.*y$"}, ["gamma ray"]),
        ({"name__iregex": "^BE"}, ["Beta"]),
        ({"description__isnull": True}, ["delta_100%", "gamma ray"]),
        ({"description": None}, ["delta_100%", "gamma ray"]),
        ({"description__isnull": False, "is_type": False}, ["Beta", "alpha"]),
        ({"created_at__year": 2020}, ["gamma ray"]),
        ({"created_at__year__gte": 2020, "created_at__month": 12}, ["delta_100%"]),
        ({"created_at__date": date(2020, 5, 17)}, ["gamma ray"]),
        ({"created_at__date": "2020-05-17"}, ["gamma ray"]),
        ({"created_at__day__in": [17, 31]}, ["delta_100%", "gamma ray"]),
        ({"created_at__hour": 13, "created_at__minute": 4, "created_at__second": 5}, ["gamma ray"]),
        ({"created_at__lt": "2021-01-01"}, ["gamma ray"]),
        ({"created_at__lt": date(2021, 1, 1)}, ["gamma ray"]),
        ({"created_at": datetime(2020, 5, 17, 13, 4, 5, tzinfo=UTC)}, ["gamma ray"]),
        ({"type__name": "Kind"}, ["alpha"]),
        ({"type__name__startswith": "K", "type__description__icontains": "TYPE"}, ["alpha"]),
        ({"type__isnull": False}, ["alpha"]),
        ({"type__reference__isnull": True, "is_type": False}, ["Beta", "alpha", "delta_100%", "gamma ray"]),
        ({"created_by__handle__startswith": "ad", "name": "Beta"}, ["Beta"]),
        ({"created_by__handle": "nobody"}, []),
    ],
)  # fmt: skip
def test_lookups(labels, lookups, expected):
    if "created_at" in str(lookups):
        lookups = {**lookups, "description": None}
    assert names(ULabel.filter(**lookups)) == expected


def test_all_time_parts(labels):
    for part in ("iso_year", "quarter", "week", "week_day", "iso_week_day"):
        assert ULabel.filter(**{f"created_at__{part}__gt": 0}).count() == 5
    assert names(ULabel.filter(created_at__week_day=1)) == names(
        ULabel.filter(created_at__iso_week_day=7)
    )


def test_records_as_values(labels):
    kind = labels[0]
    assert names(ULabel.filter(type=kind)) == ["alpha"]
    assert names(ULabel.filter(type=kind.uid)) == ["alpha"]
    assert names(ULabel.filter(type__in=[kind])) == ["alpha"]
    assert names(ULabel.filter(type__in=ULabel.filter(is_type=True))) == ["alpha"]
    assert names(ULabel.filter(uid__in=labels[1:3])) == ["Beta", "alpha"]
    assert ULabel.filter(type=None).count() == 4
    with pytest.raises(InvalidArgument, match="compared with records of ULabel"):
        ULabel.filter(type=Record(name="r").save())


def test_q_trees(labels):
    a, b = Q(name="alpha"), Q(name="Beta")
    assert names(ULabel.filter(a | b)) == ["Beta", "alpha"]
    assert names(ULabel.filter(a & b)) == []
    assert names(ULabel.filter(~a, is_type=False)) == ["Beta", "delta_100%", "gamma ray"]
    assert names(ULabel.filter(~(a | b) & ~Q(is_type=True))) == ["delta_100%", "gamma ray"]
    # rows whose value is null don't have it, so excluding it keeps them
    assert names(ULabel.exclude(description__icontains="one")) == [
        "Kind",
        "delta_100%",
        "gamma ray",
    ]
    assert names(ULabel.exclude(type__name="Kind").filter(is_type=False)) == ["Beta", "delta_100%", "gamma ray"]  # fmt: skip
    with pytest.raises(InvalidArgument):
        ULabel.filter("name = 'alpha'")


def test_deep_traversal(lake):
    transform = Transform(key="pipelines/a.py").save()
    run = Run(transform).save()
    Run(Transform(key="pipelines/b.py").save(), initiated_by_run=run).save()
    found = Run.filter(initiated_by_run__transform__key__endswith="a.py").one()
    assert found.transform.key == "pipelines/b.py"
    assert (
        Run.filter(transform__created_by__handle="ada", transform__key="pipelines/a.py").one()
        == run
    )


def test_links_both_ways(lake):
    names_ = ("cell", "lymphocyte", "T cell", "B cell")
    cell, lymphocyte, t_cell, b_cell = save([CellType(name=n) for n in names_])
    changes = Changes()
    for child, parent in ((lymphocyte, cell), (t_cell, lymphocyte), (b_cell, lymphocyte)):
        row = {"registry": "cell_type", "subject_uid": child.uid, "target_uid": parent.uid, "slot": "is_a"}  # fmt: skip
        changes.insert("ontology_link", [{"uid": child.uid + parent.uid, **row}])
    lake.commit(changes)
    assert names(CellType.filter(parents=lymphocyte)) == ["B cell", "T cell"]
    assert names(CellType.filter(parents__parents__name="cell")) == ["B cell", "T cell"]
    assert names(CellType.filter(children__name__startswith="T")) == ["lymphocyte"]
    assert names(CellType.filter(children__in=[t_cell, b_cell])) == ["lymphocyte"]
    assert names(CellType.filter(parents__isnull=True)) == ["cell"]
    assert names(CellType.filter(parents=None)) == ["cell"]
    assert names(CellType.exclude(parents=lymphocyte)) == ["cell", "lymphocyte"]
    assert names(CellType.filter(parents__in=CellType.filter(name="cell"))) == ["lymphocyte"]
    frame = CellType.filter(name="lymphocyte").to_dataframe(
        include=["children__name", "created_by__handle"]
    )
    assert frame["children__name"].iloc[0] == {"B cell", "T cell"}
    assert frame["created_by__handle"].iloc[0] == "ada"


@pytest.mark.parametrize(
    ("lookups", "hint"),
    [
        ({"nme": "x"}, "name"),
        ({"name__startwith": "x"}, "startswith"),
        ({"created_by__handel": "x"}, "handle"),
        ({"created_by__handle__begins": "x"}, "look-up"),
        ({'name") OR 1=1 --': "x"}, "no field"),
        ({"name__contains__x": "x"}, "look-up"),
        ({"name__year": 3}, "look-up"),
    ],
)
def test_unknown_names_list_the_near_ones(lake, lookups, hint):
    with pytest.raises(UnknownField) as caught:
        ULabel.filter(**lookups)
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "lookups",
    [
        {"name": 3},
        {"name__in": "abc"},
        {"is_type__contains": "x"},
        {"created_at__gt": "yesterday"},
        {"created_at__year": "x"},
        {"name__gt": None},
        {"created_at__range": 3},
        {"name": "a\ud800"},
        {"description__isnull": "yes"},
    ],
)
def test_wrong_values_are_refused_at_once(lake, lookups):
    with pytest.raises((FieldValidationError, InvalidArgument)):
        ULabel.filter(**lookups)


def test_bad_regular_expression_is_one_clear_error(labels):
    with pytest.raises(InvalidArgument):
        list(ULabel.filter(name__regex="(("))


def test_hostile_values_and_names_cant_inject(labels):
    for value in ("' OR 1=1 --", '"; DROP TABLE ulabel; --', "$1", "?", "{row}"):
        for lookup in ("name", "name__contains", "name__regex", "created_by__handle", "type__name"):
            try:
                assert ULabel.filter(**{lookup: value}).count() in (0, 5)
            except InvalidArgument:
                assert lookup == "name__regex"
        assert ULabel.search(value).count() == 0
    with pytest.raises(UnknownField):
        ULabel.all().order_by('name"; DROP TABLE ulabel')
    with pytest.raises(UnknownField):
        ULabel.all().values_list("name) FROM ulabel --")
    with pytest.raises(UnknownField):
        ULabel.all().to_dataframe(include="created_by__handle)--")
    assert ULabel.all().count() == 5


def test_order_slice_and_ends(labels):
    ordered = ULabel.filter().order_by("name")
    assert ordered.to_list("name") == ["Beta", "Kind", "alpha", "delta_100%", "gamma ray"]
    assert ordered.reverse().first().name == "gamma ray"
    assert ULabel.filter().order_by("-name")[1].name == "delta_100%"
    assert ordered[1:3].to_list("name") == ["Kind", "alpha"]
    assert ordered[1:][1:2].to_list("name") == ["alpha"]
    assert ordered[:3].count() == 3
    assert len(ordered[3:]) == 2
    assert ordered[-1].name == ordered.last().name == "gamma ray"
    assert ULabel.filter().first() == labels[0]
    assert ULabel.filter().last() == max(labels, key=lambda r: r.uid)
    assert ULabel.filter().order_by("type__name", "name").last().name == "alpha"
    assert ULabel.filter(name="zz").first() is None
    assert ULabel.filter(name="zz").last() is None
    with pytest.raises(IndexError):
        _ = ordered[7]
    with pytest.raises(InvalidArgument):
        _ = ordered[::2]
    with pytest.raises(InvalidArgument):
        ordered[:2].filter(name="x")
    with pytest.raises(UnknownField):
        ULabel.filter().order_by("nope")


def test_one_and_its_errors(labels):
    assert ULabel.filter(name="alpha").one().name == "alpha"
    assert ULabel.filter(name="zz").one_or_none() is None
    with pytest.raises(ObjectDoesNotExist, match="zz") as caught:
        ULabel.get(name="zz")
    assert "→ ln.ULabel.filter(…)" in str(caught.value)
    with pytest.raises(ObjectDoesNotExist) as caught:
        CellType.filter(under="zz").one()
    assert "→ bt.CellType.search('zz')" in str(caught.value)
    with pytest.raises(MultipleObjectsReturned):
        ULabel.filter(is_type=False).one()
    assert ULabel.filter(is_type=False).get(name="Beta").name == "Beta"
    assert ULabel.filter(is_type=False).get(labels[1].uid) == labels[1]


def test_what_is_near_is_named_where_nothing_is_found(labels):
    labels[3].delete()
    with pytest.raises(ObjectDoesNotExist) as caught:
        ULabel.get(name="gama ray")
    assert caught.value.expected is None  # what is in the trash isn't to be had
    with pytest.raises(ObjectDoesNotExist) as caught:
        ULabel.filter(name="BETTA").get()
    assert caught.value.expected == "'Beta'"
    assert caught.value.hint == "ln.ULabel.get(name='Beta')"
    with pytest.raises(ObjectDoesNotExist) as caught:
        CellType.get(ontology_id="CL:000084")
    assert caught.value.expected is None
    CellType(name="T cell", ontology_id="CL:0000084").save()
    with pytest.raises(ObjectDoesNotExist) as caught:
        CellType.get(ontology_id="CL:000084")
    assert caught.value.hint == "bt.CellType.get(ontology_id='CL:0000084')"


def test_a_name_that_exists_is_not_called_near(labels):
    with pytest.raises(ObjectDoesNotExist) as caught:
        ULabel.get(name="alpha", description="another")
    assert "'alpha'" not in str(caught.value.expected)
    assert "filter(…)" in caught.value.hint
    with pytest.raises(ObjectDoesNotExist) as caught:
        ULabel.filter(~Q(name="alpha"), is_type=True, uid="x").one()
    assert caught.value.expected is None


def test_sets_are_lazy_immutable_and_fresh(labels):
    everything = ULabel.filter()
    some = everything.filter(name="alpha")
    assert len(everything) == 5
    assert some.exists()
    assert bool(some)
    assert not ULabel.filter(name="zz")
    assert labels[1] in some
    ULabel(name="new").save()
    assert len(everything) == 6
    assert everything.count() == 6
    assert "alpha" in repr(some)
    assert "starts_with" in ULabel.filter(name__startswith="'x").explain()
    assert "'x" not in ULabel.filter(name__startswith="'x").explain().split("--")[0]


def test_columns(labels):
    query = ULabel.filter(is_type=False).order_by("name")
    assert query.values_list("name", "type__name")[1] == ("alpha", "Kind")
    assert query.values_list("is_type", flat=True) == [False] * 4
    assert query.distinct().to_list("is_type") == [False]
    assert query.to_arrow().column_names[:2] == ["uid", "name"]
    assert query.to_polars().collect()["name"].to_list() == query.to_list("name")
    frame = query.to_dataframe()
    assert frame.index.name == "id"
    assert list(frame.index) == list(frame["uid"])
    assert list(frame["name"]) == query.to_list("name")
    assert str(frame["created_at"].dtype).startswith("datetime64")
    assert len(ULabel.to_dataframe(limit=2)) == 2
    assert ULabel.filter(name="zz").to_dataframe().shape[0] == 0
    json = Run(Transform(key="k").save(), params={"a": [1]}).save()
    assert Run.to_dataframe()["params"].iloc[0] == {"a": [1]}
    assert Run.filter().values_list("params", flat=True) == [json.params]


def test_a_limit_is_said(labels, capfd):
    ULabel.filter().to_dataframe(limit=3)
    assert "showing 3 of more ULabel records" in capfd.readouterr().err
    ULabel.filter().to_dataframe(limit=5)
    assert capfd.readouterr().err == ""


def test_json_keys(lake):
    save([
        Record(name="a", extra_data={"lab": {"name": "x'y"}, "n": 3, "ok": True}),
        Record(name="b", extra_data={"lab": {"name": "z"}, "n": 4.5, "ok": False}),
        Record(name="c"),
    ])  # fmt: skip
    assert names(Record.filter(extra_data__lab__name="x'y")) == ["a"]
    assert names(Record.filter(extra_data__n__gt=3)) == ["b"]
    assert names(Record.filter(extra_data__ok=True)) == ["a"]
    assert names(Record.filter(extra_data__n__isnull=True)) == ["c"]
    assert names(Record.filter(extra_data__lab__name__in=["z", "w"])) == ["b"]
    assert names(Record.filter(extra_data__isnull=True)) == ["c"]
    assert names(Record.filter(**{'extra_data__a"b': 1})) == []


def test_narrowing_large_tables_changes_nothing(lake):
    human, mouse = save([Organism(name="human"), Organism(name="mouse")])
    genes = [
        Gene(symbol=f"G{i % 500}", ensembl_gene_id=f"E{i:05d}", organism=mouse if i % 7 else human)
        for i in range(6_000)
    ]
    save(genes)
    cases = [
        ({"symbol": "G7"}, lambda g: g.symbol == "G7"),
        ({"symbol__startswith": "G49", "organism": human},
         lambda g: g.symbol.startswith("G49") and g.organism_uid == human.uid),
        ({"symbol__contains": "99", "organism__name": "mouse"},
         lambda g: "99" in g.symbol and g.organism_uid == mouse.uid),
        ({"ensembl_gene_id__endswith": "123"}, lambda g: g.ensembl_gene_id.endswith("123")),
        ({"symbol__startswith": "G"}, lambda g: True),
    ]  # fmt: skip
    for lookups, test in cases:
        expected = sorted(g.uid for g in genes if test(g))
        assert Gene.filter(**lookups).to_list("uid") == expected
        assert Gene.filter(**lookups).count() == len(expected)
    assert Gene.filter(Q(symbol="G7") | Q(symbol="G8")).count() == 24
    assert Gene.filter(~Q(symbol="G7")).count() == 5_988
    inner = Gene.filter(symbol="G7")
    assert Gene.filter(symbol="G7", uid__in=inner).count() == 12
    assert Gene.filter(symbol="G8", uid__in=inner).count() == 0


def test_search_ranks(lake):
    save([
        CellType(name="T cell", synonyms="T-cell|T lymphocyte"),
        CellType(name="regulatory T cell"),
        CellType(name="T cell receptor thing"),
        CellType(name="fat T cells", description="has T cell in it"),
        CellType(name="adipocyte", description="a big cell"),
        CellType(name="cat[*_*]"),
    ])  # fmt: skip
    found = CellType.search("t cell")
    assert found.to_list("name") == [
        "T cell",
        "T cell receptor thing",
        "regulatory T cell",
        "fat T cells",
    ]
    assert found[0].name == "T cell"
    assert CellType.search("t-cell").first().name == "T cell"
    assert CellType.search("T lymph").first().name == "T cell"
    assert CellType.search("adipocite").first().name == "adipocyte"
    assert CellType.search("cat[").to_list("name") == ["cat[*_*]"]
    assert CellType.search("*_*").to_list("name") == ["cat[*_*]"]
    assert CellType.search("t cell", limit=2).count() == 2
    assert CellType.filter(name__startswith="r").search("t cell").to_list("name") == [
        "regulatory T cell"
    ]
    assert len(CellType.search("t cell").to_dataframe()) == 4
    with pytest.raises(InvalidArgument):
        CellType.search(None)


def test_delete_of_a_set_is_one_commit(labels, lake):
    before = len(lake.log())
    ULabel.filter(is_type=False).delete()
    assert len(lake.log()) == before + 1
    assert names(ULabel.filter()) == ["Kind"]
    ULabel.filter(branch__name="trash").delete()
    assert lake.state.count("ulabel") == 1

"""Hierarchies: parents and children, types."""

from __future__ import annotations

import itertools

import pytest

import lakehouse as ln
from lakehouse.errors import InvalidArgument, ProtectedRecord, TypeMismatch

WITH_PARENTS = [ln.ULabel, ln.Record, ln.Project]
WITH_TYPE = [
    (ln.ULabel, "query_ulabels", "ulabels"),
    (ln.Record, "query_records", "records"),
    (ln.Project, "query_projects", "projects"),
    (ln.Reference, "query_references", "references"),
    (ln.Feature, "query_features", "features"),
    (ln.Schema, "query_schemas", "schemas"),
]


def make(registry, name, **fields):
    """A new record that is no type."""
    if registry is ln.Feature:
        fields["dtype"] = str
    if registry is ln.Schema:
        fields["features"] = [ln.Feature(name=f"of {name}", dtype=str).save()]
    return registry(name=name, **fields)


@pytest.fixture(params=WITH_PARENTS, ids=lambda r: r.__name__)
def chain(request, lake):
    """Four records, each one below the one before."""
    made = [request.param(name=n) for n in "abcd"]
    ln.save(made)
    for up, down in itertools.pairwise(made):
        down.parents.add(up)
    return made


def test_parents_and_children_at_any_distance(chain):
    a, b, c, d = chain
    assert b.parents.one() == a
    assert b.children.one() == c
    assert d.query_parents().to_list("name") == ["a", "b", "c"]
    assert a.query_children().to_list("name") == ["b", "c", "d"]
    assert not a.query_parents().exists()
    assert a.query_children().filter(name="d").one() == d
    assert type(a).filter(parents__name="a").one() == b
    assert type(a).filter(children__parents=a).one() == a
    assert type(a).filter(parents__parents=a).one() == c
    c.delete()
    assert a.query_children().to_list("name") == ["b", "d"]


def test_a_diamond(lake):
    top, left, right, low = (ln.ULabel(name=n).save() for n in ("top", "left", "right", "low"))
    top.children.add(left, right)
    low.parents.set([left, right])
    assert low.query_parents().count() == 3
    assert top.query_children().count() == 3


def test_parents_form_no_cycle(chain):
    a, b, _, d = chain
    commits = len(ln.current_lake().log())
    for change in (
        lambda: a.parents.add(d),
        lambda: a.parents.add(a),
        lambda: d.children.add(a),
        lambda: d.children.set([b]),
        lambda: b.children.add(b),
    ):
        with pytest.raises(InvalidArgument, match="would create a cycle"):
            change()
    assert len(ln.current_lake().log()) == commits
    with pytest.raises(InvalidArgument, match="would create a cycle"), ln.transaction():
        new = type(a)(name="new").save()
        d.children.add(new)
        new.children.add(a)
    assert d.query_children().count() == 0
    with pytest.raises(TypeMismatch):
        a.parents.add("b")


def test_a_transaction_walks_its_own_links(lake):
    with ln.transaction():
        a, b, c = (ln.ULabel(name=n).save() for n in "abc")
        b.parents.add(a)
        c.parents.add(b)
        assert c.parents.one() == b
        assert a.children.one() == b
    assert sorted(c.query_parents().to_list("name")) == ["a", "b"]


def test_a_parent_can_be_deleted(chain):
    a, b, _, _ = chain
    a.delete(permanent=True)
    assert b.parents.count() == 0


def test_predecessors_and_successors(lake):
    first, second = ln.Transform(key="1").save(), ln.Transform(key="2").save()
    second.predecessors.add(first)
    assert first.successors.one() == second
    assert ln.Transform.filter(predecessors__key="1").one() == second


# -- types ---------------------------------------------------------------------------------------


@pytest.fixture(params=WITH_TYPE, ids=lambda r: r[0].__name__)
def typed(request, lake):
    """A registry, its query, its accessor, and three types, each one in the one before."""
    registry, query, accessor = request.param
    a = registry(name="A", is_type=True).save()
    b = registry(name="B", is_type=True, type=a).save()
    c = registry(name="C", is_type=True, type=b).save()
    return registry, query, accessor, (a, b, c)


def test_types_and_what_is_of_them(typed):
    registry, query, accessor, (a, b, c) = typed
    one = make(registry, "one", type=c).save()
    two = make(registry, "two", type=a).save()
    assert one.query_types().to_list("name") == ["C", "B", "A"]
    assert a.query_types().to_list() == []
    assert sorted(getattr(a, query)().to_list("name")) == ["B", "C", "one", "two"]
    assert getattr(a, query)().filter(is_type=False).order_by("name").to_list("name") == [
        "one",
        "two",
    ]
    assert not getattr(one, query)().exists()
    assert sorted(getattr(a, accessor).to_list("name")) == ["B", "two"]
    assert registry.filter(type__type=b).one() == one
    with pytest.raises(ProtectedRecord, match=rf"2 {registry.__name__} by 'type'"):
        a.delete(permanent=True)
    two.type = c
    two.save()
    assert c in two.query_types()


def test_a_type_goes_to_the_trash_with_all_that_is_of_it(typed):
    registry, query, _, (a, b, c) = typed
    one = make(registry, "one", type=c).save()
    before = len(ln.current_lake().log())
    a.delete()
    assert len(ln.current_lake().log()) == before + 1
    assert not registry.filter(name__in=["A", "B", "C", "one"]).exists()
    assert {registry.get(r.uid).branch.name for r in (a, b, c, one)} == {"trash"}
    with pytest.raises(ProtectedRecord):
        registry.get(a.uid).delete(permanent=True)
    registry.get(a.uid).restore()
    assert not getattr(registry.get(a.uid), query)().exists()


def test_a_type_is_a_type(typed):
    registry, _, _, (_, _, c) = typed
    plain = make(registry, "plain").save()
    for call in (
        lambda: make(registry, "x", type=plain),
        lambda: setattr(c, "type", plain) or c.save(),
    ):
        with pytest.raises(InvalidArgument, match="is_type=True"):
            call()
    assert not registry.filter(name="x").exists()
    with pytest.raises(InvalidArgument):
        make(registry, "x", type=ln.Branch.get("main"))


def test_a_type_given_by_its_uid_is_checked_too(lake):
    plain = ln.ULabel(name="plain").save()
    with pytest.raises(InvalidArgument, match="is_type=True"):
        ln.ULabel(name="x", type_uid=plain.uid).save()


def test_types_form_no_cycle(typed):
    registry, _, _, (a, b, c) = typed
    for own, kind in ((a, c), (a, b), (a, a), (b, c)):
        own = registry.get(own.uid)
        with pytest.raises(InvalidArgument, match="would create a cycle"):
            own.type = kind
            own.save()
    assert registry.get(a.uid).type is None
    a = registry.get(a.uid)
    a.type_uid = c.uid
    with pytest.raises(InvalidArgument, match="would create a cycle"):
        a.save()
    assert registry.get(a.uid).type is None


def test_types_of_one_transaction(lake):
    with ln.transaction():
        a = ln.Record(name="A", is_type=True).save()
        b = ln.Record(name="B", is_type=True, type=a).save()
        one = ln.Record(name="one", type=b).save()
        assert one.query_types().to_list("name") == ["B", "A"]
        with pytest.raises(InvalidArgument, match="would create a cycle"):
            a.type = b
    assert sorted(a.query_records().to_list("name")) == ["B", "one"]

"""Relations: both sides, over links and foreign keys, inside and outside transactions."""

from __future__ import annotations

import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import (
    InvalidArgument,
    MixedLakes,
    ObjectDoesNotExist,
    ProtectedRecord,
    ReadOnlyLake,
    TypeMismatch,
    ValidationError,
)
from lakehouse.orm import Lake
from lakehouse.registries.relations import KEYS, links, relations_of
from lakehouse.registries.table import DIRECTORY
from lakehouse.relations.tables import LINKS
from tests.registries.conftest import table_artifact


@pytest.fixture
def data(lake):
    labels = [ln.ULabel(name=n) for n in "abc"]
    labels.sort(key=lambda label: label.uid)
    for label, name in zip(labels, "abc", strict=True):
        label.name = name
    ln.save(labels)
    return table_artifact(), labels


# -- the table ---------------------------------------------------------------------------------


def test_every_line_names_registries_and_a_link_table():
    tables = {spec.name for spec in LINKS} | {"ontology_link"}
    for link in links():
        assert link.link_table in tables
        assert relations_of(link.subject)[link.name].inverse == link.inverse
        assert relations_of(link.target)[link.inverse].inverse == link.name
    for key in KEYS:
        if key.registry in DIRECTORY.registries:
            meta = DIRECTORY.get(key.registry).meta
            assert meta.foreign_keys[key.field] == key.target


def test_accessors_of_one_registry_differ_and_shadow_no_column():
    for name in DIRECTORY.registries:
        own = [link.name for link in links() if link.subject == name]
        own += [k.name for k in KEYS if k.target == name and k.registry in DIRECTORY.registries]
        assert len(own) == len(set(own)), name
        meta = DIRECTORY.get(name).meta
        assert not set(meta.relations) & set(meta.fields), name


def test_every_relation_has_a_manager_that_answers(data):
    found, labels = data
    transform = ln.Transform(key="t").save()
    run = ln.Run(transform).save()
    records = [
        found, labels[0], transform, run, ln.Record(name="r").save(),
        ln.Project(name="p").save(), ln.Reference(name="f").save(),
        ln.Feature(name="f", dtype=str).save(), ln.User.get(handle="ada"),
        bt.CellType(name="T").save(), ln.Branch.get("main"), found.storage,
    ]  # fmt: skip
    for record in records:
        for name in record.meta.relations:
            manager = getattr(record, name)
            if hasattr(manager, "uids"):
                assert manager.count() == len(manager.all()) == len(manager.to_list("uid")), name


# -- reading and changing ------------------------------------------------------------------------


def test_add_remove_set_clear(data):
    found, (a, b, c) = data
    assert found.ulabels.add(a, b) is None
    assert found.ulabels.to_list("name") == ["a", "b"]
    found.ulabels.add(a)
    assert found.ulabels.count() == len(found.ulabels) == 2
    assert found.ulabels.exists()
    found.ulabels.remove(b, c)
    assert list(found.ulabels) == found.ulabels.to_list() == [a]
    found.ulabels.set([b, c])
    assert found.ulabels.to_list("name") == ["b", "c"]
    assert found.ulabels.filter(name="b").one() == b
    assert found.ulabels.exclude(name="b").one() == c
    assert found.ulabels.get(name="c") == c
    assert found.ulabels.order_by("-name").to_list("name") == ["c", "b"]
    assert found.ulabels.values_list("name", flat=True) == ["b", "c"]
    assert (found.ulabels.first(), found.ulabels.last()) == (b, c)
    assert b in found.ulabels
    assert a not in found.ulabels
    assert found.ulabels.all()[1:].to_list("name") == ["c"]
    assert sorted(found.ulabels.to_dataframe()["name"]) == ["b", "c"]
    found.ulabels.clear()
    assert not found.ulabels.exists()
    assert found.ulabels.first() is None
    assert found.ulabels.one_or_none() is None
    with pytest.raises(ObjectDoesNotExist):
        found.ulabels.one()


def test_every_change_is_one_commit(data):
    found, (a, b, c) = data
    lake = ln.current_lake()
    for change in (
        lambda: found.ulabels.add(a, b),
        lambda: found.ulabels.set([b, c]),
        lambda: found.ulabels.clear(),
    ):
        before = len(lake.log())
        change()
        assert len(lake.log()) == before + 1
    before = len(lake.log())
    found.ulabels.add()
    found.ulabels.remove(a)
    found.ulabels.clear()
    assert len(lake.log()) == before


def test_the_other_side(data):
    found, (a, _, _) = data
    project = ln.Project(name="p").save()
    project.artifacts.add(found)
    assert found.projects.one() == project
    found.projects.remove(project)
    assert project.artifacts.count() == 0
    a.artifacts.set([found])
    assert found.ulabels.one() == a
    assert ln.ULabel.filter(artifacts__key=found.key).one() == a
    assert ln.Artifact.filter(ulabels=a).one() == found
    assert ln.Artifact.filter(ulabels__name__in=["b"]).count() == 0


def test_all_is_lazy(data):
    found, (a, b, _) = data
    query = found.ulabels.all()
    narrowed = found.ulabels.filter(name="b")
    found.ulabels.add(a, b)
    assert query.count() == 2
    assert narrowed.one() == b


def test_create_and_get_or_create(data):
    found, _ = data
    made = found.ulabels.create(name="made")
    assert found.ulabels.one() == made
    assert found.ulabels.get_or_create(name="made") == (made, False)
    other, new = found.ulabels.get_or_create(name="other")
    assert new
    assert found.ulabels.to_list("name") == ["made", other.name]


def test_what_is_linked_is_shown_even_in_the_trash(data):
    found, (a, _, _) = data
    found.ulabels.add(a)
    a.delete()
    assert found.ulabels.to_list("name") == ["a"]
    assert ln.Artifact.filter(ulabels__name="a").one() == found


def test_ordered_relations_keep_their_order(lake):
    z, a, b = [ln.Feature(name=n, dtype=str).save() for n in "zab"]
    schema = ln.Schema([z, a]).save()
    schema.features.add(b)
    assert schema.features.to_list("name") == ["z", "a", "b"]
    assert schema.features.all()[1:].to_list("name") == ["a", "b"]
    schema.features.set([b, z])
    assert schema.features.to_list("name") == ["b", "z"]
    assert b.schemas.one() == schema


def test_foreign_keys_from_the_other_side(lake):
    first, second = ln.Transform(key="1").save(), ln.Transform(key="2").save()
    run = ln.Run(first).save()
    assert first.runs.one() == run
    second.runs.add(run)
    assert ln.Run.get(run.uid).transform == second
    assert first.runs.count() == 0
    with pytest.raises(InvalidArgument, match="can't be without"):
        second.runs.remove(run)
    made = table_artifact(run=run)
    assert run.output_artifacts.one() == made
    assert made.storage.artifacts.one() == made
    assert made.created_by.created_artifacts.one() == made
    assert ln.Transform.filter(runs__output_artifacts__key=made.key).one() == second
    assert ln.Run.filter(transform__key="2").one() == run
    run.output_artifacts.clear()
    assert ln.Artifact.get(made.uid).run is None


def test_inputs_and_outputs(lake):
    run = ln.Run(ln.Transform(key="t").save()).save()
    one = table_artifact()
    run.input_artifacts.add(one)
    assert one.input_of_runs.one() == run
    assert run.linked_artifacts.count() == run.output_artifacts.count() == 0
    assert ln.Run.filter(input_artifacts__key=one.key).one() == run
    assert ln.sql("SELECT run_uid, key FROM run_input_artifacts").fetchall() == [(run.uid, one.key)]


def test_typed_labels_on_both_sides(data):
    found, _ = data
    cell = bt.CellType(name="T cell").save()
    record = ln.Record(name="r").save()
    found.cell_types.add(cell)
    record.cell_types.add(cell)
    assert cell.artifacts.one() == found
    assert cell.records.one() == record
    assert ln.Artifact.filter(cell_types__name="T cell").one() == found
    assert ln.Record.filter(cell_types=cell).one() == record
    assert bt.CellType.filter(records__name="r").one() == cell


def test_labels_and_values_of_records_are_apart(lake):
    record, project = ln.Record(name="r").save(), ln.Project(name="p").save()
    record.projects.add(project)
    assert project.records.one() == record
    assert record.linked_projects.count() == project.linked_in_records.count() == 0
    record.linked_projects.add(project)
    record.projects.clear()
    assert record.linked_projects.one() == project


# -- with features -------------------------------------------------------------------------------


def test_links_of_a_feature(data):
    found, (a, b, _) = data
    feature = ln.Feature(name="f", dtype=ln.ULabel).save()
    found.ulabels.add(a, feature=feature)
    found.ulabels.add(a)
    assert found.ulabels.count() == 1
    assert ln.Artifact.filter(f="a").one() == found
    found.ulabels.add(b, feature=feature)
    found.ulabels.remove(a)
    assert found.ulabels.to_list("name") == ["b"]
    text = ln.Feature(name="t", dtype=str).save()
    with pytest.raises(ValidationError, match="isn't categorical"):
        found.ulabels.add(a, feature=text)
    cells = ln.Feature(name="c", dtype=bt.CellType).save()
    with pytest.raises(ValidationError, match="can't be a value"):
        found.ulabels.add(a, feature=cells)
    with pytest.raises(TypeMismatch):
        found.ulabels.add(a, feature="f")


# -- in a transaction ------------------------------------------------------------------------------


def test_a_transaction_sees_its_own_links(data):
    found, (a, b, c) = data
    found.ulabels.add(a)
    with ln.transaction():
        new = ln.ULabel(name="new").save()
        found.ulabels.add(b, new)
        assert sorted(found.ulabels.to_list("name")) == ["a", "b", "new"]
        assert found.ulabels.filter(name="b").one() == b
        assert new.artifacts.one() == found
        found.ulabels.remove(a, b)
        assert found.ulabels.to_list("name") == ["new"]
        found.ulabels.add(b)
        found.ulabels.remove(b)
        found.ulabels.set([c, new])
        assert found.ulabels.count() == 2
        assert found.ulabels.exists()
    assert sorted(found.ulabels.to_list("name")) == ["c", "new"]
    with ln.transaction():
        found.ulabels.add(a)
        found.ulabels.clear()
        assert found.ulabels.count() == 0
        found.ulabels.add(c)
    assert found.ulabels.one() == c


def test_a_transaction_that_fails_links_nothing(data):
    found, (a, _, _) = data
    with pytest.raises(ZeroDivisionError), ln.transaction():
        found.ulabels.add(a)
        found.ulabels.add(1 / 0)
    assert found.ulabels.count() == 0


def test_new_records_of_a_transaction_are_linked(lake):
    with ln.transaction():
        run = ln.Run(ln.Transform(key="t").save()).save()
        label = ln.ULabel(name="l").save()
        run.ulabels.add(label)
        assert run.transform.runs.one() == run
        assert label.runs.count() == 1
    assert label.runs.one() == run


# -- bad input ---------------------------------------------------------------------------------


def test_bad_input_is_refused_and_nothing_is_saved(data, tmp_path):
    found, (a, _, _) = data
    project = ln.Project(name="p").save()
    unsaved = ln.ULabel(name="unsaved")
    commits = len(ln.current_lake().log())
    for wrong, error in [
        ((a, unsaved), InvalidArgument),
        ((a, project), TypeMismatch),
        ((a, "a"), TypeMismatch),
        ((a, a.uid), TypeMismatch),
        ((a, None), TypeMismatch),
        ((a, [a]), TypeMismatch),
    ]:
        for change in (found.ulabels.add, lambda *w: found.ulabels.set(w)):
            with pytest.raises(error) as caught:
                change(*wrong)
            assert len(str(caught.value)) < 1000
    with pytest.raises(TypeError):
        found.ulabels.add(project)
    assert found.ulabels.count() == 0
    assert len(ln.current_lake().log()) == commits
    with pytest.raises(InvalidArgument, match="isn't saved"):
        ln.Transform(key="new").ulabels.add(a)
    with pytest.raises(InvalidArgument, match="isn't saved"):
        ln.Transform(key="new").ulabels.all()
    with pytest.raises(TypeMismatch, match="isn't assigned to"):
        found.ulabels = [a]
    other = Lake.create(str(tmp_path / "other"), modules=["bionty"])
    with pytest.raises(MixedLakes):
        found.ulabels.add(other.ULabel(name="elsewhere").save())
    other.close()


@pytest.mark.parametrize(
    "name", ["it's", '"quoted"', "[brackets]", "line\nbreak", "x" * 10_000, "ü%_"]
)
def test_names_of_all_kinds(data, name):
    found, _ = data
    label = ln.ULabel(name=name).save()
    found.ulabels.add(label)
    assert found.ulabels.filter(name=name).one() == label
    assert ln.Artifact.filter(ulabels__name=name).one() == found
    with pytest.raises(ProtectedRecord) as caught:
        label.delete(permanent=True)
    assert len(str(caught.value)) < 2000


def test_many_links_are_one_commit(data):
    found, _ = data
    labels = [ln.ULabel(name=f"l{i}") for i in range(2_000)]
    ln.save(labels)
    before = len(ln.current_lake().log())
    found.ulabels.add(*labels)
    assert len(ln.current_lake().log()) == before + 1
    assert found.ulabels.count() == len(found.ulabels.to_list("name")) == 2_000
    found.ulabels.remove(*labels[:1_500])
    assert len(found.ulabels.to_list()) == 500


def test_what_is_gone_is_linked_to_nothing(data):
    found, (a, b, _) = data
    again = ln.ULabel.get(a.uid)
    a.delete(permanent=True)
    for change in (found.ulabels.add, found.labels.add):
        with pytest.raises(ObjectDoesNotExist, match="was deleted"):
            change(again)
    with ln.transaction():
        b.delete(permanent=True)
        with pytest.raises(ObjectDoesNotExist, match="was deleted"):
            found.ulabels.add(b)
    other = ln.Artifact.get(found.uid)
    found.delete(permanent=True)
    with pytest.raises(ObjectDoesNotExist, match="was deleted"):
        other.ulabels.add(ln.ULabel.get(name="c"))


def test_past_states_show_past_links(data):
    found, (a, b, _) = data
    found.ulabels.add(a)
    lake = ln.current_lake()
    past = lake.at(lake.log(1)[0].seq)
    found.ulabels.set([b])
    then = past.Artifact.get(found.uid)
    assert then.ulabels.to_list("name") == ["a"]
    assert then.ulabels.filter(name="b").count() == 0
    assert found.ulabels.one() == b
    with pytest.raises(ReadOnlyLake):
        then.ulabels.add(past.ULabel.get(name="c"))


@pytest.mark.slow
def test_two_processes_link_at_once(data, run_python):
    found, _ = data
    code = f"""
        import lakehouse as ln
        artifact = ln.Artifact.get({found.uid!r})
        for label in ln.ULabel.filter():
            artifact.ulabels.add(label)
    """
    run_python(code, code, code)
    assert found.ulabels.count() == 3

from __future__ import annotations

import base64
import copy
import pickle
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from lakehouse.bionty import CellType, Gene, Organism
from lakehouse.errors import (
    FieldValidationError,
    InvalidArgument,
    KeyConflict,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    ProtectedRecord,
    RowConflict,
    UnknownField,
)
from lakehouse.orm import FieldRef, Lake, save, transaction
from lakehouse.orm.model.unset import UNSET
from lakehouse.registries import Branch, Feature, Record, Run, Storage, Transform, ULabel, User

pytestmark = pytest.mark.usefixtures("lake")


def test_save_stamps_the_record():
    label = ULabel(name="raw")
    assert label.created_at is None
    label.save()
    assert label.created_by.handle == "ada"
    assert label.branch.name == "main"
    assert label.created_at == label.updated_at
    assert label.created_at.tzinfo is not None
    assert label.id == label.uid == ULabel.get(label.uid).uid
    assert repr(label) == f"ULabel(uid={label.uid!r}, name='raw')"


def test_class_attributes_are_field_references():
    assert ULabel.name == FieldRef(ULabel, "name")
    assert ULabel.name != ULabel.description
    assert str(Gene.ensembl_gene_id) == "bionty.Gene.ensembl_gene_id"
    assert Record.type.registry is Record


def test_existing_name_gives_the_existing_record(capfd):
    first = ULabel(name="raw").save()
    again = ULabel(name="raw", description="new text")
    assert again == first
    assert hash(again) == hash(first)
    assert "returning the existing ULabel: name='raw'" in capfd.readouterr().err
    again.save()
    assert ULabel.get(first.uid).description == "new text"
    assert ULabel.filter().count() == 1


def test_same_name_under_another_type_is_another_record():
    kind = ULabel(name="kind", is_type=True).save()
    a = ULabel(name="x").save()
    b = ULabel(name="x", type=kind).save()
    assert a != b
    assert b.type == kind
    assert ULabel(name="x", type=kind) == b
    with pytest.raises(MultipleObjectsReturned):
        ULabel.get(name="x")
    assert ULabel.get(name="x", type=kind) == b


def test_similar_names_are_suggested_unless_switched_off(capfd):
    from lakehouse.config import settings

    ULabel(name="My label 1").save()
    ULabel(name="My label 1a")
    assert "similar names to 'My label 1a': 'My label 1'" in capfd.readouterr().err
    settings.creation.search_names = False
    ULabel(name="My label 1b")
    assert capfd.readouterr().err == ""


def test_verbosity_and_bursts_limit_messages(capfd):
    from lakehouse.config import settings

    ULabel(name="raw").save()
    for _ in range(100):
        ULabel(name="raw")
    assert 2 <= len(capfd.readouterr().err.splitlines()) <= 12
    settings.verbosity = "error"
    ULabel(name="raw")
    assert capfd.readouterr().err == ""


def test_trash_restore_and_permanent_delete():
    label = ULabel(name="raw").save()
    label.delete()
    assert label.branch.name == "trash"
    assert ULabel.filter(name="raw").count() == 0
    assert ULabel.filter(name="raw", branch__name="trash").one() == label
    assert ULabel.filter(uid=label.uid).one() == label
    assert ULabel.get(label.uid) == label
    label.restore()
    assert ULabel.filter(name="raw").one() == label
    label.delete()
    label.delete()
    with pytest.raises(ObjectDoesNotExist):
        ULabel.get(label.uid)
    fresh = ULabel(name="raw").save()  # the name is free again
    assert fresh != label
    fresh.delete(permanent=True)
    assert ULabel.filter(branch__isnull=False).count() == 0


def test_the_name_of_a_trashed_record_is_free():
    label = ULabel(name="raw").save()
    label.delete()
    again = ULabel(name="raw").save()
    assert again != label
    assert ULabel.filter().one() == again


def test_what_is_unique_in_the_whole_lake_is_returned_and_restored_on_save(capfd):
    storage = Storage(root="/data").save()
    storage.branch = Branch.get("trash")
    storage.save()
    again = Storage(root="/data")
    assert again == storage
    assert "from the trash" in capfd.readouterr().err
    assert Storage.filter(root="/data").count() == 0
    again.save()
    assert Storage.filter(root="/data").one() == storage


def test_unsaved_and_trashless_deletes_are_refused():
    with pytest.raises(InvalidArgument, match="isn't saved"):
        ULabel(name="raw").delete()
    user = User(handle="bob").save()
    with pytest.raises(InvalidArgument, match="has no trash"):
        user.delete(permanent=False)
    user.delete()
    assert User.filter(handle="bob").count() == 0


def test_referenced_records_are_protected():
    kind = ULabel(name="kind", is_type=True).save()
    ULabel(name="x", type=kind).save()
    with pytest.raises(ProtectedRecord, match="other records refer to it"):
        kind.delete(permanent=True)
    assert ULabel.get(kind.uid) == kind


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"name": 3}, "3 (int)"),
        ({"name": "a", "is_type": "yes"}, "'yes' (str)"),
        ({"name": "a", "created_at": "not a date"}, "'not a date' (str)"),
        ({"name": "a\ud800"}, "'a\\ud800'"),
        ({"name": "a", "uid": "no-uid!"}, "'no-uid!'"),
    ],
)
def test_wrong_values_name_field_found_and_expected(fields, found):
    with pytest.raises(FieldValidationError) as caught:
        ULabel(**fields)
    assert caught.value.found == found
    assert caught.value.expected
    name = list(fields)[-1]
    assert name in str(caught.value)


def test_wrong_values_are_refused_by_attributes_too():
    label = ULabel(name="raw").save()
    with pytest.raises(FieldValidationError):
        label.name = 3
    with pytest.raises(UnknownField, match="did you mean 'description'"):
        label.descripton = "x"
    with pytest.raises(UnknownField):
        _ = label.descripton
    with pytest.raises(InvalidArgument):
        label.uid = "0" * 16
    assert ULabel.get(label.uid).name == "raw"


def test_missing_and_unknown_fields():
    with pytest.raises(FieldValidationError, match="needs the field 'name'"):
        ULabel(description="x")
    with pytest.raises(FieldValidationError):
        ULabel(name="")
    with pytest.raises(UnknownField) as caught:
        ULabel(name="a", descriptio="x")
    assert "did you mean 'description'" in str(caught.value)


def test_foreign_keys_take_records_of_the_right_registry():
    label = ULabel(name="a")
    with pytest.raises(InvalidArgument, match="takes a record of ULabel"):
        label.type = Record(name="r").save()
    with pytest.raises(InvalidArgument):
        ULabel(name="b", type="kind")
    label.type = ULabel(name="kind", is_type=True)
    with pytest.raises(InvalidArgument, match="refers to a record that isn't saved"):
        label.save()
    assert ULabel.filter().count() == 0
    label.type = None
    assert label.save().type is None


def test_editing_saves_only_what_changed():
    label = ULabel(name="raw").save()
    other = ULabel.get(label.uid)
    label.description = "mine"
    label.save()
    other.reference = "theirs"
    other.save()  # another field: both edits stay
    now = ULabel.get(label.uid)
    assert (now.description, now.reference) == ("mine", "theirs")
    assert now.updated_at > now.created_at
    other.description = "late"  # seen as None, changed meanwhile
    with pytest.raises(RowConflict):
        other.save()
    assert ULabel.get(label.uid).description == "mine"


def test_renaming_to_a_taken_name_is_a_conflict():
    ULabel(name="a").save()
    b = ULabel(name="b").save()
    b.name = "a"
    with pytest.raises(KeyConflict):
        b.save()
    assert sorted(ULabel.to_list("name")) == ["a", "b"]


def test_saving_again_without_changes_makes_no_commit(lake):
    label = ULabel(name="raw").save()
    before = lake.log()[0].id
    label.save()
    ULabel(name="raw").save()
    assert lake.log()[0].id == before


def test_chosen_uid_is_kept_and_found_again():
    label = ULabel(uid="0" * 15 + "A", name="raw").save()
    assert label.uid == "0" * 15 + "A"
    again = ULabel(uid=label.uid, name="renamed")
    assert again == label
    again.save()
    assert ULabel.filter().one().name == "renamed"


def test_get_by_stub():
    a = ULabel(uid="AAAAAAAAAAAAAAAA", name="a").save()
    b = ULabel(uid="AAAAAAAAAAAAAAAB", name="b").save()
    ULabel(uid="BAAAAAAAAAAAAAAA", name="c").save()
    assert ULabel.get("B").name == "c"
    with pytest.raises(MultipleObjectsReturned) as caught:
        ULabel.get("AAAA")
    assert repr(a) in caught.value.found
    assert repr(b) in caught.value.found
    with pytest.raises(ObjectDoesNotExist, match="begins with 'zz'"):
        ULabel.get("zz")
    with pytest.raises(InvalidArgument):
        ULabel.get("")


def test_well_known_branches_and_storage(lake):
    assert {b.uid for b in Branch.filter()} == {"main", "archive", "trash"}
    assert Branch.get("trash").name == "trash"
    assert lake.storage.root == lake.root
    assert lake.storage.type == "local"
    assert Storage(root="s3://bucket/prefix/").type == "s3"
    assert User.get(handle="ada") == lake.user


def test_features_normalise_their_dtypes():
    samples = Record(name="Samples", is_type=True).save()
    batches = Record(name="Batches", is_type=True, type=samples).save()
    texts = {
        "f": (float, "float"),
        "l": (list[str], "list[str]"),
        "c": (ULabel, "cat[ULabel]"),
        "o": (CellType.ontology_id, "cat[bionty.CellType.ontology_id]"),
        "ls": (list[ULabel], "list[cat[ULabel]]"),
        "u": ([ULabel], "cat[ULabel]"),
        "r": (batches, "cat[Record[Samples[Batches]]]"),
        "t": ("cat[ULabel|bionty.CellType]", "cat[ULabel|bionty.CellType]"),
    }
    for name, (dtype, text) in texts.items():
        assert Feature(name=name, dtype=dtype).save().dtype == text
    assert Feature(name="f", dtype="float") == Feature.get(name="f")
    with pytest.raises(InvalidArgument, match="exists with another dtype"):
        Feature(name="f", dtype=int)
    with pytest.raises(InvalidArgument, match="needs a dtype"):
        Feature(name="g")
    with pytest.raises(InvalidArgument, match="is no type"):
        Feature(name="g", dtype=Record(name="plain").save())


def test_runs_and_transforms():
    transform = Transform(key="align.py", version="1.0").save()
    assert (transform.version, transform.kind) == ("1.0", "pipeline")
    run = Run(transform, params={"epochs": 3, "rate": 0.1}).save()
    assert run.transform == transform
    assert Run.get(run.uid).params == {"epochs": 3, "rate": 0.1}
    assert Run.filter(params__epochs=3).one() == run
    assert Run.filter(params__rate__gt=0.2).count() == 0
    assert transform.latest_run == run
    assert isinstance(run.started_at, datetime)
    with pytest.raises(FieldValidationError):
        Run(transform, status="unheard of")
    with pytest.raises(FieldValidationError, match="needs the field"):
        Run()


def test_versions():
    first = Transform(key="align.py", source_code="a").save()
    assert Transform(key="align.py", source_code="a") == first
    second = Transform(key="align.py", source_code="b").save()
    assert second.uid == first.uid[:16] + "0001"
    third = Transform(revises=first, source_code="c").save()
    assert third.uid[16:] == "0002"
    assert third.key == "align.py"
    assert [t.is_latest for t in (first, second, third)] == [False, False, True]
    assert list(first.versions) == [first, second, third]
    assert Transform.get(first.uid[:16]) == third
    assert Transform.get(first.uid[:8]) == third
    assert Transform.get(first.uid) == first
    assert Transform.filter(is_latest=True).one() == third
    third.delete()
    assert second.is_latest
    assert Transform.filter(is_latest=True).one() == second
    assert list(first.versions) == [first, second]
    fourth = Transform(revises=second, source_code="d").save()
    assert fourth.uid[16:] == "0003"  # the trashed one's number isn't given again


def test_ontology_terms_are_known_by_name_and_by_id():
    t_cell = CellType(name="T cell", ontology_id="CL:0000084").save()
    assert CellType(name="T cell") == t_cell
    assert CellType(name="t lymphocyte", ontology_id="CL:0000084") == t_cell
    human = Organism(name="human").save()
    gene = Gene(symbol="CD8A", ensembl_gene_id="ENSG00000153563", organism=human).save()
    assert Gene.get(ensembl_gene_id="ENSG00000153563").organism == human
    assert Gene(symbol="CD8A", ensembl_gene_id="ENSG00000153563") == gene
    assert Gene(symbol="CD8A", organism=human) != gene  # symbols aren't unique


def test_hostile_names_are_kept_as_they_are(tmp_path):
    names = [
        'a"; DROP TABLE ulabel; --', "o'brien", "a\nb\tc", "[x]{y}%_*?", "\x1f", "日本語 🧬",
        "x" * 10_000, "{row}", "$1 ?", "' OR 1=1 --", " padded ",
    ]  # fmt: skip
    for name in names:
        ULabel(name=name).save()
    for name in names:
        assert ULabel.get(name=name).name == name
        assert ULabel.filter(name__contains=name).count() >= 1
        assert ULabel(name=name)._saved
    assert sorted(ULabel.to_list("name")) == sorted(names)
    other = Lake.create(str(tmp_path / 'we"ird; name'))
    assert other.ULabel(name=names[0]).save().name == names[0]


def test_moments_without_zone_are_utc():
    label = ULabel(name="a", created_at=datetime(2020, 1, 2)).save()
    assert ULabel.get(label.uid).created_at == datetime(2020, 1, 2, tzinfo=UTC)


def test_fields_are_given_by_name():
    with pytest.raises(FieldValidationError, match="by name") as caught:
        ULabel("raw")
    assert "ULabel(name='raw')" in str(caught.value)


def test_deleting_for_good_says_what_was_deleted():
    label = ULabel(name="raw").save()
    assert label.delete() is None
    assert label.delete(permanent=True) == (1, {"lakehouse.ULabel": 1})
    assert CellType(name="a").save().delete(permanent=True) == (1, {"bionty.CellType": 1})
    kind = ULabel(name="kind", is_type=True).save()
    assert kind.delete() is None
    assert kind.delete(permanent=True) == (1, {"lakehouse.ULabel": 1})


def test_registries_carry_the_errors_of_get():
    with pytest.raises(ULabel.DoesNotExist):
        ULabel.get(name="none")
    for name in "ab":
        ULabel(name=name).save()
    with pytest.raises(ULabel.MultipleObjectsReturned):
        ULabel.filter().one()


@pytest.mark.slow
def test_records_can_be_pickled_and_copied(lake, tmp_path):
    label = ULabel(name="raw").save()
    new = ULabel(name="new", type=ULabel(name="kind", is_type=True).save())
    for again in (pickle.loads(pickle.dumps(label)), copy.deepcopy(label)):
        assert again == label
        assert again._lake is lake
    again.description = "changed"
    again.save()
    assert label.description is None
    assert ULabel.get(label.uid).description == "changed"
    assert pickle.loads(pickle.dumps(new)).save().type.name == "kind"
    assert ULabel.filter(name="new").count() == 1
    text = base64.b64encode(pickle.dumps(label)).decode()
    code = (
        "import base64, pickle, lakehouse\n"
        f"print(pickle.loads(base64.b64decode('{text}')).query_types() == [])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


def test_save_can_leave_out_what_is_taken():
    first, second = ULabel(name="a").save(), ULabel(name="b").save()
    second.name = "a"
    with pytest.raises(KeyConflict):
        save([second, ULabel(name="c")])
    made = save([second, ULabel(name="c")], ignore_conflicts=True, batch_size=1)
    assert [r.name for r in made] == ["c"]
    assert ULabel.filter(name="a").one() == first


@pytest.mark.parametrize("value", [None, ""])
def test_required_fields_cannot_be_emptied(value):
    label = ULabel(name="raw").save()
    with pytest.raises(FieldValidationError, match="needs the field 'name'"):
        label.name = value
    assert label.save().name == "raw"
    run = Run(Transform(key="a.py").save()).save()
    with pytest.raises(FieldValidationError, match="'transform_uid'"):
        run.transform = None
    assert run.save().transform.key == "a.py"


def test_an_omitted_type_means_any():
    kind = ULabel(name="Kind", is_type=True).save()
    typed = ULabel(name="a", type=kind).save()
    assert ULabel(name="a") == typed
    assert ULabel(name="a", type=UNSET).type == kind
    assert ULabel(name="a", is_type=True) != typed  # what is a type doesn't stand for what is none
    top = ULabel(name="a", type=None).save()
    assert top != typed
    assert ULabel(name="a") == top  # one without a type comes first
    other = ULabel(name="Other", is_type=True).save()
    assert ULabel(name="a", type=other) not in (typed, top)
    for label in (typed, top):
        label.delete()
    assert ULabel(name="a")._saved is False


def test_an_omitted_type_means_any_of_the_transaction():
    with transaction():
        kind = ULabel(name="Kind", is_type=True).save()
        typed = ULabel(name="a", type=kind).save()
        assert ULabel(name="a").save() == typed
        assert ULabel(name="a", type=None).save() != typed
    assert ULabel.filter(name="a").count() == 2


def test_many_labels_find_those_of_any_type():
    kind = ULabel(name="Kind", is_type=True).save()
    typed = save([ULabel(name=f"l{i}", type=kind) for i in range(40)])
    assert [ULabel(name=f"l{i}") for i in range(40)] == typed


def test_copies_are_the_same_record_with_changes_of_their_own():
    label = ULabel(name="a", description="first").save()
    for copied in (copy.copy(label), copy.deepcopy(label)):
        assert copied == label
        copied.description = "other"
        assert label.description == "first"
        assert label._old is None
    copied.save()
    label.refresh_from_db()
    assert label.description == "other"


@pytest.mark.parametrize("name", ["", "  ", "\n\t ", "a\0b"])
def test_names_without_anything_to_read(name):
    with pytest.raises(FieldValidationError, match="name"):
        ULabel(name=name)
    assert ULabel.filter().count() == 0


def test_deleting_a_record_that_somebody_restored_meanwhile_is_not_for_good():
    label = ULabel(name="a").save()
    label.delete()
    ULabel.get(label.uid).restore()
    assert label.delete() is None
    assert ULabel.get(label.uid).branch.name == "trash"
    assert label.delete() == (1, {"lakehouse.ULabel": 1})


def test_only_and_defer():
    ULabel(name="a").save()
    assert ULabel.filter().only("name").first().name == "a"
    assert ULabel.filter().defer("description").count() == 1
    with pytest.raises(UnknownField):
        ULabel.filter().only("nmae")


def test_making_through_a_set():
    label = ULabel.objects.create(name="a")
    assert ULabel.objects.get_or_create(name="a") == (label, False)
    made, new = ULabel.filter().get_or_create(name="b", defaults={"description": "of b"})
    assert (made.description, new) == ("of b", True)
    assert ULabel.objects.get_or_create(name__startswith="b") == (made, False)
    made, new = ULabel.objects.get_or_create(name__startswith="c", defaults={"name": "cd"})
    assert (made.name, new) == ("cd", True)
    assert ULabel.objects.model is ULabel

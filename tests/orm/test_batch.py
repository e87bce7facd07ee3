from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import ClassVar

import pytest

from lakehouse.errors import FieldValidationError, InvalidArgument, MixedLakes, ReadOnlyLake
from lakehouse.orm import BaseRecord, Directory, Lake, TrackedRow, save, transaction
from lakehouse.registries import Record, ULabel


class NoteRow(TrackedRow):
    name: str | None = None


class Note(BaseRecord, row=NoteRow, unique=(("name",),), required=("name",)):
    """A registry with hooks, as artifacts have them."""

    calls: ClassVar[list[str]] = []
    fail = False

    def _before_save(self, batch):
        self.calls.append(f"store {self.name}")
        batch.on_rollback(lambda: self.calls.append(f"remove {self.name}"))
        batch.on_commit(lambda: self.calls.append(f"committed {self.name}"))
        batch.stage(
            lambda changes: changes.insert("note", [{"uid": self.uid + "x"}], if_absent=True)
        )
        if self.fail:
            raise OSError("disk full")

    def _after_save(self, batch):
        self.calls.append(f"after {self.name} in {batch.commit.seq}")


@pytest.fixture
def notes(tmp_path):
    directory = Directory(registries={"Note": f"{__name__}:Note"})
    directory._loaded["Note"] = Note
    Note.calls, Note.fail = [], False
    with Lake.create(str(tmp_path / "notes"), directory=directory) as lake:
        yield lake


def test_saving_a_list_is_one_commit(lake):
    before = len(lake.log())
    labels = save([ULabel(name=f"n{i}") for i in range(1000)])
    assert len(lake.log()) == before + 1
    assert ULabel.filter().count() == 1000
    assert ULabel.get(labels[500].uid).name == "n500"
    assert all(r.created_by.handle == "ada" for r in labels[:3])
    assert [r.uid for r in labels] == sorted(r.uid for r in labels)


def test_dependencies_in_any_order(lake):
    kind = ULabel(name="kind", is_type=True)
    a = ULabel(name="a", type=kind)
    save([a, kind])
    assert ULabel.get(a.uid).type == kind
    before = len(lake.log())
    with pytest.raises(InvalidArgument, match="refers to a record that isn't saved"):
        save([ULabel(name="b", type=ULabel(name="other", is_type=True)), ULabel(name="c")])
    assert len(lake.log()) == before
    assert ULabel.filter(name__in=["b", "c", "other"]).count() == 0


def test_something_else_in_the_list_saves_nothing(lake):
    label = ULabel(name="a")
    with pytest.raises(InvalidArgument) as caught:
        save([label, "b"])
    assert "str at position 1" in str(caught.value)
    with pytest.raises(InvalidArgument):
        save("ab")
    assert not label._saved
    assert ULabel.filter().count() == 0


def test_equal_new_records_become_one(lake):
    labels = save([ULabel(name="a"), ULabel(name="b"), ULabel(name="a", description="x")])
    assert labels[0] == labels[2] != labels[1]
    assert ULabel.filter().count() == 2
    save([ULabel(name=f"m{i % 300}") for i in range(900)])
    assert ULabel.filter(name__startswith="m").count() == 300


def test_transaction_is_one_commit_and_reads_its_own(lake):
    old = ULabel(name="old").save()
    before = len(lake.log())
    with transaction(message="a few"):
        a = ULabel(name="a").save()
        assert not a._saved
        assert a.branch.name == "main"
        twin = ULabel(name="a")
        assert twin == a
        twin.description = "by the twin"
        twin.save()
        ULabel(name="b", type=ULabel(name="kind", is_type=True).save()).save()
        assert ULabel.get(a.uid) == a
        old.delete()
    assert len(lake.log()) == before + 1
    assert lake.log()[0].message == "a few"
    assert lake.log()[0].user == lake.user_uid
    assert a._saved
    assert twin._saved
    assert ULabel.get(a.uid).description == "by the twin"
    assert ULabel.get(name="b").type.name == "kind"
    assert ULabel.get(old.uid).branch.name == "trash"


def test_exception_rolls_everything_back(lake):
    old = ULabel(name="old").save()
    before = len(lake.log())
    a = ULabel(name="a")

    def fail():
        with transaction():
            a.save()
            old.description = "changed"
            old.save()
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(lake.log()) == before
    assert not a._saved
    assert a.created_at is None
    assert ULabel.filter().one().description is None
    a.save()  # it can still be saved
    old.save()
    assert ULabel.get(old.uid).description == "changed"
    assert ULabel.filter().count() == 2


def test_nested_transactions_join(lake):
    before = len(lake.log())
    with transaction(message="outer"):
        ULabel(name="a").save()
        with transaction(message="inner"):
            save([ULabel(name="b"), Record(name="r")])
    assert len(lake.log()) == before + 1


def test_hooks_run_in_order(notes):
    note = Note(name="n").save()
    assert Note.calls == ["store n", f"after n in {notes.state.seq}", "committed n"]
    assert notes.state.row("note", note.uid + "x") is not None


def test_failing_hook_undoes_the_others(notes):
    def fail():
        with notes.transaction():
            Note(name="a").save()
            Note.fail = True
            Note(name="b").save()

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert Note.calls == ["store a", "store b", "remove b", "remove a"]
    assert notes.state.count("note") == 0


def test_failing_commit_undoes_hooks(notes):
    Note(name="a").save()
    Note.calls.clear()
    b = Note(name="b").save()
    b.name = "a"
    Note.calls.clear()
    with pytest.raises(Exception, match="already taken"):
        b.save()
    assert Note.calls == ["store a", "remove a"]


def test_failed_validation_in_a_transaction_stages_nothing(lake):
    def fail():
        with transaction():
            ULabel(name="a").save()
            ULabel(name=3)

    with pytest.raises(FieldValidationError):
        fail()
    assert ULabel.filter().count() == 0


def test_two_lakes_dont_mix(tmp_path):
    one, two = Lake.create(str(tmp_path / "one")), Lake.create(str(tmp_path / "two"))
    kind = one.ULabel(name="kind", is_type=True).save()
    with pytest.raises(MixedLakes):
        two.ULabel(name="a", type=kind)
    with pytest.raises(MixedLakes):
        two.save([two.ULabel(name="a"), one.ULabel(name="b")])
    with pytest.raises(MixedLakes):
        two.ULabel.filter(type=kind)
    with pytest.raises(MixedLakes):
        save([two.ULabel(name="a"), one.ULabel(name="b")])
    assert two.state.count("ulabel") == 0
    a = two.ULabel(name="kind").save()
    assert (one.ULabel.filter().count(), two.ULabel.filter().count()) == (1, 1)
    assert isinstance(a, two.ULabel)
    assert not isinstance(a, one.ULabel)
    assert not isinstance("a", one.ULabel)


def test_pinned_lakes_are_read_only(lake):
    ULabel(name="a").save()
    lake.tag("v1")
    ULabel(name="b").save()
    past = lake.at("v1")
    assert past.ULabel.to_list("name") == ["a"]
    assert past.sql("SELECT count(*) FROM ulabel").fetchall() == [(1,)]
    assert past.scan("ulabel").collect().height == 1
    assert past.ULabel.get(name="a").created_by.handle == "ada"
    assert list(past.ULabel.lookup().dict()) == ["a"]
    assert past.ULabel.search("b").count() == 0
    with pytest.raises(ReadOnlyLake):
        past.ULabel(name="c").save()
    with pytest.raises(ReadOnlyLake):
        past.ULabel.get(name="a").delete()
    with pytest.raises(ReadOnlyLake), past.transaction():
        pass
    with pytest.raises(ReadOnlyLake):
        past.gc()
    assert ULabel.filter().count() == 2


@pytest.mark.slow
def test_the_same_names_from_two_processes_give_one_row_each(lake):
    script = textwrap.dedent("""
        import sys, time
        from lakehouse.orm import connect, save
        from lakehouse.registries import ULabel
        lake = connect(sys.argv[1])
        names = [f"n{i}" for i in range(30)]
        labels = [ULabel(name=n) for n in names]     # before anything is saved
        bulk = [ULabel(name=f"b{i}", description=sys.argv[2]) for i in range(600)]
        print("ready", flush=True); sys.stdin.readline()
        for label in labels:
            label.save()
        save(bulk)
        print(",".join(l.uid for l in labels + bulk))
    """)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, lake.root, str(i)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for i in range(2)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [p.communicate(timeout=60) for p in processes]
    assert [p.returncode for p in processes] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]
    assert ULabel.filter(name__startswith="n").count() == 30
    assert ULabel.filter(name__startswith="b").count() == 600


def test_a_record_that_is_renamed_in_a_transaction_leaves_its_name_to_others(lake):
    with transaction():
        first = ULabel(name="old").save()
        first.name = "new"
        first.save()
        other = ULabel(name="old").save()
        again = ULabel(name="new").save()
    assert sorted(ULabel.filter().to_list("name")) == ["new", "old"]
    assert again.uid == first.uid != other.uid


def test_a_transaction_goes_on_without_what_it_could_not_save(notes):
    with transaction():
        Note(name="good").save()
        bad = Note(name="bad")
        bad.fail = True
        with pytest.raises(OSError, match="disk full"):
            bad.save()
    assert notes.Note.filter(name="bad").count() == 0
    assert notes.state.count("note") == 2  # the good one, and what it staged

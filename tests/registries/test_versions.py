"""Known content, version families, replacing, deleting; also with other processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest

import lakehouse as ln
from lakehouse.errors import InvalidArgument, ObjectDoesNotExist
from lakehouse.orm import Lake


def write(path: str | Path, text: str = "text") -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return str(path)


def test_known_content_gives_the_existing_artifact(lake, stored, capfd):
    first = ln.Artifact(write("a.txt"), key="a.txt").save()
    again = ln.Artifact(write("other.txt"), key="other.txt", description="now described")
    assert again == first
    assert again.key == "a.txt"
    assert "a.txt" in capfd.readouterr().err
    again.save()
    assert ln.Artifact.get(key="a.txt").description == "now described"
    assert len(stored()) == 1
    apart = ln.Artifact("other.txt", key="other.txt", skip_hash_lookup=True).save()
    assert apart != first
    assert len(stored()) == 2
    apart.delete(permanent=True)
    assert first.load() == "text"


def test_empty_files_are_never_one(lake):
    a = ln.Artifact(write("a.txt", ""), key="a.txt").save()
    b = ln.Artifact(write("b.txt", ""), key="b.txt").save()
    assert a != b
    assert (a.size, b.size) == (0, 0)


def test_known_content_in_one_transaction(lake, stored):
    write("a.txt")
    write("b.txt")
    with ln.transaction(message="both"):
        first = ln.Artifact("a.txt", key="a.txt").save()
        second = ln.Artifact("b.txt", key="b.txt").save()
    assert first == second
    assert ln.Artifact.filter().to_list("key") == ["a.txt"]
    assert len(stored()) == 1
    assert second.load() == "text"
    x, y = (
        ln.Artifact(write("x.txt", "x"), key="x.txt"),
        ln.Artifact(write("y.txt", "x"), key="y.txt"),
    )
    ln.save([x, y])
    assert x == y
    assert len(stored()) == 2


def test_trashed_content_comes_back(lake):
    first = ln.Artifact(write("a.txt"), key="a.txt").save()
    first.delete()
    assert ln.Artifact.filter(key="a.txt").count() == 0
    again = ln.Artifact("a.txt", key="a.txt").save()
    assert again == first
    assert ln.Artifact.get(key="a.txt").load() == "text"


def test_versions_by_key(lake, stored):
    first = ln.Artifact(write("a.txt", "1"), key="a.txt").save()
    second = ln.Artifact(write("a.txt", "2"), key="a.txt").save()
    third = ln.Artifact(write("a.txt", "3"), key="a.txt", version_tag="v3").save()
    assert [a.uid[16:] for a in (first, second, third)] == ["0000", "0001", "0002"]
    assert len({a.stem_uid for a in (first, second, third)}) == 1
    assert [a.is_latest for a in (first, second, third)] == [False, False, True]
    assert third.version == "v3"
    assert first.versions.to_list("uid") == [first.uid, second.uid, third.uid]
    assert ln.Artifact.get(key="a.txt") == third
    assert ln.Artifact.get(first.stem_uid) == third
    assert ln.Artifact.get(first.uid).load() == "1"
    assert ln.Artifact.filter(key="a.txt", is_latest=True).one() == third
    assert ln.Artifact.filter(key="a.txt").count() == 3
    assert len(stored()) == 3
    third.delete()
    assert ln.Artifact.get(key="a.txt") == second
    assert second.is_latest
    third.restore()
    assert ln.Artifact.get(key="a.txt") == third


def test_versions_in_one_transaction(lake):
    with ln.transaction(message="two versions"):
        first = ln.Artifact(write("a.txt", "1"), key="a.txt").save()
        second = ln.Artifact(write("a2.txt", "2"), key="a.txt").save()
    assert first.stem_uid == second.stem_uid
    assert ln.Artifact.get(key="a.txt").load() == "2"
    b1 = ln.Artifact(write("b1.txt", "b1"), key="b.txt")
    b2 = ln.Artifact(write("b2.txt", "b2"), key="b.txt")
    ln.save([b1, b2])
    assert b1.stem_uid == b2.stem_uid
    assert sorted((b1.load(), b2.load())) == ["b1", "b2"]


def test_two_unsaved_versions(lake):
    ln.Artifact(write("a.txt", "1"), key="a.txt").save()
    second = ln.Artifact(write("b.txt", "2"), key="a.txt")
    third = ln.Artifact(write("c.txt", "3"), key="a.txt")
    third.save()
    second.save()
    assert {second.version, third.version} == {"0001", "0002"}
    assert (second.load(), third.load()) == ("2", "3")
    assert len(second.versions) == 3


def test_revises(lake):
    first = ln.Artifact(write("a.txt", "1"), key="a.txt").save()
    second = ln.Artifact(write("b.txt", "2"), revises=first).save()
    assert (second.key, second.stem_uid) == ("a.txt", first.stem_uid)
    renamed = ln.Artifact(write("c.txt", "3"), revises=second, key="renamed.txt").save()
    assert renamed.stem_uid == first.stem_uid
    assert ln.Artifact.get(key="a.txt") == second
    with pytest.raises(InvalidArgument, match="isn't saved"):
        ln.Artifact(write("d.txt", "4"), revises=ln.Artifact(write("e.txt", "5"), key="e.txt"))
    with pytest.raises(InvalidArgument, match="revises"):
        ln.Artifact(write("d.txt", "4"), revises="a.txt")


def test_replace(lake, stored):
    artifact = ln.Artifact(pa.table({"x": [1]}), key="t.parquet").save()
    old = artifact.path
    artifact.replace(pa.table({"x": [1, 2], "z": ["a", "b"]}))
    lake.tag("before")
    artifact.save()
    past = lake.at("before")
    assert past.Artifact.get(key="t.parquet").load()["x"].tolist() == [1]
    assert past.sql("SELECT x FROM dataset('t.parquet')").fetchall() == [(1,)]
    lake.gc(keep=1, min_age=0)
    assert old.exists()  # the tag keeps it
    lake.engine.delete_tag("before")
    lake.gc(keep=1, min_age=0)
    assert not old.exists()
    again = ln.Artifact.get(key="t.parquet")
    assert (again.uid, again.n_observations, again.hash) == (artifact.uid, 2, artifact.hash)
    assert again.columns == {"columns": [("x", "int64"), ("z", "string")]}
    assert again.load()["z"].tolist() == ["a", "b"]
    assert len(stored()) == 1
    other = ln.Artifact(pa.table({"x": [1]}), key="u.parquet").save()
    assert other != artifact  # the content was replaced, so it isn't known any more


def test_replace_by_another_format(lake, capsys):
    artifact = ln.Artifact(write("a.TXT", "1"), key="f/a.txt").save()
    assert artifact.suffix == ".txt"
    old = artifact.path
    artifact.replace(write("b.csv", "x\n1\n2\n"))
    assert "'f/a.txt' with 'f/a.csv'" in capsys.readouterr().err
    artifact.save()
    again = ln.Artifact.get(key="f/a.csv")
    assert again == artifact
    assert (again.suffix, again.n_observations, again.path.suffix) == (".csv", 2, ".csv")
    assert again.load()["x"].tolist() == [1, 2]
    assert ln.Artifact.filter(key="f/a.txt").count() == 0
    assert old != again.path
    artifact.replace(pa.table({"x": [1]}))
    artifact.save()
    assert artifact.key == "f/a.csv"  # what can be written in the format at hand, is
    real = ln.Artifact(write("r.txt", "r"), key="f/r.txt", key_is_virtual=False).save()
    with pytest.raises(InvalidArgument, match="same format"):
        real.replace(write("s.csv", "y\n"))
    Path("folder").mkdir()
    write("folder/one.txt", "in a folder")
    with pytest.raises(InvalidArgument, match="not allowed to replace a file with a folder"):
        real.replace("folder")


def test_replace_and_dedupe(lake):
    artifact = ln.Artifact(write("a.txt", "1"), key="a.txt").save()
    artifact.replace(write("b.txt", "2"))
    artifact.save()
    assert ln.Artifact(write("c.txt", "2"), key="c.txt") == artifact


def test_replace_real_key(lake):
    artifact = ln.Artifact(write("a.txt", "1"), key="r/a.txt", key_is_virtual=False).save()
    artifact.replace(write("b.txt", "22"))
    assert artifact.path.read_text() == "1"
    artifact.save()
    assert (artifact.path, artifact.load()) == (Path(lake.root) / "r/a.txt", "22")
    assert ln.Artifact.get(key="r/a.txt").size == 2
    assert artifact.storage_key == "r/a.txt"
    past = lake.at(lake.log(3)[-1].seq)
    with pytest.raises(ObjectDoesNotExist, match="was replaced since"):
        past.Artifact.get(key="r/a.txt").cache()


_CUT = """
import os, sys
import lakehouse as ln
from lakehouse.registries.artifact import place as placing
ln.connect(sys.argv[1])
if sys.argv[2] == "before":
    placing.move = lambda source, target: os._exit(9)
else:
    real = placing.move
    placing.move = lambda source, target: (real(source, target), os._exit(9))
artifact = ln.Artifact.get(key="r/a.txt")
artifact.replace("b.txt")
artifact.save()
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_replacing_a_real_key_is_cut_short(lake, moment):
    ln.Artifact(write("a.txt", "1"), key="r/a.txt", key_is_virtual=False).save()
    write("b.txt", "22")
    command = [sys.executable, "-c", _CUT, lake.root, moment]
    assert subprocess.run(command, check=False).returncode == 9
    artifact = ln.Artifact.get(key="r/a.txt")
    assert (artifact.size, artifact.load()) == (2, "22")  # the bytes that the row tells of
    lake.gc(keep=1, min_age=0)
    assert artifact.load() == "22"
    artifact = ln.Artifact.get(key="r/a.txt")  # gc has ended what was cut short
    assert artifact.path == Path(lake.root) / "r/a.txt"
    artifact.replace(write("c.txt", "333"))
    artifact.save()
    assert (artifact.path, artifact.load()) == (Path(lake.root) / "r/a.txt", "333")
    artifact.delete(permanent=True, storage=True)
    assert not artifact.path.exists()


@pytest.mark.parametrize("virtual", [True, False])
def test_replace_that_is_rolled_back(lake, virtual):
    artifact = ln.Artifact(write("a.txt", "1"), key="a.txt", key_is_virtual=virtual).save()
    artifact.replace(write("b.txt", "22"))

    def fail():
        with ln.transaction(message="fails"):
            artifact.save()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    again = ln.Artifact.get(key="a.txt")
    assert (again.load(), again.size) == ("1", 1)
    artifact.save()
    assert ln.Artifact.get(key="a.txt").load() == "22"
    files = [p for p in Path(lake.root).rglob("*a.txt") if p.is_file()]
    assert len(files) == (0 if virtual else 1)


def test_delete_and_restore(lake, stored):
    artifact = ln.Artifact(pa.table({"x": [1]}), key="t.parquet").save()
    path = artifact.path
    artifact.delete()
    assert artifact.branch.name == "trash"
    assert path.exists()
    with pytest.raises(ObjectDoesNotExist):
        ln.Artifact.get(key="t.parquet")
    artifact.restore()
    assert ln.Artifact.get(key="t.parquet") == artifact
    artifact.delete(permanent=True)
    assert not path.exists()
    assert stored() == []
    assert ln.sql("SELECT count(*) FROM artifact").fetchall() == [(0,)]
    assert ln.sql("SELECT count(*) FROM artifact_snapshot").fetchall() == [(0,)]
    again = ln.Artifact(pa.table({"x": [1]}), key="t.parquet").save()
    assert again.load()["x"].tolist() == [1]


def test_delete_twice_is_for_good(lake, stored):
    artifact = ln.Artifact(write("t.txt"), key="t.txt").save()
    artifact.delete()
    artifact.delete()
    assert stored() == []
    with pytest.raises(InvalidArgument, match="isn't saved"):
        artifact.delete()


def test_storage_argument_of_delete(lake, stored):
    artifact = ln.Artifact(write("t.txt"), key="t.txt").save()
    artifact.delete(permanent=True, storage=False)
    assert len(stored()) == 1
    real = ln.Artifact(write("r.txt", "r"), key="r.txt", key_is_virtual=False).save()
    real.delete(permanent=True)
    assert real.path.exists()
    again = ln.Artifact(real.path).save()
    again.delete(permanent=True, storage=True)
    assert not real.path.exists()


def test_deleting_the_first_version_keeps_the_family(lake):
    first = ln.Artifact(write("a.txt", "1"), key="a.txt").save()
    second = ln.Artifact(write("a.txt", "2"), key="a.txt").save()
    first.delete(permanent=True)
    third = ln.Artifact(write("a.txt", "3"), key="a.txt").save()
    assert third.stem_uid == second.stem_uid
    for artifact in (third, second):
        artifact.delete(permanent=True)
    fresh = ln.Artifact(write("a.txt", "4"), key="a.txt").save()
    assert fresh.version == "0000"


def test_a_key_with_all_versions_in_the_trash(lake):
    first = ln.Artifact(write("a.txt", "1"), key="a.txt").save()
    first.delete()
    second = ln.Artifact(write("a.txt", "2"), key="a.txt").save()
    assert ln.Artifact.get(key="a.txt") == second
    first.restore()
    assert ln.Artifact.get(key="a.txt").load() in ("1", "2")


def test_rename(lake):
    artifact = ln.Artifact(write("a.txt", "1"), key="a.txt").save()
    artifact.key = "b.txt"
    artifact.save()
    assert ln.Artifact.get(key="b.txt").load() == "1"
    other = ln.Artifact(write("a.txt", "2"), key="a.txt").save()
    assert ln.Artifact.get(key="a.txt") == other
    assert ln.Artifact(write("a.txt", "3"), key="b.txt").save().stem_uid == artifact.stem_uid


WAIT = """
    import sys, time, pathlib
    import lakehouse as ln
    lake = ln.current_lake()
    ln.Artifact.filter().count()
    pathlib.Path("{name}.txt").write_text("{text}")
    pathlib.Path("{name}.ready").touch()
    while not all(pathlib.Path(f"{{n}}.ready").exists() for n in "ab"):
        time.sleep(0.002)
    {code}
"""


def both(run_python, code, texts=("same", "same")):
    return run_python(
        *(
            WAIT.format(name=n, text=t, code=code.format(name=n))
            for n, t in zip("ab", texts, strict=True)
        )
    )


@pytest.mark.slow
def test_two_processes_save_the_same_content(lake, run_python, stored):
    made = "artifact = ln.Artifact('{name}.txt', key='{name}.txt')"
    code = f"{made}; time.sleep(0.2); artifact.save(); print(artifact.uid, artifact.load())"
    one, two = both(run_python, code)
    assert one == two
    assert one.endswith(" same")
    assert ln.Artifact.filter().count() == 1
    assert len(stored()) == 1


@pytest.mark.slow
def test_two_processes_save_versions(lake, run_python, stored):
    made = "artifact = ln.Artifact('{name}.txt', key='k.txt')"
    code = f"{made}; time.sleep(0.2); artifact.save(); print(artifact.uid, artifact.load())"
    ln.Artifact(write("0.txt", "0"), key="k.txt").save()
    both(run_python, code, ("1", "2"))
    found = ln.Artifact.filter(key="k.txt")
    assert len({a.stem_uid for a in found}) == 1
    assert [a.uid[16:] for a in found.order_by("uid")] == ["0000", "0001", "0002"]
    assert sorted(a.load() for a in found) == ["0", "1", "2"]
    assert len(stored()) == 3


@pytest.mark.slow
def test_two_processes_start_a_family(lake, run_python):
    made = "artifact = ln.Artifact('{name}.txt', key='k.txt')"
    code = f"{made}; time.sleep(0.2); artifact.save(); print(artifact.load())"
    assert both(run_python, code, ("1", "2")) == ["1", "2"]
    found = ln.Artifact.filter(key="k.txt").order_by("uid")
    assert len({a.stem_uid for a in found}) == 1
    assert [a.uid[16:] for a in found] == ["0000", "0001"]
    assert ln.Artifact.get(key="k.txt") == found[1]


def test_gc_leaves_other_lakes_alone(lake, tmp_path):
    from lakehouse.orm import Lake, use

    other = Lake.create(str(tmp_path / "other"))
    with use(other):
        theirs = ln.Artifact(write("o.txt", "theirs"), key="o.txt").save()
    ln.Storage(root=other.root).save()
    lake.gc(min_age=0)
    assert theirs.path.exists()


def test_linked_labels_are_protected(lake):
    from lakehouse.errors import ProtectedRecord

    artifact = ln.Artifact(write("a.txt", "1"), key="a.txt").save()
    label = ln.ULabel(name="raw").save()
    artifact.ulabels.add(label)
    with pytest.raises(ProtectedRecord, match="refer"):
        label.delete(permanent=True)
    artifact.ulabels.remove(label)
    label.delete(permanent=True)


def test_dict_fields_change(lake):
    artifact = ln.Artifact(write("a.txt", "1"), key="a.txt", extra_data={"n": 1}).save()
    extra = artifact.extra_data
    extra["n"] = 2
    artifact.extra_data = extra
    artifact.save()
    assert ln.Artifact.get(key="a.txt").extra_data == {"n": 2}


def test_dataset_reads_paths_as_they_are(lake):
    for name, x in (("a[1].parquet", 1), ("a1.parquet", 2)):
        ln.Artifact(pa.table({"x": [x]}), key=f"k=7/{name}", key_is_virtual=False).save()
    rows = ln.sql("SELECT * FROM dataset('k=7/a[1].parquet')")
    assert (rows.columns, rows.fetchall()) == (["x"], [(1,)])


@pytest.mark.parametrize("by_others", [False, True])
@pytest.mark.parametrize("registry", ["Artifact", "Transform", "Collection"])
def test_a_version_tag_is_given_once(lake, registry, by_others):
    def make(at, n):
        if registry == "Transform":
            return at.Transform(key="t", version="1.0", source_code=f"{n}", kind="pipeline")
        path = write(f"{n}.txt", f"{n}")
        if registry == "Artifact":
            return at.Artifact(path, key="t.txt", version="1.0")
        return at.Collection([at.Artifact(path, key=path).save()], key="t", version="1.0")

    key = "t.txt" if registry == "Artifact" else "t"
    other = Lake.open(lake.root) if by_others else lake
    one, two = make(other, 1), make(lake, 2)  # both before either is saved
    one.save()
    with pytest.raises(InvalidArgument, match=r"There is a version '1\.0'"):
        two.save()
    assert getattr(lake, registry).filter(key=key).count() == 1
    two.version = "2.0"
    two.save()
    two.version = "1.0"
    with pytest.raises(InvalidArgument, match=r"There is a version '1\.0'"):
        two.save()
    two.version = "2.0"
    with pytest.raises(InvalidArgument, match="There is a version"), lake.transaction():
        for n in (3, 4):
            record = make(lake, n)
            record.version = "3.0"
            record.save()
    assert sorted(getattr(lake, registry).filter(key=key).to_list("version")) == ["1.0", "2.0"]
    if by_others:
        other.close()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["update", "versions"])
def test_what_a_retry_solves_is_retried(lake, what):
    """Two handles of one lake change the same at the same time; nobody gets an error."""
    ln.save([ln.ULabel(name=f"l{i}") for i in range(3)])
    failures = []

    def work(who):
        try:
            with Lake.open(lake.root) as own:
                for i in range(15):
                    if what == "update":
                        own.ULabel.filter().update(description=f"{who}{i}")
                    else:
                        own.Artifact(write(f"{who}.txt", f"{who}{i}"), key="k.txt").save()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    if what == "update":
        assert len(set(lake.ULabel.filter().to_list("description"))) == 1
    else:
        assert lake.Artifact.filter(key="k.txt").count() == 45
        assert len({a.stem_uid for a in lake.Artifact.filter(key="k.txt")}) == 1

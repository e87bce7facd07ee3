"""Versions of transforms and artifacts: families, renaming, branches, other processes."""

from __future__ import annotations

from pathlib import Path

import pytest

import lakehouse as ln
from lakehouse.errors import InconsistentKey, InvalidArgument, MultipleObjectsReturned


def write(path: str, text: str) -> str:
    Path(path).write_text(text)
    return path


def artifact(text: str, key: str | None = "a.txt", **options) -> ln.Artifact:
    suffix = Path(key or "a.txt").suffix
    return ln.Artifact(write(f"content-{text}{suffix}", text), key=key, **options).save()


def test_transforms_are_known_by_their_source(lake):
    first = ln.Transform(key="a.py", source_code="1").save()
    assert ln.Transform(key="a.py", source_code="1") == first
    other = ln.Transform(key="other.py", source_code="1").save()
    assert other != first
    assert other.key == "other.py"
    assert len(first.hash) == 22
    first.delete()
    assert ln.Transform(key="b.py", source_code="1").save() != first
    again = ln.Transform(key="a.py", source_code="1").save()
    assert again == first
    assert again.branch.name == "main"


def test_descriptions_go_on_to_the_next_version(lake):
    ln.Transform(key="a.py", source_code="1", description="cleans").save()
    assert ln.Transform(key="a.py", source_code="2").save().description == "cleans"
    assert ln.Transform(key="a.py", source_code="3", description="x").save().description == "x"
    a, b = artifact("a"), artifact("b", "b.txt")
    ln.Collection([a], key="c", description="both").save()
    assert ln.Collection([a, b], key="c").save().description == "both"


def test_collections_come_back_from_the_trash(lake):
    known = ln.Collection([artifact("a")], key="c").save()
    known.delete()
    again = ln.Collection(known.ordered_artifacts, key="c").save()
    assert again == known
    assert again.branch.name == "main"


def test_transforms_are_known_by_their_key(lake):
    first = ln.Transform(key="a.py").save()
    assert ln.Transform(key="a.py") == first
    filled = ln.Transform(key="a.py", source_code="1").save()
    assert filled == first
    assert ln.Transform.get(first.uid).source_code == "1"
    assert ln.Transform(key="a.py", description="new").save().description == "new"
    second = ln.Transform(key="a.py", source_code="2").save()
    assert (second.stem_uid, second.version) == (first.stem_uid, "0001")
    assert ln.Transform.get(key="a.py") == second
    third = ln.Transform(key="a.py").save()
    assert (third.stem_uid, third.version) == (first.stem_uid, "0002")
    assert ln.Transform(key="a.py") == third
    third.delete()
    second.delete()
    assert ln.Transform.get(key="a.py") == first
    first.delete()
    assert ln.Transform(key="a.py").save() not in (first, second)
    assert ln.Transform(uid=first.uid, key="renamed.py").key == "a.py"


def test_version_tags_of_transforms(lake):
    first = ln.Transform(key="Cell Ranger", version="7.1.0").save()
    assert ln.Transform(key="Cell Ranger", version="7.1.0") == first
    second = ln.Transform(key="Cell Ranger", version="7.2.0").save()
    assert (second.stem_uid, second.version, second.version_tag) == (
        first.stem_uid,
        "7.2.0",
        "7.2.0",
    )
    assert ln.Transform(key="Cell Ranger", version="7.1.0") == first
    assert ln.Transform.get(key="Cell Ranger", version="7.1.0") == first
    assert ln.Transform.filter(version="7.2.0").one() == second
    for wrong in ({"revises": second}, {"key": "Cell Ranger", "source_code": "x"}):
        with pytest.raises(InvalidArgument, match=r"version '7.1.0'"):
            ln.Transform(version="7.1.0", **_with_source(second, wrong))
    second.version = "7.3.0"
    second.save()
    assert ln.Transform.filter(version_tag="7.3.0").one() == second
    with pytest.raises(InvalidArgument, match="'version_tag'"):
        ln.Transform(key="k", version=0)


def _with_source(transform, options):
    if "source_code" in options:  # the tagged version has another source
        for known in transform.versions:
            known.source_code = known.version
            known.save()
    return options


def test_revising_transforms(lake):
    first = ln.Transform(key="a.py", description="d", kind="script").save()
    second = ln.Transform(revises=first, version="2").save()
    assert (second.key, second.description, second.version) == ("a.py", "d", "2")
    third = ln.Transform(key="b.py", revises=second).save()
    assert third.stem_uid == first.stem_uid
    assert [t.is_latest for t in (first, second, third)] == [False, False, True]
    assert first.versions.count() == 3
    assert first.versions.to_dataframe()["key"].tolist() == ["b.py", "a.py", "a.py"]
    for wrong in ("abc", ln.ULabel(name="l").save()):
        with pytest.raises(InvalidArgument, match="revises"):
            ln.Transform(key="c.py", revises=wrong)
    with pytest.raises(InvalidArgument, match="isn't saved"):
        ln.Transform(revises=ln.Transform(key="new.py"))


@pytest.mark.parametrize("permanent", [True, False])
def test_deleting_versions_in_bulk(lake, permanent):
    made = [ln.Transform(key="a.py", source_code=str(i)).save() for i in range(4)]
    ln.Transform.filter(uid__in=[t.uid for t in made[2:]]).delete(permanent=permanent)
    assert ln.Transform.filter(key="a.py", is_latest=True).one() == made[1]
    assert ln.Transform.filter(key="a.py").count() == 2
    latest = ln.Transform(key="a.py", source_code="new").save()
    assert latest.stem_uid == made[0].stem_uid
    assert ln.Transform.get(key="a.py") == latest


def test_versions_in_one_transaction(lake):
    with ln.transaction(message="three"):
        made = [ln.Transform(key="a.py", source_code=str(i)).save() for i in range(3)]
    assert len({t.stem_uid for t in made}) == 1
    assert sorted(t.version for t in made) == ["0000", "0001", "0002"]


@pytest.mark.slow
def test_two_processes_begin_a_transform(lake, run_python):
    code = """
        import pathlib, time
        import lakehouse as ln
        made = ln.Transform(key="k.py"SOURCE)
        pathlib.Path("NAME.ready").touch()
        while not all(pathlib.Path(f"{n}.ready").exists() for n in "ab"):
            time.sleep(0.002)
        print(made.save().uid)
    """
    one, two = run_python(*(code.replace("NAME", n).replace("SOURCE", "") for n in "ab"))
    assert one == two
    assert ln.Transform.filter(key="k.py").count() == 1
    for ready in Path().glob("*.ready"):
        ready.unlink()
    ln.Transform.get(key="k.py").delete(permanent=True)
    uids = run_python(
        *(code.replace("NAME", n).replace("SOURCE", f", source_code='{n}'") for n in "ab")
    )
    assert len({uid[:16] for uid in uids}) == 1
    assert sorted(uid[16:] for uid in uids) == ["0000", "0001"]


def test_latest_versions_per_branch(lake):
    first, second = artifact("1"), artifact("2")
    ln.setup.switch("dev", create=True)
    third = artifact("3")
    assert third.stem_uid == first.stem_uid
    assert [a.is_latest for a in (first, second, third)] == [False, True, True]
    assert set(ln.Artifact.filter(key="a.txt", is_latest=True)) == {second, third}
    assert ln.Artifact.get(key="a.txt") == third
    assert first.versions.count() == 3
    ln.setup.switch("main")
    assert ln.Artifact.get(key="a.txt") == second
    assert ln.Artifact.filter(key="a.txt", is_latest=True).one() == second
    assert first.versions.to_list() == [first, second]
    ln.setup.merge("dev")
    assert ln.Artifact.filter(key="a.txt", is_latest=True).one() == third
    assert not ln.Artifact.get(second.uid).is_latest


def test_trashed_versions_are_never_latest(lake):
    first, second = artifact("1"), artifact("2")
    second.delete()
    assert not second.is_latest
    assert ln.Artifact.filter(branch__name="trash", is_latest=True).count() == 0
    first.delete()
    assert ln.Artifact.filter(is_latest=True).count() == 0
    second.restore()
    assert second.is_latest
    assert second.versions.to_list() == [second]


def test_version_tags_of_artifacts(lake):
    first = artifact("1", version="1.0")
    assert (first.version, first.version_tag) == ("1.0", "1.0")
    with pytest.raises(InvalidArgument, match=r"version '1.0'"):
        ln.Artifact(write("b.txt", "2"), key="a.txt", version="1.0")
    second = artifact("2", version_tag="2.0")
    assert ln.Artifact.get(key="a.txt", version="1.0") == first
    assert ln.Artifact.get(key="a.txt", version_tag="2.0") == second
    third = ln.Artifact(write("n.txt", "3"), revises=second, description="d").save()
    fourth = ln.Artifact(write("n.txt", "4"), revises=third).save()
    assert (fourth.description, fourth.version) == ("d", "0003")


def test_renaming_artifacts(lake):
    first, second, other = artifact("1"), artifact("2"), artifact("o", "o.txt")
    for version in (first, second):
        version.key = "o.txt"
        with pytest.raises(InconsistentKey, match="another one has that key"):
            version.save()
        version.key = "a.txt"
    for wrong, error, match in (
        ("a.csv", InconsistentKey, "another suffix"),
        (None, InvalidArgument, "None"),
        ("../a.txt", InvalidArgument, r"\.\."),
    ):
        second = ln.Artifact.get(second.uid)
        second.key = wrong
        with pytest.raises(error, match=match):
            second.save()
    second = ln.Artifact.get(second.uid)
    second.key = "b.txt"
    second.save()
    assert ln.Artifact.get(key="b.txt") == second
    assert ln.Artifact.get(key="a.txt") == first
    assert artifact("3", "b.txt").stem_uid == first.stem_uid
    assert artifact("4", "a.txt").stem_uid == first.stem_uid
    assert ln.Artifact.get(other.uid).key == "o.txt"
    real = artifact("r", "real.txt", key_is_virtual=False)
    real.key = "moved.txt"
    with pytest.raises(InvalidArgument, match="isn't virtual"):
        real.save()


def test_renaming_transforms(lake):
    first = ln.Transform(key="a.py").save()
    other = ln.Transform(key="b.py").save()
    first.key = "b.py"
    with pytest.raises(InconsistentKey, match="another one has that key"):
        first.save()
    first.key = "c.py"
    first.save()
    fresh = ln.Transform(key="a.py").save()
    assert fresh.stem_uid not in (first.stem_uid, other.stem_uid)


def test_keys_of_several_families(lake):
    first = ln.Transform(key="a.py").save()
    other = ln.Transform(uid="A" * 16 + "0000", key="b.py").save()
    assert ln.Transform.get(key="b.py") == other
    assert ln.Transform.get(first.stem_uid) == first
    with pytest.raises(MultipleObjectsReturned):
        ln.Transform.filter(key__in=["a.py", "b.py"]).one()


@pytest.mark.parametrize("key", ["x" * 10_000, "a\nb\t'\"[]{}%_", "ключ/é/漢字"])
def test_odd_keys(lake, key):
    first = ln.Transform(key=key).save()
    assert ln.Transform(key=key) == first
    second = ln.Transform(key=key, source_code="2").save()
    assert second.stem_uid == first.stem_uid
    first.delete(permanent=True)
    second.delete(permanent=True)
    assert ln.Transform(key=key).save().stem_uid != first.stem_uid


def test_equal_versions_in_one_transaction(lake):
    table = ln.Artifact(write("a.txt", "a"), key="a.txt").save()
    record = ln.Record(name="r").save()

    def readme(content: str) -> object:
        return ln.models.RecordBlock(record=record, content=content, kind="readme").save()

    with ln.transaction(message="twice"):
        assert ln.Transform(key="t").save() == ln.Transform(key="t").save()
        assert ln.Collection([table], key="c").save() == ln.Collection([table], key="c").save()
        assert readme("one") == readme("one")
        assert readme("two") != readme("one")
    assert ln.Transform.filter().count() == ln.Collection.filter().count() == 1
    assert [b.version for b in ln.models.RecordBlock.filter()] == ["0000", "0001", "0002"]


def test_two_versions_renamed_at_once(lake):
    first = ln.Transform(key="a.py", source_code="1").save()
    second = ln.Transform(key="a.py", source_code="2").save()
    other = ln.Transform(key="b.py").save()
    first.key = second.key = "c.py"
    ln.save([first, second])
    assert ln.Transform.get(key="c.py") == second
    first.key = other.key = "d.py"
    with pytest.raises(InconsistentKey, match="another one has that key"):
        ln.save([first, other])
    assert ln.Transform.filter(key="d.py").count() == 0
    assert ln.Transform(key="a.py").save().stem_uid not in (first.stem_uid, other.stem_uid)

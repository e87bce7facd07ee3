"""Blocks: readmes and comments as markdown, by version."""

from __future__ import annotations

import pytest

import lakehouse as ln
from lakehouse.errors import FieldValidationError, InvalidArgument

TEXT = "# Title\n\n* a `list`\n\n| a | b |\n|---|---|\n| 1 | 'é\"` |\n"
Block, RecordBlock = ln.models.Block, ln.models.RecordBlock


@pytest.fixture
def record(lake):
    return ln.Record(name="r").save()


def test_pages(lake):
    first = Block(key="README.md", content=TEXT, kind="readme").save()
    assert Block.get(key="README.md").content == TEXT
    assert Block(key="README.md", content=TEXT, kind="readme") == first
    assert Block(key="__lakehouse_run__", content=TEXT) == first
    second = Block(key="README.md", content="two").save()
    assert (second.stem_uid, second.version) == (first.stem_uid, "0001")
    assert (first.is_latest, second.is_latest) == (False, True)
    third = Block(key="__lakehouse_artifact__", content="3", revises=second, version="v3").save()
    assert (third.stem_uid, third.version) == (first.stem_uid, "v3")
    below = Block(key="__lakehouse_run__", content="child", anchor=first).save()
    assert first.children.all().one() == below
    third.delete()
    assert second.is_latest
    project = ln.Project(name="p").save()
    first.projects.add(project)
    assert project.blocks.all().one() == first
    with pytest.raises(InvalidArgument, match="no such key"):
        Block(key="notes", content="x")
    with pytest.raises(FieldValidationError, match="'kind'"):
        Block(key="README.md", content="x", kind="comment")


def test_readmes_of_a_record_are_versions(record):
    assert record.notes is None
    first = RecordBlock(record=record, content="one", kind="readme").save()
    second = RecordBlock(record=record, content="two", kind="readme").save()
    assert (second.stem_uid, second.version) == (first.stem_uid, "0001")
    assert RecordBlock(record=record, content="two", kind="readme") == second
    back = RecordBlock(record=record, content="one", kind="readme").save()
    assert back.version == "0002"
    assert record.notes == "one"
    back.delete()
    assert record.notes == "two"
    other = ln.Record(name="other").save()
    assert RecordBlock(record=other, content="two", kind="readme").save() != second
    revised = RecordBlock(revises=second, content="four").save()
    assert (revised.record, revised.kind, revised.version) == (record, "readme", "0003")
    assert record.ablocks.filter(kind="readme", is_latest=True).one() == revised
    assert ln.Record.filter(ablocks__content="four").one() == record


def test_comments_are_always_new(record):
    first = RecordBlock(record=record, content="nice", kind="comment").save()
    second = RecordBlock(record=record, content="nice", kind="comment").save()
    assert first.stem_uid != second.stem_uid
    assert [first.is_latest, second.is_latest] == [True, True]
    assert record.ablocks.filter(kind="comment").count() == 2
    first.content = "edited"
    first.save()
    again = RecordBlock.get(first.uid)
    assert (again.content, again.hash) == ("edited", first.hash)
    assert again.hash != second.hash
    record.delete(permanent=True)
    assert RecordBlock.filter().count() == 0


def test_what_blocks_refuse(record):
    with pytest.raises(FieldValidationError, match="'kind'"):
        RecordBlock(record=record, content="x")
    with pytest.raises(FieldValidationError, match="'kind'"):
        RecordBlock(record=record, content="x", kind="note")
    with pytest.raises(FieldValidationError, match="'record'"):
        RecordBlock(content="x", kind="readme")
    with pytest.raises(InvalidArgument, match="a record of Record"):
        RecordBlock(record=ln.ULabel(name="l").save(), content="x", kind="readme")
    with pytest.raises(InvalidArgument, match="isn't saved"):
        RecordBlock(record=ln.Record(name="new"), content="x", kind="comment").save()
    assert RecordBlock.filter().count() == 0


def test_every_registry_has_blocks(lake, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    artifact = ln.Artifact(tmp_path / "a.txt", key="a.txt").save()
    transform = ln.Transform(key="t.py").save()
    about = {
        "artifact": artifact,
        "transform": transform,
        "run": ln.Run(transform).save(),
        "collection": ln.Collection([artifact], key="c").save(),
        "feature": ln.Feature(name="f", dtype=int).save(),
        "project": ln.Project(name="p").save(),
        "ulabel": ln.ULabel(name="l").save(),
        "branch": ln.Branch(name="b").save(),
        "space": ln.models.Space(name="s").save(),
    }
    for field, record in about.items():
        registry = getattr(ln.models, f"{type(record).__name__}Block")
        registry(**{field: record}, content="one", kind="readme").save()
        second = registry(**{field: record}, content="two", kind="readme").save()
        assert (second.version, second.is_latest) == ("0001", True)
        assert record.ablocks.count() == 2
        assert record.notes == "two"
    line = ln.models.TransformBlock(transform=transform, content="?", kind="comment", line_number=3)
    assert line.save().line_number == 3


def test_readmes_on_a_branch(record):
    RecordBlock(record=record, content="main", kind="readme").save()
    ln.setup.switch("dev", create=True)
    RecordBlock(record=record, content="dev", kind="readme").save()
    assert RecordBlock.filter(record=record).count() == 2
    assert record.notes == "dev"
    ln.setup.switch("main")
    assert RecordBlock.filter(record=record).count() == 1
    assert record.notes == "main"
    ln.setup.merge("dev")
    assert record.notes == "dev"


@pytest.mark.slow
def test_two_processes_write_a_readme(record, run_python):
    code = """
        import pathlib, time
        import lakehouse as ln
        record = ln.Record.get(name="r")
        block = ln.models.RecordBlock(record=record, content="NAME", kind="readme")
        pathlib.Path("NAME.ready").touch()
        while not all(pathlib.Path(f"{n}.ready").exists() for n in "ab"):
            time.sleep(0.002)
        block.save()
    """
    run_python(*(code.replace("NAME", n) for n in "ab"))
    found = RecordBlock.filter().order_by("uid")
    assert len({b.stem_uid for b in found}) == 1
    assert [b.version for b in found] == ["0000", "0001"]
    assert found.to_list("is_latest") == [False, True]


def test_a_version_follows_a_readme_of_the_same_record(record):
    readme = RecordBlock(record=record, content="the readme", kind="readme").save()
    comment = RecordBlock(record=record, content="c1", kind="comment").save()
    other = ln.Record(name="other").save()
    for fields, match in (
        ({"record": record, "kind": "comment", "revises": readme}, "'kind'"),
        ({"record": record, "kind": "comment", "revises": comment}, "no versions"),
        ({"record": record, "kind": "readme", "revises": comment}, "no versions"),
        ({"record": other, "kind": "readme", "revises": readme}, "'record'"),
    ):
        with pytest.raises(InvalidArgument, match=match):
            RecordBlock(content="new", **fields)
    assert record.notes == "the readme"
    assert RecordBlock(content="two", revises=readme).save().stem_uid == readme.stem_uid
    assert record.notes == "two"

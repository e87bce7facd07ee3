"""What one transaction saves, it finds again before it ends."""

from __future__ import annotations

import pandas as pd
import pytest

import lakehouse as ln
from lakehouse.errors import InvalidArgument, InvalidKey


def frame(n: int) -> pd.DataFrame:
    return pd.DataFrame({"n": [n]})


def test_artifacts_in_a_storage_location_of_the_same_transaction(lake, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    frame(1).to_parquet(folder / "there.parquet")
    with ln.transaction():
        storage = ln.Storage(root=str(folder)).save()
        made = ln.Artifact.from_dataframe(frame(2), key="made.parquet", storage=storage).save()
        found = ln.Artifact(folder / "there.parquet").save()
    assert str(ln.Artifact.get(made.uid).path).startswith(str(folder))
    assert ln.Artifact.get(made.uid).load()["n"].tolist() == [2]
    assert str(ln.Artifact.get(found.uid).path) == str(folder / "there.parquet")
    assert found.key == "there.parquet"


def test_a_storage_location_that_is_not_saved_leaves_no_folder(lake, tmp_path):
    root = tmp_path / "above" / "elsewhere"
    with pytest.raises(RuntimeError), ln.transaction():
        storage = ln.Storage(root=str(root)).save()
        ln.Artifact.from_dataframe(frame(2), key="made.parquet", storage=storage).save()
        raise RuntimeError
    assert not root.parent.exists()
    with pytest.raises(RuntimeError), ln.transaction():
        ln.Storage(root=str(root)).save()
        (root / "of somebody else").write_text("kept")
        raise RuntimeError
    assert (root / "of somebody else").exists()
    assert ln.Storage.filter(root=str(root)).count() == 0


def test_content_is_not_replaced_twice_in_one_transaction(lake):
    old = ln.Artifact.from_dataframe(frame(1), key="old.parquet").save()
    with ln.transaction():
        new = ln.Artifact.from_dataframe(frame(2), key="new.parquet").save()
        with pytest.raises(InvalidArgument, match="by the open transaction"):
            new.replace(frame(3))
        old.replace(frame(4))
        old.save()
        with pytest.raises(InvalidArgument, match="by the open transaction"):
            old.replace(frame(5))
    assert ln.Artifact.get(new.uid).load()["n"].tolist() == [2]
    assert ln.Artifact.get(old.uid).load()["n"].tolist() == [4]


def test_revising_what_the_transaction_saves(lake):
    with ln.transaction():
        first = ln.Artifact.from_dataframe(frame(1), key="a.parquet").save()
        second = ln.Artifact.from_dataframe(frame(2), revises=first).save()
        both = ln.Collection([first], key="all").save()
        more = both.append(ln.Artifact.from_dataframe(frame(3), key="b.parquet").save()).save()
    assert first.uid[:16] == second.uid[:16]
    assert [a.uid for a in (first, second)] == sorted({first.uid, second.uid})
    assert ln.Artifact.get(second.uid).is_latest
    assert [c.artifacts.count() for c in (both, more)] == [1, 2]
    with pytest.raises(InvalidArgument, match="isn't saved"):
        ln.Artifact.from_dataframe(
            frame(5), revises=ln.Artifact.from_dataframe(frame(4), key="c.parquet")
        )


def test_values_are_read_before_the_transaction_ends(lake):
    ln.Feature(name="n", dtype=int).save()
    with ln.transaction():
        artifact = ln.Artifact.from_dataframe(frame(1), key="a.parquet").save()
        artifact.features.add_values({"n": 3})
        assert artifact.features.get_values() == {"n": 3}
    assert ln.Artifact.get(artifact.uid).features.get_values() == {"n": 3}


def test_what_is_saved_twice_is_checked_twice(lake):
    artifact = ln.Artifact.from_dataframe(frame(1), key="a.parquet").save()
    with ln.transaction():
        artifact.description = "first"
        artifact.save()
        artifact.key = "../b.parquet"
        with pytest.raises(InvalidKey):
            artifact.save()
        artifact.key = "b.parquet"
    assert ln.Artifact.get(artifact.uid).key == "b.parquet"
    with pytest.raises(InvalidKey), ln.transaction():
        artifact.description = "second"
        artifact.save()
        artifact.key = "../b.parquet"
        with pytest.raises(InvalidKey):
            artifact.save()
    assert ln.Artifact.get(artifact.uid).description == "first"


def test_a_key_given_up_within_the_transaction_is_free_after_it(lake):
    artifact = ln.Artifact.from_dataframe(frame(1), key="a.parquet").save()
    with ln.transaction():
        for key in ("b.parquet", "c.parquet"):
            artifact.key = key
            artifact.save()
    others = [
        ln.Artifact.from_dataframe(frame(i), key=key).save()
        for i, key in enumerate(("a.parquet", "b.parquet", "c.parquet"), 2)
    ]
    assert [o.uid[:16] == artifact.uid[:16] for o in others] == [False, False, True]


def test_schemas_that_change_twice_in_one_transaction(lake):
    features = ln.save([ln.Feature(name=name, dtype=int) for name in "abcd"])
    schema = ln.Schema(features[:1], name="s").save()
    with ln.transaction():
        schema.description = "described"
        schema.save()
        schema.add_optional_features(features[1:3])
        schema.add_optional_features(features[3:])
        schema.remove_optional_features([features[1]])
    found = ln.Schema.get(name="s")
    assert [m.name for m in found.members] == ["a", "c", "d"]
    assert found.n == 3
    assert found.description == "described"


def test_readmes_that_change_twice_in_one_transaction(lake):
    project = ln.Project(name="p").save()
    block = ln.models.ProjectBlock(project=project, content="one", kind="readme").save()
    with ln.transaction():
        for text in ("two", "three"):
            block.content = text
            block.save()
    again = ln.models.ProjectBlock(project=project, content="three", kind="readme")
    assert again.uid == block.uid


def test_source_code_that_changes_twice_in_one_transaction(lake):
    transform = ln.Transform(key="t.py", source_code="one").save()
    with ln.transaction():
        for text in ("two", "three"):
            transform.source_code = text
            transform.save()
    assert transform.hash == ln.Transform(key="other.py", source_code="three").hash
    assert ln.Transform.get(transform.uid).hash == transform.hash


def test_optional_features_of_a_schema_that_the_transaction_makes(lake):
    a, b = (ln.Feature(name=n, dtype=int).save() for n in "ab")
    with ln.transaction():
        schema = ln.Schema([a], name="s").save()
        schema.add_optional_features([b])
    found = ln.Schema.get(name="s")
    assert [(f.name, optional) for f, optional in found.feature_list()] == [
        ("a", False),
        ("b", True),
    ]
    assert found.n == 2
    other = ln.Schema([a], name="other")
    other.add_optional_features([b])
    assert other.hash == found.hash
    other.remove_optional_features([b])
    assert (other.n, [f.name for f in other.members]) == (1, ["a"])

"""Collections: sets of artifacts, their versions, their content as one."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lakehouse as ln
from lakehouse.errors import (
    FieldValidationError,
    InvalidArgument,
    MixedLakes,
    ProtectedRecord,
    TypeMismatch,
)
from lakehouse.orm import Lake, use


def table(i: int, key: str | None = None) -> ln.Artifact:
    content = pa.table({"x": [i, i + 1], "y": ["a", "b"]})
    return ln.Artifact(content, key=key or f"d/{i}.parquet").save()


@pytest.fixture
def three(lake):
    return [table(i) for i in (1, 2, 3)]


def test_a_collection_keeps_its_artifacts_in_order(three):
    one, two, three_ = three
    collection = ln.Collection([two, three_, one], key="releases/first", reference="GSE1").save()
    again = ln.Collection.get(key="releases/first")
    assert again == collection
    assert again.ordered_artifacts.to_list("key") == ["d/2.parquet", "d/3.parquet", "d/1.parquet"]
    assert again.artifacts.count() == 3
    assert again.data_artifact == one
    assert (again.name, again.reference, again.is_latest) == ("first", "GSE1", True)
    assert one.collections.all().one() == collection
    assert ln.Artifact.filter(collections=collection).count() == 3
    assert ln.Collection.filter(artifacts__key="d/2.parquet").one() == collection
    single = ln.Collection(one, key="single", meta_artifact=two).save()
    assert single.artifacts.all().one() == one
    assert ln.Collection.get(key="single").meta_artifact == two
    assert len(single.hash) == 22


def test_a_known_set_gives_the_existing_collection(three):
    one, two, three_ = three
    first = ln.Collection([one, two], key="a").save()
    assert ln.Collection([two, one], key="a") == first
    described = ln.Collection([two, one], key="a", description="both").save()
    assert ln.Collection.get(key="a").description == "both"
    assert described == first
    apart = ln.Collection([one, two], key="b", skip_hash_lookup=True).save()
    assert apart != first
    assert ln.Collection.filter().count() == 2
    first.delete()
    apart.delete()
    assert ln.Collection([one, two], key="a").save() == first
    assert ln.Collection.get(key="a") == first
    assert ln.Collection([one, two, three_, three_], key="c").save().artifacts.count() == 3


def test_versions_and_append(three):
    one, two, three_ = three
    first = ln.Collection([one], key="a", description="d").save()
    second = first.append(two).save()
    assert (second.stem_uid, second.version, second.description) == (first.stem_uid, "0001", "d")
    assert (first.is_latest, second.is_latest) == (False, True)
    assert (first.artifacts.count(), second.artifacts.count()) == (1, 2)
    assert first.append(two) == second
    third = ln.Collection([three_], key="a", version="3.0").save()
    assert third.stem_uid == first.stem_uid
    assert ln.Collection.get(key="a") == third
    assert ln.Collection.get(key="a", version="3.0") == third
    assert first.versions.to_list("uid") == [first.uid, second.uid, third.uid]
    frame = first.versions.to_dataframe()
    assert len(frame) == 3
    renamed = ln.Collection([one, three_], revises=third, key="b").save()
    assert renamed.stem_uid == first.stem_uid
    with pytest.raises(InvalidArgument, match=r"version '3.0'"):
        ln.Collection([one, two, three_], key="a", version="3.0")
    renamed.delete()
    assert third.is_latest
    assert ln.Collection.filter(is_latest=True).one() == third
    renamed.restore()
    assert not third.is_latest
    assert ln.Collection.get(renamed.uid).artifacts.count() == 2


def test_load_open_cache(three):
    collection = ln.Collection(three, key="a").save()
    frame = collection.load()
    assert frame["x"].tolist() == [1, 2, 2, 3, 3, 4]
    assert collection.open().count_rows() == 6
    with collection.open(engine="polars") as lazy:
        assert lazy.collect().shape == (6, 2)
    assert [p.suffix for p in collection.cache()] == [".parquet"] * 3
    wider = ln.Artifact(pa.table({"x": [9], "z": [1.0]}), key="w.parquet").save()
    both = ln.Collection([three[0], wider], key="b").save()
    assert list(both.load().columns) == ["x", "y", "z"]
    assert list(both.load(join="inner").columns) == ["x"]
    with pytest.raises(InvalidArgument, match="engine"):
        collection.open(engine="duck")


def test_anndata_collections(lake):
    found = []
    for i in (1, 2):
        obs = pd.DataFrame({"q": [i]}, index=[f"c{i}"])
        adata = ad.AnnData(np.full((1, 2), i, dtype=np.float32), obs=obs)
        found.append(ln.Artifact.from_anndata(adata, key=f"{i}.h5ad").save())
    collection = ln.Collection(found, key="cells").save()
    joined = collection.load()
    assert joined.shape == (2, 2)
    assert joined.obs["artifact_uid"].tolist() == [a.uid for a in found]
    with pytest.raises(InvalidArgument, match="can't be opened"):
        collection.open()
    mixed = ln.Collection([found[0], table(1)], key="mixed").save()
    with pytest.raises(InvalidArgument, match="different file formats"):
        mixed.load()
    with pytest.raises(InvalidArgument, match="different file formats"):
        mixed.open()


def test_what_a_collection_refuses(three, tmp_path):
    unsaved = ln.Artifact(pa.table({"x": [0]}), key="u.parquet")
    with pytest.raises(InvalidArgument, match="isn't saved"):
        ln.Collection([three[0], unsaved], key="a")
    for wrong in ([1, 2], "abc", ln.ULabel(name="l").save()):
        with pytest.raises(TypeMismatch, match="made of artifacts"):
            ln.Collection(wrong, key="a")
    for nothing in ([], None):
        with pytest.raises(InvalidArgument, match="needs artifacts"):
            ln.Collection(nothing, key="a")
    with pytest.raises(FieldValidationError, match="'key'"):
        ln.Collection(three)
    with pytest.raises(InvalidArgument, match="no field"):
        ln.Collection(three, key="a", foo=1)
    with use(Lake.create(str(tmp_path / "other"))), pytest.raises(MixedLakes):
        ln.Collection([three[0]], key="a")
    assert ln.Collection.filter().count() == 0


def test_artifacts_of_collections_are_protected(three, lake):
    collection = ln.Collection(three, key="a").save()
    with pytest.raises(ProtectedRecord, match="Collection"):
        three[0].delete(permanent=True)
    collection.delete(permanent=True)
    assert lake.state.count("collection_link") == 0
    three[0].delete(permanent=True)
    assert ln.Artifact.filter().count() == 2


def test_collections_in_one_transaction(lake):
    with ln.transaction(message="all"):
        artifact = table(1)
        first = ln.Collection([artifact], key="a").save()
        second = ln.Collection([artifact, table(2)], key="a").save()
    assert first.stem_uid == second.stem_uid
    assert [first.artifacts.count(), second.artifacts.count()] == [1, 2]
    assert ln.Collection.get(key="a") == second


@pytest.mark.slow
def test_two_processes_save_one_set(three, run_python):
    code = """
        import pathlib, time
        import lakehouse as ln
        made = ln.Collection(list(ln.Artifact.filter()), key="k")
        pathlib.Path("NAME.ready").touch()
        while not all(pathlib.Path(f"{n}.ready").exists() for n in "ab"):
            time.sleep(0.002)
        made.save()
        print(made.uid, made.artifacts.count())
    """
    one, two = run_python(*(code.replace("NAME", n) for n in "ab"))
    assert one == two
    assert ln.Collection.filter().count() == 1

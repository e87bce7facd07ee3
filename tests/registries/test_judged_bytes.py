"""What is stored is what was judged, whenever the file changes in between."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakehouse as ln
from lakehouse import storage
from lakehouse.errors import ContentChanged, LakehouseError, ValidationError
from lakehouse.formats import format_for
from lakehouse.registries.artifact import place as placing
from tests.registries.conftest import write


@pytest.fixture
def numbers(lake):
    return ln.Schema([ln.Feature(name="n", dtype=int).save()], name="numbers").save()


@pytest.fixture
def cells(lake):
    kinds = ln.ULabel(name="kind", is_type=True).save()
    ln.ULabel(name="T cell", type=kinds).save()
    obs = ln.Schema([ln.Feature(name="kind", dtype="cat[ULabel[kind]]").save()]).save()
    return ln.Schema(slots={"obs": obs}, otype="AnnData", name="cells").save()


def _h5ad(name: str, n: int) -> None:
    obs = pd.DataFrame({"kind": pd.Categorical([name] * n)}, index=[str(i) for i in range(n)])
    ad.AnnData(np.ones((n, 1), "f4"), obs=obs, var=pd.DataFrame(index=["g"])).write_h5ad("c.h5ad")


def _zarr(name: str, n: int) -> None:
    obs = pd.DataFrame({"kind": pd.Categorical([name] * n)}, index=[str(i) for i in range(n)])
    adata = ad.AnnData(np.ones((n, 1), "f4"), obs=obs, var=pd.DataFrame(index=["g"]))
    shutil.rmtree("c.zarr", ignore_errors=True)
    format_for("c.zarr").write(adata, Path("c.zarr"))


def _pq(values: list, n: int) -> None:
    pq.write_table(pa.table({"n": values * n}), "c.parquet")


def _parts(values: list, n: int) -> None:
    Path("parts").mkdir(exist_ok=True)
    pq.write_table(pa.table({"n": values * n}), "parts/1.parquet")


def _csv(values: list, n: int) -> None:
    write("c.csv", "n\n" + "\n".join(map(str, values * n)) + "\n")


_FILES = {
    "c.csv": (_csv, [1], ["a"], "numbers"),
    "c.parquet": (_pq, [1], ["a"], "numbers"),
    "parts": (_parts, [1], ["a"], "numbers"),
    "c.h5ad": (_h5ad, "T cell", "Tumour", "cells"),
    "c.zarr": (_zarr, "T cell", "Tumour", "cells"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", _FILES)
@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("settled", [False, True])
def test_changed_before_save(lake, stored, request, name, many, settled):
    make, good, evil, schema = _FILES[name]
    schema = request.getfixturevalue(schema)

    def build() -> list[ln.Artifact]:
        artifact = ln.Artifact(name, key=f"k/{name}", schema=schema)
        return [artifact, ln.Artifact(write("z.txt"), key="z.txt")] if many else [artifact]

    make(good, 3)
    if settled:
        past = [name, *(str(p) for p in Path(name).rglob("*"))]
        for path in past:
            os.utime(path, (1_000_000, 1_000_000))
    made = build()
    make(evil, 3)
    with pytest.raises(ValidationError):
        ln.save(made)
    assert ln.Artifact.filter().count() == 0
    assert stored() == []
    make(good, 3)
    made = build()
    make(good, 5)
    ln.save(made)
    artifact = ln.Artifact.get(key=f"k/{name}")
    assert artifact.n_observations == 5
    assert artifact.schema == schema
    content = storage.hash_path(name)
    assert (artifact.size, artifact.hash) == (content.size, content.hash)
    artifact.cache()


def test_without_a_schema_the_counts_are_true(lake):
    write("c.csv", "a\n1\n2\n")
    artifact = ln.Artifact("c.csv", key="c.csv")
    write("c.csv", "b,c\n1,v\n2,w\n3,x\n")
    artifact.save()
    assert (artifact.n_observations, artifact.size) == (3, len("b,c\n1,v\n2,w\n3,x\n"))
    assert [name for name, _ in artifact.columns["columns"]] == ["b", "c"]
    artifact.replace(write("d.csv", "e\n1\n"))
    write("d.csv", "f\n1\n2\n3\n4\n")
    artifact.save()
    assert (artifact.n_observations, artifact.columns) == (4, {"columns": [("f", "int64")]})


def test_same_size_and_set_back_time(lake, numbers):
    write("c.csv", "n\n10\n")
    os.utime("c.csv", (1_000_000, 1_000_000))
    artifact = ln.Artifact("c.csv", key="c.csv", schema=numbers)
    write("c.csv", "n\nab\n")
    os.utime("c.csv", (1_000_000, 1_000_000))
    with pytest.raises(ValidationError):
        artifact.save()
    write("c.csv", "n\n11\n")
    assert artifact.save().load()["n"].tolist() == [11]


def test_converted_content_that_changed(lake, stored):
    schema = ln.Schema([ln.Feature(name="n", dtype=int, coerce=True).save()], name="c").save()
    write("c.csv", "n\n1\n")
    artifact = ln.Artifact("c.csv", key="c.csv", schema=schema)
    write("c.csv", "n\n1.0\n2.0\n")
    with pytest.raises(ContentChanged, match="make the artifact again"):
        artifact.save()
    assert stored() == []


def test_in_place(lake, numbers):
    path = write(Path(lake.root) / "raw/c.csv", "n\n1\n")
    artifact = ln.Artifact(path, schema=numbers)
    write(path, "n\nbad\n")
    with pytest.raises(ValidationError):
        artifact.save()
    assert Path(path).read_text() == "n\nbad\n"
    write(path, "n\n1\n2\n")
    artifact.save()
    assert (artifact.n_observations, artifact.hash) == (2, storage.hash_path(path).hash)
    plain = ln.Artifact(write(Path(lake.root) / "raw/t.txt", "1"))
    write(plain.path, "2")
    assert plain.save().hash == storage.hash_path(plain.path).hash


def test_a_remote_source(lake, numbers):
    far = storage.StorageLocation("memory://judged/data")
    far.path("c.csv").write_text("n\n1\n")
    artifact = ln.Artifact(far.path("c.csv"), key="c.csv", schema=numbers)
    far.path("c.csv").write_text("n\nbad\n")
    with pytest.raises(ValidationError):
        artifact.save()
    far.path("c.csv").write_text("n\n1\n2\n")
    assert artifact.save().n_observations == 2
    assert artifact.load()["n"].tolist() == [1, 2]


def test_a_remote_target(lake, numbers):
    far = ln.Storage(root="memory://judged/target").save()
    write("c.csv", "n\n1\n")
    artifact = ln.Artifact("c.csv", key="c.csv", schema=numbers, storage=far)
    write("c.csv", "n\nbad\n")
    with pytest.raises(ValidationError):
        artifact.save()
    assert not artifact.path.exists()
    write("c.csv", "n\n1\n2\n")
    assert artifact.save().load()["n"].tolist() == [1, 2]


def test_changed_while_it_is_stored(lake, numbers, monkeypatch):
    write("c.csv", "n\n1\n")
    put = placing.put

    def slow(payload, *args):
        write("c.csv", "n\nmeanwhile\n")
        return put(payload, *args)

    artifact = ln.Artifact("c.csv", key="c.csv", schema=numbers)
    monkeypatch.setattr(placing, "put", slow)
    with pytest.raises(ValidationError):
        artifact.save()
    assert ln.Artifact.filter().count() == 0


def test_changed_while_it_is_read(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(b"0" * (8 << 20))

    def append(_) -> None:
        if path.stat().st_size == 8 << 20:
            with path.open("ab") as file:
                file.write(b"1")

    with pytest.raises(ContentChanged, match="while it was read"):
        storage.store(path, tmp_path / "copy", progress=append)
    assert not (tmp_path / "copy").exists()


@pytest.mark.slow
def test_a_file_that_somebody_keeps_rewriting(lake, numbers):
    """Whatever is saved under fire is valid, and counted and hashed as it is stored."""
    stop = threading.Event()

    def rewrite() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            temp = Path(write("temp.csv", "n\nbad\n" if turn % 3 else "n\n1\n2\n3\n"))
            temp.replace("c.csv")

    write("c.csv", "n\n1\n")
    thread = threading.Thread(target=rewrite)
    thread.start()
    try:
        for i in range(40):
            try:
                ln.Artifact("c.csv", key=f"{i}.csv", schema=numbers, skip_hash_lookup=True).save()
            except LakehouseError:
                continue
    finally:
        stop.set()
        thread.join()
    for artifact in ln.Artifact.filter():
        loaded = artifact.load()
        assert loaded["n"].dtype == "int64"
        assert len(loaded) == artifact.n_observations
        assert storage.hash_path(artifact.path).hash == artifact.hash


def test_objects_that_are_changed_after_a_failed_save(lake, numbers):
    frame = pd.DataFrame({"n": [1, 2]})
    artifact = ln.Artifact.from_dataframe(frame, key="f.parquet", schema=numbers)
    frame["n"] = ["a", "b"]

    def fail() -> None:
        with ln.transaction():
            artifact.save()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert artifact.save().load()["n"].tolist() == [1, 2]


def test_curators_of_files(lake, numbers, cells):
    _csv([1], 2)
    curator = ln.curators.DataFrameCurator("c.csv", numbers)
    curator.validate()
    _csv(["a"], 2)
    with pytest.raises(LakehouseError):
        curator.save_artifact(key="c.csv")
    _h5ad("T cell", 2)
    curator = ln.curators.AnnDataCurator("c.h5ad", cells)
    curator.validate()
    _h5ad("T cell", 3)
    with pytest.raises(ContentChanged, match="new curator"):
        curator.save_artifact(key="c.h5ad")
    assert ln.Artifact.filter().count() == 0
    again = ln.curators.AnnDataCurator("c.h5ad", cells).save_artifact(key="c.h5ad")
    assert again.n_observations == 3


def test_unchanged_files_are_judged_once(lake, numbers, monkeypatch):
    _csv([1], 3)
    artifact = ln.Artifact("c.csv", key="c.csv", schema=numbers)
    monkeypatch.setattr(type(artifact), "_judge", None)
    artifact.save()
    os.utime("c.csv")
    assert artifact.n_observations == 3


def test_collections_enforce_their_schema(lake, numbers):
    good = ln.Artifact(write("a.csv", "n\n1\n"), key="a.csv", schema=numbers).save()
    fine = ln.Artifact(write("b.csv", "n\n2\n"), key="b.csv").save()  # wasn't validated
    bad = ln.Artifact(write("c.csv", "n\nx\n"), key="c.csv").save()
    text = ln.Artifact(write("d.txt", "n"), key="d.txt").save()
    with pytest.raises(ValidationError, match="2 of 4 artifacts") as error:
        ln.Collection([good, fine, bad, text], key="all", schema=numbers)
    assert bad.uid in str(error.value)
    assert "d.txt" in str(error.value)
    assert good.uid not in str(error.value)
    assert ln.Collection.filter().count() == 0
    kept = ln.Collection([good, fine], key="all", schema=numbers).save()
    kept.verify_schema()
    with pytest.raises(ValidationError, match=bad.uid):
        kept.append(bad)
    more = ln.Artifact(write("e.csv", "n\n3\n"), key="e.csv").save()
    assert kept.append(more).save().schema == numbers
    loose = ln.Collection([bad], key="loose").save()
    loose.schema = numbers
    with pytest.raises(ValidationError, match=bad.uid):
        loose.save()
    assert ln.Collection.get(key="loose").schema is None
    fine.path.chmod(0o644)
    fine.path.write_text("n\nq\n")
    with pytest.raises(ContentChanged, match=fine.uid):
        kept.verify_schema()


def test_what_a_tag_names_stays(lake, stored):
    kept = {}
    for way in ("permanent", "twice", "version"):
        artifact = ln.Artifact(write("a.csv", f"n\n{len(way)}\n"), key=f"{way}.csv").save()
        kept[way] = artifact
    lake.tag("paper")
    kept["permanent"].delete(permanent=True)
    kept["twice"].delete()
    kept["twice"].delete(permanent=True)
    kept["version"].replace(write("b.csv", "n\n99\n"))
    kept["version"].save()
    kept["version"].delete(permanent=True)
    then = lake.at("paper")
    for way in kept:
        assert then.Artifact.get(key=f"{way}.csv").load()["n"].tolist() == [len(way)]
    lake.gc(keep=1, min_age=0)
    for way in kept:
        assert then.Artifact.get(key=f"{way}.csv").load()["n"].tolist() == [len(way)]
    lake.engine.delete_tag("paper")
    lake.gc(keep=1, min_age=0)
    assert stored() == []


def test_what_a_tag_names_stays_in_another_location_until_nothing_needs_it(lake, tmp_path):
    place = ln.Storage(root=str(tmp_path / "second")).save()
    kept = [
        ln.Artifact(write(name, name), key=name, storage=place).save()
        for name in ("deleted", "replaced")
    ]
    lake.tag("paper")
    before = {str(a.path): a.path.read_text() for a in kept}
    kept[0].delete(permanent=True)
    kept[1].replace(write("new", "new"))
    kept[1].save()
    for _ in range(2):
        lake.gc(keep=1, min_age=0)
        assert {p: Path(p).read_text() for p in before} == before
        assert lake.at("paper").Artifact.get(key="replaced").cache().read_text() == "replaced"
    lake.engine.delete_tag("paper")
    assert set(lake.gc(keep=1, min_age=0, dry_run=True).orphans) == before.keys()
    lake.gc(keep=1, min_age=0)
    assert not any(Path(p).exists() for p in before)
    assert ln.Artifact.get(key="replaced").cache().read_text() == "new"


def test_what_past_commits_lose_is_told(lake, stored, capsys):
    for meant in (None, True):
        artifact = ln.Artifact(write("a.txt"), key="a.txt").save()
        capsys.readouterr()
        artifact.delete(permanent=True, storage=meant)
        assert stored() == []
        told = capsys.readouterr().err
        assert ("a.txt" in told) == (meant is None)
        assert ("past commits" in told) == (meant is None)
    lake.gc(keep=1, min_age=0)
    assert lake.check(deep=True).ok


def test_bytes_that_a_tag_names_are_removed_when_that_is_asked_for(lake, stored, capsys):
    artifact = ln.Artifact(write("a.txt"), key="a.txt").save()
    lake.tag("paper")
    artifact.delete(permanent=True, storage=True)
    assert stored() == []
    assert "'paper'" in capsys.readouterr().err
    with pytest.raises(ContentChanged, match="is gone"):
        lake.at("paper").Artifact.get(key="a.txt").load()

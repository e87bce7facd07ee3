"""Artifacts of every form: made, saved, described, read."""

from __future__ import annotations

import os
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import lakehouse as ln
from lakehouse.engine import Changes
from lakehouse.errors import (
    FieldValidationError,
    InconsistentKey,
    InvalidArgument,
    NoLoader,
    ObjectDoesNotExist,
    UnreadableFile,
)
from lakehouse.registries.artifact.row import managed_key

TABLE = pa.table({"x": [1, 2, 3], "y": ["a", "b", "a"]})


def write(path: str | Path, text: str = "x,y\n1,a\n2,b\n") -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return str(path)


def adata() -> ad.AnnData:
    obs = pd.DataFrame({"donor": ["d1", "d2", "d2"]}, index=["c1", "c2", "c3"])
    var = pd.DataFrame({"symbol": ["A", "B"]}, index=["g1", "g2"])
    return ad.AnnData(X=np.ones((3, 2), "float32"), obs=obs, var=var)


def made(form: str) -> str:
    if form == "csv":
        pyarrow.csv.write_csv(TABLE, "t.csv")
    elif form == "tsv":
        write("t.tsv", "x\ty\n1\ta\n2\tb\n3\ta\n")
    elif form == "parquet":
        pq.write_table(TABLE, "t.parquet")
    elif form == "ipc":
        pyarrow.feather.write_feather(TABLE, "t.ipc", compression="uncompressed")
    elif form == "h5ad":
        adata().write_h5ad("t.h5ad")
    return f"t.{form}"


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet", "ipc"])
def test_tables(lake, form):
    artifact = ln.Artifact(made(form), key=f"in/t.{form}", description="a table").save()
    again = ln.Artifact.get(artifact.uid)
    assert (again.key, again.description, again.suffix) == (f"in/t.{form}", "a table", f".{form}")
    assert (again.otype, again.n_observations, again.n_files) == ("DataFrame", 3, None)
    assert again.size == os.path.getsize(f"t.{form}") == again.path.stat().st_size
    assert len(again.hash) == 22
    assert again.columns == {"columns": [("x", "int64"), ("y", "string")]}
    frame = again.load()
    assert isinstance(frame, pd.DataFrame)
    assert frame["y"].tolist() == ["a", "b", "a"]
    assert again.open().to_table()["x"].to_pylist() == [1, 2, 3]
    with again.open(engine="polars") as lazy:
        assert isinstance(lazy, pl.LazyFrame)
        assert lazy.select(pl.col("x").sum()).collect().item() == 6
    assert ln.sql(f"SELECT sum(x), count(DISTINCT y) FROM dataset('in/t.{form}')").fetchall() == [
        (6, 2)
    ]


def test_h5ad(lake):
    artifact = ln.Artifact(made("h5ad"), key="a.h5ad").save()
    assert (artifact.otype, artifact.n_observations, artifact.suffix) == ("AnnData", 3, ".h5ad")
    assert artifact.columns["obs"][-1][0] == "donor"
    assert artifact.columns["var"][-1][0] == "symbol"
    assert artifact.load().shape == (3, 2)
    with artifact.open() as backed:
        assert backed.shape == (3, 2)
    rows = ln.sql("SELECT donor, count(*) n FROM dataset('a.h5ad') GROUP BY 1 ORDER BY 1")
    assert rows.fetchall() == [("d1", 1), ("d2", 2)]


@pytest.mark.parametrize("name", ["notes.txt", "Makefile", "reads.fastq.gz", ".hidden"])
def test_any_file(lake, name):
    artifact = ln.Artifact(write(name, "text"), key=f"k/{name}").save()
    assert artifact.suffix == {"notes.txt": ".txt", "reads.fastq.gz": ".fastq.gz"}.get(name, "")
    assert (artifact.otype, artifact.n_observations, artifact.size) == (None, None, 4)
    assert artifact.cache().read_text() == "text"
    assert artifact.columns == {}
    if name != "notes.txt":
        with pytest.raises(NoLoader, match="cache"):
            artifact.load()
        with pytest.raises(InvalidArgument, match="lazily"):
            artifact.open()


def test_without_a_key(lake):
    artifact = ln.Artifact(write("t.txt"), description="only described").save()
    assert artifact.key is None
    assert artifact.path.read_text() == "x,y\n1,a\n2,b\n"
    other = ln.Artifact(write("t.txt", "other"), description="only described").save()
    assert other.stem_uid != artifact.stem_uid


def test_folder(lake, stored):
    write("d/a.txt", "a")
    write("d/below/b.txt", "bb")
    artifact = ln.Artifact("d", key="my/d").save()
    assert (artifact.n_files, artifact.size, artifact.suffix, artifact.otype) == (2, 3, "", None)
    assert (artifact.path / "below/b.txt").read_text() == "bb"
    assert artifact.cache() == artifact.path
    assert ln.Artifact("d", key="my/d").uid == artifact.uid
    assert stored() == ["a.txt", "b.txt"]
    write("d/c.txt", "c")
    second = ln.Artifact("d", key="my/d").save()
    assert (second.n_files, len(second.versions)) == (3, 2)
    artifact.delete(permanent=True)
    assert stored() == ["a.txt", "b.txt", "c.txt"]
    assert sorted(p.name for p in second.path.rglob("*.txt")) == ["a.txt", "b.txt", "c.txt"]


def test_versions_of_folders_are_kept_and_say_so(lake, tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    first = ln.Artifact(folder, key="images").save()
    (folder / "a.txt").write_text("b")
    second = ln.Artifact(folder, key="images", overwrite_versions=True).save()
    assert "every version is kept" in capsys.readouterr().err
    assert (first.overwrite_versions, second.overwrite_versions) == (False, False)
    texts = [(version.cache() / "a.txt").read_text() for version in (first, second)]
    assert texts == ["a", "b"]


def test_parquet_folder_is_a_table(lake):
    write("p/x", "")
    os.remove("p/x")
    pq.write_table(TABLE, "p/1.parquet")
    pq.write_table(TABLE, "p/2.parquet")
    artifact = ln.Artifact("p", key="p").save()
    assert (artifact.otype, artifact.n_observations, artifact.n_files) == ("DataFrame", 6, 2)
    assert artifact.open().count_rows() == 6
    assert ln.sql("SELECT count(*) FROM dataset('p')").fetchall() == [(6,)]


@pytest.mark.parametrize(
    "obj", [TABLE.to_pandas(), pl.DataFrame(TABLE), TABLE, pl.DataFrame(TABLE).lazy()]
)
def test_tables_in_memory(lake, obj):
    artifact = ln.Artifact(obj, key="t.parquet").save()
    assert (artifact.otype, artifact.n_observations) == ("DataFrame", 3)
    assert pq.read_table(artifact.path)["y"].to_pylist() == ["a", "b", "a"]
    assert ln.Artifact(obj, key="u.csv").save().path.read_text().count("\n") == 4
    with pytest.raises(InvalidArgument, match="Pass one of key, run or description"):
        ln.Artifact(pa.table({"z": [1]}))
    bare = ln.Artifact(pa.table({"z": [1]}), description="z").save()
    assert ln.Artifact(pa.table({"z": [1]})) == bare
    assert (bare.key, bare.suffix) == (None, ".parquet")


def test_pandas_index_comes_back(lake):
    frame = pd.DataFrame({"v": [1.5, 2.5]}, index=pd.Index(["r1", "r2"], name="row"))
    back = ln.Artifact.from_dataframe(frame, key="i.parquet").save().load()
    pd.testing.assert_frame_equal(back, frame)


def test_anndata_in_memory(lake):
    artifact = ln.Artifact.from_anndata(adata(), key="a.h5ad").save()
    assert (artifact.otype, artifact.n_observations, artifact.kind) == ("AnnData", 3, "dataset")
    assert artifact.load().obs["donor"].tolist() == ["d1", "d2", "d2"]


def test_kind_and_extra_fields(lake):
    artifact = ln.Artifact(
        write("m.txt"), key="m.txt", kind="model", extra_data={"a": [1]}, version_tag="v1"
    ).save()
    again = ln.Artifact.get(key="m.txt")
    assert (again.kind, again.extra_data, again.version) == ("model", {"a": [1]}, "v1")
    assert again.created_by.handle == "ada"
    assert again == artifact


def test_other_storage(lake, tmp_path):
    place = ln.Storage(root=tmp_path / "second").save()
    artifact = ln.Artifact(write("t.csv"), key="o/t.csv", storage=place).save()
    assert artifact.path.is_relative_to(tmp_path / "second")
    assert artifact.storage == place
    assert artifact.load()["x"].tolist() == [1, 2]
    assert ln.Artifact.filter(storage=place).to_list("key") == ["o/t.csv"]
    artifact.delete(permanent=True)
    assert not artifact.path.exists()


def test_unsaved_storage_is_refused(lake, tmp_path, stored):
    place = ln.Storage(root=tmp_path / "second")
    artifact = ln.Artifact(write("t.csv"), key="o/t.csv", storage=place)
    with pytest.raises(InvalidArgument, match="isn't saved"):
        artifact.save()
    assert stored() == []
    assert not (tmp_path / "second").exists()
    with pytest.raises(InvalidArgument, match="takes a record of Storage"):
        ln.Artifact("t.csv", key="o/t.csv", storage="second")
    ln.save([place, artifact])
    assert artifact.path.is_relative_to(tmp_path / "second")


def test_real_key(lake):
    artifact = ln.Artifact(write("t.csv"), key="real/t.csv", key_is_virtual=False).save()
    assert artifact.path == Path(lake.root) / "real/t.csv"
    assert artifact.key_is_virtual is False
    assert artifact.load()["x"].tolist() == [1, 2]
    with pytest.raises(InvalidArgument, match="needs a key"):
        ln.Artifact(write("u.csv", "a\n1\n"), description="u", key_is_virtual=False)


def test_real_key_that_is_taken(lake):
    first = ln.Artifact(write("t.csv"), key="real/t.csv", key_is_virtual=False).save()
    write(Path(lake.root) / "real/foreign.csv", "keep\n1\n")
    for key in ("real/t.csv", "real/foreign.csv"):
        other = ln.Artifact(write("t.csv", "x\n9\n"), key=key, key_is_virtual=False)
        with pytest.raises(InconsistentKey, match="already"):
            other.save()
    assert first.load()["x"].tolist() == [1, 2]
    assert (Path(lake.root) / "real/foreign.csv").read_text() == "keep\n1\n"
    assert ln.Artifact.filter().count() == 1


@pytest.fixture
def half_replaced(lake):
    """An artifact as a process leaves it that was killed before new content took its real key."""
    artifact = ln.Artifact(write("t.csv"), key="real/t.csv", key_is_virtual=False).save()
    artifact.replace(write("u.csv", "x\n9\n"))
    artifact.save()
    beside = managed_key(artifact.uid, ".csv", again=True)
    place = Path(lake.root) / beside
    place.parent.mkdir(exist_ok=True)
    Path(artifact.path).rename(place)
    write(artifact.path, "old")
    changes = Changes()
    changes.update("artifact", artifact.uid, {"storage_key": beside})
    lake.commit(changes)
    return place, Path(lake.root) / "real/t.csv"


def test_gc_ends_what_a_killed_replacement_began(lake, half_replaced):
    place, real = half_replaced
    artifact = ln.Artifact.get(key="real/t.csv")
    assert (artifact.path, artifact.load()["x"].tolist()) == (place, [9])
    lake.gc(dry_run=True, min_age=0)
    lake.gc()  # too young
    assert real.read_text() == "old"
    lake.gc(min_age=0)
    assert not place.exists()
    assert ln.Artifact.get(key="real/t.csv").path == real
    assert real.read_text() == "x\n9\n"


def test_half_replaced_content_is_deleted_whole(half_replaced):
    ln.Artifact.get(key="real/t.csv").delete(permanent=True, storage=True)
    assert [path.exists() for path in half_replaced] == [False, False]


def test_in_place(lake, tmp_path):
    place = ln.Storage(root=tmp_path / "second").save()
    path = write(tmp_path / "second/deep/t.csv")
    artifact = ln.Artifact(path).save()
    assert (artifact.key, artifact.path, artifact.storage) == ("deep/t.csv", Path(path), place)
    assert artifact.key_is_virtual is False
    assert ln.Artifact(path).save().uid == artifact.uid
    assert ln.Artifact.filter().count() == 1
    write(path, "x,y\n5,e\n")
    second = ln.Artifact(path).save()
    assert (second.stem_uid, len(second.versions)) == (artifact.stem_uid, 2)
    assert second.hash != artifact.hash
    second.delete(permanent=True)
    assert Path(path).exists()


def test_in_place_in_the_lake(lake):
    path = write(Path(lake.root) / "raw/t.csv")
    artifact = ln.Artifact(path).save()
    assert (artifact.key, artifact.path) == ("raw/t.csv", Path(path))


def test_from_dir(lake, stored):
    for i in range(12):
        write(f"run/sub/{i}.txt", f"content {i % 11}")
    write("run/.hidden/x.txt", "hidden")
    write("run/t.csv")
    before = len(lake.log())
    found = ln.Artifact.from_dir("run").save()
    assert len(lake.log()) == before + 1
    assert len(found) == 13
    assert {a.key for a in found} <= {"run/t.csv", *(f"run/sub/{i}.txt" for i in range(12))}
    assert ln.Artifact.filter().count() == 12  # two files have equal content
    assert len(stored()) == 12
    assert ln.Artifact.get(key="run/t.csv").n_observations == 2
    assert all(a.path.exists() and a.path.stat().st_size == a.size for a in found)
    ln.Artifact.from_dir("run").save()
    assert ln.Artifact.filter().count() == 12
    assert len(stored()) == 12
    write("run/t.csv", "x\n1\n")
    again = ln.Artifact.from_dir("run", key="run").save()
    assert ln.Artifact.get(key="run/t.csv").version == "0001"
    assert len(again) == 13


def test_from_dir_in_a_storage(lake, tmp_path):
    ln.Storage(root=tmp_path / "second").save()
    write(tmp_path / "second/a/1.txt", "one")
    write(tmp_path / "second/a/b/2.txt", "two")
    found = ln.Artifact.from_dir(tmp_path / "second/a").save()
    assert [a.key for a in found] == ["a/1.txt", "a/b/2.txt"]
    assert found[1].path == tmp_path / "second/a/b/2.txt"
    assert ln.Artifact.from_dir(tmp_path / "second/a").save()[0].uid == found[0].uid


def test_get(lake):
    ln.Artifact(write("t.txt", "1"), key="t.txt", description="d").save()
    with pytest.raises(ObjectDoesNotExist):
        ln.Artifact.get(key="u.txt")
    assert ln.Artifact.get(key="t.txt", description="d").load() == "1"
    assert ln.Artifact.get(description="d").key == "t.txt"
    assert ln.Artifact.filter(suffix=".txt", size__gt=0).one().key == "t.txt"


def test_describe(lake):
    artifact = ln.Artifact(write("t.csv"), key="t.csv").save()
    text = artifact.describe(return_str=True)
    assert "t.csv" in text
    assert "x  int64" in text


def test_what_has_no_loader(lake, tmp_path):
    contents = {"a.zip": b"PK", "b.py": b"print(1)", "c.svg": b"<svg/>", "d.html": b"<b>x</b>"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    made = {name: ln.Artifact(tmp_path / name, key=name).save() for name in contents}
    for name in ("a.zip", "b.py"):
        with pytest.raises(NotImplementedError, match=r"There is no loader for \.\w+ files"):
            made[name].load()
        assert made[name].cache().read_bytes() == contents[name]
    assert made["c.svg"].load().suffix == ".svg"
    assert made["d.html"].load().read_text() == "<b>x</b>"
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "x.txt").write_text("x")
    with pytest.raises(NotImplementedError, match="no-suffix"):
        ln.Artifact(folder, key="texts").save().load()


def test_calls_that_mean_no_artifact(lake, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    for call in (
        lambda: ln.Artifact(tmp_path / "none.txt", key="none.txt"),
        lambda: ln.Artifact.from_dir(tmp_path / "none"),
    ):
        with pytest.raises(FileNotFoundError, match="none"):
            call()
    with pytest.raises(UnreadableFile, match="no directory"):
        ln.Artifact.from_dir(tmp_path / "a.txt")
    with pytest.raises(FieldValidationError, match="no field 'colour'"):
        ln.Artifact(tmp_path / "a.txt", key="a.txt", colour="red")
    assert ln.Artifact.filter().count() == 0


def test_suffixes_are_in_lower_case(lake):
    artifact = ln.Artifact(write("Y.CSV", "a,b\n1,2\n"), key="Y.CSV").save()
    assert (artifact.key, artifact.suffix, artifact.otype) == ("Y.CSV", ".csv", "DataFrame")
    assert artifact.path.suffix == ".csv"
    assert artifact.load().shape == (1, 2)
    assert ln.Artifact(pa.table({"x": [1]}), key="T.Parquet").save().suffix == ".parquet"


def test_sets_of_artifacts(lake):
    assert isinstance(ln.Artifact.filter(), ln.models.ArtifactSet)
    assert not isinstance(ln.ULabel.filter(), ln.models.ArtifactSet)
    assert not isinstance([], ln.models.ArtifactSet)


def test_only_one_argument_goes_without_its_name(lake):
    for call in (
        lambda: ln.Artifact("t.csv", "key.csv"),
        lambda: ln.Record("a", "b"),
        lambda: ln.Run(None, "b"),
        lambda: ln.Feature("a", str, "c"),
    ):
        with pytest.raises(InvalidArgument, match="keyword arg"):
            call()


def test_a_storage_location_that_is_not_registered(lake):
    artifact = ln.Artifact(write("t.csv"), key="t.csv").save()
    artifact._values["storage_uid"] = "gone"
    with pytest.raises(ObjectDoesNotExist, match="isn't registered"):
        artifact.path  # noqa: B018

"""Saves that fail: nothing is registered, nothing is left behind, saving again works."""

from __future__ import annotations

import os
import resource
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path

import anndata as ad
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakehouse as ln
from lakehouse import storage
from lakehouse.errors import (
    InconsistentKey,
    InvalidArgument,
    LakehouseError,
    MixedLakes,
    NoWriteAccess,
    StorageError,
    UnknownDtype,
    UnknownField,
    UnreadableFile,
)
from lakehouse.orm import Lake, use
from lakehouse.registries.artifact.row import MANAGED


def write(path: str | Path, text: str = "text") -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
    return str(path)


def files_below(folder) -> list[str]:
    """The files of a folder, without the mark that says which lake it belongs to."""
    files = (str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file())
    return sorted(name for name in files if name != ".lakehouse/owner.json")


@contextmanager
def largest_file(size: int):
    """No file may grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


@contextmanager
def read_only(folder: Path):
    """A folder that can't be written, also for root, who becomes another user meanwhile."""
    folder.chmod(0o555)
    uid = os.geteuid()
    if uid == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(uid)
        folder.chmod(0o755)


BIG = 30_000_000


@pytest.mark.slow
@pytest.mark.parametrize("how", ["file", "object", "folder", "list", "real key"])
def test_disk_full(lake, tmp_path, how):
    place = ln.Storage(root=tmp_path / "second").save()
    sparse = Path("big.bin")
    with sparse.open("wb") as file:
        file.truncate(BIG)
    Path("d").mkdir()
    os.link("big.bin", "d/big.bin")
    write("d/small.txt")
    if how == "folder":
        made = [ln.Artifact("d", key="d", storage=place)]
    elif how == "object":
        noise = np.random.default_rng(1).random(BIG // 8)
        made = [ln.Artifact(pa.table({"x": noise}), key="x.parquet", storage=place)]
    else:
        real = None if how != "real key" else False
        made = [ln.Artifact("big.bin", key="big.bin", storage=place, key_is_virtual=real)]
        if how == "list":
            small = [write(f"{i}.txt", f"{i}") for i in range(3)]
            made += [ln.Artifact(p, key=p, storage=place) for p in small]
    commits = len(lake.log())
    if how == "object":  # we wrote it ourselves, and it is only moved
        ln.save(made)
    else:
        with largest_file(BIG // 2), pytest.raises(StorageError, match="Could not store"):
            ln.save(made)
        assert ln.Artifact.filter().count() == 0
        assert len(lake.log()) == commits
        assert files_below(tmp_path / "second") == []
        ln.save(made)
    assert ln.Artifact.filter().count() == len(made)
    assert all(a.path.exists() for a in made)


def test_permission_denied(lake, tmp_path):
    root = tmp_path / "second"
    place = ln.Storage(root=root).save()
    assert root.is_dir()  # saving a storage location makes its folder
    for folder in (tmp_path, *tmp_path.parents[:3]):  # with xdist there is one more
        folder.chmod(0o755)
    artifact = ln.Artifact(write("t.txt"), key="t.txt", storage=place)
    with read_only(root), pytest.raises(NoWriteAccess, match="permission"):
        artifact.save()
    assert files_below(root) == []
    assert ln.Artifact.filter().count() == 0
    assert artifact.save().load() == "text"


def test_storage_that_cannot_be(lake, tmp_path):
    write(tmp_path / "file")
    place = ln.Storage(root=tmp_path / "file" / "below")
    with pytest.raises(NoWriteAccess, match="can't be made"):
        place.save()
    assert ln.Storage.filter(root=place.root).count() == 0
    os.remove(tmp_path / "file")
    artifact = ln.Artifact(write("t.txt"), key="t.txt", storage=place.save())
    shutil.rmtree(tmp_path / "file" / "below")
    write(tmp_path / "file" / "below")  # a file took the folder's place
    with pytest.raises(StorageError):
        artifact.save()
    assert ln.Artifact.filter().count() == 0
    os.remove(tmp_path / "file" / "below")
    assert artifact.save().load() == "text"


def fail_in_transaction(*artifacts):
    with ln.transaction(message="fails"):
        for artifact in artifacts:
            artifact.save()
        assert all(a.path.exists() for a in artifacts)
        raise RuntimeError("stop")


def test_rollback_takes_bytes_back(lake, stored):
    artifacts = [
        ln.Artifact(write("t.txt"), key="t.txt"),
        ln.Artifact(pa.table({"x": [1]}), key="t.parquet"),
        ln.Artifact(write("r.txt", "r"), key="real/r.txt", key_is_virtual=False),
    ]
    with pytest.raises(RuntimeError, match="stop"):
        fail_in_transaction(*artifacts)
    assert stored() == []
    assert not (Path(lake.root) / "real/r.txt").exists()
    assert ln.Artifact.filter().count() == 0
    for artifact in artifacts:
        artifact.save()
    assert len(stored()) == 2
    assert ln.Artifact.get(key="t.parquet").load()["x"].tolist() == [1]
    assert ln.Artifact.get(key="real/r.txt").load() == "r"


def overwrite(path, text):
    os.chmod(path, 0o600)
    write(path, text)


def put_another(path, text):
    write("another", text)
    os.replace("another", path)


def lead_elsewhere(path, text):
    """The folder becomes a link to one that is somebody else's."""
    os.rename(path.parent, Path("theirs").absolute())
    put_another(Path("theirs").absolute() / path.name, text)
    path.parent.symlink_to(Path("theirs").absolute())


@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
@pytest.mark.parametrize(
    ("happens", "text"),
    [
        (happens, text)
        for happens in (overwrite, put_another, lead_elsewhere)
        for text in ("mine", "this", "longer")
        if (happens, text) != (overwrite, "mine")  # that is still the file which was written
    ],
)
def test_rollback_takes_back_only_what_was_just_written(lake, tmp_path, happens, text, many):
    """Whose the location is by then doesn't matter: only the very bytes are removed."""
    place = ln.Storage(root=str(tmp_path / "place")).save()
    virtual = {"key_is_virtual": False, "storage": place}
    artifact = ln.Artifact(write("t.txt", "mine"), key="deep/t.txt", **virtual)
    beside = ln.Artifact(write("u.txt", "also mine"), key="other/u.txt", **virtual)

    def fail():
        with ln.transaction(message="fails"):
            ln.save([artifact, beside]) if many else [artifact.save(), beside.save()]
            shutil.rmtree(Path(place.root) / ".lakehouse")  # the owner mark
            happens(artifact.path, text)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert (Path(place.root) / "deep/t.txt").read_text() == text
    assert not (Path(place.root) / "other/u.txt").exists()  # ours, with or without the mark


def test_rollback_takes_no_object_back_that_others_wrote(lake):
    place = ln.Storage(root="memory://taken/back").save()
    made = [
        ln.Artifact(write(f"{n}.txt", n), key=f"{n}.txt", key_is_virtual=False, storage=place)
        for n in ("ours", "mine")
    ]
    paths = [artifact.path for artifact in made]

    def fail():
        with ln.transaction(message="fails"):
            ln.save(made)
            storage.remove(f"{place.root}/.lakehouse")
            paths[1].write_text("THEIRS, NOW")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert not paths[0].exists()
    assert paths[1].read_text() == "THEIRS, NOW"


def test_what_was_never_stored_is_not_taken_back(lake, tmp_path, monkeypatch):
    """Another process was faster than a save that failed."""
    place = ln.Storage(root=str(tmp_path / "place")).save()
    artifact = ln.Artifact(write("t.txt", "mine"), key="t.txt", key_is_virtual=False, storage=place)

    def refuse(*_, **__):
        write(Path(place.root) / "t.txt", "theirs")
        raise StorageError("no room")

    monkeypatch.setattr("lakehouse.storage.store", refuse)
    with pytest.raises(StorageError, match="no room"):
        artifact.save()
    assert (Path(place.root) / "t.txt").read_text() == "theirs"


def test_bulk_save_with_one_bad_element(lake, stored):
    good = [ln.Artifact(write(f"{i}.txt", str(i)), key=f"{i}.txt") for i in range(5)]
    gone = ln.Artifact(write("gone.txt", "gone"), key="gone.txt")
    os.remove("gone.txt")
    commits = len(lake.log())
    for bad in ("no record", gone):
        with pytest.raises(LakehouseError):
            ln.save([*good, bad])
        assert ln.Artifact.filter().count() == 0
        assert stored() == []
    late = ln.Artifact(write("late.txt", "late"), key="late.txt", storage=None)
    late.space = ln.Space(name="unsaved")
    with pytest.raises(InvalidArgument, match="isn't saved"):
        ln.save([*good, late])
    assert stored() == []
    assert len(lake.log()) == commits
    ln.save(good)
    assert len(stored()) == 5
    assert [a.load() for a in good] == list("01234")


def test_a_file_that_changes_before_saving(lake):
    artifact = ln.Artifact(write("t.txt", "one"), key="t.txt")
    write("t.txt", "another")
    artifact.save()
    assert (artifact.load(), artifact.size) == ("another", 7)
    assert ln.Artifact("t.txt", key="t.txt") == artifact


def test_two_lakes(lake, tmp_path):
    artifact = ln.Artifact(write("t.txt"), key="t.txt").save()
    with Lake.create(str(tmp_path / "other")) as other, use(other):
        place = ln.Storage(root=tmp_path / "second").save()
        label = ln.ULabel(name="a").save()
        schema = ln.Schema([ln.Feature(name="n", dtype=int)]).save()
        mine = ln.Artifact("t.txt", key="t.txt")
        assert mine != artifact
        with pytest.raises(MixedLakes):
            ln.Artifact(write("u.txt", "u"), revises=artifact)
    with pytest.raises(MixedLakes):
        ln.Artifact("u.txt", key="u.txt", storage=place)
    with pytest.raises(MixedLakes):
        ln.Artifact(pa.table({"n": [1]}), key="n.parquet", schema=schema)
    with pytest.raises(MixedLakes):
        artifact.ulabels.add(label)
    with pytest.raises(MixedLakes):
        ln.save([mine, ln.Artifact("u.txt", key="u.txt")])
    assert ln.Artifact.filter().count() == 1


def bad_files() -> dict[str, str]:
    pq.write_table(pa.table({"x": list(range(1000))}), "whole.parquet")
    ad.AnnData(np.ones((50, 5), "float32")).write_h5ad("whole.h5ad")
    for suffix in ("parquet", "h5ad"):
        data = Path(f"whole.{suffix}").read_bytes()
        Path(f"truncated.{suffix}").write_bytes(data[: len(data) // 2])
        write(f"empty.{suffix}", "")
        write(f"text.{suffix}", "x,y\n1,2\n")
    write("empty.csv", "")
    write("empty.ipc", "")
    Path("binary.csv").write_bytes(Path("whole.parquet").read_bytes())
    Path("other.h5ad").write_bytes(Path("whole.parquet").read_bytes())
    return {p.name: str(p) for p in Path().iterdir()}


@pytest.mark.parametrize(
    "name",
    ["missing.csv", "missing", "truncated.parquet", "truncated.h5ad", "empty.parquet",
     "empty.h5ad", "empty.csv", "empty.ipc", "text.parquet", "text.h5ad", "binary.csv",
     "other.h5ad"],
)  # fmt: skip
def test_unreadable_files(lake, stored, name):
    bad_files()
    with pytest.raises(UnreadableFile) as caught:
        ln.Artifact(name, key=f"k/{name}").save()
    assert name in str(caught.value)
    assert ln.Artifact.filter().count() == 0
    assert stored() == []


def test_bad_calls(lake):
    table = pa.table({"x": [1]})
    write("t.csv", "x\n1\n")
    for error, match, call in [
        (InvalidArgument, "path or an object", lambda: ln.Artifact()),
        (InvalidArgument, "needs a path", lambda: ln.Artifact(" ")),
        (InvalidArgument, "can't be made", lambda: ln.Artifact(3)),
        (InvalidArgument, "can't be made", lambda: ln.Artifact([1, 2], key="x.csv")),
        (InvalidArgument, "can't be made", lambda: ln.Artifact({"x": [1]})),
        (InconsistentKey, "suffix", lambda: ln.Artifact("t.csv", key="t.parquet")),
        (InconsistentKey, "suffix", lambda: ln.Artifact("t.csv", key="t")),
        (InconsistentKey, "suffix", lambda: ln.Artifact(table, key="t")),
        (InconsistentKey, "suffix", lambda: ln.Artifact(table, key="t.h5ad")),
        (InconsistentKey, "suffix", lambda: ln.Artifact(table, key="t.png")),
        (UnreadableFile, "no AnnData", lambda: ln.Artifact.from_anndata("t.csv", key="t.csv")),
        (UnreadableFile, "no directory", lambda: ln.Artifact.from_dir("t.csv")),
        (UnknownField, "suffix", lambda: ln.Artifact.filter(sufix=".csv").count()),
        (UnknownField, "foo", lambda: ln.Artifact.filter(size__foo=3).count()),
        (UnknownField, "ulabels", lambda: ln.Artifact.filter(ulabel__name="x").count()),
        (UnknownField, "root", lambda: ln.Artifact.filter(storage__rot="x").count()),
        (UnknownDtype, "float", lambda: ln.Feature(name="a", dtype="flot")),
        (UnknownDtype, "CellType", lambda: ln.Feature(name="a", dtype="cat[bionty.CellTyp]")),
        (InvalidArgument, "kind", lambda: ln.Artifact("t.csv", kind=3)),
        (InvalidArgument, "description", lambda: ln.Artifact("t.csv", description=["x"])),
        (InvalidArgument, "'r'", lambda: ln.Artifact("t.csv", key="t.csv").save().open("w")),
        (InvalidArgument, "engine", lambda: ln.Artifact.get(key="t.csv").open(engine="dask")),
    ]:
        with pytest.raises(error, match=match):
            call()
    assert ln.Artifact.filter().to_list("key") == ["t.csv"]


def test_missing_bytes_are_told(lake):
    artifact = ln.Artifact(write("t.csv", "x\n1\n"), key="t.csv").save()
    os.remove(artifact.path)
    with pytest.raises(LakehouseError, match=artifact.uid):
        artifact.load()
    with pytest.raises(LakehouseError, match=artifact.uid):
        ln.sql("SELECT * FROM dataset('t.csv')").fetchall()
    assert files_below(Path(lake.root) / MANAGED) == []

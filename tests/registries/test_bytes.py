"""What is read is what was saved: changed, cut short, missing and replaced bytes are noticed."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import lakehouse as ln
from lakehouse.config import settings
from lakehouse.errors import ContentChanged, InvalidArgument
from lakehouse.orm import Lake
from tests.registries.conftest import write

TABLE = pd.DataFrame({"x": [1, 2, 3], "y": ["a", "b", "c"]})


def _adata() -> ad.AnnData:
    obs = pd.DataFrame({"cell": ["a", "b"]}, index=["1", "2"])
    return ad.AnnData(np.ones((2, 1), "f4"), obs=obs, var=pd.DataFrame(index=["g"]))


def _folder(suffix: str = "") -> str:
    write(f"folder{suffix}/a.txt", "first")
    write(f"folder{suffix}/below/b.txt", "second")
    return f"folder{suffix}"


_KINDS = {
    "text": lambda: ("t.txt", write("t.txt", "some text")),
    "csv": lambda: ("t.csv", write("t.csv")),
    "parquet": lambda: ("t.parquet", TABLE),
    "h5ad": lambda: ("t.h5ad", _adata()),
    "zarr": lambda: ("t.zarr", _adata()),
    "folder": lambda: ("folder", _folder()),
}


def _file_in(path: Path) -> Path:
    """The file itself, or the largest one of a folder."""
    if not path.is_dir():
        return path
    return max((p for p in path.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


def _flip(file: Path) -> None:
    info = file.stat()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(data)
    os.utime(file, (info.st_atime + 5, info.st_mtime + 5))


def _with_bytes(file: Path, data: bytes) -> None:
    file.chmod(0o644)
    file.write_bytes(data)


def _link(file: Path) -> None:
    other = file.parent.parent / "another"
    other.write_bytes(b"\0" * file.stat().st_size)
    shutil.copystat(file, other)
    file.unlink()
    file.symlink_to(other)


_HARM = {
    "flipped": _flip,
    "truncated": lambda file: _with_bytes(file, file.read_bytes()[:-1]),
    "longer": lambda file: _with_bytes(file, file.read_bytes() + b"\n"),
    "empty": lambda file: _with_bytes(file, b""),
    "missing": lambda file: file.unlink(),
    "a link": _link,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    made = Lake.create(str(tmp_path_factory.mktemp("bytes") / "lake"))
    yield made
    made.close()


@pytest.fixture
def at_home(home, _as_found):
    with home:
        yield home


def _ways(artifact: ln.Artifact) -> dict:
    ways = {"cache": artifact.cache}
    if artifact.suffix != "":
        ways["load"] = artifact.load
    if artifact.otype is not None:
        ways["open"] = artifact.open
        ways["sql"] = lambda: ln.sql(f"SELECT * FROM dataset('{artifact.uid}')").fetchall()
    if artifact.otype == "DataFrame":
        ways["collection"] = lambda: ln.Collection.get(key=artifact.key).load()
        ways["diff"] = lambda: artifact.diff(ln.Artifact.get(key="other.csv"))
    return ways


@pytest.mark.slow
@pytest.mark.parametrize("kind", _KINDS)
def test_changed_bytes_are_noticed_by_all_who_read(at_home, kind):
    key, content = _KINDS[kind]()
    ln.Artifact(write("other.csv", "x\n7\n"), key="other.csv").save()
    for harm, damage in _HARM.items():
        artifact = ln.Artifact(content, key=f"{harm}/{key}", skip_hash_lookup=True).save()
        if artifact.otype == "DataFrame":
            ln.Collection([artifact], key=artifact.key, skip_hash_lookup=True).save()
        artifact = ln.Artifact.get(artifact.uid)
        for read in _ways(artifact).values():
            read()
        damage(_file_in(Path(artifact.path)))
        for how, read in _ways(artifact).items():
            with pytest.raises(ContentChanged) as error:
                read()
            told = str(error.value)
            assert artifact.uid in told, (harm, how)
            assert artifact.key in told
            assert str(artifact.path) in told
            assert "found" in told
            assert "expected" in told
            assert "backup" in told


@pytest.mark.parametrize("kind", ["text", "folder"])
def test_what_was_only_touched_is_read(at_home, kind):
    key, content = _KINDS[kind]()
    artifact = ln.Artifact(content, key=f"touched/{key}", skip_hash_lookup=True).save()
    os.utime(_file_in(Path(artifact.path)))
    assert artifact.cache() == artifact.path
    assert artifact.cache() == artifact.path
    file = _file_in(Path(artifact.path))
    copy = file.with_name(".copy")
    shutil.copyfile(file, copy)
    copy.replace(file)  # the same bytes, restored without their time
    assert artifact.cache() == artifact.path


def test_files_of_a_folder_that_swap_places(at_home):
    write("swap/a", "12")
    write("swap/b", "34")
    artifact = ln.Artifact("swap", key="swap").save()
    a, b = artifact.path / "a", artifact.path / "b"
    a.rename(artifact.path / "c")
    b.rename(a)
    (artifact.path / "c").rename(b)
    with pytest.raises(ContentChanged, match="hash"):
        artifact.cache()


def test_contents_that_swap_places(at_home):
    made = [ln.Artifact(write(f"{n}.txt", n), key=f"swapped/{n}.txt") for n in ("one", "two")]
    ln.save(made)
    assert {a.path.stat().st_size for a in made} == {3}
    first = made[0].path.rename(made[0].path.with_name("away"))
    made[1].path.rename(made[0].path)
    first.rename(made[1].path)
    for artifact in made:
        with pytest.raises(ContentChanged):
            artifact.load()


def test_a_change_that_keeps_size_and_time_is_found_by_hash(at_home, monkeypatch):
    artifact = ln.Artifact(write("k.txt", "kept"), key="k.txt").save()
    info = artifact.path.stat()
    _with_bytes(artifact.path, b"KEPT")
    os.utime(artifact.path, ns=(info.st_atime_ns, info.st_mtime_ns))
    monkeypatch.setattr(settings, "_verify", "hash")
    with pytest.raises(ContentChanged, match="hash"):
        artifact.load()


def test_the_setting(monkeypatch):
    monkeypatch.setattr(settings, "_verify", None)
    monkeypatch.setenv("LAKEHOUSE_VERIFY", "hash")
    assert ln.settings.verify == "hash"
    with pytest.raises(InvalidArgument, match="no such way"):
        ln.settings.verify = "never"


def test_nothing_is_hashed_that_nobody_touched(at_home, monkeypatch):
    made = [ln.Artifact(c, key=f"clean/{k}").save() for k, c in (f() for f in _KINDS.values())]
    many = ln.Artifact.from_dir(Path(write("run/a.csv", "q\n1\n")).parent).save()
    monkeypatch.setattr("lakehouse.storage.sameness.hash_path", None)
    for artifact in [*made, *many]:
        ln.Artifact.get(artifact.uid).cache()


def test_doubt_is_settled_once_for_all_processes(at_home, monkeypatch, tmp_path):
    artifact = ln.Artifact(write("d.txt", "doubtful"), key="d.txt").save()
    os.utime(artifact.path, (1, 1))
    artifact.load()
    monkeypatch.setattr("lakehouse.storage.sameness.hash_path", None)
    artifact.load()
    monkeypatch.setattr("lakehouse.storage.verified._SEEN", {})  # another process
    artifact.load()
    monkeypatch.undo()
    _with_bytes(artifact.path, b"DOUBTFUL")
    os.utime(artifact.path, (1, 1))  # the time of the last change can't be set back
    monkeypatch.setattr("lakehouse.storage.verified._SEEN", {})
    with pytest.raises(ContentChanged):
        artifact.load()


@pytest.mark.parametrize("kind", _KINDS)
def test_stored_files_are_read_only(at_home, kind):
    key, content = _KINDS[kind]()
    artifact = ln.Artifact(content, key=f"modes/{key}", skip_hash_lookup=True).save()
    files = [p for p in (artifact.path, *artifact.path.rglob("*")) if p.is_file()]
    assert files
    assert [p for p in files if stat.S_IMODE(p.stat().st_mode) & 0o222] == []
    if kind in ("text", "csv"):
        artifact.replace(write(f"new{artifact.suffix}", "x,y\n7,z\n"))
    elif kind == "folder":
        write("folder/a.txt", "third")
        artifact.replace("folder")
    else:
        artifact.replace(content[:2])
    artifact.save()
    artifact.cache()
    artifact.delete(permanent=True)
    assert not artifact.path.exists()


def test_content_is_not_opened_for_writing(at_home):
    artifact = ln.Artifact(_adata(), key="w.h5ad").save()
    for backed in (True, "r+"):
        with pytest.raises(InvalidArgument, match="in place"):
            artifact.load(backed=backed)
    with pytest.raises(InvalidArgument, match="reading"):
        artifact.open("r+")


def test_files_registered_in_place(at_home):
    path = Path(write(Path(at_home.root) / "mine/t.csv", "x\n1\n"))
    before = path.stat()
    artifact = ln.Artifact(path).save()
    assert artifact.load()["x"].tolist() == [1]
    after = path.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    path.write_text("x\n2\n")
    with pytest.raises(ContentChanged, match="new version"):
        artifact.load()
    second = ln.Artifact(path).save()
    assert (second.stem_uid, second.load()["x"].tolist()) == (artifact.stem_uid, [2])
    with pytest.raises(ContentChanged):
        artifact.load()


def test_replaced_content(at_home):
    for virtual in (True, False):
        key = f"replaced/{virtual}.txt"
        artifact = ln.Artifact(write("r.txt", key), key=key, key_is_virtual=virtual).save()
        artifact.replace(write("s.txt", f"new {key}"))
        assert artifact.load() == key
        artifact.save()
        assert ln.Artifact.get(key=key).load() == f"new {key}"
        artifact.description = "told later"
        artifact.save()
        assert ln.Artifact.get(key=key).load() == f"new {key}"


def test_a_copy_of_the_lake_without_times(at_home, tmp_path):
    artifact = ln.Artifact(write("c.txt", "copied"), key="c.txt").save()
    for command in ("cp -r", "cp -a"):
        there = tmp_path / command[-1]
        subprocess.run([*command.split(), at_home.root, there], check=True)
        with Lake.open(str(there)) as copied:
            found = copied.Artifact.get(artifact.uid)
            assert found.path.is_relative_to(there)
            assert found.load() == "copied"


def test_the_cached_copy_of_remote_content(at_home):
    far = ln.Storage(root="memory://bytes/data").save()
    for kind in ("text", "zarr"):
        key, content = _KINDS[kind]()
        made = ln.Artifact(content, key=f"far/{key}", storage=far, skip_hash_lookup=True).save()
        copy = made.cache()
        files = [p for p in (copy, *copy.rglob("*")) if p.is_file()]
        good = {p: p.read_bytes() for p in files}
        assert [p for p in files if stat.S_IMODE(p.stat().st_mode) & 0o222] == []
        for harm, damage in _HARM.items():
            damage(_file_in(copy))
            assert made.cache() == copy, harm
            assert {p: p.read_bytes() for p in files} == good, harm
            assert not any(p.is_symlink() for p in files)
        write(copy / "more", "x") if copy.is_dir() else None
        assert {p: p.read_bytes() for p in made.cache().rglob("*") if p.is_file()} == {
            p: b for p, b in good.items() if copy.is_dir()
        }


def test_remote_content_that_was_overwritten(at_home):
    far = ln.Storage(root="memory://bytes/other").save()
    made = ln.Artifact(write("f.txt", "far away"), key="f.txt", storage=far).save()
    made.path.write_text("FAR AWAY")
    with pytest.raises(ContentChanged, match=made.uid) as error:
        made.load()
    assert "'f.txt'" in str(error.value)
    made.path.unlink()
    with pytest.raises(ContentChanged, match="is gone"):
        made.load()


def test_no_stamp_lies_ahead(at_home):
    made = [ln.Artifact(write(f"{n}.txt", f"{n}"), key=f"ahead/{n}.txt") for n in range(20)]
    ln.save(made)
    assert max(a.path.stat().st_mtime for a in made) < min(a.path.stat().st_ctime for a in made)

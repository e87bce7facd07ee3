"""Local details: folders with links, replacing one kind by another, many files, the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse import storage
from lakehouse.errors import InvalidArgument, StorageError, UnreadableFile
from lakehouse.storage import CacheDir, hash_bytes, local
from lakehouse.storage.local import can_sync_at_once
from tests.storage.contract import make_folder


def test_links_are_followed(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "folder", {"a": b"1", "sub/b": b"2"})
    (folder / "c").symlink_to("a")
    (folder / "linked").symlink_to("sub")
    plain = make_folder(tmp_path / "p", {"a": b"1", "sub/b": b"2", "c": b"1", "linked/b": b"2"})
    assert storage.store(folder, tmp_path / "copy") == storage.hash_path(plain)
    assert not (tmp_path / "copy" / "c").is_symlink()


@pytest.mark.parametrize("what", ["a file", "a folder", "a link to a link"])
def test_links_that_lead_out_are_not_followed_by_copies(tmp_path: Path, what: str) -> None:
    folder = make_folder(tmp_path / "folder", {"a": b"1", "sub/b": b"2"})
    secret = make_folder(tmp_path / "secret", {"s": b"TOP SECRET"})
    target = secret if what == "a folder" else secret / "s"
    if what == "a link to a link":
        (tmp_path / "middle").symlink_to(target)
        target = tmp_path / "middle"
    (folder / "sub" / "out").symlink_to(target)
    with pytest.raises(UnreadableFile, match="symbolic link 'sub/out'"):
        storage.store(folder, tmp_path / "copy")
    with pytest.raises(UnreadableFile, match="leads out of itself"):
        storage.store_many([(folder, tmp_path / "copy")])
    assert not (tmp_path / "copy").exists()
    storage.hash_path(folder)  # nothing is copied: it stays where it is


def test_a_cycle_of_links_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "folder", {"sub/b": b"2"})
    (folder / "sub" / "up").symlink_to(folder)
    with pytest.raises(StorageError, match="cycle"):
        storage.hash_path(folder)


def test_empty_folders_do_not_count(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "folder", {"a": b"1"})
    before = storage.hash_path(folder)
    (folder / "empty").mkdir()
    assert storage.hash_path(folder) == before
    (tmp_path / "none").mkdir()
    assert storage.store(tmp_path / "none", tmp_path / "copy").n_files == 0


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.bin")).write_bytes(b"x")
    assert storage.store(folder, tmp_path / "copy") == storage.hash_path(tmp_path / "copy")


def test_a_file_and_a_folder_replace_each_other(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "folder", {"a": b"1"})
    (tmp_path / "file").write_bytes(b"f")
    for source in (tmp_path / "file", folder, tmp_path / "file", folder, folder):
        found = storage.store(source, tmp_path / "lake" / "k")
        assert storage.hash_path(tmp_path / "lake" / "k") == found
    assert os.listdir(tmp_path / "lake") == ["k"]


def test_the_root_is_never_removed() -> None:
    with pytest.raises(InvalidArgument, match="Refusing"):
        storage.remove("/")


def test_store_many_refuses_equal_targets(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    with pytest.raises(InvalidArgument, match="one target"):
        storage.store_many([(tmp_path / "a", tmp_path / "x"), (tmp_path / "a", tmp_path / "x")])
    with pytest.raises(InvalidArgument, match="mixed"):
        storage.store_many([(tmp_path / "a", tmp_path / "x"), (tmp_path / "a", "memory://x/y")])
    assert storage.store_many([]) == []


def test_store_many_with_separate_fsyncs_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(tmp_path / "src", {str(i): bytes([i]) * i for i in range(50)})
    pairs = [(tmp_path / "src" / str(i), tmp_path / "one" / str(i)) for i in range(50)]
    together = storage.store_many(pairs)
    monkeypatch.setattr("lakehouse.storage.local._SYNCFS_TRUSTED", set())
    assert not can_sync_at_once(str(tmp_path))
    pairs = [(source, tmp_path / "two" / target.name) for source, target in pairs]
    assert storage.store_many(pairs) == together
    assert storage.hash_path(tmp_path / "one") == storage.hash_path(tmp_path / "two")


def test_folder_hash_depends_on_names_and_places() -> None:
    def folder(files: dict[str, bytes]) -> str:
        hashed = ((n, storage.ContentHash(hash_bytes(c), len(c))) for n, c in files.items())
        return storage.hash_folder(hashed).hash

    variants = [{"a": b"1", "b": b"2"}, {"a": b"2", "b": b"1"}, {"a": b"1"}, {"x/a": b"1"}, {}]
    assert len({folder(one) for one in variants}) == len(variants)
    assert folder({"b": b"2", "a": b"1"}) == folder({"a": b"1", "b": b"2"})


def test_local_uris_need_no_cache(tmp_path: Path) -> None:
    cache = CacheDir(tmp_path / "cache")
    assert cache.fetch(str(tmp_path / "a"), "a", 1, "h") == tmp_path / "a"
    assert cache.fetch(f"file://{tmp_path}/a", "a", 1, "h") == tmp_path / "a"
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_two_processes_fill_one_cache(tmp_path: Path, s3_server) -> None:
    uri = "s3://lake/shared-cache"
    folder = make_folder(tmp_path / "folder", {f"{i}": bytes([i]) * 50_000 for i in range(20)})
    found = storage.store(folder, uri, options=s3_server.options)
    code = (
        "import sys; from lakehouse.storage import CacheDir, hash_path\n"
        "p = CacheDir(sys.argv[1]).fetch(sys.argv[2], 'f', int(sys.argv[3]), sys.argv[4])\n"
        "print(hash_path(p).hash)"
    )
    command = [
        sys.executable,
        "-c",
        code,
        str(tmp_path / "cache"),
        uri,
        str(found.size),
        found.hash,
    ]
    env = dict(os.environ) | s3_server.env
    processes = [
        subprocess.Popen(
            command, env=env, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [process.communicate()[0].strip() for process in processes] == [found.hash] * 2
    assert os.listdir(tmp_path / "cache" / found.hash) == ["f"]


def test_local_work_loads_no_heavy_package() -> None:
    code = (
        "import sys; from lakehouse import storage\n"
        "storage.StorageLocation('/x').uri('a'); storage.hash_path(sys.executable)\n"
        "print([m for m in ('fsspec','upath','s3fs','botocore','rich','pyarrow') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "[]"


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(RuntimeError), local.appearing(path) as temp:
        temp.write_text("ha")
        raise RuntimeError
    assert path.read_text() == "old"
    with local.appearing(path) as temp:
        temp.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["report.html"]
    with pytest.raises(StorageError, match="missing"), local.appearing(tmp_path / "missing" / "x"):
        pass

"""What every storage backend must do; backends inherit it."""

from __future__ import annotations

import hashlib
import os
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest

from lakehouse import storage
from lakehouse.errors import StorageError
from lakehouse.storage import CacheDir, ContentHash, StorageLocation
from lakehouse.storage.remote import ONE_PUT

FOLDER = {"a.txt": b"alpha", "sub/b.bin": b"\0\1\2", "sub/deep/ü.txt": b"", "z": b"omega" * 1000}


def expected_hash(content: bytes) -> str:
    """The documented hash, computed independently."""
    digest = hashlib.blake2b(content, digest_size=16).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")


def make_folder(path: Path, files: dict[str, bytes] = FOLDER) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


class StorageContract:
    """Inherit, and override the `location` fixture."""

    @pytest.fixture
    def location(self, tmp_path: Path) -> StorageLocation:
        raise AssertionError("a backend's tests override this fixture")

    @pytest.fixture
    def opts(self, location: StorageLocation) -> dict[str, Any]:
        return dict(location.options)

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        path = tmp_path / "source.bin"
        path.write_bytes(b"hello lake")
        return path

    def names(self, location: StorageLocation) -> list[str]:
        """Every file in the location, temporary ones included."""
        if not storage.exists(location.root, options=location.options):
            return []
        fs = location.path("x").fs
        fs.invalidate_cache()
        return sorted(fs.find(location.path("x").parent.path))

    def test_store_returns_documented_hash(self, location, source, opts) -> None:
        found = storage.store(source, location.uri("x/y.bin"), options=opts)
        assert found == ContentHash(expected_hash(b"hello lake"), 10, None)
        assert location.path("x/y.bin").read_bytes() == b"hello lake"
        assert len(self.names(location)) == 1

    def test_empty_file(self, location, tmp_path, opts) -> None:
        (tmp_path / "empty").write_bytes(b"")
        found = storage.store(tmp_path / "empty", location.uri("empty"), options=opts)
        assert found == ContentHash(expected_hash(b""), 0, None)
        assert storage.hash_path(location.uri("empty"), options=opts) == found

    @pytest.mark.slow
    def test_large_file_in_parts(self, location, tmp_path, opts) -> None:
        content = secrets.token_bytes(1 << 20) * 41 + b"tail"
        assert len(content) > ONE_PUT
        (tmp_path / "large").write_bytes(content)
        done: list[int] = []
        found = storage.store(
            tmp_path / "large", location.uri("large"), options=opts, progress=done.append
        )
        assert found == ContentHash(expected_hash(content), len(content), None)
        assert sum(done) == len(content)
        assert storage.hash_path(location.uri("large"), options=opts) == found

    def test_folder_hash_is_equal_everywhere(self, location, tmp_path, opts) -> None:
        folder = make_folder(tmp_path / "folder")
        found = storage.store(folder, location.uri("copy"), options=opts)
        lines = b"".join(
            f"{name}\0{expected_hash(content)}\0{len(content)}\n".encode()
            for name, content in sorted(FOLDER.items())
        )
        size = sum(map(len, FOLDER.values()))
        assert found == ContentHash(expected_hash(lines), size, len(FOLDER))
        assert storage.hash_path(folder) == found
        assert storage.hash_path(location.uri("copy"), options=opts) == found
        assert storage.stat_size(location.uri("copy"), options=opts) == size

    def test_storing_again_replaces(self, location, source, tmp_path, opts) -> None:
        storage.store(source, location.uri("k"), options=opts)
        source.write_bytes(b"new")
        storage.store(source, location.uri("k"), options=opts)
        assert location.path("k").read_bytes() == b"new"

    def test_storing_a_folder_again_leaves_no_stale_file(self, location, tmp_path, opts) -> None:
        storage.store(make_folder(tmp_path / "one"), location.uri("k"), options=opts)
        two = make_folder(tmp_path / "two", {"a.txt": b"other", "new/x": b"x"})
        found = storage.store(two, location.uri("k"), options=opts)
        assert storage.hash_path(location.uri("k"), options=opts) == found
        assert len(self.names(location)) == 2

    def test_store_many(self, location, tmp_path, opts) -> None:
        make_folder(tmp_path / "src", {f"{i}.txt": b"%d" % i for i in range(40)})
        pairs = [(tmp_path / f"src/{i}.txt", location.uri(f"m/{i % 3}/{i}")) for i in range(40)]
        pairs.append((make_folder(tmp_path / "folder"), location.uri("m/folder")))
        found = storage.store_many(pairs, options=opts)
        assert [one.hash for one in found[:40]] == [expected_hash(b"%d" % i) for i in range(40)]
        assert found[40] == storage.hash_path(location.uri("m/folder"), options=opts)
        assert location.path("m/1/7").read_bytes() == b"7"
        assert len(self.names(location)) == 40 + len(FOLDER)

    def test_store_many_keeps_nothing_when_one_fails(
        self, location, source, tmp_path, opts
    ) -> None:
        storage.store(source, location.uri("keep"), options=opts)
        pairs = [(source, location.uri(f"n{i}")) for i in range(20)]
        dangling = make_folder(tmp_path / "folder")
        (dangling / "sub" / "gone").symlink_to(tmp_path / "nowhere")
        with pytest.raises(StorageError, match="gone"):
            storage.store_many([*pairs, (dangling, location.uri("d"))], options=opts)
        calls: list[int] = []

        def stop_late(n: int) -> None:
            calls.append(n)
            if len(calls) == 12:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            storage.store_many(pairs, options=opts, workers=2, progress=stop_late)
        assert len(calls) >= 12
        assert [name.rpartition("/")[2] for name in self.names(location)] == ["keep"]

    def test_a_source_that_cannot_be_read_leaves_nothing(self, location, tmp_path, opts) -> None:
        with pytest.raises(StorageError, match=r"missing\.bin"):
            storage.store(tmp_path / "missing.bin", location.uri("k"), options=opts)
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(StorageError, match="pipe"):
            storage.store(tmp_path / "pipe", location.uri("k"), options=opts)
        assert self.names(location) == []

    @pytest.mark.parametrize("size", [1000, ONE_PUT + 1])
    def test_a_failure_halfway_leaves_nothing(self, location, tmp_path, opts, size) -> None:
        (tmp_path / "f").write_bytes(bytes(size))

        def stop(_: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            storage.store(tmp_path / "f", location.uri("k"), options=opts, progress=stop)
        assert self.names(location) == []
        assert not storage.exists(location.uri("k"), options=opts)

    def test_move_in(self, location, source, tmp_path, opts) -> None:
        found = storage.move_in(source, location.uri("a/moved"), options=opts)
        assert found.hash == expected_hash(b"hello lake")
        assert not source.exists()
        assert location.path("a/moved").read_bytes() == b"hello lake"
        folder = make_folder(tmp_path / "folder")
        known = storage.hash_path(folder)
        assert storage.move_in(folder, location.uri("f"), known=known, options=opts) == known
        assert not folder.exists()
        assert storage.hash_path(location.uri("f"), options=opts) == known

    def test_remove_and_exists(self, location, source, tmp_path, opts) -> None:
        storage.store(source, location.uri("d/one"), options=opts)
        storage.store(make_folder(tmp_path / "folder"), location.uri("d/two"), options=opts)
        assert storage.exists(location.uri("d/one"), options=opts)
        assert storage.exists(location.uri("d/two"), options=opts)
        assert not storage.exists(location.uri("d/three"), options=opts)
        assert storage.remove(location.uri("d/one"), options=opts)
        assert storage.remove(location.uri("d/two"), options=opts)
        assert not storage.remove(location.uri("d/two"), options=opts)
        assert self.names(location) == []

    def test_cache_fetch(self, location, source, tmp_path, opts) -> None:
        cache = CacheDir(tmp_path / "cache")
        found = storage.store(source, location.uri("d/one.txt"), options=opts)
        path = cache.fetch(
            location.uri("d/one.txt"), "d/one.txt", found.size, found.hash, options=opts
        )
        assert path.read_bytes() == b"hello lake"
        assert path.name == "one.txt"
        stamp = path.stat().st_mtime_ns
        again = cache.fetch(
            location.uri("d/one.txt"), "d/one.txt", found.size, found.hash, options=opts
        )
        assert (again, again.stat().st_mtime_ns) == (path, stamp)

    def test_cache_fetches_folders(self, location, tmp_path, opts) -> None:
        uri = location.uri("f.zarr")
        found = storage.store(make_folder(tmp_path / "folder"), uri, options=opts)
        cache = CacheDir(tmp_path / "cache")
        path = cache.fetch(uri, "f.zarr", found.size, found.hash, options=opts)
        assert storage.hash_path(path) == found

    def test_upath_carries_its_options(self, location, source) -> None:
        storage.store(source, location.path("u"))
        assert storage.exists(location.path("u"))
        assert storage.hash_path(location.path("u")).size == 10
        assert storage.remove(location.path("u"))

    def test_location_contains(self, location) -> None:
        assert location.contains(location.uri("a/b.txt")) == "a/b.txt"
        assert location.contains(location.path("a/b.txt")) == "a/b.txt"
        assert location.contains(location.root) is None
        assert location.contains(location.root + "-other/x") is None
        assert location.contains("gs://elsewhere/x") is None

"""The storage contract on every backend."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import pytest

from lakehouse import storage
from lakehouse.errors import NoWriteAccess, StorageError
from lakehouse.storage import CacheDir, StorageLocation
from tests.services import BUCKET, S3Server
from tests.storage.contract import StorageContract


class TestLocal(StorageContract):
    @pytest.fixture
    def location(self, tmp_path: Path) -> StorageLocation:
        return StorageLocation(str(tmp_path / "lake"))

    def test_move_in_across_file_systems(self, location, source) -> None:
        shared = Path("/dev/shm")
        if not shared.is_dir() or shared.stat().st_dev == source.stat().st_dev:
            pytest.skip("the machine has one file system only")
        other = shared / f"lakehouse-{secrets.token_hex(6)}"
        try:
            shutil.copy(source, other)
            storage.move_in(other, location.uri("moved"))
            assert not other.exists()
            assert location.path("moved").read_bytes() == b"hello lake"
        finally:
            other.unlink(missing_ok=True)


class TestMemory(StorageContract):
    @pytest.fixture
    def location(self) -> StorageLocation:
        return StorageLocation(f"memory://{secrets.token_hex(6)}")


@pytest.mark.slow
class TestS3(StorageContract):
    @pytest.fixture
    def location(self, s3_server: S3Server) -> StorageLocation:
        return StorageLocation(f"s3://{BUCKET}/{secrets.token_hex(6)}", s3_server.options)

    def test_refused_credentials(self, location, source, opts) -> None:
        with pytest.raises(NoWriteAccess, match="credentials"):
            storage.store(source, location.uri("k"), options=opts | {"secret": "wrong"})
        assert self.names(location) == []

    def test_unreachable_endpoint(self, location, source, opts) -> None:
        away = opts | {
            "endpoint_url": "http://127.0.0.1:9",
            "config_kwargs": {"retries": {"max_attempts": 1}},
        }
        with pytest.raises(StorageError, match=r"127\.0\.0\.1:9"):
            storage.store(source, location.uri("k"), options=away)

    def test_options_from_the_environment(self, s3_server, source, monkeypatch) -> None:
        for name, value in s3_server.env.items():
            monkeypatch.setenv(name, value)
        location = StorageLocation(f"s3://{BUCKET}/env-{secrets.token_hex(6)}")
        storage.store(source, location.uri("k"))
        assert location.path("k").read_bytes() == b"hello lake"

    def test_cache_refuses_overwritten_content(self, location, source, opts, tmp_path) -> None:
        found = storage.store(source, location.uri("k"), options=opts)
        source.write_bytes(b"HELLO LAKE")
        storage.store(source, location.uri("k"), options=opts)
        cache = CacheDir(tmp_path / "cache")
        with pytest.raises(StorageError, match="not what was stored"):
            cache.fetch(location.uri("k"), "k", found.size, found.hash, options=opts)
        assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []

    def test_a_whole_bucket_is_never_removed(self, opts) -> None:
        with pytest.raises(ValueError, match="bucket"):
            storage.remove(f"s3://{BUCKET}", options=opts)

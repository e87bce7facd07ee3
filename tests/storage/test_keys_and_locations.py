"""Keys, URIs and locations."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import InvalidArgument, InvalidKey
from lakehouse.storage import StorageLocation, check_key


@pytest.mark.parametrize("key", ["a", "a/b.parquet", "ü/日本.csv", "a b/c", ".hidden", "a..b", "…"])
def test_good_keys(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "./a", "a/./b"),
        *("a\\b", "..\\a", "a\0b", "a\nb", "\x7f", "~/a", "s3://b/k", "file:///etc/passwd"),
        *("a" * 1025, "ü" * 513, "\udcff", None, 3, b"a", Path("a")),
    ],
)
def test_bad_keys(key: object) -> None:
    with pytest.raises(InvalidKey, match="key"):
        check_key(key)  # type: ignore[arg-type]


@given(st.text(max_size=40))
def test_an_accepted_key_stays_in_its_location(key: str) -> None:
    location = StorageLocation("/lake/root")
    try:
        uri = location.uri(key)
    except InvalidKey:
        return
    assert os.path.normpath(uri) == uri
    assert uri.startswith("/lake/root/")
    assert location.contains(uri) == key


@pytest.mark.parametrize(
    ("root", "normal", "kind"),
    [
        ("/data/lake/", "/data/lake", "local"),
        ("/data/../lake", "/lake", "local"),
        ("file:///data/la%20ke", "/data/la ke", "local"),
        ("s3://bucket/prefix/", "s3://bucket/prefix", "s3"),
        ("S3A://bucket", "s3://bucket", "s3"),
        ("gcs://bucket/x", "gs://bucket/x", "gs"),
        ("memory://x", "memory://x", "memory"),
        ("/", "/", "local"),
    ],
)
def test_roots_are_normalised(root: str, normal: str, kind: str) -> None:
    location = StorageLocation(root)
    assert (location.root, location.type) == (normal, kind)
    assert location.contains(location.uri("k/x")) == "k/x"


def test_relative_roots_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert StorageLocation("lake").root == str(tmp_path / "lake")
    assert StorageLocation(Path("lake")).root == str(tmp_path / "lake")  # type: ignore[arg-type]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert StorageLocation("~/lake").root == str(tmp_path / "lake")


@pytest.mark.parametrize("root", ["", "  ", None, 3])
def test_bad_roots(root: object) -> None:
    with pytest.raises(InvalidArgument, match="storage location"):
        StorageLocation(root)  # type: ignore[arg-type]


def test_unknown_scheme(tmp_path: Path) -> None:
    from lakehouse import storage

    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(InvalidArgument, match="nosuchscheme"):
        storage.store(tmp_path / "f", "nosuchscheme://x/y")


def test_contains_sees_through_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert StorageLocation(str(tmp_path / "link")).contains(tmp_path / "real" / "a") == "a"
    assert StorageLocation(str(tmp_path / "real")).contains(tmp_path / "link" / "a") == "a"
    assert StorageLocation(str(tmp_path / "real")).contains(tmp_path / "a") is None


def test_secrets_are_not_shown() -> None:
    assert "hush" not in repr(StorageLocation("s3://b/p", {"secret": "hush"}))

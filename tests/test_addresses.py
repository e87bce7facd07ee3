"""What an address is, and that its credentials are neither stored nor told."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.engine.catalog.place import own_catalog, server_of, within
from lakehouse.engine.catalog.postgres_url import PostgresUrl
from lakehouse.errors import InvalidArgument, LakehouseError, StorageError
from lakehouse.formats import suffix_of
from lakehouse.io.uris import (
    end_of,
    is_chain,
    is_remote,
    is_uri,
    local_path,
    name_of,
    normal,
    parsed,
    root_of,
)
from lakehouse.storage import StorageLocation
from lakehouse.text.redaction import redacted, without_credentials

SECRET = st.text(string.ascii_letters + string.digits + "-_.~+%", min_size=6, max_size=20).map(
    lambda text: f"Xy{text}9Zq"
)
NAMES = [
    "token", "access_token", "sig", "X-Amz-Signature", "X-Amz-Credential", "X-Goog-Signature",
    "AWSAccessKeyId", "api_key", "apikey", "password", "client_secret", "Signature", "key", "jwt",
    "%74oken",
]  # fmt: skip


@st.composite
def planted(draw):
    """An address with secrets in it, and the secrets."""
    scheme = draw(st.sampled_from(["https", "http", "s3", "gs", "memory", "postgresql"]))
    login, query, secrets = "", "", []
    if draw(st.booleans()):
        secrets.append(draw(SECRET))
        login = f"{draw(st.sampled_from(['bob', 'AKIAXYZ', '']))}:{secrets[-1]}@"
    pairs = []
    for name in draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True)):
        secrets.append(draw(SECRET))
        pairs.append(f"{name}={secrets[-1]}")
    if pairs:
        query = "?" + "&".join(["v=2", *pairs])
    return f"{scheme}://{login}host.org/a/b.csv{query}", secrets


@given(planted())
def test_secrets_are_neither_stored_nor_told(case):
    uri, secrets = case
    stored = without_credentials(uri)
    told = [stored, redacted(uri), redacted(f"Could not read '{uri}': no answer, url={uri}")]
    told.append(str(StorageError(f"Could not read {uri!r}.", found=uri, hint=f"see {uri}")))
    told.append(repr(LakehouseError(uri)))
    if not uri.startswith("postgresql"):
        told += [normal(uri), repr(parsed(uri)), root_of(uri), repr(StorageLocation(uri))]
    assert not [(s, t) for s in secrets for t in told if s in t]
    assert "host.org/a/b.csv" in stored
    assert without_credentials(stored) == stored
    assert redacted(redacted(uri)) == redacted(uri)


@pytest.mark.parametrize(
    ("uri", "stored"),
    [
        ("s3://AKIA:ab/c+d@bucket/data", "s3://bucket/data"),  # a secret with a slash in it
        ("s3://bucket/file@1.csv", "s3://bucket/file@1.csv"),
        ("https://host/@user/page?id=5#top", "https://host/@user/page?id=5#top"),
        ("https://host/x#access_token=abc", "https://host/x"),
        ("https://host/x?to=https%3A%2F%2Fbob%3Apw%40h", "https://host/x"),
        ("abfs://container@account.dfs.core.windows.net/x",) * 2,
        ("postgresql://bob:pw@host/db?sslmode=require", "postgresql://bob@host/db?sslmode=require"),
        ("see https://bob:pw@host/a and https://h/b?token=c", "see https://host/a and https://h/b"),
        ("no address: a=b, token=c", "no address: a=b, token=c"),
    ],
)
def test_what_is_kept_of_an_address(uri, stored):
    assert without_credentials(uri) == stored


@pytest.mark.parametrize(
    "message",
    [
        "name another database: db='postgresql://user@host/name'",
        "password authentication failed for user 'bob'",
        "The token of this cell is missing: key=value",
        "a Basic information of things, Bearer x",
    ],
)
def test_plain_messages_stay_as_they_are(message):
    assert redacted(message) == message


@pytest.mark.parametrize(
    "root",
    [
        "reference::file:///tmp/evil.json", "simplecache::s3://bucket/x", "zip://a::/tmp/x.zip",
        "filecache::/etc/passwd", "s3://bucket/x::file:///etc/passwd", "reference:///x.json",
        "dir://x", "jupyter://host/x", "github://org:repo@main/x", "sftp://host/x", "ssh://host/x",
        "smb://host/x", "hdfs://host/x", "ftp://host/x", "data://x", "libarchive://x",
        "s3://bucket/a\nb", "folder\x1b[31m", "folder\0", "file://other.host/etc", "dask://x",
    ],
)  # fmt: skip
def test_roots_that_are_refused(root):
    for read in (root_of, StorageLocation):
        with pytest.raises(InvalidArgument) as error:
            read(root)
        assert str(error.value).isprintable() or "\n" in str(error.value)
        assert "\x1b" not in str(error.value)


def test_roots_that_are_read(monkeypatch, tmp_path):
    assert root_of("s3a://bucket/x/") == "s3://bucket/x"
    assert root_of("gcs://bucket") == "gs://bucket"
    assert root_of(f"file://{tmp_path}/a%20b") == f"{tmp_path}/a b"
    assert root_of("https://host/data?token=x&v=2") == "https://host/data"
    assert root_of("s3://bucket/a?token=x&y=z") == "s3://bucket/a"
    assert root_of("s3://bucket/a?b") == "s3://bucket/a?b"
    assert local_path("file://localhost/x") == "/x"
    assert not is_remote("/data/x://y")
    assert is_remote("http://[::1]:80/x")
    assert parsed("http://[::1]:80/x").text == "http://[::1]:80/x"
    monkeypatch.setenv("LAKEHOUSE_PROTOCOLS", "hdfs, oci")
    assert root_of("hdfs://host/x") == "hdfs://host/x"


def test_queries_are_no_suffixes():
    signed = "https://host/a/b.csv.gz?X-Amz-Signature=a/b.c&x=y.parquet"
    assert suffix_of(signed) == ".csv.gz"
    assert suffix_of("s3://bucket/a.csv?versionId=1.2") == ".csv"
    assert suffix_of("https://host/a.h5ad#part.csv") == ".h5ad"
    assert suffix_of("folder/a?b.csv") == ".csv"  # a name on this machine
    assert name_of(signed) == "b.csv.gz"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/db?passfile=/home/x/.pgpass", "postgresql://host/db?service=prod",
        "postgresql://host/db?options=-csearch_path%3Dx", "postgresql://host/db?hostaddr=10.0.0.1",
        "postgresql://host/db?sslkey=/home/x/key", "postgresql://host/db?sslcert=/home/x/cert",
        "postgresql://host/db?host=evil", "postgresql://host:1/db?port=2",
        "postgresql://host/db?dbname=other", "postgresql://me@host/db?user=you",
        "postgresql://host/db?sslmode=x&sslmode=y", "postgresql://host/db#x",
        "postgresql://host/d\nb", "postgresql://host:port/db", "postgresql://a:b:c/db",
        "mysql://host/db", "postgresql+asyncpg://host/db", "sqlite://", "sqlite:///a\0b", "", "x",
    ],
)  # fmt: skip
def test_database_urls_that_are_refused(url):
    with pytest.raises(InvalidArgument) as error:
        server_of(url)
    assert "/home/x" not in str(error.value)


def test_database_urls_that_are_read(tmp_path):
    plain = PostgresUrl.parse(
        "postgresql+psycopg://me:pw@DB.lab:6000/lakes?schema=a&sslmode=require"
    )
    assert (plain.server, plain.schema, plain.has_password) == (
        "postgresql://db.lab:6000",
        "a",
        True,
    )
    assert "pw" not in repr(plain)
    socket = PostgresUrl.parse("postgresql://postgres:@/lakes?host=/run/pg")
    assert (socket.server, socket.has_password) == ("postgresql:///run/pg:5432", False)
    assert server_of(f"sqlite:///{tmp_path}/../x.db") == f"sqlite:///{tmp_path.parent}/x.db"
    root = str(tmp_path / "lake")
    assert within(root, own_catalog(root))
    assert not within(root, f"sqlite:///{root}/../other/catalog.db")
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake/link.db").symlink_to(tmp_path / "elsewhere.db")
    assert not within(root, f"sqlite:///{root}/link.db")


@pytest.mark.parametrize(
    ("path", "remote", "chain"),
    [
        ("/data/x", False, False),
        ("C:\\x", False, False),
        ("a::b.csv", False, False),
        ("FILE:///x", False, False),
        ("local:///x", False, False),
        ("HTTP://host/x", True, False),
        ("http://[::1]/x", True, False),
        ("simplecache::https://host/x", True, True),
        ("zip://a::/x.zip", True, True),
    ],
)
def test_what_is_an_address(path, remote, chain):
    assert (is_remote(path), is_chain(path)) == (remote, chain)
    assert is_uri(path) == ("://" in path and not path.startswith("simplecache"))
    assert end_of(path) == (path if not chain else path.rpartition("::")[2])

"""Artifacts in an object store."""

from __future__ import annotations

import secrets
from pathlib import Path

import pyarrow as pa
import pytest

import lakehouse as ln
from lakehouse import storage
from lakehouse.errors import ContentChanged
from tests.services import BUCKET, seaweedfs

pytestmark = pytest.mark.slow  # a server of its own, and uploads


@pytest.fixture(scope="module")
def s3_server():
    with seaweedfs() as server:
        yield server


@pytest.fixture
def place(lake, s3_server, monkeypatch):
    for name, value in s3_server.env.items():
        monkeypatch.setenv(name, value)
    return ln.Storage(root=f"s3://{BUCKET}/{secrets.token_hex(6)}").save()


def write(name, text):
    with open(name, "w") as file:
        file.write(text)
    return name


def test_save_load_delete(place, stored):
    assert place.type == "s3"
    artifact = ln.Artifact(write("t.csv", "x\n1\n2\n"), key="t.csv", storage=place).save()
    again = ln.Artifact.get(key="t.csv")
    assert stored() == []
    assert again.path.read_text() == "x\n1\n2\n"
    assert again.hash == storage.hash_path("t.csv").hash
    assert again.load()["x"].tolist() == [1, 2]
    assert again.open().to_table().num_rows == 2
    assert ln.sql("SELECT sum(x) FROM dataset('t.csv')").fetchall() == [(3,)]
    assert ln.Artifact("t.csv", key="t.csv") == artifact
    table = ln.Artifact(pa.table({"y": [1]}), key="u.parquet", storage=place).save()
    table.replace(pa.table({"y": [1, 2]}))
    table.save()
    assert ln.Artifact.get(key="u.parquet").load()["y"].tolist() == [1, 2]
    uri = str(artifact.path)
    artifact.delete(permanent=True)
    assert not storage.exists(uri)


def test_in_place_and_by_real_key(place):
    real = ln.Artifact(
        write("r.csv", "x\n1\n"), key="deep/r.csv", storage=place, key_is_virtual=False
    ).save()
    assert str(real.path) == f"{place.root}/deep/r.csv"
    real.replace(write("s.csv", "x\n1\n2\n"))
    real.save()
    assert ln.Artifact.get(key="deep/r.csv").load()["x"].tolist() == [1, 2]
    storage.store("r.csv", f"{place.root}/raw/p.csv")
    artifact = ln.Artifact(f"{place.root}/raw/p.csv").save()
    assert (artifact.key, artifact.n_observations) == ("raw/p.csv", 1)
    assert ln.Artifact(f"{place.root}/raw/p.csv").save() == artifact


def test_rollback_and_bulk(place):
    made = [ln.Artifact(write(f"{i}.txt", str(i)), key=f"{i}.txt", storage=place) for i in range(3)]

    def fail():
        with ln.transaction(message="fails"):
            ln.save(made)
            assert all(storage.exists(str(a.path)) for a in made)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert not any(storage.exists(str(a.path)) for a in made)
    ln.save(made)
    assert [a.load() for a in made] == ["0", "1", "2"]


def forget_copies():
    """The cache as another machine has it."""
    for path in sorted(Path(ln.settings.cache_dir).rglob("*"), reverse=True):
        path.chmod(0o700)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


READS = {
    "load": lambda a: a.load(),
    "cache": lambda a: a.cache(),
    "open": lambda a: a.open(),
    "polars": lambda a: a.open(engine="polars").__enter__(),
    "sql": lambda a: ln.sql(f"SELECT * FROM dataset('{a.key}')").fetchall(),
}


@pytest.mark.slow
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_an_object_that_others_replaced_by_as_many_bytes(place, s3_server, read):
    """Its entity tag differs, but nobody needs to ask: what is read is hashed, whoever reads."""
    key = f"{secrets.token_hex(4)}.csv"
    artifact = ln.Artifact(write("t.csv", "x\n1\n2\n"), key=key, storage=place).save()
    uri = str(artifact.path)
    storage.store(write("u.csv", "x\n3\n4\n"), uri)  # as many bytes
    forget_copies()
    with pytest.raises(ContentChanged, match=key) as caught:
        read(artifact)
    assert "content hash" in str(caught.value)
    assert [p for p in Path(ln.settings.cache_dir).rglob("*.csv") if "3" in p.read_text()] == []
    storage.store("t.csv", uri)
    read(artifact)
    storage.store("u.csv", uri)
    # a copy of what was saved is that, whatever the object is now
    read(artifact)
    assert artifact.load()["x"].tolist() == [1, 2]
    copy = artifact.cache()
    copy.chmod(0o600)
    copy.write_text("x\n5\n6\n")
    with pytest.raises(ContentChanged, match=key):  # it is fetched again, and is another now
        read(artifact)


@pytest.mark.slow
def test_an_object_of_a_folder_that_others_replaced(place):
    Path("parts").mkdir()
    for i in range(3):
        write(f"parts/{i}.txt", f"part {i}")
    artifact = ln.Artifact("parts", key="parts", storage=place).save()
    forget_copies()
    storage.store(write("other.txt", "PART 1"), f"{artifact.path}/1.txt")
    with pytest.raises(ContentChanged, match="parts"):
        artifact.cache()
    storage.store("parts/1.txt", f"{artifact.path}/1.txt")
    assert (artifact.cache() / "1.txt").read_text() == "part 1"

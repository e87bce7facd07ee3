"""Artifacts in an object store."""

from __future__ import annotations

import os
import secrets
import time

import pyarrow as pa
import pytest

import lakehouse as ln
from lakehouse import storage
from lakehouse.errors import ContentChanged
from lakehouse.orm import Lake, health
from tests.services import BUCKET, seaweedfs


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


def overwrite(path, data):
    """Put other bytes at the place of an artifact, as a script beside the lake might."""
    with open("other", "wb") as file:
        file.write(data)
    storage.store("other", str(path))


def test_changed_objects_are_noticed(place):
    harms = {
        "flipped": lambda path, good: overwrite(path, bytes([good[0] ^ 1]) + good[1:]),
        "truncated": lambda path, good: overwrite(path, good[:-1]),
        "longer": lambda path, good: overwrite(path, good + b"0"),
        "missing": lambda path, good: storage.remove(str(path)),
    }
    for harm, damage in harms.items():
        text = f"x\n1\n2\n{len(harm)}\n"
        key = f"{harm}.csv"
        made = ln.Artifact(write("h.csv", text), key=key, storage=place).save()
        cached = ln.Artifact(write("h.csv", f"{text}3\n"), key=f"c/{key}", storage=place).save()
        good = cached.cache().read_text()
        for artifact in (made, cached):
            damage(artifact.path, artifact.path.read_bytes())
        artifact = ln.Artifact.get(made.uid)
        for read in (artifact.load, artifact.cache, artifact.open):
            with pytest.raises(ContentChanged, match=made.uid):
                read()
        # what is cached is what was saved; a copy that somebody changed isn't believed
        assert cached.cache().read_text() == good
        copy = cached.cache()
        copy.chmod(0o644)
        copy.write_text("y\n9\n")
        with pytest.raises(ContentChanged, match=cached.uid):
            cached.load()
        overwrite(cached.path, good.encode())
        assert cached.cache().read_text() == good


def test_bytes_that_a_tag_names_are_swept_when_no_tag_does(lake, place):
    kept = ln.Artifact(write("k.txt", "kept"), key="k.txt", storage=place).save()
    lake.tag("paper")
    kept.delete(permanent=True)
    left = f"{place.root}/.lakehouse/artifacts/left.txt"
    storage.store(write("left.txt", "a killed writer's"), left)
    deadline = time.monotonic() + 10
    while lake.gc(keep=1, min_age=0).orphans != (left,):  # the store tells whole seconds
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert lake.at("paper").Artifact.get(key="k.txt").load() == "kept"
    lake.engine.delete_tag("paper")
    assert lake.gc(keep=1, min_age=0).orphans == (str(kept.path),)
    assert not storage.exists(str(kept.path))


@pytest.fixture
def far(s3_server, monkeypatch, tmp_path):
    """A lake in the bucket, with its catalog here."""
    for name, value in s3_server.env.items():
        monkeypatch.setenv(name, value)
    root = f"s3://{BUCKET}/{secrets.token_hex(6)}/lake"
    with Lake.create(root, db=f"sqlite:///{tmp_path}/far.db") as made:
        made.save([made.ULabel(name=f"label {i}") for i in range(10)])
        yield made


def _at(lake, action, **options):
    site = health.site_at(lake.root)
    try:
        return action(site, **options)
    finally:
        site.close()


def test_check_and_repair_in_a_bucket(far):
    os.mkdir("folder")
    write("folder/a", "first")
    write("folder/b", "second")
    made = [far.Artifact(write(f"{i}.txt", f"content {i}"), key=f"{i}.txt") for i in range(2)]
    far.save(made)
    folder = far.Artifact("folder", key="folder").save()
    label = far.ULabel.get(name="label 3")
    label.description = "changed"
    label.save()
    report = _at(far, health.check, deep=True)
    assert report.ok, str(report)
    assert report.notes == []
    assert report.checked["artifacts"] == 3
    overwrite(made[0].path, b"CONTENT 0")
    overwrite(made[1].path, b"short")
    storage.remove(f"{folder.path}/a")
    data = far.state.version("ulabel").entries[0].path
    good = far.engine._files.read(data)
    overwrite(data, good[:50] + bytes([good[50] ^ 1]) + good[51:])
    found = {d.what.partition(" (")[0]: d.kind for d in _at(far, health.check, deep=True).damages}
    assert found == {
        f"artifact {made[0].uid}": "changed",
        f"artifact {made[1].uid}": "truncated",
        f"artifact {folder.uid}": "truncated",
        data: "changed",
    }
    for artifact, text in zip(made, (b"content 0", b"content 1"), strict=True):
        overwrite(artifact.path, text)
    storage.store("folder/a", f"{folder.path}/a")
    assert _at(far, health.repair, dry_run=False).steps
    report = _at(far, health.check)
    assert report.ok, str(report)
    with Lake.open(far.root) as again:
        assert again.ULabel.filter().count() == 10
        assert again.Artifact.get(key="0.txt").load() == "content 0"

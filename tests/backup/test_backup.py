"""Backups: what is in them, what is copied, and what a lake made of one holds."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import lakehouse as ln
from lakehouse.backup import BackupStore, Manifest, restore
from lakehouse.engine import Changes
from lakehouse.errors import (
    InvalidArgument,
    KeyConflict,
    LakeCorrupt,
    LakeExists,
    LakeNotFound,
    Unavailable,
)
from lakehouse.identity import new_uid
from tests.engine.openness import stock_catalog
from tests.services import BUCKET, postgres, seaweedfs


def write(name: str, text: str) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)
    return name


def contents(lake: ln.Lake) -> dict[str, str]:
    """What a lake holds: artifacts with their bytes, labels, now and in every tagged state."""
    out = {}
    for artifact in lake.Artifact.filter():
        path = Path(str(artifact.path))
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        out[artifact.key] = "|".join(p.read_text(errors="replace") for p in files)
    out["labels"] = ",".join(sorted(lake.ULabel.filter().to_list("name")))
    for name in lake.tags():
        out[f"tag {name}"] = ",".join(sorted(lake.at(name).ULabel.filter().to_list("name")))
    return out


@pytest.fixture
def filled(lake):
    """A lake with files, a folder, a table, a file at its key, history and a tag."""
    ln.Artifact(write("a.csv", "x\n1\n"), key="a.csv").save()
    ln.Artifact(write("b.csv", "x\n2\n"), key="deep/b.csv", key_is_virtual=False).save()
    write("z/one", "1")
    write("z/more/two", "2")
    ln.Artifact("z", key="z").save()
    ln.Artifact(pa.table({"x": [1, 2]}), key="t.parquet").save()
    ln.save([ln.ULabel(name=f"l{i}") for i in range(5)])
    lake.tag("first")
    for i in range(5, 12):
        ln.ULabel(name=f"l{i}").save()
    ln.ULabel.get(name="l3").delete(permanent=True)
    return lake


def test_all_comes_back_elsewhere(filled, tmp_path, monkeypatch):
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    made = filled.backup(tmp_path / "backup")
    assert made.whole
    before = contents(filled)
    filled.close()
    shutil.move(filled.root, tmp_path / "away")  # nothing may be read from there
    lake = ln.setup.restore(tmp_path / "backup", tmp_path / "new")
    assert contents(lake) == before
    assert [c.id for c in lake.log()][-made.manifest.commit["seq"] - 1 :][
        0
    ] == made.manifest.commit["id"]
    assert lake.at(3).ULabel.filter().count() == 0
    with stock_catalog(lake.engine) as catalog:  # readers that don't know us
        rows = catalog.load_table("lake.ulabel").scan().to_arrow()
    assert sorted(rows["name"].to_pylist()) == sorted(lake.ULabel.filter().to_list("name"))
    assert pl.scan_iceberg(lake.state.pointers["ulabel"]).collect().height == rows.num_rows
    with lake:
        ln.ULabel(name="later").save()
        ln.Artifact(write("c.csv", "x\n3\n"), key="c.csv").save()
    report = lake.gc(keep=1, min_age=0)
    assert not report.orphans  # nothing came along that no state names
    assert lake.at("first").ULabel.filter().count() == 5


def test_only_news_are_copied_and_any_backup_is_restored(filled, tmp_path):
    dest = tmp_path / "backup"
    first = filled.backup(dest)
    again = filled.backup(dest)
    assert (again.copied, again.bytes) == (0, 0)
    earlier = contents(filled)
    ln.ULabel(name="new").save()
    ln.Artifact(write("n.csv", "x\n9\n"), key="n.csv").save()
    third = filled.backup(dest)
    assert 0 < third.copied < 20 < first.copied
    assert BackupStore(str(dest)).names() == [first.name, again.name, third.name]
    assert contents(restore(dest, tmp_path / "old", at=first.name)) == earlier
    assert contents(restore(dest, tmp_path / "new")) == contents(filled)
    kept = filled.backup(dest, keep=2)
    assert kept.removed == (first.name, again.name)
    store = BackupStore(str(dest))
    assert store.names() == [third.name, kept.name]
    assert [store.damaged(store.manifest(n)) for n in store.names()] == [[], []]


def test_same_bytes_lie_there_once(lake, tmp_path):
    for name in ("a", "b", "c"):
        artifact = ln.Artifact(
            write(f"{name}.txt", "same"), key=f"{name}.txt", skip_hash_lookup=True
        )
        artifact.save()
    lake.backup(tmp_path / "backup")
    files = [p for p in (tmp_path / "backup/files").rglob("*") if p.is_file()]
    assert sum(p.read_bytes() == b"same" for p in files) == 1
    new = restore(tmp_path / "backup", tmp_path / "new")
    assert [a.load() for a in new.Artifact.filter()] == ["same"] * 3


def test_other_storage_locations(lake, tmp_path):
    other = ln.Storage(root=str(tmp_path / "other")).save()
    ln.Artifact(write("a.csv", "x\n1\n"), key="a.csv", storage=other).save()
    ln.Artifact(write("b.csv", "x\n2\n"), key="d/b.csv", storage=other, key_is_virtual=False).save()
    made = lake.backup(tmp_path / "backup")
    assert made.whole
    assert [(p.root, p.artifacts) for p in made.manifest.left_out] == [(str(tmp_path / "other"), 2)]
    assert "2 artifact(s)" in str(made)
    made = lake.backup(tmp_path / "backup", with_storages=True)
    assert not made.manifest.left_out
    shutil.rmtree(tmp_path / "other")
    new = restore(tmp_path / "backup", tmp_path / "new")
    assert [Path(str(new.Artifact.get(key=k).path)).read_text() for k in ("a.csv", "d/b.csv")] == [
        "x\n1\n",
        "x\n2\n",
    ]


def test_what_the_lake_has_lost_is_told(filled, tmp_path, monkeypatch):
    Path(str(ln.Artifact.get(key="a.csv").path)).unlink()
    table = Path(str(ln.Artifact.get(key="t.parquet").path))
    data = bytearray(table.read_bytes())
    data[10] ^= 1
    table.chmod(0o644)
    table.write_bytes(data)
    gone = next(Path(filled.root).glob(".lakehouse/tables/ulabel/data/*.parquet"))
    gone.unlink()
    made = filled.backup(tmp_path / "backup")
    assert not made.whole
    lost = {p for p in made.manifest.missing if not p.endswith(".csv")}
    assert lost == {str(gone.relative_to(filled.root))}
    assert any("a.csv" in why for why in made.manifest.missing.values())
    assert [p.endswith(".parquet") for p in made.changed] == [True]
    assert filled.backup(tmp_path / "backup").manifest.missing == made.manifest.missing


def test_refused_places(filled, tmp_path):
    dest = tmp_path / "backup"
    with pytest.raises(InvalidArgument, match="inside the lake"):
        filled.backup(f"{filled.root}/backup")
    write(f"{tmp_path}/full/x", "mine")
    with pytest.raises(InvalidArgument, match="other files"):
        filled.backup(tmp_path / "full")
    filled.backup(dest)
    with (
        ln.Lake.create(str(tmp_path / "second")) as second,
        pytest.raises(InvalidArgument, match="another lake"),
    ):
        second.backup(dest)
    for place in (filled.root, tmp_path / "full", tmp_path / "second"):
        with pytest.raises(LakeExists, match="isn't empty"):
            restore(dest, place)
    with pytest.raises(LakeNotFound, match="no backup"):
        restore(tmp_path / "full", tmp_path / "new")
    with pytest.raises(LakeNotFound, match="no backup"):
        restore(dest, tmp_path / "new", at="2020")
    assert not (tmp_path / "new").exists()
    with BackupStore(str(dest)).locked(), pytest.raises(Unavailable, match="running"):
        filled.backup(dest)


def test_damage_in_a_backup_is_found(filled, tmp_path):
    dest = tmp_path / "backup"
    filled.backup(dest)
    store = BackupStore(str(dest))
    manifest = store.manifest(store.names()[0])
    entry = next(e for e in manifest.files if e.path.endswith(".parquet"))
    content = Path(store.content(entry.digest))
    data = bytearray(content.read_bytes())
    data[-1] ^= 1
    content.chmod(0o644)
    content.write_bytes(data)
    assert entry.path in store.damaged(manifest)
    with pytest.raises(LakeCorrupt, match="damaged") as caught:
        restore(dest, tmp_path / "new")
    assert entry.path in str(caught.value)
    content.unlink()
    with pytest.raises(LakeCorrupt, match="damaged"):
        restore(dest, tmp_path / "new")
    filled.backup(dest)  # copies it anew
    assert contents(restore(dest, tmp_path / "new2")) == contents(filled)
    path = next((dest / "backups").glob("*.json"))
    path.write_bytes(path.read_bytes().replace(b"ulabel", b"ulabex", 1))
    with pytest.raises(LakeCorrupt, match="manifest"):
        restore(dest, tmp_path / "new3", at=path.stem)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a\\b", "", "a\0b"])
def test_names_in_manifests_are_confined(filled, tmp_path, path):
    dest = tmp_path / "backup"
    name = filled.backup(dest).name
    manifest = BackupStore(str(dest)).manifest(name)
    from dataclasses import replace

    bad = replace(manifest, files=(replace(manifest.files[0], path=path),))
    file = dest / "backups" / f"{name}.json"
    file.chmod(0o644)
    file.write_bytes(bad.dump())
    with pytest.raises(LakeCorrupt, match="manifest"):
        restore(dest, tmp_path / "new")
    assert not (tmp_path / "x").exists()


def test_a_manifest_is_what_was_dumped(filled, tmp_path):
    manifest = filled.backup(tmp_path / "backup").manifest
    assert Manifest.load(manifest.dump(), "it") == manifest


def test_moved_lakes_and_catalogs_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    db = f"sqlite:///{tmp_path}/cat/one.db"
    with ln.Lake.create(str(tmp_path / "one"), db=db) as lake:
        ln.ULabel(name="a").save()
        ln.Artifact(write("a.csv", "x\n1\n"), key="a.csv").save()
        lake.tag("t")
        ln.ULabel(name="b").save()
    shutil.move(tmp_path / "one", tmp_path / "two")
    lake = ln.Lake.open(str(tmp_path / "two"))
    lake.backup(tmp_path / "backup")
    # beside the original, which is still there
    inside = restore(tmp_path / "backup", tmp_path / "three")
    outside = restore(
        tmp_path / "backup", tmp_path / "four", db=f"sqlite:///{tmp_path}/cat/four.db"
    )
    for new in (inside, outside):
        assert contents(new) == contents(lake)
        with new:
            ln.ULabel(name="c").save()
    assert lake.ULabel.filter().count() == 2
    with pytest.raises(LakeExists):  # the original's catalog
        restore(tmp_path / "backup", tmp_path / "five", db=db)
    assert lake.ULabel.filter().count() == 2


@pytest.mark.slow
def test_postgres(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    with postgres() as url:
        secret = url.replace("postgresql://postgres@", "postgresql://postgres:hunter22@", 1)
        secret = secret.replace("postgres:@", "postgres:hunter22@", 1)
        with ln.Lake.create(
            str(tmp_path / "one"), db=f"{secret}{'&' if '?' in url else '?'}schema=a"
        ) as lake:
            ln.save([ln.ULabel(name=f"l{i}") for i in range(300)])
            ln.Artifact(write("a.csv", "x\n1\n"), key="a.csv").save()
            lake.tag("t")
            made = lake.backup(tmp_path / "backup")
            assert made.whole
            before = contents(lake)
            db = f"{url}{'&' if '?' in url else '?'}schema=b"
            for new in (
                restore(tmp_path / "backup", tmp_path / "two"),
                restore(tmp_path / "backup", tmp_path / "three", db=db),
            ):
                assert contents(new) == before
                row = new.state.row("ulabel", new.ULabel.get(name="l5").uid)
                changes = Changes()
                changes.insert("ulabel", [{**row, "uid": new_uid()}])
                with pytest.raises(KeyConflict):  # the catalog's unique keys came along
                    new.commit(changes)
                with new:
                    ln.ULabel(name="more").save()
                new.gc(keep=1)
                new.close()
        for path in (tmp_path / "backup").rglob("*"):
            assert not path.is_file() or b"hunter22" not in path.read_bytes()


@pytest.mark.slow
def test_buckets(tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(tmp_path / "cache"))
    with seaweedfs() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        place = f"s3://{BUCKET}/{secrets.token_hex(4)}"
        root, dest = f"{place}/lake", f"{place}/backup"
        with ln.Lake.create(root, db=f"sqlite:///{tmp_path}/one.db") as lake:
            ln.Artifact(write("a.csv", "x\n1\n"), key="a.csv").save()
            ln.Artifact(write("b.csv", "x\n2\n"), key="b.csv", key_is_virtual=False).save()
            write("z/one", "1")
            ln.Artifact("z", key="z").save()
            made = lake.backup(dest)
            assert made.whole
            again = lake.backup(dest)
            assert again.copied == 0
            local = lake.backup(tmp_path / "local")
            assert local.whole
            for source, target, db in (
                (dest, f"{place}/new", f"sqlite:///{tmp_path}/two.db"),
                (tmp_path / "local", f"{place}/new2", f"sqlite:///{tmp_path}/three.db"),
                (dest, str(tmp_path / "new"), None),
            ):
                new = restore(source, target, db=db)
                assert new.root == target
                assert new.Artifact.get(key="a.csv").load()["x"].tolist() == [1]
                assert str(new.Artifact.get(key="b.csv").path) == f"{target}/b.csv"
                with new:
                    ln.ULabel(name="more").save()
            with pytest.raises(InvalidArgument, match="needs a catalog"):
                restore(dest, f"{place}/new3")
            lake.backup(dest, keep=1)
            assert len(BackupStore(dest).names()) == 1


def test_a_backup_reads_only(filled, tmp_path):
    """The copy of the catalog is one plain file, whatever journal the lake's own has."""
    before = {
        p: p.stat().st_mtime_ns for p in Path(filled.root).rglob("*") if "catalog" not in p.name
    }
    made = filled.backup(tmp_path / "backup")
    after = {
        p: p.stat().st_mtime_ns for p in Path(filled.root).rglob("*") if "catalog" not in p.name
    }
    assert before == after
    copy = BackupStore(str(tmp_path / "backup")).content(made.manifest.catalog.digest)
    connection = sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert os.path.getsize(copy) == made.manifest.catalog.size

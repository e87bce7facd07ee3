"""`repair` makes a damaged lake whole again, loses no row that can be read, and tells all."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.engine.catalog.sql import TELLING
from lakehouse.engine.health.repair import RepairReport
from lakehouse.engine.table.version import TableCache
from lakehouse.errors import LakehouseError
from lakehouse.identity import new_uid
from lakehouse.orm import Lake
from lakehouse.orm.lake import health
from tests.engine.openness import stock_catalog
from tests.registries.rewound import made_once, put_back
from tests.services import BUCKET, S3Server, postgres, seaweedfs

Rows = dict[str, dict[str, dict[str, Any]]]


def _fill(lake: Lake, base: Path) -> None:
    """A lake with some history."""
    for i in range(4):
        lake.save([lake.ULabel(name=f"label {i}.{k}") for k in range(20)])
    lake.tag("labels")
    (base / "a.txt").write_text("content")
    artifact = lake.Artifact(str(base / "a.txt"), key="a.txt").save()
    artifact.ulabels.add(lake.ULabel.get(name="label 1.1"))
    label = lake.ULabel.get(name="label 2.2")
    label.description = "changed"
    label.save()
    lake.ULabel.get(name="label 3.3").delete(permanent=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with made_once(tmp_path_factory.mktemp("repair"), _fill) as made:
        yield made


def repair(root: Path, *, apply: bool = True) -> RepairReport:
    site = health.site_at(str(root))
    try:
        return health.repair(site, dry_run=not apply)
    finally:
        site.close()


def assert_whole(root: Path) -> None:
    site = health.site_at(str(root))
    report = health.check(site, deep=True)
    site.close()
    assert report.ok, str(report)
    again = repair(root)
    assert again.steps == [], str(again)


def rows_by_file(root: Path) -> dict[str, tuple[str, dict[str, dict[str, Any]]]]:
    """The rows of the newest state: data file → table, uid → row."""
    with Lake.open(str(root)) as lake:
        state = lake.state
        return {
            e.path: (t, {r["uid"]: r for r in state.version(t).file(e).to_pylist()})
            for t in state.tables
            for e in state.version(t).entries
        }


def rows_of(root: Path | str) -> Rows:
    with Lake.open(str(root)) as lake:
        state = lake.state
        return {t: {r["uid"]: r for r in state.arrow(t).to_pylist()} for t in state.tables}


def content_of(root: Path) -> dict[str, bytes]:
    return {
        str(p): p.read_bytes()
        for p in root.rglob("*")
        if p.is_file() and not p.name.startswith("catalog.db")
    }


def cut(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])


def flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def lose(path: Path, rng: random.Random) -> None:
    path.unlink()


def test_a_whole_lake_needs_no_repair(root: Path) -> None:
    before = content_of(root)
    report = repair(root)
    assert report.steps == report.quarantined == []
    assert content_of(root) == before
    assert "needs no repair" in str(report)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_random_damage(root: Path, seed: int) -> None:
    rng = random.Random(seed)
    by_file = rows_by_file(root)
    files = sorted((root / ".lakehouse/tables/ulabel").rglob("*.*"))
    victims = rng.sample([f for f in files if f.is_file()], rng.choice([1, 2, 5]))
    damages: list[Callable[[Path, random.Random], None]] = [cut, flip, lose]
    for victim in victims:
        rng.choice(damages)(victim, rng)
    damaged = content_of(root)
    dry = repair(root, apply=False)
    assert content_of(root) == damaged
    done = repair(root)
    assert done.steps == dry.steps
    now = rows_of(root)
    for path, (table, rows) in by_file.items():
        if Path(path) in victims:
            continue
        for uid, row in rows.items():
            if table == "artifact_link" and uid not in now[table]:
                assert row["target_uid"] not in now["ulabel"]  # what it named is lost
                continue
            assert now[table][uid] == row, (victims, str(done))
    if Path(next(iter(by_file))) not in victims and done.steps:
        assert done.seq > 0
    assert_whole(root)
    with Lake.open(str(root)) as lake:  # it is written again
        lake.ULabel(name=f"after {seed}").save()
        for commit in lake.log():
            lake.at(commit.seq).ULabel.filter().count()


def states_of(root: Path) -> dict[int, list[dict[str, Any]]]:
    with Lake.open(str(root)) as lake:
        return {c.seq: lake.at(c.seq).ULabel.filter().to_list() for c in lake.log()}


def written_by_last(root: Path, count: int) -> dict[str, list[Path]]:
    """The files that the last commits to the labels wrote, newest first within each kind."""
    site = health.site_at(str(root))
    assert site.catalog is not None
    locations = [at for table, _, at in site.catalog.locations() if table == "ulabel"]
    cache = TableCache(site.files)
    named: list[set[str]] = []
    for version in map(cache.version, locations):
        lists = {s["manifest-list"] for s in version.metadata["snapshots"][-1:]}
        named.append(lists | {m.path for m in version.manifests})
    site.close()
    before = set().union(*named[:-count])
    avro = [Path(p) for some in named[-count:][::-1] for p in some - before]
    return {
        "metadata": [Path(at) for at in locations[-count:][::-1]],
        "list": [p for p in avro if p.name.startswith("snap-")],
        "manifest": [p for p in avro if not p.name.startswith("snap-")],
    }


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("kinds", [["metadata"], ["list"], ["metadata", "list"]])
@pytest.mark.parametrize("damage", [lose, flip])
def test_what_other_files_tell_exactly(
    root: Path, kinds: list[str], count: int, damage: Callable[[Path, random.Random], None]
) -> None:
    truth, states = rows_of(root), states_of(root)
    files = written_by_last(root, count)
    for path in {path for kind in kinds for path in files[kind]}:
        damage(path, random.Random(count))
    done = repair(root)
    assert "can't be read; its other files tell" in str(done)
    # updated rows are as updated, and deleted ones stay deleted
    assert rows_of(root) == truth, str(done)
    assert_whole(root)
    with Lake.open(str(root)) as lake:
        for seq, rows in states.items():
            assert lake.at(seq).ULabel.filter().to_list() == rows
        assert lake.ULabel.get(name="label 2.2").description == "changed"
        assert lake.ULabel.filter(name="label 3.3").count() == 0


@pytest.mark.slow
@pytest.mark.parametrize("ages", ["right", "reversed", "equal"])
def test_of_two_versions_of_a_row_the_last_stays(root: Path, ages: str) -> None:
    with Lake.open(str(root)) as lake:
        for text in ("second", "third"):
            label = lake.ULabel.get(name="label 2.2")
            label.description = text
            label.save()
    truth = rows_of(root)
    files = written_by_last(root, 4)
    for path in {path for some in files.values() for path in some}:
        path.unlink()
    data = sorted((root / ".lakehouse/tables/ulabel/data").iterdir(), key=os.path.getmtime)
    times = [path.stat().st_mtime for path in data]
    if ages != "right":
        times = times[::-1] if ages == "reversed" else [times[0]] * len(times)
        for path, time in zip(data, times, strict=True):
            os.utime(path, (time, time))
    done = repair(root)
    assert "rows deleted meanwhile are back" in str(done)
    now = rows_of(root)
    for uid, row in truth["ulabel"].items():
        assert now["ulabel"][uid] == row
    assert_whole(root)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_the_catalog_and_the_newest_metadata(root: Path, count: int) -> None:
    truth = rows_of(root)
    for path in written_by_last(root, count)["metadata"]:
        path.write_bytes(b"{")
    (root / ".lakehouse/catalog.db").unlink()
    repair(root)
    assert rows_of(root) == truth
    assert_whole(root)


def test_a_killed_commit_isnt_taken_for_the_lost_one(root: Path, tmp_path: Path) -> None:
    """Files of a commit that died before its swap look like the next version of a table."""
    with Lake.open(str(root)) as lake:
        before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
        lake.ULabel(name="never acknowledged").save()
    orphans = {
        p: p.read_bytes()
        for p in (root / ".lakehouse/tables").rglob("*")
        if p.is_file() and p not in before
    }
    put_back(root)
    for path, data in orphans.items():
        path.write_bytes(data)
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 60))
    with Lake.open(str(root)) as lake:
        lake.ULabel(name="acknowledged").save()
    truth = rows_of(root)
    written_by_last(root, 1)["metadata"][0].unlink()
    repair(root)
    assert rows_of(root) == truth
    assert_whole(root)


def test_what_is_told(root: Path) -> None:
    with Lake.open(str(root)) as lake:
        entry = lake.state.version("ulabel").entries[0]
    Path(entry.path).write_bytes(b"not a table any more")
    dry = repair(root, apply=False)
    assert "lakehouse repair --apply" in str(dry)
    done = repair(root)
    text = str(done)
    assert Path(entry.path).name in text
    assert "data file(s) that can't be read" in text
    assert done.quarantined == [entry.path]
    kept = list((root / ".lakehouse/quarantine").rglob("*.parquet"))
    assert [p.read_bytes() for p in kept] == [b"not a table any more"]
    assert not Path(entry.path).exists()
    with Lake.open(str(root)) as lake:
        assert lake.log(1)[0].message == "repaired"
        assert lake.ULabel.filter().count() >= 79 - entry.rows
    assert_whole(root)


def test_files_that_are_older_than_the_catalog(root: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(root / ".lakehouse/tables", old)
    with Lake.open(str(root)) as lake:
        seq = lake.log(1)[0].seq
        truth = rows_of(root)
        for i in range(3):
            lake.ULabel(name=f"newer {i}").save()
            lake.Feature(name=f"newer {i}", dtype=int).save()
    shutil.rmtree(root / ".lakehouse/tables")
    shutil.move(old, root / ".lakehouse/tables")
    with pytest.raises(LakehouseError, match="lakehouse repair"):
        Lake.open(str(root))
    done = repair(root)
    assert f"goes back to commit {seq}" in str(done)
    assert rows_of(root) == truth
    assert_whole(root)
    with Lake.open(str(root)) as lake:
        lake.ULabel(name="newer 1").save()


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["gone", "garbage", "settings"])
def test_the_catalog(root: Path, damage: str) -> None:
    truth = rows_of(root)
    file = root / ".lakehouse/catalog.db"
    if damage == "gone":
        file.unlink()
    elif damage == "garbage":
        file.write_bytes(b"no database" * 1000)
    else:
        with closing(sqlite3.connect(file)) as db, db:
            db.execute("UPDATE lh_info SET value = 'no json'")
    with pytest.raises(LakehouseError):
        Lake.open(str(root))
    done = repair(root)
    assert "the log of commits and the tags are lost" in str(done)
    assert rows_of(root) == truth
    assert_whole(root)
    with Lake.open(str(root)) as lake:
        assert lake.ULabel.get(name="label 2.2").description == "changed"
        assert lake.Artifact.get(key="a.txt").path
        uid = lake.ULabel.get(name="label 1.1").uid
        assert lake.engine.holder("ulabel", ("name", "type_uid"), ("label 1.1", None)) == uid


def test_a_lost_pointer_and_keys(root: Path) -> None:
    truth = rows_of(root)
    with closing(sqlite3.connect(root / ".lakehouse/catalog.db")) as db, db:
        db.execute("DELETE FROM iceberg_tables WHERE table_name = 'ulabel'")
        db.execute("DELETE FROM lh_key WHERE key LIKE 'ulabel%'")
        db.execute("DELETE FROM lh_pack")
    repair(root)
    assert rows_of(root) == truth
    assert_whole(root)


def test_rows_that_another_engine_repeated(root: Path) -> None:
    with Lake.open(str(root)) as lake:
        label = lake.ULabel.get(name="label 1.2")
        row = lake.state.row("ulabel", label.uid)
        with stock_catalog(lake.engine) as catalog:
            table = catalog.load_table("lake.ulabel")
            schema = table.schema().as_arrow()
            other = {**row, "uid": "zzotherUidOfIt00"}
            good = {**row, "uid": "zzgoodUidOfIt000", "name": "written by another engine"}
            table.append(pa.Table.from_pylist([row, other, good], schema=schema))
    with Lake.open(str(root)) as lake, pytest.raises(LakehouseError):
        lake.ULabel(name="blocked").save()
    done = repair(root)
    assert "set aside" in str(done)
    assert any("ulabel.rows.json" in path for path in done.quarantined)
    with Lake.open(str(root)) as lake:
        assert lake.ULabel.get(name="label 1.2").uid == row["uid"]
        assert lake.ULabel.get(name="written by another engine").uid == "zzgoodUidOfIt000"
        lake.ULabel(name="not blocked any more").save()
    assert_whole(root)


def test_the_marker(root: Path) -> None:
    marker = root / ".lakehouse/lake.json"
    marker.write_bytes(b"{")
    assert "written anew" in str(repair(root))
    assert_whole(root)
    marker.unlink()
    repair(root)
    assert_whole(root)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["write", "swap", "mend", "remove"])
def test_killed_and_repeated(root: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by_file = rows_by_file(root)
    victim = max(p for p in map(Path, by_file) if "/ulabel/" in str(p))
    victim.write_bytes(b"x")
    child = os.fork()
    if not child:
        from lakehouse.engine.catalog.sqlite import SqliteCatalog
        from lakehouse.engine.files import LocalFiles

        def die(*_: object) -> None:
            os._exit(9)

        target: Any = LocalFiles if step in ("write", "remove") else SqliteCatalog
        monkeypatch.setattr(target, step, die)
        try:
            repair(root)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    repair(root)
    now = rows_of(root)
    for path, (table, rows) in by_file.items():
        if Path(path) != victim:
            for uid, row in rows.items():
                assert now[table].get(uid) == row or row.get("target_uid") not in now["ulabel"]
    assert_whole(root)


# -- catalogs that lie elsewhere -------------------------------------------------------


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    with seaweedfs() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a catalog outside of the lake."""
    if request.param == "sqlite":
        (tmp_path / "catalogs").mkdir()
        return f"sqlite:///{tmp_path}/catalogs/cells.db"
    return f"{request.getfixturevalue('postgres_url')}&schema=lake_{new_uid()}"


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LAKEHOUSE_USER", "ada")
    if request.param == "folder":
        return str(tmp_path / "lake")
    server: S3Server = request.getfixturevalue("s3_server")
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{new_uid()}"


def do_in(db: str, *statements: str) -> None:
    """Run statements on the database of a catalog."""
    if db.startswith("sqlite"):
        with closing(sqlite3.connect(db.removeprefix("sqlite:///"))) as file, file:
            for statement in statements:
                file.execute(statement)
        return
    import psycopg

    url, _, schema = db.rpartition("&schema=")
    with psycopg.connect(url) as raw:
        raw.execute(f'SET search_path TO "{schema}"')  # type: ignore[arg-type]
        for statement in statements:
            raw.execute(statement)  # type: ignore[arg-type]


def lose_catalog(db: str) -> None:
    if db.startswith("sqlite"):
        for path in Path(db.removeprefix("sqlite:///")).parent.iterdir():
            path.unlink()
    else:
        do_in(db, f'DROP SCHEMA "{db.rpartition("=")[2]}" CASCADE')


def made_elsewhere(place: str, db: str) -> Rows:
    with Lake.create(place, db=db) as lake:
        lake.save([lake.ULabel(name=f"label {i}") for i in range(20)])
        label = lake.ULabel.get(name="label 2")
        label.description = "changed"
        label.save()
        lake.ULabel.get(name="label 3").delete(permanent=True)
        state = lake.state
        return {t: {r["uid"]: r for r in state.arrow(t).to_pylist()} for t in state.tables}


def mend_elsewhere(place: str, db: str | None = None, *, apply: bool = True) -> RepairReport:
    site = health.site_at(place, db=db)
    try:
        return health.repair(site, dry_run=not apply)
    finally:
        site.close()


@pytest.mark.slow
def test_a_lost_catalog_elsewhere(place: str, elsewhere: str) -> None:
    truth = made_elsewhere(place, elsewhere)
    lose_catalog(elsewhere)
    with pytest.raises(LakehouseError):
        Lake.open(place)
    dry = mend_elsewhere(place, apply=False)
    assert "where there is none now" in str(dry)
    with pytest.raises(LakehouseError):
        Lake.open(place)
    done = mend_elsewhere(place)
    assert done.left == []
    assert "the log of commits and the tags are lost" in str(done)
    assert rows_of(place) == truth
    with Lake.open(place) as lake:
        assert lake.check(deep=True).ok
        assert lake.ULabel.get(name="label 2").description == "changed"
        assert lake.ULabel.filter(name="label 3").count() == 0
        four = lake.ULabel.get(name="label 4").uid
        key = ("name", "type_uid"), ("label 4", None)
        assert lake.engine.holder("ulabel", *key) == four  # keys are claimed
        lake.ULabel(name="after").save()
    assert mend_elsewhere(place).steps == []


def test_a_catalog_elsewhere_that_was_emptied(elsewhere: str, tmp_path: Path) -> None:
    place = str(tmp_path / "lake")
    truth = made_elsewhere(place, elsewhere)
    do_in(elsewhere, *(f"DELETE FROM {table}" for table in TELLING))
    assert mend_elsewhere(place).left == []
    assert rows_of(Path(place)) == truth


def test_a_catalog_elsewhere_that_is_there_is_left_alone(elsewhere: str, tmp_path: Path) -> None:
    """What isn't plainly lost may be another's, or come back."""
    place = str(tmp_path / "lake")
    truth = made_elsewhere(place, elsewhere)
    with Lake.open(place) as lake:
        uid = lake.uid
    for statement in (
        "UPDATE lh_info SET value = 'no json'",
        "UPDATE lh_info SET value = '\"another\"' WHERE name = 'uid'",
        "DELETE FROM lh_info",
    ):
        do_in(elsewhere, "CREATE TABLE kept AS SELECT * FROM lh_info", statement)
        done = mend_elsewhere(place)
        assert done.steps == []
        assert "lies outside the lake" in done.left[0]
        assert "restore" in done.left[0]
        do_in(
            elsewhere,
            "DELETE FROM lh_info",
            "INSERT INTO lh_info SELECT * FROM kept",
            "DROP TABLE kept",
        )
    with Lake.open(place) as lake:
        assert lake.uid == uid
    assert rows_of(Path(place)) == truth


def test_a_catalog_that_is_only_away(elsewhere: str, tmp_path: Path) -> None:
    """A server that doesn't answer, or a disk that isn't mounted: nothing is made elsewhere."""
    place = tmp_path / "lake"
    made_elsewhere(str(place), elsewhere)
    if elsewhere.startswith("sqlite"):
        (tmp_path / "catalogs").rename(tmp_path / "unmounted")
    else:
        marker = place / ".lakehouse/lake.json"
        away = json.loads(marker.read_text())
        away["db"] = "postgresql://me@127.0.0.1:9/x?schema=y"
        marker.write_text(json.dumps(away))
    done = mend_elsewhere(str(place))
    assert done.steps == []
    assert "bring it back" in done.left[0]
    assert not (tmp_path / "catalogs").exists() or elsewhere.startswith("postgres")

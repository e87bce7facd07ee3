"""Erasure: of an artifact nothing is left in any kept state, nor in any byte on disk."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakehouse as ln
from lakehouse import storage
from lakehouse.engine.table.manifest_reading import foreign_blocks
from lakehouse.errors import InvalidArgument, LakeCorrupt, ObjectDoesNotExist, ReadOnlyLake
from lakehouse.orm import Lake
from tests.engine.openness import check as check_foreign_readers
from tests.engine.openness import stock_catalog
from tests.optional import installed_or_skip
from tests.registries.conftest import write
from tests.registries.planted import traces
from tests.services import BUCKET, postgres, seaweedfs

MARKS = {
    name: f"Zq{name}Xw7"
    for name in (
        "key", "moved", "about", "branch", "value", "again", "column", "cell", "text",
        "readme", "comment", "message", "extra",
    )
}  # fmt: skip


class Planted:
    """A lake with an artifact that is full of markers, and others that must not suffer."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        ln.Feature(name="note", dtype=str).save()
        ln.Feature(name="kind_of", dtype=ln.ULabel).save()
        shared, own = ln.ULabel(name="shared").save(), ln.ULabel(name="only here").save()
        self.other = ln.Artifact(write("other.txt", "another"), key="study/other.txt").save()
        self.other.ulabels.add(shared)
        self.other.features.set_values({"note": "harmless"})
        table = pl.DataFrame({MARKS["column"]: [1, 2], "y": [MARKS["cell"], "b"]})
        key = f"study/{MARKS['key']}.parquet"
        with ln.transaction(message=f"adds {MARKS['key']}.parquet"):
            self.one = ln.Artifact.from_dataframe(table, key=key, description=MARKS["about"]).save()
        self.one.features.set_values({"note": MARKS["value"], "kind_of": "shared"})
        self.one.ulabels.add(shared, own)
        lake.tag("early")
        two = pl.DataFrame({MARKS["column"]: [3], "y": [MARKS["text"]]})
        self.two = ln.Artifact.from_dataframe(two, key=key, extra_data={"n": MARKS["extra"]}).save()
        self.two.features.set_values({"note": MARKS["again"]})
        ln.models.ArtifactBlock(artifact=self.two, content=MARKS["readme"], kind="readme").save()
        ln.models.ArtifactBlock(artifact=self.one, content=MARKS["comment"], kind="comment").save()
        self.collection = ln.Collection([self.one, self.other], key="both").save()
        transform = ln.Transform(key="t.py", kind="script").save()
        self.transform = transform
        self.run = ln.Run(transform, environment=self.two).save()
        lake.switch("side", create=True)
        self.edited = ln.Artifact.get(self.one.uid)
        self.edited.description = MARKS["branch"]
        self.edited.save()
        lake.switch("main")
        lake.tag("middle")
        self.three = ln.Artifact.get(self.two.uid)
        self.three.replace(pl.DataFrame({"z": [MARKS["moved"]]}))
        with ln.transaction(message=f"about {self.two.uid} {MARKS['message']}"):
            self.three.save()
        self.uids = [self.one.uid, self.two.uid]
        self.stem = self.one.stem_uid

    def traces(self, *more: str | Path) -> list[str]:
        """What is left on disk."""
        places = [self.lake.root, *more]
        return [t for p in places for t in traces(p, [*MARKS.values(), *self.uids])]


@pytest.fixture
def planted(lake, monkeypatch):
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    with lake:
        lake.switch("side2", create=True)
        lake.switch("main")
        found = Planted(lake)
        there = " ".join(found.traces())
        assert [m for m in (*MARKS.values(), *found.uids) if m not in there] == []
        yield found


def states(lake: Lake) -> dict[int, list[str]]:
    """The uids of artifacts in every kept state."""
    return {
        commit.seq: sorted(lake.engine.state_at(commit.seq).arrow("artifact")["uid"].to_pylist())
        for commit in lake.log()
        if "artifact" in lake.engine.state_at(commit.seq).pointers
    }


@pytest.mark.slow
def test_nothing_is_left_of_all_versions(planted, tmp_path):
    """Every marker was there, none is, and all else is as it was, in every state and tag."""
    lake = planted.lake
    before = states(lake)
    report = lake.gc(erase=planted.stem)
    assert planted.traces(tmp_path / "cache") == []
    assert report.left == ()
    assert set(report.tags) == {"early", "middle"}
    assert report.rows["artifact"] == 2
    after = states(lake)
    for seq, uids in before.items():
        assert after[seq] == [uid for uid in uids if uid not in planted.uids]
    assert lake.check(deep=True).ok, lake.check(deep=True)
    assert planted.other.load() == "another"
    assert ln.Artifact.get(planted.other.uid).features.get_values() == {"note": "harmless"}
    for tag in ("early", "middle"):
        then = lake.at(tag)
        assert then.Artifact.get(planted.other.uid).features.get_values() == {"note": "harmless"}
        assert then.ULabel.filter(name="only here").count() == 1
        assert then.Artifact.filter().count() == 1
    assert [a.uid for a in ln.Collection.get(key="both").artifacts] == [planted.other.uid]
    assert ln.Run.get(planted.run.uid).environment is None
    tables = ("artifact", "artifact_link", "feature_value", "run", "branch_edit", "snapshot")
    check_foreign_readers(lake.engine, tables)
    assert not list(Path(lake.root).rglob("*.tmp"))


def test_the_log_says_that_and_by_whom_and_not_what(planted):
    lake = planted.lake
    n = len(lake.log())
    report = lake.gc(erase=planted.stem)
    commit = lake.log()[0]
    assert len(lake.log()) == n + 1
    assert (commit.id, commit.message) == (report.commit, "erased from all kept states")
    assert commit.user == lake.user_uid
    silenced = [c for c in lake.log() if "removed by an erasure" in c.message]
    # two of the writer's own, and the library's "save Artifact <key>", "change Artifact <key>"
    assert len(silenced) == report.messages == 4


def test_a_dry_run_says_all_and_changes_nothing(planted):
    lake = planted.lake
    files = {p: p.stat().st_mtime_ns for p in Path(lake.root).rglob("*.parquet")}
    found, n = planted.traces(), len(lake.log())
    told = lake.gc(erase=planted.stem, dry_run=True)
    assert planted.traces() == found
    assert files == {p: p.stat().st_mtime_ns for p in Path(lake.root).rglob("*.parquet")}
    assert len(lake.log()) == n
    done = lake.gc(erase=planted.stem)
    assert (told.rows, told.emptied, told.tags) == (done.rows, done.emptied, done.tags)
    assert (told.messages, told.states) == (done.messages, done.states)
    assert set(told.files) == set(done.files)
    for what in ("would erase", "backups", "only the links go", "early"):
        assert what in str(told)


def test_one_version_goes_and_the_other_stays(planted):
    lake = planted.lake
    report = lake.gc(erase=planted.two.uid)
    assert report.uids == (planted.two.uid,)
    assert "1 other version" in str(report)
    gone = [MARKS[n] for n in ("text", "again", "readme", "moved", "extra", "message")]
    assert traces(lake.root, [*gone, planted.two.uid]) == []
    one = ln.Artifact.get(planted.one.uid)
    assert one.is_latest
    assert one.load()[MARKS["column"]].to_list() == [1, 2]
    assert one.features.get_values()["note"] == MARKS["value"]
    assert len(one.ulabels) == 2
    assert lake.check(deep=True).ok
    again = ln.Artifact.from_dataframe(pl.DataFrame({"x": [9]}), key=one.key).save()
    assert again.stem_uid == planted.stem


def test_what_was_deleted_for_good_is_erased_from_the_past(planted):
    lake = planted.lake
    planted.run.environment = None
    planted.run.save()
    planted.two.delete(permanent=True)
    lake.gc(keep=1, min_age=0)
    assert planted.traces()
    lake.gc(erase=planted.stem)
    assert planted.traces() == []
    assert lake.check(deep=True).ok


@pytest.mark.slow
def test_a_moved_lake_and_its_next_writes(planted, tmp_path):
    lake = planted.lake
    lake.close()
    shutil.move(lake.root, tmp_path / "elsewhere")
    with Lake.open(str(tmp_path / "elsewhere")) as moved:
        planted.lake = moved
        moved.gc(erase=planted.stem)
        assert planted.traces() == []
        assert moved.check(deep=True).ok
        again = ln.Artifact(write("new.txt", "new"), key="study/new.txt").save()
        assert again.load() == "new"
        check_foreign_readers(moved.engine, ("artifact", "artifact_link"))
        assert moved.at("early").Artifact.filter().count() == 1
        moved.gc(min_age=0)
        moved.gc(keep=1, min_age=0)
        assert moved.at("early").Artifact.filter().count() == 1
        assert moved.check(deep=True).ok


def test_the_same_content_and_key_can_be_saved_again(planted):
    lake = planted.lake
    key, content = planted.one.key, planted.one.load()
    lake.gc(erase=planted.stem)
    again = ln.Artifact.from_dataframe(content, key=key).save()
    assert again.stem_uid != planted.stem
    assert again.uid not in planted.uids


def test_a_second_erasure_finds_nothing(planted):
    planted.lake.gc(erase=planted.stem)
    with pytest.raises(ObjectDoesNotExist, match="nothing to erase"):
        planted.lake.gc(erase=planted.stem)
    with pytest.raises(ObjectDoesNotExist):
        planted.lake.gc(erase="short")


def test_a_file_registered_in_place_is_its_users(lake, tmp_path):
    with lake:
        ln.Storage(root=str(tmp_path / "mine")).save()
        path = write(tmp_path / "mine" / "own.txt", "my own")
        artifact = ln.Artifact(path, description="in place").save()
        report = lake.gc(erase=artifact.uid)
        assert Path(path).read_text() == "my own"
        assert path in str(report)
        assert "remove it yourself" in str(report)
        assert traces(lake.root, [artifact.uid, "own.txt", "in place"]) == []


def test_columns_that_another_artifact_has_stay_described(lake):
    with lake:
        one = ln.Artifact.from_dataframe(pl.DataFrame({"both": [1]}), key="a.parquet").save()
        two = ln.Artifact.from_dataframe(pl.DataFrame({"both": [2]}), key="b.parquet").save()
        lake.gc(erase=one.uid)
        rows = lake.sql("SELECT name FROM snapshot_column").fetchall()
        assert rows == [("both",)]
        lake.gc(erase=two.uid)
        assert lake.sql("SELECT name FROM snapshot_column").fetchall() == []
        assert lake.check(deep=True).ok


def test_many_rows_in_shared_files_and_packed_keys(lake):
    """One of many artifacts, whose keys are packed: the others keep theirs."""
    with lake:
        many = [ln.Artifact(write(f"{i}.txt", f"n {i}"), key=f"many/{i}.txt") for i in range(60)]
        ln.save(many)
        doomed = many[31]
        lake.gc(erase=doomed.uid)
        assert traces(lake.root, [doomed.uid, doomed.hash, "many/31.txt"]) == []
        assert ln.Artifact.filter(key__startswith="many/").count() == 59
        assert ln.Artifact(write("again.txt", "n 30"), key="many/other.txt").save() == many[30]
        assert ln.Artifact(write("again.txt", "n 31"), key="many/31.txt").save().uid != doomed.uid
        assert lake.check(deep=True).ok


def test_quarantine_and_left_leases_are_searched(planted):
    lake = planted.lake
    folder = Path(lake.root) / ".lakehouse" / "quarantine" / "20260101"
    folder.mkdir(parents=True)
    rows = [{"uid": planted.one.uid, "key": MARKS["key"]}, {"uid": "another", "key": "stays"}]
    (folder / "artifact.rows.json").write_bytes(orjson.dumps(rows))
    data = next((Path(lake.root) / ".lakehouse/tables/artifact_link/data").glob("*.parquet"))
    shutil.copy(data, folder / f"artifact_link--data--{data.name}")
    orphan = Path(lake.root) / ".lakehouse/tables/artifact/data/of-another-engine.parquet"
    row = {"uid": pa.array([planted.one.uid]).dictionary_encode(), "key": [MARKS["key"]]}
    pq.write_table(pa.table({**row, "more": pa.array([MARKS["about"]], pa.large_string())}), orphan)
    lake.gc(erase=planted.stem)
    assert planted.traces() == []
    assert not orphan.exists()
    assert b"stays" in (folder / "artifact.rows.json").read_bytes()


def test_what_cannot_be_asked(planted):
    lake = planted.lake
    with pytest.raises(ReadOnlyLake):
        lake.at("early").gc(erase=planted.stem)
    with pytest.raises(InvalidArgument, match="either"):
        lake.gc(erase=planted.stem, keep=3)  # type: ignore[call-overload]
    with ln.transaction(), pytest.raises(InvalidArgument, match="transaction"):
        lake.gc(erase=planted.stem)


def test_rows_that_another_engine_wrote(planted, monkeypatch):
    """Its manifests are compressed, and hold bounds of all columns, cut off."""
    lake = planted.lake
    with stock_catalog(lake.engine) as catalog:
        table = catalog.load_table("lake.artifact")
        rows = table.scan().to_arrow()
        table.overwrite(rows)
    lake.gc(erase=planted.stem)
    assert planted.traces() == []
    folder = Path(lake.root) / ".lakehouse/tables/artifact/metadata"
    blocks = [b for p in folder.glob("*.avro") for b in foreign_blocks(p.read_bytes(), str(p))]
    assert not [m for m in (MARKS["about"], planted.stem) for b in blocks if m.encode() in b]
    assert lake.check(deep=True).ok


def test_a_reader_of_an_old_state_goes_on_or_is_told(planted):
    lake = planted.lake
    with Lake.open(lake.root) as other:
        state, cold = other.engine.state(), other.engine.state_at("early")
        n = state.arrow("artifact").num_rows
        lake.gc(erase=planted.stem)
        assert state.arrow("artifact").num_rows == n
        with pytest.raises(LakeCorrupt, match="gone"):
            cold.arrow("artifact")
        assert other.Artifact.filter().count() == 1
        assert other.at("early").Artifact.filter().count() == 1


@pytest.mark.slow
def test_beside_writers(planted):
    """They wait and go on, and what they save is there."""
    lake, failures, saved = planted.lake, [], []
    stop = threading.Event()

    def write_on() -> None:
        try:
            with Lake.open(lake.root) as other:
                while not stop.is_set():
                    saved.append(other.ULabel(name=f"label {len(saved)}").save().uid)
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write_on)
    writer.start()
    while len(saved) < 2:
        stop.wait(0.01)
    lake.gc(erase=planted.stem)
    n = len(saved)
    while len(saved) < n + 2 and not failures:
        stop.wait(0.01)
    stop.set()
    writer.join()
    assert failures == []
    assert {u.uid for u in ln.ULabel.filter(name__startswith="label ")} == set(saved)
    assert planted.traces() == []
    assert lake.check(deep=True).ok


@pytest.mark.slow
def test_a_catalog_in_postgres(tmp_path):
    psycopg = installed_or_skip("psycopg")
    with postgres() as url, Lake.create(str(tmp_path / "pg"), db=url) as lake:
        planted = Planted(lake)
        lake.gc(erase=planted.stem)
        assert planted.traces() == []
        assert lake.check(deep=True).ok
        assert lake.at("early").Artifact.filter().count() == 1
        with psycopg.connect(url) as db:
            names = db.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'lh%'")
            texts = [str(db.execute(f"SELECT * FROM {n}").fetchall()) for (n,) in names.fetchall()]
        assert not [m for m in (*MARKS.values(), *planted.uids) if m in "".join(texts)]


@pytest.mark.slow
def test_bytes_in_an_object_store_and_their_copies(lake, monkeypatch):
    with seaweedfs() as server, lake:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        place = ln.Storage(root=f"s3://{BUCKET}/erased").save()
        artifact = ln.Artifact(write("t.txt", "Zqtext"), key="Zqname.txt", storage=place).save()
        uri = str(artifact.path)
        copy = Path(ln.Artifact.get(artifact.uid).cache())
        assert copy.read_text() == "Zqtext"
        report = lake.gc(erase=artifact.uid)
        assert uri in report.files
        assert not storage.exists(uri)
        assert not copy.exists()
        assert traces(copy.parents[1], ["Zqtext", "Zqname"]) == []
        assert traces(lake.root, ["Zqtext", "Zqname", artifact.uid]) == []

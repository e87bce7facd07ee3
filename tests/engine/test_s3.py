"""Lakes whose tables lie in an object store, on a real S3 server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyiceberg.table import StaticTable

from lakehouse.engine import Changes, Engine, Limits
from lakehouse.errors import (
    InvalidArgument,
    KeyConflict,
    LakeExists,
    LakeNotFound,
    LookupFailed,
    StorageError,
)
from lakehouse.identity import new_uid
from tests.engine.lakes import SPECS, THING, delete, insert, names, thing, things, update
from tests.engine.openness import rows_of
from tests.services import BUCKET, S3Server

pytestmark = pytest.mark.slow  # a server of its own, and uploads


@pytest.fixture
def place(
    request: pytest.FixtureRequest,
    s3_server: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[str, str]:
    """A root in the bucket and a catalog outside it."""
    for name, value in s3_server.env.items():
        monkeypatch.setenv(name, value)
    root = f"s3://{BUCKET}/{new_uid()}/my lake"
    if getattr(request, "param", "sqlite") == "sqlite":
        return root, f"sqlite:///{tmp_path}/catalog.db"
    return root, f"{request.getfixturevalue('postgres_url')}&schema=s3_{new_uid()}"


both = pytest.mark.parametrize("place", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def engine(place: tuple[str, str]) -> Iterator[Engine]:
    engine = Engine.create(place[0], SPECS, db=place[1])
    yield engine
    engine.close()


def stock(engine: Engine, server: S3Server) -> StaticTable:
    return StaticTable.from_metadata(
        engine.state().pointers["thing"],
        {
            "s3.endpoint": server.endpoint,
            "s3.access-key-id": server.options["key"],
            "s3.secret-access-key": server.options["secret"],
            "s3.region": "us-east-1",
        },
    )


@pytest.mark.slow
@both
def test_write_read_and_collect(
    engine: Engine, place: tuple[str, str], s3_server: S3Server
) -> None:
    rows = things(1_200)
    insert(engine, rows[:1_100])
    for row in rows[1_100:1_112]:
        insert(engine, [row])
    update(engine, rows[5], name="changed")
    delete(engine, [rows[7]["uid"]])
    with pytest.raises(KeyConflict):
        insert(engine, [thing(3)])
    engine.tag("early", 1)
    cold = Engine.open(place[0], SPECS)  # the marker names the catalog
    assert cold.uid == engine.uid
    assert cold.state().count("thing") == 1_111
    assert cold.state().rows("thing", [rows[9]["uid"]]) == [rows[9]]
    assert cold.state().sql("SELECT count(*) FROM thing").fetchall() == [(1_111,)]
    assert all(f.startswith(place[0]) for f in cold.state().files("thing"))
    assert rows_of(cold.state().arrow("thing")) == rows_of(
        stock(engine, s3_server).scan().to_arrow()
    )
    report = engine.gc(keep=1, min_age=0)
    assert report.superseded
    assert report.orphans == ()
    fresh = Engine.open(place[0], SPECS)
    assert fresh.state().arrow("thing").num_rows == 1_111
    assert fresh.state_at("early").arrow("thing").num_rows == 1_100
    with pytest.raises(LookupFailed):
        fresh.state_at(3)
    dry = engine.gc(keep=1, min_age=0, dry_run=True)
    assert (dry.superseded, dry.orphans) == ((), ())
    fresh.close()
    cold.close()


@pytest.mark.slow
def test_orphans(engine: Engine) -> None:
    insert(engine, [thing(1)])
    orphan = f"{engine.folder}/tables/thing/data/left.parquet"
    engine._files.write([(orphan, b"x" * 10)])
    assert engine.gc().orphans == ()
    deadline = time.monotonic() + 10
    while not (found := engine.gc(min_age=0)).orphans:  # the store tells time in whole seconds
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (found.orphans, found.bytes) == ((orphan,), 10)
    assert names(engine.state()) == [thing(1)["name"]]


def test_a_second_lake(engine: Engine, place: tuple[str, str]) -> None:
    with pytest.raises(LakeExists):
        Engine.create(place[0], SPECS, db=place[1])
    with pytest.raises(LakeNotFound):
        Engine.open(f"{place[0]}/deeper", SPECS)
    with pytest.raises(InvalidArgument, match="needs a catalog database"):
        Engine.create(f"{place[0]}/deeper", SPECS)


def test_a_large_table_is_read_into_memory(engine: Engine, place: tuple[str, str]) -> None:
    """DuckDB and polars would need credentials of their own to scan it."""
    insert(engine, things(20))
    small = Engine.open(place[0], SPECS, limits=Limits(memory_bytes=10))
    assert small.state().sql("SELECT count(*) FROM thing").fetchall() == [(20,)]
    assert small.state().scan("thing").collect().height == 20
    small.close()


def test_a_bulk_insert_as_a_table(engine: Engine) -> None:
    changes = Changes()
    changes.insert("thing", THING.encode_rows(things(3_000)))
    engine.commit(changes)
    assert engine.state().arrow("thing").num_rows == 3_000


@pytest.mark.slow
def test_a_forked_child(engine: Engine) -> None:
    insert(engine, [thing(1, name="parent")])
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            insert(engine, [thing(2, name="child")])
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert names(engine.state()) == ["child", "parent"]


def test_an_unreachable_store(
    engine: Engine, place: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(engine, [thing(1)])
    options = {
        "endpoint_url": "http://127.0.0.1:1",
        "key": "k",
        "secret": "s",
        "config_kwargs": {"retries": {"max_attempts": 0}, "connect_timeout": 1},
    }
    with pytest.raises(StorageError, match="can't be read"):
        Engine.open(place[0], SPECS, options=options)
    with pytest.raises(StorageError):
        Engine.create(f"{place[0]}-other", SPECS, db=f"{place[1]}2", options=options)


def test_wrong_credentials(engine: Engine, place: tuple[str, str], s3_server: S3Server) -> None:
    wrong = {**s3_server.options, "secret": "wrong"}
    with pytest.raises(StorageError, match="can't be read"):
        Engine.open(place[0], SPECS, options=wrong)
    with pytest.raises(StorageError):
        Engine.create(f"{place[0]}-other", SPECS, db=f"{place[1]}2", options=wrong)

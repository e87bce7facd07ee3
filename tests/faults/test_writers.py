"""Four writers at once, on each catalog: no failed save, no lost row, no torn state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakehouse.engine import Changes, Engine
from lakehouse.identity import new_uid
from tests import services
from tests.faults.jobs import LIMITS, SPECS, Acks
from tests.faults.server import ForkServer
from tests.faults.writing import COUNTER

WRITERS = 4
COMMITS = 60
_START_SECONDS = 0.7  # until every process has opened the lake


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer("tests.faults.writing") as server:
        yield server


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with services.postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lake]:
    db = None
    if request.param == "postgres":
        db = f"{request.getfixturevalue('postgres')}&schema=t{new_uid().lower()}"
    engine = Engine.create(str(tmp_path / "lake"), SPECS, db=db, limits=LIMITS)
    changes = Changes()
    changes.insert("label", [{"uid": COUNTER, "name": "counter", "version": 0}])
    engine.commit(changes)
    yield Lake(engine, db, tmp_path)
    engine.close()


class Lake:
    """A lake for several processes."""

    def __init__(self, engine: Engine, db: str | None, folder: Path) -> None:
        self.engine = engine
        self._db = db
        self._folder = folder

    def run(
        self, server: ForkServer, jobs: list[tuple[str, dict[str, Any]]]
    ) -> list[list[dict[str, Any]]]:
        """Run jobs at once; what each acknowledged."""
        start = time.time() + _START_SECONDS
        running = []
        for job, args in jobs:
            path = self._folder / f"acks-{new_uid()}"
            shared = {"root": self.engine.root, "db": self._db, "acks": str(path), "start": start}
            running.append((server.start(job, **shared, **args), path))
        codes = [server.wait(pid) for pid, _ in running]
        assert codes == [0] * len(jobs), "a process failed; its traceback is on stderr"
        return [Acks.read(path) for _, path in running]


def check_names(engine: Engine) -> None:
    table = engine.state().arrow("label")
    names = dict(zip(table["name"].to_pylist(), table["uid"].to_pylist(), strict=True))
    assert len(names) == table.num_rows
    keys = {engine.specs["label"].key_text(("name",), (n,)) or "": u for n, u in names.items()}
    assert engine.holders(list(keys)) == keys


@pytest.mark.faults
def test_no_save_fails_no_row_is_lost_and_no_reader_sees_half(
    server: ForkServer, lake: Lake
) -> None:
    writers: list[tuple[str, dict[str, Any]]] = [("write", {"commits": COMMITS})] * WRITERS
    readers: list[tuple[str, dict[str, Any]]] = [("read", {"seconds": 3.0})] * 2
    acks = lake.run(server, [*writers, *readers])
    state = lake.engine.state()
    lines = [line for part in acks[:WRITERS] for line in part]
    assert len(lines) == WRITERS * COMMITS

    sizes = {a["batch"]: a["size"] for a in lines if a["op"] == "insert"}
    for table in ("label", "link"):
        query = f"SELECT batch, count(*) FROM {table} WHERE batch IS NOT NULL GROUP BY batch"
        assert dict(state.sql(query).fetchall()) == sizes
    counted = sum(a["op"] == "count" for a in lines)
    assert (state.row("label", COUNTER) or {})["version"] == counted, "a change of a row is lost"
    log = lake.engine.log()
    assert {a["id"] for a in lines} <= {c.id for c in log}
    assert [c.seq for c in log] == list(range(len(log) - 1, -1, -1))
    assert len(log) == 2 + WRITERS * COMMITS
    check_names(lake.engine)
    took = sorted(a["took"] for a in lines)
    looks = [part[-1]["looks"] for part in acks[WRITERS:]]
    print(
        f"commits: median {took[len(took) // 2] * 1e3:.0f} ms, slowest {took[-1] * 1e3:.0f} ms; {looks} looks"
    )
    assert min(looks) > 0


@pytest.mark.faults
def test_equal_names_from_four_processes_leave_one_row_each(server: ForkServer, lake: Lake) -> None:
    names = [f"name {i}" for i in range(100)]
    acks = lake.run(server, [("take_names", {"names": names})] * WRITERS)
    views = [{a["name"]: a["uid"] for a in part} for part in acks]
    assert views == [views[0]] * WRITERS, "processes disagree about who holds a name"
    assert sorted(views[0]) == sorted(names)
    rows = lake.engine.state().arrow("label")
    assert rows.num_rows == 100 + 1
    assert set(rows["uid"].to_pylist()) == {*views[0].values(), COUNTER}
    check_names(lake.engine)


@pytest.mark.faults
@pytest.mark.parametrize("count", [150, 900])
def test_equal_bulk_saves_from_four_processes_leave_one(
    server: ForkServer, lake: Lake, count: int
) -> None:
    """Below and above the number of keys from which they are packed."""
    names = [f"name {i}" for i in range(count)]
    acks = lake.run(server, [("take_all_names", {"names": names})] * WRITERS)
    assert sorted(part[0]["op"] for part in acks) == ["lost"] * (WRITERS - 1) + ["won"]
    assert all(part[0]["uids"] == acks[0][0]["uids"] for part in acks)
    assert lake.engine.state().count("label") == count + 1
    check_names(lake.engine)

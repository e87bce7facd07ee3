"""The latest versions of all families at once, as the SQL says them, too."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from lakehouse.identity import new_uids
from lakehouse.orm.model.builtin import HIDDEN
from lakehouse.orm.query.compile import latest_uids


def expected(rows: list[dict[str, str]]) -> set[str]:
    best: dict[tuple[str, str], str] = {}
    for row in rows:
        place = row["uid"][:16], row["branch_uid"]
        if row["branch_uid"] not in HIDDEN:
            best[place] = max(best.get(place, ""), row["uid"])
    return set(best.values())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("branches", [["main"], ["main", "dev", "trash", "archive"]])
def test_latest_of_all(seed, branches):
    chance = random.Random(seed)
    rows = [
        {"uid": f"{stem}{version:04}", "branch_uid": chance.choice(branches)}
        for stem in new_uids(50)
        for version in range(chance.randrange(4))
    ]
    if seed % 2:
        chance.shuffle(rows)
    table = pa.Table.from_pylist(rows)
    assert set(latest_uids(table).to_pylist()) == expected(rows)
    assert latest_uids(table) is latest_uids(table)


def test_none():
    empty = pa.table({"uid": pa.array([], pa.string()), "branch_uid": pa.array([], pa.string())})
    assert len(latest_uids(empty)) == 0
    hidden = pa.table({"uid": ["a" * 20], "branch_uid": ["trash"]})
    assert len(latest_uids(hidden)) == 0

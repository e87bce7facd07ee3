"""Merges that are killed: a branch is merged whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakehouse.orm import Lake
from tests.faults.merge_jobs import LABELS, SHARED
from tests.faults.server import ForkServer
from tests.faults.victims import SEED, Victims

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("LAKEHOUSE_KILLS", "200")) // 20

_BRANCHES = """
    SELECT b.uid, b.name, b.status, b.merged_at IS NOT NULL AS merged,
        (SELECT count(*) FROM ulabel u WHERE u.created_on_uid = b.uid
            AND u.branch_uid = b.uid) AS waiting,
        (SELECT count(*) FROM ulabel u WHERE u.created_on_uid = b.uid
            AND u.branch_uid = 'main') AS moved,
        (SELECT count(*) FROM branch_edit e WHERE e.branch_uid = b.uid) AS edits
    FROM branch b WHERE b.name LIKE 'b0%'
"""


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    with ForkServer("tests.faults.merge_jobs") as server:
        yield server


def check(lake: Lake, acks: list[dict[str, str]]) -> tuple[int, int]:
    """Numbers of merged and unmerged branches, each of which is whole."""
    done = {a["branch"] for a in acks if a["op"] == "merged"}
    merged = waiting = labels = 0
    for _, name, status, is_merged, unmoved, moved, edits in lake.sql(_BRANCHES).fetchall():
        assert is_merged == (status == "merged")
        if is_merged:
            assert (unmoved, edits) == (0, 0), name
            assert moved == LABELS or (moved == 0 and name not in done), name
            labels += moved
            merged += 1
        else:
            assert name not in done, "an acknowledged merge is lost"
            assert (unmoved, edits) in ((0, 0), (LABELS, SHARED)), name
            assert moved == 0, "a branch is half merged"
            waiting += 1
    assert lake.ULabel.filter().count() == labels
    return merged, waiting


def test_killed_merges(server: ForkServer, tmp_path: Path) -> None:
    root = tmp_path / "lake"
    with Lake.create(str(root)) as lake:
        lake.save([lake.Feature(name=f"shared-{i}", dtype=str) for i in range(SHARED)])
    victims = Victims(server, tmp_path)
    for _ in range(100):
        victims.round(root, {"merge_branches": {}}, 0.4)
        if victims.killed >= KILLS:
            break
    with Lake.open(str(root)) as lake:
        merged, waiting = check(lake, victims.acks)
        print(f"seed {SEED}: {victims.killed} killed, {merged} merged, {waiting} not merged")
        assert merged, "no victim lived long enough"
        for row in lake.sql(_BRANCHES).fetchall():
            lake.merge(row[1], prefer="branch")
        assert check(lake, victims.acks) == (merged + waiting, 0)

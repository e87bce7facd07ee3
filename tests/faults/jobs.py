"""What the victims do until they are killed, at the level of the engine.

Every victim appends a line to its own file after a commit has returned. Rows carry the batch that
they were saved in and its size, so that half a batch is seen in the rows alone.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.engine import Changes, Engine, Limits, RowModel, TableSpec
from lakehouse.errors import KeyConflict
from lakehouse.identity import new_uid, new_uids

# pyarrow imports pandas, where there is one, with the first array: once, before any fork
pa.array([""])

SHARED_NAMES = 400
# small enough that folds, manifests, early writes and packed keys all come up in a few commits
LIMITS = Limits(
    min_file_rows=64,
    max_file_rows=512,
    fold=4,
    manifest_entries=4,
    bulk_rows=100,
    pack_from=300,
)


class LabelRow(RowModel):
    name: str | None = None
    batch: str | None = None
    size: int | None = None
    version: int | None = None


class LinkRow(RowModel):
    batch: str | None = None
    size: int | None = None


class WiderLinkRow(LinkRow):
    note: str | None = None


LABEL = TableSpec.from_model("label", LabelRow, unique=(("name",),))
SPECS = [LABEL, TableSpec.from_model("link", LinkRow)]
WIDER_SPECS = [LABEL, TableSpec.from_model("link", WiderLinkRow)]


class Acks:
    """A file of lines that outlive the process that wrote them."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, **line: Any) -> None:
        os.write(self._file, json.dumps(line).encode() + b"\n")

    @staticmethod
    def read(path: Path) -> list[dict[str, Any]]:
        if not path.exists():
            return []
        # a line that the kill cut short was never acknowledged
        whole = path.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines()]


def batch_rows(batch: str, size: int) -> list[dict[str, Any]]:
    return [
        {"uid": uid, "name": f"{batch}-{i}", "batch": batch, "size": size, "version": 0}
        for i, uid in enumerate(new_uids(size))
    ]


def insert_both(rows: list[dict[str, Any]]) -> Changes:
    """A batch in two tables: a label per row, and a link per label."""
    changes = Changes()
    changes.insert("label", rows)
    links = [{"uid": r["uid"], "batch": r["batch"], "size": r["size"]} for r in rows]
    changes.insert("link", links)
    return changes


def single(root: str, acks: str) -> None:
    """Save one row at a time; every third has a name that others want too."""
    engine, out = Engine.open(root, SPECS, limits=LIMITS), Acks(acks)
    out.write(op="ready")
    while True:
        batch = new_uid()
        rows = batch_rows(batch, 1)
        if random.random() < 0.3:
            rows[0]["name"] = f"shared-{random.randrange(SHARED_NAMES)}"
        try:
            commit = engine.commit(insert_both(rows), message=batch)
        except KeyConflict:
            continue
        out.write(op="insert", batch=batch, id=commit.id)


def bulk(root: str, acks: str) -> None:
    """Save hundreds of rows at a time in two tables."""
    engine, out = Engine.open(root, SPECS, limits=LIMITS), Acks(acks)
    out.write(op="ready")
    while True:
        batch = new_uid()
        commit = engine.commit(insert_both(batch_rows(batch, random.choice([40, 150, 400]))))
        out.write(op="insert", batch=batch, id=commit.id)


def edit(root: str, acks: str) -> None:
    """Save a batch, change all of its rows twice, rename them, and delete every other batch."""
    engine, out = Engine.open(root, SPECS, limits=LIMITS), Acks(acks)
    out.write(op="ready")
    while True:
        batch = new_uid()
        rows = batch_rows(batch, random.choice([1, 5, 30]))
        commit = engine.commit(insert_both(rows))
        out.write(op="insert", batch=batch, id=commit.id)
        for version in (1, 2):
            changes = Changes()
            for i, row in enumerate(rows):
                new = {"version": version, "name": f"{batch}-v{version}-{i}"}
                changes.update("label", row["uid"], new, {"version": version - 1})
            commit = engine.commit(changes)
            out.write(op="update", batch=batch, id=commit.id, version=version)
        if random.random() < 0.5:
            changes = Changes()
            changes.delete("label", [row["uid"] for row in rows])
            changes.delete("link", [row["uid"] for row in rows])
            out.write(op="deleting", batch=batch)
            commit = engine.commit(changes)
            out.write(op="delete", batch=batch, id=commit.id)


def collect(root: str, acks: str, min_age: float) -> None:
    """Commit a little, so that there is garbage, and collect it."""
    engine, out = Engine.open(root, SPECS, limits=LIMITS), Acks(acks)
    out.write(op="ready")
    while True:
        batch = new_uid()
        commit = engine.commit(insert_both(batch_rows(batch, 1)))
        out.write(op="insert", batch=batch, id=commit.id)
        engine.gc(keep=random.choice([1, 3, 20]), min_age=min_age)


def create(root: str, acks: str) -> None:
    """Make a lake."""
    Acks(acks).write(op="ready")
    Engine.create(root, SPECS, limits=LIMITS).close()
    Acks(acks).write(op="created")


def open_wider(root: str, acks: str) -> None:
    """Open a lake that was moved, with a column that its tables lack."""
    Acks(acks).write(op="ready")
    Engine.open(root, WIDER_SPECS, limits=LIMITS).close()
    Acks(acks).write(op="opened")

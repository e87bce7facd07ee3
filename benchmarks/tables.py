"""A registry table as users have it, for figures of the engine alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.engine import Changes, Engine, RowModel, TableSpec
from lakehouse.identity import new_uid, new_uids


class Label(RowModel):
    """The columns of a label registry."""

    name: str | None = None
    description: str | None = None
    reference: str | None = None
    reference_type: str | None = None
    type_uid: str | None = None
    is_type: bool | None = None
    is_locked: bool | None = None
    branch_uid: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    created_by_uid: str | None = None
    run_uid: str | None = None
    extra: dict[str, Any] | None = None


SPEC = TableSpec.from_model("label", Label, unique=(("name", "type_uid"),))


def create(folder: Path, db: str | None = None) -> Engine:
    """A new lake with one label registry."""
    return Engine.create(str(folder / "lake"), [SPEC], db=db)


def label(name: str) -> dict[str, Any]:
    """One row as a saved label has it."""
    return {
        "uid": new_uid(),
        "name": name,
        "branch_uid": "main",
        "is_type": False,
        "is_locked": False,
        "created_at": datetime.now(UTC),
        "updated_at": datetime.now(UTC),
        "created_by_uid": "0R5sVvVx8mY2uQ4z",
        "run_uid": "0R5sVvVx9aB3cD4e",
    }


def labels(rows: int, stem: str = "label") -> pa.Table:
    """Many rows in every column that the table has."""
    one = label("")
    fixed = {k: v for k, v in one.items() if k not in ("uid", "name")}
    columns: dict[str, Any] = {
        "uid": pa.array(new_uids(rows)),
        "name": pa.array([f"{stem} {i:07d}" for i in range(rows)]),
        "description": pa.array([f"The {stem} with number {i}" for i in range(rows)]),
        **{k: pa.repeat(pa.scalar(v, _type(k)), rows) for k, v in fixed.items()},
    }
    arrays = [columns.get(c.name, pa.nulls(rows, c.arrow_type)) for c in SPEC.columns]
    return pa.table(arrays, names=list(SPEC.column_names))


def _type(name: str) -> pa.DataType:
    return next(c.arrow_type for c in SPEC.columns if c.name == name)


def insert_one(engine: Engine, name: str) -> None:
    """One durable commit of one row."""
    changes = Changes()
    changes.insert("label", [label(name)])
    engine.commit(changes, message="one label", user="benchmark")


def insert_many(engine: Engine, rows: pa.Table) -> None:
    """One durable commit of many rows, their keys claimed."""
    changes = Changes()
    changes.insert("label", rows)
    engine.commit(changes, message="many labels", user="benchmark")

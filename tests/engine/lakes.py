"""Tables, rows and readers of the engine's tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lakehouse.engine import Changes, Commit, Engine, Limits, RowModel, State, TableSpec
from lakehouse.identity import new_uid, new_uids

Row = dict[str, Any]


class ThingRow(RowModel):
    name: str | None = None
    kind: str | None = None
    n: int | None = None
    weight: float | None = None
    flag: bool | None = None
    at: datetime | None = None
    day: date | None = None
    tags: list[str] | None = None
    extra: dict[str, Any] | None = None


class WiderRow(ThingRow):
    note: str | None = None
    aliases: list[str] | None = None


class LinkRow(RowModel):
    thing_uid: str | None = None
    n: int | None = None


UNIQUE = (("name", "kind"), ("n",))
THING = TableSpec.from_model("thing", ThingRow, unique=UNIQUE)
WIDER = TableSpec.from_model("thing", WiderRow, unique=UNIQUE)
LINK = TableSpec.from_model("link", LinkRow)
SPECS = [THING, LINK]

LIMITS = {
    "normal": Limits(),
    "tiny": Limits(
        min_file_rows=64,
        max_file_rows=2_048,
        fold=4,
        manifest_entries=4,
        bulk_rows=100,
        pack_from=300,
    ),
}

WORDS = ("T cell", "naïve", "β-catenin", "細胞", 'it\'s "quoted"', "🧬", "a\tb\nc", "%_#?", "")


def thing(i: int, **values: Any) -> Row:
    """A row with every kind of value, and nulls in turn."""
    moment = datetime(1969, 12, 1, 23, 59, tzinfo=UTC) + timedelta(days=i, microseconds=i * 7)
    row: Row = {
        "uid": new_uid(),
        "name": f"thing {i} {WORDS[i % len(WORDS)]}",
        "kind": None if i % 3 == 0 else WORDS[i % len(WORDS)],
        "n": i - 2**40,
        "weight": None if i % 4 == 0 else (math.inf if i % 11 == 0 else i / 3),
        "flag": (True, False, None)[i % 3],
        "at": None if i % 5 == 0 else moment,
        "day": None if i % 6 == 0 else date(1960, 1, 1) + timedelta(days=i),
        "tags": (None, [], ["x", "ü"], ["", WORDS[i % len(WORDS)]])[i % 4],
        "extra": (None, {}, {"a": [1, None, {"b": "ß"}]})[i % 3],
    }
    return {**row, **values}


def things(count: int, first: int = 0) -> list[Row]:
    """Many rows, their uids in order."""
    uids = new_uids(count)
    return [thing(first + i, uid=uid) for i, uid in enumerate(uids)]


def insert(engine: Engine, rows: Iterable[Row], table: str = "thing", **kwargs: Any) -> Commit:
    """Insert rows in one commit."""
    changes = Changes()
    changes.insert(table, list(rows))
    return engine.commit(changes, **kwargs)


def update(engine: Engine, row: Row, **new: Any) -> Commit:
    """Change columns of a row that was seen as given."""
    changes = Changes()
    changes.update("thing", row["uid"], new, {name: row.get(name) for name in new})
    return engine.commit(changes)


def delete(engine: Engine, uids: Iterable[str], table: str = "thing") -> Commit:
    """Delete rows in one commit."""
    changes = Changes()
    changes.delete(table, uids)
    return engine.commit(changes)


def names(state: State) -> list[str]:
    """The names of all things, sorted."""
    return sorted(state.arrow("thing")["name"].to_pylist())


def by_uid(rows: Iterable[Row]) -> list[Row]:
    """Rows in uid order."""
    return sorted(rows, key=lambda row: str(row["uid"]))


def read(state: State, table: str = "thing") -> list[Row]:
    """All rows of a table in uid order, JSON as text."""
    return by_uid(state.arrow(table).to_pylist())


def files_below(folder: Any, suffixes: Sequence[str] = ("",)) -> set[str]:
    """Paths of all files below a folder that end in one of some ways."""
    return {str(p) for p in folder.rglob("*") if p.is_file() and p.name.endswith(tuple(suffixes))}

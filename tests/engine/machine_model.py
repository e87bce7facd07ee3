"""A plain Python model of a lake, and the changes that the state machine draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
from hypothesis import strategies as st

from lakehouse.engine import Changes, RowModel, TableSpec
from lakehouse.identity import encode

Row = dict[str, Any]
Tables = dict[str, dict[str, Row]]
Key = tuple[Any, ...]

UNIQUE = ("name", "kind", "flag")
UIDS = 4_000


class LabelRow(RowModel):
    name: str | None = None
    kind: int | None = None
    flag: bool | None = None
    weight: float | None = None
    at: datetime | None = None
    day: date | None = None
    tags: list[str] | None = None
    extra: dict[str, Any] | None = None


class WiderLabelRow(LabelRow):
    note: str | None = None
    aliases: list[str] | None = None


class LinkRow(RowModel):
    subject_uid: str | None = None
    n: int | None = None


_LINK = TableSpec.from_model("link", LinkRow)
SPECS = [TableSpec.from_model("label", LabelRow, unique=(UNIQUE,)), _LINK]
WIDER_SPECS = [TableSpec.from_model("label", WiderLabelRow, unique=(UNIQUE,)), _LINK]


class TakenError(Exception):
    """The model's own conflict: a unique key, or a uid, would be there twice."""


def uid_of(number: int) -> str:
    """A uid as the engine's are: 16 characters, ordered by its number."""
    return encode(number, 16)


def key_of(row: Row) -> Key | None:
    return None if row.get("name") is None else tuple(row.get(c) for c in UNIQUE)


def keys_of(tables: Tables) -> dict[Key, str]:
    keys = {uid: key_of(row) for uid, row in tables["label"].items()}
    return {key: uid for uid, key in keys.items() if key is not None}


def plain(row: Row) -> Row:
    """A row without its nulls, JSON text decoded: what every reader must agree on."""
    out = {k: v for k, v in row.items() if v is not None}
    if isinstance(out.get("extra"), str):
        out["extra"] = orjson.loads(out["extra"])
    return out


def plain_rows(table: pa.Table) -> dict[str, Row]:
    """Rows of an Arrow table by uid; a uid that comes twice is an error."""
    rows = {r["uid"]: plain(r) for r in table.to_pylist()}
    assert len(rows) == table.num_rows, "a reader returned a row twice"
    return rows


NAMES = st.one_of(
    st.none(), st.sampled_from(["a", "b", "c", "", "O'Neil", "bulk7"]), st.text(max_size=3)
).filter(lambda name: name is None or "\x1f" not in name)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": NAMES,
    "kind": st.none() | st.integers(-1, 2),
    "flag": st.none() | st.booleans(),
    "weight": st.none() | st.floats(allow_nan=False),
    "at": st.none()
    | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    "day": st.none() | st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    "tags": st.none() | st.lists(st.text(max_size=2), max_size=2),
    "extra": st.none()
    | st.dictionaries(
        st.text(max_size=2),
        st.none() | st.integers(-9, 9) | st.lists(st.text(max_size=2), max_size=2),
        max_size=2,
    ),
}
LABELS = st.fixed_dictionaries({}, optional=VALUES)
LINKS = st.fixed_dictionaries({}, optional={"n": st.none() | st.integers(-(2**63), 2**63 - 1)})
ROWS = {"label": LABELS, "link": LINKS}
NUMBERS = st.integers(0, UIDS)


def bulk_row(table: str, number: int) -> Row:
    """A row for bulk inserts, derived from its number."""
    if table == "link":
        return {"uid": uid_of(number), "subject_uid": uid_of(number // 3), "n": number}
    return {
        "uid": uid_of(number),
        "name": f"bulk{number}" if number % 7 else None,
        "kind": number % 3 if number % 2 else None,
        "weight": number / 7,
        "at": datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=number),
        "tags": [str(number)] * (number % 3),
        "extra": {"n": number} if number % 5 == 0 else None,
    }


@dataclass
class Plan:
    """One commit: what the engine is asked to do, and what it does to the model."""

    inserts: list[tuple[str, list[Row], bool, bool]] = field(default_factory=list)
    updates: dict[str, dict[str, Row]] = field(default_factory=dict)
    deletes: dict[str, list[str]] = field(default_factory=dict)

    def insert(
        self, table: str, rows: list[Row], *, absent: bool = False, arrow: bool = False
    ) -> Plan:
        self.inserts.append((table, rows, absent, arrow))
        return self

    def update(self, table: str, uid: str, new: Row) -> Plan:
        self.updates.setdefault(table, {})[uid] = new
        return self

    def delete(self, table: str, uids: list[str]) -> Plan:
        self.deletes.setdefault(table, []).extend(uids)
        return self

    def changes(self, before: Tables, *, seen: bool) -> Changes:
        """The plan as the engine takes it; with `seen`, updates say what they replace."""
        changes = Changes()
        for table, updates in self.updates.items():
            for uid, new in updates.items():
                old = {c: before[table][uid].get(c) for c in new} if seen else None
                changes.update(table, uid, new, old)
        for table, uids in self.deletes.items():
            changes.delete(table, uids)
        for table, rows, absent, arrow in self.inserts:
            spec = next(s for s in SPECS if s.name == table)
            changes.insert(table, spec.encode_rows(rows) if arrow else rows, if_absent=absent)
        return changes

    def apply(self, before: Tables) -> Tables:
        """The model's rows afterwards.

        Raises:
            TakenError: Two rows would hold one unique key.
        """
        after = {t: dict(rows) for t, rows in before.items()}
        for table, updates in self.updates.items():
            for uid, new in updates.items():
                after[table][uid] = {**after[table][uid], **new}
        for table, uids in self.deletes.items():
            for uid in uids:
                after[table].pop(uid, None)
        for table, rows, absent, _ in self.inserts:
            for row in rows:
                if row["uid"] not in after[table]:
                    after[table][row["uid"]] = row
                elif not absent:
                    raise TakenError
        held = [k for k in map(key_of, after["label"].values()) if k is not None]
        if len(held) != len(set(held)):
            raise TakenError
        return after

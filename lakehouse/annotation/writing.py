"""Staging feature values of records: categorical ones as links, others as JSON texts.

An open transaction keeps what it did to each record, so that the next call within it sees the
outcome of the ones before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from lakehouse.annotation.encoding import plain
from lakehouse.annotation.tables import EXTERNAL, link_row, value_row
from lakehouse.annotation.values import Prepared
from lakehouse.engine import Changes
from lakehouse.orm import Batch, Lake
from lakehouse.orm.context import active_batch
from lakehouse.orm.links import links_from, unlink

ALL = 10_000_000
SLOTS = (None, EXTERNAL)
Row = dict[str, Any]


@dataclass
class _Rows:
    """The links and values of one record, by uid."""

    links: dict[str, Row] = field(default_factory=dict)
    values: dict[str, Row] = field(default_factory=dict)


_Operation = Callable[[_Rows], None]
_done: WeakKeyDictionary[Batch, dict[tuple[str, str], list[_Operation]]] = WeakKeyDictionary()


def link_table(table: str) -> str:
    """The link table of a subject's table."""
    return f"{table}_link"


def links_of(lake: Lake, table: str, uid: str) -> list[Row]:
    """The links of a record that belong to a feature, those of the open transaction too."""
    return [r for r in links_from(lake, link_table(table), uid) if _of_feature(r)]


def values_of(lake: Lake, table: str, uid: str) -> list[Row]:
    """The rows of the value table of a record, those of the open transaction too."""
    batch = active_batch(lake)
    operations = [] if batch is None else _done.get(batch, {}).get((table, uid), [])
    return list(_after(lake, table, uid, operations).values.values())


def _of_feature(row: Row) -> bool:
    return row["feature_uid"] is not None and row["registry"] != "schema"


def _after(lake: Lake, table: str, uid: str, operations: Iterable[_Operation]) -> _Rows:
    """The committed rows of a record as some operations leave them."""
    links = lake.state.prefix(link_table(table), uid, ALL)
    values = lake.state.prefix("feature_value", uid, ALL)
    rows = _Rows(
        {r["uid"]: r for r in links if _of_feature(r)},
        {r["uid"]: r for r in values if r["registry"] == table},
    )
    for operation in operations:
        operation(rows)
    return rows


def stamps_of(lake: Lake, now: datetime) -> dict[str, Any]:
    """Who made a link or value, when, and in which run."""
    stamps = lake.stamps
    return {
        "created_at": now,
        "created_by_uid": stamps.get("created_by_uid"),
        "run_uid": stamps.get("run_uid"),
    }


def rows_of(
    batch: Batch, table: str, uid: str, prepared: Prepared, stamps: Mapping[str, Any]
) -> tuple[list[Row], list[Row]]:
    """The link rows and value rows of checked values, as a batch writes them."""
    links = [
        link_row(
            uid, target, batch.uid_of(target, label), feature_uid=feature.uid, slot=EXTERNAL,
            position=place if feature.dtype.kind == "list" else None, **stamps,
        )
        for feature, target, label, place in prepared.labels
    ]  # fmt: skip
    values = [
        value_row(table, uid, feature.uid, plain(value), slot=EXTERNAL, **stamps)
        for feature, value in prepared.values
    ]
    return links, values


def stage_values(
    batch: Batch, record: Any, prepared: Prepared, replaced: Callable[[Row], bool] | None
) -> None:
    """Let a batch write the values of a record.

    Args:
        batch: The batch.
        record: The artifact, run or record.
        prepared: Its checked values.
        replaced: Which of its present rows go; None leaves all and adds.
    """
    stamps = stamps_of(record._lake, batch.now)

    def operation(rows: _Rows) -> None:
        links, values = rows_of(batch, record.meta.table, record.uid, prepared, stamps)
        for present, new in ((rows.links, links), (rows.values, values)):
            wanted = {r["uid"] for r in new}
            if replaced is not None:
                for uid in [u for u, r in present.items() if u not in wanted and replaced(r)]:
                    del present[uid]
            for row in new:
                known = present.get(row["uid"])
                if known is None and replaced is None and row.get("position") is not None:
                    row["position"] = _end(present, row["feature_uid"])
                if known is None:
                    present[row["uid"]] = row
                elif replaced is not None and known.get("position") != row.get("position"):
                    present[row["uid"]] = {**known, "position": row["position"]}

    _stage(batch, record, operation)


def _end(rows: Mapping[str, Row], feature_uid: str) -> int:
    """The place after the last one of a list."""
    places = [r["position"] for r in rows.values() if r["feature_uid"] == feature_uid]
    return max((p for p in places if p is not None), default=-1) + 1


def remove_rows(record: Any, gone: Callable[[Row], bool], batch: Batch) -> None:
    """Let a batch delete rows of a record."""

    def operation(rows: _Rows) -> None:
        for present in (rows.links, rows.values):
            for uid in [u for u, r in present.items() if gone(r)]:
                del present[uid]

    _stage(batch, record, operation)


def _stage(batch: Batch, record: Any, operation: _Operation) -> None:
    table, lake = record.meta.table, record._lake
    operations = _done.setdefault(batch, {}).setdefault((table, record.uid), [])
    operations.append(operation)
    upto = len(operations)

    def stage(changes: Changes) -> None:
        uid = record.uid
        before = _after(lake, table, uid, operations[: upto - 1])
        after = _Rows(dict(before.links), dict(before.values))
        operation(after)
        pairs = (
            (link_table(table), before.links, after.links),
            ("feature_value", before.values, after.values),
        )
        committed = before if upto == 1 else _after(lake, table, uid, ())
        for name, old, new in pairs:
            known = committed.links if name != "feature_value" else committed.values
            moved = {u for u, r in new.items() if u in old and r is not old[u] and r != old[u]}
            for one in moved & known.keys():
                changes.update(name, one, {"position": new[one]["position"]})
            unlink(changes, name, (old.keys() - new.keys()) | (moved - known.keys()))
            fresh = [r for u, r in new.items() if u not in old or u in moved - known.keys()]
            if fresh:
                changes.insert(name, fresh, if_absent=True)

    batch.stage(stage)


def external(row: Row) -> bool:
    """Whether a row was set by somebody, not found in the dataset."""
    return row["slot"] in SLOTS


def of_features(uids: Iterable[str]) -> Callable[[Row], bool]:
    """Whether a row is an external one of some features."""
    wanted = frozenset(uids)
    return lambda row: row["slot"] in SLOTS and row["feature_uid"] in wanted


def stage_many(batch: Batch, pairs: Sequence[tuple[Any, Prepared]]) -> None:
    """Let a batch write the values of many new records of one registry."""
    stamps = stamps_of(pairs[0][0]._lake, batch.now)

    def stage(changes: Changes) -> None:
        table = pairs[0][0].meta.table
        links: list[Row] = []
        values: list[Row] = []
        for record, prepared in pairs:
            mine = rows_of(batch, table, record.uid, prepared, stamps)
            links += mine[0]
            values += mine[1]
        changes.insert(link_table(table), links, if_absent=True)
        changes.insert("feature_value", values, if_absent=True)

    batch.stage(stage)

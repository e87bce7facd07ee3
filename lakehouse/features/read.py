"""Feature values of one record, read back with their types."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from lakehouse.features.codec import typed
from lakehouse.features.reference import Known
from lakehouse.features.write import external, links_of, values_of
from lakehouse.orm import Lake
from lakehouse.orm.model.builtin import HIDDEN
from lakehouse.orm.model.context import active_batch
from lakehouse.relations.tables import EXTERNAL
from lakehouse.schema import DType


@dataclass
class Annotated:
    """What a record has for one feature.

    Attributes:
        feature: The feature.
        slots: The slots of its values: of datasets `columns`, `obs` …, else `__external__`.
        labels: `(registry's table, row of the label)`, in the order of a list.
        values: Typed values, oldest first.
    """

    feature: Known
    slots: set[str] = field(default_factory=set)
    labels: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set, repr=False)

    def add_label(self, table: str, row: dict[str, Any]) -> None:
        """A label, which counts once however many slots have it."""
        if (table, row["uid"]) not in self._seen:
            self._seen.add((table, row["uid"]))
            self.labels.append((table, row))


def annotated(record: Any, keep: Callable[[dict[str, Any]], bool] | None = None) -> list[Annotated]:
    """The features of a record with their values; categorical ones first, by name.

    What lies in the trash or the archive is left out.

    Args:
        record: An artifact, run or record.
        keep: Which rows count; all by default.
    """
    lake, table = record._lake, record.meta.table
    links = [r for r in links_of(lake, table, record.uid) if keep is None or keep(r)]
    values = [r for r in values_of(lake, table, record.uid) if keep is None or keep(r)]
    features = known_of(lake, {r["feature_uid"] for r in (*links, *values)})
    labels = label_rows(lake, ((r["registry"], r["target_uid"]) for r in links))
    found: dict[str, Annotated] = {}
    for row in sorted(links, key=_place):
        label = labels.get((row["registry"], row["target_uid"]))
        feature = features.get(row["feature_uid"])
        if feature is not None and label is not None:
            entry = found.setdefault(feature.uid, Annotated(feature))
            entry.slots.add(row["slot"] or EXTERNAL)
            entry.add_label(row["registry"], label)
    for row in sorted(values, key=lambda r: (r["created_at"], r["uid"])):
        feature = features.get(row["feature_uid"])
        if feature is not None:
            entry = found.setdefault(feature.uid, Annotated(feature))
            entry.slots.add(row["slot"] or EXTERNAL)
            entry.values.append(typed(row["value"], feature.dtype))
    return sorted(found.values(), key=lambda a: (not a.labels, a.feature.name, a.feature.uid))


def _place(row: dict[str, Any]) -> tuple[bool, bool, int, str]:
    """Labels of datasets come before those that were set, each in the order of their lists."""
    position = row["position"]
    return external(row), position is None, position or 0, row["uid"]


def known_of(lake: Lake, uids: Iterable[str]) -> dict[str, Known]:
    """Visible features by uid."""
    rows = rows_by_uid(lake, "feature", uids)
    return {r["uid"]: Known.of(r) for r in rows if r.get("branch_uid") not in HIDDEN}


def rows_by_uid(lake: Lake, table: str, uids: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of a table, those of the open transaction too."""
    wanted = sorted(uids)
    rows = lake.state.rows(table, wanted)
    batch = active_batch(lake)
    if batch is None or len(rows) == len(wanted):
        return rows
    known = {r["uid"] for r in rows}
    staged = (batch.staged_uid(table, uid) for uid in wanted if uid not in known)
    empty = dict.fromkeys(lake.directory.by_table[table].meta.columns)
    return rows + [{**empty, **r._values, "uid": r.uid} for r in staged if r is not None]


def label_rows(
    lake: Lake, pairs: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of visible labels by table and uid."""
    by_table: dict[str, set[str]] = {}
    for table, uid in pairs:
        by_table.setdefault(table, set()).add(uid)
    return {
        (table, row["uid"]): row
        for table, uids in by_table.items()
        if table in lake.directory.by_table
        for row in rows_by_uid(lake, table, uids)
        if row.get("branch_uid") not in HIDDEN
    }


def label_field(lake: Lake, dtype: DType, table: str) -> str:
    """The field by which a feature names records of a table."""
    meta = lake.directory.by_table[table].meta
    for target in dtype.all_targets:
        if target.registry == meta.name:
            return target.field
    return str(meta.name_field)


def value_of(lake: Lake, found: Iterable[Annotated]) -> Any:
    """One value, a list, or a set of several: what features of one name say of a record."""
    listed = list(found)
    texts: list[Any] = []
    for entry in listed:
        dtype = entry.feature.dtype
        texts += [row[label_field(lake, dtype, table)] for table, row in entry.labels]
        texts += entry.values
    if any(e.feature.dtype.kind == "list" for e in listed):
        return _joined(texts)
    return collected(texts)


def _joined(values: list[Any]) -> list[Any]:
    """Lists that were added one after the other, as one."""
    out: list[Any] = []
    for value in values:
        out += value if isinstance(value, list) else [value]
    return out


def collected(values: list[Any]) -> Any:
    """The only value, or several: a set, or a list of what sets can't hold."""
    if len(values) == 1:
        return values[0]
    if any(isinstance(v, dict | list) for v in values):
        return values
    distinct = set(values)
    return distinct if len(distinct) != 1 else distinct.pop()


__all__ = [
    "Annotated",
    "annotated",
    "collected",
    "external",
    "known_of",
    "label_field",
    "label_rows",
    "value_of",
]

"""Finding the records that categorical values mean: by name or another field, or given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import UnknownField, near
from lakehouse.orm import Lake, QuerySet
from lakehouse.orm.model.context import active_batch
from lakehouse.schema import CatTarget
from lakehouse.terms.scope import (
    first_of_each,
    labels_first,
    nearest_to_root,
    types_under,
    used_first,
)

Found = tuple[str, str]
_SUGGESTED_FROM = 50_000


def found_by(lake: Lake, target: CatTarget, texts: Iterable[str]) -> dict[str, list[Found]]:
    """The visible records of one registry whose field has a text: `(table, uid)` each.

    Args:
        lake: The lake.
        target: The registry, its field, and what narrows it.
        texts: What is looked up.

    Raises:
        UnknownField: The registry, field or type doesn't exist.
    """
    meta = lake.directory.get(target.registry).meta
    if target.field not in meta.fields:
        raise meta.unknown(target.field)
    wanted = list(dict.fromkeys(texts))
    rows = _needed(lake.state.arrow(meta.table), target)
    column = rows[target.field]
    if len(wanted) == 1:
        hits = rows.filter(pc.equal(column, wanted[0]))
    else:
        hits = rows.filter(pc.is_in(column, pa.array(wanted, pa.string())))
    hits = _narrowed(lake, target, rows, hits)
    hits = first_of_each(used_first(lake.state, hits, target.field), target.field)
    found: dict[str, list[Found]] = {}
    for text, uid in zip(hits[target.field].to_pylist(), hits["uid"].to_pylist(), strict=True):
        found.setdefault(text, []).append((meta.table, uid))
    if meta.versioned:  # the newest version stands for its family
        found = {text: [max(uids)] for text, uids in found.items()}
    _add_staged(lake, target, wanted, found)
    return found


def _needed(rows: pa.Table, target: CatTarget) -> pa.Table:
    """The columns that finding labels takes; filtering the others costs more than the rest."""
    names = ("uid", "name", "branch_uid", "is_type", "type_uid", "source_uid", "ontology_id")
    return rows.select([n for n in rows.column_names if n in names or n == target.field])


def _narrowed(lake: Lake, target: CatTarget, rows: pa.Table, hits: pa.Table) -> pa.Table:
    if "branch_uid" in hits.column_names:
        hits = hits.filter(pc.is_in(hits["branch_uid"], pa.array(lake.visible_branches)))
    if target.type_path and hits.num_rows:
        kinds = types_under(rows, target)
        hits = hits.filter(pc.is_in(hits["type_uid"], pa.array(sorted(kinds))))
    hits = nearest_to_root(labels_first(hits, target.field), target.field, rows)
    if target.filters and hits.num_rows:
        kept = fulfil(lake, target, hits["uid"].to_pylist())
        hits = hits.filter(pc.is_in(hits["uid"], pa.array(sorted(kept), pa.string())))
    return hits


def fulfil(lake: Lake, target: CatTarget, uids: Sequence[str]) -> set[str]:
    """Which of some records fulfil the filters of a target."""
    registry = lake.directory.get(target.registry)
    query: QuerySet[Any] = QuerySet(registry, lake)
    return set(query.filter(uid__in=list(uids), **dict(target.filters)).to_list("uid"))


def _add_staged(
    lake: Lake, target: CatTarget, wanted: list[str], found: dict[str, list[Found]]
) -> None:
    """Records that the open transaction saves can be labels, too."""
    batch = active_batch(lake)
    if batch is None or target.filters:
        return
    table = lake.directory.get(target.registry).meta.table
    for record in batch._new.get(table, []):
        text = record._values.get(target.field)
        if text not in wanted or record._saved:
            continue
        if record._values.get("is_type") and text in found:
            continue
        if not target.type_path or is_under(lake, target, record):
            found.setdefault(text, []).append((table, record.uid))


def is_under(lake: Lake, target: CatTarget, record: Any) -> bool:
    """Whether a record lies under the type that a target names."""
    uid = record._values.get("type_uid")
    if uid is None:
        return False
    try:
        return uid in types_under(lake.state.arrow(record.meta.table), target)
    except UnknownField:
        return bool(record.type.name == target.type_path[-1])


def suggestions(lake: Lake, target: CatTarget, texts: Sequence[str]) -> list[str]:
    """Valid values that are near to invalid ones, for the error."""
    rows = lake.state.arrow(lake.directory.get(target.registry).meta.table)
    if rows.num_rows > _SUGGESTED_FROM:
        return []
    rows = _needed(rows, target)
    rows = _narrowed(lake, CatTarget(target.registry, target.field, target.type_path), rows, rows)
    names = {str(n) for n in rows[target.field].to_pylist() if n is not None}
    return list(dict.fromkeys(n for text in texts[:10] for n in near(text, names)))


def making_call(target: CatTarget, missing: Sequence[str]) -> str:
    """The call that makes the records that are missing."""
    shown = list(missing[:10])
    if "." in target.registry:
        module, _, name = target.registry.rpartition(".")
        short = "bt" if module == "bionty" else module
        return f"{short}.{name}.from_values({shown}, field={target.field!r}).save()"
    if target.registry in ("ULabel", "Record", "Project", "Reference"):
        return (
            f"ln.{target.registry}.from_values({shown}, field={target.field!r}, create=True).save()"
        )
    return f"ln.{target.registry}.filter({target.field}=…)"

"""Terms of several ontologies with one name: which of them a name means.

The name of a term is its ontology's affair, so that "asthma" may be a term of two. Where a name
has to mean one of them, it is that of the source that was asked for, else of one that is used
now, else the oldest. A record, too, may be named like one of another type: the one that lies
nearest to the root is meant, and where several lie at one depth the name means none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import notify

if TYPE_CHECKING:
    from lakehouse.engine import State

_NEEDED = {"ontology_id", "source_uid"}
_TYPED = {"is_type", "type_uid"}


def used_first(state: State, rows: pa.Table, column: str, source: Any = None) -> pa.Table:
    """Rows of a registry so that of several with one name the one that is meant stands first.

    Args:
        state: The state that they are of.
        rows: The rows, in the order of their age.
        column: The field that is looked at; only names belong to several terms.
        source: The `bt.Source` that was asked for; by default those that are used.
    """
    if column != "name" or not set(rows.column_names) >= _NEEDED:
        return rows
    if len(pc.unique(rows["source_uid"])) < 2:
        return rows
    sources = state.arrow("source")
    wanted = sources["currently_used"] if source is None else pc.equal(sources["uid"], source.uid)
    # older versions of a source that is used, too
    names = sources["name"].filter(pc.fill_null(wanted, False))
    uids = sources["uid"].filter(pc.is_in(sources["name"], value_set=names))
    theirs = pc.is_in(rows["source_uid"], value_set=uids)
    others = rows[column].filter(pc.invert(theirs))
    if not pc.any(pc.is_in(others, value_set=rows[column].filter(theirs))).as_py():
        return rows
    return pa.concat_tables([rows.filter(theirs), rows.filter(pc.invert(theirs))])


def nearest_to_root(rows: pa.Table, field: str, registry: pa.Table) -> pa.Table:
    """Rows of which those that share their name with one of an outer type are left out.

    Args:
        rows: Rows of a registry.
        field: The field that is looked at; only names depend on types.
        registry: All rows of the registry, among them the types.
    """
    if field != "name" or not set(rows.column_names) >= _TYPED:
        return rows
    if rows["type_uid"].null_count == len(rows):
        return rows  # at the root, a name is one record's
    counted = rows[field].value_counts()
    several = counted.field(0).filter(pc.greater(counted.field(1), 1)).drop_null()
    if not len(several):
        return rows
    types = _types(registry)
    same = rows.filter(pc.is_in(rows[field], value_set=several))
    placed = [
        (name, uid, len(_above(kind, types)))
        for name, uid, kind in zip(
            *(same[c].to_pylist() for c in (field, "uid", "type_uid")), strict=True
        )
    ]
    least: dict[str, int] = {}
    for name, _, depth in placed:
        least[name] = min(depth, least.get(name, depth))
    deeper = [uid for name, uid, depth in placed if depth > least[name]]
    return rows.filter(pc.invert(pc.is_in(rows["uid"], value_set=pa.array(deeper, pa.string()))))


def with_ambiguities(rows: pa.Table, field: str, registry: pa.Table, name: str) -> pa.Table:
    """Rows with a column `several`, which says why a name means none of them; if one does.

    Args:
        rows: Rows of a registry, as `nearest_to_root` leaves them.
        field: The field that is looked at.
        registry: All rows of the registry.
        name: The registry's name.
    """
    if field != "name" or not set(rows.column_names) >= _TYPED:
        return rows
    if rows["type_uid"].null_count == len(rows):
        return rows
    counted = rows[field].value_counts()
    several = set(counted.field(0).filter(pc.greater(counted.field(1), 1)).drop_null().to_pylist())
    if not several:
        return rows
    uids: dict[str, list[str]] = {}
    names = rows[field].to_pylist()
    for text, uid in zip(names, rows["uid"].to_pylist(), strict=True):
        if text in several:
            uids.setdefault(text, []).append(uid)
    told = {text: ambiguity(registry, name, text, found) for text, found in uids.items()}
    return rows.append_column("several", pa.array([told.get(n) for n in names], pa.string()))


def ambiguity(registry: pa.Table, name: str, text: str, uids: Sequence[str]) -> str:
    """Why a name means none of several records."""
    rows = registry.filter(pc.is_in(registry["uid"], value_set=pa.array(uids, pa.string())))
    of_types = rows["type_uid"].to_pylist() if "type_uid" in rows.column_names else []
    types = _types(registry) if of_types else {}
    above = [_above(kind, types) for kind in of_types]
    depth = f" at depth {len(above[0])}" if len({len(path) for path in above}) == 1 else ""
    under = sorted({types[path[0]][0] for path in above if path})
    said = f" (under types: {under})" if under else ""
    return f"Ambiguous match for {name} {text!r}: found {len(uids)} records{depth}{said}"


def _types(registry: pa.Table) -> dict[str, tuple[str, str | None]]:
    """The name of each type, and the type that it is of, by uid."""
    types = registry.filter(pc.fill_null(registry["is_type"], False))
    columns = (types[column].to_pylist() for column in ("uid", "name", "type_uid"))
    return {uid: (name, kind) for uid, name, kind in zip(*columns, strict=True)}


def _above(kind: str | None, types: Mapping[str, tuple[str, str | None]]) -> list[str]:
    """The types above a record of a type, from the inmost on."""
    found: list[str] = []
    while kind is not None and kind in types and kind not in found:
        found.append(kind)
        kind = types[kind][1]
    return found


def first_of_each(rows: pa.Table, column: str) -> pa.Table:
    """The first row of each name; of other fields, all rows."""
    if column != "name" or not set(rows.column_names) >= _NEEDED or len(rows) < 2:
        return rows
    names = rows[column].to_pylist()
    first = dict(zip(reversed(names), range(len(names) - 1, -1, -1), strict=True))
    return rows.take(pa.array(sorted(first.values()), pa.int64()))


def meant(existing: dict[Any, list[Any]], field: str, *, mute: bool) -> dict[Any, list[Any]]:
    """The records by value; of several terms of one name only the first, and you are told."""
    several = {
        value: records
        for value, records in existing.items()
        if len(records) > 1 and field == "name" and "ontology_id" in records[0].meta.fields
    }
    if several and not mute:
        told = [
            f"{value!r}: {', '.join(str(r.ontology_id) for r in records)}"
            for value, records in list(several.items())[:5]
        ]
        notify(
            f"several sources have terms of these names, the first is taken: {'; '.join(told)}; "
            "pass source=… to choose",
            "warning",
        )
    return {v: r[:1] if v in several else r for v, r in existing.items()}

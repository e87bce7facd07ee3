"""The terms of registries, as validation looks values up in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import notify
from lakehouse.curation import TableResolver
from lakehouse.engine import State
from lakehouse.errors import UnknownField, near
from lakehouse.orm.view.visible import seen
from lakehouse.schema import CatTarget
from lakehouse.walks import along, leading, reached

if TYPE_CHECKING:
    from lakehouse.engine import State


# -- Terms of several ontologies with one name: which of them a name means


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

    def following(level: list[str]) -> Iterable[str]:
        return (up for one in level if (up := types[one][1]) is not None and up in types)

    return list(reached([] if kind is None or kind not in types else [kind], following))


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


def resolver(state: State, tables: Mapping[str, str]) -> TableResolver:
    """A resolver over one state of the registries.

    Args:
        state: The state; values are compared with it and nothing else.
        tables: The table of every registry that a dtype may name, e.g.
            `{"bionty.CellType": "cell_type"}`.
    """
    return TableResolver(_provider(state, tables))


def _provider(state: State, tables: Mapping[str, str]) -> Callable[[CatTarget], pa.Table]:
    def terms(target: CatTarget) -> pa.Table:
        if target.registry not in tables:
            raise UnknownField(
                f"There is no registry {target.registry!r}.",
                expected=", ".join(near(target.registry, list(tables)) or sorted(tables)),
            )
        return terms_of(state, tables[target.registry], target)

    return terms


def terms_of(state: State, table: str, target: CatTarget) -> pa.Table:
    """The visible terms of a registry, narrowed to the target's types.

    Raises:
        UnknownField: A type of the target, or a field that it is filtered by, doesn't exist.
    """
    rows = seen(state.arrow(table), state)
    for path, wanted in target.filters:
        rows = rows.filter(_fulfils(state, table, rows, path, wanted, target))
    if target.type_path:
        kinds = types_under(rows, target)
        rows = rows.filter(pc.is_in(rows["type_uid"], value_set=pa.array(sorted(kinds))))
    rows = nearest_to_root(labels_first(rows, target.field), target.field, state.arrow(table))
    rows = with_ambiguities(rows, target.field, state.arrow(table), target.registry)
    return used_first(state, rows, target.field)


def labels_first(rows: pa.Table, field: str) -> pa.Table:
    """Rows without the types that have the name of a label: the name means the label."""
    if not {"is_type", "type_uid"} <= set(rows.column_names):
        return rows
    of_types = pc.fill_null(rows["is_type"], False)
    if not pc.any(of_types).as_py():
        return rows
    labels, types = rows.filter(pc.invert(of_types)), rows.filter(of_types)
    named = pc.is_in(types[field], value_set=labels[field].combine_chunks())
    return pa.concat_tables([labels, types.filter(pc.invert(named))])


def _fulfils(
    state: State, table: str, rows: pa.Table, path: str, wanted: str, target: CatTarget
) -> pa.Array:
    """Which rows fulfil one condition of `cat_filters`, e.g. `source`, `organism__name`."""
    name, _, rest = path.partition("__")
    names = rows.column_names
    if path in names:
        return pc.equal(rows[path].cast(pa.string()), wanted)
    if f"{name}_uid" not in names:
        own = [n.removesuffix("_uid") for n in names]
        raise UnknownField(
            f"{target.registry} can't be filtered by {path!r}.",
            expected=", ".join(near(name, own) or own),
        )
    if rest in ("", "uid"):
        return pc.equal(rows[f"{name}_uid"], wanted)
    related = state.arrow(name if name in state.tables else table)
    if rest not in related.column_names:
        raise UnknownField(
            f"{name} has no field {rest!r}, by which {target} is filtered.",
            expected=", ".join(near(rest, related.column_names)) or None,
        )
    uids = related.filter(pc.equal(related[rest].cast(pa.string()), wanted))["uid"]
    return pc.is_in(rows[f"{name}_uid"], value_set=uids.combine_chunks())


def types_under(rows: pa.Table, target: CatTarget) -> set[str]:
    """The uids of the type that a target names and of all types below it."""
    types = (
        rows.filter(pc.fill_null(rows["is_type"], False))
        if "is_type" in rows.column_names
        else rows
    )
    names = types["name"].to_pylist()
    uids = types["uid"].to_pylist()
    parents = types["type_uid"].to_pylist()
    found: set[str] | None = None
    for name in target.type_path:
        hits = [(u, p) for u, n, p in zip(uids, names, parents, strict=True) if name in (n, u)]
        if found is None:
            # a dtype names the whole path; only one that somebody wrote may begin below
            found = {u for u, p in hits if p is None} or {u for u, _ in hits}
        else:
            found = {u for u, p in hits if p in found}
        if not found:
            raise UnknownField(
                f"{target.registry} has no type {name!r}, which the dtype {target} names.",
                expected=", ".join(near(name, {n for n in names if n})) or None,
                hint=f"{target.registry}(name={name!r}, is_type=True).save()",
            )
    return set(reached(found or (), along(leading(zip(parents, uids, strict=True)))))

"""The terms of registries, as validation looks values up in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.annotation.homonyms import nearest_to_root, used_first, with_ambiguities
from lakehouse.curation import TableResolver
from lakehouse.engine import State
from lakehouse.errors import UnknownField, near
from lakehouse.orm.visibility import seen
from lakehouse.schema import CatTarget


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
    known = set(found or ())
    grown = True
    while grown:
        below = {u for u, p in zip(uids, parents, strict=True) if p in known} - known
        grown = bool(below)
        known |= below
    return known

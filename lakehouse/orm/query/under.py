"""Terms and what lies below them: `Artifact.filter(cell_types__under="T cell")`.

The walk down follows the links of the registry's relation `parents`, or the types of records,
in one recursive statement; it starts at the terms that the caller means.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import InvalidArgument, ObjectDoesNotExist
from lakehouse.orm.model.meta import RegistryMeta
from lakehouse.orm.query.lookups import Sql
from lakehouse.orm.session.matching import similar_names
from lakehouse.orm.view.visible import branches_of

if TYPE_CHECKING:
    from lakehouse.engine import State

NAME = "under"
_BY = ("uid", "ontology_id")


def has_levels(meta: RegistryMeta) -> bool:
    """Whether records of a registry lie below others."""
    return "parents" in meta.relations or "type" in meta.foreign_keys


def below_sql(state: State, meta: RegistryMeta, value: Any, *, types: bool = False) -> Sql:
    """SQL that selects the uids of some terms and of all their descendants.

    Args:
        state: The state in which the terms are looked up.
        meta: The terms' registry.
        value: A record, the name, ontology id or uid of one, or several of these.
        types: Walk from types to what is of these types, instead of from parents to children.

    Raises:
        ObjectDoesNotExist: There is no such term; the near ones are named.
    """
    several = isinstance(value, Iterable) and not isinstance(value, str)
    starts = [u for v in (value if several else [value]) for u in terms(state, meta, v)]
    name = f"lh_under_{meta.table}"
    table = f'"{meta.table}"'
    if types or "parents" not in meta.relations:
        step = f"SELECT c.uid FROM {table} c JOIN {name} w ON c.type_uid = w.uid"
        values: list[Any] = []
    else:
        parents = meta.relations["parents"]
        where, values = parents.conditions("l")
        step = (
            f'SELECT l.{parents.own_column} FROM "{parents.link}" l'
            f" JOIN {name} w ON l.{parents.other_column} = w.uid"
            + (f" WHERE {' AND '.join(where)}" if where else "")
        )
    return (
        # UNION, not UNION ALL: where terms form a ring, it ends
        f"WITH RECURSIVE {name}(uid) AS (SELECT unnest(?::VARCHAR[]) UNION {step})"
        f" SELECT uid FROM {name}",
        [starts, *values],
    )


def terms(state: State, meta: RegistryMeta, value: Any) -> list[str]:
    """The uids of the terms that a record, a name, an ontology id or a uid means."""
    if getattr(value, "meta", None) is meta:
        return [str(value.uid)]
    if not isinstance(value, str):
        raise InvalidArgument(
            f"The look-up {NAME!r} takes a {meta.name}, its name or its id.",
            found=f"{value!r} ({type(value).__name__})",
        )
    rows = state.arrow(meta.table)
    mask = None
    for column in dict.fromkeys((meta.name_field, *_BY)):
        if column in rows.column_names:
            found = pc.fill_null(pc.equal(rows[column], value), fill_value=False)
            mask = found if mask is None else pc.or_(mask, found)
    # a name means those that are seen; a record means itself, wherever it is
    if "branch_uid" in rows.column_names:
        mask = pc.and_(mask, pc.is_in(rows["branch_uid"], pa.array(branches_of(state))))
    uids = rows["uid"].filter(mask).to_pylist()
    if not uids:
        names = pc.drop_null(rows[meta.name_field]).to_pylist()
        close = similar_names(value, names)
        raise ObjectDoesNotExist(
            f"There is no {meta.name} {value[:200]!r}.",
            expected=", ".join(map(repr, close)) or None,
            hint=f"{meta.code}.search({value[:200]!r})",
        )
    return [str(u) for u in uids]

"""Terms of several ontologies with one name: which of them a name means.

The name of a term is its ontology's affair, so that "asthma" may be a term of two. Where a name
has to mean one of them, it is that of the source that was asked for, else of one that is used
now, else the oldest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import notify

if TYPE_CHECKING:
    from lakehouse.engine import State

_NEEDED = {"ontology_id", "source_uid"}


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

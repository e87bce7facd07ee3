"""Terms that are obsolete in their ontology, among values that are valid all the same.

A registry of which no term is obsolete costs nothing; others one look-up per distinct value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import notify
from lakehouse.curation.terms import Matches
from lakehouse.orm import Lake
from lakehouse.orm.model.context import active_batch
from lakehouse.terms.inspect import counted
from lakehouse.text.printable import printable_line
from lakehouse.walks import reached

OBSOLETE_FIELDS = ("ontology_id", "is_obsolete", "replaced_by", "consider")
_SHOWN = 10


@dataclass(frozen=True)
class Obsolete:
    """A value that is an obsolete term.

    Attributes:
        value: The value.
        replacement: What is to stand in its place, if exactly one term replaces it.
        consider: Ids of terms that a person may choose among instead.
    """

    value: str
    replacement: str | None
    consider: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.replacement is not None:
            return f"{self.value!r} → {self.replacement!r}"
        said = f"consider {' or '.join(self.consider)}" if self.consider else "nothing replaces it"
        return printable_line(f"{self.value!r} ({said})")


def obsolete_among(lake: Lake, matches: Iterable[Matches]) -> list[Obsolete]:
    """Which of the valid values of a column are obsolete terms.

    Args:
        lake: The lake.
        matches: The valid values, by registry.
    """
    found: dict[str, Obsolete] = {}
    for match in matches:
        registry: Any = lake.directory.get(match.target.registry)
        if not set(OBSOLETE_FIELDS) <= set(registry.meta.fields):
            continue
        field, own = match.target.field, lake.state.arrow(registry.meta.table)
        new = _new(lake, registry.meta.table, match.uids)
        saved = match.values.filter(pc.invert(new))
        items = obsolete_values(registry, own, field, saved)
        if new.true_count:  # they are valid by the public source, and no records yet
            public, _ = registry._public_terms(None, None)
            items += obsolete_values(registry, public, field, match.values.filter(new))
        found.update((item.value, item) for item in items)
    return list(found.values())


def _new(lake: Lake, table: str, uids: pa.Array) -> pa.BooleanArray:
    """Which terms are no records yet, or become some with the open transaction."""
    batch = active_batch(lake)
    if batch is None:
        return pc.is_null(uids)
    staged = [u is None or batch.staged_uid(table, u) is not None for u in uids.to_pylist()]
    return pa.array(staged, pa.bool_())


def obsolete_values(
    registry: Any, terms: pa.Table | None, field: str, values: pa.Array | Sequence[Any]
) -> list[Obsolete]:
    """Which of some values are obsolete terms, and none that isn't.

    Args:
        registry: The registry.
        terms: Its terms, or those of its public source.
        field: The field of which the values are.
        values: The distinct values.
    """
    if terms is None or not {*OBSOLETE_FIELDS, field} <= set(terms.column_names) or not len(values):
        return []
    flags = pc.fill_null(terms["is_obsolete"], fill_value=False)
    if not pc.any(flags).as_py():
        return []
    asked = values if isinstance(values, pa.Array) else pa.array(_texts(values), pa.string())
    gone = terms.select(list({*OBSOLETE_FIELDS, field})).filter(flags)
    gone = gone.filter(pc.is_in(gone[field], value_set=asked.cast(gone.schema.field(field).type)))
    if not len(gone):
        return []
    rows = {row[field]: row for row in gone.to_pylist()}
    same = pc.is_in(terms[field], value_set=gone[field].combine_chunks())
    twins = set(terms[field].filter(pc.and_(same, pc.invert(flags))).to_pylist())
    successors = _Successors(registry, terms, field, rows.values())
    return [
        Obsolete(value, successors.of(row), ids_in(row["consider"]))
        for value, row in rows.items()
        if value not in twins  # of two terms of one name the current one is meant
    ]


def _texts(values: Iterable[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str)]


class _Successors:
    """What replaces obsolete terms; what replaces them may be replaced, too."""

    def __init__(
        self, registry: Any, terms: pa.Table, field: str, rows: Iterable[Mapping[str, Any]]
    ) -> None:
        self._field = field
        self._known: dict[str, Mapping[str, Any]] = {row["ontology_id"]: row for row in rows}

        def following(level: list[str]) -> Iterable[str]:
            found = _terms(terms, level)
            if missing := set(level) - found.keys():
                found |= _terms(registry._public_terms(None, None)[0], missing)
            self._known |= {key: {} for key in level} | found
            return _named(r for r in found.values() if r["is_obsolete"])

        reached(_named(rows), following)

    def of(self, row: Mapping[str, Any]) -> str | None:
        """The value of the one term that replaces another one."""
        key = successor(row["ontology_id"], self._known.get)
        last = self._known[key]
        if not last:  # of what nobody knows there only is the id
            return key if self._field == "ontology_id" else None
        found: str | None = None if last["is_obsolete"] else last.get(self._field)
        return found


def successor(key: str, row_of: Callable[[str], Mapping[str, Any] | None]) -> str:
    """The id that stands for a term now: what replaces it may be replaced, too.

    Args:
        key: Its id.
        row_of: What is known of an id, if anything is.

    Returns:
        The last id to which exactly one replacement leads; terms that replace each other end there.
    """
    seen = {key}
    while (row := row_of(key)) and row["is_obsolete"]:
        ids = ids_in(row["replaced_by"])
        if len(ids) != 1 or ids[0] in seen:
            break
        key = ids[0]
        seen.add(key)
    return key


def _named(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """The terms that replace others as the only ones."""
    named = (ids_in(row["replaced_by"]) for row in rows)
    return {ids[0] for ids in named if len(ids) == 1}


def _terms(terms: pa.Table | None, ids: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    if terms is None or not set(OBSOLETE_FIELDS) <= set(terms.column_names):
        return {}
    rows = terms.filter(pc.is_in(terms["ontology_id"], value_set=pa.array(list(ids))))
    return {row["ontology_id"]: row for row in rows.to_pylist()}


def ids_in(text: str | None) -> tuple[str, ...]:
    """The ids that a term's row names as one text."""
    return tuple(text.split("|")) if text else ()


def tell_obsolete_terms(registry: Any, terms: pa.Table, field: str, known: Collection[Any]) -> None:
    """Tell which of the values that are terms are obsolete ones."""
    found = obsolete_values(registry, terms, field, list(known))
    if found:
        more = "" if field == registry.meta.name_field else f", field={field!r}"
        call = f"bt.{registry.__name__}.replace_obsolete(values{more})"
        notify(told_obsolete(found, "", call), "warning")


def told_obsolete(found: Sequence[Obsolete], where: str, call: str) -> str:
    """What to tell of obsolete terms.

    Args:
        found: The terms.
        where: Of what they are values, e.g. `" of 'cell_type'"`.
        call: The call that puts the replacements in their places.
    """
    shown = ", ".join(map(str, found[:_SHOWN])) + (", …" if len(found) > _SHOWN else "")
    verb = "is" if len(found) == 1 else "are"
    text = f"{counted(len(found), 'term')}{where} {verb} obsolete: {shown}"
    replaced = any(item.replacement is not None for item in found)
    return f"{text}\n  → replace via: {call}" if replaced else text

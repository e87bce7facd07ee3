"""Merging the rows of a source into a registry, without losing what people changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.orm.model.builtin import TRASH

Row = dict[str, Any]


@dataclass(frozen=True)
class Incoming:
    """What a source has for a registry.

    Attributes:
        key: The column that says which row is which, e.g. `ontology_id`.
        table: Columns of the registry; every row has a key, and no two have the same.
        edges: `id, relation, target`: relations between keys.
        omitted: Keys of rows that are merged into existing rows, but not added.
    """

    key: str
    table: pa.Table
    edges: pa.Table
    omitted: frozenset[str] = frozenset()

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of all rows."""
        return frozenset(self.table[self.key].to_pylist())

    def rows(self, mask: Any = None) -> dict[str, Row]:
        """Rows by key: those of a mask, or all."""
        table = self.table if mask is None else self.table.filter(mask)
        return {row[self.key]: row for row in table.to_pylist()}

    def rows_of(self, keys: Any) -> dict[str, Row]:
        """The rows of some keys."""
        asked = pa.array(keys, pa.string())
        return self.rows(pc.is_in(self.table[self.key], value_set=asked))


@dataclass
class Merge:
    """What has to be done to a registry.

    Attributes:
        new: Rows to insert, without uids.
        updates: `(uid, new values, old values)`.
        uids: Uids of the rows that got a key, by key value.
        trashed: Number of the source's rows that are in the trash.
    """

    new: list[Row] = field(default_factory=list)
    updates: list[tuple[str, Row, Row]] = field(default_factory=list)
    uids: dict[str, str] = field(default_factory=dict)
    trashed: int = 0

    def change(self, row: Row, new: Row) -> None:
        """Change columns of a row, if there are any to change."""
        if new:
            self.updates.append((row["uid"], new, {name: row[name] for name in new}))


@dataclass(frozen=True)
class Before:
    """What the source of a row said when it was imported last.

    Attributes:
        incoming: Its rows then; None if that isn't known.
        same: Whether it is the very source that is being imported.
    """

    incoming: Incoming | None = None
    same: bool = False


def merge(
    incoming: Incoming,
    contested: Mapping[str, Row],
    rows: list[Row],
    before: Mapping[str | None, Mapping[str, Row]],
    *,
    adopt: str | None,
) -> Merge:
    """Compare rows of a source with those of a registry that they may meet.

    Args:
        incoming: What the source has.
        contested: The source's rows that are looked at.
        rows: The registry's rows that have their keys or names.
        before: What the rows' sources said, by source uid.
        adopt: Column by which rows without a key are recognised as rows of the source. None
            recognises rows by their keys only.
    """
    result = Merge()
    key = incoming.key
    known = {row[key]: row for row in rows if row[key] is not None}
    named = _by_name(rows, key, adopt) if adopt else {}
    for value, found in contested.items():
        ours, theirs = known.get(value), found
        holder = named.get(found[adopt]) if adopt else None
        wanted = value not in incoming.omitted
        if holder is not None and ours is None and wanted:
            result.uids[value] = holder["uid"]
            result.change(holder, {key: value, **_adopted(holder, found)})
            continue
        if adopt and ours is not None and ours[adopt] == f"{found[adopt]} ({value})":
            # lakes in which names were unique: it keeps the name that it got there
            theirs = {**found, adopt: ours[adopt]}
        if ours is None:
            result.new += [theirs] if wanted else []
        elif ours["branch_uid"] == TRASH:
            result.trashed += 1
        else:
            base = before.get(ours["source_uid"], {}).get(value)
            result.change(ours, _changed(ours, theirs, base))
    return result


def _by_name(rows: list[Row], key: str, name: str) -> dict[str, Row]:
    """The visible rows that wait for their keys, by name."""
    waiting = (r for r in rows if r[key] is None and r["branch_uid"] != TRASH)
    return {row[name]: row for row in waiting if row[name] is not None}


def _changed(ours: Row, theirs: Row, base: Row | None) -> Row:
    """The columns of a row that change; what the source doesn't say is never erased."""
    changes: Row = {}
    for name, value in theirs.items():
        if name == "synonyms":
            before = base[name] if base else None
            changes[name] = merged_synonyms(ours[name], value, before, unknown=base is None)
        elif value is not None and (base is None or base.get(name) != value):
            changes[name] = value
    return {name: value for name, value in changes.items() if value != ours[name]}


def _adopted(ours: Row, theirs: Row) -> Row:
    """The columns that a record of one's own gets when it becomes a term of a source."""
    changes = _changed(ours, theirs, None)
    own = ("synonyms", "is_obsolete")
    return {n: v for n, v in changes.items() if ours[n] is None or n in own}


def merged_synonyms(
    ours: str | None, theirs: str | None, base: str | None, *, unknown: bool
) -> str | None:
    """Synonyms of a source together with those that people added.

    Args:
        ours: The record's synonyms.
        theirs: The source's synonyms.
        base: What the source had before; what isn't in it was added by somebody.
        unknown: What the source had before isn't known; then nothing is removed.
    """
    mine, new, old = _split(ours), _split(theirs), _split(base)
    if unknown:
        if set(new) <= set(mine):
            return ours
        return "|".join([*new, *(s for s in mine if s not in new)])
    if set(old) == set(new):
        return ours
    kept = [s for s in new if s in mine or s not in old]
    own = [s for s in mine if s not in old and s not in new]
    return "|".join([*kept, *own]) or None


def _split(text: str | None) -> list[str]:
    return [s for s in text.split("|") if s] if text else []

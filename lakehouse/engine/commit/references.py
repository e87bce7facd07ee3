"""References between tables: rows that name rows that aren't there, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.places import places_of


@dataclass(frozen=True)
class Reference:
    """A column that names rows.

    Attributes:
        column: The column, with uids.
        target: The table of those rows; None where the row's column `registry` names it.
        essential: Whether a row means nothing without what it names, such as a link.
        replaceable: Whether the column may be emptied where what it names is lost.
    """

    column: str
    target: str | None
    essential: bool = False
    replaceable: bool = True


References = Callable[[str], "list[Reference]"]
"""Gives the references of a table by its name."""


def targets(rows: pa.Table, reference: Reference) -> dict[str, pa.Array]:
    """By target table, which rows name a row of it; places in the table."""
    column = rows[reference.column]
    # neither null nor the empty text names anything
    named = pc.and_kleene(pc.is_valid(column), pc.not_equal(column, ""))
    if reference.target is not None:
        return {reference.target: places_of(named)}
    out = {}
    for registry in pc.unique(rows["registry"]).to_pylist():
        if registry is not None:
            here = pc.and_kleene(named, pc.equal(rows["registry"], registry))
            out[registry] = places_of(pc.fill_null(here, False))
    return out


def dangling(
    rows: pa.Table, reference: Reference, uids_of: Callable[[str], pa.Array | None]
) -> dict[str, pa.Array]:
    """By target table, the places of the rows that name a row that isn't there.

    Args:
        rows: Rows of a table.
        reference: The column.
        uids_of: The uids of a table; None where they aren't known.
    """
    out = {}
    for target, places in targets(rows, reference).items():
        known = uids_of(target)
        # of a table that can't be read nobody knows what is missing
        if known is None:
            continue
        lost = pc.invert(pc.is_in(rows[reference.column].take(places), value_set=known))
        if len(found := places.filter(lost.combine_chunks())):
            out[target] = found
    return out


@dataclass
class Mended:
    """Rows without dangling references.

    Attributes:
        rows: What stays.
        aside: The rows that mean nothing any more.
        told: What was done, in words.
        left: What can't be mended.
    """

    rows: pa.Table
    aside: list[dict[str, Any]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def mended(
    table: str,
    rows: pa.Table,
    references: list[Reference],
    uids_of: Callable[[str], pa.Array | None],
) -> Mended:
    """Rows without dangling references: emptied, or set aside where nothing is left of a row."""
    done = Mended(rows)
    gone: set[int] = set()
    emptied: dict[str, set[int]] = {}
    for reference in references:
        if reference.column not in rows.column_names:
            continue
        for target, places in dangling(rows, reference, uids_of).items():
            what = f"{len(places)} row(s) of {table!r} name rows of {target!r} that aren't there"
            if reference.essential:
                gone |= set(places.to_pylist())
                done.told.append(f"{what} and are set aside")
            elif reference.replaceable:
                emptied.setdefault(reference.column, set()).update(places.to_pylist())
                done.told.append(f"{what}: their {reference.column} is emptied")
            else:
                done.left.append(f"{what} ({reference.column})")
    done.rows = _without(_emptied(rows, emptied), gone)
    done.aside = rows.take(pa.array(sorted(gone), pa.int64())).to_pylist() if gone else []
    return done


def _emptied(rows: pa.Table, emptied: Mapping[str, set[int]]) -> pa.Table:
    for name, places in emptied.items():
        index = rows.schema.get_field_index(name)
        mask = pa.array([i in places for i in range(rows.num_rows)], pa.bool_())
        column = pc.if_else(mask, pa.scalar(None, rows.schema.field(index).type), rows[name])
        rows = rows.set_column(index, rows.schema.field(index), column)
    return rows


def _without(rows: pa.Table, gone: set[int]) -> pa.Table:
    if not gone:
        return rows
    return rows.filter(pa.array([i not in gone for i in range(rows.num_rows)], pa.bool_()))

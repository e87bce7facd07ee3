"""Which organism a name or an Ensembl id means; nothing is fetched for that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow.compute as pc

from lakehouse.errors import InvalidArgument, ObjectDoesNotExist, near
from lakehouse.ontology.sources.organisms import folded, known_organisms, organism_of_id
from lakehouse.orm import current_lake

ALL = "all"
_NAMES = ("name", "scientific_name", "ontology_id")


def organism_record(organism: Any) -> Any:
    """The record of an organism by any of its names, made from what is known if need be.

    Raises:
        ObjectDoesNotExist: Nobody knows an organism of this name.
    """
    lake = current_lake()
    cls = lake.directory.get("bionty.Organism")
    if isinstance(organism, cls):
        return organism
    if not isinstance(organism, str) or not organism:
        raise InvalidArgument(
            "An organism is given by a record or a name.", found=repr(organism), hint="'human'"
        )
    found = _registered(cls, organism)
    if found is not None:
        return found
    for row in known_organisms():
        if folded(organism) in {folded(row[name]) for name in _NAMES}:
            return _registered(cls, row["ontology_id"]) or cls(**{n: row[n] for n in _NAMES})
    names = [row["name"] for row in known_organisms()]
    raise ObjectDoesNotExist(
        f"There is no organism {organism!r}.",
        expected=", ".join(near(organism, names)) or None,
        hint=f"bt.Organism(name={organism!r}).save() makes one",
    )


def _registered(cls: Any, organism: str) -> Any:
    """The visible record with a name; what was found is kept while the registry stays the same."""
    lake = current_lake()
    table, branches = lake.state.arrow(cls.meta.table), lake.visible_branches
    found = _LAST[0]
    if found[0] is not table or found[1] != branches:
        found = _LAST[0] = (table, branches, {})
    uids = found[2]
    if organism not in uids:
        uids[organism] = _uid_of(cls._rows(), organism)
    uid = uids[organism]
    row = None if uid is None else lake.state.row(cls.meta.table, uid)
    return None if row is None else cls._from_row(lake, row)


# the rows that were looked at last, the branches that were visible, the uids that were found
_LAST: list[tuple[Any, tuple[str, ...], dict[str, str | None]]] = [(None, (), {})]


def _uid_of(rows: Any, organism: str) -> str | None:
    wanted = folded(organism)
    for field in _NAMES:
        texts = pc.utf8_lower(pc.replace_substring(rows[field], "_", " "))
        hits = rows["uid"].filter(pc.equal(texts, wanted))
        if len(hits):
            return str(hits[0].as_py())
    given = rows.filter(pc.is_valid(rows["synonyms"]))
    for uid, synonyms in zip(given["uid"].to_pylist(), given["synonyms"].to_pylist(), strict=True):
        if wanted in {folded(s) for s in synonyms.split("|")}:
            return str(uid)
    return None


def inferred_organism(values: Iterable[Any]) -> Any:
    """The organism of the first Ensembl id among some values, or None."""
    for value in values:
        if isinstance(value, str) and (row := organism_of_id(value)) is not None:
            return organism_record(row["ontology_id"])
    return None


def organism_by_uid(uid: str) -> Any:
    """The record of an organism by its uid."""
    return current_lake().directory.get("bionty.Organism").get(uid)

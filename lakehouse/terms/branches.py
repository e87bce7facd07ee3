"""Conditions on branches of ontologies, as schemas store them and as validation takes them.

A schema stores, among the constraints of a feature,

    {"cases": {"delimiter": " || ", "alone": ["unknown"], "cases": [
        {"when": {"tissue_type": {"values": ["cell line"]}}, "allow": {"values": ["na"]}},
        {"when": {"tissue_type": {"not": ["cell line"]}}, "allow": {"under": ["CL:0000000"]}},
    ]}}

`values` are permitted, texts with one of the `prefixes`, and all terms below those `under`; `not` and `not_under` are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import ref

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import notify
from lakehouse.curation import ColumnRule
from lakehouse.curation.rules.cases import Case, Cases, Permit
from lakehouse.engine import State
from lakehouse.errors import InvalidArgument
from lakehouse.walks import reached

_KNOWN = {"values", "prefixes", "under", "not", "not_under", "words"}
_SHOWN = 8

# table, root → the terms and links that were read, and what is below the root
_KEPT: dict[tuple[str, str], tuple[ref[pa.Table], ref[pa.Table], frozenset[str] | None]] = {}


def cases_of(
    demanded: Mapping[str, Mapping[str, Any]], rules: Sequence[ColumnRule], state: State
) -> dict[str, Cases]:
    """The cases of a schema's constraints, with branches as they are in the registries now."""
    stored = {name: c["cases"] for name, c in demanded.items() if c.get("cases")}
    branches = Branches(state, rules) if stored else None
    return {} if branches is None else {n: _cases(n, c, branches) for n, c in stored.items()}


def _cases(name: str, stored: Mapping[str, Any], branches: Branches) -> Cases:
    return Cases(
        tuple(
            Case(
                branches.permit(name, case["allow"]),
                {
                    other: branches.permit(other, c, cautious=True)
                    for other, c in case.get("when", {}).items()
                },
            )
            for case in stored.get("cases", ())
        ),
        stored.get("delimiter"),
        frozenset(stored.get("alone", ())),
        stored.get("hint", ""),
    )


class Branches:
    """Looks branches up in one state of the registries.

    Args:
        state: The state.
        rules: The rules of the columns, whose dtypes say which registries are meant.
    """

    def __init__(self, state: State, rules: Iterable[ColumnRule]) -> None:
        self._state = state
        self._tables = {
            rule.name: list(dict.fromkeys(table_of(t.registry) for t in rule.dtype.all_targets))
            for rule in rules
        }
        self._edges: dict[str, pl.DataFrame] = {}
        self._told: set[tuple[str, str]] = set()

    def permit(self, column: str, stored: Mapping[str, Any], *, cautious: bool = False) -> Permit:
        """A stored condition on the terms of a column.

        Args:
            column: The column.
            stored: The condition.
            cautious: Whether a branch that isn't registered has no terms; else it is taken to
                be its whole ontology.

        Raises:
            InvalidArgument: It has unknown parts.
        """
        if unknown := set(stored) - _KNOWN:
            raise InvalidArgument(
                f"Cases of {column!r} have unknown parts.",
                found=", ".join(sorted(unknown)),
                expected=", ".join(sorted(_KNOWN)),
            )
        values = set(stored.get("values", ()))
        refused = set(stored.get("not", ()))
        prefixes = list(stored.get("prefixes", ()))
        found = {root: self.below(column, root) for root in stored.get("under", ())}
        known = {_space(root) for root, below in found.items() if below is not None}
        for root, below in found.items():
            values |= below or set()
            if below is None and not cautious and _space(root) not in known:
                self._tell(column, root)  # no branch is known: its ontology has to do
                prefixes.append(_space(root))
        for root in stored.get("not_under", ()):
            refused |= self.below(column, root) or set()
        limited = not stored.keys().isdisjoint(("values", "prefixes", "under"))
        return Permit(
            frozenset(values) if limited else None,
            tuple(prefixes),
            frozenset(refused),
            stored.get("words") or _words(stored),
        )

    def below(self, column: str, root: str) -> frozenset[str] | None:
        """The ids of all terms below one; None if no registry of the column has it."""
        for table in self._tables.get(column, ()):
            if (found := self._descendants(table, root)) is not None:
                return found
        return None

    def _tell(self, column: str, root: str) -> None:
        if (column, root) in self._told:
            return
        self._told.add((column, root))
        names = (t.title().replace("_", "") for t in self._tables.get(column, ()))
        calls = " or ".join(f"bt.{name}.import_source()" for name in names)
        notify(
            f"{root} isn't registered, so the terms of {column!r} are judged by their ontology "
            f"alone: {calls} has the whole hierarchy",
            "warning",
        )

    def _descendants(self, table: str, root: str) -> frozenset[str] | None:
        if table not in self._state.tables:
            return None
        terms = self._state.arrow(table)
        if "ontology_id" not in terms.column_names:
            return None
        links = self._state.arrow("ontology_link")
        kept = _KEPT.get((table, root))
        if kept is not None and kept[0]() is terms and kept[1]() is links:
            return kept[2]
        found = self._walked(table, terms, root)
        _KEPT[table, root] = (ref(terms), ref(links), found)
        return found

    def _walked(self, table: str, terms: pa.Table, root: str) -> frozenset[str] | None:
        uids = terms.filter(pc.equal(terms["ontology_id"], root))["uid"].to_pylist()
        if not uids:
            return None
        links = self._links(table)

        def following(level: list[str]) -> Iterable[str]:
            return links.filter(pl.col("target_uid").is_in(level))["subject_uid"]

        below = reached(uids, following)
        frame = pl.DataFrame(pl.from_arrow(terms.select(["uid", "ontology_id"])))
        ids = frame.filter(pl.col("uid").is_in(list(below)))["ontology_id"]
        return frozenset(ids.drop_nulls()) - {root}

    def _links(self, table: str) -> pl.DataFrame:
        if table not in self._edges:
            links = self._state.arrow("ontology_link")
            wanted = pc.and_(pc.equal(links["registry"], table), pc.equal(links["slot"], "is_a"))
            found = links.filter(wanted).select(["subject_uid", "target_uid"])
            self._edges[table] = pl.DataFrame(pl.from_arrow(found))
        return self._edges[table]


def _space(ontology_id: str) -> str:
    return f"{ontology_id.partition(':')[0]}:"


def table_of(registry: str) -> str:
    """The table of a registry: `bionty.CellType` → `cell_type`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", registry.rpartition(".")[2]).lower()


def _words(stored: Mapping[str, Any]) -> str:
    said = []
    if under := stored.get("under"):
        said.append(f"a term below {' or '.join(under)}")
    if prefixes := stored.get("prefixes"):
        said.append(f"a term of {', '.join(prefixes)}")
    if values := stored.get("values"):
        said.append(_some(values))
    words = " or ".join(said)
    if refused := [*stored.get("not", ()), *stored.get("not_under", ())]:
        words += f"{', but ' if words else ''}not {_some(refused)}"
    return words


def _some(values: Sequence[str]) -> str:
    more = f" … ({len(values)} in all)" if len(values) > _SHOWN else ""
    return ", ".join(values[:_SHOWN]) + more

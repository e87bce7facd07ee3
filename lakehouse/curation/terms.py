"""Looking values up among the terms of a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.curation.vocabulary import Vocabulary
from lakehouse.errors import InvalidArgument, UnknownField, near
from lakehouse.schema import CatTarget


class Resolution(NamedTuple):
    """What is known of each of the values that were asked for, in their order.

    Attributes:
        valid: Whether the value is a term.
        uid: The term's uid, null where the value isn't valid.
        synonym_of: The standard value of which an invalid one is a synonym or another
            spelling by case; otherwise null.
    """

    valid: pa.BooleanArray
    uid: pa.StringArray
    synonym_of: pa.StringArray


class Matches(NamedTuple):
    """The valid values of one column that belong to one registry."""

    target: CatTarget
    values: pa.Array
    uids: pa.Array


class TermResolver(Protocol):
    """Answers for the registries whose terms a categorical may hold."""

    def resolve(self, target: CatTarget, values: pa.Array) -> Resolution:
        """Look distinct, non-null text values up."""
        ...

    def discover(self, target: CatTarget, values: pa.Array) -> Resolution:
        """Look up where terms come from what no registry of a column has."""
        ...

    def homonyms(self, target: CatTarget, values: pa.Array) -> Mapping[str, str]:
        """Which of some valid values mean none of several terms, and what to say of them."""
        ...

    def nearest(self, target: CatTarget, values: Sequence[str], limit: int = 3) -> list[list[str]]:
        """The valid values nearest to each invalid one, best first."""
        ...

    def labels(self, target: CatTarget) -> Sequence[str]:
        """All valid values."""
        ...


Provider = Callable[[CatTarget], pa.Table]


@dataclass
class TableResolver:
    """Looks values up in Arrow tables of terms.

    A table has a column `uid`, one column per field that targets name, and optionally
    `synonyms`, joined by `|`, and `several`, which says why a value means none of several rows.
    Its rows are already narrowed to the target's types; filters on
    columns that it has are applied here.

    Args:
        terms: Tables by registry name (or by CatTarget), or a function from target to table.

    Example:
        >>> terms = pa.table({"uid": ["a"], "name": ["B cell"], "synonyms": ["B-cell|Bc"]})
        >>> resolver = TableResolver({"bionty.CellType": terms})
        >>> resolver.resolve(CatTarget("bionty.CellType"), pa.array(["B-cell"])).synonym_of[0]
        <pyarrow.StringScalar: 'B cell'>
    """

    terms: Mapping[str | CatTarget, pa.Table] | Provider
    _tables: dict[CatTarget, pa.Table] = field(default_factory=dict, repr=False)
    _vocabularies: dict[CatTarget, Vocabulary] = field(default_factory=dict, repr=False)

    def resolve(self, target: CatTarget, values: pa.Array) -> Resolution:
        """Look distinct, non-null text values up."""
        table = self._table(target)
        position = pc.index_in(values, value_set=table["value"])
        uid = table["uid"].take(position).combine_chunks()
        valid = pc.is_valid(position)
        synonym_of = pa.nulls(len(values), pa.string())
        if not pc.all(valid).as_py():
            synonym_of = self._synonyms(target, values, valid)
        return Resolution(valid, uid, synonym_of)

    def discover(self, target: CatTarget, values: pa.Array) -> Resolution:
        """Tables are all there is: nothing more is known."""
        nothing = pa.nulls(len(values), pa.string())
        return Resolution(pc.is_valid(nothing), nothing, nothing)

    def homonyms(self, target: CatTarget, values: pa.Array) -> Mapping[str, str]:
        """What the column `several` says of values, in tables that have one."""
        table = self._table(target)
        if "several" not in table.column_names:
            return {}
        told = table.filter(pc.is_valid(table["several"]))
        told = told.filter(pc.is_in(told["value"], value_set=values))
        return dict(zip(told["value"].to_pylist(), told["several"].to_pylist(), strict=True))

    def nearest(self, target: CatTarget, values: Sequence[str], limit: int = 3) -> list[list[str]]:
        """The valid values nearest to each invalid one, by edit distance, best first.

        The id of a term stands for the term. Of very many values, only as many of the first
        get an answer as a second allows.
        """
        table = self._table(target)
        of_id = pc.index_in(pa.array(values, pa.string()), value_set=table["ontology_id"])
        named = table["value"].take(of_id).to_pylist()
        unnamed = [value for value, term in zip(values, named, strict=True) if term is None]
        near = iter(self._vocabulary(target).nearest(unnamed, limit))
        return [next(near) if term is None else [term] for term in named]

    def labels(self, target: CatTarget) -> Sequence[str]:
        """All valid values."""
        found: list[str] = pc.unique(self._table(target)["value"]).to_pylist()
        return found

    def _table(self, target: CatTarget) -> pa.Table:
        if target not in self._tables:
            self._tables[target] = _prepared(self._terms_of(target), target)
        return self._tables[target]

    def _terms_of(self, target: CatTarget) -> pa.Table:
        if callable(self.terms):
            return self.terms(target)
        for key in (target, target.registry):
            if key in self.terms:
                return self.terms[key]
        known = [str(key) for key in self.terms]
        raise InvalidArgument(
            f"There are no terms of registry {target.registry!r}.",
            expected=", ".join(near(target.registry, known) or known),
        )

    def _synonyms(
        self, target: CatTarget, values: pa.Array, valid: pa.BooleanArray
    ) -> pa.StringArray:
        wrong = pc.invert(valid)
        asked = values.filter(wrong).to_pylist()
        found = self._vocabulary(target).standards(asked).found
        standards = pa.array([found[v][0] if v in found else None for v in asked], pa.string())
        return pc.replace_with_mask(pa.nulls(len(values), pa.string()), wrong, standards)

    def _vocabulary(self, target: CatTarget) -> Vocabulary:
        """The terms with everything that stands for them: names of ids, and synonyms."""
        if target not in self._vocabularies:
            table = self._table(target)
            self._vocabularies[target] = Vocabulary(table, "value", "synonyms", names="name")
        return self._vocabularies[target]


def looked_up(
    resolver: TermResolver, targets: Sequence[CatTarget], values: pa.Array
) -> Iterator[tuple[CatTarget, pa.Array, Resolution]]:
    """What each registry says of the values that none before it had.

    All registries are asked first, and then where their terms come from: what is a term of any
    of them is no new term of another one.
    """
    for look_up in (resolver.resolve, resolver.discover):
        for target in targets:
            if len(values):
                answer = look_up(target, values)
                yield target, values, answer
                values = values.filter(pc.invert(answer.valid))


def _prepared(table: pa.Table, target: CatTarget) -> pa.Table:
    """Columns uid, value, name, synonyms, ontology_id of the target's terms, one row per value."""
    names = table.column_names
    if target.field not in names:
        raise UnknownField(
            f"{target.registry} has no field {target.field!r}.",
            expected=", ".join(near(target.field, names) or names),
        )
    for column, wanted in target.filters:
        for name in (column, column.replace("__", "_")):
            if name in names:
                table = table.filter(pc.equal(table[name].cast(pa.string()), wanted))
    empty = pa.nulls(len(table), pa.string())
    shown = target.default_field
    known_by_id = "ontology_id" in names and target.field != "ontology_id"
    columns = {
        "uid": table["uid"],
        "value": table[target.field],
        "name": table[shown] if shown in names else empty,
        "synonyms": table["synonyms"] if "synonyms" in names else empty,
        "ontology_id": table["ontology_id"] if known_by_id else empty,
    }
    if "several" in names:
        columns["several"] = table["several"]
    texts = pa.table({name: column.cast(pa.string()) for name, column in columns.items()})
    return texts.filter(pc.is_valid(texts["value"]))

"""Looking values up among the terms of a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz, process
from rapidfuzz.utils import default_process

from lakehouse.errors import InvalidArgument, UnknownField, near
from lakehouse.schema import CatTarget

_NEAR_ENOUGH = 60.0

# About a second of edit distances; values beyond get no suggestion, but the first ten always.
_COMPARISONS = 10_000_000
_AT_LEAST = 10


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
    _spellings: dict[CatTarget, pl.DataFrame] = field(default_factory=dict, repr=False)
    _choices: dict[CatTarget, tuple[list[str], list[str]]] = field(default_factory=dict, repr=False)

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
        texts, standards = self._choice(target)
        table = self._table(target)
        of_id = pc.index_in(pa.array(values, pa.string()), value_set=table["ontology_id"])
        named = table["value"].take(of_id).to_pylist()
        found: list[list[str]] = []
        affordable = max(_AT_LEAST, _COMPARISONS // max(1, len(texts)))
        for value, term in zip(values[:affordable], named, strict=False):
            if term is not None:
                found.append([term])
                continue
            # More than asked, since several spellings may stand for one term.
            hits = process.extract(
                default_process(value),
                texts,
                scorer=fuzz.ratio,
                limit=4 * limit,
                score_cutoff=_NEAR_ENOUGH,
            )
            found.append(list(dict.fromkeys(standards[hit[2]] for hit in hits))[:limit])
        return found + [[] for _ in values[affordable:]]

    def labels(self, target: CatTarget) -> Sequence[str]:
        """All valid values."""
        found: list[str] = pc.unique(self._table(target)["value"]).to_pylist()
        return found

    def _choice(self, target: CatTarget) -> tuple[list[str], list[str]]:
        if target not in self._choices:
            spellings = self._spelling(target).unique(["value", "lower"], maintain_order=True)
            texts = [default_process(text) for text in spellings["spelling"]]
            self._choices[target] = texts, spellings["value"].to_list()
        return self._choices[target]

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
        asked = pl.DataFrame({"spelling": pl.from_arrow(values), "valid": pl.from_arrow(valid)})
        asked = asked.with_columns(lower=pl.col("spelling").str.to_lowercase())
        known = self._spelling(target)
        # the order in which `Vocabulary.standards` prefers, which registries are asked with: the
        # value itself in another case, a synonym as it is written, a synonym in another case
        standards = []
        for rows, key in (
            (known.filter("own"), "lower"),
            (known.filter(~pl.col("own")), "spelling"),
            (known.filter(~pl.col("own")), "lower"),
        ):
            first = rows.select(key, "value").unique(key, keep="first", maintain_order=True)
            joined = asked.select(key).join(first, on=key, how="left", maintain_order="left")
            standards.append(joined["value"])
        best = asked.select(pl.when(~pl.col("valid")).then(pl.coalesce(standards))).to_series()
        return best.to_arrow().cast(pa.string())

    def _spelling(self, target: CatTarget) -> pl.DataFrame:
        """Every spelling of every term: itself first, then its name, then its synonyms."""
        if target not in self._spellings:
            self._spellings[target] = _spellings(self._table(target))
        return self._spellings[target]


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


def _spellings(table: pa.Table) -> pl.DataFrame:
    frame = pl.DataFrame(pl.from_arrow(table))
    synonyms = frame.select(
        "value",
        spelling=pl.col("synonyms").str.split("|").list.eval(pl.element().str.strip_chars()),
    ).explode("spelling")
    return (
        pl.concat(
            [
                frame.select("value", spelling="value", own=True),
                frame.select("value", spelling="name", own=False),
                synonyms.with_columns(own=False),
            ]
        )
        .filter(pl.col("spelling").is_not_null() & (pl.col("spelling") != ""))
        .with_columns(lower=pl.col("spelling").str.to_lowercase())
        .unique(["value", "spelling"], keep="first", maintain_order=True)
    )

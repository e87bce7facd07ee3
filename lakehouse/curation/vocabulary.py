"""Comparing values with the terms of a table: exactly, by case, by synonyms.

Everything here is pure: an Arrow table of terms and some values in, answers out. Only distinct
values are looked up, and the tables are filtered by them, so that a million values and a
million terms are compared in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Number
from typing import Any, Literal

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz, process
from rapidfuzz.utils import default_process

from lakehouse.curation.data.chunks import is_missing, is_text
from lakehouse.errors import InvalidArgument, TypeMismatch

_NEAR_ENOUGH = 60.0

# About a second of edit distances; values beyond get no suggestion, but the first ten always.
_COMPARISONS = 10_000_000
_AT_LEAST = 10

Keep = Literal["first", "last", False]
SEPARATOR = "|"


def listed(values: Any) -> tuple[list[Any], bool]:
    """Values of any iterable as a flat list, and whether a single value was given.

    Raises:
        TypeMismatch: They aren't values that can be compared.
    """
    if isinstance(values, str):
        return [values], True
    if hasattr(values, "__array__") and hasattr(values, "chunks") and hasattr(values, "shape"):
        values = values.__array__()  # in a file: Zarr's can't be iterated, HDF5's slowly
    if isinstance(values, bytes) or not isinstance(values, Iterable):
        raise TypeMismatch(
            "Several values are compared at once.", found=repr(values), hint="pass a list of values"
        )
    for method in ("to_pylist", "tolist", "to_list"):
        if hasattr(values, method):
            found = list(getattr(values, method)())
            break
    else:
        found = list(values)
    first = next((v for v in found if v is not None), None)
    if isinstance(first, list | tuple | set | frozenset) or hasattr(first, "tolist"):
        nested = [v.tolist() if hasattr(v, "tolist") else v for v in found if v is not None]
        found = [x for v in nested for x in (v if isinstance(v, Iterable) else [v])]
    if isinstance(first, bytes):
        found = [v.decode() if isinstance(v, bytes) else v for v in found]
    return found, False


def is_empty(value: Any) -> bool:
    """Whether a value is missing, or an empty text."""
    return is_missing(value) or (isinstance(value, str) and not value)


def distinct(values: list[Any]) -> list[Any]:
    """The values that aren't empty, each once, in order.

    Raises:
        InvalidArgument: A value can't be compared.
    """
    try:
        return [v for v in dict.fromkeys(values) if not is_empty(v)]
    except TypeError as error:
        raise InvalidArgument("Only texts and numbers are compared.", found=str(error)) from error


@dataclass(frozen=True)
class Standards:
    """What values stand for.

    Attributes:
        found: The standard values of each value, best first; only of values that have any.
        exact: Those of the values that are standard values themselves.
    """

    found: dict[Any, list[Any]] = field(default_factory=dict)
    exact: frozenset[Any] = frozenset()

    @property
    def ambiguous(self) -> dict[Any, list[Any]]:
        """The values that may stand for more than one term."""
        return {value: options for value, options in self.found.items() if len(options) > 1}


class Vocabulary:
    """The terms of a table, as values of one of its fields are compared with them.

    Args:
        table: The terms.
        name: The field that values are compared with.
        synonyms: The column of synonyms joined by `|`, or None to leave them out.
        names: A column of other names that terms have; each is preferred to synonyms.
        respell: Gives the spelling of a value that is known, e.g. an id without its version.

    Example:
        >>> terms = pa.table({"name": ["B cell"], "synonyms": ["B-cell|Bc"]})
        >>> Vocabulary(terms, "name", "synonyms").standards(["bc"]).found
        {'bc': ['B cell']}
    """

    def __init__(
        self,
        table: pa.Table,
        name: str,
        synonyms: str | None = None,
        respell: Callable[[str], str] | None = None,
        names: str | None = None,
    ) -> None:
        self._table = table
        self._name = name
        self._respell = respell
        self._names = names
        self._synonyms = synonyms if synonyms in table.column_names else None

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @cached_property
    def _column(self) -> pa.ChunkedArray:
        return self._table[self._name]

    def known(self, values: Sequence[Any]) -> set[Any]:
        """Those of some distinct values that are terms exactly as they stand.

        Raises:
            TypeMismatch: Numbers were compared with texts, or texts with numbers.
        """
        asked = self._asked(values)
        hits = pc.unique(self._column.filter(pc.is_in(self._column, value_set=asked)))
        return set(hits.to_pylist())

    def _asked(self, values: Sequence[Any]) -> pa.Array:
        type_ = self._column.type
        texts = pa.types.is_string(type_) or pa.types.is_large_string(type_)
        if values and len(self) and self._column.null_count < len(self):
            numeric = isinstance(values[0], Number) and not isinstance(values[0], bool)
            if (texts and numeric) or (isinstance(values[0], str) and not texts):
                raise TypeMismatch(
                    f"Values and the field {self._name!r} are of different types.",
                    found="numbers" if numeric else "texts",
                    expected="texts" if texts else str(type_),
                )
        if texts:
            return pa.array([v for v in values if is_text(v)], type_)
        try:
            return pa.array(values).cast(type_)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            return pa.array([], type_)

    def standards(self, values: Sequence[Any], *, case_sensitive: bool = False) -> Standards:
        """What distinct values stand for: themselves, another spelling by case, or a synonym.

        Ids, and names of terms that have no synonyms, stand for nothing but themselves.
        """
        exact = self.known(values)
        found: dict[Any, list[Any]] = {v: [v] for v in values if v in exact}
        left = [v for v in values if v not in exact and is_text(v)]
        if left and not pa.types.is_string(self._column.type):
            left = []
        if left and self._synonyms is not None and not case_sensitive:
            found.update(self._by_case(left))
            left = [v for v in left if v not in found]
        if left and self._synonyms is not None:
            found.update(self._by_synonym(left, case_sensitive=case_sensitive))
        if left and self._respell is not None:
            spelled = {v: self._respell(v) for v in left if v not in found}
            known = self.known(list(dict.fromkeys(spelled.values())))
            found.update({v: [s] for v, s in spelled.items() if s in known})
        return Standards({v: found[v] for v in values if v in found}, frozenset(exact))

    def _by_case(self, values: list[str]) -> dict[str, list[str]]:
        rows = pa.table({"key": self._lowered, "value": self._column})
        return _grouped(rows.filter(_in(rows["key"], values, lower=True)), values, str.lower)

    @cached_property
    def _lowered(self) -> pa.ChunkedArray:
        return pc.utf8_lower(self._column)

    def _by_synonym(self, values: list[str], *, case_sensitive: bool) -> dict[str, list[str]]:
        rows = self._spellings
        found = _grouped(rows.filter(_in(rows["key"], values)), values, str)
        left = [v for v in values if v not in found]
        if left and not case_sensitive:
            lowered = rows.set_column(0, "key", pc.utf8_lower(rows["key"]))
            hits = lowered.filter(_in(lowered["key"], left, lower=True))
            found.update(_grouped(hits, left, str.lower))
        return found

    @cached_property
    def _spellings(self) -> pa.Table:
        """All other names and synonyms (`key`) with the values that they stand for."""
        rows = self._given(self._synonyms)
        lists = pc.split_pattern(rows[1].combine_chunks(), SEPARATOR)
        keys = pc.utf8_trim_whitespace(pc.list_flatten(lists))
        found = pa.table({"key": keys, "value": rows[0].take(pc.list_parent_indices(lists))})
        if self._names is not None:
            named = self._given(self._names)
            found = pa.concat_tables([pa.table({"key": named[1], "value": named[0]}), found])
        return found.filter(pc.not_equal(found["key"], ""))

    def _given(self, column: str | None) -> pa.Table:
        """The values of terms beside those of another column that are no empty texts."""
        rows = self._table.select([self._name, column]).combine_chunks()
        given = pc.and_(pc.is_valid(rows[1]), pc.is_valid(rows[0]))
        return rows.filter(pc.and_(given, pc.not_equal(rows[1], "")))

    # -- what resembles a value ------------------------------------------------------------

    def nearest(self, values: Sequence[str], limit: int = 3) -> list[list[str]]:
        """The terms nearest to each of some values, by edit distance, best first.

        Of very many values, only as many of the first get an answer as a second allows.
        """
        texts, _ = self._choices
        affordable = max(_AT_LEAST, _COMPARISONS // max(1, len(texts)))
        found = [self._resembling(value, limit) for value in values[:affordable]]
        return found + [[] for _ in values[affordable:]]

    def _resembling(self, value: str, limit: int) -> list[str]:
        texts, standards = self._choices
        hits = process.extract(
            default_process(value),
            texts,
            scorer=fuzz.ratio,
            limit=4 * limit,  # more than asked, since several spellings may stand for one term
            score_cutoff=_NEAR_ENOUGH,
        )
        return list(dict.fromkeys(standards[hit[2]] for hit in hits))[:limit]

    @cached_property
    def _choices(self) -> tuple[list[str], list[str]]:
        """Every spelling of every term, as it is compared, and the term."""
        own = self._column.drop_null()
        rows = pa.table({"key": own, "value": own})
        if self._synonyms is not None:
            rows = pa.concat_tables([rows, self._spellings.cast(rows.schema)])
        frame = pl.DataFrame(pl.from_arrow(rows)).with_columns(
            lower=pl.col("key").str.to_lowercase()
        )
        frame = frame.unique(["value", "lower"], keep="first", maintain_order=True)
        return [default_process(text) for text in frame["key"]], frame["value"].to_list()

    def other(self, standards: Iterable[Any], wanted: str) -> dict[Any, list[Any]]:
        """The values of another field of the rows that have some standard values."""
        asked = self._asked(list(standards))
        rows = self._table.select([self._name, wanted]).filter(
            pc.is_in(self._column, value_set=asked)
        )
        found: dict[Any, dict[Any, None]] = {}
        for value, other in zip(rows[0].to_pylist(), rows[1].to_pylist(), strict=True):
            if other is not None:
                found.setdefault(value, {})[other] = None
        return {value: list(others) for value, others in found.items()}


def _in(column: Any, values: list[str], *, lower: bool = False) -> Any:
    asked = pa.array(values, pa.string())
    return pc.is_in(column, value_set=pc.utf8_lower(asked) if lower else asked)


def _grouped(
    rows: pa.Table, values: list[str], spelling: Callable[[str], str]
) -> dict[str, list[str]]:
    """The values of rows by the asked values whose spelling is their key."""
    if not rows.num_rows:
        return {}
    by_key: dict[str, dict[str, None]] = {}
    for key, value in zip(rows["key"].to_pylist(), rows["value"].to_pylist(), strict=True):
        by_key.setdefault(key, {})[value] = None
    return {v: list(by_key[spelling(v)]) for v in values if spelling(v) in by_key}


def chosen(options: Sequence[Any], keep: Keep) -> Any:
    """One of several options; all of them as a list where nothing is to be left out."""
    if len(options) == 1:
        return options[0]
    return {"first": options[0], "last": options[-1]}.get(str(keep), list(options))

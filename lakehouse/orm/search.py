"""Ranked search as one SQL expression.

Exact matches rank before prefixes, prefixes before whole words, words before parts of words;
names before synonyms, synonyms before other texts. Synonyms of other scopes than the exact one
(narrow, related, broad, former symbols) rank below names that hold the text. Only where nothing
matches literally do similar names count (Jaro-Winkler).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import FieldValidationError, InvalidArgument
from lakehouse.orm.lookups import checked_text
from lakehouse.orm.prefilter import is_in

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm.meta import RegistryMeta

_OTHERS = ("synonyms", "ontology_id", "symbol", "ensembl_gene_id", "stable_id", "ncbi_gene_ids",
           "abbr", "handle", "key", "title", "root", "description", "reference", "url", "doi",
           "text", "narrow_synonyms", "related_synonyms", "broad_synonyms",
           "previous_symbols")  # fmt: skip
_LOOSE = ("narrow_synonyms", "related_synonyms", "broad_synonyms", "previous_symbols")
RANK = "lh_rank"
_SIMILAR = 0.84
_MOST_SIMILAR = 200
_UID_PART = 8
_LARGEST = 5_000_000


@dataclass(frozen=True)
class Search:
    """A text that records are searched for.

    Attributes:
        meta: The registry.
        text: The text, stripped.
        columns: The columns to search, the most telling ones first.
        case_sensitive: Whether `B cell` differs from `b cell`.
    """

    meta: RegistryMeta
    text: str
    columns: tuple[str, ...]
    case_sensitive: bool = False

    @cached_property
    def wanted(self) -> str:
        """The text as it is compared."""
        return self.text if self.case_sensitive else self.text.lower()

    def source(self, table: str, matched: tuple[int, ...] | None = None) -> tuple[str, list[Any]]:
        """SQL of a table's rows with their ranks as `lh_rank`, 0 where they don't match.

        Ranks from 10 up are literal matches, those between 0 and 1 similarity.

        Args:
            table: The table.
            matched: Places of the columns that have a match, where that is known; no other
                one is looked at. None of them: only similarity is.
        """
        whens: list[tuple[int, str, list[str]]] = []
        texts = []
        for place, name in enumerate(self.columns):
            if matched is not None and place not in (matched or (0,)):
                continue
            text = f'"{name}"' if self.case_sensitive else f'lower("{name}")'
            texts.append(f"{text} AS lh_{place}")
            below = 0 if name in _LOOSE else 8 * min(place, 2)
            tests = _TESTS.get(name, _in_text)
            found = tests(f"lh_{place}", self.wanted)
            whens += [(rank - below, sql, values) for rank, sql, values in found]
        whens.sort(key=lambda w: -w[0])
        params: list[Any] = [value for _, _, values in whens for value in values]
        cases = " ".join(f"WHEN {sql} THEN {rank}" for rank, sql, _ in whens)
        if not (self.case_sensitive or matched):
            similar = "jaro_winkler_similarity(lh_0, ?)"
            cases += f" WHEN {similar} > {_SIMILAR} THEN {similar}"
            params += [self.wanted, self.wanted]
        inner = f"SELECT *, {', '.join(texts)} FROM {table}"
        return f"(SELECT *, CASE {cases} ELSE 0 END AS {RANK} FROM ({inner}))", params

    # -- testing on Arrow first --------------------------------------------------------

    def candidates(
        self, state: State, visible: Sequence[str] | None, *, slim: bool = False
    ) -> tuple[pa.Table, tuple[int, ...]] | None:
        """The rows that may match, so that only they are ranked; None if Arrow can't tell.

        Args:
            state: The state.
            visible: The branches that are meant, None for all.
            slim: Only the columns that ranking needs are wanted.

        Returns:
            The rows, and the places of the columns in which the text is found at all.
        """
        table = self.meta.table
        if not self.wanted.isascii() or state.count(table) > _LARGEST or not state.in_memory(table):
            return None
        rows = state.arrow(table)
        if any(c not in rows.column_names for c in self.columns):
            return None
        if slim:
            rows = rows.select(list(dict.fromkeys((*_needed(self.meta), *self.columns))))
        if visible is not None:
            shown = is_in(rows["branch_uid"], visible)
            if pc.sum(shown).as_py() != rows.num_rows:
                rows = rows.filter(shown)
        mask, matched = None, []
        for place, name in enumerate(self.columns):
            column = rows[name]
            if column.null_count == len(column):
                continue
            # ASCII letters are all that an ASCII text can match
            text = column if self.case_sensitive else pc.ascii_lower(column)
            found = pc.match_substring(text, self.wanted)
            if pc.any(found).as_py():
                matched.append(place)
                found = pc.fill_null(found, fill_value=False)
                mask = found if mask is None else pc.or_(mask, found)
        if mask is not None:
            return rows.filter(mask), tuple(matched)
        similar = [] if self.case_sensitive else self._similar(rows[self.columns[0]])
        return rows.take(pa.array(similar, pa.int64())), ()

    def _similar(self, names: pa.ChunkedArray) -> list[int]:
        from rapidfuzz import process  # only for those whose text is nowhere
        from rapidfuzz.distance import JaroWinkler

        found = process.extract(
            self.wanted,
            pc.utf8_lower(names).to_pylist(),
            scorer=JaroWinkler.normalized_similarity,
            score_cutoff=_SIMILAR,
            limit=_MOST_SIMILAR,
        )
        return sorted(place for _, _, place in found)


def search_for(
    meta: RegistryMeta, text: Any, field: Any = None, *, case_sensitive: bool = False
) -> Search:
    """What is searched for, after a look at the arguments.

    Raises:
        InvalidArgument: The text is none, or empty.
        UnknownField: A field doesn't exist.
    """
    if text is None:
        raise InvalidArgument(
            "Cannot search for None value! Please pass a valid string.",
            hint=f"{meta.code}.search('a text')",
        )
    if not isinstance(text, str) or not text.strip():
        raise InvalidArgument("A search needs a text.", found=repr(text))
    given = field if isinstance(field, list | tuple) else [field] if field is not None else []
    columns = [str(getattr(f, "name", f)) for f in given]
    for name in columns:
        if name not in meta.fields:
            raise meta.unknown(name)
        if meta.fields[name].kind != "str":
            raise FieldValidationError(
                f"The field {name!r} of {meta.name} holds no text to search.",
                found=meta.fields[name].kind,
            )
    wanted = checked_text(meta.fields["uid"], text.strip())
    columns = columns or _searched(meta, wanted)
    return Search(meta, wanted, tuple(columns), case_sensitive)


def _searched(meta: RegistryMeta, text: str) -> list[str]:
    names = [meta.name_field, *(n for n in _OTHERS if n != meta.name_field)]
    found = [n for n in names if n in meta.fields and meta.fields[n].kind == "str"]
    # a shorter one would be found in other records' uids by chance
    long = len(text) >= _UID_PART and text.isalnum()
    return [*found, "uid"] if long and "uid" not in found else found


def _needed(meta: RegistryMeta) -> tuple[str, ...]:
    return ("uid", meta.name_field, *(("branch_uid",) if meta.has_branch else ()))


def _in_text(column: str, wanted: str) -> list[tuple[int, str, list[str]]]:
    word = rf"(^|\W){re.escape(wanted)}(\W|$)"
    return [
        (100, f"{column} = ?", [wanted]),
        (80, f"starts_with({column}, ?)", [wanted]),
        (60, f"contains({column}, ?) AND regexp_matches({column}, ?)", [wanted, word]),
        (40, f"contains({column}, ?)", [wanted]),
    ]


def _in_synonyms(column: str, wanted: str) -> list[tuple[int, str, list[str]]]:
    around = f"'|' || {column} || '|'"
    return [
        (94, f"contains({around}, ?)", [f"|{wanted}|"]),
        (74, f"contains({around}, ?)", [f"|{wanted}"]),
        (44, f"contains({column}, ?)", [wanted]),
    ]


def _in_loose_synonyms(column: str, wanted: str) -> list[tuple[int, str, list[str]]]:
    around = f"'|' || {column} || '|'"
    return [
        (34, f"contains({around}, ?)", [f"|{wanted}|"]),
        (18, f"contains({around}, ?)", [f"|{wanted}"]),
        (12, f"contains({column}, ?)", [wanted]),
    ]


_TESTS = {"synonyms": _in_synonyms, **dict.fromkeys(_LOOSE, _in_loose_synonyms)}

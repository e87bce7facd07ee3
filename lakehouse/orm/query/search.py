"""Ranked search as one SQL expression.

Exact matches rank before prefixes, prefixes before whole words, words before parts of words;
names before synonyms, synonyms before other texts. Synonyms of other scopes than the exact one
(narrow, related, broad, former symbols) rank below names that hold the text. Only where nothing
matches literally do names and synonyms count that have all its words in any order, and names that
are similar (Jaro-Winkler).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import FieldValidationError, InvalidArgument
from lakehouse.orm.model.operands import as_text
from lakehouse.orm.query.prefilter import is_in
from lakehouse.orm.session.matching import similar_names
from lakehouse.places import places_of

if TYPE_CHECKING:
    from lakehouse.engine import State
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta


_OTHERS = ("synonyms", "ontology_id", "symbol", "ensembl_gene_id", "stable_id", "ncbi_gene_ids",
           "abbr", "handle", "key", "title", "root", "description", "reference", "url", "doi",
           "text", "narrow_synonyms", "related_synonyms", "broad_synonyms",
           "previous_symbols")  # fmt: skip
_LOOSE = ("narrow_synonyms", "related_synonyms", "broad_synonyms", "previous_symbols")
RANK = "lh_rank"
_SIMILAR = 0.84
_MOST_SIMILAR = 200
_UID_PART = 8
_LONG_WORD = 3
_LARGEST = 5_000_000


@dataclass(frozen=True)
class Search:
    """A text that records are searched for.

    Attributes:
        meta: The registry.
        text: The text, stripped.
        columns: The columns to search, the most telling ones first.
        case_sensitive: Whether `B cell` differs from `b cell`.
        by_words: Whether its words count where the whole text is nowhere.
    """

    meta: RegistryMeta
    text: str
    columns: tuple[str, ...]
    case_sensitive: bool = False
    by_words: bool = True

    @cached_property
    def wanted(self) -> str:
        """The text as it is compared."""
        return self.text if self.case_sensitive else self.text.lower()

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Patterns of the text's words, if there are several; short ones stand by themselves."""
        found = dict.fromkeys(re.findall(r"\w+", self.wanted)) if self.by_words else {}
        if len(found) < 2:
            return ()
        return tuple(w if len(w) >= _LONG_WORD else rf"(^|\W){w}(\W|$)" for w in found)

    @cached_property
    def _loose_places(self) -> tuple[int, ...]:
        """Places of the columns that are looked at where nothing matches literally."""
        return tuple(i for i, name in enumerate(self.columns) if i == 0 or name == "synonyms")

    def source(self, table: str, matched: tuple[int, ...] | None = None) -> tuple[str, list[Any]]:
        """SQL of a table's rows with their ranks as `lh_rank`, 0 where they don't match.

        Ranks from 10 up are literal matches, 5 and 4 stand for all words, those between 0 and 1
        for similarity.

        Args:
            table: The table.
            matched: Places of the columns that have a match, where that is known; no other
                one is looked at. None of them: only words and similarity are.
        """
        whens: list[tuple[int, str, list[str]]] = []
        texts = []
        for place, name in enumerate(self.columns):
            if matched is not None and place not in (matched or self._loose_places):
                continue
            text = f'"{name}"' if self.case_sensitive else f'lower("{name}")'
            texts.append(f"{text} AS lh_{place}")
            # so an exact synonym still comes before a name that only begins so
            below = 0 if name in _LOOSE else 8 * min(place, 2)
            tests = _TESTS.get(name, _in_text)
            found = tests(f"lh_{place}", self.wanted)
            whens += [(rank - below, sql, values) for rank, sql, values in found]
        # CASE takes the first that holds, so it has to be the best
        whens.sort(key=lambda w: -w[0])
        params: list[Any] = [value for _, _, values in whens for value in values]
        cases = " ".join(f"WHEN {sql} THEN {rank}" for rank, sql, _ in whens)
        # words count only where the text is nowhere
        if self.words and not matched:
            for place in self._loose_places:
                every = " AND ".join(f"regexp_matches(lh_{place}, ?)" for _ in self.words)
                cases += f" WHEN {every} THEN {5 if place == 0 else 4}"
                params += self.words
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
        # beyond ASCII Arrow and DuckDB don't have the same lower case
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
        masks = {}
        for place, name in enumerate(self.columns):
            found = self._holding(rows[name], self.wanted)
            if pc.any(found).as_py():
                masks[place] = found
        if masks:
            return rows.filter(reduce(pc.or_, masks.values())), tuple(masks)
        # candidates only: DuckDB ranks them, by the same measure
        loose = [] if self.case_sensitive else self._similar(rows[self.columns[0]])
        if self.words:
            for place in self._loose_places:
                column = rows[self.columns[place]]
                worded = reduce(
                    pc.and_,
                    (self._holding(column, word, pc.match_substring_regex) for word in self.words),
                )
                loose += places_of(worded).to_pylist()
        return rows.take(pa.array(sorted(set(loose)), pa.int64())), ()

    def _holding(
        self, column: pa.ChunkedArray, text: str, match: Any = pc.match_substring
    ) -> pa.ChunkedArray:
        # ASCII letters are all that an ASCII text can match
        column = column if self.case_sensitive else pc.ascii_lower(column)
        return pc.fill_null(match(column, text), fill_value=False)

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
    wanted = as_text(meta.fields["uid"].subject, text.strip())
    searched = columns or _searched(meta, wanted)
    # who names the fields means the text as it stands
    return Search(meta, wanted, tuple(searched), case_sensitive, by_words=field is None)


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
        # the pattern only runs on what has the text
        (60, f"contains({column}, ?) AND regexp_matches({column}, ?)", [wanted, word]),
        (40, f"contains({column}, ?)", [wanted]),
    ]


def _in_synonyms(column: str, wanted: str) -> list[tuple[int, str, list[str]]]:
    # they are joined by |: with one at both ends, each stands between two
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


# -- Values of a registry's field that are near to one that nothing has


_COMPARED = 100_000
_ALIKE = 2
_LONGEST = 200
_SIMILAR_NEIGHBOURS = 70.0
_NEVER = ("uid", "hash")


def near_values(lake: Lake, meta: RegistryMeta, field: str, value: Any) -> list[str]:
    """The values of a field, of visible records, that are near to a text, best first.

    Of very many only those that begin alike are compared, so that an error takes no time.

    Args:
        lake: The lake.
        meta: The registry.
        field: The field; of others than texts nothing is near.
        value: What was asked for.
    """
    known = meta.fields.get(field)
    texts = known is not None and known.kind == "str" and isinstance(value, str) and value
    rows = lake.state.arrow(meta.table)
    if not texts or field in _NEVER or field.endswith("_uid") or field not in rows.column_names:
        return []
    if meta.has_branch:
        seen = pa.array(lake.visible_branches)
        rows = rows.filter(pc.is_in(rows["branch_uid"], value_set=seen))
    values = pc.unique(rows[field].drop_null())
    if pc.is_in(pa.array([value]), value_set=values)[0].as_py():
        return []  # something has it: it is another condition that fails
    if len(values) > _COMPARED:
        alike = pc.starts_with(pc.utf8_lower(values), value[:_ALIKE].lower())
        values = values.filter(alike)[:_COMPARED]
    return similar_names(value[:_LONGEST], values.to_pylist(), at_least=_SIMILAR_NEIGHBOURS)

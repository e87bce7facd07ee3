"""Ranked search as one SQL expression.

Exact matches rank before prefixes, prefixes before whole words, words before parts of words;
names before synonyms, synonyms before other texts. Only where nothing matches literally do
similar names count (Jaro-Winkler).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.errors import InvalidArgument

if TYPE_CHECKING:
    from lakehouse.orm.meta import RegistryMeta

_OTHERS = ("synonyms", "ontology_id", "abbr", "key", "title", "description")
_SIMILAR = 0.84


def search_rank(meta: RegistryMeta, text: str) -> tuple[str, list[Any]]:
    """SQL whose value is a row's rank, 0 where it doesn't match, and its parameters.

    Ranks from 10 up are literal matches, those between 0 and 1 similarity.
    """
    if not isinstance(text, str) or not text.strip():
        raise InvalidArgument("A search needs a text.", found=repr(text))
    wanted = text.strip().lower()
    columns = [meta.name_field]
    columns += [n for n in _OTHERS if n in meta.fields and n != meta.name_field]
    whens, params = [], []
    for place, name in enumerate(columns):
        if name not in meta.fields or meta.fields[name].kind != "str":
            continue
        column = f'lower({{row}}."{name}")'
        for rank, test, values in _tests(column, name, wanted):
            whens.append(
                (rank - 8 * min(place, 2), f"WHEN {test} THEN {rank - 8 * min(place, 2)}", values)
            )
    whens.sort(key=lambda w: -w[0])
    params = [value for _, _, values in whens for value in values]
    name_column = f'lower({{row}}."{meta.name_field}")'
    similar = f"jaro_winkler_similarity({name_column}, ?)"
    last = f"WHEN {similar} > {_SIMILAR} THEN {similar}"
    return f"CASE {' '.join(w for _, w, _ in whens)} {last} ELSE 0 END", [*params, wanted, wanted]


def _tests(column: str, name: str, wanted: str) -> list[tuple[int, str, list[str]]]:
    if name == "synonyms":
        around = f"'|' || {column} || '|'"
        return [
            (94, f"contains({around}, ?)", [f"|{wanted}|"]),
            (74, f"contains({around}, ?)", [f"|{wanted}"]),
            (44, f"contains({column}, ?)", [wanted]),
        ]
    padded = f"' ' || regexp_replace({column}, '[^\\w]+', ' ', 'g') || ' '"
    return [
        (100, f"{column} = ?", [wanted]),
        (80, f"starts_with({column}, ?)", [wanted]),
        (60, f"contains({column}, ?) AND contains({padded}, ?)", [wanted, f" {wanted} "]),
        (40, f"contains({column}, ?)", [wanted]),
    ]

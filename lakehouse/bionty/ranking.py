"""Ranked search in a table of terms."""

from __future__ import annotations

import re

import polars as pl
import pyarrow as pa

_WEIGHTS = {"name": 4, "symbol": 4, "synonyms": 2}


def ranked(
    table: pa.Table, text: str, fields: list[str] | None, *, case_sensitive: bool = False
) -> pa.Table:
    """The rows with a text in a field, best first.

    Whole values and whole synonyms rank before whole words, these before beginnings of words,
    these before any other part; names rank before synonyms, synonyms before other fields. Where no
    field has the text, the terms count whose name or synonyms have all its words.
    """
    rows = pl.DataFrame(pl.from_arrow(table))
    texts = [n for n, t in rows.schema.items() if t == pl.String]
    names = [n for n in (fields or texts) if n in texts]
    flag = "" if case_sensitive else "(?i)"
    wanted = flag + re.escape(text.strip())
    exact = f"{flag}(?:^|\\|){re.escape(text.strip())}(?:$|\\|)"
    word = f"{flag}(?:^|\\W){re.escape(text.strip())}(?:$|\\W)"
    start = f"{flag}(?:^|\\W){re.escape(text.strip())}"
    found = pl.any_horizontal(pl.col(n).str.contains(wanted) for n in names)
    hits = rows.with_row_index("#").filter(found.fill_null(value=False))
    if hits.is_empty():
        worded = _worded(text, [n for n in names if n in _WEIGHTS], flag)
        hits = rows.with_row_index("#").filter(worded)
    score = pl.lit(0)
    for name in names:
        column, weight = pl.col(name), _WEIGHTS.get(name, 1)
        one = (
            column.str.contains(exact).cast(pl.Int32) * 100
            + column.str.contains(word).cast(pl.Int32) * 10
            + column.str.contains(start).cast(pl.Int32) * 5
            + column.str.contains(wanted).cast(pl.Int32)
        )
        score = score + one.fill_null(0) * weight
    main = next((n for n in ("name", "symbol") if n in names), names[0])
    length = pl.col(main).str.len_chars().fill_null(1_000_000)
    ordered = hits.sort([-score, length, pl.col("#")])
    return table.take(ordered["#"].to_arrow())


def _worded(text: str, names: list[str], flag: str) -> pl.Expr:
    """Whether one of the columns has all words of a text, in any order."""
    words = [rf"\b{w}\b" if len(w) < 3 else w for w in re.findall(r"\w+", text)]
    if len(words) < 2:
        return pl.lit(value=False)
    return pl.any_horizontal(
        pl.lit(value=False),
        *(pl.all_horizontal(pl.col(n).str.contains(flag + w) for w in words) for n in names),
    ).fill_null(value=False)

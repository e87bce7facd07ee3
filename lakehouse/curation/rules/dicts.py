"""Dictionaries that are stored as text must be JSON objects or Python literals."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow as pa

from lakehouse.curation.data.chunks import Chunk
from lakehouse.curation.data.codes import first_rows, text_codes
from lakehouse.curation.failure import Failure, Tally
from lakehouse.curation.spec import ColumnRule
from lakehouse.curation.terms import TermResolver
from lakehouse.schema import DType


def dict_of_text(text: str) -> dict[Any, Any]:
    """The dictionary that a text spells.

    Raises:
        ValueError: It spells none.
    """
    try:
        made = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            made = ast.literal_eval(text.strip())
        except (SyntaxError, MemoryError, RecursionError) as error:
            raise ValueError(f"{text!r} spells no dictionary") from error
    if not isinstance(made, dict):
        # The text is at fault, not its type: callers catch one error for both.
        raise ValueError(f"{text!r} spells no dictionary")  # noqa: TRY004
    return made


def _is_dict_text(text: str) -> bool:
    try:
        dict_of_text(text)
    except ValueError:
        return False
    return True


def make(rule: ColumnRule, resolver: TermResolver | None) -> DictCheck | None:
    """The check of a `dict` column."""
    return DictCheck(rule) if rule.dtype.kind == "dict" else None


class DictCheck:
    """Parses each distinct text of a column."""

    def __init__(self, rule: ColumnRule) -> None:
        self._rule = rule
        self._tally = Tally()

    def settled(self, arrow: pa.DataType | None, null_count: int | None) -> bool:
        """Whether no value is text."""
        return arrow is not None and not DType("str").accepts(arrow)

    def update(self, chunk: Chunk, start: int) -> None:
        """Look at the rows from `start` on."""
        codes = text_codes(chunk)
        if codes is None:
            return
        _, texts = codes.used()
        wrong = [text for text in texts.to_pylist() if not _is_dict_text(text)]
        self._tally.extend(first_rows(codes, pa.array(wrong, pa.string()), start))

    def failures(self, slot: str) -> Iterator[Failure]:
        """One failure for each text that is no dictionary."""
        for text, count, rows in self._tally:
            yield Failure(
                slot,
                self._rule.name,
                "dicts",
                text,
                count,
                rows,
                expected="a dictionary, or a text that spells one",
                hint="write the values as JSON objects",
            )

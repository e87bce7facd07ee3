"""Columns of text as codes into their distinct values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from lakehouse.curation.data.chunks import Chunk, Objects, is_sequence, is_text, parents
from lakehouse.curation.failure import rows_kept
from lakehouse.places import places_of
from lakehouse.schema import DType

_TEXT = DType("str")
_FEW = 8  # as many comparisons take less time than one look-up


class Codes(NamedTuple):
    """The texts of one chunk.

    Attributes:
        indices: Per text, its position in `dictionary`; null where it is missing.
        dictionary: Texts, possibly more than are used.
        rows: Per text, its row in the chunk, where rows hold lists; else None.
    """

    indices: pa.Array
    dictionary: pa.Array
    rows: pa.Array | None = None

    def held(self, values: pa.Array) -> pa.Array:
        """The positions of these values, as far as the dictionary has them."""
        small = len(self.dictionary) <= len(self.indices)
        if small:
            return places_of(pc.is_in(self.dictionary, value_set=values))
        positions, texts = self.used()
        return positions.filter(pc.is_in(texts, value_set=values))

    def may_add(self, seen: pa.Array) -> bool:
        """Whether there may be others than the values that were seen already."""
        if len(self.dictionary) > len(self.indices):
            return True
        return not pc.all(pc.is_in(self.dictionary.drop_null(), value_set=seen)).as_py()

    def used(self) -> tuple[pa.Array, pa.Array]:
        """The positions in use and their texts."""
        positions = pc.unique(self.indices).drop_null()
        values = self.dictionary.take(positions)
        present = pc.is_valid(values)
        return positions.filter(present), values.filter(present)


def text_codes(chunk: Chunk) -> Codes | None:
    """The texts of a chunk, items of lists included; None where it holds no text."""
    if isinstance(chunk, Objects):
        return _object_codes(chunk)
    if pt.is_dictionary(chunk.type) and _TEXT.accepts(chunk.type):
        return Codes(chunk.indices, chunk.dictionary.cast(pa.string()))
    if DType("list", item=_TEXT).accepts(chunk.type) and not pt.is_null(chunk.type):
        inner = text_codes(pc.list_flatten(chunk))
        return inner and inner._replace(rows=parents(chunk))
    if pt.is_null(chunk.type) or not _TEXT.accepts(chunk.type):
        return None
    encoded = chunk.cast(pa.string()).dictionary_encode()
    return Codes(encoded.indices, encoded.dictionary)


def _object_codes(chunk: Objects) -> Codes | None:
    rows: list[int] = []
    texts: list[str] = []
    for row, value in enumerate(chunk.values):
        items = value if is_sequence(value) else [value]
        for item in items:
            if is_text(item):
                rows.append(row)
                texts.append(item)
    encoded = pa.array(texts, pa.string()).dictionary_encode()
    return Codes(encoded.indices, encoded.dictionary, pa.array(rows, pa.int64()))


def parted(codes: Codes, delimiter: str) -> Codes:
    """The texts between delimiters instead of whole texts."""
    if not pc.any(pc.match_substring(codes.dictionary, delimiter)).as_py():
        return codes
    lists = pc.split_pattern(codes.dictionary, delimiter).take(codes.indices)
    encoded = pc.list_flatten(lists).dictionary_encode()
    rows = parents(lists)
    rows = rows if codes.rows is None else codes.rows.take(rows)
    return Codes(encoded.indices, encoded.dictionary, rows)


def _places(codes: Codes, asked: pa.Array) -> np.ndarray:
    """Where some of the dictionary's positions stand."""
    indices, gaps = codes.indices, codes.indices.null_count > 0
    # what is missing has no code, and is left out in the end
    plain = (pc.fill_null(indices, 0) if gaps else indices).to_numpy()
    if len(asked) <= _FEW:
        among = reduce(np.logical_or, (plain == code for code in asked.to_pylist()))
    else:
        mask = np.zeros(len(codes.dictionary), bool)
        mask[asked.to_numpy()] = True
        among = mask.take(plain, mode="clip")
    places: np.ndarray = np.flatnonzero(among)
    return places[indices.take(pa.array(places)).is_valid().to_numpy(False)] if gaps else places


def first_rows(codes: Codes, wrong: pa.Array, start: int) -> Iterator[tuple[str, int, list[int]]]:
    """For each of the texts in `wrong`: in how many rows it stands, and the first of them."""
    asked = codes.held(wrong)
    if not len(asked):
        return
    places = _places(codes, asked)
    found = codes.indices.take(pa.array(places)).to_numpy()
    rows = places if codes.rows is None else codes.rows.to_numpy()[places]
    order = np.lexsort((rows, found))
    found, rows = found[order], rows[order] + start
    firsts = np.flatnonzero(np.r_[True, found[1:] != found[:-1]][: len(found)])
    texts = codes.dictionary.take(pa.array(found[firsts])).to_pylist()
    for text, part in zip(texts, np.split(rows, firsts[1:]), strict=False):
        each = part if codes.rows is None else np.unique(part)
        yield text, len(each), each[: rows_kept()].tolist()

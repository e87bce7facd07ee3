"""Replacing synonyms by the terms they stand for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from lakehouse.curation.data.codes import text_codes
from lakehouse.curation.data.sources import Dataset, as_arrow
from lakehouse.curation.spec import ColumnRule, DatasetSpec
from lakehouse.curation.terms import TermResolver, looked_up
from lakehouse.errors import UnknownField, near


def standardize(
    data: Dataset,
    spec: DatasetSpec,
    resolver: TermResolver,
    columns: Collection[str] | None = None,
) -> tuple[pa.Table, dict[str, dict[str, str]]]:
    """Replace synonyms, and other spellings by case, in categorical columns.

    Args:
        data: The dataset; it is not changed.
        spec: Says which columns are categorical.
        resolver: Knows the terms and their synonyms.
        columns: Only these; by default every categorical one.

    Returns:
        The table, and by column which value was replaced by which.

    Raises:
        UnknownField: One of `columns` is no categorical column of the dataset.
    """
    table = as_arrow(data)
    rules = spec.rules_for(table.column_names)
    categorical = {name: rule for name, rule in rules.items() if rule.dtype.all_targets}
    for name in columns or ():
        if name not in categorical:
            raise UnknownField(
                f"Column {name!r} can't be standardized: it isn't a categorical column here.",
                expected=", ".join(near(name, list(categorical)) or categorical),
            )
    replaced: dict[str, dict[str, str]] = {}
    for name in columns or categorical:
        mapping = synonyms_in(table[name], categorical[name], resolver)
        if mapping:
            replaced[name] = mapping
            position = table.column_names.index(name)
            table = table.set_column(position, name, replaced_column(table[name], mapping))
    return table, replaced


def synonyms_in(
    column: pa.ChunkedArray, rule: ColumnRule, resolver: TermResolver
) -> dict[str, str]:
    """Which values of a column are synonyms, and of which term."""
    codes = [text_codes(chunk) for chunk in column.chunks]
    used = [part.used()[1] for part in codes if part is not None]
    if not used:
        return {}
    values = pc.unique(pa.concat_arrays(used))
    mapping: dict[str, str] = {}
    for _, asked, answer in looked_up(resolver, rule.dtype.all_targets, values):
        invalid = pc.invert(answer.valid)
        values, standards = asked.filter(invalid), answer.synonym_of.filter(invalid)
        for value, standard in zip(values.to_pylist(), standards.to_pylist(), strict=True):
            if standard is not None:
                mapping.setdefault(value, standard)
    # A synonym in the first registry may itself be a term of the second.
    left = set(values.to_pylist())
    return {value: standard for value, standard in mapping.items() if value in left}


def replaced_column(column: pa.ChunkedArray, mapping: Mapping[str, str]) -> pa.ChunkedArray:
    """A column with other values in the place of some; lists and categories included."""
    chunks = [_replace(chunk, mapping) for chunk in column.chunks]
    return pa.chunked_array(chunks) if chunks else column


def _replace(array: pa.Array, mapping: Mapping[str, str]) -> pa.Array:
    if pt.is_dictionary(array.type):
        plain = _replace(array.dictionary, mapping).take(array.indices)
        encoded = plain.dictionary_encode()
        return encoded.cast(pa.dictionary(pa.int32(), plain.type, ordered=array.type.ordered))
    if pt.is_nested(array.type):
        items = _replace(array.flatten(), mapping)
        lengths = pc.fill_null(pc.list_value_length(array), 0)
        # by numpy: pyarrow 21 gives them room for nulls, which ListArray refuses beside a mask
        offsets = pa.array(np.concatenate(([0], np.cumsum(lengths))), pa.int32())
        return pa.ListArray.from_arrays(offsets, items, mask=pc.is_null(array))
    old = pa.array(list(mapping), array.type)
    new = pa.array(list(mapping.values()), array.type)
    return pc.coalesce(new.take(pc.index_in(array, value_set=old)), array)

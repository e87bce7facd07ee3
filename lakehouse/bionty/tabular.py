"""Tables of terms as people make them: data frames, CSV and Parquet files."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

PARENTS = "parents"
_NCBI, _NCBI_IDS = "ncbi_gene_id", "ncbi_gene_ids"
_GENE_IDS = ("ensembl_gene_id", "stable_id")
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def table_terms(registry: type[Any], table: pa.Table) -> pa.Table:
    """A table of terms with the columns that the registry calls so.

    A column `definition` holds descriptions, `parents` lists of ids (or texts joined by `|`),
    and `ncbi_gene_id` one of several ids of a gene that has a row for each.
    """
    fields, names = registry.meta.fields, table.column_names
    if "definition" in names and "description" in fields and "description" not in names:
        names = ["description" if name == "definition" else name for name in names]
        table = table.rename_columns(names)
    for place, name in enumerate(names):
        kind = table.schema.field(place).type
        if pa.types.is_dictionary(kind):
            table = table.set_column(place, name, table[name].cast(kind.value_type))
    if PARENTS in names and PARENTS in registry.meta.relations:
        table = table.set_column(names.index(PARENTS), PARENTS, _lists(table[PARENTS]))
    if _NCBI in names and _NCBI_IDS in fields and _NCBI_IDS not in names:
        table = _with_ncbi_ids(table)
    return table


def _lists(parents: pa.ChunkedArray) -> pa.Array:
    """Lists of ids, empty ones where nothing is given."""
    found = parents.combine_chunks()
    if pa.types.is_string(found.type) or pa.types.is_large_string(found.type):
        found = pc.split_pattern(found.cast(pa.string()), "|")
    elif not any(is_list(found.type) for is_list in _LISTS):
        found = pa.nulls(len(found), pa.list_(pa.string()))
    given = found.cast(pa.list_(pa.string())).to_pylist()
    ids = [[i.strip() for i in some or () if i and i.strip()] for some in given]
    return pa.array(ids, pa.list_(pa.string()))


def _with_ncbi_ids(table: pa.Table) -> pa.Table:
    """One row per gene, with all of its NCBI ids."""
    frame = pl.DataFrame(pl.from_arrow(table))
    number = pl.col(_NCBI)
    if frame.schema[_NCBI].is_float():
        number = number.fill_nan(None).cast(pl.Int64, strict=False)
    frame = frame.with_columns(number.cast(pl.String).replace("", None))
    keys = [key for key in _GENE_IDS if key in frame.columns]
    if keys:
        ids = pl.col(_NCBI).drop_nulls().unique(maintain_order=True).str.join("|")
        frame = frame.with_columns(ids.replace("", None).over(keys).alias(_NCBI_IDS))
        frame = frame.unique(keys, keep="first", maintain_order=True)
        frame = frame.drop(_NCBI)
    else:
        frame = frame.rename({_NCBI: _NCBI_IDS})
    found = frame.to_arrow()
    texts = pa.types.is_large_string, pa.types.is_string_view
    plain = [
        pa.field(f.name, pa.string()) if any(is_text(f.type) for is_text in texts) else f
        for f in found.schema
    ]
    return found.cast(pa.schema(plain))

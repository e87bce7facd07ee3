"""What a public source holds, as a table with the fields of a registry."""

from __future__ import annotations

import re
import tempfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.formats import COLUMNS, format_for, format_of
from lakehouse.io.uris import name_of
from lakehouse.ontology import Ontology, read, registry_rows
from lakehouse.ontology.reading.genes import read_table
from lakehouse.ontology.reading.guide import read_guide
from lakehouse.ontology.reading.source import fetch, looks_like_one
from lakehouse.ontology.sources.manifest import Manifest
from lakehouse.ontology.sources.obtain import Found

# -- Tables of terms as people make them: data frames, CSV and Parquet files


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


Content: TypeAlias = Ontology | pa.Table

RELATIONS = pa.schema([("id", pa.string()), ("relation", pa.string()), ("target", pa.string())])
_KEPT: OrderedDict[tuple[Any, ...], pa.Table] = OrderedDict()
_MOST = 4


def read_found(found: Found, organism: str) -> Content:
    """A release on this machine, read."""
    if found.format == "cellxgene-json":
        return read_guide(found.path)
    if found.format in ("obo", "owl", "json"):
        return read(found.path)
    return read_table(found.path, found.format, organism)


def read_path(path: Path) -> Content:
    """A local file: an ontology, or a table of genes, proteins or markers."""
    reader = format_for(path)
    if reader is not None and reader.otype == "DataFrame" and not looks_like_one(path):
        table: pa.Table = reader.table(path, COLUMNS)
        return table
    return read(path)


def read_address(uri: str) -> Content:
    """What an address holds: an ontology, or a table as `read_path` takes it."""
    name = name_of(uri.partition("::")[0])
    reader = format_for(name)
    if reader is None or reader.otype != "DataFrame":
        return read(uri)
    with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder:
        path = Path(folder) / name
        path.write_bytes(fetch(uri)[1])
        return read_path(path)


def as_content(value: Any) -> Content | None:
    """An ontology or a table that is in memory already; None for anything else."""
    if isinstance(value, Ontology):
        return value
    reader = format_of(value)
    return reader.table(value, COLUMNS) if reader is not None else None


def as_meant(content: Content, manifest: Manifest | None) -> Content:
    """The content with the id-space that its manifest names: a file may hold several."""
    if manifest is None or not isinstance(content, Ontology) or not manifest.prefix:
        return content
    space = manifest.prefix.lower()
    if re.split(r"[/.#]", (content.metadata.ontology or "").lower())[0] == space:
        return content
    if not pc.any(pc.starts_with(content.terms["id"], f"{manifest.prefix}:")).as_py():
        return content
    return replace(content, metadata=replace(content.metadata, ontology=space))


def digest_of(content: Content) -> str | None:
    """The content hash of what was read, where it is known."""
    return content.metadata.content_hash if isinstance(content, Ontology) else None


def terms_of(registry: type[Any], content: Content, prefix: str | None = None) -> pa.Table:
    """The terms of a source, as a table with fields of the registry and a list of `parents`.

    Args:
        registry: The registry.
        content: What the source holds.
        prefix: Id-space of the terms; by default the ontology's own.
    """
    if not isinstance(content, Ontology):
        return table_terms(registry, content)
    about = content.metadata
    key = (registry.meta.name, about.content_hash, about.ontology, prefix)
    if key not in _KEPT:
        _KEPT[key] = _ontology_terms(registry, content, prefix)
        while len(_KEPT) > _MOST:
            _KEPT.popitem(last=False)
    return _KEPT[key]


def _ontology_terms(registry: type[Any], content: Ontology, prefix: str | None) -> pa.Table:
    rows = registry_rows(content, prefix)
    parents = pc.list_flatten(rows["parents"]), pc.list_flatten(rows["foreign_parents"])
    columns = {
        "ontology_id": rows["ontology_id"],
        "name": rows["name"],
        "synonyms": rows["synonyms"],
        "broad_synonyms": rows["broad_synonyms"],
        "narrow_synonyms": rows["narrow_synonyms"],
        "related_synonyms": rows["related_synonyms"],
        "description": rows["description"],
        "is_obsolete": rows["obsolete"],
        "replaced_by": _barred(rows["replaced_by"]),
        "consider": _barred(rows["consider"]),
    }
    if "scientific_name" in registry.meta.fields:
        taxon = pc.starts_with(rows["ontology_id"], "NCBITaxon:")
        nothing = pa.scalar(None, pa.string())
        columns["scientific_name"] = pc.if_else(taxon, rows["name"], nothing)
    columns[PARENTS] = rows["parents"] if not len(parents[1]) else _joined_lists(rows)
    return pa.table(columns)


def _barred(lists: pa.ChunkedArray) -> pa.ChunkedArray:
    joined = pc.binary_join(lists.cast(pa.list_(pa.string())), "|")
    return pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined)


def _joined_lists(rows: pa.Table) -> pa.ChunkedArray:
    """Parents of the same id-space first, then those of other ones."""
    frame = pl.DataFrame(pl.from_arrow(rows.select(["parents", "foreign_parents"])))
    joined = frame.select(pl.concat_list("parents", "foreign_parents").alias(PARENTS))
    return joined.to_arrow()[PARENTS].cast(pa.list_(pa.string()))


def edges_of(terms: pa.Table, content: Content) -> pa.Table:
    """All relations of terms: `id, relation, target`; the hierarchy has the relation `is_a`."""
    if PARENTS not in terms.column_names:
        return RELATIONS.empty_table()
    parents = terms[PARENTS].combine_chunks()
    ids = terms["ontology_id"].take(pc.list_parent_indices(parents))
    targets = pc.list_flatten(parents)
    is_a = pa.repeat(pa.scalar("is_a"), len(targets))
    tables = [pa.table([ids, is_a, targets], schema=RELATIONS)]
    if isinstance(content, Ontology) and len(content.relations):
        tables.append(content.relations.select(RELATIONS.names).cast(RELATIONS))
    return pa.concat_tables(tables)

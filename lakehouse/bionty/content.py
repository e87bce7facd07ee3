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

from lakehouse.bionty.tabular import PARENTS as PARENTS
from lakehouse.bionty.tabular import table_terms
from lakehouse.formats import COLUMNS, format_for, format_of
from lakehouse.ontology import Ontology, read, registry_rows
from lakehouse.ontology.genes import read_table
from lakehouse.ontology.guide import read_guide
from lakehouse.ontology.manifest import Manifest
from lakehouse.ontology.obtaining import Found
from lakehouse.ontology.source import fetch, looks_like_one
from lakehouse.uris import name_of

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

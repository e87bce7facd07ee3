"""Importing genes from tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.bionty.filling import Filling
from lakehouse.bionty.merging import Incoming
from lakehouse.bionty.organism import Organism
from lakehouse.errors import InvalidArgument, InvalidData
from lakehouse.formats import COLUMNS, format_for, format_of
from lakehouse.orm import QuerySet
from lakehouse.orm.current import current_lake

if TYPE_CHECKING:
    from lakehouse.orm.lake import Lake

_COLUMNS = (
    "ensembl_gene_id",
    "stable_id",
    "symbol",
    "ncbi_gene_ids",
    "biotype",
    "synonyms",
    "description",
)
_KEYS = _COLUMNS[:2]


def import_genes(cls: type[Any], table: Any, organism: Any, columns: Mapping[str, str]) -> None:
    """See `Gene.import_source`."""
    lake = current_lake()
    incoming = _incoming(_read(table), columns)
    species = _organism(lake, organism)
    shared = {} if species is None else {"organism_uid": species.uid}
    more = () if species is None else (species,)
    Filling(lake, cls.meta, incoming, columns=shared).run("import genes", *more)


def _read(table: Any) -> pa.Table:
    if isinstance(table, str | Path):
        reader = format_for(table)
        if reader is not None:
            return reader.table(Path(table), COLUMNS)
    else:
        reader = format_of(table)
        if reader is not None:
            return reader.table(table, COLUMNS)
    raise InvalidArgument(
        "Genes are imported from a table.",
        found=f"{table!r} ({type(table).__name__})",
        expected="a pandas, polars or Arrow table, or the path of a .csv, .tsv or .parquet file",
    )


def _incoming(table: pa.Table, renamed: Mapping[str, str]) -> Incoming:
    names = {renamed.get(name, name): name for name in table.column_names}
    own = [name for name in _COLUMNS if name in names]
    key = next((name for name in _KEYS if name in own), None)
    if key is None:
        raise InvalidArgument(
            "The table of genes has no column with their ids.",
            found=", ".join(table.column_names),
            expected=" or ".join(_KEYS),
            hint="columns={'Gene stable ID': 'ensembl_gene_id'} renames columns",
        )
    values = {name: _texts(table[names[name]]) for name in own}
    missing = [i for i, value in enumerate(values[key]) if not value]
    if missing:
        raise InvalidData(
            f"{len(missing)} rows of the table of genes have no {key}.",
            found=f"rows {', '.join(map(str, missing[:5]))}",
            expected="an id in every row",
        )
    rows: dict[str, dict[str, Any]] = {}
    for row in zip(*values.values(), strict=True):
        gene = dict(zip(own, row, strict=True))
        rows.setdefault(gene[key], gene)  # of several rows of one gene, the first one counts
    return Incoming(key, rows)


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    return [None if value is None else str(value) for value in column.to_pylist()]


def _organism(lake: Lake, organism: Any) -> Organism | None:
    """The organism of a name, in any of its forms; a new one if there is none."""
    if organism is None or isinstance(organism, Organism):
        return organism
    found: QuerySet[Organism] = QuerySet(Organism, lake)
    for lookup in ("name", "scientific_name"):
        record = found.filter(**{lookup: organism}).first()
        if record is not None:
            return record
    for record in found.filter(synonyms__contains=organism):
        if organism in str(record.synonyms).split("|"):
            return record
    return Organism(name=organism)

"""Tables and columns that a lake lacks.

A table is made by the commit that first writes a row to it, and until then it is nowhere: not in
the catalog, and not in the log. Columns are added to the tables that are there when newer code
opens the lake, and by a commit that meets a table which other code has made meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from lakehouse.engine.catalog.base import CATALOG_NAME, NAMESPACE, Exclusive, Heads, Swap
from lakehouse.engine.commit.parts import Parts
from lakehouse.engine.table import metadata as md
from lakehouse.engine.table.spec import TableSpec
from lakehouse.engine.table.version import TableCache, TableVersion
from lakehouse.errors import LakeCorrupt
from lakehouse.identity import new_uid

EVOLVED = "schema evolved"


def check_none_lost(heads: Heads, tables: Iterable[str]) -> None:
    """Refuse to take tables for unmade ones that have been written to.

    Raises:
        LakeCorrupt: The catalog has lost the pointer of a table.
    """
    if lost := heads.lost():
        for name in tables:
            if name in lost:
                raise LakeCorrupt(
                    f"The lake's catalog has lost the table {name!r}.",
                    found=f"no pointer to it in {CATALOG_NAME}.{NAMESPACE}",
                    expected=lost[name],
                )


def base_of(parts: Parts, heads: Heads, table: str) -> TableVersion:
    """The version of a table that a commit follows; an empty one if it isn't made yet.

    Raises:
        LakeCorrupt: The catalog has lost the table's pointer.
    """
    location = heads.pointers.get(table)
    if location is not None:
        return parts.cache.version(location)
    # else a table that has rows would be begun anew, and theirs be lost for good
    check_none_lost(heads, [table])
    # with another table uuid each time: only that which wins the swap is ever seen
    metadata = md.new_metadata(parts.specs[table], f"{parts.folder}/tables/{table}")
    return TableVersion(parts.cache, "", metadata, ())


def lacking(
    cache: TableCache, specs: Mapping[str, TableSpec], heads: Heads, tables: Iterable[str]
) -> dict[str, md.Metadata]:
    """The metadata to write for those of some tables that lack a column."""
    out = {}
    for name in tables:
        if name in heads.pointers:
            version = cache.version(heads.pointers[name])
            if (metadata := md.evolved(version.metadata, specs[name])) is not None:
                out[name] = metadata
    return out


def add_columns(exclusive: Exclusive, parts: Parts, heads: Heads, tables: Iterable[str]) -> Heads:
    """Give some tables the columns that they lack, in one commit; the heads afterwards."""
    wanted = lacking(parts.cache, parts.specs, heads, tables)
    if not wanted:
        return heads
    swap = Swap(new_uid(), datetime.now(UTC), message=EVOLVED)
    writes = []
    for name, metadata in wanted.items():
        old = heads.pointers[name]
        data = md.dump(metadata)
        location = md.metadata_path(metadata["location"], old, data)
        writes.append((location, data))
        swap.pointers[name] = (old, location)
        # manifests and data files go on to be used: columns are matched by field id
        swap.garbage.append(old)
    parts.files.write(writes)
    exclusive.swap(swap)
    # read again: a swap ends the turn in Postgres, and others may have had theirs since
    return exclusive.heads()

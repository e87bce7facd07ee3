"""Tables and columns that a lake lacks: added when it is made, and when newer code opens it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from lakehouse.engine.catalog.base import CATALOG_NAME, NAMESPACE, Catalog, Heads, Swap
from lakehouse.engine.commit.committer import reconcile
from lakehouse.engine.files import Files
from lakehouse.engine.table import metadata as md
from lakehouse.engine.table.spec import TableSpec
from lakehouse.engine.table.version import TableCache
from lakehouse.errors import LakeCorrupt
from lakehouse.identity import new_uid


def missing_tables(
    cache: TableCache,
    specs: Mapping[str, TableSpec],
    heads: Heads,
    folder: str,
    logged: Mapping[str, str],
) -> dict[str, md.Metadata]:
    """The metadata to write for tables that aren't there, or that lack a column.

    Args:
        cache: The lake's table versions.
        specs: The tables that it should have.
        heads: Where its tables are now.
        folder: The folder of the lake's own files.
        logged: Where the log last saw the tables that have no pointer.

    Raises:
        LakeCorrupt: The catalog has lost the pointer of a table.
    """
    out = {}
    for name, spec in specs.items():
        if name not in heads.pointers:
            if name in logged:
                raise LakeCorrupt(
                    f"The lake's catalog has lost the table {name!r}.",
                    found=f"no pointer to it in {CATALOG_NAME}.{NAMESPACE}",
                    expected=logged[name],
                )
            out[name] = md.new_metadata(spec, f"{folder}/tables/{name}")
            continue
        version = cache.version(heads.pointers[name])
        if (metadata := md.evolved(version.metadata, spec)) is not None:
            out[name] = metadata
    return out


def lost_tables(catalog: Catalog, specs: Mapping[str, TableSpec], heads: Heads) -> dict[str, str]:
    """Logged locations of tables, where some have no pointer; most often there is none."""
    if specs.keys() <= heads.pointers.keys():
        return {}
    return catalog.pointers_at(heads.seq)


def add_tables(
    catalog: Catalog,
    cache: TableCache,
    specs: Mapping[str, TableSpec],
    files: Files,
    folder: str,
    message: str,
) -> None:
    """Add what is missing, in one commit, which the log describes by `message`."""
    with catalog.exclusive() as exclusive:
        # what a stock writer wrote is entered first, or its keys would never be claimed
        heads = reconcile(exclusive, cache, specs, exclusive.heads())
        missing = missing_tables(cache, specs, heads, folder, lost_tables(catalog, specs, heads))
        if not missing:
            return
        swap = Swap(new_uid(), datetime.now(UTC), message=message)
        writes = []
        for name, metadata in missing.items():
            old = heads.pointers.get(name)
            data = md.dump(metadata)
            location = md.metadata_path(f"{folder}/tables/{name}", old, data)
            writes.append((location, data))
            swap.pointers[name] = (old, location)
            if old is not None:
                swap.garbage.append(old)
        files.write(writes)
        exclusive.swap(swap)

"""A new catalog for a lake that has lost its own, from the metadata files of its tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from lakehouse.engine.catalog import place
from lakehouse.engine.catalog.base import Catalog, Swap
from lakehouse.engine.health.remains import version_number
from lakehouse.engine.health.site import Site
from lakehouse.engine.query.state import State
from lakehouse.engine.table import metadata as md
from lakehouse.engine.table.keypack import BulkClaim
from lakehouse.engine.table.limits import Limits
from lakehouse.engine.table.spec import TableSpec
from lakehouse.engine.table.version import TableCache
from lakehouse.errors import LakeCorrupt, StorageError
from lakehouse.identity import new_uid

_NAMED = re.compile(r"/tables/([^/]+)/metadata/[^/]+\.metadata\.json$")


@dataclass
class Rebuilt:
    """A catalog that isn't made yet.

    Attributes:
        site: The lake.
        info: Its settings.
        pointers: The newest metadata file of every table, whether or not it can be read.
        versions: All metadata files of every table, oldest first.
        told: What was found, in words.
        claims: Unique keys of the rows.
        catalog: The catalog, once it is made.
    """

    site: Site
    info: dict[str, Any]
    pointers: dict[str, str]
    told: list[str] = field(default_factory=list)
    claims: list[BulkClaim] = field(default_factory=list)
    versions: dict[str, list[str]] = field(default_factory=dict)
    catalog: Catalog | None = None

    def create(self) -> None:
        """Make it, with one commit that names all tables."""
        site = self.site
        catalog = place.catalog_for(site.root, site.db, create=True, credentials=site.credentials)
        catalog.create({k: place.dump(v) for k, v in self.info.items()})
        swap = Swap(new_uid(), datetime.now(UTC), message="catalog rebuilt by a repair")
        # None: the new catalog has no pointers yet, and must not replace any
        swap.pointers = {table: (None, at) for table, at in self.pointers.items()}
        swap.bulk = self.claims
        with catalog.exclusive() as exclusive:
            exclusive.swap(swap)
        self.catalog = catalog


def _settings(site: Site, root: str, described: dict[str, Any]) -> dict[str, Any]:
    """The settings of a lake: as it names itself, as its tables describe it, or made anew."""
    known = _uid(site)
    info = {
        "format": place.FORMAT_VERSION,
        "uid": known,
        "root": root,
        "created": datetime.now(UTC).isoformat(),
        "name": site.root.rstrip("/").rpartition("/")[2],
        **described,
    }
    info["uid"] = known or info["uid"] or new_uid()
    return info


def rebuilt_catalog(
    site: Site,
    describe: Callable[[State], dict[str, Any]] | None,
    *,
    limits: Limits,
) -> Rebuilt:
    """What a new catalog of a lake would hold.

    Args:
        site: The lake, whose catalog can't be read.
        describe: Gives further settings of the lake from its tables.
        limits: The engine's sizes.

    Raises:
        LakeCorrupt: No table has a metadata file that can be read.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for file in site.store.list(f"{site.folder}/tables"):
        match, number = _NAMED.search(file.path), version_number(file.path)
        if match and number >= 0:
            found.setdefault(match.group(1), []).append((number, file.path))
    told: list[str] = []
    recorded = _recorded_root(site, found)
    site.info = {"root": recorded}
    cache = TableCache(site.files)
    pointers = {}
    for table, files in sorted(found.items()):
        pointer = _newest(site, cache, recorded, files)
        if pointer is None:
            told.append(f"table {table!r}: no metadata file can be read; it is empty now")
        else:
            pointers[table] = pointer
    if not pointers:
        raise LakeCorrupt(
            f"The lake at {site.root!r} can't be repaired: neither its catalog nor any metadata"
            " file of a table can be read.",
            hint="restore it from a backup",
        )
    state = State(cache, site.specs, limits, 0, "", pointers)
    info = _settings(site, recorded, describe(state) if describe is not None else {})
    versions = {
        table: [recorded + path[len(site.root) :] for _, path in sorted(files)]
        for table, files in found.items()
    }
    newest = dict(pointers)
    for table, pointer in pointers.items():
        # a file with a higher number is a later commit's, which is salvaged like any other
        if version_number(versions[table][-1]) > version_number(pointer):
            newest[table] = versions[table][-1]
            told.append(
                f"table {table!r}: its newest metadata file can't be read; what it said is salvaged once the catalog is there"
            )
    made = Rebuilt(site, info, newest, told, versions=versions)
    for table, spec in site.specs.items():
        if table in pointers:
            made.claims += _claims(state, spec)
    return made


def _uid(site: Site) -> str | None:
    try:
        marker = place.read_marker(site.store, site.root)
    except LakeCorrupt:
        return None
    return None if marker is None else str(marker["uid"])


def _recorded_root(site: Site, found: dict[str, list[tuple[int, str]]]) -> str:
    """The root that the metadata files name: another one, where the lake was moved since."""
    for files in found.values():
        for _, path in sorted(files, reverse=True):
            try:
                location = str(md.load(site.store.read(path), path)["location"])
            except (LakeCorrupt, OSError, StorageError):
                continue
            root, middle, _ = location.rpartition(f"/{place.FOLDER}/tables/")
            if middle:
                return root
    return site.root


def _newest(
    site: Site, cache: TableCache, recorded: str, files: list[tuple[int, str]]
) -> str | None:
    best: tuple[int, int, str] | None = None
    for number, path in sorted(files, reverse=True):
        if best is not None and number < best[0]:
            break  # of several with one number the later one was committed
        at = recorded + path[len(site.root) :]
        try:
            version = cache.version(at)
        except (LakeCorrupt, StorageError):
            continue
        best = max(best or (0, 0, ""), (number, int(version.metadata["last-updated-ms"]), at))
    return None if best is None else best[2]


def _claims(state: State, spec: TableSpec) -> list[BulkClaim]:
    """The unique keys of a table's rows; the first of those that repeat one holds it."""
    try:
        rows = state.arrow(spec.name)
    except (LakeCorrupt, StorageError):
        return []  # its keys are rebuilt when its rows are salvaged
    out = []
    for scope, keys, uids in spec.key_columns_of(rows):
        if len(keys) == 0:
            continue
        first: dict[str, str] = {}
        for key, uid in zip(keys.to_pylist(), uids.to_pylist(), strict=True):
            # the smallest uid is the oldest, since uids begin with their time
            first[key] = min(uid, first.get(key, uid))
        out.append(
            BulkClaim(
                scope,
                pa.chunked_array([pa.array(list(first), pa.string())]),
                pa.chunked_array([pa.array(list(first.values()), pa.string())]),
            )
        )
    return out

"""Checking a lake's tables: catalog, metadata, manifests, data files, rows and unique keys.

Nothing is written, and nothing that a later commit does is taken for damage: the pointers are
read once, what is missing because gc has removed the state meanwhile is passed over, and keys
are compared again where their table has moved.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.manifest import ManifestFile

from lakehouse.engine.catalog.base import Catalog, Heads
from lakehouse.engine.health import damage as kinds
from lakehouse.engine.health.damage import CheckReport, Damage, Progress
from lakehouse.engine.health.site import Site
from lakehouse.engine.query.state import State
from lakehouse.engine.table import keypack
from lakehouse.engine.table import manifest_reading as _avro_read
from lakehouse.engine.table import metadata as md
from lakehouse.engine.table.digest import named_digest, verify
from lakehouse.engine.table.limits import Limits
from lakehouse.engine.table.manifest_writing import FileEntry, Manifest
from lakehouse.engine.table.reach import reachable_with_history
from lakehouse.engine.table.spec import KEY_SEPARATOR, TableSpec
from lakehouse.engine.table.version import TableCache, decode_rows
from lakehouse.errors import CatalogUnavailable, LakeCorrupt, StorageError

_TRIES = 5
_KEYS = 100_000
_SUFFIXES = (".parquet", ".avro", ".json", ".tmp")


def _quiet(what: str, done: int) -> None:
    """No progress is shown."""


class TableCheck:
    """One check of the tables of a lake.

    Args:
        site: The lake.
        deep: Check all kept states, and every row.
        progress: Told how far the check is.

    Attributes:
        report: What was found so far.
        whole: The tables whose newest version has no damaged file.
    """

    def __init__(self, site: Site, *, deep: bool = False, progress: Progress = _quiet) -> None:
        self.site = site
        self.deep = deep
        self.report = CheckReport(site.root, deep)
        self.whole: set[str] = set()
        self.progress = progress
        self._files = site.files
        self._manifests: dict[str, Manifest | None] = {}
        self._data: dict[str, bool] = {}
        self._lists: dict[str, bool] = {}
        self._named: set[str] = set()
        self._where = ("", "")

    def found(self, kind: str, what: str, detail: str = "") -> None:
        """Note a damage of the table version that is being checked."""
        table, version = self._where
        damage = Damage(kind, what, detail, table, version)
        # of many versions that share a file, one is enough; all damages would take squared time
        if all((d.kind, d.what) != (kind, what) for d in self.report.damages[-200:]):
            self.report.damages.append(damage)

    def run(self) -> CheckReport:
        """Check everything that the engine knows of."""
        for kind, path, error in self.site.problems:
            self.report.damages.append(Damage(kind, path, error.message))
        if self.site.catalog is None:
            return self.report
        try:
            self._run(self.site.catalog)
        except (CatalogUnavailable, LakeCorrupt) as error:
            self.report.damages.append(Damage(kinds.CATALOG, "the catalog", str(error)))
        return self.report

    def _run(self, catalog: Catalog) -> None:
        for problem in catalog.problems(deep=self.deep):
            self.report.damages.append(Damage(kinds.CATALOG, "the catalog's database", problem))
        folder = self.site.folder
        # before the heads: what is written from now on isn't listed, and so no orphan
        listing = [f.path for f in self.site.store.list(f"{folder}/tables")] if self.deep else []
        heads, kept = _of_one_moment(catalog)
        self.report.seq = heads.seq
        self._check_log(catalog, heads, kept)
        self._check_heads(heads)
        if self.deep:
            self._check_history(heads, kept)
            self._find_orphans(catalog, listing)
        self._forget_collected(catalog)
        if self.deep:
            for table in sorted(self.whole & self.site.specs.keys()):
                self._check_keys(catalog, heads, table)

    # -- the catalog -----------------------------------------------------------------

    def _check_log(self, catalog: Catalog, heads: Heads, kept: list[tuple[str, int, str]]) -> None:
        log = catalog.log()
        self.report.checked["commits"] = len(log)
        for newer, older in itertools.pairwise(log):
            if newer.seq != older.seq + 1 or newer.parent != older.id:
                self.report.damages.append(
                    Damage(
                        kinds.CATALOG,
                        f"commit {newer.seq} of the log",
                        f"doesn't follow commit {older.seq}",
                    )
                )
        known = {c.seq for c in log}
        for name, seq in catalog.tags().items():
            if seq not in known:
                self.report.damages.append(
                    Damage(kinds.DANGLING, f"tag {name!r}", f"there is no commit {seq}")
                )
        # by rising numbers, so a table's last one stays
        newest = {table: location for table, _, location in kept}
        newest = {**heads.lost(), **newest}
        for table in sorted(newest.keys() | self.site.specs.keys()):
            pointer, logged = heads.pointers.get(table), newest.get(table)
            if pointer is None and logged is not None:
                detail = f"the catalog has lost its pointer, which was {logged}"
                self.report.damages.append(Damage(kinds.CATALOG, f"table {table!r}", detail, table))
            elif logged is not None and heads.logged.get(table, logged) != logged:
                detail = f"the log names {logged}, its heads {heads.logged[table]}"
                self.report.damages.append(Damage(kinds.CATALOG, f"table {table!r}", detail, table))
            elif pointer != heads.logged.get(table):
                self.report.notes.append(f"another Iceberg engine wrote to table {table!r}")

    # -- files -----------------------------------------------------------------------

    def _read(self, path: str, size: int | None = None) -> bytes | None:
        """A file's bytes, or None where it is damaged, which is noted."""
        self._named.add(path)
        try:
            data = self._files.read(path)
        except FileNotFoundError:
            self.found(kinds.MISSING, path)
            return None
        except (OSError, StorageError) as error:
            self.found(kinds.MISSING, path, str(error))
            return None
        self.report.checked["files"] += 1
        self.report.checked["bytes"] += len(data)
        # nothing tells a metadata file's size, but whole JSON ends with a bracket
        cut = not data.rstrip().endswith(b"}") if path.endswith(".json") else not data
        try:
            sure = verify(path, data)
        except LakeCorrupt as error:
            short = len(data) < size if size is not None else cut
            self.found(kinds.TRUNCATED if short else kinds.CHANGED, path, str(error.found))
            return None
        # without a digest the size is all that can be compared
        if not sure and size is not None and len(data) != size:
            kind = kinds.TRUNCATED if len(data) < size else kinds.CHANGED
            self.found(kind, path, f"{len(data)} bytes instead of {size}")
            return None
        return data

    def _check_heads(self, heads: Heads) -> None:
        for table, location in sorted(heads.pointers.items()):
            self.progress("tables", 1)
            self._where = table, location
            if self._check_version(table, location):
                self.whole.add(table)
            if (logged := heads.logged.get(table)) not in (None, location):
                self._where = table, str(logged)
                self._check_version(table, str(logged))
        self.report.checked["tables"] = len(heads.pointers)

    def _check_history(self, heads: Heads, kept: list[tuple[str, int, str]]) -> None:
        done = {*heads.pointers.values(), *heads.logged.values()}
        for table, _, location in kept:
            if location not in done:
                done.add(location)
                self.progress("past versions", 1)
                self._where = table, location
                self._check_version(table, location)
                self.report.checked["past versions"] += 1
        self._where = "", ""

    def _check_version(self, table: str, location: str) -> bool:
        """Check all files of a table version; whether they are whole."""
        before = len(self.report.damages)
        data = self._read(location)
        if data is None:
            return False
        try:
            metadata = md.load(data, location)
            schema = md.arrow_schema(md.current_schema(metadata))
            snapshot = md.current_snapshot(metadata)
        except (LakeCorrupt, KeyError, TypeError, ValueError) as error:
            self.found(kinds.CHANGED, location, str(error))
            return False
        if snapshot is None:
            return True
        whole = self._check_snapshot(table, snapshot["manifest-list"], schema)
        for older in metadata["snapshots"]:
            if older["manifest-list"] != snapshot["manifest-list"]:
                self._named.add(older["manifest-list"])
        return whole and len(self.report.damages) == before

    def _check_snapshot(self, table: str, path: str, schema: pa.Schema) -> bool:
        if path in self._lists:
            return self._lists[path]
        data = self._read(path)
        if data is None:
            self._lists[path] = False
            return False
        try:
            listed = _avro_read.decode_manifest_list(data, path)
        except LakeCorrupt as error:
            self.found(kinds.CHANGED, path, str(error.found))
            self._lists[path] = False
            return False
        whole = True
        entries: list[FileEntry] = []
        for one in listed:
            if one.manifest_path not in self._manifests:
                self._manifests[one.manifest_path] = self._manifest(one)
            manifest = self._manifests[one.manifest_path]
            whole = whole and manifest is not None
            entries += manifest.entries if manifest is not None else ()
        paths = [e.path for e in entries]
        if len(set(paths)) != len(paths):
            self.found(kinds.DOUBLED, path, "lists a data file twice")
            whole = False
        for entry in entries:
            if entry.path not in self._data:
                self._data[entry.path] = self._check_data(entry, schema)
            whole = self._data[entry.path] and whole
        self._lists[path] = whole
        return whole

    def _manifest(self, listed: ManifestFile) -> Manifest | None:
        path = listed.manifest_path
        data = self._read(path, listed.manifest_length)
        if data is None:
            return None
        try:
            return _avro_read.decode_manifest(data, listed)
        except LakeCorrupt as error:
            self.found(kinds.CHANGED, path, str(error.found))
            return None

    def _check_data(self, entry: FileEntry, schema: pa.Schema) -> bool:
        data = self._read(entry.path, entry.size)
        if data is None:
            return False
        self.progress("data files", 1)
        # bytes that fit their digest are those that were written, rows included
        if not self.deep and named_digest(entry.path) is not None:
            return True
        try:
            rows = decode_rows(entry.path, data, schema, pages=True)
        except LakeCorrupt as error:
            self.found(kinds.CHANGED, entry.path, str(error.found))
            return False
        self.report.checked["rows"] += rows.num_rows
        bounds = pc.min_max(rows.column(0))
        low, high = bounds["min"].as_py(), bounds["max"].as_py()
        wrong = []
        if rows.num_rows != entry.rows:
            wrong.append(f"{rows.num_rows} rows instead of {entry.rows}")
        if rows.column(0).null_count:
            wrong.append(f"{rows.column(0).null_count} rows without uid")
        if rows.num_rows and (
            (entry.low is not None and low is not None and low < entry.low)
            or (entry.high is not None and high is not None and high > entry.high)
        ):
            wrong.append(f"uids {low} to {high}, listed as {entry.low} to {entry.high}")
        if wrong:
            self.found(kinds.CONTRADICTORY, entry.path, "; ".join(wrong))
        return not wrong

    # -- what isn't damage -----------------------------------------------------------

    def _find_orphans(self, catalog: Catalog, listing: list[str]) -> None:
        """Files that were there before the check, and that nothing names after it."""
        heads = catalog.heads()
        noted = {path for _, path in catalog.garbage(heads.seq)}
        cache = TableCache(self._files)
        for location in {*heads.pointers.values(), *heads.logged.values()}:
            with suppress(LakeCorrupt):  # what is damaged is told already
                # stock readers may travel to the older snapshots that a version lists
                self._named |= reachable_with_history(cache.version(location), self._files)
        at = getattr(self._files, "path", lambda path: path)
        named = {at(path) for path in (self._named | noted)}
        for path in listing:
            if path not in named and path.endswith(_SUFFIXES):
                self.report.orphans.append(path)

    def _forget_collected(self, catalog: Catalog) -> None:
        """Take out what is missing only because gc has removed its state meanwhile."""
        heads = catalog.heads()
        kept = {location for _, _, location in catalog.locations()}
        kept |= {*heads.pointers.values(), *heads.logged.values()}
        self.report.damages = [d for d in self.report.damages if not d.version or d.version in kept]

    # -- rows ------------------------------------------------------------------------

    def state(self) -> State | None:
        """The newest state, for checks of rows; None where the catalog can't be read."""
        if self.site.catalog is None:
            return None
        with suppress(CatalogUnavailable, LakeCorrupt):
            heads = self.site.catalog.heads()
            cache = TableCache(self._files)
            specs = self.site.specs
            return State(cache, specs, Limits(), heads.seq, heads.commit_id, heads.pointers)
        return None

    def _check_keys(self, catalog: Catalog, heads: Heads, table: str) -> None:
        """Compare a table's uids and unique keys with each other, and with what is claimed."""
        spec = self.site.specs[table]
        self.progress("unique keys", 1)
        for _ in range(_TRIES):
            pointer, logged = heads.pointers.get(table), heads.logged.get(table)
            if pointer is None:
                return
            try:
                found = list(key_damages(catalog, self._rows_of(pointer), spec))
            except LakeCorrupt as error:
                if (heads := catalog.heads()).pointers.get(table) == pointer:
                    self.report.damages.append(
                        Damage(kinds.CHANGED, pointer, str(error), table, pointer)
                    )
                    return
                continue
            heads = catalog.heads()
            # the keys are those of now: they are compared with rows of now, or again
            if heads.pointers.get(table) == pointer:
                break
        if pointer != logged:  # its keys are entered with the next commit
            found = [d for d in found if d.kind == kinds.DOUBLED]
        self.report.damages += found

    def _rows_of(self, location: str) -> pa.Table:
        return TableCache(self._files).version(location).arrow()


def key_damages(catalog: Catalog, rows: pa.Table, spec: TableSpec) -> Iterator[Damage]:
    """What is wrong with the uids and unique keys of a table's rows.

    Args:
        catalog: The catalog, which says which row holds which key.
        rows: All rows.
        spec: The table's specification.
    """
    for uid in _repeated(rows["uid"]):
        yield Damage(kinds.DOUBLED, f"uid {uid!r}", "several rows have it", spec.name)
    scopes: dict[str, int] = {}
    seen: dict[str, str] = {}
    for scope, keys, uids in spec.key_columns_of(rows):
        scopes[scope] = len(keys)
        for key in _repeated(keys):
            yield Damage(kinds.DOUBLED, _shown(key), "several rows claim it", spec.name)
        pairs = dict(zip(keys.to_pylist(), uids.to_pylist(), strict=True))
        seen.update(pairs)
        texts = list(pairs)
        for start in range(0, len(texts), _KEYS):
            part = texts[start : start + _KEYS]
            holders = catalog.holders(part)
            for key in part:
                if (holder := holders.get(key)) != pairs[key]:
                    by = "nobody" if holder is None else f"row {holder}"
                    detail = f"row {pairs[key]} has it, {by} holds it in the catalog"
                    yield Damage(kinds.UNCLAIMED, _shown(key), detail, spec.name)
    if scopes:
        yield from _stale_claims(catalog, scopes, seen, spec.name)


def _of_one_moment(catalog: Catalog) -> tuple[Heads, list[tuple[str, int, str]]]:
    """The heads, and the locations of all kept states, with no commit between the two looks.

    Else a commit, and a gc behind it, would look like a log that contradicts its heads.
    """
    while True:
        heads = catalog.heads()
        kept = catalog.locations()
        if catalog.heads().seq == heads.seq:
            return heads, kept


def _stale_claims(
    catalog: Catalog, scopes: dict[str, int], seen: dict[str, str], table: str
) -> Iterator[Damage]:
    """Keys that the catalog keeps for rows that don't have them."""
    # packs don't keep the texts of keys (decision 001): spare ones can only be counted
    packed = dict.fromkeys(scopes, 0)
    for scope, digests, _ in catalog.packs():
        if scope in packed:
            packed[scope] += len(digests) // 16
    singles = dict.fromkeys(scopes, 0)
    for key, uid in catalog.claims():
        scope = keypack.scope_of(key)
        if scope not in singles:
            continue
        singles[scope] += 1
        if key not in seen:
            detail = f"the catalog keeps it for row {uid}, which doesn't have it"
            yield Damage(kinds.UNCLAIMED, _shown(key), detail, table)
            singles[scope] -= 1
    for scope, count in scopes.items():
        if (spare := singles[scope] + packed[scope] - count) > 0:
            yield Damage(kinds.UNCLAIMED, scope, f"{spare} packed keys that no row has", table)


def _repeated(column: pa.ChunkedArray) -> list[str]:
    counts = column.value_counts()
    found: list[str] = (
        counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
    )
    return found


def _shown(key: str) -> str:
    scope, _, values = key.partition(KEY_SEPARATOR)
    return f"{scope} = {values.replace(KEY_SEPARATOR, ', ')!r}"

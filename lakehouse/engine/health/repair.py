"""Repairing a lake's tables: back to what is whole, with everything told by name.

A repair is planned under the writers' lock from a deep check, and is one commit: damaged
versions of tables are replaced by what can be salvaged of them, rows that repeat uids or
unique values are set aside, unique keys are rebuilt from the rows. What can't be read is moved
to `.lakehouse/quarantine`, with a note, and never deleted. Repairing twice changes nothing, and
a repair that was cut short is finished by the next.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pyarrow as pa

from lakehouse.engine.catalog import place
from lakehouse.engine.catalog.base import Catalog, Exclusive, Heads, Swap
from lakehouse.engine.commit.assemble import assemble
from lakehouse.engine.commit.references import References, mended
from lakehouse.engine.health import damage as kinds
from lakehouse.engine.health.check import TableCheck, key_damages
from lakehouse.engine.health.damage import CheckReport
from lakehouse.engine.health.rebuild import rebuilt_catalog
from lakehouse.engine.health.repeated import brief, difference, once
from lakehouse.engine.health.salvage import Salvage, Salvaged
from lakehouse.engine.health.site import Site
from lakehouse.engine.query.state import State
from lakehouse.engine.table.datafile import sort_rows, split
from lakehouse.engine.table.limits import Limits
from lakehouse.engine.table.spec import TableSpec
from lakehouse.engine.table.version import TableCache, TableVersion
from lakehouse.errors import LakeCorrupt, StorageError
from lakehouse.identity import new_uid
from lakehouse.io.uris import is_remote
from lakehouse.text.printable import printable

Describe = Callable[[State], dict[str, Any]]


@dataclass
class RepairReport:
    """What a repair did, or would do.

    Attributes:
        root: The lake.
        dry_run: Whether nothing was changed.
        before: What was damaged.
        steps: What is mended, and what is lost, by name.
        quarantined: The files that were moved to the quarantine.
        seq: Number of the commit that the repair made, -1 for none.
        left: What can't be mended here.
    """

    root: str
    dry_run: bool
    before: CheckReport
    steps: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    seq: int = -1
    left: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values."""
        return {**vars(self), "before": self.before.to_dict()}

    def __str__(self) -> str:
        if not self.steps and not self.left:
            return f"The lake at {self.root!r} needs no repair."
        verb = "would be repaired" if self.dry_run else "was repaired"
        lines = [f"The lake at {self.root!r} {verb}:" if self.steps else f"{self.root!r}:"]
        lines += [f"  {step}" for step in self.steps]
        lines += [f"  not mended: {what}" for what in self.left]
        if self.quarantined:
            moved = "would be moved" if self.dry_run else "were moved"
            lines.append(
                f"  {len(self.quarantined)} file(s) {moved} to .lakehouse/{place.QUARANTINE}"
            )
        if self.dry_run and self.steps:
            lines.append("  → lakehouse repair --apply")
        return printable("\n".join(lines))


class _Fresh:
    """The lake's files, and those that aren't written yet."""

    def __init__(self, site: Site, fresh: Sequence[tuple[str, bytes | pa.Buffer]]) -> None:
        self._files = site.files
        self._fresh = fresh
        self.root = site.root

    def read(self, path: str) -> bytes:
        """A file's content."""
        data = next((data for at, data in self._fresh if at == path), None)
        if data is None:
            return self._files.read(path)
        return data if isinstance(data, bytes) else bytes(data.to_pybytes())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)


@dataclass
class _Plan:
    """What a repair changes."""

    swap: Swap
    writes: list[tuple[str, bytes | pa.Buffer]] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    scopes: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    aside: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


class TableRepair:
    """One repair of the tables of a lake.

    Args:
        site: The lake.
        dry_run: Only tell what would be done.
        describe: Gives the settings of a lake whose catalog is lost, from its tables.
        references: Gives the columns of a table that name rows of others.
        limits: The engine's sizes.
    """

    def __init__(
        self,
        site: Site,
        *,
        dry_run: bool = True,
        describe: Describe | None = None,
        references: References | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.site = site
        self.dry_run = dry_run
        self._describe = describe
        self._references = references or (lambda table: [])
        self._limits = limits or Limits()
        self._on_disk: dict[str, list[str]] = {}  # versions of a lake whose log is lost
        self._stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ") + "-" + new_uid()[-6:]
        self.report = RepairReport(site.root, dry_run, CheckReport(site.root))

    def run(self) -> RepairReport:
        """Plan the repair, and make it unless it is a dry run.

        Raises:
            LakeCorrupt: Nothing is left to repair from.
        """
        site = self.site
        if site.catalog is None:
            self.report.before = TableCheck(site).run()
            self._rebuild_catalog()
            if self.site.catalog is None:
                return self.report
        with self.site.catalog.exclusive() as exclusive:  # type: ignore[union-attr]
            check = TableCheck(self.site, deep=True)
            found = check.run()
            if self.report.before.ok:
                self.report.before = found
            self._mend_marker()
            self._mend_tables(self.site.catalog, exclusive, check)  # type: ignore[arg-type]
        return self.report

    # -- marker and catalog ------------------------------------------------------------

    def _mend_marker(self) -> None:
        marker = f"{self.site.folder}/{place.MARKER}"
        if all(path != marker for _, path, _ in self.site.problems):
            return
        self.report.steps.append(f"the marker {marker} is written anew")
        if self.dry_run:
            return
        self._keep_aside({marker: "the lake's marker couldn't be read"})
        content = {"format": place.FORMAT_VERSION, "uid": self.site.info["uid"]}
        place.write_marker(self.site.store, self.site.root, content, self.site.db)
        self.site.problems = [p for p in self.site.problems if p[1] != marker]

    def _rebuild_catalog(self) -> None:
        """A new catalog from the newest metadata files, where the old one is lost.

        What lies elsewhere isn't the lake's to move away: a catalog is only made where there
        is none.
        """
        if self.site.db is None and is_remote(self.site.root):
            self.report.left.append(
                f"the lake's marker names no catalog; name it: lakehouse repair {self.site.root}"
                " --db URL"
            )
            return
        url = self.site.db or place.own_catalog(self.site.root)
        own = place.within(self.site.root, url)
        if not own and not self.site.is_lost:
            self.report.left.append(_not_ours(place.without_password(url)))
            return
        where = "" if own else f" at {place.without_password(url)}, where there is none now,"
        self.report.steps.append(
            f"the catalog is made anew{where} from the newest metadata file of every table;"
            " the log of commits and the tags are lost"
        )
        path = url.removeprefix("sqlite:///")
        files = (path, f"{path}-wal", f"{path}-shm") if own else ()
        broken = [p for p in files if os.path.exists(p)]
        self.report.quarantined += broken
        made = rebuilt_catalog(self.site, self._describe, limits=self._limits)
        self.report.steps += made.told
        if self.dry_run:
            return
        self._keep_aside(dict.fromkeys(broken, "the catalog couldn't be read"), tell=False)
        made.create()
        self.site.info, self.site.catalog = made.info, made.catalog
        self._on_disk = made.versions
        self.report.seq = 0
        self.site.problems = [p for p in self.site.problems if p[1].endswith(place.MARKER)]

    # -- tables ------------------------------------------------------------------------

    def _mend_tables(self, catalog: Catalog, exclusive: Exclusive, check: TableCheck) -> None:
        heads = exclusive.heads()
        plan = _Plan(Swap(new_uid(), datetime.now(UTC), message="repaired"))
        broken = self._broken_files(check.report)
        self._plan_versions(catalog, heads, plan, broken)
        self._plan_rows(catalog, heads, plan)
        if not (plan.swap.pointers or plan.moved or plan.scopes or plan.broken):
            return
        self.report.quarantined += sorted(plan.broken)
        if self.dry_run:
            return
        self._set_aside(plan)
        # copied before the swap, removed after it: wherever this is cut short, nothing is lost
        copied = self._copy_aside(plan.broken)
        self.site.files.write(plan.writes)
        self.report.seq = exclusive.swap(plan.swap)
        catalog.mend(plan.moved, plan.scopes)
        self.site.files.remove(copied)

    def _broken_files(self, report: CheckReport) -> dict[str, str]:
        """The files that can't be read, and why; missing ones, too."""
        wrong = (kinds.MISSING, kinds.TRUNCATED, kinds.CHANGED, kinds.CONTRADICTORY)
        return {
            d.what: f"{d.kind}: {d.detail}"
            for d in report.damages
            if d.version and d.kind in wrong and d.what.startswith(("/", self._prefix))
        }

    @property
    def _prefix(self) -> str:
        return str(self.site.info.get("root") or self.site.root)

    def _plan_versions(
        self, catalog: Catalog, heads: Heads, plan: _Plan, broken: Mapping[str, str]
    ) -> None:
        kept = catalog.locations()
        by_table: dict[str, list[str]] = {}
        for table, _, location in kept:
            by_table.setdefault(table, []).append(location)
        logged = {table: locations[-1] for table, locations in by_table.items()}
        salvages = {
            table: Salvage(
                self.site.specs.get(table),
                f"{self._prefix}/{place.FOLDER}/tables/{table}",
                self.site.files,
                self._on_disk.get(table) or by_table.get(table, []),
                frozenset(broken),
                plan.swap.commit_id,
                self._limits,
            )
            for table in sorted({*heads.pointers, *logged})
        }
        back = self._whole_commit(kept, broken, salvages) if broken else None
        for table, salvage in salvages.items():
            pointer = heads.pointers.get(table)
            current = pointer or logged[table]
            for location in dict.fromkeys([*by_table.get(table, []), current]):
                done = salvage.of(location, only_older=back is not None)
                if done.location == location:
                    continue
                plan.writes += done.written
                if location == current:
                    plan.swap.pointers[table] = (pointer, done.location)
                    self.report.steps += [f"table {table!r}: {told}" for told in done.told]
                else:
                    self.report.steps += [
                        f"table {table!r}, past version {os.path.basename(location)}: {told}"
                        for told in done.told
                    ]
                if location in by_table.get(table, []):
                    plan.moved[location] = done.location
                self._note_broken(plan, salvage, location, done, broken)
            if pointer is None:
                plan.swap.pointers.setdefault(table, (None, current))
                self.report.steps.append(f"table {table!r}: its pointer is set again")
        if back is not None:
            self.report.steps.insert(
                0,
                f"the lake goes back to commit {back}, the newest that is whole: of later commits"
                " no version of a table is there",
            )

    def _note_broken(
        self,
        plan: _Plan,
        salvage: Salvage,
        location: str,
        done: Salvaged,
        broken: Mapping[str, str],
    ) -> None:
        names = done.broken
        if salvage.version(location) is None:
            names = [location, *(p for p in broken if p.endswith(".avro"))]
        for path in names:
            if path in broken:
                plan.broken[path] = broken[path]

    def _whole_commit(
        self,
        kept: list[tuple[str, int, str]],
        broken: Mapping[str, str],
        salvages: Mapping[str, Salvage],
    ) -> int | None:
        """The newest commit whose state is whole, if of all later ones nothing is there.

        So it is where a lake's files are older than its catalog. Where later files are there,
        they tell something, and a table is salvaged from them.
        """
        cache = TableCache(self.site.files)

        def whole(location: str) -> bool:
            if location in broken:
                return False
            try:
                version = cache.version(location)
            except (LakeCorrupt, StorageError):
                return False
            return all(e.path not in broken for e in version.entries)

        last = -1
        lost: list[int] = []
        tables: set[str] = set()
        for table, seq, location in kept:
            if whole(location):
                last = max(last, seq)
            else:
                lost.append(seq)
                tables.add(table)
        later = [seq for seq in lost if seq > last]
        # one lost commit may be any damage; several at the end, and none before, are a restored
        # folder that is older than its catalog
        if len(later) < 2 or lost != later or last < 0:
            return None
        return None if any(salvages[table].leftovers for table in tables) else last

    # -- rows and keys -----------------------------------------------------------------

    def _plan_rows(self, catalog: Catalog, heads: Heads, plan: _Plan) -> None:
        """Set rows aside that repeat others or name what is lost, and rebuild their keys."""
        fresh = _Fresh(self.site, plan.writes)
        uids: dict[str, pa.Array] = {}
        for table, spec in self.site.specs.items():
            version = self._planned(plan, heads, table, fresh)
            if version is None:
                if table not in self._on_disk:  # it isn't made yet, and so has no row
                    uids[table] = pa.array([], pa.string())
                continue
            rows = version.arrow()
            found = list(key_damages(catalog, rows, spec))
            kept = rows
            if found or heads.pointers.get(table) != heads.logged.get(table):
                kept = once(rows, spec.key_columns_of, catalog)
            if kept.num_rows != rows.num_rows:
                aside = difference(rows, kept)
                plan.aside.setdefault(table, []).extend(aside)
                self.report.steps += [
                    f"table {table!r}: a row with the uid {row.get('uid')!r} repeats a uid or"
                    f" unique value of another row and is set aside: {brief(row)}"
                    for row in aside
                ]
                self._rewrite(plan, table, heads, version, kept)
            if found:
                self._plan_keys(plan, spec, kept)
            uids[table] = kept["uid"].combine_chunks()
        self._plan_references(heads, plan, fresh, uids)
        if not plan.swap.pointers and (plan.scopes or plan.moved):
            table, location = next(iter(heads.pointers.items()))
            plan.swap.pointers[table] = (location, location)  # the log names a table of a commit

    def _plan_references(
        self, heads: Heads, plan: _Plan, fresh: _Fresh, uids: Mapping[str, pa.Array]
    ) -> None:
        for table, spec in self.site.specs.items():
            references = self._references(table)
            version = self._planned(plan, heads, table, fresh) if references else None
            if version is None:
                continue
            done = mended(table, version.arrow(), references, uids.get)
            self.report.left += done.left
            if not done.told:
                continue
            self.report.steps += done.told
            if done.aside:
                plan.aside.setdefault(table, []).extend(done.aside)
            self._rewrite(plan, table, heads, version, done.rows)
            if spec.unique:
                self._plan_keys(plan, spec, done.rows)

    def _planned(self, plan: _Plan, heads: Heads, table: str, fresh: _Fresh) -> TableVersion | None:
        """A table as the repair will leave it, as far as it is planned."""
        location = plan.swap.pointers.get(table, (None, heads.pointers.get(table)))[1]
        return None if location is None else TableCache(fresh).version(location)

    def _plan_keys(self, plan: _Plan, spec: TableSpec, rows: pa.Table) -> None:
        for scope, keys, uids in spec.key_columns_of(rows):
            plan.scopes[scope] = list(zip(keys.to_pylist(), uids.to_pylist(), strict=True))
        self.report.steps.append(f"table {spec.name!r}: its unique keys are rebuilt")

    def _rewrite(
        self, plan: _Plan, table: str, heads: Heads, version: TableVersion, rows: pa.Table
    ) -> None:
        cap = self._limits.file_rows(rows.num_rows)
        folder = version.metadata["location"]
        made = assemble(
            version,
            split(sort_rows(rows), version.schema, folder, cap) if rows.num_rows else [],
            {e.path: e for e in version.entries},
            inserts=False,
            manifest_entries=self._limits.manifest_entries,
            operation_id=plan.swap.commit_id,
        )
        plan.writes += made.files
        plan.swap.pointers[table] = (heads.pointers.get(table), made.version.location)
        plan.swap.garbage += made.garbage

    # -- quarantine --------------------------------------------------------------------

    def _folder(self) -> str:
        return f"{self.site.folder}/{place.QUARANTINE}/{self._stamp}"

    def _set_aside(self, plan: _Plan) -> None:
        lines = [
            (f"{self._folder()}/{table}.rows.json", _json(rows))
            for table, rows in plan.aside.items()
        ]
        self.site.store.write(lines)
        self.report.quarantined += [path for path, _ in lines]

    def _copy_aside(self, broken: Mapping[str, str]) -> list[str]:
        """Copy broken files to the quarantine; those that were there."""
        copied, files = [], []
        for path in broken:
            try:
                data = self.site.files.read(path)
            except (OSError, StorageError):
                continue
            copied.append(path)
            files.append((f"{self._folder()}/{_flat(path)}", data))
        note = {"made": self._stamp, "why": dict(broken), "steps": self.report.steps}
        files.append((f"{self._folder()}/note.json", _json(note)))
        self.site.store.write(files)
        return copied

    def _keep_aside(self, broken: Mapping[str, str], *, tell: bool = True) -> None:
        """Move files of the lake that are no tables' to the quarantine."""
        there = self._copy_aside(broken)
        self._stamp = f"{self._stamp}-"  # the next files have a note of their own
        self.site.store.remove(there)
        if tell:
            self.report.quarantined += there


def _not_ours(url: str) -> str:
    """What is to be done about a catalog elsewhere that is there, or that can't be looked at."""
    return (
        f"the catalog at {url} lies outside the lake, and can't be read or isn't this lake's;"
        " it is left as it is. If its server or disk is only away, bring it back. Else restore it"
        " from a backup: `lakehouse restore`. Without one, move what is there away (or make an"
        " empty database, `createdb NAME`), and repair again: a catalog is made where there is none"
    )


def _flat(path: str) -> str:
    return "--".join(path.rstrip("/").split("/")[-3:])


def _json(value: Any) -> bytes:
    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2)

"""Checking and repairing a lake as a whole: its tables, its rows, and the bytes of its artifacts."""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any

from lakehouse.engine.health.check import TableCheck
from lakehouse.engine.health.damage import CheckReport, Progress
from lakehouse.engine.health.repair import RepairReport, TableRepair
from lakehouse.engine.health.site import Site
from lakehouse.extension import modules
from lakehouse.orm.lake.directory import Directory, default_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.engine import State


def site_at(
    root: str,
    directory: Directory | None = None,
    *,
    db: str | None = None,
    found: bool = False,
    **options: Any,
) -> Site:
    """What is there of a lake, whether or not it can be opened.

    Args:
        root: Local folder or URI.
        directory: The registries; those of this package by default.
        db: URL of the catalog database, where the lake's marker doesn't name it.
        found: Whether nobody named the lake, as when it was found upward.
        **options: `options=` of the file system, as `Lake.open` takes them.

    Raises:
        LakeNotFound: There is no lake.
        UntrustedPlace: It was found, and names a database server that the user never named.
    """
    specs = (directory or default_directory()).specs()
    site = Site.find(root, specs, db=db, found=found, **options)
    site.specs.update((s.name, s) for s in (directory or _directory_of(site)).specs())
    return site


def _directory_of(site: Site) -> Directory:
    if site.info:
        return default_directory(site.info.get("modules") or ())
    # the catalog, which tells the modules, is lost: files of their tables tell them, too
    core = found = default_directory()
    for name in modules():
        tables = default_directory([name]).by_table.keys() - core.by_table.keys()
        if any(site.store.list(f"{site.folder}/tables/{table}") for table in tables):
            found = found.with_module(name)
    return found


def check(
    site: Site,
    directory: Directory | None = None,
    *,
    deep: bool = False,
    progress: Progress | None = None,
) -> CheckReport:
    """Look for damage in a lake, which need not be fit to be opened; nothing is changed.

    Args:
        site: The lake; see `site_at`.
        directory: The registries; those of this package by default.
        deep: Check all kept states instead of the newest one, decode every row, compare keys
            with rows, and hash the bytes of all artifacts.
        progress: Told what is being checked.

    Example:
        >>> check(site_at("./my-lake")).ok
        True
    """
    directory = directory or _directory_of(site)
    tables = TableCheck(site, deep=deep, **({} if progress is None else {"progress": progress}))
    tables.run()
    finders: Sequence[str] = directory.checkers
    for dotted in finders:
        importlib.import_module(dotted).find(tables, directory)
    return tables.report


def repair(site: Site, directory: Directory | None = None, *, dry_run: bool = True) -> RepairReport:
    """Make a damaged lake whole again; see `lakehouse.engine.health.repair`.

    Args:
        site: The lake; see `site_at`.
        directory: The registries; those of this package by default.
        dry_run: Only tell what would be done.

    Example:
        >>> print(repair(site_at("./my-lake")))
        The lake at '.../my-lake' needs no repair.
    """
    directory = directory or _directory_of(site)
    return TableRepair(
        site,
        dry_run=dry_run,
        describe=partial(_settings, directory),
        references=directory.references,
    ).run()


def _settings(directory: Directory, state: State) -> dict[str, Any]:
    """The settings of a lake as its tables tell them."""
    found: dict[str, Any] = {}
    # the lake's own location has its uid, which the lost catalog had
    if "storage" in state.pointers:
        rows = state.arrow("storage").select(["uid", "lake_uid"]).to_pylist()
        own = [row for row in rows if row["lake_uid"]]
        if own:
            found = {"uid": own[0]["lake_uid"], "storage_uid": own[0]["uid"]}
    found["modules"] = sorted(
        {
            name.partition(".")[0]
            for name in directory.registries
            if "." in name
            and (table := directory.get(name).meta.table) in state.pointers
            and state.count(table)
        }
    )
    return found

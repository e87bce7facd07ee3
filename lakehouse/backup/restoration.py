"""Making a lake of a backup: every byte is verified, and the marker comes last.

Until then the folder is no lake, and a run that was cut short is taken up by the next one.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import orjson

from lakehouse import storage
from lakehouse.backup.manifest import Entry, Manifest
from lakehouse.backup.store import BackupStore, batches, copy_all
from lakehouse.backup.survey import STORAGES
from lakehouse.config import notify
from lakehouse.engine import Changes, Engine
from lakehouse.engine.catalog.base import Catalog
from lakehouse.engine.catalog.place import FOLDER, catalog_for, dump, make_root, normalise
from lakehouse.engine.files import files_at as files_of_lake
from lakehouse.errors import (
    CatalogUnavailable,
    LakeCorrupt,
    LakeExists,
    LakeNotFound,
    StorageError,
)
from lakehouse.identity import new_uid
from lakehouse.io.progress import Advance, tracked
from lakehouse.orm import Lake
from lakehouse.orm.lake.directory import default_directory
from lakehouse.storage import is_remote
from lakehouse.storage.listing import files_at
from lakehouse.storage.local import TEMP_PREFIX

_WORKERS = 16
_STATE = "restoring.json"
_CATALOG = "catalog.db"


def restore(
    backup: str | os.PathLike[str],
    root: str | os.PathLike[str],
    *,
    db: str | None = None,
    at: str | None = None,
    progress: Advance | bool | None = None,
) -> Lake:
    """Make a lake of a backup, every byte verified.

    Args:
        backup, root, db, at: See `lakehouse.setup.restore`, which raises the same errors.
        progress: A callable that is told of every block's bytes; False for no bar.
    """
    store = BackupStore(os.fspath(backup))
    manifest = _chosen(store, at)
    target = normalise(os.fspath(root))
    if is_remote(target) and db is None:
        catalog_for(target, None, create=False)  # tells that a database is needed
    run = _Restoration(store, manifest, target, db)
    run.prepare()
    if not run.has_catalog():  # else all files are there, and maybe moved to the new root already
        shown = sys.stderr.isatty() if progress is None else progress
        with tracked("restore", sum(e.size for e in manifest.files), shown or False) as advance:
            run.copy(advance)
        run.copy_catalog()
    Engine.settle(target, default_directory().specs(), db=db)
    lake = Lake.open(target, db=db)
    _follow_storages(lake, manifest)
    run.done()
    if not (report := lake.check()).ok:  # the lake that was backed up had lost something
        notify(str(report), "warning")
    return lake


def _chosen(store: BackupStore, at: str | None) -> Manifest:
    names = store.names()
    if not names:
        raise LakeNotFound(
            f"There is no backup in {store.root!r}.", hint=f"lakehouse backup {store.root}"
        )
    return store.manifest(names[-1] if at is None else at)


class _Restoration:
    """The steps of one restoration.

    Args:
        store: The backups.
        manifest: The one to restore.
        root: Where to.
        db: URL of the catalog database; None keeps a SQLite file in the lake.
    """

    def __init__(self, store: BackupStore, manifest: Manifest, root: str, db: str | None) -> None:
        self._store = store
        self._manifest = manifest
        self._root = root
        self._db = db
        self._state = f"{root}/{FOLDER}/{_STATE}"
        self._run = ""

    def prepare(self) -> None:
        """Mark the place as one that is being restored; take up a run that was cut short.

        Raises:
            LakeExists: Something else is there.
        """
        files = files_of_lake(self._root)
        wanted = {"backup": self._manifest.name, "lake": self._manifest.lake["uid"]}
        try:
            known = orjson.loads(files.read(self._state))
            same = {k: known[k] for k in wanted} == wanted
            self._run = str(known["run"])
        except (FileNotFoundError, NotADirectoryError):
            same = not any(True for _ in files_at(self._root))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            same = False
        if not same:
            raise LakeExists(
                f"A lake is restored into an empty folder, and {self._root!r} isn't empty.",
                hint="choose a new folder; nothing was changed",
            )
        if not self._run:
            self._run = new_uid()
            if not is_remote(self._root):
                make_root(self._root)
                os.makedirs(f"{self._root}/{FOLDER}", exist_ok=True)
            files.replace(self._state, orjson.dumps({**wanted, "run": self._run}))

    def copy(self, advance: Advance | None) -> None:
        """Copy the files, and read each copy again.

        Raises:
            LakeCorrupt: The backup lacks one, or has other bytes.
        """
        there = {f.name: f.size for f in files_at(self._root)}
        for name in there:
            if name.rpartition("/")[2].startswith(TEMP_PREFIX):  # of a run that was cut short
                storage.remove(f"{self._root}/{name}")
        for batch in batches(self._manifest.files, lambda e: e.size):
            known = [e for e in batch if there.get(e.path) == e.size]
            good = {e.path for e, whole in zip(known, self._whole(known), strict=True) if whole}
            todo = [e for e in batch if e.path not in good]
            if advance is not None:
                advance(sum(e.size for e in batch if e.path in good))
            self._fetch(todo, advance)

    def _fetch(self, entries: list[Entry], advance: Advance | None) -> None:
        if not entries:
            return
        pairs = [(self._store.content(e.digest), f"{self._root}/{e.path}") for e in entries]
        try:
            found = copy_all(pairs, advance)
        except StorageError as error:
            for entry in entries:
                if not self._store.has(entry.digest, entry.size):
                    raise self._damaged(entry, "it is gone, or of another size") from error
            raise
        for entry, got in zip(entries, found, strict=True):
            if got.hash != entry.digest:
                raise self._damaged(entry, "other bytes than those that were backed up")
        for entry, whole in zip(entries, self._whole(entries), strict=True):
            if not whole:
                raise StorageError(
                    f"A copy in {self._root!r} isn't what was written.",
                    found=entry.path,
                    hint="check the storage, then restore again",
                )

    def _whole(self, entries: list[Entry]) -> list[bool]:
        """Whether the files at the new root hold what was backed up."""
        with ThreadPoolExecutor(_WORKERS) as pool:
            found = pool.map(lambda e: storage.hash_path(f"{self._root}/{e.path}"), entries)
            return [got.hash == e.digest for e, got in zip(entries, found, strict=True)]

    def _damaged(self, entry: Entry, found: str) -> LakeCorrupt:
        others = [n for n in self._store.names() if n != self._manifest.name]
        return LakeCorrupt(
            f"The backup {self._manifest.name!r} is damaged: {entry.path!r}.",
            found=found,
            hint=f"restore another one: at={others[-1]!r}"
            if others
            else "back the lake up again, to another place",
        )

    def has_catalog(self) -> bool:
        """Whether this restoration had brought the catalog to its place before it was cut short."""
        try:
            catalog = catalog_for(self._root, self._db, create=False)
        except CatalogUnavailable:
            return False
        try:
            return self._ours(catalog)
        finally:
            catalog.close()

    def copy_catalog(self) -> None:
        """Bring the catalog to its place, as that of this restored lake."""
        entry = self._manifest.catalog
        with tempfile.TemporaryDirectory(prefix="lakehouse-restore-") as folder:
            path = f"{folder}/{_CATALOG}"
            try:
                content = storage.store(self._store.content(entry.digest), path, progress=False)
            except StorageError as error:
                raise self._damaged(entry, str(error)) from error
            if content.hash != entry.digest:
                raise self._damaged(entry, "other bytes than those that were backed up")
            mark = {"backup": self._manifest.name, "run": self._run}
            with closing(sqlite3.connect(path)) as copy, copy:
                copy.execute(
                    "INSERT INTO lh_info VALUES ('restored', ?)"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (dump(mark),),
                )
            target = catalog_for(self._root, self._db, create=True)
            try:
                target.copy_from(path)
            finally:
                target.close()

    def _ours(self, catalog: Catalog) -> bool:
        """Whether a catalog is the one that this restoration wrote."""
        known = catalog.info().get("restored")
        return known is not None and orjson.loads(known).get("run") == self._run

    def done(self) -> None:
        """Forget that this was a restoration."""
        storage.remove(self._state)


def _follow_storages(lake: Lake, manifest: Manifest) -> None:
    """Let storage locations whose artifacts were in the backup lie below the new root."""
    for uid in manifest.storages:
        row = lake.state.row("storage", uid)
        root = f"{lake.root}/{STORAGES}/{uid}"
        if row is None or row["root"] == root:
            continue
        kind = root.partition("://")[0] if is_remote(root) else "local"
        changes = Changes()
        old = {"root": row["root"], "type": row["type"]}
        changes.update("storage", uid, {"root": root, "type": kind}, old)
        lake.engine.commit(changes, message="storage location restored into the lake")

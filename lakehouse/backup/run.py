"""Making a backup of a lake that others write to.

The catalog is copied first and the files after it: what a catalog names was durable before. Where
gc or a deletion has taken a needed file meanwhile, the run begins again with a newer catalog; the
copies that it has made already are kept.
"""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lakehouse import storage
from lakehouse.backup.manifest import Entry, Manifest, without_secrets
from lakehouse.backup.store import BackupStore
from lakehouse.backup.survey import TABLES, Candidate, Survey, survey
from lakehouse.engine.files import files_at
from lakehouse.engine.history.snapshot import Snapshot
from lakehouse.engine.table.digest import verify
from lakehouse.errors import InvalidArgument, LakeCorrupt, StorageError
from lakehouse.io.progress import Advance, tracked
from lakehouse.orm import Lake
from lakehouse.storage import ContentHash, is_remote
from lakehouse.text.printable import printable

_TRIES = 10
_WORKERS = 16
_CATALOG = ".lakehouse/catalog.db"


@dataclass(frozen=True)
class Backup:
    """What a run has made.

    Attributes:
        manifest: The backup.
        copied: Files that were copied; the others were there from earlier runs.
        bytes: Their size.
        changed: Stored artifacts whose bytes aren't those that were saved.
        removed: Names of older backups that `keep` has removed.
    """

    manifest: Manifest
    copied: int
    bytes: int
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The backup's name."""
        return self.manifest.name

    @property
    def whole(self) -> bool:
        """Whether the lake had all that it names, as it was saved."""
        return not self.manifest.missing and not self.changed

    def __str__(self) -> str:
        lines = [
            f"backup {self.name}: commit {self.manifest.commit.get('seq')},"
            f" {len(self.manifest.files)} files; copied {self.copied}"
            f" ({self.bytes / 1e6:.1f} MB)"
        ]
        for place in self.manifest.left_out:
            lines.append(
                f"  not in it: {place.artifacts} artifact(s) in {place.root} (--with-storages)"
            )
        for path, why in self.manifest.missing.items():
            lines.append(f"  lost by the lake: {path}: {why}")
        lines += [f"  not as it was saved: {path}" for path in self.changed]
        if self.removed:
            lines.append(f"  removed {len(self.removed)} older backup(s)")
        return printable("\n".join(lines))


def back_up(
    lake: Lake,
    dest: str,
    *,
    keep: int | None = None,
    with_storages: bool = False,
    progress: Advance | bool | None = None,
) -> Backup:
    """Back a lake up, while others go on writing to it.

    Args:
        lake: The lake.
        dest: A folder, or a URI such as `s3://bucket/prefix`, for this lake's backups.
        keep: Keep only so many backups, this one counted.
        with_storages: Copy the artifacts in other storage locations, too.
        progress: A callable that is told of every block's bytes; False for no bar.

    Returns:
        What was copied, and what the lake has lost.

    Raises:
        InvalidArgument: `dest` holds something else, or lies in the lake.
        Unavailable: Another backup to `dest` is running.
        StorageError: `dest` is full or can't be reached; earlier backups are as they were.
    """
    if keep is not None and keep < 1:
        raise InvalidArgument("At least one backup is kept.", found=keep, expected="keep >= 1")
    store = BackupStore(dest)
    if f"{store.root}/".startswith(f"{lake.root}/"):
        raise InvalidArgument(
            "A backup inside the lake would be lost with it.",
            found=f"{store.root!r}, which is in {lake.root!r}",
            hint="lakehouse backup DEST with a folder on another disk",
        )
    with store.locked():
        store.claim(lake.uid)
        made = _Run(lake, store, with_storages=with_storages, progress=progress).run()
        removed = store.prune(keep) if keep is not None else ()
    return Backup(made.manifest, made.copied, made.bytes, made.changed, tuple(removed))


class _Run:
    """One run: attempts until the files of one moment have been copied."""

    def __init__(
        self,
        lake: Lake,
        store: BackupStore,
        *,
        with_storages: bool,
        progress: Advance | bool | None,
    ) -> None:
        self._lake = lake
        self._store = store
        self._with_storages = with_storages
        shown = sys.stderr.isatty() if progress is None else progress
        self._progress: Any = shown or False
        self._previous = store.newest()
        known = () if self._previous is None else self._previous.files
        self._known = {(e.path, e.size, e.stamp): e.digest for e in known}
        self._changed: set[str] = set()
        self._damaged: dict[str, str] = {}
        self._copied = self._bytes = 0

    def run(self) -> Backup:
        lost: set[str] = set()
        for _ in range(_TRIES):
            with tempfile.TemporaryDirectory(prefix="lakehouse-backup-") as folder:
                snapshot = self._lake.engine.snapshot(f"{folder}/catalog.db")
                try:
                    found = survey(
                        self._lake, snapshot, self._previous, with_storages=self._with_storages
                    )
                    entries = self._copy(found)
                    # what a newer catalog names as well wasn't removed, but is lost
                    if found.missing.keys() <= lost:
                        return self._finish(snapshot, found, entries)
                    lost = set(found.missing)
                finally:
                    snapshot.close()
        raise StorageError(
            f"Files of the lake at {self._lake.root!r} went while they were copied.",
            found=f"{len(found.missing)} in the last of {_TRIES} tries, e.g. "
            f"{next(iter(found.missing))!r}",
            hint="run the backup again when no gc is running",
        )

    def _copy(self, found: Survey) -> list[Entry]:
        """Bring all files into the store; those that are gone meanwhile become missing."""
        todo: list[Candidate] = []
        digests: dict[str, str] = {}
        for path, file in found.files.items():
            known = self._known.get((path, file.size, file.stamp)) or file.hash
            if known and self._store.has(known, file.size):
                digests[path] = known
            else:
                todo.append(file)
        with tracked("backup", sum(f.size for f in todo), self._progress) as advance:
            digests |= self._transfer(todo, advance)
        entries = []
        for path, file in found.files.items():
            if path in digests:
                entries.append(Entry(path, digests[path], file.size, file.stamp))
                self._known[path, file.size, file.stamp] = digests[path]
            else:
                found.missing[path] = "gone while it was copied"
        return entries

    def _transfer(self, todo: list[Candidate], advance: Advance | None) -> dict[str, str]:
        """Copy files that the store may lack; the digest of each that is there now."""
        contents = {f.path: ContentHash(f.hash, f.size) for f in todo if f.hash}
        contents |= self._hashed([f for f in todo if not f.hash])
        for _ in range(3):  # a file that is being written is another one each time
            other = self._put(todo, contents, advance)
            if not other:
                break
            for file in todo:
                if file.source in other:
                    if file.hash:
                        self._changed.add(file.path)
                    contents[file.path] = other[file.source]
        return {
            path: content.hash
            for path, content in contents.items()
            if self._store.has(content.hash, content.size)
        }

    def _hashed(self, files: list[Candidate]) -> dict[str, ContentHash]:
        """The contents of files by their paths; those that are gone are left out."""

        def one(file: Candidate) -> ContentHash | None:
            try:
                if not file.path.startswith(f"{TABLES}/"):
                    return storage.hash_path(file.source)
                data = lake_files.read(file.source)  # small, and compared with its own digest
                try:
                    verify(file.source, data)
                except LakeCorrupt as error:
                    self._damaged[file.path] = str(error.message)
                return ContentHash(storage.hash_bytes(data), len(data))
            except OSError:
                if is_remote(file.source) or storage.exists(file.source):
                    raise
                return None

        lake_files = files_at(self._lake.root)
        with ThreadPoolExecutor(_WORKERS) as pool:
            found = zip(files, pool.map(one, files), strict=True)
            return {file.path: content for file, content in found if content is not None}

    def _put(
        self, todo: list[Candidate], contents: dict[str, ContentHash], advance: Advance | None
    ) -> dict[str, ContentHash]:
        wanted: dict[str, tuple[str, ContentHash]] = {}
        for file in todo:
            content = contents.get(file.path)
            if content is not None and not self._store.has(content.hash, content.size):
                wanted.setdefault(content.hash, (file.source, content))
        other = self._store.put(list(wanted.values()), advance)
        done = [c for source, c in wanted.values() if source not in other]
        self._copied += len(done)
        self._bytes += sum(c.size for c in done)
        return other

    def _finish(self, snapshot: Snapshot, found: Survey, entries: list[Entry]) -> Backup:
        """Store the catalog and write the manifest, which makes the backup."""
        commit = snapshot.commit
        info = snapshot.info
        snapshot.close()
        catalog = storage.hash_path(snapshot.path)
        if not self._store.has(catalog.hash, catalog.size):
            self._store.put([(snapshot.path, catalog)], None)
        now = datetime.now(UTC)
        seq = -1 if commit is None else commit.seq
        manifest = Manifest(
            name=self._name(now, seq),
            time=now.isoformat(),
            lake={
                "uid": info["uid"],
                "name": info.get("name"),
                "root": without_secrets(self._lake.root),
            },
            commit={}
            if commit is None
            else {
                "seq": seq,
                "id": commit.id,
                "time": commit.time.isoformat(),
                "message": commit.message,
            },
            catalog=Entry(_CATALOG, catalog.hash, catalog.size, ""),
            files=tuple(sorted(entries, key=lambda e: e.path)),
            storages=found.storages,
            left_out=found.left_out,
            missing=dict(sorted((found.missing | self._damaged).items())),
        )
        self._store.add(manifest)
        return Backup(manifest, self._copied, self._bytes, tuple(sorted(self._changed)))

    def _name(self, now: datetime, seq: int) -> str:
        """A name that sorts after all others, also where the clock was set back."""
        name = f"{now:%Y%m%dT%H%M%S.%fZ}-{seq}"
        newest = max(self._store.names(), default="")
        return name if name > newest else f"{newest}+{seq}"

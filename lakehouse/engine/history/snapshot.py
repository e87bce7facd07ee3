"""One moment of a lake: a copy of its catalog, and the files that its kept states need.

The copy of the catalog is made first. Whatever it names was durable by then, and stays until
gc or a deletion takes it; who copies the files afterwards compares them with what is needed
here, and begins again with a new snapshot where some are gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from lakehouse.engine.catalog.base import Commit, Heads
from lakehouse.engine.catalog.sqlite import SqliteCatalog
from lakehouse.engine.files import Files
from lakehouse.engine.history.relocate import Move
from lakehouse.engine.table import manifest_reading as _avro_read
from lakehouse.engine.table import metadata as md
from lakehouse.engine.table.digest import verify
from lakehouse.errors import LakeCorrupt


@dataclass
class Needed:
    """The table files that kept states need.

    Attributes:
        paths: Their paths, as they lie now.
        damaged: Files that can't be read, with what is wrong.
    """

    paths: set[str] = field(default_factory=set)
    damaged: dict[str, str] = field(default_factory=dict)


class Snapshot:
    """One moment of a lake.

    Args:
        path: The copy of its catalog, a SQLite file.
        files: The files of the lake itself.
        root: Where the lake lies.
    """

    def __init__(self, path: str, files: Files, root: str) -> None:
        self.path = path
        self._files = files
        self._catalog = SqliteCatalog(path)
        self.info: dict[str, Any] = {k: orjson.loads(v) for k, v in self._catalog.info().items()}
        self.heads: Heads = self._catalog.heads()
        self.tags: dict[str, int] = self._catalog.tags()
        self._move = Move(files, self.info.get("former_roots") or [], root)
        self._manifests: dict[str, tuple[str, ...]] = {}

    @property
    def commit(self) -> Commit | None:
        """The newest commit."""
        return self._catalog.commit_at(self.heads.seq)

    def close(self) -> None:
        """Let go of the copy, which is then one file."""
        self._catalog.close()

    def needed(self, known: Callable[[str], bool]) -> Needed:
        """The files that the kept states need.

        Args:
            known: Whether everything that a past state's metadata file names is known to be
                needed already, so that it isn't read.
        """
        found = Needed()
        # both: of a table that a stock engine moved, the next commit compares them
        newest = {*self.heads.pointers.values(), *self.heads.logged.values()}
        logged = (location for _, _, location in self._catalog.locations())
        for location in {*logged, *newest}:
            if location in newest or not known(location):
                self._reach(location, found, history=location in newest)
            found.paths.add(location)
        return found

    def _reach(self, location: str, found: Needed, *, history: bool) -> None:
        """Add what one version of a table names; of the newest also its older snapshots."""
        try:
            metadata = md.load(self._read(location), location)
            current = md.current_snapshot(metadata)
        except FileNotFoundError:
            return  # its absence is seen where it is to be copied
        except LakeCorrupt as error:
            found.damaged[location] = str(error)
            return
        if current is not None:
            self._reach_list(current["manifest-list"], found)
        for snapshot in metadata.get("snapshots", ()) if history else ():
            path = self._move.path(snapshot["manifest-list"])
            if path not in found.paths and self._readable(path):
                self._reach_list(path, found)

    def _read(self, path: str) -> bytes:
        data = self._files.read(path)
        verify(path, data)
        return data

    def _readable(self, path: str) -> bool:
        """Whether an older snapshot's manifest list is still there; gc takes them."""
        try:
            self._files.read(path)
        except FileNotFoundError:
            return False
        return True

    def _reach_list(self, path: str, found: Needed) -> None:
        path = self._move.path(path)
        found.paths.add(path)
        try:
            for listed in _avro_read.decode_manifest_list(self._read(path), path):
                manifest = self._move.path(listed.manifest_path)
                found.paths.add(manifest)
                # many versions share a manifest: each is read once
                if manifest not in self._manifests:
                    read = _avro_read.decode_manifest(self._read(manifest), listed)
                    entries = tuple(self._move.path(e.path) for e in read.entries)
                    self._manifests[manifest] = entries
                found.paths.update(self._manifests[manifest])
        except FileNotFoundError:
            return
        except LakeCorrupt as error:
            found.damaged[path] = str(error)

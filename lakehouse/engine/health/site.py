"""A lake as its files and its catalog lie there, whether or not it can be opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from lakehouse.engine.catalog import place
from lakehouse.engine.catalog.base import Catalog
from lakehouse.engine.confine import FOLDER, Confinement
from lakehouse.engine.files import Files, Listed, LocalFiles, Pad, RemoteFiles, files_at
from lakehouse.engine.history.relocate import Move
from lakehouse.engine.table.spec import TableSpec
from lakehouse.errors import (
    CatalogUnavailable,
    InvalidArgument,
    LakeCorrupt,
    LakehouseError,
    LakeNotFound,
)


class MovedConfinement(Confinement):
    """Decides of the paths that files had before their lake was moved."""

    def __init__(self, now: Confinement, move: Move) -> None:
        super().__init__(now.folder, now.owner)
        self._move = move

    def holds(self, path: object, *, fresh: bool = False) -> bool:
        """Whether a file of this former path lies in the lake now."""
        return super().holds(self._move.path(path) if isinstance(path, str) else path, fresh=fresh)


class MovedFiles:
    """The files of a lake by the paths that they had before it was moved."""

    def __init__(self, files: LocalFiles | RemoteFiles, move: Move) -> None:
        self.root = files.root
        self.confinement: Confinement = MovedConfinement(files.confinement, move)
        self._files = files
        self._move = move

    def confine(self, root: str, uid: str) -> None:
        """Say which lake this is."""
        self._files.confine(root, uid)
        self.confinement = MovedConfinement(self._files.confinement, self._move)

    def path(self, path: str) -> str:
        """Where a file lies now."""
        return self._move.path(path)

    def note(self, path: str, data: bytes) -> None:
        """Write a small file that needn't outlive a crash."""
        self._files.note(self._move.path(path), data)

    def pad(self, path: str, head: bytes) -> Pad:
        """Make a small file to which lines are added."""
        return self._files.pad(self._move.path(path), head)

    def read(self, path: str) -> bytes:
        """A file's content."""
        return self._files.read(self._move.path(path))

    def may_write(self) -> bool:
        """Whether the present user has the right to write."""
        return self._files.may_write()

    def list(self, folder: str) -> Iterator[Listed]:
        """Every file below a folder."""
        return self._files.list(self._move.path(folder))

    def write(self, files: Sequence[tuple[str, bytes | pa.Buffer]]) -> None:
        """Write files."""
        self._files.write([(self._move.path(path), data) for path, data in files])

    def replace(self, path: str, data: bytes) -> None:
        """Write a file in the place of another."""
        self._files.replace(self._move.path(path), data)

    def remove(self, paths: Iterable[str]) -> int:
        """Remove files."""
        return self._files.remove([self._move.path(p) for p in paths])


@dataclass
class Site:
    """What is there of a lake.

    Attributes:
        root, folder: Its root, and the folder of its own files.
        specs: The tables that it should have.
        store: Its files.
        catalog: Its catalog, or None where there is none that can be read.
        info: The settings that the catalog keeps.
        problems: What is wrong with the marker and the catalog, with the file of each.
        db: The URL of its catalog, None for the file in the lake.
        credentials: Whether the environment's credentials may be sent to the catalog's server.
        is_lost: Whether there is nothing where the catalog should be: a new one takes no other's
            place.
    """

    root: str
    specs: dict[str, TableSpec]
    store: LocalFiles | RemoteFiles
    catalog: Catalog | None = None
    info: dict[str, Any] = field(default_factory=dict)
    problems: list[tuple[str, str, LakehouseError]] = field(default_factory=list)
    db: str | None = None
    credentials: bool = True
    is_lost: bool = False

    @property
    def folder(self) -> str:
        """The folder of the lake's own files."""
        return f"{self.root}/{FOLDER}"

    @property
    def files(self) -> Files:
        """The files by the paths that the metadata has, also in a lake that was just moved."""
        recorded = str(self.info.get("root") or self.root)
        former = [*self.info.get("former_roots", []), recorded]
        move = Move(self.store, former, self.root)
        return MovedFiles(self.store, move) if move.former else self.store

    @classmethod
    def find(
        cls,
        root: str,
        specs: Sequence[TableSpec],
        *,
        db: str | None = None,
        options: dict[str, Any] | None = None,
        found: bool = False,
    ) -> Site:
        """Look at a lake without opening it; nothing is written.

        Args:
            root: The lake's root.
            specs: The tables that it should have.
            db: URL of the catalog database; None takes what the lake's marker names.
            options: Options for fsspec where the root is a URI.
            found: Whether nobody named the lake; see `place.recorded_catalog`.

        Raises:
            LakeNotFound: There is neither a marker nor a folder of tables.
            UntrustedPlace: It was found, and its marker names a server that the user never named.
        """
        root = place.normalise(root)
        site = cls(root, {s.name: s for s in specs}, files_at(root, options))
        marker: dict[str, Any] | None = None
        marker_path = f"{site.folder}/{place.MARKER}"
        try:
            marker = place.read_marker(site.store, root)
        except LakeCorrupt as error:
            site.problems.append(("changed", marker_path, error))
        else:
            if marker is None:
                if next(iter(site.store.list(f"{site.folder}/tables")), None) is None:
                    raise LakeNotFound(
                        f"There is no lake at {root!r}.", hint=f"lakehouse init --storage {root}"
                    )
                missing = LakeCorrupt(f"The lake's file {marker_path!r} is gone.")
                site.problems.append(("missing", marker_path, missing))
        site.db, site.credentials = place.recorded_catalog(root, marker or {}, found=found, db=db)
        site._read_catalog(marker)
        return site

    def _read_catalog(self, marker: dict[str, Any] | None) -> None:
        name = place.without_password(self.db or place.own_catalog(self.root))
        catalog: Catalog | None = None
        try:
            catalog = place.catalog_for(
                self.root, self.db, create=False, credentials=self.credentials
            )
            known = catalog.info()
            # a database with nothing in it is nobody's: a repair may make the catalog there
            self.is_lost = not known and catalog.is_empty()
            self.info = place.settings_of(known, self.root)
            if marker is not None:
                place.check_same(self.root, marker, self.info)
            place.check_readable(self.root, self.info, place.FORMAT_VERSION)
            self.store.confine(self.store.root, str(self.info.get("uid") or ""))
        except (CatalogUnavailable, LakeCorrupt, InvalidArgument) as error:
            missing = isinstance(error, CatalogUnavailable) and "is missing" in str(error)
            if missing:  # where even the folder is away, a disk may just not be mounted
                self.is_lost = place.is_mounted(self.root, self.db)
            # noted, not raised: a check goes on to tell what else is wrong
            self.problems.append(("missing" if missing else "catalog", name, error))
            _close(catalog)
            return
        self.catalog = catalog

    def close(self) -> None:
        """Release the catalog's connections."""
        _close(self.catalog)


def _close(catalog: Catalog | None) -> None:
    if catalog is not None:
        with suppress(CatalogUnavailable):
            catalog.close()

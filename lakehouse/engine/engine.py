"""The engine: Iceberg tables that change together, in one lake.

Example:
    >>> engine = Engine.create("./tables", [spec])
    >>> changes = Changes()
    >>> changes.insert("ulabel", [{"uid": new_uid(), "name": "raw"}])
    >>> engine.commit(changes, message="first label").seq
    1
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from lakehouse.engine.catalog import place
from lakehouse.engine.catalog.base import Catalog, Commit, Heads, Swap
from lakehouse.engine.commit import leases
from lakehouse.engine.commit.changes import Changes
from lakehouse.engine.commit.committer import Committer, reconcile
from lakehouse.engine.commit.evolve import add_columns, check_none_lost, lacking
from lakehouse.engine.commit.leases import Lease, Leases
from lakehouse.engine.commit.parts import Parts
from lakehouse.engine.confine import FOLDER, Confinement, Owner
from lakehouse.engine.files import LocalFiles, RemoteFiles, files_at
from lakehouse.engine.health.site import Site
from lakehouse.engine.history.gc import Collector, GcReport
from lakehouse.engine.history.log import History
from lakehouse.engine.history.relocate import Move
from lakehouse.engine.history.snapshot import Snapshot
from lakehouse.engine.query import view
from lakehouse.engine.query.state import State
from lakehouse.engine.table.limits import Limits
from lakehouse.engine.table.spec import TableSpec
from lakehouse.engine.table.version import TableCache
from lakehouse.errors import (
    InvalidArgument,
    LakeCorrupt,
    LakeExists,
    LakeNotFound,
    StorageError,
)
from lakehouse.identity import new_uid

if TYPE_CHECKING:
    from lakehouse.engine.history.erasure import Eraser

ORPHAN_AGE = 24 * 3600.0  # for writers that know nothing of leases
_T = TypeVar("_T")


class Engine:
    """One lake's tables, catalog and log. Made by `Engine.create` or `Engine.open`.

    Attributes:
        root: The lake's root: an absolute local path or a URI.
        folder: The folder of the lake's own files, `<root>/.lakehouse`.
        specs: The specifications of its tables by name.
    """

    def __init__(
        self,
        root: str,
        files: LocalFiles | RemoteFiles,
        catalog: Catalog,
        specs: Sequence[TableSpec],
        limits: Limits,
    ) -> None:
        self.root = root
        self.folder = f"{root}/{FOLDER}"
        self.specs = {s.name: s for s in specs}
        self._files = files
        self._catalog = catalog
        self._limits = limits
        self._leases = Leases(files, self.folder)
        self._cache = TableCache(files)
        self._history = History(catalog, self._cache, self.specs)
        self._make_parts()
        self._state: tuple[object, State] | None = None
        self._info: dict[str, str] | None = None
        self._visited: set[str] = set()
        self._marker: dict[str, Any] = {}

    def _make_parts(self) -> None:
        self._parts = Parts(
            self._catalog,
            self._files,
            self._cache,
            self.specs,
            self._limits,
            self._leases,
            self.folder,
        )
        self._committer = Committer(self._parts)

    # -- making and opening ----------------------------------------------------------

    @classmethod
    def create(
        cls,
        root: str,
        specs: Sequence[TableSpec],
        *,
        db: str | None = None,
        info: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        options: dict[str, Any] | None = None,
    ) -> Engine:
        """Make a new lake, without tables: each is made when it is first written to.

        Args:
            root: Local folder or URI below which tables and artifacts will lie.
            specs: The tables that it may have.
            db: URL of the catalog database; None keeps a SQLite file in the lake.
            info: Settings to record, such as the lake's name.
            limits: Sizes other than the default ones.
            options: Options for fsspec where the root is a URI.

        Raises:
            LakeExists: There is a lake at this place already.
        """
        root = place.normalise(root)
        files = files_at(root, options)
        if place.read_marker(files, root) is not None:
            raise LakeExists(
                f"There already is a lake at {root!r}.", hint=f"lakehouse connect {root}"
            )
        place.make_root(root)
        catalog = place.catalog_for(root, db, create=True)
        uid = new_uid()
        settings = {
            "format": place.FORMAT_VERSION,
            "uid": uid,
            "root": root,
            "created": datetime.now(UTC).isoformat(),
            **(info or {}),
        }
        try:
            catalog.create({k: place.dump(v) for k, v in settings.items()})
        except LakeExists:
            # the catalog of a creation that was cut short is completed; another lake's is not
            known = place.settings_of(catalog.info(), root)
            if known.get("root") != root:
                raise
            settings = known
        engine = cls(root, files, catalog, specs, limits or Limits())
        files.confine(root, engine.uid)
        engine._begin_log()
        marker: dict[str, Any] = {
            k: settings[k] for k in ("format", "uid", "name") if k in settings
        }
        place.write_marker(files, root, marker, db)  # last: it makes the folder a lake
        return engine

    @classmethod
    def open(
        cls,
        root: str,
        specs: Sequence[TableSpec],
        *,
        db: str | None = None,
        limits: Limits | None = None,
        options: dict[str, Any] | None = None,
        found: bool = False,
    ) -> Engine:
        """Open a lake; adds the columns that its tables lack, and follows a move.

        Tables and columns that it lacks are seen as empty.

        Args:
            root: The lake's root.
            specs: The tables that it may have.
            db: URL of the catalog database; None takes what the lake's marker names.
            limits: Sizes other than the default ones.
            options: Options for fsspec where the root is a URI.
            found: Whether nobody named the lake: then it may name no database elsewhere
                that the user hasn't named.

        Raises:
            LakeNotFound, LakeTooNew, CatalogUnavailable, UntrustedPlace.
        """
        root = place.normalise(root)
        files = files_at(root, options)
        marker = place.read_marker(files, root)
        if marker is None:
            raise LakeNotFound(
                f"There is no lake at {root!r}.", hint=f"lakehouse init --storage {root}"
            )
        recorded, credentials = place.recorded_catalog(root, marker, found=found, db=db)
        catalog = place.catalog_for(root, recorded, create=False, credentials=credentials)
        engine = cls(root, files, catalog, specs, limits or Limits())
        try:
            known = engine.info
            place.check_same(root, marker, known)
            place.check_readable(root, known, place.FORMAT_VERSION)
            place.check_own_catalog(root, known, marker)
            files.confine(root, engine.uid)
            if known["root"] != root:
                if db or marker.get("db"):
                    place.check_moved(root, str(known["root"]), options)
                engine._follow_move(str(known["root"]))
            engine._ensure_columns()
        except BaseException:
            engine.close()  # nobody else can, and a garbage collector would some time later
            raise
        engine._marker = marker
        return engine

    def site(self) -> Site:
        """What is there of the lake, for checks and repairs."""
        return Site(self.root, self.specs, self._files, self._catalog, dict(self.info))

    def name_marker(self) -> None:
        """Let the marker of a lake from before they had one tell its name."""
        name = self.info.get("name")
        if self._marker and name and self._marker.get("name") != name:
            with suppress(StorageError):  # whoever may only read it finds it by its path
                place.write_marker(self._files, self.root, {**self._marker, "name": name}, None)

    @classmethod
    def settle(
        cls,
        root: str,
        specs: Sequence[TableSpec],
        *,
        db: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> Engine:
        """Make a lake of restored files and a restored catalog: the marker comes last.

        Args:
            root: Where the files were restored.
            specs: The tables.
            db: URL of the restored catalog; None for the SQLite file in the lake.
            options: Options for fsspec where the root is a URI.

        Raises:
            LakeTooNew, LakeCorrupt, CatalogUnavailable.
        """
        root = place.normalise(root)
        files = files_at(root, options)
        engine = cls(root, files, place.catalog_for(root, db, create=False), specs, Limits())
        known = engine.info
        place.check_readable(root, known, place.FORMAT_VERSION)
        if known["root"] != root:
            engine._follow_move(str(known["root"]))
        place.write_marker(
            files, root, {k: known[k] for k in ("format", "uid", "name") if k in known}, db
        )
        engine.close()
        return engine

    def snapshot(self, path: str) -> Snapshot:
        """One moment of the lake; its catalog is copied into a new SQLite file at a path."""
        self._catalog.copy_to(path)
        return Snapshot(path, self._files, self.root)

    def bind(self, heads: Heads) -> State:
        """The state of some pointers, e.g. of those in a snapshot."""
        return self._bind(heads.seq, heads.commit_id, heads.pointers)

    @property
    def info(self) -> dict[str, Any]:
        """The lake's settings."""
        if self._info is None:
            self._info = self._catalog.info()
        return place.settings_of(self._info, self.root)

    def set_info(self, **values: Any) -> None:
        """Change some of the lake's settings."""
        self._catalog.set_info({k: place.dump(v) for k, v in values.items()})
        self._info = None

    @property
    def uid(self) -> str:
        """The lake's uid."""
        return str(self.info["uid"])

    def may_write(self) -> bool:
        """Whether the present user has the right to commit, as far as can be known."""
        return self._catalog.may_write() and self._files.may_write()

    def _begin_log(self) -> None:
        with self._catalog.exclusive() as exclusive:
            if exclusive.heads().seq < 0:
                exclusive.swap(Swap(new_uid(), datetime.now(UTC), message="lake created"))

    def _ensure_columns(self) -> None:
        def lack(heads: Heads) -> bool:
            check_none_lost(heads, self.specs)
            return bool(lacking(self._cache, self.specs, heads, self.specs))

        if self._at_heads(lack) and self.may_write():
            with self._catalog.exclusive() as exclusive:
                # what a stock writer wrote is entered first, or its keys would never be claimed
                heads = reconcile(exclusive, self._cache, self.specs, exclusive.heads())
                add_columns(exclusive, self._parts, heads, self.specs)
            view.release(self)

    def _at_heads(self, action: Callable[[Heads], _T]) -> _T:
        """Act on the newest pointers; again, where gc has overtaken them meanwhile."""
        while True:
            heads = self._catalog.heads()
            try:
                return action(heads)
            except LakeCorrupt:
                if self._catalog.heads().pointers == heads.pointers:  # so it is damage
                    raise

    def _follow_move(self, old: str) -> None:
        if place.same_place(old, self.root):
            # the same folder by another path: the recorded one stays valid for every engine
            self.root, self.folder = old, f"{old}/{FOLDER}"
            self._files.confine(old, self.uid)
            self._leases.folder = f"{self.folder}/{leases.FOLDER}"
            self._make_parts()
            return
        with self._catalog.exclusive() as exclusive:
            self._info = None
            known = self.info
            if known["root"] == self.root:
                return  # another process has followed it meanwhile
            former = [*known.get("former_roots", []), known["root"]]
            move = Move(self._files, former, self.root)
            heads = exclusive.heads()
            pointers = {move.path(p) for p in (*heads.pointers.values(), *heads.logged.values())}
            for pointer in pointers:
                self._files.confinement.check(pointer)
            for pointer in pointers:
                move.relocate(pointer)
            for before in move.former:
                self._catalog.rewrite_locations(before + "/", self.folder + "/")  # after the files
            self.set_info(root=self.root, former_roots=former)  # last, or it wouldn't be repeated
        self._cache.forget()
        self._state = None
        view.release(self)

    # -- reading ---------------------------------------------------------------------

    def state(self) -> State:
        """The newest consistent state; within an operation, the one that it has seen."""
        seen = view.bound(self)
        if seen is None:
            seen = self._newest()
            view.bind(self, seen)
        return seen

    def _newest(self) -> State:
        token = self._catalog.token()  # first: what is committed after it is read next time
        known = self._state
        if known is not None and known[0] == token:
            return known[1]
        heads = self._catalog.heads()
        check_none_lost(heads, self.specs)
        state = known[1] if known is not None else None
        if state is None or state.seq != heads.seq or state.pointers != heads.pointers:
            state = self._bind(heads.seq, heads.commit_id, heads.pointers)
        self._state = (token, state)
        return state

    def _bind(self, seq: int, commit_id: str, pointers: Mapping[str, str]) -> State:
        return State(self._cache, self.specs, self._limits, seq, commit_id, pointers)

    def resolve(self, ref: str | int | datetime) -> int:
        """The number of the commit that a commit id, a tag, a number or a moment names.

        Raises:
            LookupFailed: Nothing is named so.
        """
        return self._history.resolve(ref)

    def state_at(self, ref: str | int | datetime) -> State:
        """The state as of a commit id, a tag, a commit number or a moment."""
        seq = self._history.resolve(ref)
        self._history.check_kept(seq)
        pointers = self._pointers_at(seq)
        commit = self._catalog.commit_at(seq)
        return self._bind(seq, commit.id if commit else "", pointers)

    def _pointers_at(self, seq: int) -> dict[str, str]:
        """A past state's pointers."""
        pointers = self._catalog.pointers_at(seq)
        self._visit(pointers.values())
        return pointers

    def _visit(self, locations: Iterable[str]) -> None:
        """Rewrite the paths in what a lake that was moved has logged, when it is visited."""
        if former := self.info.get("former_roots"):
            move = Move(self._files, former, self.root)
            for location in set(locations) - self._visited:
                move.relocate(location)
                self._visited.add(location)

    def holder(
        self,
        table: str,
        columns: Sequence[str],
        values: Sequence[Any],
        within: str | None = None,
    ) -> str | None:
        """The uid of the row that holds a unique key now, or None."""
        key = self.specs[table].key_text(columns, values, within)
        return None if key is None else self._catalog.holder(key)

    def holders(self, keys: Sequence[str]) -> dict[str, str]:
        """The uids that hold the taken ones of many unique keys."""
        return self._catalog.holders(keys)

    # -- changing --------------------------------------------------------------------

    def commit(
        self, changes: Changes, *, message: str = "", user: str = "", run: str = ""
    ) -> Commit:
        """Commit changes over any number of tables, all or nothing.

        Raises:
            KeyConflict, RowConflict, CommitConflict, CatalogUnavailable, StorageError.
        """
        if changes.empty:
            raise InvalidArgument("There is nothing to commit.")
        try:
            return self._at_heads(
                lambda heads: self._committer.commit(
                    changes, heads, user=user, run=run, message=message
                )
            )
        finally:
            view.release(self)  # what was saved is seen, and so is whose change was in the way

    # -- history ---------------------------------------------------------------------

    def log(self, limit: int | None = None) -> list[Commit]:
        """Commits, newest first."""
        return self._catalog.log(limit)

    def tag(self, name: str, ref: str | int | datetime | None = None) -> Commit:
        """Name a commit, the newest one by default.

        Raises:
            InvalidArgument: The name is empty, or names another commit already.
            LookupFailed: The commit doesn't exist, or gc has removed its state.
            IntegrityError: Another Iceberg engine wrote rows that repeat unique values.
        """
        return self._history.tag(name, ref)

    def delete_tag(self, name: str) -> None:
        """Remove a tag; the commit stays."""
        self._catalog.delete_tag(name)

    def tags(self) -> dict[str, Commit]:
        """The tags and the commits that they name."""
        return self._history.tags()

    def gc(
        self,
        *,
        keep: int | None = None,
        older_than: datetime | None = None,
        min_age: float = ORPHAN_AGE,
        dry_run: bool = False,
    ) -> GcReport:
        """Remove files that no retained commit, tag or running writer can reach.

        Args:
            keep: Keep the states of the last so many commits.
            older_than: Keep the states since this moment.
            min_age: Orphan files younger than this many seconds are left alone.
            dry_run: Only report what would be removed.
        """
        collector = Collector(
            self._catalog,
            self._files,
            self._cache,
            self._pointers_at,
            self._visit,
            self._leases,
            f"{self.folder}/tables",
        )
        return collector.run(keep=keep, older_than=older_than, min_age=min_age, dry_run=dry_run)

    def eraser(self) -> Eraser:
        """What takes rows out of all kept states; see `lakehouse.engine.history.erasure`."""
        from lakehouse.engine.history.erasure import Eraser  # loads what only erasures need

        return Eraser(self._parts, self._visit, self.folder)

    def fresh_info(self) -> dict[str, Any]:
        """The lake's settings as they are now."""
        self._info = None
        return self.info

    def drop_info(self, name: str) -> None:
        """Remove one of the lake's settings."""
        self._catalog.drop_info(name)
        self._info = None

    def wipe(self) -> bool:
        """Overwrite what was deleted from the catalog's files; False where others hinder it."""
        return self._catalog.wipe()

    @property
    def confinement(self) -> Confinement:
        """What decides which paths are the lake's own, below its `.lakehouse` folder."""
        return self._files.confinement

    @property
    def owner(self) -> Owner:
        """This lake as owner marks of folders elsewhere name it."""
        return Owner(self.uid, self.root)

    def owns(self, mark: Owner | None) -> bool:
        """Whether an owner mark is this lake's, and not that of a lake that it is a copy of."""
        if mark is None or mark.uid != self.uid:
            return False
        if mark.root == self.root:
            return True
        former = mark.root in self.info.get("former_roots", ())
        return former and not place.is_copy(self.root, mark.root, None)

    def lease(self) -> Lease:
        """A new lease, by which a writer announces files that no commit names yet."""
        return self._leases.new()

    def announced(self, *, tidy: bool = True) -> set[str]:
        """The paths that running writers have announced; `tidy` removes leases of dead ones."""
        return self._leases.announced(tidy=tidy)

    @property
    def kept_from(self) -> int:
        """Number of the oldest commit whose state gc has left, tagged ones aside."""
        return int(self._catalog.info().get("gc_floor", "0"))

    def forget(self) -> None:
        """Read everything anew, since a repair or an erasure has changed what is kept."""
        self._cache.forget()
        self._state = None
        self._info = None
        view.release(self)

    def close(self) -> None:
        """Release connections and files; the engine opens them again when it is used."""
        self._leases.close()
        self._catalog.close()

"""A lake: the registries, the state that is read, and the transactions that change it.

Example:
    >>> with Lake.create("./new-lake") as lake:
    ...     raw = lake.ULabel(name="raw").save()
    ...     lake.sql("SELECT name FROM ulabel").fetchall()
    [('raw',)]
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, overload

import pyarrow as pa

from lakehouse._lazy import load_name
from lakehouse.engine import Changes, Commit, Engine, GcReport, State
from lakehouse.engine.engine import ORPHAN_AGE
from lakehouse.engine.query.view import looks_again, operations
from lakehouse.errors import CatalogUnavailable, InvalidArgument, ReadOnlyLake, UnknownField, near
from lakehouse.io.uris import name_of, root_of, text_of, type_of
from lakehouse.orm.lake.attributes import CoreRegistries
from lakehouse.orm.lake.bound import BoundModule, BoundRegistry
from lakehouse.orm.lake.branching import Branching, Ref
from lakehouse.orm.lake.directory import Directory, default_directory, opened
from lakehouse.orm.lake.sql_access import access_of, connection_on
from lakehouse.orm.model import builtin as bootstrap
from lakehouse.orm.model.context import active_lake, enter_lake, leave_lake
from lakehouse.orm.session.batch import Batch, batch_on, save_all
from lakehouse.orm.session.matching import Matcher
from lakehouse.orm.view.edits import isolated
from lakehouse.text.redaction import redacted

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from lakehouse.engine.health.damage import CheckReport
    from lakehouse.engine.health.repair import RepairReport
    from lakehouse.engine.query.duck import Scan
    from lakehouse.orm.session.erasure import ErasureReport


# -- Table functions in SQL, such as `dataset('key')`, replaced by views before DuckDB sees them


# quoted text, quoted names and comments are passed over, so that a call inside them stays text
_CALL = r"\b({names})\s*\(\s*'((?:[^']|'')*)'\s*\)"
_SKIPPED = (
    r"\be'(?:[^'\\]|\\.|'')*'|\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$|"
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/"
)


def expand(lake: Lake, query: str) -> tuple[str, dict[str, Scan], dict[str, pa.Table]]:
    """A query with its table functions replaced by names, and what the names stand for.

    Returns:
        The query, what reads files by view name, and Arrow tables by name.
    """
    functions = lake.directory.functions
    views: dict[str, Scan] = {}
    tables: dict[str, pa.Table] = {}
    # most queries have none, and are passed on as they are
    if not any(name in query.lower() for name in functions):
        return query, views, tables
    call = re.compile(
        f"{_CALL.format(names='|'.join(functions))}|{_SKIPPED}", re.IGNORECASE | re.DOTALL
    )
    names: dict[tuple[str, str], str] = {}

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:  # text, a quoted name or a comment
            return match[0]
        function, argument = match[1].lower(), match[2].replace("''", "'")
        # what is named twice is read once
        name = names.setdefault((function, argument), f"lh_{function}_{len(names)}")
        if name not in views and name not in tables:
            found = load_name(functions[function])(lake, argument)
            if isinstance(found, pa.Table):
                tables[name] = found
            else:
                views[name] = found
        return name

    return call.sub(replace, query), views, tables


_BACKUP = "lakehouse.backup"  # a name only: it lies in a layer above


@operations
class Lake(CoreRegistries, Branching):
    """One lake; several can be open at once.

    Registries are its attributes: `lake.ULabel`, `lake.bionty.CellType`. As a context
    manager it is the current lake inside the block, and is closed at its end.

    Attributes:
        engine: The engine that holds the tables.
        uid: The lake's uid.
        directory: The registries.
        run_uid: The run that is being tracked, which saved records will refer to.
    """

    def __init__(self, engine: Engine, directory: Directory, pinned: State | None = None) -> None:
        self.engine = engine
        self.uid = engine.uid
        self.directory = directory
        self.run_uid: str | None = None
        self._pinned = pinned
        self._user_uid: str | None = None
        self._tokens: list[Any] = []
        self.matcher = Matcher(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Records can be pickled, so their lake is, too: as where it lies."""
        commit = None if self._pinned is None else self._pinned.seq
        return _reopened, (self.uid, self.engine.root, commit)

    def __deepcopy__(self, memo: Any) -> Lake:
        return self

    # -- opening -----------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        root: str,
        *,
        db: str | None = None,
        name: str | None = None,
        modules: Iterable[str] = (),
        directory: Directory | None = None,
        **options: Any,
    ) -> Lake:
        """Create a new lake.

        Args:
            root: Local folder or URI.
            db: URL of the catalog database; None keeps a SQLite file in the lake.
            name: The lake's name; the last part of the root by default.
            modules: Modules of registries beside the core, e.g. `bionty`.
            directory: The registries; those of this package by default.
            **options: Passed to `Engine.create`.

        Raises:
            LakeExists: There is a lake at this place already.
        """
        info = {"name": name or name_of(root_of(text_of(root))), "modules": sorted(modules)}
        directory = directory or default_directory(info["modules"])
        engine = Engine.create(root, directory.specs(), db=db, info=info, **options)
        bootstrap.first_rows(engine, type_of(engine.root), directory.rows_of(info["modules"]))
        return cls(engine, directory)

    @classmethod
    def open(
        cls,
        root: str,
        *,
        db: str | None = None,
        directory: Directory | None = None,
        **options: Any,
    ) -> Lake:
        """Open an existing lake.

        Raises:
            LakeNotFound, LakeTooNew, CatalogUnavailable.
        """
        engine, directory = opened(root, directory, db=db, **options)
        try:
            if engine.may_write():
                if "storage_uid" not in engine.info:  # its creation was cut short
                    bootstrap.first_rows(engine, type_of(engine.root))
                bootstrap.ensure_space(engine)
                bootstrap.follow_root(engine)  # it may have been moved
                engine.name_marker()
            return cls(engine, directory)
        except BaseException:
            engine.close()
            raise

    def close(self) -> None:
        """Release the connection to the catalog; using the lake again opens it again."""
        self.engine.close()

    def __enter__(self) -> Lake:
        self._tokens.append(enter_lake(self))
        return self

    def __exit__(self, *exc: object) -> None:
        leave_lake(self._tokens.pop())
        if not self._tokens:
            self.close()

    # -- what it is --------------------------------------------------------------------

    @property
    def root(self) -> str:
        """Absolute local path, or URI."""
        return self.engine.root

    @property
    def name(self) -> str:
        """The lake's name."""
        return str(self.engine.info.get("name") or "")

    @property
    def modules(self) -> list[str]:
        """The modules that were asked for when the lake was made."""
        return list(self.engine.info.get("modules") or [])

    @property
    def read_only(self) -> bool:
        """Whether it is bound to a past state."""
        return self._pinned is not None

    def __repr__(self) -> str:
        bound = f", at commit {self._pinned.seq}" if self._pinned is not None else ""
        return f"Lake({self.root!r}{bound})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        directory = self.directory
        if name in directory.registries:
            return BoundRegistry(self, directory.get(name))
        if name in directory.modules:
            return BoundModule(self, name)
        known = [*directory.registries, *directory.modules]
        close = near(name, known)
        raise UnknownField(
            f"A lake has no registry, module or method {name!r}.",
            expected=", ".join(close or known),
            hint=directory.missing(name, self.modules),
        )

    def __dir__(self) -> list[str]:
        core = [n for n in self.directory.registries if "." not in n]
        return [*super().__dir__(), *core, *self.directory.modules]

    # -- who writes, and where ---------------------------------------------------------

    @property
    def user_uid(self) -> str:
        """The uid of the present user."""
        if self._user_uid is None:
            self._user_uid = bootstrap.ensure_user(self.engine)
        return self._user_uid

    @property
    def user(self) -> Any:
        """The present user, as a record; who may only read has none that is saved."""
        if self._user_uid is None and (self.read_only or not self.engine.may_write()):
            handle = bootstrap.user_handle()
            return self.User.filter(handle=handle).one_or_none() or self.User(handle=handle)
        return self.User.get(self.user_uid)

    @property
    def stamps(self) -> Mapping[str, Any]:
        """What new records are stamped with, beside the time."""
        stamps = dict(self.branch_stamps)
        if user := self.user_uid:
            stamps["created_by_uid"] = user
        if self.run_uid is not None:
            stamps["run_uid"] = self.run_uid
        return stamps

    # -- reading -----------------------------------------------------------------------

    def at(self, ref: Ref) -> Lake:
        """Time travel: the lake as of a commit id, number, tag or moment; read-only.

        Example:
            >>> lake.at("before-cleanup").ULabel.filter().count()
            5
        """
        lake = Lake(self.engine, self.directory, self.engine.state_at(ref))
        lake.branch_uid, lake.space_uid = self.branch_uid, self.space_uid
        return lake

    def sql(
        self, query: str, *args: Any, trusted: bool = False, **params: Any
    ) -> duckdb.DuckDBPyRelation:
        """Run one statement of SQL that reads registries, views and datasets.

        It runs on a DuckDB of the lake's own that is locked: it changes nothing, leaves nothing
        behind, and reads no files but those of the lake's storage locations and datasets.
        `ln.settings.query` limits its memory and time; Ctrl-C stops it.

        Args:
            query: One statement. Registries are tables in snake case (`artifact`,
                `cell_type`); parameters are `?` or `$name`. `dataset('key')` is the content
                of a table-like artifact.
            *args: Values of the `?`.
            trusted: Run it with DuckDB's whole power: any statement, any file. Only for
                queries that you would run as a program.
            **params: Values of the `$name`.

        Returns:
            A DuckDB relation: `.pl()`, `.df()`, `.arrow()`, `.fetchall()`.

        Raises:
            InvalidArgument: It can't be run, or isn't one statement that only reads.
        """
        from lakehouse.engine.query.statements import check_reads

        access = access_of(self, trusted=trusted)
        if not trusted:
            check_reads(query, access.database(()))
        values: Any = list(args) if args else params
        text, views, tables = expand(self, query)
        return self.state.sql(
            text,
            values or None,
            views={**self.views, **views},
            tables=tables,
            access=access,
        )

    def duckdb(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection of your own, with the tables and views of one state.

        It can do all that DuckDB can: attach databases, write files, load extensions. What is
        made in it stays in it; nothing of it reaches the lake.

        Example:
            >>> connection = lake.duckdb()
            >>> connection.execute("COPY artifact TO 'artifacts.csv'")
        """
        return connection_on(self.state, self.views)

    @property
    def views(self) -> dict[str, str]:
        """SQL texts of the friendly views by name."""
        return self.directory.sql_views

    def scan(self, name: str) -> pl.LazyFrame:
        """A registry's table, or a view, as a polars lazy frame bound to the present state."""
        if name in self.directory.registries:
            name = self.directory.get(name).meta.table
        if name in self.views and name not in self.state.tables:
            frame: pl.DataFrame = self.sql(f'SELECT * FROM "{name}"').pl()
            return frame.lazy()
        return self.state.scan(name)

    # -- changing ----------------------------------------------------------------------

    def commit(self, changes: Changes, *, message: str = "", isolate: bool = True) -> Commit:
        """Commit changes of the present user; records use this through their batch.

        Args:
            changes: What to change.
            message: What the log says of it.
            isolate: On another branch than main, keep edits of main's records beside them.
        """
        if self._pinned is not None:
            raise ReadOnlyLake("This lake is bound to a past state and takes no writes.")
        if isolate and self.branch_uid != bootstrap.MAIN:
            changes = isolated(self, changes)
            if changes.empty:  # an edit was taken back
                return self.engine.log(1)[0]
        changes.references = self.directory.references  # looked at under the lock
        commit = self.engine.commit(
            changes, message=redacted(message), user=self.user_uid, run=self.run_uid or ""
        )
        self.matcher.forget()
        return commit

    def save(self, records: Iterable[Any]) -> list[Any]:
        """Save records in one commit."""
        return save_all(self, records, lambda r: hasattr(r, "_before_save"))

    @contextmanager
    def transaction(self, message: str = "") -> Iterator[Batch]:
        """Group saves and deletes into one commit; an exception leaves everything unsaved.

        Example:
            >>> with lake.transaction(message="two labels"):
            ...     lake.ULabel(name="a").save()
            ...     lake.ULabel(name="b").save()
        """
        with batch_on(self, message) as batch:
            yield batch

    # -- history -----------------------------------------------------------------------

    def log(self, limit: int | None = None) -> list[Commit]:
        """List the commits, newest first."""
        return self.engine.log(limit)

    def tag(self, name: str, ref: Ref | None = None) -> Commit:
        """Name a commit, the newest one by default."""
        if ref is None and self._pinned is not None:
            ref = self._pinned.seq
        return self.engine.tag(name, ref)

    def tags(self) -> dict[str, Commit]:
        """The tags and the commits that they name."""
        return self.engine.tags()

    @looks_again
    def check(self, deep: bool = False) -> CheckReport:  # noqa: FBT001, FBT002
        """Check for damage: missing and changed files, dangling rows, keys, artifacts' bytes.

        Args:
            deep: Check all kept states instead of the newest one, decode every row, compare
                unique keys with rows, and hash the bytes of all artifacts.

        Example:
            >>> lake.check().ok
            True
        """
        from lakehouse.orm.lake import health  # loads what only checks need

        return health.check(self.engine.site(), self.directory, deep=deep)

    @looks_again
    def repair(self, dry_run: bool = True) -> RepairReport:  # noqa: FBT001, FBT002
        """Repair damaged tables; see `lakehouse repair` for lakes that can't be opened.

        Args:
            dry_run: Only tell what would be done.

        Example:
            >>> print(lake.repair())
            The lake at '.../my-lake' needs no repair.
        """
        from lakehouse.orm.lake import health  # loads what only checks need

        if self._pinned is not None:
            raise ReadOnlyLake("This lake is bound to a past state and takes no writes.")
        report = health.repair(self.engine.site(), self.directory, dry_run=dry_run)
        self.engine.forget()
        return report

    @looks_again
    def backup(
        self, dest: str | os.PathLike[str], *, keep: int | None = None, with_storages: bool = False
    ) -> Any:
        """Back the whole lake up while others go on writing; `ln.setup.restore` makes a lake of it.

        Only what is new since the last backup to the same place is copied. See
        `lakehouse.backup.back_up` for what is verified and what can go wrong.

        Args:
            dest: A folder, or a URI such as `s3://bucket/prefix`, for this lake's backups.
            keep: Keep only so many backups, this one counted.
            with_storages: Copy the artifacts in other storage locations, too.

        Returns:
            What was copied, left out and found to be lost: `lakehouse.backup.Backup`.
        """
        run = importlib.import_module(_BACKUP).back_up
        return run(self, os.fspath(dest), keep=keep, with_storages=with_storages)

    @overload
    def gc(
        self,
        *,
        keep: int | None = ...,
        older_than: datetime | None = ...,
        min_age: float = ...,
        dry_run: bool = ...,
        erase: None = ...,
    ) -> GcReport: ...

    @overload
    def gc(self, *, dry_run: bool = ..., erase: str) -> ErasureReport: ...

    @looks_again
    def gc(
        self,
        *,
        keep: int | None = None,
        older_than: datetime | None = None,
        min_age: float = ORPHAN_AGE,
        dry_run: bool = False,
        erase: str | None = None,
    ) -> GcReport | ErasureReport:
        """Collect garbage: remove files that no kept commit, tag or running writer can reach.

        That are files of tables, and stored bytes that no artifact names. The bytes of an
        artifact that was deleted for good are gone already.

        Args:
            keep: Keep the states of the last so many commits.
            older_than: Keep the states since this moment.
            min_age: Files that no commit names are left alone while younger, in seconds.
            dry_run: Only report what would be removed.
            erase: Instead, erase the artifact with this uid from all kept states and tags, so
                that nothing of it is left: bytes, row, values, links. The first 16 characters
                of a uid mean all versions. This can't be undone; begin with a dry run.

        Example:
            >>> print(lake.gc(erase=artifact.uid, dry_run=True))
        """
        from lakehouse.orm.session import erasure  # loads what only erasures need

        if erase is not None:
            if keep is not None or older_than is not None:
                raise InvalidArgument("gc either erases an artifact or collects what is old.")
            return erasure.erase(self, erase, dry_run=dry_run)
        if self._pinned is not None:
            raise ReadOnlyLake("This lake is bound to a past state and takes no writes.")
        try:
            report = self.engine.gc(
                keep=keep, older_than=older_than, min_age=min_age, dry_run=dry_run
            )
        except CatalogUnavailable:
            # nothing can be written, perhaps since the disk is full: space comes first
            if dry_run or not self._sweep(min_age, self.engine.kept_from, dry_run=False)[0]:
                raise
            report = self.engine.gc(
                keep=keep, older_than=older_than, min_age=min_age, dry_run=dry_run
            )
        if not dry_run:
            erasure.finish(self)  # after what makes room
            for sweeper in self._sweepers():
                sweeper.finish(self, min_age)
        found, outside = self._sweep(min_age, report.kept_from, dry_run=dry_run)
        return replace(
            report,
            orphans=(*report.orphans, *found),
            bytes=report.bytes + sum(found.values()),
            outside=(*report.outside, *outside),
        )

    def _sweepers(self) -> Iterator[Any]:
        return map(importlib.import_module, self.directory.sweepers)

    def _sweep(
        self, min_age: float, kept_from: int, *, dry_run: bool
    ) -> tuple[dict[str, int], list[str]]:
        """Find and remove stored bytes that no row names; the sizes, and what was left alone."""
        sizes: dict[str, int] = {}
        outside: list[str] = []
        for sweeper in self._sweepers():
            found = sweeper.orphans(self, min_age, kept_from, tidy=not dry_run)
            sizes.update(found.paths)
            outside += found.outside
            if not dry_run:
                sweeper.remove([path for path, _ in found.paths])
        return sizes, outside


def _reopened(uid: str, root: str, commit: int | None) -> Lake:
    """The lake of something pickled: the connected one if it is that, else opened again."""
    lake = active_lake()
    # a process of its own may be connected to none, or to another one
    if lake is None or lake.uid != uid:
        lake = Lake.open(root)
    return lake if commit is None else lake.at(commit)

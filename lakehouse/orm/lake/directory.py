"""Which registries, further tables and views a lake has, by dotted names.

The default directory is a literal table in the layer of the registries; it is named here by
a string and loaded when a lake is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from lakehouse._lazy import load_name
from lakehouse.config import notify
from lakehouse.engine import Engine, TableSpec
from lakehouse.engine.commit.references import Reference
from lakehouse.errors import BrokenExtension, MissingExtra, UnknownField, near
from lakehouse.extension import extension, hint_for, load_of
from lakehouse.orm.model.references import references_of
from lakehouse.orm.show.tables import shown

_DEFAULT = "lakehouse.registries.table:DIRECTORY"


@dataclass
class Directory:
    """The registries of a lake.

    Attributes:
        registries: Registry name (`ULabel`, `bionty.CellType`) → dotted name of its class.
        tables: Dotted names of sequences of further table specifications.
        views: Dotted names of functions without arguments that give SQL texts by view name.
        functions: Table functions of SQL with one text argument → dotted name of a function
            of the lake and that text, which gives SQL or an Arrow table.
        sweepers: Dotted names of modules with `finish(lake, min_age)`, which ends what killed
            processes began, and `orphans(lake, min_age, kept_from, tidy=)` and
            `remove(paths)`, which find and remove stored bytes that no row names.
        checkers: Dotted names of modules with `find(check, directory)`, which adds damage that
            only the registries know of to a check's report.
        erasers: Dotted names of modules with `plan(lake, uid)`, which says what is to go if a
            record is erased from all kept states, and `bytes_of(lake, plan, remove=)`, which
            finds or removes its stored bytes; see `lakehouse.orm.session.erasure`.
        describer: Dotted name of the function that shows a record; see `BaseRecord.describe`.
    """

    registries: Mapping[str, str]
    tables: Sequence[str] = ()
    views: Sequence[str] = ()
    functions: Mapping[str, str] = field(default_factory=dict)
    sweepers: Sequence[str] = ()
    checkers: Sequence[str] = ()
    erasers: Sequence[str] = ()
    first_rows: Mapping[str, str] = field(default_factory=dict)
    describer: str | None = None
    _loaded: dict[str, Any] = field(default_factory=dict, repr=False)
    _references: dict[str, list[Reference]] = field(default_factory=dict, repr=False)

    def get(self, name: str) -> Any:
        """The class of a registry, found by its full name.

        Raises:
            UnknownField: There is no such registry.
        """
        cls = self._loaded.get(name)
        if cls is None:
            if name not in self.registries:
                close = near(name, list(self.registries))
                raise UnknownField(
                    f"There is no registry {name!r}.",
                    expected=", ".join(close or sorted(self.registries)),
                    hint=self.missing(name),
                )
            cls = self._loaded[name] = load_name(self.registries[name])
        return cls

    def all(self) -> list[Any]:
        """The classes of all registries."""
        return [self.get(name) for name in self.registries]

    @cached_property
    def by_table(self) -> dict[str, Any]:
        """The classes by table name."""
        return {cls.meta.table: cls for cls in self.all()}

    def references(self, table: str) -> list[Reference]:
        """The columns of a table that name rows of others."""
        known = self._references.get(table)
        if known is None:
            found = references_of(table, self.by_table)
            known = [r for r in found if r.target is None or r.target in self._tables]
            self._references[table] = known
        return known

    @cached_property
    def _tables(self) -> set[str]:
        return {spec.name for spec in self.specs()}

    @property
    def modules(self) -> set[str]:
        """Names of the modules beside the core, e.g. `bionty`."""
        return {n.partition(".")[0] for n in self.registries if "." in n}

    def with_module(self, name: str) -> Directory:
        """The directory that has the registries of an extension, too.

        Args:
            name: The extension's name; a module that the directory has already changes nothing.

        Raises:
            UnknownField: There is no such module.
            BrokenExtension: The extension can't be used, or its registries can't.
        """
        if name in self.modules:
            return self
        more = extension(name)
        if more is None or not more.registries:
            known = self.modules
            raise UnknownField(
                f"There is no module {name!r}.",
                expected=", ".join(near(name, known) or sorted(known)),
                hint=hint_for(name),
            )
        for full, dotted in more.registries.items():
            meta = load_of(name, dotted).meta
            if meta.name != full or meta.table in self.by_table:
                raise BrokenExtension(
                    f"The extension {name!r} has a registry that a lake can't have: {full!r}.",
                    found=f"a class {meta.name} over the table {meta.table!r}",
                    expected=f"one of the module {name!r} over a table that no other registry has",
                    hint="class …(TrackedRecord, row=…, module=…, table=…)",
                )
        first = {} if more.first_rows is None else {name: more.first_rows}
        return replace(
            self,
            registries={**self.registries, **more.registries},
            tables=(*self.tables, *more.tables),
            views=(*self.views, *more.views),
            first_rows={**self.first_rows, **first},
            # else these would be shared with the narrower directory, and filled for both
            _loaded={},
            _references={},
        )

    def missing(self, name: str, lake_has: Iterable[str] = ()) -> str | None:
        """What to do for a module, or a registry of one, that the directory doesn't have.

        Args:
            name: `plates` or `plates.Plate`.
            lake_has: The modules that the lake was made with.

        Raises:
            BrokenExtension: An installed extension has the module, and can't be used.
        """
        module = name.partition(".")[0]
        if module in self.modules or near(module, self.modules):
            return None
        if extension(module) is not None:
            return f"ln.setup.init(storage=…, modules={module!r}) adds the module to a lake"
        return hint_for(module) if "." in name or module in lake_has else None

    def demand(self, modules: Iterable[str], purpose: str) -> None:
        """Refuse what takes the registries of all modules, where an extension is missing.

        Args:
            modules: The modules of the lake.
            purpose: What takes them.

        Raises:
            MissingExtra: The extension of a module isn't installed, or can't be used.
        """
        if lost := sorted(set(modules) - self.modules):
            raise MissingExtra(
                f"The extension {lost[0]!r} is needed to {purpose}, which may hold records of its.",
                found=f"a lake with the modules {', '.join(sorted(modules))}",
                hint=hint_for(lost[0]),
            )

    def specs(self) -> list[TableSpec]:
        """The specifications of all tables."""
        own = [cls.meta.spec for cls in self.all()]
        return own + [spec for dotted in self.tables for spec in load_name(dotted)]

    def describe(self, record: Any, *, return_str: bool, features_only: bool = False) -> str | None:
        """Print the description of a record, or of its features, or give it as text."""
        if self.describer is None:
            return shown(repr(record), return_str=return_str)
        found: str | None = load_name(self.describer)(
            record, return_str=return_str, features_only=features_only
        )
        return found

    def rows_of(self, modules: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """The first rows of some modules, by table."""
        found: dict[str, list[dict[str, Any]]] = {}
        for name in modules:
            if name in self.first_rows:
                for table, rows in load_name(self.first_rows[name])().items():
                    found.setdefault(table, []).extend(rows)
        return found

    @cached_property
    def sql_views(self) -> dict[str, str]:
        """SQL texts of the friendly views by name."""
        found: dict[str, str] = {}
        for dotted in self.views:
            make: Callable[[], Mapping[str, str]] = load_name(dotted)
            found.update(make())
        return found


def default_directory(modules: Iterable[str] = ()) -> Directory:
    """The directory of all registries that this package has, and those of extensions.

    Args:
        modules: The modules of the lake. An extension that is missing or broken is left out: the
            other registries, and SQL over all tables, need none.
    """
    found = load_name(_DEFAULT)
    if not isinstance(found, Directory):
        raise TypeError(_DEFAULT)
    for name in modules:
        try:
            found = found.with_module(name)
        except (BrokenExtension, UnknownField) as error:
            notify(str(error), "warning" if isinstance(error, BrokenExtension) else "info")
    return found


def known_modules(modules: str | Iterable[str] | None) -> list[str]:
    """The names of modules, each of which there is.

    Args:
        modules: Names, or one text with commas between them.

    Raises:
        UnknownField: There is no such module.
        BrokenExtension: The extension that has it can't be used.
    """
    names = modules.split(",") if isinstance(modules, str) else list(modules or ())
    names = [n.strip() for n in names if n.strip()]
    directory = default_directory()
    for name in names:
        directory = directory.with_module(name)
    return names


def opened(
    root: str, directory: Directory | None = None, **options: Any
) -> tuple[Engine, Directory]:
    """The engine of a lake, with the registries of all modules that the lake has.

    Args:
        root: Its root.
        directory: Other registries than those.
        **options: For `Engine.open`.
    """
    found = directory or default_directory()
    engine = Engine.open(root, found.specs(), **options)
    if directory is None and (more := set(engine.info.get("modules") or ()) - found.modules):
        wider = default_directory(sorted(more))
        if wider.modules > found.modules:  # only the lake itself could tell which it has
            engine.close()
            return Engine.open(root, wider.specs(), **options), wider
    return engine, found

"""Which registries, further tables and views a lake has, by dotted names.

The default directory is a literal table in the layer of the registries; it is named here by
a string and loaded when a lake is opened.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lakehouse.engine import TableSpec
from lakehouse.engine.commit.references import Reference
from lakehouse.errors import UnknownField, near
from lakehouse.orm.model.references import references_of
from lakehouse.orm.show.tables import shown

_DEFAULT = "lakehouse.registries.table:DIRECTORY"


def load_name(dotted: str) -> Any:
    """The object that `package.module:attribute` names."""
    module, _, attribute = dotted.partition(":")
    return getattr(importlib.import_module(module), attribute)


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


def default_directory() -> Directory:
    """The directory of all registries that this package has."""
    found = load_name(_DEFAULT)
    if not isinstance(found, Directory):
        raise TypeError(_DEFAULT)
    return found

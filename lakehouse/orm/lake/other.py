"""Reading other lakes beside the current one: `ln.DB("../other").Artifact.filter()`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lakehouse.engine import Commit
from lakehouse.engine.catalog.place import read_marker
from lakehouse.engine.files import files_at
from lakehouse.errors import LakehouseError, LakeNotFound, ReadOnlyLake, UnknownField, near
from lakehouse.io.uris import is_remote, root_of
from lakehouse.orm.lake.attributes import CoreRegistries
from lakehouse.orm.lake.bound import BoundRegistry
from lakehouse.orm.lake.directory import opened
from lakehouse.orm.lake.lake import Lake
from lakehouse.orm.model.context import active_lake
from lakehouse.trust import check_found

if TYPE_CHECKING:
    from lakehouse.orm.query.queryset import QuerySet

_FOLDER, _MARKER = ".lakehouse", "lake.json"
_OPEN: dict[str, ReadLake] = {}


class ReadLake(Lake):
    """A lake that is read as it changes, and takes no writes."""

    @classmethod
    def open(cls, root: str, *, db: str | None = None, **options: Any) -> ReadLake:
        """Open an existing lake for reading."""
        return cls(*opened(root, db=db, **options))

    @property
    def read_only(self) -> bool:
        """Always true."""
        return True

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise ReadOnlyLake(
            f"The lake at {self.root!r} was opened for reading.",
            hint=f"ln.connect({self.root!r}), or ln.open({self.root!r})",
        )

    def commit(self, *_: Any, **__: Any) -> Commit:
        """Refused."""
        self._refuse()

    def tag(self, *_: Any, **__: Any) -> Commit:
        """Refused."""
        self._refuse()

    def gc(self, *_: Any, **__: Any) -> NoReturn:
        """Refused."""
        self._refuse()


class DB(CoreRegistries):
    """Query the registries of another lake; the current lake stays the current one.

    Args:
        instance: The other lake's root, or its name if it lies beside the current lake or
            below the working directory; by its name only a lake of the user's is found, or
            one that is trusted (`ln.setup.trust`).

    Raises:
        LakeNotFound: There is no such lake.

    Example:
        >>> db = DB("../other-lake")
        >>> db.Artifact.filter(suffix=".h5ad").count()
        1
        >>> db.bionty.CellType.get(name="T cell")
    """

    def __init__(self, instance: str | os.PathLike[str]) -> None:
        self._instance = os.fspath(instance)
        self._lake = lake_for_reading(self._instance)
        self._cache: dict[str, Any] = {}

    @property
    def lake(self) -> Lake:
        """The other lake: `db.lake.sql(…)`, `db.lake.at(…)`."""
        return self._lake

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._cache:
            self._cache[name] = self._get(name)
        return self._cache[name]

    def _get(self, name: str) -> Any:
        directory = self._lake.directory
        if name in directory.modules:
            if name not in self._lake.modules:
                raise UnknownField(
                    f"Schema {name!r} not available in instance {self._instance!r}.",
                    expected=", ".join(self._lake.modules) or None,
                )
            return _Module(self._lake, name)
        if name not in directory.registries:
            known = dir(self)
            raise UnknownField(
                f"Registry {name!r} not found in the core registries. Use .bionty.{name} for "
                "registries of modules.",
                expected=", ".join(near(name, known) or known),
            )
        return ReadRegistry(self._lake, directory.get(name))

    def __dir__(self) -> list[str]:
        core = [n for n in self._lake.directory.registries if "." not in n]
        return sorted([*core, *self._lake.modules, "lake"])

    def __repr__(self) -> str:
        return f"DB({self._instance!r})"


class ReadRegistry(BoundRegistry):
    """A registry of another lake, whose records can be found but not made."""

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: records are made in the current lake."""
        name = self._registry.meta.name
        # peer: its error and its words
        raise TypeError(
            f"Cannot instantiate {name} from DB. "
            f"Use {name}.filter(), {name}.get(), etc. to query records."
        )

    def __repr__(self) -> str:
        return f"<QuerySet [{self._registry.meta.cls.__name__}]>"


class _Module:
    """The registries of one module of another lake."""

    def __init__(self, lake: ReadLake, module: str) -> None:
        self._lake = lake
        self._module = module
        self._cache: dict[str, ReadRegistry] = {}

    def __getattr__(self, name: str) -> ReadRegistry:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._cache:
            full = f"{self._module}.{name}"
            if full not in self._lake.directory.registries:
                close = near(name, dir(self))
                raise UnknownField(
                    f"Registry {name!r} not found in {self._module}.",
                    expected=", ".join(close or dir(self)),
                )
            self._cache[name] = ReadRegistry(self._lake, self._lake.directory.get(full))
        return self._cache[name]

    def __dir__(self) -> list[str]:
        head = f"{self._module}."
        names = self._lake.directory.registries
        return [n.removeprefix(head) for n in names if n.startswith(head)]


def lake_for_reading(instance: str) -> ReadLake:
    """Another lake by its root or its name; one that was asked for before is kept open.

    Raises:
        LakeNotFound: There is no such lake.
    """
    return lake_at(_root_of(instance))


def lake_at(root: str) -> ReadLake:
    """The lake at a root, for reading."""
    # kept open, since another object would read its tables anew
    known = _OPEN.get(root)
    if known is None or not _is_there(known):
        known = _OPEN[root] = ReadLake.open(root)
    return known


def _is_there(lake: ReadLake) -> bool:
    """Whether a lake that was opened before wasn't removed since, or replaced by another."""
    if is_remote(lake.root):
        return True
    try:
        text = Path(lake.root, _FOLDER, _MARKER).read_bytes()
    except OSError:
        return False
    return lake.uid.encode() in text


def query_in(registry: type[Any], instance: str | None) -> QuerySet[Any]:
    """The query set of all records of a registry in another lake, or in the current one."""
    # peer: its name for the current one
    if instance is None or instance == "default":
        return registry.all()  # type: ignore[no-any-return]
    return BoundRegistry(lake_for_reading(os.fspath(instance)), registry).all()  # type: ignore[no-any-return]


def _root_of(instance: str) -> str:
    if is_remote(instance):
        return root_of(instance)
    current = active_lake()
    if current is not None and instance in (current.root, current.name):
        return current.root
    near_by = [Path.cwd()]
    if current is not None and not is_remote(current.root):
        near_by.append(Path(current.root).parent)
    for folder in near_by:
        # who gives a path has named the lake, and trusts it by that
        found = (folder / instance).expanduser()
        if (found / _FOLDER / _MARKER).is_file():
            return str(found.resolve())
    for folder in near_by:
        for marker in sorted(folder.glob(f"*/{_FOLDER}/{_MARKER}")):
            root = marker.parent.parent.resolve()
            if _is_called(root, instance):
                # by its name only it is found, and a stranger may have put one of that name there
                check_found(str(root))
                return str(root)
    looked = ", ".join(str(f) for f in dict.fromkeys(near_by))
    raise LakeNotFound(
        f"There is no lake {instance!r}.",
        found=f"nothing in {looked}",
        hint="ln.DB('path/to/lake')",
    )


def _is_called(root: Path, name: str) -> bool:
    """Whether a lake has a name; its marker tells it, and it isn't opened for that."""
    try:
        marker = read_marker(files_at(str(root)), str(root)) or {}
    except LakehouseError:
        return False
    return bool(marker.get("name", root.name) == name)

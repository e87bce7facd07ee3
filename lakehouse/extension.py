"""Extensions: packages that add formats, rules, slots, registries and examples.

A package names an `Extension` as an entry point of the group `lakehouse.extensions`:

```toml
[project.entry-points."lakehouse.extensions"]
plates = "lab_plates:EXTENSION"
```

Where it is installed, the lakehouse has what it adds. Entry points are looked for, and
extensions imported, only when a name is asked for that the core doesn't have.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from lakehouse._lazy import load_name
from lakehouse.config import notify
from lakehouse.errors import BrokenExtension, InvalidArgument, near

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "GROUP",
    "Extension",
    "added",
    "added_names",
    "extension",
    "extensions",
    "hint_for",
    "load_of",
    "modules",
    "rules_named",
]

GROUP = "lakehouse.extensions"

Table = Literal["formats", "objects", "slots", "datasets", "curators", "examples"]
_TABLES: tuple[Table, ...] = ("formats", "objects", "slots", "datasets", "curators", "examples")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SUFFIX = re.compile(r"(\.[a-z0-9_-]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What a package adds. All values are dotted names, `package.module:attribute`.

    Registries and rules carry the name of the extension, so that a lake or schema that needs
    them says which extension that is: of `plates` these are `plates.Plate` and the rules
    `plates` or `plates.layout`.

    Attributes:
        dataset_rules: Rules for datasets as wholes → a function `check(data, demanded, terms)`
            that yields failures.
        column_rules: Rules for the values of a column → a function that raises ValueError for a wrong
            value, or an object as `lakehouse.curation.ValueJudge` says. A schema demands them by
            `constraints={"well": {"custom": "plates.well"}}`.
        registries: Full name (`plates.Plate`) → its class. They are a module of lakes:
            `ln.setup.init(storage=…, modules="plates")`.
        first_rows: A function that gives the first rows of a lake with the module, by table.
        tables: Sequences of further table specifications of the module.
        views: Functions that give SQL texts by name, for the module's views.
        formats: File suffix → a class as `lakehouse.formats.Format` says.
        objects: Public name of a class → the suffix that its objects are written with.
        slots: Type of object (`"Workbook"`) → a class as `lakehouse.curation.slots.Slots` says.
        datasets: Public name of a class → the type of object that it is.
        curators: Type of object → its curator, a class over `ln.curators.SlotsCurator`.
        examples: Name in `ln.examples` → a module or object.
        since: The first version of lakehouse that it works with.

    Example:
        >>> from lakehouse.extension import Extension
        >>> EXTENSION = Extension(
        ...     formats={".plate": "lab_plates:PlateFile"}, registries={"plates.Plate": "lab_plates:Plate"}
        ... )
    """

    dataset_rules: Mapping[str, str] = field(default_factory=dict)
    column_rules: Mapping[str, str] = field(default_factory=dict)
    registries: Mapping[str, str] = field(default_factory=dict)
    first_rows: str | None = None
    tables: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    formats: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[str, str] = field(default_factory=dict)
    slots: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, str] = field(default_factory=dict)
    curators: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    since: str = "0.1"


# -- which there are -----------------------------------------------------------------------


def extensions() -> tuple[str, ...]:
    """The names of all installed extensions; imports none.

    Example:
        >>> "cellxgene" in extensions()
        True
    """
    return tuple(sorted(_declared(tuple(sys.path))))


def extension(name: str) -> Extension | None:
    """One installed extension; None if there is none of this name.

    Raises:
        BrokenExtension: It can't be imported, needs a newer lakehouse, has tables that can't be
            right, or two packages claim its name.

    Example:
        >>> extension("cellxgene").dataset_rules
        {'cellxgene': 'lakehouse.extensions.cellxgene.dataset:check'}
    """
    points = _declared(tuple(sys.path)).get(name)
    found = None if points is None else _loaded(points)
    if isinstance(found, BrokenExtension):
        raise found.with_traceback(None)
    return found


def modules() -> tuple[str, ...]:
    """The names of the installed extensions that have registries.

    Example:
        >>> modules()
        ()
    """
    return tuple(name for name, known in _usable() if known.registries)


def added_names(table: Table, core: Container[str]) -> tuple[str, ...]:
    """What extensions add to one of the core's tables; tells of extensions that can't be used.

    Args:
        table: Which table.
        core: The names that the core has, which no extension can claim.
    """
    found = []
    for name, known in _usable():
        for key in getattr(known, table):
            if key in core:
                _tell(
                    f"The extension {name!r} claims {key!r}, which is lakehouse's own and stays so."
                )
            else:
                found.append(key)
    return tuple(dict.fromkeys(found))


def added(table: Table, key: str, core: Container[str]) -> Any:
    """What an extension has under a name of one of the core's tables, loaded; None for nothing.

    Args:
        table: Which table.
        key: The name.
        core: The names that the core has, which no extension can claim.

    Raises:
        BrokenExtension: Several extensions claim the name, or what it stands for can't be loaded.
    """
    if key not in added_names(table, core):
        return None
    owners = [(name, known) for name, known in _usable() if key in getattr(known, table)]
    if len(owners) > 1:
        raise BrokenExtension(
            f"Several extensions claim {key!r} among their {table}.",
            found=", ".join(repr(name) for name, _ in owners),
            hint="uninstall all but one of them",
        )
    ((name, known),) = owners
    dotted = getattr(known, table)[key]
    return dotted if table in ("objects", "datasets") else load_of(name, dotted)


def rules_named(table: Literal["dataset_rules", "column_rules"], name: str) -> Any:
    """The rules of a name, which begins with that of the extension that has them.

    Raises:
        InvalidArgument: There are no such rules: their extension may not be installed.
        BrokenExtension: The extension that has them can't be used.
    """
    owner = name.partition(".")[0]
    known = extension(owner)
    rules: Mapping[str, str] = {} if known is None else getattr(known, table)
    if name not in rules:
        near_by = near(owner, list(extensions())) if known is None else list(rules)
        raise InvalidArgument(
            f"There are no rules {name!r} for {'datasets' if table == 'dataset_rules' else 'columns'}.",
            expected=", ".join(near_by) or None,
            hint=hint_for(name),
        )
    return load_of(owner, rules[name])


def load_of(name: str, dotted: str) -> Any:
    """What a dotted name of an extension stands for.

    Raises:
        BrokenExtension: There is no such thing.
    """
    try:
        return load_name(dotted)
    except (ImportError, AttributeError) as error:
        raise BrokenExtension(
            f"The extension {name!r} names {dotted!r}, which can't be loaded.",
            found=f"{type(error).__name__}: {error}",
            hint="install another version of its package",
        ) from error


def hint_for(name: str) -> str | None:
    """What to do for a name that belongs to an extension, such as `plates.Plate`.

    None if no extension can have such a name.
    """
    owner = name.partition(".")[0]
    if not _NAME.fullmatch(owner):
        return None
    if owner in extensions():
        return f"the extension {owner!r} is installed, and doesn't have it"
    if find_spec(f"lakehouse.extensions.{owner}") is not None:  # an old checkout's installation
        return f"lakehouse itself has the extension {owner!r}: pip install -e ., or --force-reinstall lakehouse"
    return f"install the package that has the extension {owner!r} (an entry point of {GROUP})"


# -- loading -------------------------------------------------------------------------------


@cache
def _declared(path: tuple[str, ...]) -> dict[str, tuple[EntryPoint, ...]]:
    """The entry points by name; `path` is what they were looked for on."""
    from importlib.metadata import entry_points

    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, {}).setdefault(point.value, point)
    return {name: tuple(points.values()) for name, points in found.items()}


def _usable() -> Iterator[tuple[str, Extension]]:
    for name, points in sorted(_declared(tuple(sys.path)).items()):
        found = _loaded(points)
        if isinstance(found, Extension):
            yield name, found
        else:
            _tell(str(found))


@cache
def _loaded(points: tuple[EntryPoint, ...]) -> Extension | BrokenExtension:
    """An extension, or why it can't be used: who asks for other names goes on without it."""
    name = points[0].name
    packages = [p.dist.name if p.dist is not None else p.value for p in points]
    if len(points) > 1:
        return BrokenExtension(
            f"Several packages claim the extension {name!r}.",
            found=", ".join(packages),
            hint="uninstall all but one of them",
        )
    problem = {"expected": "an Extension", "hint": f"pip install --upgrade {packages[0]}"}
    try:
        found = points[0].load()
    except Exception as error:  # noqa: BLE001 - whatever a stranger's module raises
        reason = f"{type(error).__name__}: {error}"
        message = f"The extension {name!r} of {packages[0]!r} can't be imported."
        return BrokenExtension(message, found=reason, hint=problem["hint"])
    if not isinstance(found, Extension):
        message = f"The extension {name!r} of {packages[0]!r} is none."
        return BrokenExtension(message, found=type(found).__name__, **problem)
    here = str(importlib.import_module("lakehouse").__version__)
    if _numbers(found.since) > _numbers(here):
        return BrokenExtension(
            f"The extension {name!r} of {packages[0]!r} needs a newer lakehouse.",
            found=f"lakehouse {here}",
            expected=f"lakehouse {found.since} or later",
            hint="pip install --upgrade lakehouse",
        )
    if wrong := _wrong(name, found):
        message = f"The extension {name!r} of {packages[0]!r} adds names that can't be right."
        return BrokenExtension(message, found=wrong[0], expected=wrong[1], hint=problem["hint"])
    return found


def _wrong(name: str, found: Extension) -> tuple[str, str] | None:
    """A name that the extension can't have, and what it should be like."""
    if not _NAME.fullmatch(name):
        return repr(name), "a name in small letters, such as 'plates'"
    for key in found.registries:
        head, _, registry = key.partition(".")
        if head != name or not registry.isidentifier() or not registry[0].isupper():
            return f"the registry {key!r}", f"a name like '{name}.Plate'"
    for key in (*found.dataset_rules, *found.column_rules):
        if key.partition(".")[0] != name:
            return f"the rules {key!r}", f"{name!r}, or a name like '{name}.layout'"
    for key in found.formats:
        if not _SUFFIX.fullmatch(key):
            return f"the suffix {key!r}", "a suffix in small letters with its dot, '.plate'"
    for key, suffix in found.objects.items():
        if suffix not in found.formats:
            return f"the suffix {suffix!r} of {key}", "one of the extension's own formats"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


@cache
def _tell(text: str) -> None:
    """Warn, once in a process."""
    notify(text, "warning")

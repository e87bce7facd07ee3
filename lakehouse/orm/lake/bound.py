"""Registries bound to one lake: `lake.ULabel(…)`, `lake.bionty.CellType.filter(…)`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from lakehouse.errors import UnknownField, near
from lakehouse.orm.model.context import use

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake


class BoundRegistry:
    """A record class as seen from one lake.

    Calling it constructs a record of that lake, its class methods run in that lake, and
    `isinstance(record, lake.ULabel)` asks whether a record is of this registry and lake.
    """

    def __init__(self, lake: Lake, registry: type[Any]) -> None:
        self._lake = lake
        self._registry = registry

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Construct a record of the lake."""
        with use(self._lake):
            return self._registry(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        with use(self._lake):
            # attributes too may ask for the current lake, such as managers
            found = getattr(self._registry, name)
        if not callable(found):
            return found

        @functools.wraps(found)
        def in_lake(*args: Any, **kwargs: Any) -> Any:
            with use(self._lake):
                return found(*args, **kwargs)

        return in_lake

    def __instancecheck__(self, instance: object) -> bool:
        if not isinstance(instance, self._registry):
            return False
        lake = instance._lake
        return lake is self._lake or lake.uid == self._lake.uid

    def __dir__(self) -> list[str]:
        return dir(self._registry)

    def __repr__(self) -> str:
        return f"<{self._registry.meta.name} of {self._lake.root}>"


class BoundModule:
    """The registries of one module as seen from one lake, e.g. `lake.bionty`."""

    def __init__(self, lake: Lake, module: str) -> None:
        self._lake = lake
        self._module = module

    def __getattr__(self, name: str) -> BoundRegistry:
        if name.startswith("__"):
            raise AttributeError(name)
        full = f"{self._module}.{name}"
        if full not in self._lake.directory.registries:
            close = near(name, dir(self))
            raise UnknownField(
                f"The module {self._module!r} has no registry {name!r}.",
                expected=", ".join(close or dir(self)),
            )
        return BoundRegistry(self._lake, self._lake.directory.get(full))

    def __dir__(self) -> list[str]:
        head = f"{self._module}."
        return [n.removeprefix(head) for n in self._lake.directory.registries if n.startswith(head)]

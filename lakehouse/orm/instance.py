"""What settings show of a lake and of a storage location."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakehouse.orm.lake import Lake


class InstanceSettings:
    """What is known of the connected lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    @property
    def name(self) -> str:
        """The lake's name."""
        return self._lake.name

    @property
    def uid(self) -> str:
        """The lake's uid."""
        return self._lake.uid

    @property
    def root(self) -> str:
        """The lake's root."""
        return self._lake.root

    @property
    def modules(self) -> set[str]:
        """Its modules beside the core."""
        return set(self._lake.modules)

    @property
    def storage(self) -> Any:
        """Its own storage location."""
        return self._lake.storage

    def __repr__(self) -> str:
        modules = ", ".join(sorted(self.modules)) or "none"
        return f"Lake {self.name!r}\n  root: {self.root}\n  uid: {self.uid}\n  modules: {modules}"


class StorageSettings:
    """A storage location as settings show it."""

    def __init__(self, record: Any) -> None:
        self.record = record

    @property
    def uid(self) -> str:
        """The uid of the location."""
        return str(self.record.uid)

    @property
    def root(self) -> Any:
        """The root as a path."""
        return self.record.path

    @property
    def root_as_str(self) -> str:
        """The root as text."""
        return str(self.record.root_as_str)

    @property
    def type(self) -> str:
        """Its kind: `local`, `s3` and so on."""
        return str(self.record.type)

    def __repr__(self) -> str:
        return f"StorageSettings({self.root_as_str!r})"

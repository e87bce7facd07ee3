"""What settings show of a lake and of a storage location."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.config import settings
from lakehouse.engine.catalog.place import own_catalog, read_marker
from lakehouse.engine.files import files_at
from lakehouse.engine.query.view import operations
from lakehouse.io.uris import is_remote, scheme_of
from lakehouse.text.printable import printable_line

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake


@operations
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
    def storage(self) -> StorageSettings:
        """Its own storage location."""
        return StorageSettings(self._lake.storage)

    @property
    def owner(self) -> str:
        """The handle of the present user."""
        return str(self._lake.user.handle)

    @property
    def slug(self) -> str:
        """Owner and name: `ada/my-lake`."""
        return f"{self.owner}/{self.name}"

    @property
    def db(self) -> str:
        """The address of the catalog's database, without its password."""
        # the address that the marker has: the one that was passed may hold a password
        marker = read_marker(files_at(self.root, None), self.root) or {}
        return str(marker.get("db") or own_catalog(self.root))

    @property
    def dialect(self) -> str:
        """The kind of the catalog's database: `sqlite` or `postgresql`."""
        return scheme_of(self.db).partition("+")[0]

    @property
    def is_remote(self) -> bool:
        """Whether others can reach the lake: it, or its catalog, isn't on this machine."""
        return is_remote(self.root) or self.dialect != "sqlite"

    @property
    def is_on_hub(self) -> bool:
        """False: there is no hub."""
        return False

    @property
    def keep_artifacts_local(self) -> bool:
        """False: where an artifact is stored is said by `storage=`, or by `ln.settings.storage`."""
        return False

    @property
    def git_repo(self) -> str | None:
        """The repository that source code is synchronized with."""
        return settings.sync_git_repo

    def __repr__(self) -> str:
        modules = ", ".join(sorted(self.modules)) or "none"
        lines = (
            f"Lake {self.name!r}",
            f"root: {self.root}",
            f"uid: {self.uid}",
            f"modules: {modules}",
        )
        return "\n  ".join(map(printable_line, lines))


@operations
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

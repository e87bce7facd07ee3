"""Storage locations."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse import filesystem
from lakehouse.errors import InvalidArgument, NoWriteAccess, StorageError, TypeMismatch
from lakehouse.orm import TrackedRecord, TrackedRow
from lakehouse.registries._relations import relations_of
from lakehouse.registries.artifact.ownership import claim
from lakehouse.storage.location import StorageLocation
from lakehouse.uris import tell_unkept, text_of

if TYPE_CHECKING:
    from upath import UPath

    from lakehouse.annotation.managers import KeyManager
    from lakehouse.orm import Batch
    from lakehouse.orm.base import Deleted
    from lakehouse.orm.fields import (
        FieldDescriptor,
        RelationDescriptor,
    )
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.branch import Branch
    from lakehouse.registries.run import Run
    from lakehouse.registries.space import Space
    from lakehouse.registries.user import User


class StorageRow(TrackedRow):
    """A row of the table `storage`.

    Attributes:
        root: An absolute path or a URI.
        description: What lies there.
        type: `"local"`, `"s3"`, `"gs"` …
        region: The region of an object store, or the host of a local folder.
        lake_uid: The lake that manages it.
    """

    root: str | None = None
    description: str | None = None
    type: str | None = None
    region: str | None = None
    lake_uid: str | None = None


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders that hold no file: the first one, what is in it, and those above it."""
    inside = [Path(folder) for folder, _, _ in os.walk(folders[0], topdown=False)][:-1]
    for folder in (*inside, *folders):
        with contextlib.suppress(OSError):  # somebody else put something there, or removed it
            folder.rmdir()


class Storage(
    TrackedRecord,
    row=StorageRow,
    name_field="root",
    unique=(("root",),),
    required=("root",),
    relations=relations_of("Storage"),
    aliases={"instance_uid": "lake_uid"},
    derived={
        "root": "register the other place: ln.Storage(root=…).save()",
        "type": "register the other place: ln.Storage(root=…).save()",
    },
):
    """Places where artifacts are stored: local folders and object stores.

    Example:
        >>> Storage(root="s3://my-bucket/data").save().type
        's3'
    """

    if TYPE_CHECKING:
        root: FieldDescriptor[str]
        description: FieldDescriptor[str | None]
        type: FieldDescriptor[str]
        region: FieldDescriptor[str | None]
        lake_uid: FieldDescriptor[str | None]
        artifacts: RelationDescriptor[KeyManager[Artifact]]

        def __init__(
            self,
            root: str | os.PathLike[str] | None = None,
            *,
            host: str | None = None,
            description: str | None = None,
            region: str | None = None,
            lake_uid: str | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    def _construct(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        host: str | None = None,
        **fields: Any,
    ) -> None:
        if host is not None:
            fields.setdefault("region", host)
        if root is not None:
            if not isinstance(root, str | bytes | os.PathLike):
                raise TypeMismatch(
                    "The root of a storage location is a path or an address.",
                    found=f"{root!r} ({type(root).__name__})",
                    hint="ln.Storage(root='s3://bucket/folder')",
                )
            text = text_of(root) if not isinstance(root, bytes) else os.fsdecode(root)
            tell_unkept(text)
            location = StorageLocation(text)
            fields = {"type": location.type, **fields, "root": location.root}
        super().__init__(**fields)

    if not TYPE_CHECKING:
        __init__ = _construct

    def _before_save(self, batch: Batch) -> None:
        """A local folder that isn't there yet is made, and removed if nothing is saved."""
        super()._before_save(batch)
        root = Path(self._values["root"])
        if self._saved or not self.location.is_local:
            return
        batch.on_commit(self._claim_quietly)
        if root.exists():
            return
        made = [root, *(above for above in root.parents if not above.exists())]
        batch.on_rollback(lambda: _remove_empty(made))
        try:
            filesystem.make_root(str(root))
        except OSError as error:
            raise NoWriteAccess(
                f"The folder of the storage location {str(root)!r} can't be made.",
                found=str(error),
            ) from error

    def claim(self) -> bool:
        """Mark the location as this lake's, so that the lake may remove what it stored there.

        A location is marked when it is saved, one in an object store when something is first
        stored there. Locations from before there were marks can be marked by this.

        Returns:
            Whether it is this lake's now; False where it is another one's.

        Raises:
            NoWriteAccess, StorageError: It can't be written.
        """
        return claim(self._lake, self.location)

    def _claim_quietly(self) -> None:
        # one that can only be read is a location all the same
        with contextlib.suppress(NoWriteAccess, StorageError):
            self.claim()

    @property
    def location(self) -> StorageLocation:
        """The location, for reading and writing."""
        return StorageLocation(self._values["root"])

    @property
    def path(self) -> UPath:
        """The root as a path object."""
        from upath import UPath  # 0.1 s: only for those who ask for a path

        found: UPath = UPath(self._values["root"], **self.location.options)
        return found

    @property
    def host(self) -> str | None:
        """The machine that a local folder is on."""
        found: str | None = self._values.get("region")
        return found if self._values.get("type") == "local" else None

    @property
    def instance_uid(self) -> str | None:
        """The uid of the lake that manages the location, under the peer's name."""
        found: str | None = self._values.get("lake_uid")
        return found

    @property
    def root_as_str(self) -> str:
        """The root as text."""
        return str(self._values["root"])

    def delete(self, permanent: bool | None = None) -> Deleted | None:  # noqa: FBT001 - the peer's
        """Forget the location for good, if nothing is stored there; its files are left alone.

        Raises:
            InvalidArgument: `permanent` is False; there is no trash for storage locations.
            ProtectedRecord: Artifacts are stored there.
        """
        if permanent is False:
            raise InvalidArgument(f"{self.meta.name} has no trash.", hint="delete(permanent=True)")
        return super().delete(permanent=True)

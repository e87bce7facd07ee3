"""Users."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.errors import (
    BranchAlreadyExists,
    InvalidArgument,
    NoWriteAccess,
    StorageError,
    TypeMismatch,
)
from lakehouse.io import filesystem
from lakehouse.io.uris import tell_unkept, text_of
from lakehouse.orm import BaseRecord, TimedRow, TrackedRecord, TrackedRow
from lakehouse.orm.model.builtin import BUILT_IN
from lakehouse.registries.artifact.stored import claim
from lakehouse.registries.relations import relations_of
from lakehouse.storage.location import StorageLocation
from lakehouse.terms.registry import CanCurate

if TYPE_CHECKING:
    from datetime import datetime

    from upath import UPath

    from lakehouse.orm import Batch
    from lakehouse.orm.model.meta import (
        FieldDescriptor,
        ForeignIdDescriptor,
        ForeignKeyDescriptor,
        RelationDescriptor,
    )
    from lakehouse.orm.record.base import Deleted
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.attached_block import BranchBlock, SpaceBlock
    from lakehouse.registries.labels import Project, ULabel
    from lakehouse.registries.record.record import Record
    from lakehouse.registries.run import Run, Transform
    from lakehouse.relations.managers import KeyManager, LinkManager


class UserRow(TimedRow):
    """A row of the table `user`."""

    handle: str | None = None
    name: str | None = None


class User(
    CanCurate,
    BaseRecord,
    row=UserRow,
    name_field="handle",
    unique=(("handle",),),
    required=("handle",),
    relations=relations_of("User"),
):
    """People who write to the lake; each is registered with their first change.

    Example:
        >>> User.get(handle="ada").name
        'Ada Lovelace'
    """

    if TYPE_CHECKING:
        created_at: FieldDescriptor[datetime]
        updated_at: FieldDescriptor[datetime]
        handle: FieldDescriptor[str]
        name: FieldDescriptor[str | None]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        linked_in_records: RelationDescriptor[LinkManager[Record]]
        branches: RelationDescriptor[LinkManager[Branch]]
        projects: RelationDescriptor[LinkManager[Project]]
        created_runs: RelationDescriptor[KeyManager[Run]]
        created_transforms: RelationDescriptor[KeyManager[Transform]]
        created_artifacts: RelationDescriptor[KeyManager[Artifact]]

        def __init__(
            self, *, handle: str, name: str | None = None, uid: str | None = None
        ) -> None: ...


# -- Spaces: who may see what


class SpaceRow(TimedRow):
    """A row of the table `space`."""

    name: str | None = None
    description: str | None = None
    created_by_uid: str | None = None


class Space(
    BaseRecord,
    row=SpaceRow,
    unique=(("name",),),
    required=("name",),
    foreign_keys={"created_by": "User"},
    relations=relations_of("Space"),
):
    """Groups of records that are shared with the same people.

    Every record lies in one space; `all`, whose uid is its name, is the default. A lake on a
    disk leaves it to the file system who may read it: spaces label records there, and a
    service in front of the lake can hold people to them.

    Args:
        name: A unique name.
        description: What it is for.

    Example:
        >>> study = Space(name="study 7").save()
        >>> ULabel(name="sample 1", space=study).save()
        >>> ULabel.filter(space__name="study 7").one()
    """

    if TYPE_CHECKING:
        created_at: FieldDescriptor[datetime]
        updated_at: FieldDescriptor[datetime]
        name: FieldDescriptor[str]
        description: FieldDescriptor[str | None]
        created_by_uid: FieldDescriptor[str]
        created_by: ForeignKeyDescriptor[User]
        created_by_id: ForeignIdDescriptor[str]
        ablocks: RelationDescriptor[KeyManager[SpaceBlock]]

        def __init__(
            self,
            *,
            name: str,
            description: str | None = None,
            uid: str | None = None,
            created_by: User | None = None,
        ) -> None: ...


# -- Branches: `main`, `archive`, `trash`, and those that people make


BranchStatus = Literal["standalone", "draft", "review", "merged", "closed"]


class BranchRow(TimedRow):
    """A row of the table `branch`.

    Attributes:
        name: A name that is unique without regard to case.
        description: What the branch is for.
        status: `standalone` (the default), `draft` or `review` while a merge is asked for,
            `merged` or `closed` afterwards.
        name_key: The name in lower case.
        forked_from_uid: The branch that it was made from.
        forked_at: The id of the newest commit when it was made.
        merged_into_uid: The branch that it was merged into.
        merged_at: When it was merged.
        merged_by_uid: Who merged it.
    """

    name: str | None = None
    description: str | None = None
    status: BranchStatus | None = "standalone"
    created_by_uid: str | None = None
    space_uid: str | None = None
    name_key: str | None = None
    forked_from_uid: str | None = None
    forked_at: str | None = None
    merged_into_uid: str | None = None
    merged_at: datetime | None = None
    merged_by_uid: str | None = None


class Branch(
    BaseRecord,
    row=BranchRow,
    unique=(("name",), ("name_key",)),
    match=(("name",),),
    required=("name",),
    foreign_keys={"forked_from": "Branch", "merged_into": "Branch", "merged_by": "User"},
    relations=relations_of("Branch"),
):
    """Where records are visible; the well-known ones have their names as uids.

    Queries see the records of `main` and of the current branch. `archive` hides records,
    `trash` hides them until they are deleted. Other branches hold work that isn't everybody's
    yet: records made on one, and its edits of records on main, show on main when it is merged.

    Args:
        name: A name, unique without regard to case.
        description: What the branch is for.

    Raises:
        BranchAlreadyExists: There is one whose name differs in case only.

    Example:
        >>> ln.setup.switch("clean-up", create=True)
        >>> ULabel(name="only on the branch").save()
        >>> ln.setup.switch("main")
        >>> ln.setup.merge("clean-up")
        >>> Branch.get(name="clean-up").status
        'merged'
    """

    if TYPE_CHECKING:
        created_at: FieldDescriptor[datetime]
        updated_at: FieldDescriptor[datetime]
        name: FieldDescriptor[str]
        description: FieldDescriptor[str | None]
        status: FieldDescriptor[BranchStatus | None]
        created_by_uid: FieldDescriptor[str]
        created_by: ForeignKeyDescriptor[User]
        created_by_id: ForeignIdDescriptor[str]
        space_uid: FieldDescriptor[str]
        space: ForeignKeyDescriptor[Space]
        space_id: ForeignIdDescriptor[str]
        name_key: FieldDescriptor[str | None]
        forked_from_uid: FieldDescriptor[str | None]
        forked_from: ForeignKeyDescriptor[Branch | None]
        forked_from_id: ForeignIdDescriptor[str | None]
        forked_at: FieldDescriptor[str | None]
        merged_into_uid: FieldDescriptor[str | None]
        merged_into: ForeignKeyDescriptor[Branch | None]
        merged_into_id: ForeignIdDescriptor[str | None]
        merged_at: FieldDescriptor[datetime | None]
        merged_by_uid: FieldDescriptor[str | None]
        merged_by: ForeignKeyDescriptor[User | None]
        merged_by_id: ForeignIdDescriptor[str | None]
        users: RelationDescriptor[LinkManager[User]]
        ulabels: RelationDescriptor[LinkManager[ULabel]]
        projects: RelationDescriptor[LinkManager[Project]]
        ablocks: RelationDescriptor[KeyManager[BranchBlock]]

        def __init__(
            self,
            name: str | None = None,
            *,
            description: str | None = None,
            status: BranchStatus | None = "standalone",
            uid: str | None = None,
            space: Space | None = None,
            created_by: User | None = None,
        ) -> None: ...

    _named = ("description", "status", "uid", "space", "created_by")

    def _construct(self, name: str | None = None, **fields: Any) -> None:
        super().__init__(name=name, **fields)
        if not self._saved:
            self._check_case()

    if not TYPE_CHECKING:
        __init__ = _construct

    def _check_case(self) -> None:
        name = str(self._values["name"])
        for row in self._lake.state.arrow("branch").select(["uid", "name"]).to_pylist():
            other = str(row["name"])
            if row["uid"] != self._values.get("uid") and other.lower() == name.lower():
                raise BranchAlreadyExists(
                    f"There is a branch {other!r} already; names differ by more than case.",
                    found=repr(name),
                    hint=f"ln.setup.switch({other!r})",
                )

    def _before_save(self, batch: Batch) -> None:
        lake, values = self._lake, self._values
        if self._saved:
            if self.uid in BUILT_IN and self._old and {"name", "status"} & self._old.keys():
                raise InvalidArgument(
                    f"The built-in branch {self.uid!r} keeps its name and status."
                )
            if self._old and "name" in self._old:
                self._check_case()
        else:
            for column, value in lake.fork_point().items():
                values.setdefault(column, value)
        self._set("name_key", str(values["name"]).lower())

    def delete(self, permanent: bool | None = None) -> Deleted | None:  # noqa: FBT001 - the peer's
        """Remove the branch for good, if it is empty; there is no trash for branches.

        A branch that records are on, or were made on, is kept, so that it stays traceable where
        a change came from; its status says that it is closed.

        Raises:
            InvalidArgument: It is built in, or `permanent` is False.
            ProtectedRecord: Records are on it, or were made on it.
        """
        if self.uid in BUILT_IN:
            raise InvalidArgument(f"The built-in branch {self.uid!r} can't be deleted.")
        return super().delete(permanent=permanent)


# -- Storage locations


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

"""Users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.annotation.curate import CanCurate
from lakehouse.orm import BaseRecord, TimedRow
from lakehouse.registries._relations import relations_of

if TYPE_CHECKING:
    from datetime import datetime

    from lakehouse.annotation.managers import KeyManager, LinkManager
    from lakehouse.orm.fields import FieldDescriptor, RelationDescriptor
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.branch import Branch
    from lakehouse.registries.project import Project
    from lakehouse.registries.record import Record
    from lakehouse.registries.run import Run
    from lakehouse.registries.transform import Transform


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

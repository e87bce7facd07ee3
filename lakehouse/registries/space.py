"""Spaces: who may see what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.orm import BaseRecord, TimedRow
from lakehouse.registries._relations import relations_of

if TYPE_CHECKING:
    from datetime import datetime

    from lakehouse.annotation.managers import KeyManager
    from lakehouse.orm.fields import (
        FieldDescriptor,
        ForeignIdDescriptor,
        ForeignKeyDescriptor,
        RelationDescriptor,
    )
    from lakehouse.registries.attached_block import SpaceBlock
    from lakehouse.registries.user import User


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

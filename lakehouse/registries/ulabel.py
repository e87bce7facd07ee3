"""Universal labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.annotation.curate import CanCurate
from lakehouse.annotation.renaming import TellsRenames
from lakehouse.orm import QuerySet, TrackedRecord, TrackedRow
from lakehouse.orm.hierarchy import HasParents, HasType
from lakehouse.registries._relations import relations_of

if TYPE_CHECKING:
    from lakehouse.annotation.managers import KeyManager, LinkManager
    from lakehouse.orm.fields import FieldDescriptor, ForeignKeyDescriptor, RelationDescriptor
    from lakehouse.orm.unset import UNSET, Unset
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.attached_block import ULabelBlock
    from lakehouse.registries.branch import Branch
    from lakehouse.registries.collection import Collection
    from lakehouse.registries.project import Project
    from lakehouse.registries.record import Record
    from lakehouse.registries.run import Run
    from lakehouse.registries.space import Space
    from lakehouse.registries.transform import Transform
    from lakehouse.registries.user import User


class ULabelRow(TrackedRow):
    """A row of the table `ulabel`."""

    name: str | None = None
    type_uid: str | None = None
    is_type: bool = False
    description: str | None = None
    reference: str | None = None
    reference_type: str | None = None


class ULabel(
    CanCurate,
    TellsRenames,
    HasType,
    HasParents,
    TrackedRecord,
    row=ULabelRow,
    unique=(("name", "type_uid"),),
    names_per_branch=True,
    foreign_keys={"type": "ULabel"},
    required=("name",),
    relations=relations_of("ULabel"),
):
    """Simple labels, grouped by types.

    Example:
        >>> kind = ULabel(name="QC", is_type=True).save()
        >>> ULabel(name="passed", type=kind).save()
    """

    if TYPE_CHECKING:
        name: FieldDescriptor[str]
        type: ForeignKeyDescriptor[ULabel | None]
        description: FieldDescriptor[str | None]
        reference: FieldDescriptor[str | None]
        reference_type: FieldDescriptor[str | None]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        collections: RelationDescriptor[LinkManager[Collection]]
        transforms: RelationDescriptor[LinkManager[Transform]]
        runs: RelationDescriptor[LinkManager[Run]]
        linked_in_records: RelationDescriptor[LinkManager[Record]]
        projects: RelationDescriptor[LinkManager[Project]]
        branches: RelationDescriptor[LinkManager[Branch]]
        parents: RelationDescriptor[LinkManager[ULabel]]
        children: RelationDescriptor[LinkManager[ULabel]]
        ulabels: RelationDescriptor[KeyManager[ULabel]]
        ablocks: RelationDescriptor[KeyManager[ULabelBlock]]

        def __init__(
            self,
            *,
            name: str,
            type: ULabel | Unset | None = UNSET,
            is_type: bool | None = False,
            description: str | None = None,
            reference: str | None = None,
            reference_type: str | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    def query_ulabels(self) -> QuerySet[ULabel]:
        """The labels of this type and of all types below it, those types included."""
        return self._members_of_type()

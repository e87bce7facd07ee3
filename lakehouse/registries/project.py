"""Projects."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from lakehouse.annotation.curate import CanCurate
from lakehouse.orm import QuerySet, TrackedRecord, TrackedRow
from lakehouse.orm.hierarchy import HasParents, HasType
from lakehouse.registries._relations import relations_of
from lakehouse.registries._validated import Abbreviation, Url

if TYPE_CHECKING:
    from lakehouse.annotation.managers import KeyManager, LinkManager
    from lakehouse.orm.fields import FieldDescriptor, ForeignKeyDescriptor, RelationDescriptor
    from lakehouse.orm.unset import UNSET, Unset
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.attached_block import ProjectBlock
    from lakehouse.registries.block import Block
    from lakehouse.registries.branch import Branch
    from lakehouse.registries.collection import Collection
    from lakehouse.registries.feature import Feature
    from lakehouse.registries.record import Record
    from lakehouse.registries.reference import Reference
    from lakehouse.registries.run import Run
    from lakehouse.registries.schema import Schema
    from lakehouse.registries.space import Space
    from lakehouse.registries.transform import Transform
    from lakehouse.registries.ulabel import ULabel
    from lakehouse.registries.user import User


class ProjectRow(TrackedRow):
    """A row of the table `project`."""

    name: str | None = None
    description: str | None = None
    type_uid: str | None = None
    is_type: bool = False
    abbr: Abbreviation | None = None
    url: Url | None = None
    start_date: date | None = None
    end_date: date | None = None


class Project(
    CanCurate,
    HasType,
    HasParents,
    TrackedRecord,
    row=ProjectRow,
    unique=(("name", "type_uid"),),
    names_per_branch=True,
    foreign_keys={"type": "Project"},
    required=("name",),
    relations=relations_of("Project"),
):
    """Projects, to which artifacts, runs, records and most other things can be linked.

    Args:
        name: The project's name.
        description: What it is about.
        abbr: An abbreviation.
        url: Its page on the web.
        start_date, end_date: When it begins and ends.
        is_type: Whether it is a type of projects.
        type: The type that it belongs to.

    Raises:
        FieldValidationError: A field has the wrong form; the message names the field.

    Example:
        >>> Project(name="Atlas", abbr="AT", url="https://example.org").save()
    """

    if TYPE_CHECKING:
        name: FieldDescriptor[str]
        description: FieldDescriptor[str | None]
        type: ForeignKeyDescriptor[Project | None]
        abbr: FieldDescriptor[str | None]
        url: FieldDescriptor[str | None]
        start_date: FieldDescriptor[date | None]
        end_date: FieldDescriptor[date | None]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        collections: RelationDescriptor[LinkManager[Collection]]
        transforms: RelationDescriptor[LinkManager[Transform]]
        runs: RelationDescriptor[LinkManager[Run]]
        linked_in_records: RelationDescriptor[LinkManager[Record]]
        records: RelationDescriptor[LinkManager[Record]]
        schemas: RelationDescriptor[LinkManager[Schema]]
        features: RelationDescriptor[LinkManager[Feature]]
        ulabels: RelationDescriptor[LinkManager[ULabel]]
        blocks: RelationDescriptor[LinkManager[Block]]
        branches: RelationDescriptor[LinkManager[Branch]]
        users: RelationDescriptor[LinkManager[User]]
        references: RelationDescriptor[LinkManager[Reference]]
        predecessors: RelationDescriptor[LinkManager[Project]]
        successors: RelationDescriptor[LinkManager[Project]]
        parents: RelationDescriptor[LinkManager[Project]]
        children: RelationDescriptor[LinkManager[Project]]
        projects: RelationDescriptor[KeyManager[Project]]
        ablocks: RelationDescriptor[KeyManager[ProjectBlock]]

        def __init__(
            self,
            *,
            name: str,
            description: str | None = None,
            type: Project | Unset | None = UNSET,
            is_type: bool | None = False,
            abbr: str | None = None,
            url: str | None = None,
            start_date: date | None = None,
            end_date: date | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    def query_projects(self) -> QuerySet[Project]:
        """The projects of this type and of all types below it, those types included."""
        return self._members_of_type()

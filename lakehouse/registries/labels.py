"""Universal labels."""

from __future__ import annotations

import datetime
from datetime import date
from typing import TYPE_CHECKING

from lakehouse.features.rename import TellsRenames
from lakehouse.orm import QuerySet, TrackedRecord, TrackedRow
from lakehouse.orm.record.hierarchy import HasParents, HasType
from lakehouse.registries.relations import relations_of
from lakehouse.registries.validated import Abbreviation, Doi, Url
from lakehouse.terms.registry import CanCurate

if TYPE_CHECKING:
    from lakehouse.orm.model.meta import FieldDescriptor, ForeignKeyDescriptor, RelationDescriptor
    from lakehouse.orm.model.unset import UNSET, Unset
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.attached_block import ProjectBlock, ULabelBlock
    from lakehouse.registries.block import Block
    from lakehouse.registries.collection import Collection
    from lakehouse.registries.feature import Feature
    from lakehouse.registries.place import Branch, Space, User
    from lakehouse.registries.record.record import Record
    from lakehouse.registries.run import Run, Transform
    from lakehouse.registries.schema.record import Schema
    from lakehouse.relations.managers import KeyManager, LinkManager


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


# -- Projects


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


# -- References: papers, preprints, books, pages


class ReferenceRow(TrackedRow):
    """A row of the table `reference`."""

    name: str | None = None
    description: str | None = None
    type_uid: str | None = None
    is_type: bool = False
    abbr: Abbreviation | None = None
    url: Url | None = None
    pubmed_id: int | None = None
    doi: Doi | None = None
    text: str | None = None
    date: datetime.date | None = None


class Reference(
    CanCurate,
    HasType,
    TrackedRecord,
    row=ReferenceRow,
    unique=(("name", "type_uid"),),
    names_per_branch=True,
    foreign_keys={"type": "Reference"},
    required=("name",),
    relations=relations_of("Reference"),
):
    """Sources of knowledge: publications, documents, web pages.

    Args:
        name: The title.
        description: What it says.
        abbr: An abbreviation.
        url: Where it is on the web.
        pubmed_id: Its number in PubMed.
        doi: Its digital object identifier.
        text: Its abstract, or its full text.
        date: When it was published.
        is_type: Whether it is a type of references.
        type: The type that it belongs to.

    Raises:
        FieldValidationError: A field has the wrong form; the message names the field.

    Example:
        >>> Reference(name="A paper", doi="10.1000/182").save()
    """

    if TYPE_CHECKING:
        name: FieldDescriptor[str]
        description: FieldDescriptor[str | None]
        type: ForeignKeyDescriptor[Reference | None]
        abbr: FieldDescriptor[str | None]
        url: FieldDescriptor[str | None]
        pubmed_id: FieldDescriptor[int | None]
        doi: FieldDescriptor[str | None]
        text: FieldDescriptor[str | None]
        date: FieldDescriptor[datetime.date | None]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        collections: RelationDescriptor[LinkManager[Collection]]
        transforms: RelationDescriptor[LinkManager[Transform]]
        linked_in_records: RelationDescriptor[LinkManager[Record]]
        records: RelationDescriptor[LinkManager[Record]]
        projects: RelationDescriptor[LinkManager[Project]]
        references: RelationDescriptor[KeyManager[Reference]]

        def __init__(
            self,
            *,
            name: str,
            description: str | None = None,
            type: Reference | Unset | None = UNSET,
            is_type: bool | None = False,
            abbr: str | None = None,
            url: str | None = None,
            pubmed_id: int | None = None,
            doi: str | None = None,
            text: str | None = None,
            date: datetime.date | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    def query_references(self) -> QuerySet[Reference]:
        """The references of this type and of all types below it, those types included."""
        return self._members_of_type()

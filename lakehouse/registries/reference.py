"""References: papers, preprints, books, pages."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from lakehouse.annotation.curate import CanCurate
from lakehouse.orm import QuerySet, TrackedRecord, TrackedRow
from lakehouse.orm.hierarchy import HasType
from lakehouse.registries._relations import relations_of
from lakehouse.registries._validated import Abbreviation, Doi, Url

if TYPE_CHECKING:
    from lakehouse.annotation.managers import KeyManager, LinkManager
    from lakehouse.orm.fields import FieldDescriptor, ForeignKeyDescriptor, RelationDescriptor
    from lakehouse.orm.unset import UNSET, Unset
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.branch import Branch
    from lakehouse.registries.collection import Collection
    from lakehouse.registries.project import Project
    from lakehouse.registries.record import Record
    from lakehouse.registries.run import Run
    from lakehouse.registries.space import Space
    from lakehouse.registries.transform import Transform
    from lakehouse.registries.user import User


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

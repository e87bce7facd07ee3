"""References: papers, preprints, books, pages."""

from __future__ import annotations

import datetime

from lakehouse.annotation.curate import CanCurate
from lakehouse.orm import BaseRecord, QuerySet, TrackedRow
from lakehouse.orm.hierarchy import HasType
from lakehouse.registries._relations import relations_of
from lakehouse.registries._validated import Abbreviation, Doi, Url


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
    BaseRecord,
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

    def query_references(self) -> QuerySet[Reference]:
        """The references of this type and of all types below it, those types included."""
        return self._members_of_type()

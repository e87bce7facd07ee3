"""Projects."""

from __future__ import annotations

from datetime import date

from lakehouse.annotation.curate import CanCurate
from lakehouse.orm import BaseRecord, QuerySet, TrackedRow
from lakehouse.orm.hierarchy import HasParents, HasType
from lakehouse.registries._relations import relations_of
from lakehouse.registries._validated import Abbreviation, Url


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
    BaseRecord,
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

    def query_projects(self) -> QuerySet[Project]:
        """The projects of this type and of all types below it, those types included."""
        return self._members_of_type()

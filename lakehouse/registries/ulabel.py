"""Universal labels."""

from __future__ import annotations

from lakehouse.annotation.curate import CanCurate
from lakehouse.annotation.renaming import TellsRenames
from lakehouse.orm import BaseRecord, QuerySet, TrackedRow
from lakehouse.orm.hierarchy import HasParents, HasType
from lakehouse.registries._relations import relations_of


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
    BaseRecord,
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

    def query_ulabels(self) -> QuerySet[ULabel]:
        """The labels of this type and of all types below it, those types included."""
        return self._members_of_type()

"""Universal labels."""

from __future__ import annotations

from lakehouse.annotation.curate import CanCurate
from lakehouse.orm import BaseRecord, TrackedRow


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
    BaseRecord,
    row=ULabelRow,
    unique=(("name", "type_uid"),),
    foreign_keys={"type": "ULabel"},
    required=("name",),
):
    """Simple labels, grouped by types.

    Example:
        >>> kind = ULabel(name="QC", is_type=True).save()  # doctest: +SKIP
        >>> ULabel(name="passed", type=kind).save()        # doctest: +SKIP
    """

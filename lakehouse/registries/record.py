"""Metadata records: samples, experiments, instruments, whatever a lab keeps track of."""

from __future__ import annotations

from typing import Any

from lakehouse.annotation.curate import CanCurate
from lakehouse.annotation.features import FeatureManager
from lakehouse.annotation.frames import with_features
from lakehouse.annotation.lookup import lookup_on
from lakehouse.orm import BaseRecord, QuerySet, TrackedRow
from lakehouse.orm.hierarchy import HasParents, HasType
from lakehouse.registries._relations import relations_of


class RecordRow(TrackedRow):
    """A row of the table `record`."""

    name: str | None = None
    type_uid: str | None = None
    is_type: bool = False
    description: str | None = None
    reference: str | None = None
    reference_type: str | None = None
    schema_uid: str | None = None
    extra_data: dict[str, Any] | None = None


class Record(
    CanCurate,
    HasType,
    HasParents,
    BaseRecord,
    row=RecordRow,
    unique=(("name", "type_uid"),),
    names_per_branch=True,
    foreign_keys={"type": "Record", "schema": "Schema"},
    relations=relations_of("Record"),
    feature_lookup=lookup_on("record"),
    feature_columns=with_features,
):
    """Flexible records; a record with `is_type=True` groups those that name it as `type`.

    Example:
        >>> samples = Record(name="Samples", is_type=True).save()  # doctest: +SKIP
        >>> Record(name="S-1", type=samples).save()                # doctest: +SKIP
    """

    def query_records(self) -> QuerySet[Record]:
        """The records of this type and of all types below it, those types included."""
        return self._members_of_type()

    @property
    def features(self) -> FeatureManager:
        """The features that the record is annotated with; see `FeatureManager`."""
        return FeatureManager(self)

    @property
    def is_sheet(self) -> bool:
        """Whether it is a type whose records fulfil a schema."""
        return bool(self._values.get("is_type")) and self._values.get("schema_uid") is not None

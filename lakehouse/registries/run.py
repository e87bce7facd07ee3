"""Runs of transforms."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.annotation.features import FeatureManager
from lakehouse.annotation.lookup import lookup_on
from lakehouse.orm import BaseRecord, TrackedRow
from lakehouse.registries._relations import relations_of

if TYPE_CHECKING:
    from lakehouse.orm import Batch

RunStatus = Literal["scheduled", "restarted", "started", "completed", "errored", "aborted"]


class RunRow(TrackedRow):
    """A row of the table `run`."""

    name: str | None = None
    description: str | None = None
    transform_uid: str | None = None
    entrypoint: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    status: RunStatus | None = "scheduled"
    params: dict[str, Any] | None = None
    cli_args: str | None = None
    reference: str | None = None
    reference_type: str | None = None
    report_uid: str | None = None
    environment_uid: str | None = None
    plan_uid: str | None = None
    initiated_by_run_uid: str | None = None
    extra_data: dict[str, Any] | None = None


class Run(
    BaseRecord,
    row=RunRow,
    match=(),
    required=("transform_uid",),
    foreign_keys={
        "transform": "Transform",
        "report": "Artifact",
        "environment": "Artifact",
        "plan": "Artifact",
        "initiated_by_run": "Run",
    },
    relations=relations_of("Run"),
    feature_lookup=lookup_on("run"),
):
    """Executions of a transform.

    Example:
        >>> Run(transform, params={"epochs": 3}).save().status  # doctest: +SKIP
        'scheduled'
    """

    def __init__(self, transform: Any = None, **fields: Any) -> None:
        if transform is not None:
            fields["transform"] = transform
        super().__init__(**fields)

    @property
    def features(self) -> FeatureManager:
        """The features that the run is annotated with; see `FeatureManager`."""
        return FeatureManager(self)

    def _before_save(self, batch: Batch) -> None:
        if self._values.get("started_at") is None:
            self._values["started_at"] = batch.now

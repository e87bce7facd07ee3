"""Runs of transforms."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.annotation.checks import is_kept
from lakehouse.annotation.features import FeatureManager
from lakehouse.annotation.frames import with_features
from lakehouse.annotation.lookup import lookup_on
from lakehouse.errors import InvalidArgument
from lakehouse.orm import BaseRecord, TrackedRow
from lakehouse.registries._relations import relations_of
from lakehouse.registries._validated import PlainReference

if TYPE_CHECKING:
    from lakehouse.orm import Batch

RunStatus = Literal["scheduled", "restarted", "started", "completed", "errored", "aborted"]


class RunRow(TrackedRow):
    """A row of the table `run`.

    Attributes:
        name: A name.
        description: What the run is for.
        transform_uid: The transform that runs.
        entrypoint: The function or command that was started.
        started_at, finished_at: When it began and ended.
        status: How far it is.
        params: Its parameters.
        cli_args: The arguments of its command line.
        reference, reference_type: A reference to an outside resource, and its kind.
        report_uid: An artifact with its report or log.
        environment_uid: An artifact that describes the environment it ran in.
        plan_uid: An artifact with the plan that it follows.
        initiated_by_run_uid: The run that started it.
        extra_data: Anything else.
    """

    name: str | None = None
    description: str | None = None
    transform_uid: str | None = None
    entrypoint: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    status: RunStatus | None = "scheduled"
    params: dict[str, Any] | None = None
    cli_args: str | None = None
    reference: PlainReference | None = None
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
    part_of="transform",
    relations=relations_of("Run"),
    feature_lookup=lookup_on("run"),
    feature_columns=with_features,
):
    """Executions of a transform, which are deleted for good with it.

    Args:
        transform: The saved transform.
        **fields: Fields of a run, e.g. `name`, `params`, `reference`, `initiated_by_run`.

    Raises:
        InvalidArgument: The transform isn't saved.

    Example:
        >>> Run(transform, params={"epochs": 3}).save().status
        'scheduled'
    """

    def __init__(self, transform: Any = None, *more: Any, **fields: Any) -> None:
        if more:
            raise InvalidArgument(
                "Only one non-keyword arg allowed: transform", found=", ".join(map(repr, more))
            )
        if transform is not None:
            fields["transform"] = transform
        super().__init__(**fields)
        if isinstance(transform, BaseRecord) and not is_kept(transform):
            raise InvalidArgument(
                f"{transform!r} isn't saved, so it has no runs.", hint="transform.save()"
            )

    @property
    def features(self) -> FeatureManager:
        """The features that the run is annotated with; see `FeatureManager`."""
        return FeatureManager(self)

    def _before_save(self, batch: Batch) -> None:
        if self._values.get("started_at") is None:
            self._values["started_at"] = batch.now

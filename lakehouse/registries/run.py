"""Runs of transforms."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.annotation.checks import is_kept
from lakehouse.annotation.features import FeatureManager
from lakehouse.annotation.frames import with_features
from lakehouse.annotation.lookup import lookup_on
from lakehouse.errors import InvalidArgument
from lakehouse.orm import BaseRecord, TrackedRecord, TrackedRow
from lakehouse.registries._relations import relations_of
from lakehouse.registries._validated import PlainReference

if TYPE_CHECKING:
    from lakehouse.annotation.managers import KeyManager, LinkManager
    from lakehouse.orm import Batch
    from lakehouse.orm.fields import (
        FieldDescriptor,
        ForeignIdDescriptor,
        ForeignKeyDescriptor,
        RelationDescriptor,
    )
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.attached_block import RunBlock
    from lakehouse.registries.branch import Branch
    from lakehouse.registries.collection import Collection
    from lakehouse.registries.project import Project
    from lakehouse.registries.record import Record
    from lakehouse.registries.space import Space
    from lakehouse.registries.transform import Transform
    from lakehouse.registries.ulabel import ULabel
    from lakehouse.registries.user import User

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
    TrackedRecord,
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

    if TYPE_CHECKING:
        name: FieldDescriptor[str | None]
        description: FieldDescriptor[str | None]
        transform_uid: FieldDescriptor[str]
        transform: ForeignKeyDescriptor[Transform]
        transform_id: ForeignIdDescriptor[str]
        entrypoint: FieldDescriptor[str | None]
        started_at: FieldDescriptor[datetime | None]
        finished_at: FieldDescriptor[datetime | None]
        status: FieldDescriptor[RunStatus | None]
        params: FieldDescriptor[dict[str, Any] | None]
        cli_args: FieldDescriptor[str | None]
        reference: FieldDescriptor[str | None]
        reference_type: FieldDescriptor[str | None]
        report_uid: FieldDescriptor[str | None]
        report: ForeignKeyDescriptor[Artifact | None]
        report_id: ForeignIdDescriptor[str | None]
        environment_uid: FieldDescriptor[str | None]
        environment: ForeignKeyDescriptor[Artifact | None]
        environment_id: ForeignIdDescriptor[str | None]
        plan_uid: FieldDescriptor[str | None]
        plan: ForeignKeyDescriptor[Artifact | None]
        plan_id: ForeignIdDescriptor[str | None]
        initiated_by_run_uid: FieldDescriptor[str | None]
        initiated_by_run: ForeignKeyDescriptor[Run | None]
        initiated_by_run_id: ForeignIdDescriptor[str | None]
        extra_data: FieldDescriptor[dict[str, Any] | None]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        input_artifacts: RelationDescriptor[LinkManager[Artifact]]
        input_collections: RelationDescriptor[LinkManager[Collection]]
        input_records: RelationDescriptor[LinkManager[Record]]
        recreated_artifacts: RelationDescriptor[LinkManager[Artifact]]
        recreated_collections: RelationDescriptor[LinkManager[Collection]]
        ulabels: RelationDescriptor[LinkManager[ULabel]]
        records: RelationDescriptor[LinkManager[Record]]
        projects: RelationDescriptor[LinkManager[Project]]
        linked_artifacts: RelationDescriptor[LinkManager[Artifact]]
        linked_in_records: RelationDescriptor[LinkManager[Record]]
        initiated_runs: RelationDescriptor[KeyManager[Run]]
        output_transforms: RelationDescriptor[KeyManager[Transform]]
        output_artifacts: RelationDescriptor[KeyManager[Artifact]]
        output_collections: RelationDescriptor[KeyManager[Collection]]
        output_records: RelationDescriptor[KeyManager[Record]]
        ablocks: RelationDescriptor[KeyManager[RunBlock]]

        def __init__(
            self,
            transform: Transform | None = None,
            *,
            name: str | None = None,
            description: str | None = None,
            entrypoint: str | None = None,
            started_at: datetime | None = None,
            finished_at: datetime | None = None,
            status: RunStatus | None = "scheduled",
            params: dict[str, Any] | None = None,
            cli_args: str | None = None,
            reference: str | None = None,
            reference_type: str | None = None,
            report: Artifact | None = None,
            environment: Artifact | None = None,
            plan: Artifact | None = None,
            initiated_by_run: Run | None = None,
            extra_data: dict[str, Any] | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    def _construct(self, transform: Transform | None = None, *more: Any, **fields: Any) -> None:
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

    if not TYPE_CHECKING:
        __init__ = _construct

    @property
    def features(self) -> FeatureManager:
        """The features that the run is annotated with; see `FeatureManager`."""
        return FeatureManager(self)

    def _before_save(self, batch: Batch) -> None:
        if self._values.get("started_at") is None:
            self._values["started_at"] = batch.now

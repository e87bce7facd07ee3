"""Transforms: pipelines, notebooks, scripts and functions, by version."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.config import notify
from lakehouse.errors import InvalidArgument
from lakehouse.features.filter import lookup_on
from lakehouse.features.frames import with_features
from lakehouse.features.manager import FeatureManager
from lakehouse.orm import (
    BaseRecord,
    TrackedRecord,
    TrackedRow,
    Versioned,
    VersionedRow,
    version_fields,
)
from lakehouse.orm.model.builtin import TRASH
from lakehouse.orm.query.queryset import QuerySet
from lakehouse.orm.record.hierarchy import ViewParents
from lakehouse.orm.record.versions import inherit, is_held
from lakehouse.registries.relations import relations_of
from lakehouse.registries.validated import PlainReference
from lakehouse.relations.checks import is_kept
from lakehouse.storage.hashing import hash_bytes

if TYPE_CHECKING:
    from lakehouse.orm import Batch
    from lakehouse.orm.model.meta import (
        FieldDescriptor,
        ForeignIdDescriptor,
        ForeignKeyDescriptor,
        RelationDescriptor,
    )
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.attached_block import RunBlock, TransformBlock
    from lakehouse.registries.collection import Collection
    from lakehouse.registries.labels import Project, Reference, ULabel
    from lakehouse.registries.place import Branch, Space, User
    from lakehouse.registries.record.record import Record
    from lakehouse.relations.managers import KeyManager, LinkManager


TransformKind = Literal["pipeline", "notebook", "script", "function"]


class TransformRow(VersionedRow):
    """A row of the table `transform`.

    Attributes:
        key: A path-like name, which names the version family.
        description: What it does.
        kind: `"pipeline"`, `"notebook"`, `"script"` or `"function"`.
        source_code: Its source code.
        hash: Digest of the source code; transforms with equal hashes are one.
        reference: A reference to an outside resource, e.g. the URL of a repository.
        reference_type: What kind of reference that is, e.g. `"url"`.
        environment_uid: An artifact that describes the environment it runs in.
        plan_uid: An artifact with the plan that it follows.
    """

    key: str | None = None
    description: str | None = None
    kind: TransformKind | None = "pipeline"
    source_code: str | None = None
    hash: str | None = None
    reference: PlainReference | None = None
    reference_type: str | None = None
    environment_uid: str | None = None
    plan_uid: str | None = None
    config: dict[str, Any] | None = None


class Transform(
    ViewParents,
    Versioned,
    row=TransformRow,
    name_field="key",
    match=(),
    required=("key",),
    versioned=True,
    foreign_keys={"environment": "Artifact", "plan": "Artifact"},
    computed=version_fields("transform"),
    relations=relations_of("Transform"),
):
    """Data transformations. Equal keys make a version family; changed source a new version.

    A key with source code that is known gives the existing version, also from the trash. A key
    alone means the latest version as long as that has no source code either; it is a new one
    otherwise, and if another version tag is asked for.

    Args:
        key: A path-like name, e.g. `pipelines/align.py`.
        description: What it does.
        version: A tag for the version.
        kind: `"pipeline"`, `"notebook"`, `"script"` or `"function"`; also `type`.
        source_code: Its source code.
        revises: The version that this one follows; its key is the default.
        reference: A reference to an outside resource.
        reference_type: What kind of reference that is.

    Raises:
        InvalidArgument: Another version has that tag.

    Example:
        >>> Transform(key="Cell Ranger", version="7.2.0", kind="pipeline").save()
    """

    if TYPE_CHECKING:
        key: FieldDescriptor[str]
        description: FieldDescriptor[str | None]
        kind: FieldDescriptor[TransformKind | None]
        source_code: FieldDescriptor[str | None]
        hash: FieldDescriptor[str | None]
        reference: FieldDescriptor[str | None]
        reference_type: FieldDescriptor[str | None]
        environment_uid: FieldDescriptor[str | None]
        environment: ForeignKeyDescriptor[Artifact | None]
        environment_id: ForeignIdDescriptor[str | None]
        plan_uid: FieldDescriptor[str | None]
        plan: ForeignKeyDescriptor[Artifact | None]
        plan_id: ForeignIdDescriptor[str | None]
        config: FieldDescriptor[dict[str, Any] | None]
        predecessors: RelationDescriptor[LinkManager[Transform]]
        successors: RelationDescriptor[LinkManager[Transform]]
        ulabels: RelationDescriptor[LinkManager[ULabel]]
        records: RelationDescriptor[LinkManager[Record]]
        projects: RelationDescriptor[LinkManager[Project]]
        references: RelationDescriptor[LinkManager[Reference]]
        linked_in_records: RelationDescriptor[LinkManager[Record]]
        runs: RelationDescriptor[KeyManager[Run]]
        ablocks: RelationDescriptor[KeyManager[TransformBlock]]

        def __init__(
            self,
            key: str | None = None,
            *,
            revises: Transform | None = None,
            version: str | None = None,
            type: TransformKind | None = None,
            description: str | None = None,
            kind: TransformKind | None = "pipeline",
            source_code: str | None = None,
            reference: str | None = None,
            reference_type: str | None = None,
            environment: Artifact | None = None,
            plan: Artifact | None = None,
            config: dict[str, Any] | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    _hashed: str | None = None  # what the present source gave, if it was changed

    def _construct(
        self,
        key: str | None = None,
        *,
        revises: Transform | None = None,
        version: str | None = None,
        type: TransformKind | None = None,
        **fields: Any,
    ) -> None:
        if version is not None:
            fields.setdefault("version_tag", version)
        if type is not None:
            fields.setdefault("kind", type)
        if isinstance(revises, Transform):
            key = key or revises._values.get("key")
            fields.setdefault("description", revises._values.get("description"))
        if (source := fields.get("source_code")) is not None and isinstance(source, str):
            # what UTF-8 can't encode is refused with the field, not here
            data = source.encode("utf-8", "surrogatepass")
            fields.setdefault("hash", hash_bytes(data))
        super().__init__(key=key, **fields)
        if "uid" in fields:
            return
        if revises is not None:
            self._revise(revises)
        elif not self._join_staged({"key": self._values["key"]}) and not self._become_known():
            self._join_family()
            inherit(self, "description")

    if not TYPE_CHECKING:
        __init__ = _construct

    def _set_given(self, given: dict[str, Any]) -> None:
        """The transform is known: it takes a description, and source code if it had none."""
        taken = {"description"}
        if self._values.get("hash") is None:
            taken |= {"source_code", "hash"}
        super()._set_given({n: v for n, v in given.items() if n in taken})

    def _become_known(self) -> bool:
        """Become the existing transform that this constructor call means, if there is one."""
        found = self._with_same_source() or self._with_same_key()
        if found is None:
            return False
        key = found._values.get("key")
        notify(f"returning the existing Transform: key={key!r}, version {found.version!r}")
        self._adopt(dict(found._values))
        return True

    def _with_same_source(self) -> Transform | None:
        hash_ = self._values.get("hash")
        if hash_ is None or not is_held(self._lake, "transform", "hash", hash_):
            return None
        known: QuerySet[Transform] = QuerySet(Transform, self._lake)
        places = [*self._lake.visible_branches, TRASH]
        same = known.filter(hash=hash_, key=self._values["key"], branch_uid__in=places)
        found = list(same.order_by("uid"))
        shown = [t for t in found if t._values.get("branch_uid") != TRASH]
        return next(reversed(shown or found), None)

    def _with_same_key(self) -> Transform | None:
        key = self._values["key"]
        if not is_held(self._lake, "transform", "key", key):
            return None
        family: QuerySet[Transform] = QuerySet(Transform, self._lake)
        versions = list(family.filter(key=key).order_by("uid"))
        tag = self._values.get("version_tag")
        if tag is not None:
            tagged = [t for t in versions if t._values.get("version_tag") == tag]
            return tagged[0] if tagged and self._is_same_as(tagged[0]._values) else None
        return versions[-1] if versions and self._is_same_as(versions[-1]._values) else None

    def _is_same_as(self, row: dict[str, Any]) -> bool:
        given = self._values
        tag = given.get("version_tag")
        if tag is not None and row.get("version_tag") != tag:
            return False
        hash_, known = given.get("hash"), row.get("hash")
        return known in (None, hash_) or (hash_ is None and tag is not None)

    def _before_save(self, batch: Batch) -> None:
        changed = self._old or {}
        given = "hash" in changed and self._values.get("hash") != self._hashed
        if self._saved and "source_code" in changed and not given:
            source = self._values.get("source_code")
            self._hashed = None if source is None else hash_bytes(source.encode())
            self._set("hash", self._hashed)
        super()._before_save(batch)

    @property
    def type(self) -> TransformKind | None:
        """The kind, under its former name."""
        found: TransformKind | None = self._values.get("kind")
        return found

    @property
    def name(self) -> str:
        """The last part of the key."""
        return str(self._values["key"]).rpartition("/")[2]

    @property
    def latest_run(self) -> Run | None:
        """The newest run of this version, or None."""
        runs: QuerySet[Run] = QuerySet(self._lake.directory.get("Run"), self._lake)
        return runs.filter(transform=self).last()


# -- Runs of transforms


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

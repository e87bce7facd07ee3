"""Blocks that are attached to records: one registry for each registry that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.orm import version_fields
from lakehouse.orm.model.meta import table_name
from lakehouse.registries.block import AttachedBlock, ContentRow
from lakehouse.registries.relations import relations_of

if TYPE_CHECKING:
    from lakehouse.orm.model.meta import FieldDescriptor, ForeignIdDescriptor, ForeignKeyDescriptor
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.block import BaseBlock, BlockKind
    from lakehouse.registries.collection import Collection
    from lakehouse.registries.feature import Feature
    from lakehouse.registries.labels import Project, ULabel
    from lakehouse.registries.place import Branch, Space, User
    from lakehouse.registries.record.record import Record
    from lakehouse.registries.run import Run, Transform
    from lakehouse.registries.schema.record import Schema


def _attached_to(target: str) -> dict[str, Any]:
    """The class keywords of the blocks of a registry's records."""
    field = table_name(target)
    return {
        "table": f"{field}_block",
        "name_field": "kind",
        "match": (),
        "versioned": True,
        "foreign_keys": {field: target},
        "part_of": field,
        "computed": version_fields(f"{field}_block"),
        "relations": relations_of(f"{target}Block"),
    }


class RecordBlockRow(ContentRow):
    """A row of the table `record_block`."""

    record_uid: str | None = None


class RecordBlock(AttachedBlock, row=RecordBlockRow, **_attached_to("Record")):
    """Readmes of a Record, and comments on it."""

    if TYPE_CHECKING:
        record_uid: FieldDescriptor[str]
        record: ForeignKeyDescriptor[Record]
        record_id: ForeignIdDescriptor[str]

        def __init__(
            self,
            *,
            revises: BaseBlock | None = None,
            version: str | None = None,
            content: str | None = None,
            kind: BlockKind | None = None,
            record: Record | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...


class ArtifactBlockRow(ContentRow):
    """A row of the table `artifact_block`."""

    artifact_uid: str | None = None


class ArtifactBlock(AttachedBlock, row=ArtifactBlockRow, **_attached_to("Artifact")):
    """Readmes of an Artifact, and comments on it."""

    if TYPE_CHECKING:
        artifact_uid: FieldDescriptor[str]
        artifact: ForeignKeyDescriptor[Artifact]
        artifact_id: ForeignIdDescriptor[str]

        def __init__(
            self,
            *,
            revises: BaseBlock | None = None,
            version: str | None = None,
            content: str | None = None,
            kind: BlockKind | None = None,
            artifact: Artifact | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...


class TransformBlockRow(ContentRow):
    """A row of the table `transform_block`."""

    transform_uid: str | None = None
    line_number: int | None = None


class TransformBlock(AttachedBlock, row=TransformBlockRow, **_attached_to("Transform")):
    """Readmes of a Transform, and comments on it."""

    if TYPE_CHECKING:
        transform_uid: FieldDescriptor[str]
        transform: ForeignKeyDescriptor[Transform]
        transform_id: ForeignIdDescriptor[str]
        line_number: FieldDescriptor[int | None]

        def __init__(
            self,
            *,
            revises: BaseBlock | None = None,
            version: str | None = None,
            content: str | None = None,
            kind: BlockKind | None = None,
            transform: Transform | None = None,
            line_number: int | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...


class RunBlockRow(ContentRow):
    """A row of the table `run_block`."""


class RunBlock(AttachedBlock, row=RunBlockRow, **_attached_to("Run")):
    """Readmes of a Run, and comments on it."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            revises: BaseBlock | None = None,
            version: str | None = None,
            content: str | None = None,
            kind: BlockKind | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...


class CollectionBlockRow(ContentRow):
    """A row of the table `collection_block`."""

    collection_uid: str | None = None


class CollectionBlock(AttachedBlock, row=CollectionBlockRow, **_attached_to("Collection")):
    """Readmes of a Collection, and comments on it."""

    if TYPE_CHECKING:
        collection_uid: FieldDescriptor[str]
        collection: ForeignKeyDescriptor[Collection]
        collection_id: ForeignIdDescriptor[str]

        def __init__(
            self,
            *,
            revises: BaseBlock | None = None,
            version: str | None = None,
            content: str | None = None,
            kind: BlockKind | None = None,
            collection: Collection | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...


class SchemaBlockRow(ContentRow):
    """A row of the table `schema_block`."""

    schema_uid: str | None = None


class SchemaBlock(AttachedBlock, row=SchemaBlockRow, **_attached_to("Schema")):
    """Readmes of a Schema, and comments on it."""

    if TYPE_CHECKING:
        schema_uid: FieldDescriptor[str]
        schema: ForeignKeyDescriptor[Schema]
        schema_id: ForeignIdDescriptor[str]

        def __init__(
            self,
            *,
            revises: BaseBlock | None = None,
            version: str | None = None,
            content: str | None = None,
            kind: BlockKind | None = None,
            schema: Schema | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...


class FeatureBlockRow(ContentRow):
    """A row of the table `feature_block`."""

    feature_uid: str | None = None


class FeatureBlock(AttachedBlock, row=FeatureBlockRow, **_attached_to("Feature")):
    """Readmes of a Feature, and comments on it."""

    if TYPE_CHECKING:
        feature_uid: FieldDescriptor[str]
        feature: ForeignKeyDescriptor[Feature]
        feature_id: ForeignIdDescriptor[str]

        def __init__(
            self,
            *,
            revises: BaseBlock | None = None,
            version: str | None = None,
            content: str | None = None,
            kind: BlockKind | None = None,
            feature: Feature | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...


class ProjectBlockRow(ContentRow):
    """A row of the table `project_block`."""

    project_uid: str | None = None


class ProjectBlock(AttachedBlock, row=ProjectBlockRow, **_attached_to("Project")):
    """Readmes of a Project, and comments on it."""

    if TYPE_CHECKING:
        project_uid: FieldDescriptor[str]
        project: ForeignKeyDescriptor[Project]
        project_id: ForeignIdDescriptor[str]

        def __init__(
            self,
            *,
            revises: BaseBlock | None = None,
            version: str | None = None,
            content: str | None = None,
            kind: BlockKind | None = None,
            project: Project | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...


class ULabelBlockRow(ContentRow):
    """A row of the table `ulabel_block`."""

    ulabel_uid: str | None = None


class ULabelBlock(AttachedBlock, row=ULabelBlockRow, **_attached_to("ULabel")):
    """Readmes of a ULabel, and comments on it."""

    if TYPE_CHECKING:
        ulabel_uid: FieldDescriptor[str]
        ulabel: ForeignKeyDescriptor[ULabel]
        ulabel_id: ForeignIdDescriptor[str]

        def __init__(
            self,
            *,
            revises: BaseBlock | None = None,
            version: str | None = None,
            content: str | None = None,
            kind: BlockKind | None = None,
            ulabel: ULabel | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...


class BranchBlockRow(ContentRow):
    """A row of the table `branch_block`."""


class BranchBlock(AttachedBlock, row=BranchBlockRow, **_attached_to("Branch")):
    """Readmes of a Branch, and comments on it."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            revises: BaseBlock | None = None,
            version: str | None = None,
            content: str | None = None,
            kind: BlockKind | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...


class SpaceBlockRow(ContentRow):
    """A row of the table `space_block`."""


class SpaceBlock(AttachedBlock, row=SpaceBlockRow, **_attached_to("Space")):
    """Readmes of a Space, and comments on it."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            revises: BaseBlock | None = None,
            version: str | None = None,
            content: str | None = None,
            kind: BlockKind | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

"""The row of a collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse.orm.record.versions import Versioned, VersionedRow

if TYPE_CHECKING:
    from lakehouse.orm.model.meta import (
        FieldDescriptor,
        ForeignIdDescriptor,
        ForeignKeyDescriptor,
        RelationDescriptor,
    )
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.attached_block import CollectionBlock
    from lakehouse.registries.labels import Project, Reference, ULabel
    from lakehouse.registries.record.record import Record
    from lakehouse.registries.run import Run
    from lakehouse.registries.schema.record import Schema
    from lakehouse.relations.managers import KeyManager, LinkManager


class CollectionRow(VersionedRow):
    """One version of one collection.

    Attributes:
        key: A path-like name, which names the version family.
        hash: Digest of the hashes of its artifacts.
        reference: A reference to an outside resource, e.g. an accession.
        reference_type: What kind of reference that is.
        schema_uid: The schema that all its artifacts satisfy.
        meta_artifact_uid: An artifact that describes the others.
    """

    key: str | None = None
    description: str | None = None
    hash: str | None = None
    reference: str | None = None
    reference_type: str | None = None
    schema_uid: str | None = None
    meta_artifact_uid: str | None = None


class CollectionFields(Versioned):
    """The fields and relations of collections."""

    if TYPE_CHECKING:
        key: FieldDescriptor[str]
        description: FieldDescriptor[str | None]
        hash: FieldDescriptor[str]
        reference: FieldDescriptor[str | None]
        reference_type: FieldDescriptor[str | None]
        schema_uid: FieldDescriptor[str | None]
        schema: ForeignKeyDescriptor[Schema | None]
        schema_id: ForeignIdDescriptor[str | None]
        meta_artifact_uid: FieldDescriptor[str | None]
        meta_artifact: ForeignKeyDescriptor[Artifact | None]
        meta_artifact_id: ForeignIdDescriptor[str | None]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        ulabels: RelationDescriptor[LinkManager[ULabel]]
        records: RelationDescriptor[LinkManager[Record]]
        projects: RelationDescriptor[LinkManager[Project]]
        references: RelationDescriptor[LinkManager[Reference]]
        input_of_runs: RelationDescriptor[LinkManager[Run]]
        recreating_runs: RelationDescriptor[LinkManager[Run]]
        linked_in_records: RelationDescriptor[LinkManager[Record]]
        ablocks: RelationDescriptor[KeyManager[CollectionBlock]]

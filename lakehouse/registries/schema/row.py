"""The row of a schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.orm import TrackedRecord, TrackedRow
from lakehouse.orm.record.hierarchy import HasType
from lakehouse.terms.registry import CanCurate

if TYPE_CHECKING:
    from lakehouse.bionty.registries import CellMarker, Gene, Pathway, Protein
    from lakehouse.orm.model.meta import (
        FieldDescriptor,
        ForeignIdDescriptor,
        ForeignKeyDescriptor,
        RelationDescriptor,
    )
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.attached_block import SchemaBlock
    from lakehouse.registries.collection import Collection
    from lakehouse.registries.feature import Feature
    from lakehouse.registries.labels import Project
    from lakehouse.registries.record.record import Record
    from lakehouse.registries.schema.record import Schema
    from lakehouse.relations.managers import KeyManager, LinkManager


class SchemaRow(TrackedRow):
    """A row of the table `schema`.

    Attributes:
        hash_key: The hash where it stands for the first schema of its content, else None: only
            schemas that were changed may be equal to others.
    """

    name: str | None = None
    description: str | None = None
    n_members: int | None = None
    dtype: str | None = None
    itype: str | None = None
    otype: str | None = None
    suffix: str | None = None
    type_uid: str | None = None
    is_type: bool = False
    hash: str | None = None
    hash_key: str | None = None
    minimal_set: bool = True
    maximal_set: bool = False
    ordered_set: bool = False
    coerce: bool | None = None
    flexible: bool = False
    index_uid: str | None = None
    slots_uids: dict[str, Any] | None = None
    constraints: dict[str, Any] | None = None
    content: dict[str, Any] | None = None
    history: dict[str, Any] | None = None


class SchemaFields(HasType, CanCurate, TrackedRecord):
    """The fields and relations of schemas."""

    if TYPE_CHECKING:
        name: FieldDescriptor[str | None]
        description: FieldDescriptor[str | None]
        n_members: FieldDescriptor[int | None]
        dtype: FieldDescriptor[str | None]
        itype: FieldDescriptor[str | None]
        otype: FieldDescriptor[str | None]
        suffix: FieldDescriptor[str | None]
        type: ForeignKeyDescriptor[Schema | None]
        hash: FieldDescriptor[str | None]
        hash_key: FieldDescriptor[str | None]
        minimal_set: FieldDescriptor[bool]
        maximal_set: FieldDescriptor[bool]
        ordered_set: FieldDescriptor[bool]
        coerce: FieldDescriptor[bool | None]
        flexible: FieldDescriptor[bool]
        index_uid: FieldDescriptor[str | None]
        index: ForeignKeyDescriptor[Feature | None]
        index_id: ForeignIdDescriptor[str | None]
        slots_uids: FieldDescriptor[dict[str, Any] | None]
        constraints: FieldDescriptor[dict[str, Any] | None]
        content: FieldDescriptor[dict[str, Any] | None]
        history: FieldDescriptor[dict[str, Any] | None]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        features: RelationDescriptor[LinkManager[Feature]]
        components: RelationDescriptor[LinkManager[Schema]]
        composites: RelationDescriptor[LinkManager[Schema]]
        projects: RelationDescriptor[LinkManager[Project]]
        genes: RelationDescriptor[LinkManager[Gene]]
        proteins: RelationDescriptor[LinkManager[Protein]]
        cell_markers: RelationDescriptor[LinkManager[CellMarker]]
        pathways: RelationDescriptor[LinkManager[Pathway]]
        validated_artifacts: RelationDescriptor[KeyManager[Artifact]]
        validated_collections: RelationDescriptor[KeyManager[Collection]]
        records: RelationDescriptor[KeyManager[Record]]
        schemas: RelationDescriptor[KeyManager[Schema]]
        ablocks: RelationDescriptor[KeyManager[SchemaBlock]]

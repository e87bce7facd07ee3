"""The row of an artifact, and where its bytes lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.identity import UID_LENGTH, new_uid
from lakehouse.orm.record.versions import Versioned, VersionedRow

if TYPE_CHECKING:
    from lakehouse.bionty.registries import (
        CellLine,
        CellMarker,
        CellType,
        DevelopmentalStage,
        Disease,
        Ethnicity,
        ExperimentalFactor,
        Gene,
        Organism,
        Pathway,
        Phenotype,
        Protein,
        Tissue,
    )
    from lakehouse.orm.model.meta import (
        FieldDescriptor,
        ForeignIdDescriptor,
        ForeignKeyDescriptor,
        RelationDescriptor,
    )
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.attached_block import ArtifactBlock
    from lakehouse.registries.collection import Collection
    from lakehouse.registries.labels import Project, Reference, ULabel
    from lakehouse.registries.place import Storage, User
    from lakehouse.registries.record.record import Record
    from lakehouse.registries.run import Run
    from lakehouse.registries.schema.record import Schema
    from lakehouse.relations.managers import KeyManager, LinkManager

_LONG = 200
OWN = ".lakehouse/"
"""Folder below a storage root that belongs to the lake."""
MANAGED = ".lakehouse/artifacts"
"""Folder below a storage root for the bytes of artifacts with virtual keys."""

PATH_SQL = (
    "(SELECT rtrim(s.root, '/') || '/' || {row}.storage_key FROM storage s"
    " WHERE s.uid = {row}.storage_uid)"
)
"""SQL of the place of an artifact's bytes."""


class ArtifactRow(VersionedRow):
    """One version of one artifact.

    Attributes:
        key: Relative path that names the version family; may be virtual.
        suffix: File suffix, or empty text.
        kind: `"dataset"`, `"model"` or any other text.
        otype: `"DataFrame"`, `"AnnData"` … or None.
        size: Bytes.
        hash: BLAKE2b-128 of the content, 22 characters of base64url.
        hash_key: The same where it stands for the content's only artifact, else None.
        n_files: Number of files of a folder.
        n_observations: Rows of a table, cells of an AnnData.
        storage_key: Where the bytes lie, relative to the storage root.
        key_is_virtual: Whether `storage_key` is made from the uid instead of the key.
        schema_uid: The schema that the content was validated against.
        schema_hash: The hash of what the schema demanded then; see `Schema.version`.
    """

    key: str | None = None
    description: str | None = None
    suffix: str | None = None
    kind: str | None = None
    otype: str | None = None
    size: int | None = None
    hash: str | None = None
    hash_key: str | None = None
    n_files: int | None = None
    n_observations: int | None = None
    storage_uid: str | None = None
    storage_key: str | None = None
    key_is_virtual: bool | None = None
    overwrite_versions: bool | None = None
    schema_uid: str | None = None
    schema_hash: str | None = None
    extra_data: dict[str, Any] | None = None


class ArtifactFields(Versioned):
    """The fields and relations of artifacts."""

    if TYPE_CHECKING:
        key: FieldDescriptor[str | None]
        description: FieldDescriptor[str | None]
        suffix: FieldDescriptor[str]
        kind: FieldDescriptor[str | None]
        otype: FieldDescriptor[str | None]
        size: FieldDescriptor[int | None]
        hash: FieldDescriptor[str | None]
        hash_key: FieldDescriptor[str | None]
        n_files: FieldDescriptor[int | None]
        n_observations: FieldDescriptor[int | None]
        storage_uid: FieldDescriptor[str]
        storage: ForeignKeyDescriptor[Storage]
        storage_id: ForeignIdDescriptor[str]
        storage_key: FieldDescriptor[str | None]
        key_is_virtual: FieldDescriptor[bool | None]
        overwrite_versions: FieldDescriptor[bool | None]
        schema_uid: FieldDescriptor[str | None]
        schema: ForeignKeyDescriptor[Schema | None]
        schema_id: ForeignIdDescriptor[str | None]
        schema_hash: FieldDescriptor[str | None]
        extra_data: FieldDescriptor[dict[str, Any] | None]
        ulabels: RelationDescriptor[LinkManager[ULabel]]
        records: RelationDescriptor[LinkManager[Record]]
        projects: RelationDescriptor[LinkManager[Project]]
        references: RelationDescriptor[LinkManager[Reference]]
        users: RelationDescriptor[LinkManager[User]]
        runs: RelationDescriptor[LinkManager[Run]]
        artifacts: RelationDescriptor[LinkManager[Artifact]]
        linked_by_artifacts: RelationDescriptor[LinkManager[Artifact]]
        schemas: RelationDescriptor[LinkManager[Schema]]
        collections: RelationDescriptor[LinkManager[Collection]]
        input_of_runs: RelationDescriptor[LinkManager[Run]]
        recreating_runs: RelationDescriptor[LinkManager[Run]]
        linked_by_runs: RelationDescriptor[LinkManager[Run]]
        linked_in_records: RelationDescriptor[LinkManager[Record]]
        organisms: RelationDescriptor[LinkManager[Organism]]
        genes: RelationDescriptor[LinkManager[Gene]]
        proteins: RelationDescriptor[LinkManager[Protein]]
        cell_markers: RelationDescriptor[LinkManager[CellMarker]]
        tissues: RelationDescriptor[LinkManager[Tissue]]
        cell_types: RelationDescriptor[LinkManager[CellType]]
        diseases: RelationDescriptor[LinkManager[Disease]]
        cell_lines: RelationDescriptor[LinkManager[CellLine]]
        phenotypes: RelationDescriptor[LinkManager[Phenotype]]
        pathways: RelationDescriptor[LinkManager[Pathway]]
        experimental_factors: RelationDescriptor[LinkManager[ExperimentalFactor]]
        developmental_stages: RelationDescriptor[LinkManager[DevelopmentalStage]]
        ethnicities: RelationDescriptor[LinkManager[Ethnicity]]
        ablocks: RelationDescriptor[KeyManager[ArtifactBlock]]


def managed_key(uid: str, suffix: str, *, again: bool = False) -> str:
    """Where the bytes of a new artifact with a virtual key lie.

    A first version's place is its uid. Later versions add random characters, since two
    processes may plan the same version at once; so does content that is stored `again`.
    """
    if len(suffix.encode()) > _LONG:
        suffix = ""  # file systems hold names of 255 bytes
    later = again or uid[UID_LENGTH:] not in ("", "0000")
    return f"{MANAGED}/{uid}{'-' + new_uid()[-8:] if later else ''}{suffix}"

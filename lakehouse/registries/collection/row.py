"""The row of a collection."""

from __future__ import annotations

from lakehouse.orm.versions import VersionedRow


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

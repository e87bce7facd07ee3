"""The row of an artifact, and where its bytes lie."""

from __future__ import annotations

from typing import Any

from lakehouse.identity import UID_LENGTH, new_uid
from lakehouse.orm.versions import VersionedRow

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


def managed_key(uid: str, suffix: str, *, again: bool = False) -> str:
    """Where the bytes of a new artifact with a virtual key lie.

    A first version's place is its uid. Later versions add random characters, since two
    processes may plan the same version at once; so does content that is stored `again`.
    """
    if len(suffix.encode()) > _LONG:
        suffix = ""  # file systems hold names of 255 bytes
    later = again or uid[UID_LENGTH:] not in ("", "0000")
    return f"{MANAGED}/{uid}{'-' + new_uid()[-8:] if later else ''}{suffix}"

"""Collections: versioned, unchangeable sets of artifacts."""

from __future__ import annotations

from lakehouse.orm import Versioned, latest_sql
from lakehouse.registries._relations import relations_of
from lakehouse.registries.collection.row import CollectionRow


class Collection(
    Versioned,
    row=CollectionRow,
    name_field="key",
    match=(),
    required=("key",),
    versioned=True,
    foreign_keys={"schema": "Schema", "meta_artifact": "Artifact"},
    computed={"is_latest": ("bool", latest_sql("collection"))},
    relations=relations_of("Collection"),
):
    """Versioned collections of artifacts."""

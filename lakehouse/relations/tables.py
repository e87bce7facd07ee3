"""The narrow tables behind annotation.

One link table per subject registry holds every relation of its records to other registries;
one value table holds the values of features that aren't categorical; three snapshot tables say
which columns every structured artifact has. Their uids are made of what they stand for, so
that annotating twice changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from lakehouse.engine import Changes, RowModel, TableSpec
from lakehouse.engine.table.json_text import dump_json
from lakehouse.identity import digest_text, encode
from lakehouse.schema.snapshot import Snapshot

_TAIL = 12
EXTERNAL = "__external__"  # the slot of what somebody set, not found in a dataset


class LinkRow(RowModel):
    """A record (the subject) is linked to another one, by a feature and in a slot or not."""

    subject_uid: str | None = None
    registry: str | None = None
    target_uid: str | None = None
    feature_uid: str | None = None
    slot: str | None = None
    position: int | None = None
    optional: bool | None = None
    created_at: datetime | None = None
    created_by_uid: str | None = None
    run_uid: str | None = None


class ValueRow(RowModel):
    """A record has a value of a feature; the value is kept as JSON text."""

    registry: str | None = None
    subject_uid: str | None = None
    feature_uid: str | None = None
    slot: str | None = None
    value: Any = None
    created_at: datetime | None = None
    created_by_uid: str | None = None
    run_uid: str | None = None


class SnapshotRow(RowModel):
    """A set of columns, addressed by its content."""

    n_columns: int | None = None


class SnapshotColumnRow(RowModel):
    """One column of a snapshot."""

    snapshot_uid: str | None = None
    position: int | None = None
    name: str | None = None
    type: str | None = None
    dtype: str | None = None
    nullable: bool | None = None
    categorical: bool | None = None
    ordered: bool | None = None


class ArtifactSnapshotRow(RowModel):
    """An artifact's component (slot) has the columns of a snapshot."""

    artifact_uid: str | None = None
    slot: str | None = None
    snapshot_uid: str | None = None
    n_rows: int | None = None


def tail(*parts: object) -> str:
    """The end of a row's uid: a digest of what the row says of its subject."""
    text = "\x1f".join("" if p is None else str(p) for p in parts)
    return digest_text(text.encode("utf-8", "surrogatepass"), _TAIL)


def link_uid(
    subject_uid: str,
    registry: str,
    target_uid: str,
    *,
    feature_uid: str | None = None,
    slot: str | None = None,
) -> str:
    """The uid of a link: it starts with the subject's and says what is linked."""
    return subject_uid + tail(registry, target_uid, feature_uid, slot)


def link_row(
    subject_uid: str,
    registry: str,
    target_uid: str,
    *,
    feature_uid: str | None = None,
    slot: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A row of a link table; its uid starts with the subject's and says what is linked."""
    return {
        "uid": link_uid(subject_uid, registry, target_uid, feature_uid=feature_uid, slot=slot),
        "subject_uid": subject_uid,
        "registry": registry,
        "target_uid": target_uid,
        "feature_uid": feature_uid,
        "slot": slot,
        **more,
    }


def value_row(
    registry: str,
    subject_uid: str,
    feature_uid: str,
    value: Any,
    *,
    slot: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A row of the value table."""
    return {
        "uid": subject_uid + tail(registry, feature_uid, slot, dump_json(value)),
        "registry": registry,
        "subject_uid": subject_uid,
        "feature_uid": feature_uid,
        "slot": slot,
        "value": value,
        **more,
    }


def insert_snapshots(
    changes: Changes, artifact_uid: str, components: Mapping[str, tuple[pa.Schema, int | None]]
) -> None:
    """Stage the snapshots of an artifact's components; equal ones are stored once.

    Args:
        changes: Where to stage.
        artifact_uid: The artifact.
        components: Arrow schema and row count by slot.
    """
    for slot, (schema, n_rows) in components.items():
        snapshot = Snapshot.of(schema)
        changes.insert(
            "snapshot", [{"uid": snapshot.uid, "n_columns": len(snapshot.fields)}], if_absent=True
        )
        changes.insert("snapshot_column", _column_rows(snapshot), if_absent=True)
        changes.insert(
            "artifact_snapshot",
            [
                {
                    "uid": artifact_uid + tail(slot),
                    "artifact_uid": artifact_uid,
                    "slot": slot,
                    "snapshot_uid": snapshot.uid,
                    "n_rows": n_rows,
                }
            ],
            if_absent=True,
        )


def _column_rows(snapshot: Snapshot) -> list[dict[str, Any]]:
    return [
        {
            "uid": f"{snapshot.uid}{f.position:06d}",
            "snapshot_uid": snapshot.uid,
            "position": f.position,
            "name": f.name,
            "type": f.type,
            "dtype": f.dtype,
            "nullable": f.nullable,
            "categorical": f.categorical,
            "ordered": f.ordered,
        }
        for f in snapshot.fields
    ]


def content_hash(parts: Iterable[str]) -> str:
    """A 22-character content hash of texts, their order and boundaries included."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return encode(int.from_bytes(digest.digest(), "big"), 22)


# The registries whose records have links; every line of `registries._relations` belongs to one.
SUBJECTS = (
    "artifact",
    "collection",
    "transform",
    "run",
    "record",
    "schema",
    "feature",
    "ulabel",
    "project",
    "branch",
    "block",
    "pathway",
)
LINKS = tuple(TableSpec.from_model(f"{subject}_link", LinkRow) for subject in SUBJECTS)
ONTOLOGY_LINK = TableSpec.from_model("ontology_link", LinkRow)
FEATURE_VALUE = TableSpec.from_model("feature_value", ValueRow)
SNAPSHOT = TableSpec.from_model("snapshot", SnapshotRow)
SNAPSHOT_COLUMN = TableSpec.from_model("snapshot_column", SnapshotColumnRow)
ARTIFACT_SNAPSHOT = TableSpec.from_model("artifact_snapshot", ArtifactSnapshotRow)

TABLES = (*LINKS, ONTOLOGY_LINK, FEATURE_VALUE, SNAPSHOT, SNAPSHOT_COLUMN, ARTIFACT_SNAPSHOT)

"""Iceberg table metadata (format version 2) as plain dictionaries.

The metadata of a table is a small JSON document. It is created and edited here directly by
the Iceberg table specification, because pyiceberg's pydantic models copy the whole document
many times per commit. Every function returns a new document and leaves its argument alone.
"""

from __future__ import annotations

import functools
import random
import re
import time
import uuid
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa

from lakehouse.engine.table.digest import BLANK, SEAL, content_uuid, sealed
from lakehouse.engine.table.spec import TIMESTAMP, Column, TableSpec
from lakehouse.errors import LakeCorrupt

# the log keeps all history; a file that grew with it would make each commit slower
KEPT_SNAPSHOTS = 5
_PARQUET_ID = b"PARQUET:field_id"
_VERSION = re.compile(r"/(\d+)-[0-9a-f-]{36}\.metadata\.json$")

_REQUIRED = {"format-version", "location", "schemas", "current-schema-id", "partition-specs"}

Metadata = dict[str, Any]

_PRIMITIVE: dict[str, pa.DataType] = {
    "string": pa.string(),
    "long": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "float": pa.float32(),
    "boolean": pa.bool_(),
    "timestamptz": TIMESTAMP,
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "binary": pa.binary(),
    "uuid": pa.binary(16),
}


def _iceberg_type(column: Column, next_id: int) -> tuple[Any, int]:
    if column.type != "list":
        return column.type, next_id
    element = {
        "type": "list",
        "element-id": next_id,
        "element": "string",
        "element-required": False,
    }
    return element, next_id + 1


def _fields(columns: Sequence[Column], first_id: int) -> tuple[list[dict[str, Any]], int]:
    """Schema fields with ids from `first_id` on; list elements come after all columns."""
    # level by level, as stock writers number a new schema
    nested = first_id + len(columns)
    out = []
    for i, column in enumerate(columns):
        type_, nested = _iceberg_type(column, nested)
        out.append(
            {"id": first_id + i, "name": column.name, "required": column.required, "type": type_}
        )
    return out, nested - 1


def new_metadata(spec: TableSpec, location: str) -> Metadata:
    """The metadata of a new, empty table."""
    fields, last_id = _fields(spec.columns, 1)
    schema = {"type": "struct", "schema-id": 0, "identifier-field-ids": [1], "fields": fields}
    return {
        "format-version": 2,
        "table-uuid": str(uuid.uuid4()),
        "location": location,
        "last-sequence-number": 0,
        "last-updated-ms": time.time_ns() // 1_000_000,
        "last-column-id": last_id,
        "schemas": [schema],
        "current-schema-id": 0,
        "partition-specs": [{"spec-id": 0, "fields": []}],
        "default-spec-id": 0,
        "last-partition-id": 999,
        "sort-orders": [{"order-id": 0, "fields": []}],
        "default-sort-order-id": 0,
        "properties": {"write.parquet.compression-codec": "zstd"},
        "snapshots": [],
        "snapshot-log": [],
        "metadata-log": [],
        "refs": {},
    }


def current_schema(metadata: Metadata) -> dict[str, Any]:
    """The current schema of a table as its Iceberg JSON."""
    for schema in metadata["schemas"]:
        if schema["schema-id"] == metadata["current-schema-id"]:
            return dict(schema)
    raise LakeCorrupt(f"The table at {metadata['location']!r} names a schema that it doesn't have.")


def current_snapshot(metadata: Metadata) -> dict[str, Any] | None:
    """The current snapshot of a table, or None for an empty one."""
    wanted = metadata.get("current-snapshot-id")
    if wanted in (None, -1):
        return None
    for snapshot in metadata["snapshots"]:
        if snapshot["snapshot-id"] == wanted:
            return dict(snapshot)
    raise LakeCorrupt(
        f"The table at {metadata['location']!r} names a snapshot that it doesn't have."
    )


def evolved(metadata: Metadata, spec: TableSpec) -> Metadata | None:
    """The metadata with the columns that the specification has and the table lacks, or None."""
    schema = current_schema(metadata)
    present = {f["name"] for f in schema["fields"]}
    missing = [c for c in spec.columns if c.name not in present]
    if not missing:
        return None
    added, last_id = _fields(missing, metadata["last-column-id"] + 1)
    for field in added:
        # rows from before have no value in it
        field["required"] = False
    new_id = max(s["schema-id"] for s in metadata["schemas"]) + 1
    fresh = {**schema, "schema-id": new_id, "fields": [*schema["fields"], *added]}
    return {
        **metadata,
        "schemas": [*metadata["schemas"], fresh],
        "current-schema-id": new_id,
        "last-column-id": last_id,
        "last-updated-ms": _now_ms(metadata),
    }


def _arrow_type(type_: Any) -> pa.DataType:
    if isinstance(type_, dict) and type_["type"] == "list":
        element = pa.field(
            "element",
            _arrow_type(type_["element"]),
            nullable=not type_["element-required"],
            metadata={_PARQUET_ID: str(type_["element-id"]).encode()},
        )
        return pa.list_(element)
    if isinstance(type_, str) and type_ in _PRIMITIVE:
        return _PRIMITIVE[type_]
    raise LakeCorrupt(f"Registry tables have no columns of the Iceberg type {type_!r}.")


def arrow_schema(schema: dict[str, Any]) -> pa.Schema:
    """The Arrow schema of an Iceberg schema, with field ids in the metadata."""
    return _arrow_schema(orjson.dumps(schema))  # each commit has another copy of the same one


@functools.lru_cache(maxsize=256)
def _arrow_schema(text: bytes) -> pa.Schema:
    schema = orjson.loads(text)
    return pa.schema(
        [
            pa.field(
                f["name"],
                _arrow_type(f["type"]),
                nullable=not f["required"],
                metadata={_PARQUET_ID: str(f["id"]).encode()},
            )
            for f in schema["fields"]
        ]
    )


def field_id(field: pa.Field) -> int | None:
    """The Iceberg field id that an Arrow field carries, if it does."""
    text = (field.metadata or {}).get(_PARQUET_ID)
    return None if text is None else int(text)


def _now_ms(metadata: Metadata) -> int:
    # clocks of writers differ, and stock readers check that times don't fall
    return int(max(time.time_ns() // 1_000_000, metadata["last-updated-ms"]))


def new_snapshot_id() -> int:
    """A random positive snapshot id."""
    # positive, as stock writers make them: -1 is none at all
    return random.getrandbits(62) + 1


def with_snapshot(
    metadata: Metadata,
    previous_location: str,
    *,
    snapshot_id: int,
    manifest_list: str,
    summary: dict[str, str],
) -> Metadata:
    """The metadata after a commit; only the last few snapshots are kept in it.

    Without a previous location it is a table's first.
    """
    now = _now_ms(metadata)
    parent = metadata.get("current-snapshot-id")
    snapshot = {
        "snapshot-id": snapshot_id,
        "sequence-number": metadata["last-sequence-number"] + 1,
        "timestamp-ms": now,
        "manifest-list": manifest_list,
        "summary": summary,
        "schema-id": metadata["current-schema-id"],
    }
    if parent not in (None, -1):
        snapshot["parent-snapshot-id"] = parent
    kept = [*metadata["snapshots"], snapshot][-KEPT_SNAPSHOTS:]
    # log and refs must not name snapshots that aren't listed any more
    alive = {s["snapshot-id"] for s in kept}
    log = [e for e in metadata.get("snapshot-log", ()) if e["snapshot-id"] in alive]
    history = list(metadata.get("metadata-log", ()))
    if previous_location:
        before = metadata["last-updated-ms"]
        history.append({"timestamp-ms": before, "metadata-file": previous_location})
    return {
        **metadata,
        "last-sequence-number": snapshot["sequence-number"],
        "last-updated-ms": now,
        "current-snapshot-id": snapshot_id,
        "snapshots": kept,
        "snapshot-log": [*log, {"snapshot-id": snapshot_id, "timestamp-ms": now}],
        "metadata-log": history[-KEPT_SNAPSHOTS:],
        "refs": {
            **{k: v for k, v in metadata.get("refs", {}).items() if v["snapshot-id"] in alive},
            "main": {"snapshot-id": snapshot_id, "type": "branch"},
        },
    }


def written_anew(
    metadata: Metadata, *, snapshot_id: int, manifest_list: str, summary: dict[str, str]
) -> Metadata:
    """The metadata with one snapshot, which knows of none before it."""
    bare = without_snapshots(metadata)
    return with_snapshot(
        bare, "", snapshot_id=snapshot_id, manifest_list=manifest_list, summary=summary
    )


def without_snapshots(metadata: Metadata) -> Metadata:
    """The metadata of the table as if it had never had rows."""
    # statistics lie in files of their own, and tell of the rows that are gone
    left_out = ("current-snapshot-id", "statistics", "partition-statistics")
    return {
        **{name: value for name, value in metadata.items() if name not in left_out},
        "last-updated-ms": _now_ms(metadata),
        "snapshots": [],
        "snapshot-log": [],
        "metadata-log": [],
        "refs": {},
    }


def metadata_path(folder: str, previous: str | None, data: bytes, *, again: bool = False) -> str:
    """The path of the next metadata file of a table, numbered as stock writers do.

    Args:
        folder: The table's folder.
        previous: The metadata file before it.
        data: Its content.
        again: Whether it takes the place of that file, and so its number.
    """
    match = _VERSION.search(previous) if previous else None
    number = int(match.group(1)) + (0 if again else 1) if match else 0
    return f"{folder}/metadata/{number:05d}-{content_uuid(data)}.metadata.json"


def dump(metadata: Metadata) -> bytes:
    """The metadata as the bytes of its JSON file."""
    return orjson.dumps(metadata)


def dump_again(metadata: Metadata, path: str) -> bytes:
    """The bytes of a metadata file that is rewritten in its place."""
    # its name tells the digest of the former bytes, so it needs a seal
    properties = {**metadata.get("properties", {}), SEAL: BLANK}
    return sealed(path, orjson.dumps({**metadata, "properties": properties}))


def load(data: bytes, path: str) -> Metadata:
    """The metadata in a file's bytes.

    Raises:
        LakeCorrupt: It is no metadata of a table that we can read.
    """
    try:
        metadata = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise LakeCorrupt(f"The table metadata {path!r} is not JSON.", found=str(error)) from error
    if not isinstance(metadata, dict) or not metadata.keys() >= _REQUIRED:
        raise LakeCorrupt(f"The file {path!r} holds no table metadata.", expected=sorted(_REQUIRED))
    if metadata["format-version"] != 2:
        raise LakeCorrupt(
            f"The table metadata {path!r} has another Iceberg format.",
            found=metadata["format-version"],
            expected="format-version 2",
        )
    # partitions would be lost with our next commit, which writes none
    if any(s.get("fields") for s in metadata["partition-specs"]):
        raise LakeCorrupt(f"The table of {path!r} is partitioned; registry tables never are.")
    if SEAL in (properties := metadata.get("properties") or {}):
        # the seal is the file's, not the table's: its next version has none
        metadata["properties"] = {k: v for k, v in properties.items() if k != SEAL}
    return dict(metadata)

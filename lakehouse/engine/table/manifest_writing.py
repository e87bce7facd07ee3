"""The one place that knows pyiceberg's Avro internals.

Manifests and manifest lists are written and read with pyiceberg's own writer and reader
trees. They are built once per process and kept: building them anew for every file takes
most of the time of `pyiceberg.manifest.write_manifest`. Data-file structs are encoded once
and their bytes reused, since a manifest is rewritten far more often than its entries change.
Everything here works on format version 2 and unpartitioned tables.
"""

from __future__ import annotations

import functools
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from pyiceberg.avro.encoder import BinaryEncoder
from pyiceberg.avro.file import MAGIC, META_SCHEMA, AvroFileHeader
from pyiceberg.avro.resolver import construct_writer
from pyiceberg.avro.writer import Writer
from pyiceberg.manifest import (
    DATA_FILE_TYPE,
    MANIFEST_ENTRY_SCHEMAS,
    MANIFEST_LIST_FILE_SCHEMAS,
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestFile,
)
from pyiceberg.typedef import Record
from pyiceberg.utils.schema_conversion import AvroSchemaConversion

from lakehouse.engine.table.digest import BLANK, SEAL, content_uuid, sealed

_SYNC = os.urandom(16)  # one for all files of a process: it only has to be no part of their data
UID_FIELD = 1  # `uid` is the first column of every table, so this field id is its
EXISTING, ADDED, DELETED = 0, 1, 2


@dataclass(eq=False)
class FileEntry:
    """A live data file as a manifest lists it.

    Attributes:
        path, rows, size: Location, row count and bytes of the Parquet file.
        low, high: Bounds of the uids in it, or None where the writer kept none.
        snapshot_id, sequence, file_sequence: The commit that added it.
        data_file: pyiceberg's record of it, with all statistics.
    """

    path: str
    rows: int
    size: int
    low: str | None
    high: str | None
    snapshot_id: int
    sequence: int
    file_sequence: int
    data_file: DataFile = field(repr=False)
    _encoded: bytes | None = field(default=None, repr=False)

    @property
    def place(self) -> tuple[int, int, int]:
        """The commit that added it: snapshot, sequence number, the file's sequence number."""
        return self.snapshot_id, self.sequence, self.file_sequence

    @property
    def encoded(self) -> bytes:
        """The Avro bytes of the data-file struct."""
        if self._encoded is None:
            out = io.BytesIO()
            _data_file_writer().write(BinaryEncoder(out), self.data_file)
            self._encoded = out.getvalue()
        return self._encoded


@dataclass(eq=False)
class Manifest:
    """A manifest file: where it lies, its live data files, and those that its commit removed."""

    path: str
    length: int
    sequence: int
    min_sequence: int
    added_snapshot_id: int
    counts: tuple[int, int, int, int, int, int]
    entries: tuple[FileEntry, ...]
    removed: tuple[FileEntry, ...] = ()
    deletes: bool = False

    @property
    def rows(self) -> int:
        """Live rows in the manifest's files."""
        return sum(entry.rows for entry in self.entries)


@functools.cache
def _data_file_writer() -> Writer:
    return construct_writer(DATA_FILE_TYPE[2])


@functools.cache
def _manifest_list_writer() -> Writer:
    return construct_writer(MANIFEST_LIST_FILE_SCHEMAS[2])


@functools.cache
def schema_json(kind: str) -> str:
    """The Avro schema of the files that we write."""
    schemas = {
        "manifest_entry": MANIFEST_ENTRY_SCHEMAS[2],
        "manifest_file": MANIFEST_LIST_FILE_SCHEMAS[2],
    }
    return json.dumps(AvroSchemaConversion().iceberg_to_avro(schemas[kind], schema_name=kind))


@functools.cache
def _header_writer() -> Writer:
    return construct_writer(META_SCHEMA)


def _header(meta: dict[str, str], kind: str) -> bytes:
    out = io.BytesIO()
    full = {**meta, "avro.schema": schema_json(kind), "avro.codec": "null"}
    _header_writer().write(BinaryEncoder(out), AvroFileHeader(MAGIC, full, _SYNC))
    return out.getvalue()


@functools.lru_cache(maxsize=256)
def _manifest_header(schema_json: str, seal: str | None) -> bytes:
    return _header(
        {
            "schema": schema_json,
            "partition-spec": "[]",
            "partition-spec-id": "0",
            "format-version": "2",
            "content": "data",
            **({} if seal is None else {SEAL: seal}),
        },
        "manifest_entry",
    )


def _block(header: bytes, count: int, body: bytes) -> bytes:
    out = io.BytesIO()
    out.write(header)
    encoder = BinaryEncoder(out)
    encoder.write_int(count)
    encoder.write_int(len(body))
    out.write(body)
    out.write(_SYNC)
    return out.getvalue()


def new_entry(
    path: str, rows: int, size: int, low: str, high: str, snapshot_id: int, sequence: int
) -> FileEntry:
    """The entry of a data file that we wrote, with uid bounds as its only statistics."""
    data_file = DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=path,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=rows,
        file_size_in_bytes=size,
        column_sizes={},
        value_counts={UID_FIELD: rows},
        null_value_counts={UID_FIELD: 0},
        nan_value_counts={},
        lower_bounds={UID_FIELD: low.encode()},
        upper_bounds={UID_FIELD: high.encode()},
        key_metadata=None,
        split_offsets=None,
        equality_ids=None,
        sort_order_id=None,
    )
    return FileEntry(path, rows, size, low, high, snapshot_id, sequence, sequence, data_file)


def encode_manifest(
    folder: str,
    schema_json: str,
    added: list[FileEntry],
    existing: list[FileEntry],
    snapshot_id: int,
    sequence: int,
    deleted: Sequence[FileEntry] = (),
    *,
    path: str | None = None,
) -> tuple[Manifest, bytes]:
    """A manifest and its bytes.

    Args:
        folder: The folder of the table's metadata.
        schema_json: The table's schema.
        added, existing: Its live entries.
        snapshot_id, sequence: The commit that writes it.
        deleted: Files that this commit removes; stock writers find conflicts by them.
        path: The file that is rewritten in its place; a new one by default.
    """
    out = io.BytesIO()
    encoder = BinaryEncoder(out)
    for status, entries in ((ADDED, added), (EXISTING, existing), (DELETED, deleted)):
        for entry in entries:
            encoder.write_int(status)
            by = snapshot_id if status == DELETED else entry.snapshot_id
            # written out, never left to be inherited: entries are carried to later commits
            for value in (by, entry.sequence, entry.file_sequence):
                # the branch of the union that isn't null
                encoder.write_int(1)
                encoder.write_int(value)
            out.write(entry.encoded)
    # deleted ones are listed, for conflicts of stock writers, but hold no rows of this version
    live = (*existing, *added)
    count = len(live) + len(deleted)
    header = _manifest_header(schema_json, None if path is None else BLANK)
    data = _block(header, count, out.getvalue())
    if path is None:
        path = f"{folder}/{content_uuid(data).hex}-m0.avro"
    else:
        data = sealed(path, data)
    manifest = Manifest(
        path=path,
        length=len(data),
        sequence=sequence,
        min_sequence=min((e.sequence for e in live), default=sequence),
        added_snapshot_id=snapshot_id,
        counts=(
            len(added),
            len(existing),
            len(deleted),
            sum(e.rows for e in added),
            sum(e.rows for e in existing),
            sum(e.rows for e in deleted),
        ),
        entries=live,
        removed=tuple(deleted),
    )
    return manifest, data


def encode_manifest_list(
    manifests: list[Manifest],
    snapshot_id: int,
    parent_id: int | None,
    sequence: int,
    *,
    path: str | None = None,
) -> bytes:
    """The bytes of a snapshot's manifest list.

    Args:
        manifests: What it lists.
        snapshot_id, parent_id, sequence: The snapshot, the one before it, and its number.
        path: The file that is rewritten in its place; a new one by default.
    """
    out = io.BytesIO()
    encoder = BinaryEncoder(out)
    writer = _manifest_list_writer()
    for m in manifests:
        writer.write(
            encoder,
            ManifestFile(
                m.path,
                m.length,
                0,
                ManifestContent.DATA,
                m.sequence,
                m.min_sequence,
                m.added_snapshot_id,
                *m.counts,
                [],
                None,
            ),
        )
    header = _header(
        {
            "snapshot-id": str(snapshot_id),
            "parent-snapshot-id": "null" if parent_id is None else str(parent_id),
            "sequence-number": str(sequence),
            "format-version": "2",
            **({} if path is None else {SEAL: BLANK}),
        },
        "manifest_file",
    )
    data = _block(header, len(manifests), out.getvalue())
    return data if path is None else sealed(path, data)


def moved_entry(entry: FileEntry, path: str) -> FileEntry:
    """The same data file at another path."""
    # field 1 is the path; the encoded bytes aren't taken along, since they hold the old one
    entry.data_file[1] = path
    return FileEntry(
        path,
        entry.rows,
        entry.size,
        entry.low,
        entry.high,
        entry.snapshot_id,
        entry.sequence,
        entry.file_sequence,
        entry.data_file,
    )

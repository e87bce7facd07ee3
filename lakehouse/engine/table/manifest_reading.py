"""Reading manifests and manifest lists, whoever wrote them.

The other half of `_avro`: damaged files become one clear error, and data files that another
version of the table has already are not decoded again.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from pyiceberg.avro.codecs import AVRO_CODEC_KEY, KNOWN_CODECS
from pyiceberg.avro.decoder import StreamingBinaryDecoder, new_decoder
from pyiceberg.avro.file import MAGIC, META_SCHEMA, AvroFileHeader
from pyiceberg.avro.reader import Reader
from pyiceberg.avro.resolver import construct_reader, resolve_reader
from pyiceberg.manifest import (
    MANIFEST_ENTRY_SCHEMAS,
    MANIFEST_LIST_FILE_SCHEMAS,
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    PartitionFieldSummary,
)
from pyiceberg.schema import Schema
from pyiceberg.utils.schema_conversion import AvroSchemaConversion

from lakehouse.engine.table.manifest_writing import (
    DELETED,
    UID_FIELD,
    FileEntry,
    Manifest,
    schema_json,
)
from lakehouse.errors import LakeCorrupt

if TYPE_CHECKING:
    from pyiceberg.avro.codecs import AvroCompressionCodec

# what readers of Avro raise over damaged bytes
_DAMAGED = (ValueError, KeyError, TypeError, EOFError, OverflowError, SystemError, zlib.error)


@functools.cache
def _header_reader() -> Reader:
    return construct_reader(META_SCHEMA, {-1: AvroFileHeader})


_READ: dict[str, tuple[Schema, dict[int, Any], dict[int, Any]]] = {
    "manifest_entry": (
        MANIFEST_ENTRY_SCHEMAS[2],
        {-1: ManifestEntry, 2: DataFile},
        {0: ManifestEntryStatus, 101: FileFormat, 134: DataFileContent},
    ),
    "manifest_file": (
        MANIFEST_LIST_FILE_SCHEMAS[2],
        {-1: ManifestFile, 508: PartitionFieldSummary},
        {517: ManifestContent},
    ),
}


@functools.lru_cache(maxsize=64)
def _reader(schema_text: str, kind: str) -> Reader:
    # resolved once for each writer's schema, which takes longer than reading most manifests
    schema: Schema = AvroSchemaConversion().avro_to_iceberg(json.loads(schema_text))
    read_schema, types, enums = _READ[kind]
    return resolve_reader(schema, read_schema, types, enums)


@contextmanager
def _reading(data: bytes, path: str) -> Iterator[None]:
    """Make one clear error of everything that a damaged file may raise."""
    try:
        yield
    except _DAMAGED as error:
        raise LakeCorrupt(
            f"The lake's file {path!r} can't be read: it is damaged.",
            found=f"{len(data)} bytes, {error}",
        ) from error


def _header(data: bytes) -> tuple[AvroFileHeader, StreamingBinaryDecoder]:
    """The header of an Avro file, and a decoder at its first block."""
    if not data.startswith(MAGIC):
        raise ValueError("no Avro file")
    # the fast decoder doesn't look where its data end; this one does
    decoder = StreamingBinaryDecoder(data)
    return _header_reader().read(decoder), decoder


def decode_header(data: bytes, path: str) -> dict[str, str]:
    """What the header of a manifest or manifest list says.

    Raises:
        LakeCorrupt: It is damaged, cut off, or no Avro file.
    """
    with _reading(data, path):
        return dict(_header(data)[0].meta)


def _blocks(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """The blocks of an Avro file, each with the schema's text and the number of records."""
    header, decoder = _header(data)
    codec = KNOWN_CODECS[cast("AvroCompressionCodec", header.meta.get(AVRO_CODEC_KEY, "null"))]
    while decoder.tell() < len(data):
        count, block = decoder.read_int(), decoder.read_bytes()
        # a length that was damaged would shift all that follows, mostly without an error
        if decoder.read(len(header.sync)) != header.sync:
            raise ValueError("a block doesn't end where it should")
        yield header.meta["avro.schema"], count, block if codec is None else codec.decompress(block)


def _entries(data: bytes, known: Mapping[str, FileEntry]) -> Iterator[tuple[Any, ...]]:
    """Status, snapshot, two sequence numbers, data file and its bytes of every entry.

    A data file that is known is not decoded again if its bytes are the same: manifests are
    rewritten far more often than their entries change.
    """
    for schema, count, block in _blocks(data):
        ours = schema == schema_json("manifest_entry")
        reader = _reader(schema, "manifest_entry")
        decoder = new_decoder(block)
        for _ in range(count):
            start = decoder.tell()
            if ours:
                status = decoder.read_int()
                numbers = [decoder.read_int() if decoder.read_int() else None for _ in range(3)]
                at = decoder.tell()
                # the content, which comes before the path in the struct
                decoder.read_int()
                prior = known.get(decoder.read_utf8())
                # byte by byte: the same path may have other statistics from another writer
                if prior is not None and block.startswith(prior.encoded, at):
                    decoder.skip(at + len(prior.encoded) - decoder.tell())
                    yield status, *numbers, prior.data_file, prior.encoded
                    continue
                # the decoder can't go back: another one begins at this entry
                decoder = new_decoder(block)
                decoder.skip(start)
            record = reader.read(decoder)
            yield (
                record.status,
                record.snapshot_id,
                record.sequence_number,
                record.file_sequence_number,
                record.data_file,
                block[at : decoder.tell()] if ours else None,
            )


def foreign_blocks(data: bytes, path: str) -> list[bytes]:
    """The blocks of an Avro file that another engine wrote; none of one of our own."""
    ours = (schema_json("manifest_entry"), schema_json("manifest_file"))
    with _reading(data, path):
        # we never compress
        return [b for schema, _, b in _blocks(data) if schema not in ours or b not in data]


def decode_manifest_list(data: bytes, path: str) -> list[ManifestFile]:
    """The manifests that a manifest list names.

    Raises:
        LakeCorrupt: It is damaged, cut off, or no Avro file.
    """
    found: list[ManifestFile] = []
    with _reading(data, path):
        for schema, count, block in _blocks(data):
            reader, decoder = _reader(schema, "manifest_file"), new_decoder(block)
            found += [reader.read(decoder) for _ in range(count)]
    return found


def decode_manifest(
    data: bytes, listed: ManifestFile, known: Mapping[str, FileEntry] | None = None
) -> Manifest:
    """A manifest with its entries; sequence numbers are inherited as the spec says.

    Args:
        data: Its bytes.
        listed: What the manifest list says of it.
        known: Entries of other versions of the table, by path.

    Raises:
        LakeCorrupt: It is damaged, cut off, or no Avro file.
    """
    entries: list[FileEntry] = []
    removed: list[FileEntry] = []
    known = known or {}
    with _reading(data, listed.manifest_path):
        for status, by, sequence, file_sequence, file, encoded in _entries(data, known):
            place = (
                # null in what a commit added: it is what the list says (inheritance of the spec)
                by or listed.added_snapshot_id or 0,
                listed.sequence_number if sequence is None else sequence,
                listed.sequence_number if file_sequence is None else file_sequence,
            )
            entry = known.get(file.file_path)
            # shared where it is the same, so that versions hold one object for each file
            if entry is None or entry.data_file is not file or entry.place != place:
                entry = _entry(file, place, encoded)
            (removed if status == DELETED else entries).append(entry)
    return Manifest(
        path=listed.manifest_path,
        length=listed.manifest_length,
        sequence=listed.sequence_number,
        min_sequence=listed.min_sequence_number,
        added_snapshot_id=listed.added_snapshot_id or 0,
        counts=(
            listed.added_files_count or 0,
            listed.existing_files_count or 0,
            listed.deleted_files_count or 0,
            listed.added_rows_count or 0,
            listed.existing_rows_count or 0,
            listed.deleted_rows_count or 0,
        ),
        entries=tuple(entries),
        removed=tuple(removed),
        deletes=listed.content == ManifestContent.DELETES,
    )


def decode_lone_manifest(data: bytes, path: str) -> list[tuple[int, FileEntry]]:
    """The entries of a manifest that no list names, each with its status.

    Raises:
        LakeCorrupt: It is damaged, cut off, or no Avro file.
    """
    with _reading(data, path):
        return [
            (int(status), _entry(file, (by or 0, sequence or 0, file_sequence or 0), encoded))
            for status, by, sequence, file_sequence, file, encoded in _entries(data, {})
        ]


def _entry(file: DataFile, place: tuple[int, int, int], encoded: bytes | None) -> FileEntry:
    low = (file.lower_bounds or {}).get(UID_FIELD)
    high = (file.upper_bounds or {}).get(UID_FIELD)
    return FileEntry(
        file.file_path,
        file.record_count,
        file.file_size_in_bytes,
        None if low is None else low.decode(),
        None if high is None else high.decode(),
        *place,
        file,
        encoded,
    )

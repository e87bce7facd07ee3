"""Writing data files: small ones cheaply, large ones compactly, both with field ids."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakehouse.engine.table.digest import content_uuid
from lakehouse.engine.table.keypack import BulkClaim
from lakehouse.engine.table.limits import Limits
from lakehouse.engine.table.metadata import field_id
from lakehouse.engine.table.spec import TableSpec
from lakehouse.engine.table.version import TableVersion
from lakehouse.errors import InvalidArgument

_SMALL_ROWS = 1_024


def encode(table: pa.Table, schema: pa.Schema, dictionary: list[str] | None = None) -> pa.Buffer:
    """The bytes of a Parquet file.

    Args:
        table: Rows in uid order, columns as in `schema`.
        schema: The table's schema with field ids.
        dictionary: Columns worth a dictionary, where the caller knows them already.
    """
    named = pa.Table.from_arrays(table.columns, schema=schema)
    sink = pa.BufferOutputStream()
    small = table.num_rows < _SMALL_ROWS
    if dictionary is None:
        dictionary = [] if small else dictionary_columns(table)
    with pq.ParquetWriter(
        sink,
        schema,
        # small files are made often and folded soon: time counts there, room in the large ones
        compression="snappy" if small else "zstd",
        compression_level=None if small else 1,
        use_dictionary=False if small else dictionary,
        # look-ups prune by nothing else, and more would only make footers larger
        write_statistics=["uid"],
        # the footer's types and field ids say all that is needed of it
        store_schema=False,
        write_page_checksum=True,  # for readers that know nothing of our digests
    ) as writer:
        # one row group: a file is read whole or not at all
        writer.write_table(named, row_group_size=max(table.num_rows, 1))
    return sink.getvalue()


def dictionary_columns(table: pa.Table) -> list[str]:
    """Columns worth a dictionary: text that repeats, judged by its first thousand rows."""
    out = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_string(field.type):
            head = column.slice(0, _SMALL_ROWS)
            if len(head) and len(head.unique()) * 2 < len(head):
                out.append(field.name)
    return out


# -- Encoding new rows: sorted, cut into data files, with the unique keys that they claim


@dataclass
class NewFile:
    """A data file to be written, or written already, with its rows in memory."""

    path: str
    table: pa.Table
    data: pa.Buffer
    written: bool = False

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows)


@dataclass
class Ready:
    """An insert that was prepared before the lock.

    Attributes:
        files: The files of a large one, which are written already.
        rows: The rows of a small one, which may be folded with others.
        claims: The unique keys that it claims.
        schema: The columns of the files, with field ids.
    """

    files: list[NewFile]
    rows: pa.Table
    claims: list[BulkClaim]
    schema: pa.Schema | None = None

    def fits(self, schema: pa.Schema) -> bool:
        """Whether the files' columns have the field ids that a table gives them now."""
        # a table that somebody else made may have numbered its columns in another order
        ids = {f.name: field_id(f) for f in schema}
        return all(ids.get(f.name) == field_id(f) for f in self.schema or ())


def new_file(folder: str, table: pa.Table, data: pa.Buffer) -> NewFile:
    """A new data file of a table, named for its content."""
    return NewFile(f"{folder}/data/{content_uuid(data).hex}.parquet", table, data)


def fit(table: pa.Table, schema: pa.Schema, name: str) -> pa.Table:
    """Rows under a table's present columns: those that they lack are null.

    Raises:
        InvalidArgument: The rows have a column that the table lacks, or one of another type.
    """
    if table.schema.equals(schema):
        return table
    if extra := [c for c in table.column_names if c not in schema.names]:
        raise InvalidArgument(f"Table {name!r} has no column {extra}.", expected=schema.names)
    arrays = []
    for column in schema:
        if column.name not in table.column_names:
            arrays.append(pa.nulls(table.num_rows, column.type))
            continue
        try:
            arrays.append(table[column.name].cast(column.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidArgument(
                f"Column {column.name!r} of table {name!r} takes {column.type}.",
                found=table[column.name].type,
            ) from error
    return pa.Table.from_arrays(arrays, names=schema.names)


def sort_rows(table: pa.Table) -> pa.Table:
    """Rows in uid order, each column in one chunk."""
    uids = table["uid"]
    if table.num_rows > 1 and not pc.all(pc.less_equal(uids[:-1], uids[1:])).as_py():
        table = table.take(pc.sort_indices(uids))
    return table.combine_chunks() if any(c.num_chunks != 1 for c in table.columns) else table


def split(table: pa.Table, schema: pa.Schema, folder: str, rows: int) -> list[NewFile]:
    """Sorted rows as new data files of at most `rows` rows each, about equally large."""
    count = -(-table.num_rows // rows)
    # about equal: a small rest would be folded later, and so be written twice
    size = -(-table.num_rows // count) if count else 0
    if count < 2:
        return [new_file(folder, table, encode(table, schema))] * count
    # judged once for all parts, by the first rows of the whole
    dictionary = dictionary_columns(table)

    def encoded(i: int) -> NewFile:
        # a slice keeps its parent alive: copy, so that memory follows the files in use
        part = table.slice(i * size, size)
        part = pa.concat_tables([part, part.slice(0, 0)]).combine_chunks()
        return new_file(folder, part, encode(part, schema, dictionary))

    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as threads:
        return list(threads.map(encoded, range(count)))


def bulk_claims(spec: TableSpec, table: pa.Table) -> list[BulkClaim]:
    """The unique keys that rows claim, one claim per key of the table."""
    return [BulkClaim(*columns) for columns in spec.key_columns_of(table)]


def prepare(spec: TableSpec, base: TableVersion, rows: pa.Table, limits: Limits) -> Ready:
    """Encode the files of a large insert, while its keys are packed beside.

    Args:
        spec: The table's specification.
        base: A recent version of the table.
        rows: The rows to insert, under any of the table's columns.
        limits: The engine's sizes.
    """
    table = sort_rows(fit(rows, base.memory_schema, spec.name))
    cap = limits.file_rows(base.rows + table.num_rows)

    def pack() -> list[BulkClaim]:
        claims = bulk_claims(spec, table)
        for claim in claims:
            if len(claim.keys) >= limits.pack_from:
                claim.packed  # noqa: B018 - computed now, used under the lock
        return claims

    # beside the encoding, most of whose time isn't Python's (decision 001)
    with ThreadPoolExecutor(1) as beside:
        claims = beside.submit(pack)
        files = split(table, base.schema, base.metadata["location"], cap)
        return Ready(files, table.slice(0, 0), claims.result(), base.schema)


def one_column(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """The chunks of several columns as one column."""
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.string())


def rising(column: pa.ChunkedArray) -> bool:
    """Whether every value is greater than the one before it."""
    return len(column) < 2 or bool(pc.all(pc.less(column[:-1], column[1:])).as_py())

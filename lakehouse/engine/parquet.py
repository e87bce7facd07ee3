"""Writing data files: small ones cheaply, large ones compactly, both with field ids."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

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
        compression="snappy" if small else "zstd",
        compression_level=None if small else 1,
        use_dictionary=False if small else dictionary,
        write_statistics=["uid"],
        store_schema=False,
        write_page_checksum=True,  # for readers that know nothing of our digests
    ) as writer:
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

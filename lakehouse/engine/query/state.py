"""A state: one consistent version of every table, for reading.

Example:
    >>> state = engine.state()
    >>> state.sql("SELECT count(*) FROM artifact").fetchall()
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.engine.query.quoting import quoted
from lakehouse.engine.table.limits import Limits
from lakehouse.engine.table.spec import TableSpec
from lakehouse.engine.table.version import TableCache, TableVersion
from lakehouse.errors import UnknownField, near
from lakehouse.io.uris import is_remote

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from lakehouse.engine.query.duck import Access, Scan

_DUCK = {
    "string": "VARCHAR",
    "long": "BIGINT",
    "int": "INTEGER",
    "double": "DOUBLE",
    "float": "FLOAT",
    "boolean": "BOOLEAN",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "timestamp": "TIMESTAMP",
    "date": "DATE",
    "time": "TIME",
    "binary": "BLOB",
    "uuid": "UUID",
}


class State:
    """All tables as of one commit. Immutable; reading it never sees later commits.

    A table that isn't made yet is there without rows, and a column that a table lacks is null.

    Attributes:
        seq: The commit's number.
        commit_id: The commit's id.
        pointers: The metadata location of every table that is made.
    """

    def __init__(
        self,
        cache: TableCache,
        specs: Mapping[str, TableSpec],
        limits: Limits,
        seq: int,
        commit_id: str,
        pointers: Mapping[str, str],
    ) -> None:
        self._cache = cache
        self._specs = specs
        self._limits = limits
        self.seq = seq
        self.commit_id = commit_id
        self.pointers = dict(pointers)
        self._versions: dict[str, TableVersion] = {}

    def beside(self, seq: int, pointers: Mapping[str, str]) -> State:
        """Another state of the same lake."""
        return State(self._cache, self._specs, self._limits, seq, "", pointers)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of all tables, those that aren't made yet, too."""
        return tuple(sorted({*self.pointers, *self._specs}))

    def version(self, table: str) -> TableVersion:
        """The version of a table in this state."""
        version = self._versions.get(table)
        if version is None:
            spec, pointer = self._specs.get(table), self.pointers.get(table)
            if pointer is not None:
                version = self._cache.version(pointer)
                version = version if spec is None else version.widened(spec)
            elif spec is not None:
                version = self._cache.unmade(spec)
            else:
                raise UnknownField(
                    f"There is no table {table!r} in this state of the lake.",
                    expected=", ".join(near(table, self.tables) or self.tables),
                )
            self._versions[table] = version
        return version

    def arrow(self, table: str) -> pa.Table:
        """All rows of a table; JSON columns as text."""
        return self.version(table).arrow()

    def count(self, table: str) -> int:
        """Number of rows, read from metadata alone."""
        return self.version(table).rows

    def files(self, table: str) -> list[str]:
        """The Parquet files that hold the table's rows."""
        return [e.path for e in self.version(table).entries]

    def _decode(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        spec = self._specs.get(table)
        return row if spec is None else spec.decode_row(row)

    def row(self, table: str, uid: str) -> dict[str, Any] | None:
        """One row as Python values, or None."""
        row = self.version(table).row(uid)
        return None if row is None else self._decode(table, row)

    def rows(self, table: str, uids: Sequence[str]) -> list[dict[str, Any]]:
        """Several rows in the given order; those that don't exist are left out."""
        version = self.version(table)
        places = version.locate(uids)
        out = []
        for uid in uids:
            if uid in places:
                entry, at = places[uid]
                row = version.file(entry).slice(at, 1).to_pylist()[0]
                out.append(self._decode(table, row))
        return out

    def prefix(self, table: str, stub: str, limit: int = 2) -> list[dict[str, Any]]:
        """Up to `limit` rows whose uid starts with a stub, in uid order."""
        return [self._decode(table, r) for r in self.version(table).prefix(stub, limit)]

    def _too_large(self, version: TableVersion) -> bool:
        # DuckDB and polars have no credentials for an object store: its tables are read by us
        remote = is_remote(version.location)
        return version.bytes > self._limits.memory_bytes and not remote

    def in_memory(self, table: str) -> bool:
        """Whether queries hold a table's rows in memory, instead of scanning its files."""
        return not self._too_large(self.version(table))

    def scan(self, table: str) -> pl.LazyFrame:
        """A table as a polars lazy frame, pinned to this state."""
        import polars as pl  # 0.2 s: only for those who scan

        version = self.version(table)
        if self._too_large(version):
            self._cache.check_files(self.files(table))
            if importlib.util.find_spec("polars_iceberg") is None:
                # else polars warns at every collect that it plans without this plugin
                os.environ.setdefault("POLARS_ICEBERG_PLANNER", "pyiceberg")
            return pl.scan_iceberg(version.location)
        frame = pl.from_arrow(version.arrow())
        if not isinstance(frame, pl.DataFrame):
            frame = frame.to_frame()
        return frame.lazy()

    def _source(self, table: str) -> pa.Table | Scan:
        version = self.version(table)
        if not self._too_large(version):
            return version.arrow()
        self._cache.check_files(self.files(table))
        return scan_sql(version)

    def sql(
        self,
        query: str,
        params: Any = None,
        *,
        views: Mapping[str, str | Scan] | None = None,
        tables: Mapping[str, pa.Table] | None = None,
        access: Access | None = None,
    ) -> duckdb.DuckDBPyRelation:
        """Run SQL over this state.

        Args:
            query: One statement; all tables are visible by their names.
            params: Values of its parameters: a list for `?`, a dictionary for `$name`.
            views: Further views, name to SELECT text; they may name tables and each other.
            tables: Further Arrow tables by name.
            access: What the query may do, if it is a user's.

        Returns:
            A DuckDB relation, bound to this state: `.pl()`, `.df()`, `.arrow()`, `.fetchall()`.
        """
        from lakehouse.engine.query import duck as duck  # 0.1 s: only for those who query

        return duck.run(
            query,
            params,
            source=self._source,
            tables=frozenset(self.tables),
            views=views or {},
            extra=tables or {},
            access=access or duck.REGISTRIES,
        )


def scan_sql(version: TableVersion) -> Scan:
    """SQL that scans a table's Parquet files, columns matched by field id."""
    from lakehouse.engine.query.duck import Scan

    fields = []
    for field in version.iceberg_schema["fields"]:
        type_ = "VARCHAR[]" if isinstance(field["type"], dict) else _DUCK[field["type"]]
        name = field["name"].replace("'", "''")
        # null where a file is older than the column
        fields.append(f"{field['id']}: {{name: '{name}', type: '{type_}', default_value: NULL}}")
    files = ", ".join("'" + e.path.replace("'", "''") + "'" for e in version.entries)
    if not files:
        columns = ", ".join(
            f"NULL::{'VARCHAR[]' if isinstance(f['type'], dict) else _DUCK[f['type']]}"
            f" AS {quoted(f['name'])}"
            for f in version.iceberg_schema["fields"]
        )
        return Scan(f"SELECT {columns} WHERE false")
    sql = f"SELECT * FROM read_parquet([{files}], schema=MAP {{{', '.join(fields)}}})"
    return Scan(sql, tuple(e.path for e in version.entries))

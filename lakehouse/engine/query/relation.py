"""The result of a query: a DuckDB relation that can be stopped, and that changes nothing."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from lakehouse.engine.query.interruption import stopped_by_ctrl_c
from lakehouse.engine.query.quoting import quoted
from lakehouse.engine.query.statements import TRUSTED_HINT, shortened
from lakehouse.errors import InvalidArgument, LakehouseError, StorageError
from lakehouse.text.printable import printable

T = TypeVar("T")

# what is known without running anything
_KNOWN = frozenset({"columns", "types", "dtypes", "description", "alias", "type"})
_CHANGES = frozenset(
    {"create", "create_view", "to_table", "to_view", "insert", "insert_into", "update", "query"}
)
_OWN = frozenset(
    {"write_csv", "to_csv", "write_parquet", "to_parquet", "to_arrow_reader", "arrow", "show"}
)
_WRITTEN_ROWS = 100_000
_WIDE = ("HUGEINT", "UHUGEINT")


@dataclass
class Running:
    """A connection of its own on which one query runs.

    Attributes:
        connection: The connection.
        query: The query, for messages.
        timeout: Seconds that it may take.
        locked: Whether it only reads: in a transaction that takes no writes.
    """

    connection: duckdb.DuckDBPyConnection
    query: str
    timeout: float | None
    locked: bool
    _whole: bool = True

    def begin(self) -> None:
        """Start the transaction that takes no writes."""
        if self.locked:
            self.connection.execute("BEGIN TRANSACTION READ ONLY")

    def call(self, action: Callable[[], T]) -> T:
        """Let DuckDB work; Ctrl-C stops it, and its errors are ours.

        Raises:
            InvalidArgument: The query failed, took too long or too much memory.
        """
        if not self._whole and self.locked:  # an error has ended the transaction
            with contextlib.suppress(duckdb.Error):
                self.connection.execute("ROLLBACK")
            self.begin()
        self._whole = False
        try:
            with stopped_by_ctrl_c(self.connection):
                found = action()
        except duckdb.Error as error:
            raise self._told(error) from error
        self._whole = True
        return found

    def _told(self, error: duckdb.Error) -> LakehouseError:
        said = f"The SQL can't be run: {shortened(self.query)}"
        if isinstance(error, duckdb.InterruptException) and self.timeout is not None:
            return InvalidArgument(
                f"The query took longer than {self.timeout:g} s: {shortened(self.query)}",
                hint="ln.settings.query.timeout = 600, or LAKEHOUSE_QUERY_TIMEOUT=600; "
                "None has no limit",
            )
        if isinstance(error, duckdb.OutOfMemoryException):
            return InvalidArgument(
                said,
                found=str(error).partition("\n")[0],
                hint="ln.settings.query.memory_limit = '8GB', or LAKEHOUSE_QUERY_MEMORY_LIMIT=8GB",
            )
        if isinstance(error, duckdb.PermissionException):
            return InvalidArgument(
                said,
                found=str(error).partition("\n")[0],
                expected="files below the lake's storage locations, and dataset('key')",
                hint=TRUSTED_HINT,
            )
        if isinstance(error, duckdb.IOException):
            return StorageError("A file can't be read or written.", found=str(error))
        return InvalidArgument(said, found=str(error))


class Relation(duckdb.DuckDBPyRelation):
    """A DuckDB relation over one state of a lake; it reads when it is asked for rows.

    All that DuckDB's relations can do, it can, but for making tables and views: its database is
    locked. Errors are lakehouse's, Ctrl-C stops a running query, and what it prints is safe for
    a terminal.
    """

    __slots__ = ("_lh",)

    def __init__(self, relation: duckdb.DuckDBPyRelation, running: Running) -> None:
        object.__setattr__(self, "_lh", (relation, running))

    def __getattribute__(self, name: str) -> Any:
        # every method passes here, also those that later versions of DuckDB bring
        relation, running = object.__getattribute__(self, "_lh")
        if (
            (name in _OWN and running.locked)
            or name.startswith("_lh_")
            or (name.startswith("__") and name in Relation.__dict__)
            or name == "__class__"
        ):
            return object.__getattribute__(self, name)
        if name in _KNOWN or name.startswith("_"):
            return getattr(relation, name)
        if name in _CHANGES and running.locked:
            raise InvalidArgument(
                f"The result of a query has no {name}(): it only reads.", hint=TRUSTED_HINT
            )
        if name == "shape":  # counts the rows
            return self._lh_run(lambda: getattr(relation, name))
        value = getattr(relation, name)
        if not callable(value):
            return self._lh_wrapped(value)

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._lh_wrapped(self._lh_run(lambda: value(*args, **kwargs)))

        call.__name__, call.__doc__ = name, value.__doc__
        return call

    def _lh_wrapped(self, value: Any) -> Any:
        running = object.__getattribute__(self, "_lh")[1]
        if isinstance(value, duckdb.DuckDBPyRelation) and not isinstance(value, Relation):
            return Relation(value, running)
        return value

    def _lh_run(self, action: Callable[[], T]) -> T:
        running: Running = object.__getattribute__(self, "_lh")[1]
        return running.call(action)

    def __len__(self) -> int:
        relation = object.__getattribute__(self, "_lh")[0]
        return self._lh_run(lambda: len(relation))

    def __contains__(self, name: str) -> bool:
        return name in object.__getattribute__(self, "_lh")[0]

    def __getitem__(self, name: str) -> Any:
        return self._lh_wrapped(object.__getattribute__(self, "_lh")[0][name])

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._lh_reader(1_000_000).__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        relation = object.__getattribute__(self, "_lh")[0]
        return printable(str(self._lh_run(lambda: repr(relation))))

    __str__ = __repr__

    def show(self, **options: Any) -> None:
        """Print the first rows."""
        relation = object.__getattribute__(self, "_lh")[0]
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            self._lh_run(lambda: relation.show(**options))
        sys.stdout.write(printable(text.getvalue()))

    def _lh_reader(
        self, rows: int, failed: list[BaseException] | None = None
    ) -> pa.RecordBatchReader:
        relation = object.__getattribute__(self, "_lh")[0]
        reader = self._lh_run(lambda: relation.to_arrow_reader(rows))

        def batches() -> Iterator[pa.RecordBatch]:
            while True:
                try:
                    batch = self._lh_run(lambda: next(reader, None))
                except BaseException as error:  # Ctrl-C, too
                    if failed is not None:
                        failed.append(error)
                    raise
                if batch is None:
                    return
                yield batch

        return pa.RecordBatchReader.from_batches(reader.schema, batches())

    def to_arrow_reader(self, batch_size: int = 1_000_000) -> pa.RecordBatchReader:
        """The rows as Arrow batches, one after the other."""
        return self._lh_reader(batch_size)

    arrow = to_arrow_reader

    def write_csv(self, file_name: str, **options: Any) -> None:
        """Write the rows as CSV."""
        relation = object.__getattribute__(self, "_lh")[0]
        names = [quoted(name) for name in relation.columns]
        texts = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in names)
        self._lh_write(relation.project(texts), "write_csv", file_name, options)

    def write_parquet(self, file_name: str, **options: Any) -> None:
        """Write the rows as Parquet."""
        relation = object.__getattribute__(self, "_lh")[0]
        named = zip(relation.columns, relation.types, strict=True)
        casts = ", ".join(
            f"CAST({quoted(name)} AS DOUBLE) AS {quoted(name)}"
            if str(type_) in _WIDE  # as DuckDB itself writes them
            else quoted(name)
            for name, type_ in named
        )
        self._lh_write(relation.project(casts), "write_parquet", file_name, options)

    to_csv, to_parquet = write_csv, write_parquet

    def _lh_write(
        self, relation: duckdb.DuckDBPyRelation, method: str, path: str, options: dict[str, Any]
    ) -> None:
        """Write rows by a database of its own: the one that they come from writes no file."""
        running: Running = object.__getattribute__(self, "_lh")[1]
        failed: list[BaseException] = []
        reader = Relation(relation, running)._lh_reader(_WRITTEN_ROWS, failed)
        with duckdb.connect() as writer:
            rows = writer.from_arrow(reader)
            try:
                Running(writer, running.query, None, locked=False).call(
                    lambda: getattr(rows, method)(path, **options)
                )
            except LakehouseError as error:
                if failed:  # else what the reader raised is told as a text
                    raise failed[0] from None
                if isinstance(error, StorageError):
                    raise StorageError(f"{path!r} can't be written.", found=error.found) from error
                raise

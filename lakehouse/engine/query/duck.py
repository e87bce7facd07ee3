"""DuckDB over one state: exactly the tables that a query names are visible to it.

Every query gets a connection of its own, on which the Arrow tables of one state are registered.
So a relation stays bound to its state, however late it is executed and whoever writes meanwhile.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from lakehouse.config import settings
from lakehouse.engine.query.databases import INTERNAL, Database
from lakehouse.engine.query.quoting import quoted
from lakehouse.engine.query.relation import Relation, Running
from lakehouse.engine.query.statements import shortened
from lakehouse.errors import InvalidArgument, near


@dataclass(frozen=True)
class Scan:
    """SQL that reads files.

    Attributes:
        sql: A SELECT.
        files: The files.
    """

    sql: str
    files: tuple[str, ...] = ()


Source = Callable[[str], "pa.Table | Scan"]


@dataclass(frozen=True)
class Access:
    """Whose query it is, and what it may do.

    Attributes:
        purpose: The lake, whose queries share a database; empty for the registries' own.
        folders: Folders whose files it may read.
        trusted: Whether it may do all that DuckDB can.
    """

    purpose: str = ""
    folders: tuple[str, ...] = ()
    trusted: bool = False

    def database(self, files: Iterable[str]) -> Database:
        """The database that a query runs on which reads some files."""
        read = sorted(set(files))
        if not self.purpose:
            folders = tuple(sorted({os.path.dirname(path) for path in read}))
            return Database("registries", folders) if read else INTERNAL
        limits = settings.query
        inside = tuple(f"{folder.rstrip('/')}/" for folder in self.folders)
        return Database(
            self.purpose,
            self.folders,
            tuple(path for path in read if not path.startswith(inside)),
            limits.memory_limit,
            limits.timeout,
            limits.threads,
        )


REGISTRIES = Access()


@functools.lru_cache(maxsize=1_024)
def names_in(query: str, database: Database = INTERNAL) -> frozenset[str] | None:
    """The tables that a query names, or None where DuckDB can't tell (SHOW, DESCRIBE …)."""
    try:
        with database.cursor() as cursor:
            names = cursor.get_table_names(_without_parameters(query))
    except duckdb.Error:
        return None
    if not names and query.lstrip()[:4].lower() == "show":  # it names none and means all
        return None
    return frozenset(names)


def _without_parameters(query: str) -> str:
    """The query with NULL for each parameter, since DuckDB names no tables of others."""
    text = query.encode(errors="replace")  # token offsets count bytes
    out: list[bytes] = []
    end = skip = 0
    for at, kind in duckdb.tokenize(query):
        if kind != duckdb.token_type.operator or text[at : at + 1] not in (b"?", b"$") or at < skip:
            continue
        skip = at + 1
        while text[skip : skip + 1].isalnum() or text[skip : skip + 1] == b"_":
            skip += 1
        out += [text[end:at], b"NULL"]
        end = skip
    return (b"".join(out) + text[end:]).decode()


def needed(
    query: str,
    views: Mapping[str, str | Scan],
    tables: frozenset[str],
    database: Database = INTERNAL,
) -> list[str]:
    """The tables and views that a query needs, in the order in which to make them."""
    lowered = {n.lower(): n for n in (*tables, *views)}
    order: list[str] = []
    seen: set[str] = set()

    def visit(text: str) -> None:
        found = names_in(text, database)
        # where DuckDB can't tell, all are made
        for raw in lowered.values() if found is None else sorted(found):
            name = lowered.get(raw.lower())
            if name is None or name in seen:
                continue
            seen.add(name)
            if isinstance(view := views.get(name), str):
                visit(view)
            # after those that it needs: DuckDB looks names up when a view is made
            order.append(name)

    visit(query)
    return order


def run(
    query: str,
    params: Any,
    *,
    source: Source,
    tables: frozenset[str],
    views: Mapping[str, str | Scan],
    extra: Mapping[str, pa.Table],
    access: Access = REGISTRIES,
) -> duckdb.DuckDBPyRelation:
    """Run a query over a state.

    Args:
        query: One SQL statement.
        params: Values for its parameters, as DuckDB takes them.
        source: Gives a table's rows, or the SQL that scans its files.
        tables: The names of all tables.
        views: SQL text of named views; of those that read files, with the files.
        extra: Further Arrow tables by name; they hide registries of the same name.
        access: Who asks. A query of a user is refused unless it is one statement that only
            reads, and runs on a database of the lake's own.

    Raises:
        InvalidArgument: DuckDB refuses the statement; unknown tables list the near ones.
    """
    scans = {name: view for name, view in views.items() if isinstance(view, Scan)}
    database = access.database(path for scan in scans.values() for path in scan.files)
    names = needed(query, views, tables, INTERNAL if access.trusted else database)
    made: dict[str, pa.Table | Scan | str] = dict(extra)
    for name in names:
        if name not in extra:
            made[name] = views[name] if name in views else source(name)
    read = (path for what in made.values() if isinstance(what, Scan) for path in what.files)
    database = access.database(read)  # with the files of tables that memory doesn't hold
    connection = database.open() if access.trusted else database.cursor()
    locked = bool(access.purpose) and not access.trusted
    running = Running(connection, query, database.timeout, locked)

    def start() -> duckdb.DuckDBPyRelation | None:
        register(connection, made)
        running.begin()
        return connection.sql(query, params=params) if params else connection.sql(query)

    try:
        relation = running.call(start) if access.purpose else start()
    except (InvalidArgument, duckdb.Error) as error:
        raise _refused(query, error, [*tables, *views, *extra]) from error
    if relation is None:
        relation = connection.sql("SELECT 'done' AS status")
    return Relation(relation, running) if access.purpose else relation


def register(
    connection: duckdb.DuckDBPyConnection, made: Mapping[str, pa.Table | Scan | str]
) -> None:
    """Make tables and views visible on a connection, each after those that it needs."""
    for name, what in made.items():
        text = what.sql if isinstance(what, Scan) else what
        if isinstance(text, str):
            connection.execute(f"CREATE TEMP VIEW {quoted(name)} AS {text}")
        else:
            connection.register(name, text)


def _refused(query: str, error: Exception, names: list[str]) -> InvalidArgument | Exception:
    cause = error.__cause__ if isinstance(error, InvalidArgument) else error
    if isinstance(error, InvalidArgument) and not _of_a_table(cause):
        return error
    text = str(cause)
    hint = None
    if _of_a_table(cause):
        wanted = text.partition("Table with name ")[2].split(" ")[0]
        close = near(wanted, names)
        listed = ", ".join(close) if close else ", ".join(sorted(names))
        hint = f"{'did you mean' if close else 'there are'}: {listed}"
        text = text.partition("\n")[0]  # what follows are DuckDB's own guesses
    return InvalidArgument(f"The SQL can't be run: {shortened(query)}", found=text, hint=hint)


def _of_a_table(error: BaseException | None) -> bool:
    return isinstance(error, duckdb.CatalogException) and "Table with name" in str(error)


def connection_on(
    source: Source, tables: frozenset[str], views: Mapping[str, str]
) -> duckdb.DuckDBPyConnection:
    """A new database, not locked, with all tables and views of a state."""
    order: dict[str, None] = {}
    for name in sorted({*tables, *views}):
        order |= dict.fromkeys(needed(f"FROM {quoted(name)}", views, tables))
    connection = Database("own").open()
    register(connection, {n: views[n] if n in views else source(n) for n in order})
    return connection

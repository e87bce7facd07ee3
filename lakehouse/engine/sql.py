"""DuckDB over one state: exactly the tables that a query names are visible to it.

Every query gets a cursor of its own, on which the Arrow tables of one state are registered.
So a relation stays bound to its state, however late it is executed and whoever writes meanwhile.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from lakehouse.engine.quoting import quoted
from lakehouse.errors import InvalidArgument, near

_lock = threading.Lock()
_database: tuple[int, duckdb.DuckDBPyConnection] | None = None
_inherited: list[duckdb.DuckDBPyConnection] = []  # a child that closed them would wait for ever
os.register_at_fork(
    before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
)

Source = Callable[[str], "pa.Table | str"]


def cursor() -> duckdb.DuckDBPyConnection:
    """A new cursor on this process's in-memory DuckDB."""
    global _database
    with _lock:
        if _database is None or _database[0] != os.getpid():
            if _database is not None:
                _inherited.append(_database[1])
            connection = duckdb.connect(
                config={"python_enable_replacements": False, "autoinstall_known_extensions": False}
            )
            connection.execute("SET TimeZone = 'UTC'")
            _database = (os.getpid(), connection)
        return _database[1].cursor()


@functools.lru_cache(maxsize=1_024)
def names_in(query: str) -> frozenset[str] | None:
    """The tables that a query names, or None where DuckDB can't tell (SHOW, DESCRIBE …)."""
    try:
        names = cursor().get_table_names(_without_parameters(query))
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


def needed(query: str, views: Mapping[str, str], tables: frozenset[str]) -> list[str]:
    """The tables and views that a query needs, in the order in which to make them."""
    lowered = {n.lower(): n for n in (*tables, *views)}
    order: list[str] = []
    seen: set[str] = set()

    def visit(text: str) -> None:
        found = names_in(text)
        for raw in lowered.values() if found is None else sorted(found):
            name = lowered.get(raw.lower())
            if name is None or name in seen:
                continue
            seen.add(name)
            if name in views:
                visit(views[name])
            order.append(name)

    visit(query)
    return order


def run(
    query: str,
    params: Any,
    *,
    source: Source,
    tables: frozenset[str],
    views: Mapping[str, str],
    extra: Mapping[str, pa.Table],
) -> duckdb.DuckDBPyRelation:
    """Run a query over a state.

    Args:
        query: One SQL statement.
        params: Values for its parameters, as DuckDB takes them.
        source: Gives a table's rows, or the SQL that scans its files.
        tables: The names of all tables.
        views: SQL text of named views.
        extra: Further Arrow tables by name; they hide registries of the same name.

    Raises:
        InvalidArgument: DuckDB refuses the statement; unknown tables list the near ones.
    """
    connection = cursor()
    for name, table in extra.items():
        connection.register(name, table)
    for name in needed(query, views, tables):
        if name in extra:
            continue
        what = views[name] if name in views else source(name)
        if isinstance(what, str):
            connection.execute(f"CREATE TEMP VIEW {quoted(name)} AS {what}")
        else:
            connection.register(name, what)
    try:
        relation = connection.sql(query, params=params) if params else connection.sql(query)
    except duckdb.Error as error:
        raise _refused(query, error, [*tables, *views, *extra]) from error
    if relation is None:
        return connection.sql("SELECT 'done' AS status")
    return relation


def _refused(query: str, error: duckdb.Error, names: list[str]) -> InvalidArgument:
    text = str(error)
    hint = None
    if isinstance(error, duckdb.CatalogException) and "Table with name" in text:
        wanted = text.partition("Table with name ")[2].split(" ")[0]
        close = near(wanted, names)
        listed = ", ".join(close) if close else ", ".join(sorted(names))
        hint = f"{'did you mean' if close else 'there are'}: {listed}"
        text = text.partition("\n")[0]  # what follows are DuckDB's own guesses
    shown = query if len(query) < 200 else query[:200] + " …"
    return InvalidArgument(f"The SQL can't be run: {shown}", found=text, hint=hint)

"""What a query may say: one statement that only reads.

DuckDB's own parser judges. Its classes of statements alone don't do: `EXPLAIN ANALYZE` runs what
it explains, and a common table expression may hold `COPY … TO` or `INSERT` inside a `SELECT`.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import duckdb

from lakehouse.engine.query.databases import INTERNAL, Database
from lakehouse.errors import InvalidArgument
from lakehouse.text.printable import encodable

TRUSTED_HINT = (
    "lake.sql(query, trusted=True), lake.duckdb() or lakehouse sql --trusted give DuckDB's "
    "whole power"
)
# Functions that run other SQL as text, follow pointers, or change what outlives the query.
REFUSED_FUNCTIONS = frozenset(
    {
        *("query", "query_table", "json_execute_serialized_sql"),
        *("arrow_scan", "arrow_scan_dumb", "pandas_scan", "python_arrow_scan"),
        *("python_map_function", "seq_scan"),
        *("checkpoint", "force_checkpoint", "import_database", "copy_database"),
        *("enable_logging", "disable_logging", "truncate_duckdb_logs", "write_log"),
        *("duckdb_logs", "duckdb_logs_parsed", "duckdb_log_contexts"),
        *("duckdb_secrets", "which_secret", "getenv", "set_config"),
        *("enable_profiling", "disable_profiling", "enable_profile", "disable_profile"),
        *("add_grammar_extension", "remove_grammar_extension"),
        *("register_external_resource", "register_external_resource_type"),
        *("create_external_resource", "destroy_external_resource", "deregister_external_resource"),
        *("read_duckdb", "duckdb_external_file_cache", "duckdb_prepared_statements"),
        *("duckdb_live_query_metrics", "duckdb_temporary_files"),
    }
)
_WRITING = ("copy", "insert", "update", "delete", "merge")
# Most queries hold none of these words and need no second look.
_SUSPICIOUS = re.compile(rf"\b(?:{'|'.join(sorted({*_WRITING, *REFUSED_FUNCTIONS}))})\b", re.I)
_PIVOTS = ("pivot", "from", "select", "with", "(")


@functools.lru_cache(maxsize=1_024)
def check_reads(query: str, database: Database = INTERNAL) -> None:
    """Refuse a text that isn't one statement that only reads.

    Args:
        query: The text.
        database: Whose parser judges: the one on which it will run, so that no other is made.

    Raises:
        InvalidArgument: It is none, several, or one that could change something.
    """
    if not encodable(query):
        raise _refused(ascii(query), "half of a surrogate pair, which is no character", None)
    try:
        with database.cursor() as cursor:  # the module's own would make one more database
            statements = cursor.extract_statements(query)
    except duckdb.Error as error:
        raise _refused(query, str(error), None) from error
    if len(statements) != 1:
        found = f"{len(statements)} statements" if statements else "no statement"
        raise _refused(query, found, "run them one by one" if statements else None)
    kind = statements[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        # EXPLAIN ANALYZE runs it
        check_reads(_explained(query), database)
    elif kind == duckdb.StatementType.MULTI:  # PIVOT over values that aren't said
        if _words(query)[:1][0][0] not in _PIVOTS or _SUSPICIOUS.search(query):
            raise _refused(query, "a statement that writes", TRUSTED_HINT)
    elif kind != duckdb.StatementType.SELECT:
        raise _refused(query, f"a statement {_name(kind)}", TRUSTED_HINT)
    elif _SUSPICIOUS.search(query):
        for found in _forbidden(query, database):
            raise _refused(query, found, TRUSTED_HINT)


def _name(kind: Any) -> str:
    return str(getattr(kind, "name", kind)).replace("_", " ")


def _refused(query: str, found: str, hint: str | None) -> InvalidArgument:
    return InvalidArgument(
        f"The SQL can't be run: {shortened(query)}",
        found=found,
        expected=None if hint is None else "one statement that only reads",
        hint=hint,
    )


def shortened(query: str) -> str:
    """A query as messages show it."""
    return query if len(query) < 200 else query[:200] + " …"


def _words(query: str) -> list[tuple[str, int]]:
    """The tokens of a query in lower case, with the place in its UTF-8 text where each begins."""
    text = query.encode(errors="replace")  # token offsets count bytes
    found = [(at, kind) for at, kind in duckdb.tokenize(query)]
    ends = [at for at, _ in found[1:]] + [len(text)]
    return [
        (text[at:end].decode(errors="replace").strip().lower(), at)
        for (at, kind), end in zip(found, ends, strict=True)
        if kind != duckdb.token_type.comment
    ]


def _explained(query: str) -> str:
    """The statement that an EXPLAIN explains."""
    text = query.encode(errors="replace")
    words = [(word, at) for word, at in _words(query) if word.strip(";")]
    place = 1
    while place < len(words) and words[place][0] in ("analyze", "verbose"):
        place += 1
    if place < len(words) and words[place][0].startswith("("):
        depth, end = 0, place
        for end in range(place, len(words)):
            depth += words[end][0].count("(") - words[end][0].count(")")
            if depth <= 0:
                break
        if end + 1 < len(words):  # else it is the statement itself
            place = end + 1
    return text[words[place][1] :].decode(errors="replace") if place < len(words) else ""


def _forbidden(query: str, database: Database) -> list[str]:
    """The parts of a SELECT that write, or call what queries may not call."""
    with database.cursor() as cursor:
        # takes a SELECT only, so that what it doesn't know is refused
        row = cursor.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    parsed = json.loads(row[0]) if row else {"error": True}
    if parsed.get("error"):
        return ["a statement that can't be looked into"]
    found: list[str] = []
    pending: list[Any] = [parsed["statements"]]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            kind = str(node.get("type") or "")
            if kind.endswith("_QUERY_NODE"):
                found.append(f"{kind.removesuffix('_QUERY_NODE')} inside a SELECT")
            name = str(node.get("function_name") or "").lower()
            if name in REFUSED_FUNCTIONS:
                found.append(f"the function {name}")
            pending += node.values()
    return found

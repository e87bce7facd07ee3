"""Table functions in SQL, such as `dataset('key')`, replaced by views before DuckDB sees them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse.orm.directory import load_name

if TYPE_CHECKING:
    from lakehouse.engine.sql import Scan
    from lakehouse.orm.lake import Lake

# quoted text, quoted names and comments are passed over, so that a call inside them stays text
_CALL = r"\b({names})\s*\(\s*'((?:[^']|'')*)'\s*\)"
_SKIPPED = (
    r"\be'(?:[^'\\]|\\.|'')*'|\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$|"
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/"
)


def expand(lake: Lake, query: str) -> tuple[str, dict[str, Scan], dict[str, pa.Table]]:
    """A query with its table functions replaced by names, and what the names stand for.

    Returns:
        The query, what reads files by view name, and Arrow tables by name.
    """
    functions = lake.directory.functions
    views: dict[str, Scan] = {}
    tables: dict[str, pa.Table] = {}
    if not any(name in query.lower() for name in functions):
        return query, views, tables
    call = re.compile(
        f"{_CALL.format(names='|'.join(functions))}|{_SKIPPED}", re.IGNORECASE | re.DOTALL
    )
    names: dict[tuple[str, str], str] = {}

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        function, argument = match[1].lower(), match[2].replace("''", "'")
        name = names.setdefault((function, argument), f"lh_{function}_{len(names)}")
        if name not in views and name not in tables:
            found = load_name(functions[function])(lake, argument)
            if isinstance(found, pa.Table):
                tables[name] = found
            else:
                views[name] = found
        return name

    return call.sub(replace, query), views, tables

"""What users' queries in SQL may reach: the files of their lake, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakehouse.io.uris import is_remote

if TYPE_CHECKING:
    import duckdb

    from lakehouse.engine import State
    from lakehouse.engine.query.duck import Access
    from lakehouse.orm.lake.lake import Lake

_FOLDERS: dict[tuple[str, str], tuple[str, ...]] = {}  # by root and the storage table's version


def access_of(lake: Lake, *, trusted: bool = False) -> Access:
    """What queries over a lake may do."""
    from lakehouse.engine.query.duck import Access  # loads DuckDB: only for those who query

    return Access(lake.uid, _folders(lake), trusted)


def _folders(lake: Lake) -> tuple[str, ...]:
    """Real paths of the folders whose files queries may read: the lake's storage locations.

    A location that holds the whole disk or a user's home would open everything: of those only
    the datasets that a query names are read.
    """
    state = lake.state
    known = (lake.root, state.pointers.get("storage", ""))
    found = _FOLDERS.get(known)
    if found is None:
        roots = [lake.root]
        if known[1]:
            roots += [str(root) for root in state.arrow("storage")["root"].to_pylist() if root]
        local = {os.path.realpath(root) for root in roots if not is_remote(root)}
        wide = os.path.realpath(os.path.expanduser("~"))
        found = tuple(sorted(f for f in local if os.path.commonpath([f, wide]) != f))
        if len(_FOLDERS) > 16:  # one a version of the table
            _FOLDERS.clear()
        _FOLDERS[known] = found
    return found


def connection_on(state: State, views: Mapping[str, str]) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own that sees all tables and views of a state."""
    from lakehouse.engine.query import duck as sql

    return sql.connection_on(state._source, frozenset(state.tables), views)

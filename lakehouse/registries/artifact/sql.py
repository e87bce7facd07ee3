"""`dataset('key')` in SQL: the content of a table-like artifact."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import InvalidArgument, ObjectDoesNotExist, near
from lakehouse.formats.base import COLUMNS
from lakehouse.orm.record.versions import latest_uid
from lakehouse.registries.artifact.record import Artifact

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.engine.query.duck import Scan
    from lakehouse.orm import Lake

_SEPARATOR = {".csv": ",", ".csv.gz": ",", ".tsv": "\\t", ".tsv.gz": "\\t"}


def content(lake: Lake, key: str) -> Scan | pa.Table:
    """What `dataset('key')` reads: SQL that scans the file, or its rows.

    The key, or a uid, names the latest version in the lake's state. An AnnData gives its
    observations (`obs`).

    Raises:
        ObjectDoesNotExist: There is no such artifact.
        InvalidArgument: It isn't table-like.
        ContentChanged: Its bytes aren't those that were saved.
    """
    uid = latest_uid(lake, "artifact", {"key": key}) or (
        key if lake.state.row("artifact", key) else None
    )
    row = None if uid is None else lake.state.row("artifact", uid)
    if row is None:
        keys = [k for k in lake.state.arrow("artifact")["key"].to_pylist() if k]
        raise ObjectDoesNotExist(
            f"There is no artifact with key {key!r}.",
            expected=", ".join(near(key, keys)) or None,
            hint="lakehouse ls lists the artifacts",
        )
    artifact = Artifact._from_row(lake, row)
    path = artifact.cache()
    suffix = (artifact.suffix or "").lower()
    if suffix == ".parquet":
        return _parquet(path)
    if suffix in _SEPARATOR:
        return _scan(
            f"SELECT * FROM read_csv({_literal(str(path))}, delim = '{_SEPARATOR[suffix]}', "
            "hive_partitioning = false)",
            [path],
        )
    adapter = artifact._format(path)
    if adapter is None or adapter.otype not in ("DataFrame", "AnnData"):
        raise InvalidArgument(
            f"The artifact {key!r} has no rows to query.",
            found=artifact.suffix or "no suffix",
            expected="a table or an AnnData",
        )
    if path.is_dir() and adapter.otype == "DataFrame":
        if adapter.name == "parquet":
            return _parquet(path)
        whole: pa.Table = adapter.open(path).to_table()
        return whole
    table: pa.Table = adapter.table(path, COLUMNS if adapter.otype == "DataFrame" else "obs")
    return table


def _literal(text: str) -> str:
    """A path as a SQL text in which DuckDB finds no pattern."""
    escaped = "".join(f"[{c}]" if c in "[*?" else c for c in text)
    return "'" + escaped.replace("'", "''") + "'"


def _scan(sql: str, paths: Sequence[Path]) -> Scan:
    from lakehouse.engine.query.duck import Scan

    return Scan(sql, tuple(os.path.realpath(path) for path in paths))


def _parquet(path: Path) -> Scan:
    """SQL that scans a Parquet file, or a folder of them with the columns in its folders' names."""
    paths = sorted(path.glob("**/*.parquet")) if path.is_dir() else [path]
    files = ", ".join(_literal(str(p)) for p in paths)
    below = path.is_dir() and any("=" in p.name for p in path.rglob("*") if p.is_dir())
    return _scan(
        f"SELECT * FROM read_parquet([{files}], hive_partitioning = {str(below).lower()})", paths
    )

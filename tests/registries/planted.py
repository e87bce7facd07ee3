"""Markers planted in a lake, and a search for them in every byte on disk, raw and decoded."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakehouse.engine.table import manifest_reading as _avro_read


def traces(root: str | Path, markers: Iterable[str]) -> list[str]:
    """Where markers are still found below a folder: in names, bytes, and what bytes decode to."""
    found = []
    wanted = sorted(set(markers))
    for path in sorted(Path(root).rglob("*")):
        texts = [path.name.encode()]
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            texts.append(data)
            with suppress(EOFError, pa.ArrowInvalid):  # half of a file, as killed writers leave it
                texts += _decoded(path, data)
        for marker in wanted:
            if any(marker.encode() in text for text in texts):
                found.append(f"{marker} in {path}")
    return found


def _decoded(path: Path, data: bytes) -> list[bytes]:
    if data.startswith(b"PAR1"):
        table = pq.read_table(io.BytesIO(data))
        statistics = pq.read_metadata(io.BytesIO(data)).to_dict()
        return [_text(table.to_pylist()), _text(table.column_names), _text(statistics)]
    if data.startswith(b"Obj\x01"):
        return [block for _, _, block in _avro_read._blocks(data)]
    if data.startswith(b"SQLite format 3"):
        return [_text(_rows_of(path))]
    return []


def _text(value: Any) -> bytes:
    return json.dumps(value, default=repr, ensure_ascii=False).encode()


def _rows_of(path: Path) -> list[Any]:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        names = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [db.execute(f"SELECT * FROM {name}").fetchall() for name in names]
    finally:
        db.close()

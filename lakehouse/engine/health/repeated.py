"""Rows that repeat a uid or a unique value, which only other Iceberg engines can write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.engine.catalog.base import Catalog


def once(
    rows: pa.Table,
    keys_of: Callable[[pa.Table], list[tuple[str, pa.ChunkedArray, pa.ChunkedArray]]],
    catalog: Catalog,
) -> pa.Table:
    """Rows without those that repeat a uid or a unique key; who holds the key in the catalog stays."""
    first: dict[str, int] = {}
    for at, uid in enumerate(rows["uid"].to_pylist()):
        first.setdefault(uid, at)
    if len(first) != rows.num_rows:
        rows = rows.take(pa.array(sorted(first.values()), pa.int64()))
    gone: set[str] = set()
    for _, keys, uids in keys_of(rows):
        counts = keys.value_counts()
        twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
        if not twice:
            continue
        holders = catalog.holders(twice)
        claimants: dict[str, list[str]] = {key: [] for key in twice}
        for key, uid in zip(keys.to_pylist(), uids.to_pylist(), strict=True):
            if key in claimants:
                claimants[key].append(uid)
        for key, some in claimants.items():
            # else the oldest: uids begin with their time
            stays = holders.get(key) if holders.get(key) in some else min(some)
            gone |= set(some) - {str(stays)}
    if not gone:
        return rows
    return rows.filter(pc.invert(pc.is_in(rows["uid"], value_set=pa.array(sorted(gone)))))


def difference(rows: pa.Table, kept: pa.Table) -> list[dict[str, Any]]:
    """The rows that were left out, with their values."""
    left: dict[str, int] = dict.fromkeys(kept["uid"].to_pylist(), 1)
    out = []
    for row in rows.to_pylist():
        if left.get(row["uid"], 0) > 0:
            left[row["uid"]] -= 1
        else:
            out.append(row)
    return out


def brief(row: Mapping[str, Any]) -> str:
    """What people know a row by."""
    shown = {k: v for k, v in row.items() if v is not None and k in ("name", "key", "handle")}
    return ", ".join(f"{k} {v!r}" for k, v in shown.items()) or f"uid {row.get('uid')!r}"

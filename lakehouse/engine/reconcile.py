"""Noticing writers that don't know us.

Any Iceberg engine may write to the tables. It bypasses our keys and log, and is recognised by
a pointer that isn't the last logged one. Before the next commit its change is entered: keys of
its rows are claimed, keys of rows that it removed are released, and the log is extended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow.compute as pc

from lakehouse.engine.catalog import Exclusive, Heads, KeysTaken, Swap
from lakehouse.engine.reach import reachable
from lakehouse.engine.spec import TableSpec
from lakehouse.engine.tables import TableCache, TableVersion
from lakehouse.errors import IntegrityError
from lakehouse.identity import new_uid

FOREIGN = "written by another Iceberg engine"


def reconcile(
    exclusive: Exclusive, cache: TableCache, specs: Mapping[str, TableSpec], heads: Heads
) -> Heads:
    """Enter foreign changes into keys and log; the heads afterwards.

    Raises:
        IntegrityError: Foreign rows break a unique key; they must be mended where they came from.
    """
    foreign = {t: p for t, p in heads.foreign().items() if t in specs}
    if not foreign:
        return heads
    swap = Swap(new_uid(), datetime.now(UTC), message=FOREIGN)
    for table, pointer in foreign.items():
        _check_uids(table, cache.version(pointer))
        now = Counter(specs[table].keys_of_table(cache.version(pointer).arrow()))
        logged = heads.logged.get(table)
        before = (
            Counter(specs[table].keys_of_table(cache.version(logged).arrow()))
            if logged
            else Counter()
        )
        swap.pointers[table] = (pointer, pointer)
        if logged:
            lost = reachable(cache.version(logged)) - reachable(cache.version(pointer))
            swap.garbage += sorted(lost)
        swap.claims += list((now - before).elements())
        swap.releases += list((before - now).elements())
    try:
        exclusive.swap(swap)
    except KeysTaken as error:
        shown = ", ".join(f"{k!r} (held by {u})" for k, u in error.taken[:5])
        raise IntegrityError(
            f"Another Iceberg engine wrote rows to {sorted(foreign)} that repeat unique values.",
            found=shown,
            expected="every unique value once",
            hint="delete or rename the repeated rows with the engine that wrote them, or set them"
            " aside: lakehouse repair",
        ) from None
    return exclusive.heads()


def _check_uids(table: str, version: TableVersion) -> None:
    counts = version.arrow()["uid"].value_counts()
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
    if repeated:
        raise IntegrityError(
            f"Another Iceberg engine wrote rows to {table!r} that repeat uids.",
            found=", ".join(map(str, repeated[:5])),
            expected="every uid once",
            hint="delete the repeated rows with the engine that wrote them, or set them aside:"
            " lakehouse repair",
        )

"""The links between terms: the hierarchy and other relations, each in a slot of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.relations.tables import link_row

if TYPE_CHECKING:
    from lakehouse.engine import Changes
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.session.batch import Batch

LINK_TABLE = "ontology_link"
IS_A = "is_a"


def link_stamps(lake: Lake, now: Any) -> dict[str, Any]:
    """What new links are stamped with."""
    stamps = {k: v for k, v in lake.stamps.items() if k in ("created_by_uid", "run_uid")}
    return {"created_at": now, **stamps}


def stage_parents(batch: Batch, lake: Lake, pairs: list[tuple[Any, Any]]) -> None:
    """Let pairs of a record and one of its parents be linked with a batch."""

    def stage(changes: Changes) -> None:
        stamps = link_stamps(lake, batch.now)
        rows = [
            link_row(child.uid, child.meta.table, parent.uid, slot=IS_A, **stamps)
            for child, parent in pairs
        ]
        if rows:
            changes.insert(LINK_TABLE, rows, if_absent=True)

    batch.stage(stage)


def edges(lake: Lake, table: str, relation: str | None = IS_A) -> pa.Table:
    """The links of one registry as `id, parent` (both uids), `slot` and `uid` of the link."""
    links = lake.state.arrow(LINK_TABLE)
    wanted = pc.equal(links["registry"], table)
    if relation is not None:
        wanted = pc.and_(wanted, pc.equal(links["slot"], relation))
    found = links.filter(wanted).select(["subject_uid", "target_uid", "slot", "uid"])
    return found.rename_columns(["id", "parent", "slot", "uid"])

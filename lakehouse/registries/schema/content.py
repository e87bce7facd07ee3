"""What a schema demands, as content that is hashed, kept and compared.

The content of a saved schema may change. What it was before is kept in the schema's `history`
under its hash, as long as some dataset was validated with it, so that such a dataset can always
be compared with exactly what it was validated against.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.features.sets import INDEX, hash_of
from lakehouse.orm.session.links import inserted, keep, unlink
from lakehouse.orm.view.present import present
from lakehouse.relations.tables import link_row

if TYPE_CHECKING:
    from datetime import datetime

    from lakehouse.engine import Changes
    from lakehouse.orm import Lake

__all__ = ["content_of", "hash_of", "links_of", "stage_members", "was_used"]

# The columns of a schema's row that say what is demanded.
DEMANDS = (
    "dtype",
    "itype",
    "otype",
    "suffix",
    "minimal_set",
    "maximal_set",
    "ordered_set",
    "coerce",
    "flexible",
    "constraints",
)


class Member(NamedTuple):
    """One member of a schema: its registry's table, its uid, and whether it is optional."""

    table: str
    uid: str
    optional: bool = False


def content_of(
    values: Mapping[str, Any],
    members: Sequence[Member],
    index_uid: str | None,
    slots: Mapping[str, tuple[str, str]],
) -> dict[str, Any]:
    """Everything that a schema demands, as plain values.

    Args:
        values: The columns of its row.
        members: Its members in order.
        index_uid: The feature of the index.
        slots: Uid and hash of the schemas of its slots.
    """
    content: dict[str, Any] = {n: values.get(n) for n in DEMANDS if values.get(n) is not None}
    content["members"] = [list(m) for m in members]
    if index_uid is not None:
        content["index"] = index_uid
    if slots:
        content["slots"] = {slot: list(part) for slot, part in sorted(slots.items())}
    return content


def links_of(lake: Lake, schema_uid: str, *, index: bool = False) -> list[dict[str, Any]]:
    """The links to a schema's members, in order; with `index`, only the one to its index."""
    rows = present(lake).prefix("schema_link", schema_uid, 10_000_000)
    wanted = [r for r in rows if r["registry"] not in ("schema", "project")]
    chosen = [r for r in wanted if (r["slot"] == INDEX) is index]
    return sorted(chosen, key=lambda r: (r["position"] is None, r["position"] or 0, r["uid"]))


def stage_members(
    changes: Changes,
    lake: Lake,
    schema_uid: str,
    members: Iterable[Member],
    index_uid: str | None,
    slots: Mapping[str, tuple[str, str]],
    now: datetime,
) -> None:
    """Stage that a schema has exactly these members, index and components."""
    wanted = [
        link_row(schema_uid, m.table, m.uid, position=i, optional=m.optional, created_at=now)
        for i, m in enumerate(members, 1)
    ]
    if index_uid is not None:
        wanted.append(
            link_row(
                schema_uid, "feature", index_uid, slot=INDEX, position=0, optional=False,
                created_at=now,
            )
        )  # fmt: skip
    wanted += [
        link_row(schema_uid, "schema", uid, slot=slot, created_at=now)
        for slot, (uid, _) in slots.items()
    ]
    kept = {row["uid"]: row for row in lake.state.prefix("schema_link", schema_uid, 10_000_000)}
    new = {row["uid"] for row in wanted}
    gone = [u for u, row in kept.items() if row["registry"] != "project" and u not in new]
    # what managers have done to the members in the same transaction is told by the members
    others = inserted(changes, "schema_link", schema_uid)
    unlink(changes, "schema_link", gone + [r["uid"] for r in others if r["registry"] != "project"])
    keep(changes, "schema_link", new)
    fresh = [row for row in wanted if row["uid"] not in kept]
    if fresh:
        changes.insert("schema_link", fresh, if_absent=True)
    for row in wanted:
        old = kept.get(row["uid"])
        differs = {
            name: row.get(name)
            for name in ("position", "optional")
            if old is not None and old[name] != row.get(name)
        }
        if differs:
            changes.update("schema_link", row["uid"], differs)


def other_holder(lake: Lake, content_hash: str, uid: str) -> dict[str, Any] | None:
    """The row of another schema that stands for a content."""
    holder = lake.engine.holder("schema", ("hash_key",), (content_hash,))
    return None if holder in (None, uid) else lake.state.row("schema", str(holder))


def differs(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
    """Whether more was changed than which members are optional, or what lies in slots."""

    def told(content: Mapping[str, Any]) -> dict[str, Any]:
        kept = {k: v for k, v in content.items() if k not in ("members", "slots")}
        return {**kept, "members": [m[:2] for m in content["members"]]}

    return before is None or told(before) != told(after)


def was_used(lake: Lake, schema_uid: str, content_hash: str) -> bool:
    """Whether a dataset was validated with this content of a schema.

    One that was validated with a schema of which it is a component may have been.
    """
    wholes = pa.array([u for u in composites_of(lake, schema_uid) if u != schema_uid], pa.string())
    for table in ("artifact", "collection", "record"):
        rows = lake.state.arrow(table)
        if "schema_uid" not in rows.column_names:
            continue
        used = pc.equal(rows["schema_uid"], schema_uid)
        if "schema_hash" in rows.column_names:
            hashes = pc.fill_null(rows["schema_hash"], content_hash)
            used = pc.and_(used, pc.equal(hashes, content_hash))
        if pc.any(pc.or_kleene(used, pc.is_in(rows["schema_uid"], value_set=wholes))).as_py():
            return True
    return False


def composites_of(lake: Lake, schema_uid: str) -> list[str]:
    """The schemas that have a schema as the one of a slot."""
    rows = present(lake).arrow("schema_link")
    hits = pc.and_(pc.equal(rows["registry"], "schema"), pc.equal(rows["target_uid"], schema_uid))
    return list(dict.fromkeys(rows.filter(hits)["subject_uid"].to_pylist()))

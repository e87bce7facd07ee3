"""Sets of features and of terms that datasets were found to have, kept as schemas.

A set that a schema demands exactly is that schema. Any other set is a schema without a name,
addressed by its members, until somebody makes a schema that demands it: this gets the name. A schema that is changed stays the set of no dataset: what datasets
were found to have doesn't change with what is demanded.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow.compute as pc

from lakehouse.engine import Changes
from lakehouse.engine.table.json_text import dump_json
from lakehouse.orm import Batch, Lake
from lakehouse.relations.tables import content_hash, link_row

INDEX = "index"  # the slot of the link to a schema's index
_STAMPS = ("created_at", "created_by_uid", "run_uid")


class FeatureSet(NamedTuple):
    """What a dataset was found to have in one slot.

    Attributes:
        itype: What names the members: `Feature`, a feature type, a field of another registry.
        table: The table of the members' registry.
        members: Their uids.
        index_uid: The one of them that is the index, if one is.
    """

    itype: str
    table: str
    members: tuple[str, ...]
    index_uid: str | None = None

    @classmethod
    def of(cls, itype: str, table: str, uids: list[str], index: str | None = None) -> FeatureSet:
        """A set, whatever the order of its members."""
        return cls(itype, table, tuple(sorted(set(uids))), index if index in uids else None)

    def uids(self) -> Iterator[str]:
        """The uids that a schema without a name may have: the first one unless that is taken."""
        yield content_hash(list(self.members))[:16]
        for attempt in itertools.count():
            yield content_hash([*self.members, str(attempt)])[:16]

    @property
    def dtype(self) -> str | None:
        """The dtype of all members: measurements of genes and the like are numbers."""
        return None if self.table == "feature" else "num"

    @property
    def hash(self) -> str:
        """The hash of a schema that demands exactly these members."""
        return hash_of(self.content)

    @property
    def content(self) -> dict[str, Any]:
        """What such a schema demands, in the order on which the hash depends."""
        said = {
            "dtype": self.dtype,
            "itype": self.itype,
            "minimal_set": True,
            "members": [[self.table, u, False] for u in self.members if u != self.index_uid],
            "index": self.index_uid,
        }
        return {name: value for name, value in said.items() if value is not None}


def hash_of(content: Mapping[str, Any]) -> str:
    """The hash of what a schema demands; the order of members counts only where it says so."""
    members = content["members"]
    ordered = members if content.get("ordered_set") else sorted(members)
    # a flag that is off and one that was never given demand the same
    said = {k: v for k, v in content.items() if v not in (None, False)}
    return content_hash([dump_json({**said, "members": ordered})])


def staged(changes: Changes, found: FeatureSet, batch: Batch) -> str:
    """The uid of the schema of a set; one is staged where no schema demands exactly this."""
    lake = batch.lake
    for schema in batch.staged_records("schema"):
        if schema._values.get("hash") == found.hash:
            return str(schema.uid)
    equal = lake.engine.holder("schema", ("hash_key",), (found.hash,))
    row = None if equal is None else lake.state.row("schema", equal)
    seen = row is not None and row["branch_uid"] in lake.visible_branches
    if row is not None and seen and row["hash"] == found.hash:
        # another process may be changing the schema, and then it isn't this set any more
        changes.expect_row("schema", row["uid"], {"hash_key": found.hash})
        return str(row["uid"])
    return _stage_nameless(changes, found, lake, batch.now)


def _stage_nameless(
    changes: Changes, found: FeatureSet, lake: Lake, now: datetime, but: str | None = None
) -> str:
    """The uid of the schema without a name of a set; it isn't the one that is named `but`."""
    for uid in found.uids():
        known = lake.state.row("schema", uid)
        if known is None:
            break
        if uid != but and known["hash"] in (None, found.hash):
            return uid
    row = {
        "uid": uid,
        "hash": found.hash,
        "content": found.content,
        "index_uid": found.index_uid,
        "n_members": len(found.members),
        "itype": found.itype,
        "dtype": found.dtype,
        "minimal_set": True,
        "maximal_set": False,
        "ordered_set": False,
        "coerce": False,
        "flexible": False,
        "is_type": False,
        "branch_uid": "main",
        "space_uid": "all",
        "created_at": now,
        "updated_at": now,
        "created_by_uid": lake.user_uid or None,
    }
    changes.insert("schema", [row], if_absent=True)
    links = [
        link_row(
            uid, found.table, member, position=i, optional=False, created_at=now,
            slot=INDEX if member == found.index_uid else None,
        )
        for i, member in enumerate(found.members)
    ]  # fmt: skip
    changes.insert("schema_link", links, if_absent=True)
    return uid


def part_ways(
    changes: Changes, schema_uid: str, content: Mapping[str, Any], lake: Lake, now: datetime
) -> None:
    """Datasets whose set a schema was keep their set when the schema changes.

    Args:
        changes: What is to be committed.
        schema_uid: The schema that changes.
        content: What it demanded before.
        lake: The lake.
        now: The time of the change.
    """
    state = lake.state
    # a dataset that another process saves meanwhile keeps its set, too
    changes.expect_table("artifact_link", state.pointers.get("artifact_link"))
    links = state.arrow("artifact_link")
    hits = pc.and_(pc.equal(links["registry"], "schema"), pc.equal(links["target_uid"], schema_uid))
    rows = [r for r in links.filter(hits).to_pylist() if r["slot"] is not None]
    members = content["members"]
    if not (rows and members):
        return
    uids, index = [m[1] for m in members], content.get("index")
    if index is not None:
        uids.append(index)
    found = FeatureSet.of(content.get("itype") or "Feature", members[0][0], uids, index)
    uid = _stage_nameless(changes, found, lake, now, but=schema_uid)
    changes.delete("artifact_link", [r["uid"] for r in rows])
    new = [
        link_row(
            r["subject_uid"],
            "schema",
            uid,
            slot=r["slot"],
            **{name: r[name] for name in _STAMPS if name in r},
        )
        for r in rows
    ]
    changes.insert("artifact_link", new, if_absent=True)

"""Staging the hierarchy, and the other relations, of an import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from lakehouse.bionty._import.merge import Before, Incoming
from lakehouse.bionty._sources.links import LINK_TABLE, edges, link_stamps
from lakehouse.engine import Changes
from lakehouse.orm.model.rows import as_table
from lakehouse.relations.tables import ONTOLOGY_LINK, link_uid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.session.batch import Batch

_PAIR = ["id", "slot", "parent"]


class Linking:
    """The links that an import adds and ends.

    Args:
        lake: The lake.
        table: The registry's table.
        incoming: What the source has.
    """

    def __init__(self, lake: Lake, table: str, incoming: Incoming) -> None:
        self._lake = lake
        self._table = table
        self._incoming = incoming
        self._uids: list[pl.DataFrame] = []

    def add_uids(self, keys: Any, uids: Any, *, new: bool = False) -> None:
        """Say which records have which keys, and whether they are made by this import."""
        frame = {"key": pl.Series(keys, dtype=pl.String), "uid": pl.Series(uids, dtype=pl.String)}
        self._uids.append(pl.DataFrame(frame).with_columns(new=pl.lit(new)))

    def stage(
        self,
        changes: Changes,
        batch: Batch,
        rows: pa.Table,
        before: Mapping[str | None, Before],
    ) -> None:
        """Stage missing links, and the end of those that the source gave up."""
        uids = pl.concat(self._uids).unique("key", keep="first")
        wanted = _between(self._incoming.edges, uids)
        there = pl.DataFrame(pl.from_arrow(edges(self._lake, self._table, None)))
        missing = wanted.join(there, on=_PAIR, how="anti")
        # a new record has no links yet, so that theirs needn't be looked for under the lock
        for part, absent in (
            (missing.filter("new"), False),
            (missing.filter(~pl.col("new")), True),
        ):
            if len(part):
                changes.insert(LINK_TABLE, self._links(part, batch), if_absent=absent)
        gone = [
            _between(b.incoming.edges, uids).join(
                pl.DataFrame({"id": _of_source(rows, source)}), on="id", how="semi"
            )
            for source, b in before.items()
            if b.incoming is not None
        ]
        if gone:
            ended = pl.concat(gone).join(wanted, on=_PAIR, how="anti").join(there, on=_PAIR)
            if len(ended):
                changes.delete(LINK_TABLE, ended["uid"].unique().sort().to_list())

    def _links(self, missing: pl.DataFrame, batch: Batch) -> pa.Table:
        table, n = self._table, len(missing)
        # what a link's uid ends with is the same for all links to one term
        ends = missing.select("slot", "parent").unique()
        tails = [link_uid("", table, parent, slot=slot) for slot, parent in ends.iter_rows()]
        named = missing.join(
            ends.with_columns(end=pl.Series(tails, dtype=pl.String)),
            on=["slot", "parent"],
            maintain_order="left",
        )
        columns = named.select(
            uid=pl.col("id") + pl.col("end"), subject_uid="id", target_uid="parent", slot="slot"
        ).to_arrow()
        stamps = link_stamps(self._lake, batch.now)
        constants = as_table(ONTOLOGY_LINK, [{"uid": "", "registry": table, **stamps}])
        return pa.table(
            {
                name: columns[name].cast(pa.string())
                if name in columns.column_names
                else pa.repeat(constants[name][0], n)
                for name in ONTOLOGY_LINK.column_names
            }
        )


def _between(relations: pa.Table, uids: pl.DataFrame) -> pl.DataFrame:
    """Relations between keys as pairs of uids."""
    frame = pl.DataFrame(pl.from_arrow(relations))
    pairs = frame.join(uids, left_on="id", right_on="key").join(
        uids, left_on="target", right_on="key", suffix="_parent"
    )
    found = pairs.select(id="uid", slot="relation", parent="uid_parent", new="new")
    return found.filter(pl.col("id") != pl.col("parent")).unique(maintain_order=True)


def _of_source(rows: pa.Table, source: str | None) -> pl.Series:
    frame = pl.DataFrame(pl.from_arrow(rows.select(["uid", "source_uid"])))
    return frame.filter(pl.col("source_uid").eq_missing(pl.lit(source)))["uid"]

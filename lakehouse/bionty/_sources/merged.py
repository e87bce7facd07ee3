"""Ids that an ontology only keeps as former ids of other terms."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa

from lakehouse.ontology import Ontology

_ID = "ontology_id"


def merged_ids(terms: pa.Table, content: Any) -> pa.Table:
    """Ids that were merged into terms, as obsolete rows that say which ones replace them.

    Args:
        terms: The terms of a registry that an ontology has.
        content: What they are from; tables have no former ids.

    Returns:
        Rows with the columns of `terms`, without names.
    """
    nothing = terms.slice(0, 0)
    if not isinstance(content, Ontology) or not len(content.alt_ids):
        return nothing
    known = pl.DataFrame(pl.from_arrow(terms.select([_ID])))
    former = pl.DataFrame(pl.from_arrow(content.alt_ids))
    former = former.join(known, left_on="id", right_on=_ID, how="semi")
    former = former.join(known, left_on="alt_id", right_on=_ID, how="anti")
    rows = former.group_by("alt_id", maintain_order=True).agg(pl.col("id").unique().sort())
    given: dict[str, Any] = {
        _ID: rows["alt_id"].to_arrow(),
        "is_obsolete": pa.repeat(pa.scalar(True), len(rows)),
        "replaced_by": rows["id"].list.join("|").to_arrow(),
    }
    columns = []
    for column in terms.schema:
        values = given.get(column.name)
        if values is None:
            empty: list[Any] = [[] for _ in range(len(rows))]
            is_list = pa.types.is_list(column.type)
            values = pa.array(empty, column.type) if is_list else pa.nulls(len(rows), column.type)
        columns.append(values.cast(column.type))
    return pa.table(columns, schema=terms.schema)

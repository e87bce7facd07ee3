"""Arrow tables as pandas data frames."""

from __future__ import annotations

from typing import Any

import orjson
import pyarrow as pa

from lakehouse._lazy import require


def to_pandas(table: pa.Table, json_columns: frozenset[str]) -> Any:
    """A registry's rows as a data frame with the uids as its index `id`, too."""
    pd = require("pandas", "make data frames")
    frame = table.to_pandas(date_as_object=False)
    for name in json_columns & set(table.column_names):
        if table[name].null_count < table.num_rows:
            values = (None if v is None else orjson.loads(v) for v in table[name].to_pylist())
            frame[name] = pd.Series(list(values), index=frame.index, dtype=object)
    frame.index = pd.Index(frame["uid"], name="id")
    return frame

"""Data frames on their way to records: as Arrow tables, with names and dictionaries."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse._lazy import is_a
from lakehouse.annotation.storable import is_null
from lakehouse.curation import as_arrow
from lakehouse.errors import TypeMismatch
from lakehouse.registries.sheet_export import NAME

_OWN = ("__lakehouse_record_", "__lamindb_record_")
_SOME = pa.struct([("some", pa.null())])


def table_and_dictionaries(df: Any) -> tuple[pa.Table, dict[str, list[Any]]]:
    """A data frame as an Arrow table, a named index as a column; and its dictionaries.

    Arrow would give every dictionary of a column all keys of the others, so that the table says
    only where there are any.
    """
    if is_a(df, "pandas.DataFrame") and df.index.name is not None:
        if df.index.name not in df.columns:
            df = df.reset_index()
    elif is_a(df, "pandas.DataFrame"):
        df = df.reset_index(drop=True)
    found = _dictionaries_of(df) if is_a(df, "pandas.DataFrame") else {}
    table = as_arrow(df.assign(**dict.fromkeys(found)) if found else df)
    for name, values in found.items():
        there = pa.array([{} if isinstance(v, dict) else None for v in values], _SOME)
        table = table.set_column(table.column_names.index(name), name, there)
    return table.replace_schema_metadata(None), found


def _dictionaries_of(df: Any) -> dict[str, list[Any]]:
    """The columns of a pandas frame that hold nothing but dictionaries."""
    if not df.columns.is_unique:
        return {}
    columns = {n: df[n].tolist() for n in df.columns if isinstance(n, str) and df[n].dtype == "O"}
    found = {}
    for name, values in columns.items():
        present = [v for v in values if isinstance(v, dict) or not is_null(v)]
        if present and all(isinstance(v, dict) for v in present):
            found[name] = values
    return found


def uids_of(table: pa.Table) -> list[str | None]:
    """The records' uids, where the table is an exported sheet."""
    for name in table.column_names:
        if name.startswith(_OWN) and name.endswith("_uid__"):
            found: list[str | None] = pc.cast(table[name], pa.string()).to_pylist()
            given = [uid for uid in found if uid is not None]
            if len(set(given)) == len(given):
                return found
    return [None] * table.num_rows


def without_own(table: pa.Table, name_field: str) -> pa.Table:
    """A table without the columns that exports add, except for the names."""
    names = []
    for name in table.column_names:
        own = name.startswith(_OWN)
        names.append(NAME if own and name.endswith("_name__") and name != name_field else name)
    table = table.rename_columns(names)
    kept = [n for n in names if n in (NAME, name_field) or not n.startswith(_OWN)]
    return table.select(kept)


def sample_of(column: pa.ChunkedArray) -> Any:
    """One value, from which a missing feature's dtype can be guessed."""
    found = pc.drop_null(column.slice(0, 1_000))
    return found[0].as_py() if len(found) else None


def names_of(table: pa.Table, column: str) -> list[str | None]:
    """The names of the records, from a column that may be missing."""
    if column not in table.column_names:
        return [None] * table.num_rows
    try:
        found: list[str | None] = table[column].cast(pa.string()).to_pylist()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise TypeMismatch(
            f"The column {column!r} can't name records.",
            found=str(table[column].type),
            expected="texts, or what can be written as texts",
        ) from None
    return found

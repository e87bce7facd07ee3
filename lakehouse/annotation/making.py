"""Records for many values: the existing ones at once, and new ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.annotation.inspection import counted, shown
from lakehouse.config import notify, settings
from lakehouse.orm import current_lake
from lakehouse.orm.context import active_batch
from lakehouse.orm.present import present


def existing_records(cls: Any, rows: pa.Table, name: str, values: set[Any]) -> dict[Any, list[Any]]:
    """The records of some rows, by their values of a field."""
    if not values:
        return {}
    asked = pa.array(list(values), rows[name].type)
    lake = current_lake()
    uids = rows["uid"].filter(pc.is_in(rows[name], value_set=asked)).to_pylist()
    found: dict[Any, list[Any]] = {}
    batch = active_batch(lake)
    for row in present(lake).rows(cls.meta.table, uids):
        staged = None if batch is None else batch.staged_uid(cls.meta.table, row["uid"])
        record = cls._from_row(lake, row) if staged is None else staged
        found.setdefault(row[name], []).append(record)
    return found


def created_records(cls: Any, values: list[Any], name: str, organism: Any) -> dict[Any, Any]:
    """New records by value, without suggestions of similar names for each."""
    more = {"organism": organism} if organism is not None else {}
    with quiet_creation():
        return {value: cls(**{name: value}, **more) for value in values}


@contextmanager
def quiet_creation() -> Iterator[None]:
    """Make records without suggestions of similar names."""
    suggests = settings.creation.search_names
    settings.creation.search_names = False
    try:
        yield
    finally:
        settings.creation.search_names = suggests


def tell_records(
    label: str,
    name: str,
    values: list[Any],
    found: dict[Any, list[Any]],
    new: dict[Any, list[Any]],
    *,
    created: bool,
    hint: str | None,
) -> None:
    """Tell which records were found and made for values, and for which there are none.

    Args:
        label: The registry.
        name: The field.
        values: The distinct values.
        found: The values of existing records that they stand for.
        new: New records by value.
        created: Whether the new ones are of one's own, not from a public source.
        hint: How to get at the public source, if it isn't on this machine.
    """
    exact = [v for v in values if found.get(v) == [v]]
    synonyms = [v for v in values if v in found and found[v] != [v]]
    left = [v for v in values if v not in found and v not in new]
    if (synonyms or new or left) and exact:
        notify(f"loaded {counted(len(exact), f'{label} record')} matching {name}: {shown(exact)}")
    if synonyms:
        count = counted(len(synonyms), f"{label} record")
        notify(f"loaded {count} matching synonyms: {shown(synonyms)}")
    if new and not created:
        count = counted(sum(map(len, new.values())), f"{label} record")
        notify(f"created {count} from the public source: {shown(list(new))}")
    several = [v for v in values if len(found.get(v, new.get(v, ()))) > 1]
    if several:
        notify(f"several {label} records each match: {shown(several)}", "warning")
    if left:
        rest = f"for {len(left)} non-validated {name}{'' if len(left) == 1 else 's'}"
        notify(f"did not create {label} records {rest}: {shown(left)}", "warning")
        if hint:
            notify(hint)

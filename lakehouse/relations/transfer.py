"""Records of one lake as records of another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.orm.model.context import active_batch, use
from lakehouse.orm.model.meta import TRACKED

if TYPE_CHECKING:
    from lakehouse.orm import Lake


def transferred(lake: Lake, record: Any, logs: dict[str, Any]) -> Any:
    """The record of a lake that a record of any lake means; a copy where there is none.

    Records are the same if they have the same uid, or the same unique name.

    Args:
        lake: The lake that is to have it; a copy becomes part of its open transaction.
        record: The record.
        logs: Gets what was found in the list `mapped`, what was copied in `transferred`.
    """
    if record._lake is lake or record._lake.uid == lake.uid:
        return record
    registry = lake.directory.get(record.meta.name)
    table, uid = registry.meta.table, record.uid
    batch = active_batch(lake)
    staged = None if batch is None else batch.staged_uid(table, uid)
    if staged is not None:
        return staged
    row = lake.state.row(table, uid)
    if row is not None:
        _log(logs, "mapped", record)
        return registry._from_row(lake, row)
    keys = {f"{name}_uid" for name in registry.meta.foreign_keys}
    left_out = {*TRACKED, *keys, "hash_key"}
    values = {n: v for n, v in record._values.items() if n not in left_out and v is not None}
    with use(lake):
        row = lake.matcher.find(registry.meta, values)
        if row is not None:
            _log(logs, "mapped", record)
            return registry._from_row(lake, row)
        copy = registry.__new__(registry)
        object.__setattr__(copy, "_values", values)
        object.__setattr__(copy, "_lake", lake)
        object.__setattr__(copy, "_claims_uid", True)
        copy.save()
    _log(logs, "transferred", record)
    return copy


def _log(logs: dict[str, Any], what: str, record: Any) -> None:
    logs.setdefault(what, []).append(f"{record.meta.name}(uid={record.uid!r})")

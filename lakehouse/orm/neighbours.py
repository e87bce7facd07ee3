"""Values of a registry's field that are near to one that nothing has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.orm.matching import similar_names

if TYPE_CHECKING:
    from lakehouse.orm.lake import Lake
    from lakehouse.orm.meta import RegistryMeta

_COMPARED = 100_000
_ALIKE = 2
_LONGEST = 200
_SIMILAR = 70.0
_NEVER = ("uid", "hash")


def near_values(lake: Lake, meta: RegistryMeta, field: str, value: Any) -> list[str]:
    """The values of a field, of visible records, that are near to a text, best first.

    Of very many only those that begin alike are compared, so that an error takes no time.

    Args:
        lake: The lake.
        meta: The registry.
        field: The field; of others than texts nothing is near.
        value: What was asked for.
    """
    known = meta.fields.get(field)
    texts = known is not None and known.kind == "str" and isinstance(value, str) and value
    rows = lake.state.arrow(meta.table)
    if not texts or field in _NEVER or field.endswith("_uid") or field not in rows.column_names:
        return []
    if meta.has_branch:
        seen = pa.array(lake.visible_branches)
        rows = rows.filter(pc.is_in(rows["branch_uid"], value_set=seen))
    values = pc.unique(rows[field].drop_null())
    if pc.is_in(pa.array([value]), value_set=values)[0].as_py():
        return []  # something has it: it is another condition that fails
    if len(values) > _COMPARED:
        alike = pc.starts_with(pc.utf8_lower(values), value[:_ALIKE].lower())
        values = values.filter(alike)[:_COMPARED]
    return similar_names(value[:_LONGEST], values.to_pylist(), at_least=_SIMILAR)

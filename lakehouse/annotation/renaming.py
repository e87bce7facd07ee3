"""Telling who renames a label or a feature that datasets in storage know by its old name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from lakehouse.annotation.type_names import follow_rename
from lakehouse.config import notify
from lakehouse.orm import BaseRecord

if TYPE_CHECKING:
    from lakehouse.orm import Batch, Lake

_EXTERNAL = "__external__"
_SHOWN = 5


class TellsRenames(BaseRecord):
    """Records whose names stand in datasets: labels and features."""

    def _before_save(self, batch: Batch) -> None:
        super()._before_save(batch)
        name_field = self.meta.name_field
        if self._saved and self._old is not None and name_field in self._old:
            before, after = self._old[name_field], self._values.get(name_field)
            if self._values.get("is_type") and before and after:
                follow_rename(batch, self, before, after)
            found = artifacts_that_name(self._lake, self)
            if before is None or before == after or not found:
                return
            what = "feature" if self.meta.table == "feature" else "label"
            several = (
                "artifacts no longer match" if len(found) > 1 else "artifact no longer matches"
            )
            shown = str(found[:_SHOWN]) + (" …" if len(found) > _SHOWN else "")
            notify(
                f"by renaming {what} from {before!r} to {after!r} {len(found)} {several} "
                f"the {what} name in storage: {shown}; consider re-curating",
                "warning",
            )


def artifacts_that_name(lake: Lake, record: Any) -> list[str]:
    """The uids of the artifacts in whose content a label or a feature was found by its name."""
    state, uid = lake.state, record.uid
    links = state.arrow("artifact_link")
    inside = pc.invert(pc.fill_null(pc.equal(links["slot"], _EXTERNAL), True))
    if record.meta.table != "feature":
        own = pc.and_(
            pc.equal(links["target_uid"], uid), pc.equal(links["registry"], record.meta.table)
        )
        found = links.filter(pc.and_(own, inside))
    else:
        members = state.arrow("schema_link")
        named = pc.and_(
            pc.equal(members["target_uid"], uid), pc.equal(members["registry"], "feature")
        )
        schemas = members.filter(named)["subject_uid"]
        inferred = pc.and_(
            pc.equal(links["registry"], "schema"), pc.is_in(links["target_uid"], value_set=schemas)
        )
        own = pc.or_(pc.fill_null(pc.equal(links["feature_uid"], uid), False), inferred)
        found = links.filter(pc.and_(own, inside))
    return sorted(set(found["subject_uid"].to_pylist()))

"""Telling who renames a label or a feature that datasets in storage know by its old name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import notify
from lakehouse.features.reference import parsed
from lakehouse.orm import BaseRecord
from lakehouse.schema import CatTarget, DType

if TYPE_CHECKING:
    from lakehouse.engine import Changes
    from lakehouse.orm import Batch, Lake


# -- Types whose names stand in dtypes: `cat[Record[Samples]]` follows when `Samples` is renamed


_ENDING = set("[]|,=")


def name_in_dtype(name: str, uid: str) -> str:
    """How a dtype's text names a type: by its uid where its name would end the text."""
    return uid if set(name) & _ENDING or name != name.strip() else name


def follow_rename(batch: Batch, record: Any, before: str, after: str) -> None:
    """Let a batch change the dtypes that name a renamed type."""
    state, meta = record._lake.state, record.meta
    rows = state.arrow("feature").select(["uid", "dtype"])
    rows = rows.filter(pc.fill_null(pc.match_substring(rows["dtype"], f"{meta.name}["), False))
    types = state.arrow(meta.table)
    types = types.filter(pc.fill_null(types["is_type"], False))
    changed = []
    for row in rows.to_pylist():
        dtype = parsed(row["dtype"])
        new = str(_renamed(dtype, types, record, before, name_in_dtype(after, record.uid)))
        if new != row["dtype"]:
            changed.append((row["uid"], row["dtype"], new))

    def stage(changes: Changes) -> None:
        for uid, old, new in changed:
            changes.update("feature", uid, {"dtype": new}, {"dtype": old})

    if changed:
        batch.stage(stage)


def with_uids(lake: Lake, dtype: DType) -> DType:
    """A dtype that names its types by uid, as the peer writes it: `cat[Record[<uid>]]`."""

    def spelt(types: pa.Table, path: tuple[str, ...]) -> tuple[str, ...]:
        found = _at(types, path)
        return (found.pop(),) if len(found) == 1 else path

    return _spelt(lake, dtype, spelt)


def with_names(lake: Lake, dtype: DType) -> DType:
    """A dtype that names its types by the names on the way to them, where it has a uid."""

    def spelt(types: pa.Table, path: tuple[str, ...]) -> tuple[str, ...]:
        rows = {r["uid"]: r for r in types.select(["uid", "name", "type_uid"]).to_pylist()}
        row = rows.get(path[0]) if len(path) == 1 else None
        names: list[str] = []
        while row is not None and len(names) < len(rows):
            names.insert(0, name_in_dtype(row["name"], row["uid"]))
            row = rows.get(row["type_uid"])
        return tuple(names) or path

    return _spelt(lake, dtype, spelt)


def _spelt(lake: Lake, dtype: DType, spelt: Callable[[pa.Table, tuple[str, ...]], Any]) -> DType:
    if dtype.item is not None:
        return replace(dtype, item=_spelt(lake, dtype.item, spelt))
    targets = []
    for target in dtype.targets:
        if target.type_path:
            types = lake.state.arrow(lake.directory.get(target.registry).meta.table)
            types = types.filter(pc.fill_null(types["is_type"], False))
            target = replace(target, type_path=spelt(types, target.type_path))
        targets.append(target)
    return replace(dtype, targets=tuple(targets))


def _renamed(dtype: DType, types: pa.Table, record: Any, before: str, after: str) -> DType:
    if dtype.item is not None:
        return replace(dtype, item=_renamed(dtype.item, types, record, before, after))
    return replace(
        dtype, targets=tuple(_target(t, types, record, before, after) for t in dtype.targets)
    )


def _target(target: CatTarget, types: pa.Table, record: Any, before: str, after: str) -> CatTarget:
    if target.registry != record.meta.name or before not in target.type_path:
        return target
    path = tuple(
        after if name == before and record.uid in _at(types, target.type_path[: i + 1]) else name
        for i, name in enumerate(target.type_path)
    )
    return replace(target, type_path=path)


def _at(types: pa.Table, path: Sequence[str]) -> set[str]:
    """The uids of the types at a path of names."""
    found: set[str] | None = None
    for name in path:
        hits = types.filter(pc.or_(pc.equal(types["name"], name), pc.equal(types["uid"], name)))
        pairs = list(zip(hits["uid"].to_pylist(), hits["type_uid"].to_pylist(), strict=True))
        if found is None:
            # a dtype names the whole path; only one that somebody wrote may begin below
            found = {uid for uid, above in pairs if above is None} or {uid for uid, _ in pairs}
        else:
            found = {uid for uid, above in pairs if above in found}
    return found or set()


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

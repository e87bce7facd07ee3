"""Which schema applies to the feature values of a record, and which features it demands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakehouse.curation import DatasetSpec
from lakehouse.curation.data.chunks import is_missing
from lakehouse.curation.values import validate_values
from lakehouse.errors import ValidationError
from lakehouse.features.reference import Known
from lakehouse.orm import Lake
from lakehouse.orm.model.builtin import HIDDEN
from lakehouse.orm.model.context import active_batch
from lakehouse.relations.tables import EXTERNAL
from lakehouse.schemas.spec import resolver_of, spec_of

Member = tuple[Known, bool]


def members_of(lake: Lake, schema_uid: str | None) -> list[Member] | None:
    """The features of a schema in order, each with whether it need not be there."""
    if schema_uid is None:
        return None
    batch = active_batch(lake)
    staged: Any = None if batch is None else batch.staged_uid("schema", schema_uid)
    if staged is not None:
        pairs = staged.feature_list()
        index = staged.index
        pairs = pairs if index is None else [(index, False), *pairs]
        found = [(Known.of({**f._values, "uid": f.uid}), optional) for f, optional in pairs]
        return list({known.uid: (known, optional) for known, optional in found}.values())
    row = lake.state.row("schema", schema_uid)
    if row is None:
        return None
    demanding = row.get("minimal_set") is not False
    links = lake.state.prefix("schema_link", schema_uid, 1_000_000)
    links = [r for r in links if r["registry"] == "feature"]
    links.sort(key=lambda r: r["position"] or 0)
    wanted = {r["target_uid"]: bool(r["optional"]) or not demanding for r in links}
    if row.get("index_uid") is not None:
        wanted = {row["index_uid"]: False, **wanted}
    rows = {r["uid"]: r for r in lake.state.rows("feature", list(wanted))}
    coerced = {"coerce": True} if row.get("coerce") else {}
    return [
        (Known.of({**rows[uid], **coerced}), optional)
        for uid, optional in wanted.items()
        if uid in rows and rows[uid]["branch_uid"] not in HIDDEN
    ]


def index_of(lake: Lake, schema_uid: str | None) -> str | None:
    """The name of the feature whose values are the names of a sheet's records."""
    if schema_uid is None:
        return None
    batch = active_batch(lake)
    staged: Any = None if batch is None else batch.staged_uid("schema", schema_uid)
    if staged is not None:
        return None if staged.index is None else str(staged.index.name)
    row = lake.state.row("schema", schema_uid)
    index = None if row is None or row.get("index_uid") is None else row["index_uid"]
    feature = None if index is None else lake.state.row("feature", index)
    return None if feature is None else str(feature["name"])


def sheet_schema(lake: Lake, type_uid: str | None) -> str | None:
    """The uid of the schema that records of a type must fulfil."""
    if type_uid is None:
        return None
    batch = active_batch(lake)
    staged = None if batch is None else batch.staged_uid("record", type_uid)
    row = staged._values if staged is not None else lake.state.row("record", type_uid)
    return None if row is None else row.get("schema_uid")


def members_for(record: Any, schema: Any) -> list[Member] | None:
    """The features that may, or must, be set on a record; None where no schema applies.

    Args:
        record: An artifact, run or record.
        schema: A schema that the caller names.
    """
    lake = record._lake
    if schema is not None:
        return members_of(lake, schema.uid)
    values = record._values
    if record.meta.table == "record":
        return members_of(lake, sheet_schema(lake, values.get("type_uid")))
    if record.meta.table == "artifact" and values.get("schema_uid") is not None:
        row = lake.state.row("schema", values["schema_uid"])
        slots = (row or {}).get("slots_uids") or {}
        return members_of(lake, slots.get(EXTERNAL))
    return None


def check_constraints(
    record: Any, schema: Any, values: Mapping[Any, Any], what: str, *, whole: bool = False
) -> None:
    """Refuse values that the constraints of a schema don't allow.

    Args:
        record: An artifact, run or record.
        schema: A schema that the caller names; else a sheet's record has one.
        values: The values by feature, or by its name; what is missing breaks no constraint.
        what: What can't be done, as the error begins.
        whole: Whether these are all values of the record, so that they are judged together, too.
    """
    lake = record._lake
    if schema is None and record.meta.table == "record":
        uid = sheet_schema(lake, record._values.get("type_uid"))
        row = None if uid is None else lake.state.row("schema", uid)
        schema = None if row is None else lake.directory.get("Schema")._from_row(lake, row)
    if schema is None or not schema.constraints:
        return
    given = {getattr(k, "name", k): v for k, v in values.items() if not is_missing(v)}
    spec = spec_of(schema, lake.state)
    rules = [rule for rule in spec.rules_for(given).values() if rule.checks]
    together = spec.rows if whole else None
    of_these = DatasetSpec(
        columns=tuple(rules), minimal_set=False, coerce=spec.coerce, rows=together
    )
    if together is None:
        asked = {rule.name: given[rule.name] for rule in rules}
    else:
        asked = {name: _named(value) for name, value in given.items()}
    report = validate_values(asked, of_these, resolver_of(lake, saves=False))
    found = [f for f in report.failures if f.rule in ("constraint", "rows")]
    if found:
        lines = [
            f"\n  {f.found}"
            if f.rule == "rows"
            else f"\n  {f.column!r}: {f.value!r} is not allowed, expected {f.expected}"
            + (f" ({f.found})" if f.found else "")
            for f in found
        ]
        raise ValidationError(f"{what}:{''.join(lines)}", hint="correct the value")


def _named(value: Any) -> Any:
    """Records by their names, as datasets hold them."""
    if isinstance(value, list | tuple | set):
        return [_named(item) for item in value]
    meta = getattr(value, "meta", None)
    return value if meta is None else value._values.get(meta.name_field)


def completed(record: Any, found: dict[str, Any]) -> dict[str, Any]:
    """A sheet's record has a value of every required feature, if only none."""
    if record.meta.table != "record" or record._values.get("type_uid") is None:
        return found
    for member, optional in members_for(record, None) or ():
        if member.name not in found and not optional and member.nullable:
            found[member.name] = _NOTHING.get(member.dtype.kind, type(None))()
    return found


_NOTHING: dict[str, type] = {"list": list, "dict": dict}

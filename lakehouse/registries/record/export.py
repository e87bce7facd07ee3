"""Record types as sheets: their records as a data frame, or as an artifact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse.errors import InvalidArgument
from lakehouse.features.sheets import index_of, members_of

if TYPE_CHECKING:
    from lakehouse.registries.record.record import Record

NAME = "__lakehouse_record_name__"
UID = "__lakehouse_record_uid__"
ID = "__lakehouse_record_id__"


def frame_of_type(kind: Record, *, recurse: bool, **options: Any) -> Any:
    """The records of a type as a data frame: features in the schema's order, uid and name.

    Args:
        kind: The record type.
        recurse: Whether records of the types below it are among them.
        **options: Passed to `QuerySet.to_dataframe`.
    """
    if not kind._values.get("is_type"):
        raise InvalidArgument(
            "to_dataframe() can only be called on the class or on a record type.",
            found=repr(kind),
            hint=f"ln.Record.filter(uid={kind.uid!r}).to_dataframe(include='features')",
        )
    lake = kind._lake
    members = members_of(lake, kind._values.get("schema_uid"))
    index = index_of(lake, kind._values.get("schema_uid"))
    query = kind._query()
    below = query.filter(uid__in=kind.query_records().to_list("uid"), is_type=False)
    found = below if recurse else query.filter(type=kind)
    names = None if members is None else [m.name for m, _ in members]
    options.setdefault("order_by", "uid")
    frame = (
        found.to_dataframe(include="features", **options)
        if names is None
        else found.to_dataframe(features=names, **options)
    )
    frame = frame.drop(columns=[c for c in _own_columns(frame, names) if c not in (UID, NAME)])
    own = found.to_dataframe(**options)[["uid", "name"]]
    frame[UID], frame[NAME] = own["uid"], own["name"]
    frame.index.name = ID
    return frame if index is None else frame.set_index(index).drop(columns=[UID, NAME])


def _own_columns(frame: Any, names: list[str] | None) -> list[str]:
    """The columns of the registry that came along with the features."""
    first = list(frame.columns)[:2]
    return [c for c in first if names is None or c not in names or c.startswith("__")]


def artifact_of_type(kind: Record, key: str | None, suffix: str | None, **options: Any) -> Any:
    """Save the data frame of a record type as an artifact."""
    if not kind._values.get("is_type"):
        raise InvalidArgument("Only types can be exported as artifacts.", found=repr(kind))
    lake = kind._lake
    frame = kind.to_dataframe(**options)
    key = key or f"lakehouse_record_exports/{kind.name}{suffix or '.csv'}"
    artifact = lake.directory.get("Artifact")
    text = key.endswith((".csv", ".tsv"))
    named = frame.index.name != ID
    return artifact.from_dataframe(
        frame if named or text else frame.reset_index(drop=True),
        key=key,
        description=f"Export of record type {kind.uid}",
        schema=kind.schema,
        csv_kwargs={"index": named} if text else None,
    ).save()

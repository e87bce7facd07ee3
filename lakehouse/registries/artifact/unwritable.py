"""Objects that no file can hold as they are: what their schema says of them comes first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakehouse._lazy import is_a
from lakehouse.errors import InvalidData, UnreadableFile
from lakehouse.formats import format_of, suffix_of
from lakehouse.formats.base import Description, is_path
from lakehouse.orm import Lake
from lakehouse.registries.artifact.payload import Payload, payload_of
from lakehouse.registries.artifact.validating import schema_named, validate_payload


def validated_payload(
    lake: Lake,
    data: Any,
    key: str | None,
    schema: Any,
    features: Mapping[Any, Any] | None,
    **options: Any,
) -> Payload:
    """The payload of an object that can't be written, as its schema makes it.

    A column that mixes types is wrong by most schemas, and maybe not all that is wrong; by those
    that convert it, nothing is.

    Args:
        lake: The lake.
        data: A path or an object.
        key: The artifact's key.
        schema: The schema that the content must satisfy, if any.
        features: Values that are set beside the content.
        **options: For `payload_of`.

    Raises:
        ValidationError: The object doesn't match the schema; the error carries the report.
        InvalidData: It does, and can't be written all the same.
    """
    try:
        return payload_of(data, key, **options)
    except UnreadableFile:
        raise
    except InvalidData:
        adapter = None if schema is None or is_path(data) else format_of(data)
        if adapter is None:
            raise
        suffix = suffix_of(key) if key else adapter.suffixes[0]
        unwritten = Payload("", suffix, adapter, obj=data)
        described = Description(adapter.otype, None)
        found = validate_payload(lake, unwritten, described, schema_named(schema), features)
        if found.table is None:
            raise
    changed = found.table
    if is_a(data, "pandas.DataFrame") and hasattr(changed, "to_pandas"):
        changed = changed.to_pandas()
    return payload_of(changed, key, **options)

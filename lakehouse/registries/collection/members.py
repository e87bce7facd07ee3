"""Whether the artifacts of a collection satisfy its schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakehouse.errors import InvalidArgument, LakehouseError, StorageError, ValidationError
from lakehouse.orm.model.context import use
from lakehouse.registries.artifact import place as placing
from lakehouse.registries.artifact.payload import from_path
from lakehouse.registries.artifact.validate import validate_payload
from lakehouse.relations.tables import EXTERNAL

_SHOWN = 5


def check_members(artifacts: Sequence[Any], schema: Any) -> None:
    """Refuse artifacts that don't satisfy a schema.

    Those that were validated against it as it is now are trusted; the content of others is
    validated.

    Raises:
        ValidationError: Some don't; all of them are named.
        StorageError: The content of one can't be read, or was changed.
    """
    wrong = []
    for artifact in artifacts:
        if _is_validated(artifact, schema):
            continue
        try:
            _validate(artifact, schema)
        except StorageError:
            raise  # nobody knows what it holds
        except LakehouseError as error:
            wrong.append((artifact, error))
    if not wrong:
        return
    lines = [f"{a.uid} ({a.key or 'no key'}): {str(e).splitlines()[0]}" for a, e in wrong[:_SHOWN]]
    more = [f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
    first = wrong[0][1]
    raise ValidationError(
        f"{len(wrong)} of {len(artifacts)} artifacts don't satisfy the collection's schema "
        f"{schema.name or schema.uid!r}.",
        found="\n    ".join([*lines, *more]),
        expected="artifacts whose content the schema accepts",
        hint="mend them with a curator, and save them with schema=…; or leave them out",
        report=first.report if isinstance(first, ValidationError) and len(wrong) == 1 else None,
    )


def _is_validated(artifact: Any, schema: Any) -> bool:
    """Whether an artifact was validated against a schema, as it is now, when it was saved."""
    values = artifact._values
    return bool(values.get("schema_uid") == schema.uid and values.get("schema_hash") == schema.hash)


def _validate(artifact: Any, schema: Any) -> None:
    payload = from_path(artifact.cache(), None)
    features = None
    if EXTERNAL in schema.slots:
        features = artifact.features.get_values(external_only=True)
    with use(artifact._lake):
        description = placing.description_of(payload)
        outcome = validate_payload(artifact._lake, payload, description, schema, features)
    if outcome.table is not None:
        raise InvalidArgument("The schema converts values that are stored unconverted.")

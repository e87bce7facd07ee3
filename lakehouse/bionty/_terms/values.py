"""What terms are made of beside their fields: terms of public sources, and parents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lakehouse.bionty._sources.links import stage_parents
from lakehouse.bionty._sources.organisms import organism_record
from lakehouse.bionty._sources.public import PublicTerm
from lakehouse.bionty._sources.source import Source
from lakehouse.config import notify
from lakehouse.errors import InvalidArgument
from lakehouse.identity import new_uids

if TYPE_CHECKING:
    from lakehouse.orm.session.batch import Batch


def values_of(registry: type[Any], found: tuple[Any, ...]) -> dict[str, Any] | None:
    """The fields that a looked up term of a public source has; None for anything else.

    Args:
        registry: The registry.
        found: What was given by place: one looked up term, or a list of terms of one name.
    """
    term = found[0] if len(found) == 1 else None
    if isinstance(term, list | tuple) and term:
        if len(term) > 1:
            notify(f"of {len(term)} looked up terms the first one is taken", "warning")
        term = term[0]
    if not isinstance(term, PublicTerm):
        return None
    given = {"description": term.get("definition"), **term._asdict()}
    fields = registry.meta.fields.keys() | ({"parents"} & registry.meta.relations.keys())
    values = {name: value for name, value in given.items() if name in fields and value is not None}
    origin = term.origin
    source = _source(registry, origin)
    if source is not None:
        values["source"] = source
    if "organism" in registry.meta.foreign_keys and origin.organism not in (None, "all"):
        values["organism"] = organism_record(origin.organism)
    return values


def _source(registry: type[Any], origin: Any) -> Any:
    """The source that a public ontology stands for."""
    about = {"name": origin.source, "version": origin.version, "organism": origin.organism}
    return Source.filter(entity=registry.meta.name, **about).first()


def checked_parents(registry: type[Any], parents: Any) -> list[Any]:
    """Parents that a constructor was given: ids, or records of the same registry.

    Raises:
        InvalidArgument: They are something else.
    """
    several = isinstance(parents, Iterable) and not isinstance(parents, str | registry)
    given = list(parents) if several else [parents]
    for parent in given:
        if not isinstance(parent, str | registry):
            raise InvalidArgument(
                "Parents are given as a list of ontology ids, or of records.",
                found=repr(parent),
                expected=f"e.g. parents=['CL:0000084'], or a {registry.meta.name}",
            )
    return given


def add_after(record: Any, others: list[Any], batch: Batch) -> None:
    """Save others with a record, so that new ones come after it in the order of creation."""
    new = [o for o in others if not o._saved and "uid" not in o._values]
    if new:
        for other, uid in zip(new, new_uids(len(new), after=record.uid), strict=True):
            other._values["uid"] = uid
    for other in others:
        batch.add(other)


def save_parents(record: Any, parents: list[Any], batch: Batch) -> None:
    """Save the parents of a record with it; ids of the source that the registry hasn't, too."""
    registry = type(record)
    ids = [parent for parent in parents if isinstance(parent, str)]
    found = registry.from_values(ids, "ontology_id", source=record.source, mute=True) if ids else []
    if missing := set(ids) - {r.ontology_id for r in found}:
        notify(f"no {registry.meta.name} has the ids {', '.join(sorted(missing))}", "warning")
    others = [*(p for p in parents if not isinstance(p, str)), *found]
    add_after(record, others, batch)
    stage_parents(batch, record._lake, [(record, other) for other in others])

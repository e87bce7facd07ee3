"""Terms of public sources that datasets name before the registry has them.

A value that is exactly a term of the registry's public source counts as a term: its record is
saved, with those above it, so that it can be a label. Only what is on this machine is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.annotation.inspection import counted, shown
from lakehouse.annotation.terms import resolver
from lakehouse.config import notify
from lakehouse.curation import Resolution, TableResolver
from lakehouse.errors import LookupFailed, OrganismNotSet
from lakehouse.orm import Lake
from lakehouse.orm.batch import save_all
from lakehouse.orm.context import active_batch
from lakehouse.orm.current import current_lake
from lakehouse.schema import CatTarget

_NARROWING = ("source", "organism")


def adopt(lake: Lake, target: CatTarget, texts: Sequence[str]) -> int:
    """Save records of the terms that values of a field exactly are; gives how many."""
    meant = _meant(lake, target)
    if meant is None or not texts:
        return 0
    registry, given = meant
    try:
        species = registry._organism_of(target.field, given["organism"], list(texts))
        _, found, _ = registry._public_records(list(texts), target.field, species, given["source"])
    except (OrganismNotSet, LookupFailed):
        return 0
    # what the registry has already isn't visible here, and stays where it is
    new = [
        record
        for text, records in found.items()
        for record in records
        if not record._saved and record._values.get(target.field) == text
    ]
    if new:
        save_all(lake, new, lambda record: isinstance(record, registry))
        texts = list(dict.fromkeys(str(record._values[target.field]) for record in new))
        what = counted(len(new), f"{registry.__name__} record")
        notify(f"created {what} from the public source: {shown(texts)}")
    return len(new)


def _meant(lake: Lake, target: CatTarget) -> tuple[Any, dict[str, Any]] | None:
    """The registry, and the source and organism that a target is narrowed to.

    None if it has no public source, can't take records, or is narrowed in another way.
    """
    registry: Any = lake.directory.get(target.registry)
    meta = registry.meta
    if "source" not in meta.foreign_keys or lake.read_only or current_lake() is not lake:
        return None
    if target.type_path or target.field not in meta.fields:
        return None
    given: dict[str, Any] = dict.fromkeys(_NARROWING)
    for path, wanted in target.filters:
        name, _, rest = path.partition("__")
        if name not in given or name not in meta.foreign_keys:
            return None
        other: Any = lake.directory.get(meta.foreign_keys[name])
        given[name] = other.filter(**{rest or "uid": wanted}).one_or_none()
        if given[name] is None:
            return None
    return registry, given


class AdoptingResolver(TableResolver):
    """Looks values up in a lake, and what isn't there in the public sources.

    Args:
        lake: The lake.
        tables: The table of every registry that a dtype may name.
    """

    def __init__(self, lake: Lake, tables: Mapping[str, str]) -> None:
        self._lake = lake
        self._names = tables
        self._asked: set[tuple[CatTarget, str]] = set()
        self._renew()

    def _renew(self) -> None:
        """Look at the newest state."""
        self.__dict__.update(resolver(self._lake.state, self._names).__dict__)

    def resolve(self, target: CatTarget, values: pa.Array) -> Resolution:
        """Look distinct, non-null text values up."""
        found = super().resolve(target, values)
        if pc.all(found.valid).as_py() or active_batch(self._lake) is not None:
            return found
        left = values.filter(pc.invert(found.valid)).to_pylist()
        left = [v for v in left if (target, v) not in self._asked]
        self._asked.update((target, v) for v in left)
        if adopt(self._lake, target, left):
            self._renew()
            found = super().resolve(target, values)
        return self._with_public_synonyms(target, values, found)

    def _with_public_synonyms(
        self, target: CatTarget, values: pa.Array, found: Resolution
    ) -> Resolution:
        unknown = pc.invert(pc.or_(found.valid, pc.is_valid(found.synonym_of)))
        left = values.filter(unknown).to_pylist()
        meant = _meant(self._lake, target) if left else None
        if meant is None:
            return found
        registry, given = meant
        synonyms = registry._compared(target.field)
        if synonyms is None:
            return found
        species = registry._organism_of(target.field, given["organism"], left)
        terms, _ = registry._public_terms(species, given["source"])
        if terms is None or target.field not in terms.column_names:
            return found
        standards = registry._words(terms, target.field, synonyms).standards(left).found
        standard = pa.array(
            [standards[v][0] if v in standards else None for v in values.to_pylist()], pa.string()
        )
        both = pc.if_else(unknown, standard, found.synonym_of)
        return Resolution(found.valid, found.uid, both)

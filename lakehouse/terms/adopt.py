"""Terms of public sources that datasets name before the registry has them.

A value that is exactly a term of the registry's public source counts as a term: its record is
saved, with those above it, so that it can be a label. Only what is on this machine is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import notify
from lakehouse.curation import Resolution, TableResolver
from lakehouse.errors import LookupFailed, OrganismNotSet
from lakehouse.orm import Lake
from lakehouse.orm.lake.current import current_lake
from lakehouse.orm.model.builtin import HIDDEN
from lakehouse.orm.session.batch import save_all
from lakehouse.orm.view.present import present
from lakehouse.schema import CatTarget
from lakehouse.terms.inspect import counted, shown
from lakehouse.terms.scope import resolver

_SHOWN = 10
_NARROWING = ("source", "organism")


def adopt(lake: Lake, target: CatTarget, texts: Sequence[str]) -> dict[str, str]:
    """Save records of the terms that values of a field exactly are; gives their uids.

    In an open transaction they are saved with it.
    """
    return {} if lake.read_only else _save(lake, _public(lake, target, texts))


def _save(lake: Lake, new: Mapping[str, Any]) -> dict[str, str]:
    if new:
        records = list(new.values())
        registry = type(records[0])
        save_all(lake, records, lambda record: isinstance(record, registry))
        what = counted(len(new), f"{registry.__name__} record")
        notify(f"created {what} from the public source: {shown(list(new))}")
    return {text: record.uid for text, record in new.items()}


def _public(lake: Lake, target: CatTarget, texts: Sequence[str]) -> dict[str, Any]:
    """The records, not saved yet, of the terms that values exactly are, by value."""
    meant = _meant(lake, target) if texts else None
    if meant is None:
        return {}
    registry, given = meant
    try:
        species = registry._organism_of(target.field, given["organism"], list(texts))
        _, found, _ = registry._public_records(list(texts), target.field, species, given["source"])
    except (OrganismNotSet, LookupFailed):
        return {}
    _tell_elsewhere(lake, registry, target.field, found)
    # what the registry has already isn't visible here, and stays where it is
    return {
        text: record
        for text, records in found.items()
        for record in reversed(records)  # the first of several counts
        if not record._saved and record._values.get(target.field) == text
    }


def _tell_elsewhere(lake: Lake, registry: Any, field: str, found: Mapping[str, Any]) -> None:
    """Say where the records of terms are that aren't seen here, and how to get them here."""
    places: dict[str, list[str]] = {}
    for text, records in found.items():
        before = (
            (records[0]._old or {}).get("branch_uid") if records and records[0]._saved else None
        )
        if before is not None and records[0]._values.get(field) == text:
            places.setdefault(before, []).append(text)
    for place, texts in places.items():
        row = lake.state.row("branch", place)
        name = place if row is None else row["name"]
        where = f"in the {name}" if place in HIDDEN else f"on the branch {name!r}"
        merge = "" if place in HIDDEN else f"ln.setup.merge({name!r}), or "
        module = "bt." if "." in registry.meta.name else "ln."
        values = repr(texts[:_SHOWN]) if len(texts) <= _SHOWN else "values"
        given = "" if field == registry.meta.name_field else f", field={field!r}"
        notify(
            f"{counted(len(texts), f'{registry.__name__} record')} {where} can't be used on "
            f"{lake.branch.name!r}: {shown(texts)}; to have them here: {merge}"
            f"{module}{registry.__name__}.from_values({values}{given}).save()",
            "warning",
        )


def _meant(lake: Lake, target: CatTarget) -> tuple[Any, dict[str, Any]] | None:
    """The registry, and the source and organism that a target is narrowed to.

    None if it has no public source, or is narrowed in another way.
    """
    registry: Any = lake.directory.get(target.registry)
    meta = registry.meta
    if "source" not in meta.foreign_keys or current_lake() is not lake:
        return None
    if target.type_path or target.field not in meta.fields:
        return None
    given: dict[str, Any] = dict.fromkeys(_NARROWING)
    for path, wanted in target.filters:
        name, _, rest = path.partition("__")
        if name not in given or name not in meta.foreign_keys:
            return None
        other: Any = lake.directory.get(meta.foreign_keys[name])
        given[name] = _only(other.filter(**{rest or "uid": wanted}))
        if given[name] is None:
            return None
    return registry, given


def _only(found: Any) -> Any:
    """The one record of some; of several versions of a source the one that is used now."""
    records = list(found)
    if len(records) > 1 and "currently_used" in records[0].meta.fields:
        records = [record for record in records if record.currently_used]
    return records[0] if len(records) == 1 else None


class AdoptingResolver(TableResolver):
    """Looks values up in a lake, and what isn't there in the public sources.

    Args:
        lake: The lake.
        tables: The table of every registry that a dtype may name.
        saves: Whether terms of public sources become records. If not, or in a lake that takes
            no writes, they are valid all the same, and have no uid.
        one_each: Whether a name must mean a single record.
    """

    def __init__(
        self, lake: Lake, tables: Mapping[str, str], *, saves: bool = True, one_each: bool = False
    ) -> None:
        self._lake = lake
        self._one_each = one_each
        self._names = tables
        self._saves = saves and not lake.read_only
        self._asked: dict[CatTarget, set[str]] = {}
        self._known: dict[CatTarget, dict[str, str | None]] = {}
        self._renew()

    def _renew(self) -> None:
        """Look at the newest state."""
        state = present(self._lake)
        self._seq = state.seq
        self.__dict__.update(resolver(state, self._names).__dict__)

    def homonyms(self, target: CatTarget, values: pa.Array) -> Mapping[str, str]:
        """Which names mean none of several records, where that matters."""
        return super().homonyms(target, values) if self._one_each else {}

    def discover(self, target: CatTarget, values: pa.Array) -> Resolution:
        """Look values up in the public source of a registry, after all registries had a look."""
        if _meant(self._lake, target) is None:
            return super().discover(target, values)
        texts = values.to_pylist()
        asked = self._asked.setdefault(target, set())
        known = self._known.setdefault(target, {})
        if left := [text for text in texts if text not in asked]:
            asked.update(left)
            new = _public(self._lake, target, left)
            known.update(_save(self._lake, new) if self._saves else dict.fromkeys(new))
        valid = pa.array([text in known for text in texts], pa.bool_())
        uid = pa.array([known.get(text) for text in texts], pa.string())
        if self._lake.state.seq != self._seq:  # another process may have saved them, too
            self._renew()
            found = self.resolve(target, values)
            valid, uid = pc.or_(valid, found.valid), pc.coalesce(found.uid, uid)
        return Resolution(valid, uid, self._synonyms_of(target, texts, valid.to_pylist()))

    def _synonyms_of(
        self, target: CatTarget, texts: Sequence[str], valid: Sequence[bool]
    ) -> pa.StringArray:
        """The standard values of synonyms in the public source, null for everything else."""
        left = [text for text, known in zip(texts, valid, strict=True) if not known]
        standards: Mapping[str, Sequence[str]] = {}
        meant = _meant(self._lake, target) if left else None
        if meant is not None:
            standards = _standards(target, *meant, left)
        return pa.array([standards.get(text, (None,))[0] for text in texts], pa.string())


def _standards(
    target: CatTarget, registry: Any, given: Mapping[str, Any], texts: list[str]
) -> Mapping[str, Sequence[str]]:
    synonyms = registry._compared(target.field)
    if synonyms is None:
        return {}
    try:
        species = registry._organism_of(target.field, given["organism"], texts)
    except (OrganismNotSet, LookupFailed):
        return {}
    terms, _ = registry._public_terms(species, given["source"])
    if terms is None or target.field not in terms.column_names:
        return {}
    found = registry._words(terms, target.field, synonyms).standards(texts).found
    # what is a term itself isn't visible here, e.g. on another branch
    return {text: standards for text, standards in found.items() if standards[0] != text}

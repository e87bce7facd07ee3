"""Records from public sources."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bionty._sources.access import local_terms, source_of
from lakehouse.bionty._sources.content import PARENTS, terms_of
from lakehouse.bionty._sources.links import stage_parents
from lakehouse.bionty._sources.organisms import inferred_organism, organism_record
from lakehouse.bionty._sources.resolve import content_of
from lakehouse.bionty._sources.settings import settings
from lakehouse.bionty._sources.source import Source
from lakehouse.bionty._terms.values import add_after
from lakehouse.errors import InvalidArgument, ObjectDoesNotExist, OrganismNotSet, near
from lakehouse.ontology.sources.organisms import organism_of_id
from lakehouse.orm import current_lake
from lakehouse.orm.record.record_list import RecordList
from lakehouse.terms.inspect import existing_records, quiet_creation
from lakehouse.terms.scope import first_of_each, used_first
from lakehouse.walks import along, reached

if TYPE_CHECKING:
    from lakehouse.bionty._sources.source import Source
    from lakehouse.orm.session.batch import Batch


# -- Saving terms of a public source together with what is above them


class Ancestry:
    """The hierarchy of a public source, as far as records of it are saved.

    Args:
        registry: The registry.
        terms: The source's terms.
        source: The source.
    """

    def __init__(self, registry: type[Any], terms: pa.Table, source: Source) -> None:
        self._registry = registry
        self._terms = terms
        self._source = source
        self._made: dict[str, Any] = {}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {key: i for i, key in enumerate(self._terms["ontology_id"].to_pylist())}

    @cached_property
    def _parents(self) -> dict[str, list[str]]:
        ids = self._terms["ontology_id"].to_pylist()
        return dict(zip(ids, self._terms[PARENTS].to_pylist(), strict=True))

    def save_with(self, record: Any, batch: Batch) -> None:
        """Save with a record the terms above it that the registry doesn't have, and the links."""
        if not self._source._saved:
            batch.add(self._source)
        own = record._values.get("ontology_id")
        self._made[own] = record
        above = sorted(self._above(own), key=self._places.__getitem__)
        records = {own: record, **self._records([key for key in above if key != own])}
        add_after(record, [r for r in records.values() if r is not record], batch)
        pairs = [
            (records[child], records[parent])
            for child in records
            for parent in self._parents.get(child, ())
            if parent in records
        ]
        stage_parents(batch, record._lake, pairs)

    def _above(self, key: str) -> list[str]:
        found = reached([key], along(self._parents))
        return [one for one in found if one in self._parents and one != key]

    def _records(self, keys: list[str]) -> dict[str, Any]:
        """The records of some terms: those of the registry as they are, the others new."""
        new = [key for key in keys if key not in self._made]
        known = existing_records(self._registry, self._registry._rows(), "ontology_id", set(new))
        self._made.update((key, records[0]) for key, records in known.items())
        fields = self._registry.meta.fields
        with quiet_creation():
            for key in new:
                if key not in self._made:
                    row = self._terms.slice(self._places[key], 1).to_pylist()[0]
                    values = {n: v for n, v in row.items() if n in fields and v is not None}
                    self._made[key] = self._registry(**values, source=self._source)
        return {key: self._made[key] for key in keys}


_NEIGHBOURS = 200_000


def public_records(
    registry: type[Any], values: list[Any], field: str, organism: Any, source: Any
) -> tuple[list[Any], dict[Any, list[Any]], str | None]:
    """New records for values of a field, or synonyms of names, if the source is here."""
    if organism is None and registry.require_organism(field):
        raise OrganismNotSet(
            f"{registry.meta.name} records are made for one organism.",
            hint=f"bt.{registry.__name__}.from_values(…, organism='human'), "
            "or bt.settings.organism = 'human'",
        )
    if organism is None and source is None and registry.require_organism():
        return _by_organism(registry, values, field)
    terms, hint = local_terms(registry, organism, source)
    if terms is None or field not in terms.column_names:
        return [], {}, hint
    meant = source_of(registry, organism, source)
    found = _found(registry, terms, values, field)
    made = _Maker(registry, terms, organism, meant).records(found, field)
    return [r for records in made.values() for r in records], made, None


def _by_organism(
    registry: type[Any], values: list[Any], field: str
) -> tuple[list[Any], dict[Any, list[Any]], str | None]:
    """Records of ids that tell their organisms, each from the source of its own."""
    groups: dict[str, list[Any]] = {}
    for value in values:
        row = organism_of_id(value) if isinstance(value, str) else None
        if row is not None:
            groups.setdefault(row["ontology_id"], []).append(value)
    if not groups and settings.organism is not None:
        groups[settings.organism.name] = values
    records: list[Any] = []
    by_value: dict[Any, list[Any]] = {}
    hint = None
    for name, ids in groups.items():
        new, made, told = public_records(registry, ids, field, organism_record(name), None)
        records += new
        by_value.update(made)
        hint = hint or told
    return records, by_value, hint


def _found(
    registry: type[Any], terms: pa.Table, values: list[Any], field: str, *, exactly: bool = False
) -> dict[Any, list[Any]]:
    """The standard values that values stand for, those of obsolete terms left out."""
    current = terms
    if "is_obsolete" in terms.column_names and field == registry.meta.name_field:
        current = terms.filter(pc.invert(pc.fill_null(terms["is_obsolete"], False)))
    words = registry._words(current, field, None if exactly else registry._compared(field))
    found: dict[Any, list[Any]] = words.standards(values).found
    return found


class _Maker:
    """Makes records of terms; one ancestry for all of them."""

    def __init__(self, registry: type[Any], terms: pa.Table, organism: Any, source: Source) -> None:
        self._registry = registry
        self._terms = terms
        self._key = registry._id_field
        self._shared: dict[str, Any] = {"source": source}
        if organism is not None and "organism" in registry.meta.foreign_keys:
            self._shared["organism"] = organism
        self._ancestry = (
            Ancestry(registry, terms, source) if PARENTS in terms.column_names else None
        )

    def records(self, found: dict[Any, list[Any]], field: str) -> dict[Any, list[Any]]:
        """The records by the value that was asked."""
        wanted = list(dict.fromkeys(s for options in found.values() for s in options))
        asked = pa.array(wanted, self._terms[field].type)
        rows = self._terms.filter(pc.is_in(self._terms[field], value_set=asked))
        by_value: dict[Any, list[Any]] = {}
        known = self._known(rows)
        with quiet_creation():
            for row in rows.to_pylist():
                record = known.get(row.get(self._key)) or self._record(row)
                by_value.setdefault(row[field], []).append(record)
        return {
            v: [r for option in options for r in by_value.get(option, ())]
            for v, options in found.items()
        }

    def _known(self, rows: pa.Table) -> dict[Any, Any]:
        """The registry's records of these terms, which may have got other names there."""
        if self._key not in rows.column_names:
            return {}
        ids = set(rows[self._key].to_pylist()) - {None}
        found = existing_records(self._registry, self._registry._rows(), self._key, ids)
        return {key: records[0] for key, records in found.items()}

    def _record(self, row: dict[str, Any]) -> Any:
        fields = self._registry.meta.fields
        values = {n: v for n, v in row.items() if n in fields and v is not None}
        record = self._registry(**values, **self._shared)
        if self._ancestry is not None and not record._saved:
            record._ancestry = self._ancestry
        return record


def from_source(
    registry: type[Any], string: str | None, given: dict[str, Any], *, mute: bool
) -> Any:
    """See `Term.from_source`."""
    source, organism = given.pop("source", None), given.pop("organism", None)
    fields = {n: v for n, v in given.items() if v is not None}
    # a text by itself may be a synonym, a field's value is taken as it stands
    exactly = string is None
    if string is not None:
        fields = {registry.meta.name_field: string, **fields}
    if len(fields) != 1:
        raise InvalidArgument(
            f"{registry.meta.name}.from_source takes one field and its value.",
            found=", ".join(fields) or None,
            hint=f"bt.{registry.__name__}.from_source({registry.meta.name_field}=…)",
        )
    ((field, value),) = fields.items()
    name = registry._field_name(field)
    species = registry._organism_of(name, organism, [value])
    if species is None and registry.require_organism():
        species = inferred_organism([value])
    existing = registry._rows(species)
    values = [value]
    if not exactly:
        words = registry._words(existing, name, registry._compared(name))
        values = words.standards([value]).found.get(value, [value])
    asked = pa.array(values, existing[name].type)
    hits = existing.filter(pc.is_in(existing[name], value_set=asked))
    if source is not None and name == registry.meta.name_field:
        hits = _of_source(hits, source)
    hits = first_of_each(used_first(current_lake().state, hits, name, source), name)
    if len(hits):
        return _one([registry.get(uid) for uid in hits["uid"].to_pylist()])
    if species is None and registry.require_organism(name):
        raise OrganismNotSet(
            f"{registry.meta.name}.from_source needs an organism for the field {name!r}.",
            hint=f"bt.{registry.__name__}.from_source({name}={value!r}, organism='human')",
        )
    meant = source_of(registry, species, source)
    terms = terms_of(registry, content_of(meant, network=True))
    if name not in terms.column_names:
        raise _nothing(registry, terms, meant, name, value)
    found = _found(registry, terms, [value], name, exactly=exactly)
    made = _Maker(registry, terms, species, meant).records(found, name)
    if value not in made:
        raise _nothing(registry, terms, meant, name, value)
    return _one(made[value])


def _of_source(rows: pa.Table, source: Source) -> pa.Table:
    """The rows that any version of a source gave, and those of one's own."""
    sources = current_lake().state.arrow("source")
    others = sources["uid"].filter(pc.not_equal(sources["name"], source.name))
    return rows.filter(pc.invert(pc.is_in(rows["source_uid"], value_set=others)))


def _one(records: list[Any]) -> Any:
    return records[0] if len(records) == 1 else RecordList(records)


def _nothing(
    registry: type[Any], terms: pa.Table, source: Source, field: str, value: Any
) -> ObjectDoesNotExist:
    shown = field in terms.column_names and len(terms) < _NEIGHBOURS
    known = pc.drop_null(terms[field]).to_pylist() if shown else []
    own = f"bt.{registry.__name__}({field}={value!r}) makes a term of your own"
    if field == registry.meta.name_field and _found(registry, terms, [value], field):
        own = f"bt.{registry.__name__}.from_source({value!r}) takes synonyms, too"
    return ObjectDoesNotExist(
        f"The source {source.name!r} {source.version or ''} has no term {value!r}.",
        expected=", ".join(near(str(value), known)) or None,
        hint=own if field == registry.meta.name_field else None,
    )

"""Importing ontologies into registries of terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from lakehouse.bionty.filling import Filling
from lakehouse.bionty.merging import Incoming
from lakehouse.bionty.sources import (
    Given,
    current_source,
    kept_ontology,
    ontology_of,
    resolve,
    source_for,
    superseded,
)
from lakehouse.config import notify
from lakehouse.errors import InvalidArgument, ObjectDoesNotExist, near
from lakehouse.ontology import Ontology, registry_rows
from lakehouse.ontology.collector import without_collection
from lakehouse.orm import QuerySet
from lakehouse.orm.current import current_lake

if TYPE_CHECKING:
    from lakehouse.bionty.base import OntologyTerm
    from lakehouse.bionty.source import Source
    from lakehouse.orm.lake import Lake

T = TypeVar("T", bound="OntologyTerm")


def import_terms(
    cls: type[OntologyTerm],
    what: Any,
    source: Source | None,
    organism: Any,
    prefix: str | None,
    include_obsolete: bool,  # noqa: FBT001 - keyword-only where people call it
) -> Source:
    """See `OntologyTerm.import_source`."""
    lake, meta = current_lake(), cls.meta
    species = getattr(organism, "name", organism)
    given = resolve(lake, meta, source if what is None else what, species)
    if given.ontology.repairs:
        told = f"{len(given.ontology.repairs)} places of the ontology had to be repaired"
        notify(f"{told}; ontology.read(…).repairs lists them", "warning")
    with without_collection():
        return _import(cls, lake, given, source, species, prefix, include_obsolete)


def _import(
    cls: type[OntologyTerm],
    lake: Lake,
    given: Given,
    source: Source | None,
    species: str | None,
    prefix: str | None,
    include_obsolete: bool,  # noqa: FBT001 - as above
) -> Source:
    meta = cls.meta
    incoming = _incoming(cls, given.ontology, prefix, include_obsolete=include_obsolete)
    # nothing is made in the lake before everything is read
    if source is not None:
        given = Given(given.ontology, given.url, source)
    stands = source_for(meta, given, species)

    def prior(digest: str) -> Incoming | None:
        kept = kept_ontology(digest)
        if kept is None:
            return None
        try:
            return _incoming(cls, kept, prefix, include_obsolete=True)
        except InvalidArgument:  # it had no term of this id-space
            return None

    filling = Filling(lake, meta, incoming, source=stands, prior=prior, adopt=meta.name_field)
    others = superseded(lake, stands)
    for other in others:
        other.currently_used = False
    filling.run(f"import {stands.name} {stands.version or ''}".rstrip(), *others)
    return stands


def _incoming(
    cls: type[OntologyTerm], ontology: Ontology, prefix: str | None, *, include_obsolete: bool
) -> Incoming:
    """The rows, and the hierarchy, that a registry takes from an ontology."""
    found: dict[str, dict[str, Any]] = {}
    parents: dict[str, list[str]] = {}
    named: set[str] = set()
    for term in registry_rows(ontology, prefix).to_pylist():
        key = term["ontology_id"]
        found[key] = cls._complete(
            {
                "ontology_id": key,
                "name": term["name"],
                "synonyms": term["synonyms"],
                "description": term["description"],
                "is_obsolete": term["obsolete"],
                "replaced_by": "|".join(term["replaced_by"]) or None,
            }
        )
        # a parent from another ontology is linked if the registry has it
        parents[key] = term["parents"] + term["foreign_parents"]
        if not term["obsolete"]:
            named.update(parents[key])
    obsolete = (key for key, row in found.items() if row["is_obsolete"] and key not in named)
    omitted = frozenset() if include_obsolete else frozenset(obsolete)
    return Incoming("ontology_id", found, parents, omitted)


def term_from_source(
    cls: type[T], ontology_id: str | None, name: str | None, source: Source | None
) -> T:
    """See `OntologyTerm.from_source`."""
    lake, meta = current_lake(), cls.meta
    if (ontology_id is None) == (name is None):
        raise InvalidArgument(
            f"{meta.name}.from_source takes an ontology id or a name.",
            hint=f"bt.{cls.__name__}.from_source(name=…)",
        )
    used = source or current_source(lake, meta)
    ontology = ontology_of(used)
    rows = (
        {} if ontology is None else dict(_incoming(cls, ontology, None, include_obsolete=True).rows)
    )
    key = ontology_id if ontology_id is not None else _id_of(rows, str(name))
    if key is None or key not in rows:
        wanted = ontology_id or name
        known = list(rows) if ontology_id else [str(row["name"]) for row in rows.values()]
        raise ObjectDoesNotExist(
            f"The source {used.name!r} {used.version or ''} has no term {wanted!r}.",
            expected=", ".join(near(str(wanted), known)) or None,
            hint=f"{meta.name}(name={wanted!r}) makes a term of your own" if name else None,
        )
    registered: QuerySet[T] = QuerySet(cls, lake)
    existing = registered.filter(ontology_id=key).first()
    if existing is not None:
        return existing
    return cls(**rows[key], source=used)


def _id_of(rows: dict[str, dict[str, Any]], name: str) -> str | None:
    """The id of the term with a name, else of the first one with such a synonym."""
    for key, row in rows.items():
        if row["name"] == name:
            return key
    for key, row in rows.items():
        if row["synonyms"] and name in row["synonyms"].split("|"):
            return key
    return None

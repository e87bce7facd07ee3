"""Importing public sources into registries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.bionty._import.fill import Filling
from lakehouse.bionty._import.merge import Incoming
from lakehouse.bionty._sources.content import (
    PARENTS,
    RELATIONS,
    Content,
    as_meant,
    edges_of,
    terms_of,
)
from lakehouse.bionty._sources.merged import merged_ids
from lakehouse.bionty._sources.organisms import inferred_organism, organism_record
from lakehouse.bionty._sources.resolve import Given, content_of, resolve, source_for, with_source
from lakehouse.bionty._sources.settings import settings
from lakehouse.bionty._sources.source import Source
from lakehouse.config import notify
from lakehouse.errors import InvalidArgument, InvalidData, OrganismNotSet
from lakehouse.ontology import Ontology
from lakehouse.ontology.model.raw import without_collection
from lakehouse.ontology.sources.kept import Shelf
from lakehouse.ontology.sources.manifest import Manifest
from lakehouse.orm.lake.current import current_lake
from lakehouse.places import places_of

if TYPE_CHECKING:
    from lakehouse.bionty._terms.term import Term


class Import:
    """One call of `import_source`.

    Args:
        registry: The registry.
        what: What is imported, as the caller named it.
        organism: The organism, a record or a name.
        prefix: Id-space of the terms.
        columns: For tables: names in the table → names of fields.
    """

    def __init__(
        self,
        registry: type[Term],
        what: Any,
        *,
        organism: Any = None,
        prefix: str | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> None:
        self._registry = registry
        self._what = what
        self._organism = organism
        self._prefix = prefix
        self._manifest: Manifest | None = None
        self._columns = columns or {}

    def run(self, *, include_obsolete: bool, update_records: bool) -> Source:
        """Import, and give the source."""
        registry, lake = self._registry, current_lake()
        given = self._resolved()
        with without_collection():
            self._manifest = given.source.manifest() if given.source else given.manifest
            # nothing is made in the lake before everything is read
            incoming = self._incoming(given.content, include_obsolete=include_obsolete)
            species = self._species(given, incoming)
            name = getattr(species, "name", self._organism_name())
            source = source_for(registry.meta, given, name)
            ontology = registry.meta.fields.keys() >= {"ontology_id"}
            filling = Filling(
                lake,
                registry.meta,
                incoming,
                source=source,
                prior=self._prior,
                adopt=registry.meta.name_field if ontology else None,
                columns={} if species is None else {"organism_uid": species.uid},
                only_update=update_records,
            )
            more = () if species is None else (species,)
            filling.run(f"import {source.name} {source.version or ''}".rstrip(), *more)
        return source

    def _resolved(self) -> Given:
        organism = self._organism_name()
        if organism is None and self._registry.require_organism() and self._what is None:
            organism = getattr(settings.organism, "name", None)
        given = resolve(self._registry, self._what, organism)
        if isinstance(given.content, Ontology) and given.content.repairs:
            told = f"{len(given.content.repairs)} places of the ontology had to be repaired"
            notify(f"{told}; ontology.read(…).repairs lists them", "warning")
        return with_source(given, given.source)

    def _organism_name(self) -> str | None:
        organism = self._organism
        return None if organism is None else str(getattr(organism, "name", organism))

    def _species(self, given: Given, incoming: Incoming) -> Any:
        """The organism of all rows, for entities that belong to one."""
        if not self._registry.require_organism():
            return None
        if self._organism is not None:
            return organism_record(self._organism)
        if given.source is not None and given.source.organism not in (None, "all"):
            return organism_record(given.source.organism)
        if given.manifest is not None:
            return organism_record(given.manifest.organism)
        first = incoming.table[incoming.key].slice(0, 100).to_pylist()
        found = inferred_organism(first) or settings.organism
        if found is None:
            raise OrganismNotSet(
                f"{self._registry.meta.name} needs the organism of the imported rows.",
                hint=f"bt.{self._registry.__name__}.import_source(…, organism='human')",
            )
        return found

    # -- rows ----------------------------------------------------------------------------

    def _incoming(self, content: Content, *, include_obsolete: bool) -> Incoming:
        if isinstance(content, Ontology):
            return self._from_ontology(content, include_obsolete=include_obsolete)
        renamed = [self._columns.get(n, n) for n in content.column_names]
        terms = terms_of(self._registry, content.rename_columns(renamed))
        table = from_table(self._registry, terms)
        key = table.column_names[0]
        edges = edges_of(terms, content) if key == "ontology_id" else RELATIONS.empty_table()
        return Incoming(key, table, edges)

    def _from_ontology(self, content: Ontology, *, include_obsolete: bool) -> Incoming:
        registry = self._registry
        if "ontology_id" not in registry.meta.fields:
            raise InvalidArgument(
                f"{registry.meta.name} isn't filled from an ontology.",
                found=repr(content),
                expected="a table, or the path of one",
            )
        terms = terms_of(registry, content, self._prefix)
        edges = edges_of(terms, content)
        omitted: frozenset[str] = frozenset()
        if not include_obsolete:
            # a current term may still name an obsolete one as its parent
            gone = terms["ontology_id"].filter(terms["is_obsolete"])
            current = pc.invert(pc.is_in(edges["id"], value_set=gone))
            is_a = pc.and_(current, pc.equal(edges["relation"], "is_a"))
            named = edges["target"].filter(is_a)
            omitted = frozenset(gone.filter(pc.invert(pc.is_in(gone, value_set=named))).to_pylist())
        # what was merged into another term becomes obsolete, but is no term to add
        merged = merged_ids(terms, content)
        omitted |= frozenset(merged["ontology_id"].to_pylist())
        terms = pa.concat_tables([terms, merged]) if len(merged) else terms
        return Incoming("ontology_id", terms.drop_columns([PARENTS]), edges, omitted)

    def _prior(self, digest: str) -> Incoming | None:
        kept: Content | None = Shelf.at(None).load(digest)
        if kept is None:
            known = Source.filter(sha256=digest, dataframe_artifact_uid__isnull=False).first()
            kept = None if known is None else content_of(known, network=False)
        if kept is None:
            return None
        try:
            return self._incoming(as_meant(kept, self._manifest), include_obsolete=True)
        except InvalidArgument:  # it had no term of this id-space
            return None


def from_table(registry: type[Any], table: pa.Table) -> pa.Table:
    """The columns of a table that a registry has, its key first, one row per key.

    Raises:
        InvalidArgument: The table has no column with ids.
        InvalidData: Rows have no id.
    """
    fields, unique = registry.meta.fields, registry.meta.unique
    keys = [names[0] for names in unique if names[0] != "abbr"]
    key = next((name for name in keys if name in table.column_names), None)
    if key is None:
        raise InvalidArgument(
            f"The table for {registry.meta.name} has no column with ids.",
            found=", ".join(table.column_names),
            expected=" or ".join(keys),
            hint=f"columns={{'Gene stable ID': {keys[0]!r}}} renames columns",
        )
    names = [key, *(n for n in table.column_names if n in fields and n not in (key, "uid"))]
    kinds = {c.name: c.arrow_type for c in registry.meta.spec.columns}
    taken = {n: table[n].cast(kinds[n]) for n in names}
    found = pa.table(taken).combine_chunks()
    empty = pc.or_kleene(pc.is_null(found[key]), pc.equal(found[key], ""))
    if missing := places_of(empty).to_pylist():
        raise InvalidData(
            f"{len(missing)} rows of the table for {registry.meta.name} have no {key}.",
            found=f"rows {', '.join(map(str, missing[:5]))}",
            expected="an id in every row",
        )
    # of several rows with one id, the first one counts
    numbered = found.append_column("#", pa.array(range(len(found)), pa.int64()))
    first = numbered.group_by(key).aggregate([("#", "min")])["#_min"]
    return found.take(first.take(pc.sort_indices(first)))

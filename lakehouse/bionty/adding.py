"""Registering sources without importing them."""

from __future__ import annotations

from typing import Any

from lakehouse.bionty.organisms import ALL, organism_record
from lakehouse.bionty.public import PublicOntology
from lakehouse.bionty.source import Source, manifest_source
from lakehouse.errors import InvalidArgument, MultipleObjectsReturned, OrganismNotSet, near
from lakehouse.ontology.manifest import manifest_of, manifests
from lakehouse.orm import QuerySet, current_lake
from lakehouse.orm.batch import batch_on
from lakehouse.registries.artifact import Artifact


def add_source(
    registry: type[Any], source: Any, df: Any, version: str | None, organism: str | None
) -> Source:
    """See `Term.add_source`."""
    lake = current_lake()
    if registry.require_organism():
        organism = organism or getattr(source, "organism", None)
        if organism is None:
            raise OrganismNotSet(
                f"A source of {registry.meta.name} is for one organism.",
                hint=f"bt.{registry.__name__}.add_source(…, organism='human')",
            )
        species = organism_record(organism)
        organism = (species if species._saved else species.save()).name
    if isinstance(source, str):
        found = _by_name(registry, source, version, organism)
    elif isinstance(source, PublicOntology):
        found = _like(registry, source, version, organism)
    elif isinstance(source, Source):
        found = (
            source
            if source.entity == registry.meta.name
            else _like(registry, source, version, organism)
        )
    else:
        raise InvalidArgument(
            "A source is added by a bt.Source, a public ontology or a name.", found=repr(source)
        )
    with batch_on(lake, f"add source {found.name}") as batch:
        if df is not None and found.dataframe_artifact_uid is None:
            artifact = _artifact(found, df)
            batch.add(artifact)
            found.dataframe_artifact = artifact
        batch.add(found)
    return found


def _by_name(registry: type[Any], name: str, version: str | None, organism: str | None) -> Source:
    query: QuerySet[Source] = QuerySet(Source, current_lake())
    query = query.filter(entity=registry.meta.name, name=name)
    if organism is not None:
        query = query.filter(organism=organism)
    same = list(query if version is None else query.filter(version=version))
    if len(same) > 1:
        raise MultipleObjectsReturned(
            f"{registry.meta.name} has several sources named {name!r}.",
            found=", ".join(f"{s.version} ({s.organism})" for s in same),
            hint="pass version= and organism=",
        )
    if same:
        return same[0]
    known = manifest_of(registry.__name__, name, organism)
    if known is not None:
        return manifest_source(known, version)
    if version is None:
        names = {m.source_name for m in manifests().values() if m.entity == registry.__name__}
        raise InvalidArgument(
            f"{registry.meta.name} has no source {name!r}.",
            expected=", ".join(near(name, names) or sorted(names)) or None,
            hint=f"bt.{registry.__name__}.add_source({name!r}, version='…', df=…)",
        )
    return Source(entity=registry.meta.name, name=name, version=version, organism=organism or ALL)


def _like(registry: type[Any], other: Any, version: str | None, organism: str | None) -> Source:
    """A source of this registry with the particulars of another one."""
    name = other.source if isinstance(other, PublicOntology) else other.name
    return Source(
        entity=registry.meta.name,
        name=name,
        version=version or other.version,
        organism=organism or other.organism or ALL,
        url=other.url,
    )


def _artifact(source: Source, df: Any) -> Any:
    parts = (source.organism, source.name, source.version, str(source.entity).partition(".")[2])
    key = (
        f"df_{'__'.join(str(p).lower().replace(' ', '-') for p in parts[:-1])}__{parts[-1]}.parquet"
    )
    return Artifact.from_dataframe(df, key=key)

"""Registering sources without importing them."""

from __future__ import annotations

import re
from typing import Any

from lakehouse.bionty._sources.organisms import ALL, organism_record
from lakehouse.bionty._sources.public import PublicOntology
from lakehouse.bionty._sources.source import Source, manifest_source
from lakehouse.config import notify
from lakehouse.errors import InvalidArgument, MultipleObjectsReturned, OrganismNotSet, near
from lakehouse.ontology.sources.manifest import Manifest, manifest_of, manifests
from lakehouse.orm import QuerySet, current_lake
from lakehouse.orm.session.batch import batch_on
from lakehouse.registries.artifact import Artifact

_NUMBER = re.compile(r"\d+")


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
        found = _by_name(registry, source, version, organism, has_terms=df is not None)
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


def _by_name(
    registry: type[Any], name: str, version: str | None, organism: str | None, *, has_terms: bool
) -> Source:
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
        if version is not None and not has_terms:
            _check_version(registry, known, version)
        return manifest_source(known, version)
    if version is None or not has_terms:
        names = {m.source_name for m in manifests().values() if m.entity == registry.__name__}
        raise InvalidArgument(
            f"{registry.meta.name} has no source {name!r}.",
            expected=", ".join(near(name, names) or sorted(names)) or None,
            hint=f"bt.{registry.__name__}.add_source({name!r}, version='…', df=…)",
        )
    return Source(entity=registry.meta.name, name=name, version=version, organism=organism or ALL)


def _check_version(registry: type[Any], known: Manifest, version: str) -> None:
    """Tell of a release that isn't a known one.

    Raises:
        InvalidArgument: It can't be one: no address is made of it, or it is written otherwise.
    """
    if version in known.versions:
        return
    name, listed = known.source_name, ", ".join(known.versions)
    address = known.address(version)
    alike = any(_NUMBER.sub("0", version) == _NUMBER.sub("0", v) for v in known.versions)
    if not alike or address == known.address():
        raise InvalidArgument(
            f"{registry.meta.name} has no release {version!r} of the source {name!r}.",
            expected=listed,
            hint=f"bt.{registry.__name__}.add_source({name!r}, version={version!r}, df=…) for "
            "terms of your own",
        )
    notify(
        f"{version} is no known release of {name!r}, which are: {listed}; it will be looked for "
        f"at {address}",
        "warning",
    )


def _like(registry: type[Any], other: Any, version: str | None, organism: str | None) -> Source:
    """A source of this registry with the particulars of another one."""
    name = other.source if isinstance(other, PublicOntology) else other.name
    return Source(
        entity=registry.meta.name,
        name=str(name),
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

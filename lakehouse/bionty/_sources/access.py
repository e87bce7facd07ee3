"""Public sources of registries: which one is meant, and whether it is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse.bionty._sources.content import terms_of
from lakehouse.bionty._sources.public import PublicOntology
from lakehouse.bionty._sources.resolve import content_of, used_source
from lakehouse.bionty._sources.settings import settings
from lakehouse.bionty._sources.source import Source, manifest_source
from lakehouse.errors import InvalidArgument, SourceUnavailable
from lakehouse.io.uris import is_remote
from lakehouse.ontology.sources.obtain import locate
from lakehouse.orm import current_lake

_PRONTO = ("obo", "owl", "json")


def source_of(registry: type[Any], organism: Any, source: Any) -> Source:
    """The source that a caller means: the given one, else the one that is used now.

    Raises:
        InvalidArgument: There is none, or it is one of another registry.
        OrganismNotSet: There is one for each of several organisms.
    """
    if source is not None:
        if getattr(source, "entity", None) != registry.meta.name:
            raise InvalidArgument(
                f"{registry.meta.name} has no such source.",
                found=repr(source),
                expected=f"a bt.Source with entity={registry.meta.name!r}",
            )
        found: Source = source
        return found
    if organism is None and "organism" in registry.meta.foreign_keys:
        organism = settings.organism
    name = None if organism is None else str(getattr(organism, "name", organism))
    used = used_source(current_lake(), registry.meta, name)
    return used if isinstance(used, Source) else manifest_source(used)


def public_of(registry: type[Any], organism: Any, source: Any) -> PublicOntology:
    """See `Term.public`."""
    meant = source_of(registry, organism, source)
    content = content_of(meant, network=True)
    known = meant.manifest()
    release = locate(known, str(meant.version)) if known is not None else None
    path = release.path if release is not None and release.format in _PRONTO else None
    if path is None and meant.url and not is_remote(meant.url) and Path(meant.url).exists():
        path = Path(meant.url)
    return PublicOntology(
        terms_of(registry, content),
        content,
        entity=registry.__name__,
        organism=meant.organism,
        source=meant.name,
        version=meant.version,
        url=meant.url,
        path=path,
    )


def local_terms(
    registry: type[Any], organism: Any, source: Any
) -> tuple[pa.Table | None, str | None]:
    """The terms of a public source if they are on this machine, else how to get them."""
    try:
        meant = source_of(registry, organism, source)
        return terms_of(registry, content_of(meant, network=False)), None
    except SourceUnavailable as error:
        return None, f"the public source isn't on this machine: {error.hint}"
    except InvalidArgument as error:
        # no source, or one for each of several organisms: the registry alone is asked
        return None, error.hint

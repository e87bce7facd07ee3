"""Public sources without a lake: `bt.base.CellType()`, also of entities without a registry.

Example:
    >>> bt.base.CellType(version="2026-03-26").search("T cell")  # needs the network  # doctest: +SKIP
    >>> bt.base.Drug(source="chebi").lookup()  # needs the network  # doctest: +SKIP
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lakehouse._lazy import require
from lakehouse.bionty._sources.content import as_meant, read_found, terms_of
from lakehouse.bionty._sources.public import PublicOntology as PublicOntology
from lakehouse.bionty._sources.public import PublicOntologyField as PublicOntologyField
from lakehouse.bionty.registries import ENTITIES
from lakehouse.errors import InvalidArgument, near
from lakehouse.ontology.sources.manifest import Manifest, manifests
from lakehouse.ontology.sources.obtain import PUBLIC_ONLY, obtain
from lakehouse.ontology.sources.organisms import usual_name
from lakehouse.registries.table import DIRECTORY

if TYPE_CHECKING:
    BioSample: partial[PublicOntology]
    CellLine: partial[PublicOntology]
    CellMarker: partial[PublicOntology]
    CellType: partial[PublicOntology]
    DevelopmentalStage: partial[PublicOntology]
    Disease: partial[PublicOntology]
    Drug: partial[PublicOntology]
    Ethnicity: partial[PublicOntology]
    ExperimentalFactor: partial[PublicOntology]
    Gene: partial[PublicOntology]
    Organism: partial[PublicOntology]
    Pathway: partial[PublicOntology]
    Phenotype: partial[PublicOntology]
    Protein: partial[PublicOntology]
    Tissue: partial[PublicOntology]

_OTHERS = (
    "PublicOntology",
    "PublicOntologyField",
    "display_currently_used_sources",
    "display_sources",
)
_PREFERRED = ("vertebrates", "all", "human")


def display_sources() -> Any:
    """The public sources that are known, as a pandas data frame by entity."""
    pd = require("pandas", "make data frames")
    rows = [
        {
            "entity": m.entity,
            "organism": m.organism,
            "name": m.source_name,
            "version": version,
            "url": m.address(version),
            "description": m.title,
            "source_website": m.homepage,
            "licence": m.licence,
            "currently_used": m.used and version == m.version,
        }
        for m in manifests().values()
        for version in m.versions
    ]
    return pd.DataFrame(rows).set_index("entity")


def display_currently_used_sources() -> Any:
    """The sources that a new lake uses, as a pandas data frame by entity."""
    known = display_sources()
    return known[known["currently_used"]][["organism", "name", "version"]]


def public_ontology(
    entity: str,
    source: str | None = None,
    version: str | None = None,
    organism: str | None = None,
) -> PublicOntology:
    """A public source by its name; what isn't given is chosen as a registry would.

    Raises:
        InvalidArgument: No such source is known.
        SourceUnavailable: It isn't on this machine and can't be fetched.
    """
    manifest = _manifest(entity, source, organism)
    found = obtain(manifest, version)
    content = as_meant(read_found(found, manifest.organism), manifest)
    registry = DIRECTORY.get(f"bionty.{entity if entity in ENTITIES else 'Disease'}")
    return PublicOntology(
        terms_of(registry, content),
        content,
        entity=entity,
        organism=manifest.organism,
        source=manifest.source_name,
        version=version or manifest.version,
        url=manifest.address(version),
        path=found.path if found.format in ("obo", "owl", "json") else None,
    )


def _manifest(entity: str, source: str | None, organism: str | None) -> Manifest:
    own = [m for m in manifests().values() if m.entity == entity]
    organism = None if organism is None else usual_name(organism)
    fitting = [
        m for m in own if source in (None, m.source_name, m.name) and organism in (None, m.organism)
    ]
    if not fitting:
        known = [m.source_name for m in own]
        raise InvalidArgument(
            f"There is no public source of {entity} like that.",
            found=f"source={source!r}, organism={organism!r}",
            expected=", ".join(near(str(source), known) or sorted(set(known))) or None,
            hint="bt.base.display_sources() lists them",
        )
    order = {name: i for i, name in enumerate(_PREFERRED)}
    return min(fitting, key=lambda m: (not m.used, order.get(m.organism, len(order))))


if not TYPE_CHECKING:  # a misspelt name is an error for type checkers

    def __getattr__(name: str) -> Any:
        if name in ENTITIES or name in PUBLIC_ONLY:
            return partial(public_ontology, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*ENTITIES, *PUBLIC_ONLY, *_OTHERS])

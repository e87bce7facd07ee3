"""Ontologies: OBO, OWL and OBO graphs as sorted Arrow tables, with a list of what was odd in the file."""

from lakehouse.ontology.model.graph import ancestors, closure, cycles, descendants, resolve_alt
from lakehouse.ontology.model.model import LeftOut, Metadata, Ontology, Repair
from lakehouse.ontology.reading.reader import read
from lakehouse.ontology.rows import own_prefix, registry_rows
from lakehouse.ontology.sources.manifest import Manifest, extract, manifest, manifests

__all__ = [
    "LeftOut",
    "Manifest",
    "Metadata",
    "Ontology",
    "Repair",
    "ancestors",
    "closure",
    "cycles",
    "descendants",
    "extract",
    "manifest",
    "manifests",
    "own_prefix",
    "read",
    "registry_rows",
    "resolve_alt",
]

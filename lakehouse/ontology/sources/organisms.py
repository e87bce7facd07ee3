"""Organisms that are known without any source: names, NCBI ids, prefixes of Ensembl gene ids."""

from __future__ import annotations

import csv
import re
from functools import cache

from lakehouse.ontology.sources.manifest import folder

# ids whose prefix alone doesn't tell them from other texts
_FORMS = {
    "Y": re.compile(r"Y[A-P][LR]\d{3}[CW](?:-[A-Z])?"),
    "AT": re.compile(r"AT[1-5MC]G\d{5}"),
    "ERCC": re.compile(r"ERCC-\d{5}"),
}
_PREFIXED = re.compile(r"([A-Za-z]+)\d{6,}(?:\.\d+)?")


@cache
def known_organisms() -> tuple[dict[str, str], ...]:
    """`ontology_id, name, scientific_name, ensembl_prefix` of the organisms that ship with us."""
    with (folder() / "tables" / "organisms.csv").open(encoding="utf-8", newline="") as handle:
        return tuple(csv.DictReader(handle))


@cache
def _by_prefix() -> dict[str, dict[str, str]]:
    return {row["ensembl_prefix"]: row for row in known_organisms() if row["ensembl_prefix"]}


@cache
def _by_name() -> dict[str, str]:
    names = ("ontology_id", "scientific_name", "name")
    return {folded(row[n]): row["name"] for n in names for row in known_organisms()}


def folded(name: str) -> str:
    """A name without the differences that mean nothing: `Homo sapiens`, `homo_sapiens`."""
    return re.sub(r"[\s_]+", " ", name).strip().lower()


def usual_name(organism: str) -> str:
    """The name that sources call an organism by, from any of its names; others stay.

    Example:
        >>> usual_name("Rattus norvegicus"), usual_name("my organism")
        ('rat', 'my organism')
    """
    return _by_name().get(folded(organism), organism)


def organism_of_id(gene_id: str) -> dict[str, str] | None:
    """The organism that a stable gene id tells, or None.

    Example:
        >>> organism_of_id("ENSMUSG00000002076")["name"]
        'mouse'
    """
    found = _PREFIXED.fullmatch(gene_id)
    if found:
        return _by_prefix().get(found.group(1))
    for prefix, form in _FORMS.items():
        if form.fullmatch(gene_id):
            return _by_prefix()[prefix]
    return None


def without_version(gene_id: str) -> str:
    """An Ensembl id without its version: `ENSG00000153563.12` means the same gene.

    Example:
        >>> without_version("ENSG00000153563.12"), without_version("RP11-34P13.7")
        ('ENSG00000153563', 'RP11-34P13.7')
    """
    stem, dot, version = gene_id.rpartition(".")
    known = dot and version.isdigit() and organism_of_id(stem) is not None
    return stem if known else gene_id

"""Every relation between registries, both of its sides, in one table.

A relation over a link table is a line of `LINKS`; the other side of a foreign key is a line of
`KEYS`. A registry gets its accessors with `relations=relations_of("Artifact")`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from lakehouse.orm.model.meta import Relation, table_name
from lakehouse.registries.table import DIRECTORY
from lakehouse.relations.managers import manager_of
from lakehouse.relations.views import ARTIFACT_COLUMN, LinkView, feature_views
from lakehouse.relations.views import link_views as make_link_views

PARENTS = "parents"
_IS_A = "is_a"


@dataclass(frozen=True)
class Link:
    """A relation over a link table, as seen from the registry that the links belong to.

    Attributes:
        subject: The registry whose records have the links, and take them along when deleted.
        name: Its accessor.
        target: The registry that is linked to.
        inverse: The accessor of that registry.
        slot: What tells these links from others between the same two registries.
        protects: Whether a record that is linked to can't be deleted.
        ordered: Whether the links have positions.
        acyclic: Whether following the links must never lead back.
        table: The link table; that of the subject by default.
    """

    subject: str
    name: str
    target: str
    inverse: str
    slot: str | None = None
    protects: bool = True
    ordered: bool = False
    acyclic: bool = False
    table: str | None = None

    @property
    def link_table(self) -> str:
        """The table with the links."""
        return self.table or f"{table_name(self.subject)}_link"


@dataclass(frozen=True)
class Key:
    """A foreign key, and the accessor of the registry that it refers to."""

    registry: str
    field: str
    target: str
    name: str


# registry → its accessor on artifacts and records
TERMS = {
    "bionty.Organism": "organisms",
    "bionty.Gene": "genes",
    "bionty.Protein": "proteins",
    "bionty.CellMarker": "cell_markers",
    "bionty.Tissue": "tissues",
    "bionty.CellType": "cell_types",
    "bionty.Disease": "diseases",
    "bionty.CellLine": "cell_lines",
    "bionty.Phenotype": "phenotypes",
    "bionty.Pathway": "pathways",
    "bionty.ExperimentalFactor": "experimental_factors",
    "bionty.DevelopmentalStage": "developmental_stages",
    "bionty.Ethnicity": "ethnicities",
}
_FLAT = ("bionty.Gene", "bionty.Protein", "bionty.CellMarker")


def _free(subject: str, name: str, target: str, inverse: str, *, slot: str) -> Link:
    """A relation that keeps nobody from deleting either side."""
    acyclic = slot in (PARENTS, "predecessors")
    return Link(subject, name, target, inverse, slot=slot, protects=False, acyclic=acyclic)


LINKS: tuple[Link, ...] = (
    # labels and feature values of artifacts
    Link("Artifact", "ulabels", "ULabel", "artifacts"),
    Link("Artifact", "records", "Record", "artifacts"),
    Link("Artifact", "projects", "Project", "artifacts"),
    Link("Artifact", "references", "Reference", "artifacts"),
    Link("Artifact", "users", "User", "artifacts"),
    Link("Artifact", "runs", "Run", "artifacts"),
    Link("Artifact", "artifacts", "Artifact", "linked_by_artifacts"),
    Link("Artifact", "schemas", "Schema", "artifacts"),
    # collections
    Link("Collection", "artifacts", "Artifact", "collections", ordered=True),
    Link("Collection", "ulabels", "ULabel", "collections"),
    Link("Collection", "records", "Record", "collections"),
    Link("Collection", "projects", "Project", "collections"),
    Link("Collection", "references", "Reference", "collections"),
    # transforms and runs
    _free("Transform", "predecessors", "Transform", "successors", slot="predecessors"),
    Link("Transform", "ulabels", "ULabel", "transforms"),
    Link("Transform", "records", "Record", "transforms"),
    Link("Transform", "projects", "Project", "transforms"),
    Link("Transform", "references", "Reference", "transforms"),
    _free("Run", "input_artifacts", "Artifact", "input_of_runs", slot="input"),
    _free("Run", "input_collections", "Collection", "input_of_runs", slot="input"),
    _free("Run", "input_records", "Record", "input_of_runs", slot="input"),
    _free("Run", "recreated_artifacts", "Artifact", "recreating_runs", slot="recreated"),
    _free("Run", "recreated_collections", "Collection", "recreating_runs", slot="recreated"),
    Link("Run", "ulabels", "ULabel", "runs"),
    Link("Run", "records", "Record", "runs"),
    Link("Run", "projects", "Project", "runs"),
    Link("Run", "linked_artifacts", "Artifact", "linked_by_runs"),
    # what records are linked to as values of their features
    Link("Record", "linked_records", "Record", "linked_in_records"),
    Link("Record", "linked_ulabels", "ULabel", "linked_in_records"),
    Link("Record", "linked_users", "User", "linked_in_records"),
    Link("Record", "linked_runs", "Run", "linked_in_records"),
    Link("Record", "linked_artifacts", "Artifact", "linked_in_records"),
    Link("Record", "linked_collections", "Collection", "linked_in_records"),
    Link("Record", "linked_transforms", "Transform", "linked_in_records"),
    Link("Record", "linked_references", "Reference", "linked_in_records"),
    Link("Record", "linked_projects", "Project", "linked_in_records"),
    # labels of records, beside their values
    Link("Record", "projects", "Project", "records", slot="label"),
    Link("Record", "references", "Reference", "records", slot="label"),
    # everything else
    Link("Schema", "features", "Feature", "schemas", ordered=True),
    Link("Schema", "components", "Schema", "composites"),
    Link("Schema", "projects", "Project", "schemas"),
    Link("Feature", "projects", "Project", "features"),
    Link("ULabel", "projects", "Project", "ulabels"),
    Link("Block", "projects", "Project", "blocks"),
    Link("Branch", "users", "User", "branches"),
    Link("Branch", "ulabels", "ULabel", "branches"),
    Link("Branch", "projects", "Project", "branches"),
    Link("Project", "users", "User", "projects"),
    _free("Project", "references", "Reference", "projects", slot="references"),
    _free("Project", "predecessors", "Project", "successors", slot="predecessors"),
    *(Link("Artifact", name, registry, "artifacts") for registry, name in TERMS.items()),
    *(Link("Record", name, registry, "records") for registry, name in TERMS.items()),
    *(
        Link("Schema", name, registry, "schemas", ordered=True)
        for registry, name in TERMS.items()
        if registry in (*_FLAT, "bionty.Pathway")
    ),
    Link("bionty.Pathway", "genes", "bionty.Gene", "pathways"),
    # hierarchies
    *(
        _free(registry, "parents", registry, "children", slot=PARENTS)
        for registry in ("ULabel", "Record", "Project")
    ),
    *(
        Link(
            registry, "parents", registry, "children", _IS_A,
            protects=False, acyclic=True, table="ontology_link",
        )
        for registry in TERMS
        if registry not in _FLAT
    ),
)  # fmt: skip

KEYS: tuple[Key, ...] = (
    Key("Run", "transform", "Transform", "runs"),
    Key("Run", "initiated_by_run", "Run", "initiated_runs"),
    Key("Run", "created_by", "User", "created_runs"),
    Key("Transform", "created_by", "User", "created_transforms"),
    Key("Transform", "run", "Run", "output_transforms"),
    Key("Artifact", "created_by", "User", "created_artifacts"),
    Key("Artifact", "run", "Run", "output_artifacts"),
    Key("Artifact", "storage", "Storage", "artifacts"),
    Key("Artifact", "schema", "Schema", "validated_artifacts"),
    Key("Collection", "run", "Run", "output_collections"),
    Key("Collection", "schema", "Schema", "validated_collections"),
    Key("Record", "run", "Run", "output_records"),
    Key("Record", "schema", "Schema", "records"),
    Key("ULabel", "type", "ULabel", "ulabels"),
    Key("Record", "type", "Record", "records"),
    Key("Feature", "type", "Feature", "features"),
    Key("Schema", "type", "Schema", "schemas"),
    Key("Project", "type", "Project", "projects"),
    Key("Reference", "type", "Reference", "references"),
    Key("Block", "anchor", "Block", "children"),
    *(
        Key(f"{name}Block", name.lower(), name, "ablocks")
        for name in (
            "Artifact", "Collection", "Transform", "Run", "Record", "ULabel", "Project", "Feature",
            "Schema", "Branch", "Space",
        )
    ),
    Key("bionty.Gene", "organism", "bionty.Organism", "genes"),
    Key("bionty.Protein", "organism", "bionty.Organism", "proteins"),
    Key("bionty.CellMarker", "organism", "bionty.Organism", "cell_markers"),
)  # fmt: skip


def _known(*registries: str) -> bool:
    return all(name in DIRECTORY.registries for name in registries)


def links() -> Iterator[Link]:
    """The relations over link tables between registries that exist."""
    return (link for link in LINKS if _known(link.subject, link.target))


@cache
def _slots() -> dict[tuple[str, str, str], tuple[str, ...]]:
    """The slots of the links between two registries in one table."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for link in LINKS:
        if link.slot is not None:
            found.setdefault((link.link_table, link.subject, link.target), set()).add(link.slot)
    return {pair: tuple(sorted(slots)) for pair, slots in found.items()}


@cache
def _sides(link: Link) -> tuple[Relation, Relation]:
    """A relation as its two registries see it."""
    apart: tuple[str, ...] = ()
    if link.slot is None:
        apart = _slots().get((link.link_table, link.subject, link.target), ())
    shared: dict[str, Any] = {
        "link": link.link_table,
        "registry": table_name(link.target),
        "slot": link.slot,
        "apart": apart,
        "protects": link.protects,
        "acyclic": link.acyclic,
    }
    forward = Relation(
        link.name,
        link.target,
        manager=manager_of(link.name),
        inverse=link.inverse,
        ordered=link.ordered,
        **shared,
    )
    backward = Relation(
        link.inverse,
        link.subject,
        manager=manager_of(link.inverse),
        inverse=link.name,
        reverse=True,
        **shared,
    )
    return forward, backward


@cache
def relations_of(registry: str) -> dict[str, Relation]:
    """The relations of a registry by accessor.

    Args:
        registry: Full name of the registry, e.g. `Artifact` or `bionty.CellType`.

    Example:
        >>> relations_of("Transform")["runs"].foreign_key
        'transform'
    """
    found: dict[str, Relation] = {}
    for link in links():
        if link.subject == registry:
            found[link.name], _ = _sides(link)
        if link.target == registry:
            _, found[link.inverse] = _sides(link)
    for key in KEYS:
        if key.target == registry and _known(key.registry):
            found[key.name] = Relation(
                key.name,
                key.registry,
                table_name(key.registry),
                manager=manager_of(key.name),
                foreign_key=key.field,
                inverse=key.field,
            )
    return found


def link_views() -> dict[str, str]:
    """The SQL views of all relations over link tables, and of all features of a record."""
    found = []
    for link in links():
        forward, _ = _sides(link)
        subject, target = DIRECTORY.get(link.subject).meta, DIRECTORY.get(link.target).meta
        found.append(
            LinkView(
                subject.table,
                subject.name_field,
                link.name,
                target.table,
                target.name_field,
                link.link_table,
                link.slot,
                forward.apart,
            )
        )
    labels = [
        view
        for view in found
        if view.subject in ("artifact", "record", "run")
        and view.slot is None
        and view.target not in ("feature", "schema")
    ]
    return {**make_link_views(found), **feature_views(labels), "artifact_column": ARTIFACT_COLUMN}

"""The registries, which come from one table."""

from __future__ import annotations

import pytest

import lakehouse.bionty as bt
from lakehouse.bionty._terms.term import OntologyTerm
from lakehouse.bionty.registries import ENTITIES
from lakehouse.errors import ObjectDoesNotExist, OrganismNotSet
from lakehouse.orm import current_lake

HIERARCHIES = [name for name, entity in ENTITIES.items() if issubclass(entity, OntologyTerm)]

# what the peer's records have, ids aside
FIELDS = {
    "Gene": "symbol stable_id ensembl_gene_id ncbi_gene_ids biotype organism",
    "Protein": "name uniprotkb_id length gene_symbol ensembl_gene_ids organism",
    "CellMarker": "name gene_symbol ncbi_gene_id uniprotkb_id organism",
    "Organism": "name ontology_id scientific_name parents children",
}


def test_all_are_exported():
    assert set(ENTITIES) < set(bt.__all__)
    assert all(name in dir(bt) for name in ENTITIES)
    with pytest.raises(AttributeError):
        bt.Nothing  # noqa: B018 - the access is what is tested


@pytest.mark.parametrize("name", ENTITIES)
def test_fields(name: str) -> None:
    names = set(getattr(bt, name).meta.names())
    common = "uid abbr synonyms description source created_by run created_at updated_at artifacts"
    assert set(common.split()) <= names
    assert set(FIELDS.get(name, "name ontology_id parents children").split()) <= names


@pytest.mark.slow
@pytest.mark.parametrize("name", HIERARCHIES)
def test_each_is_a_registry_of_terms(name: str, lake) -> None:
    registry = getattr(bt, name)
    parent = registry(name="parent", ontology_id="X:1").save()
    child = registry(name="child", ontology_id="X:2", synonyms="kid").save()
    child.parents.add(parent)
    assert registry(name="child") == child
    assert child.parents.to_list("name") == ["parent"]
    assert registry.standardize(["kid"]) == ["child"]
    rows = current_lake().sql(f"SELECT * FROM {ENTITIES[name].meta.table}_closure").fetchall()
    assert rows == [(child.uid, parent.uid, 1)]


def test_the_organism_of_a_gene(lake):
    with pytest.raises(OrganismNotSet, match=r"bionty\.Gene needs an organism"):
        bt.Gene(symbol="CD8A")
    inferred = bt.Gene(symbol="CD8A", ensembl_gene_id="ENSG00000153563").save()
    assert inferred.organism.name == "human"
    assert inferred.organism.ontology_id == "NCBITaxon:9606"
    assert bt.Gene(symbol="Cd8a", organism="Mus musculus").save().organism.name == "mouse"
    assert bt.Organism.filter().order_by("name").to_list("name") == ["human", "mouse"]
    with pytest.raises(ObjectDoesNotExist, match="'hman'") as error:
        bt.Gene(symbol="CD8A", organism="hman")
    assert "human" in str(error.value)


def test_settings(lake):
    assert bt.settings.organism is None
    try:
        bt.settings.organism = "mouse"
        assert bt.settings.organism == bt.Organism.get(name="mouse")
        marker = bt.CellMarker(name="Cd8").save()
        assert marker.organism.name == "mouse"
        assert bt.CellMarker(name="Cd8") == marker
        assert bt.CellMarker(name="Cd8", organism="human") != marker
    finally:
        bt.settings.organism = None


def test_proteins(lake):
    protein = bt.Protein(name="CD8A_HUMAN", uniprotkb_id="P01732", organism="human").save()
    assert bt.Protein(uniprotkb_id="P01732", organism="human") == protein
    assert bt.Protein.validate(["P01732"], field=bt.Protein.uniprotkb_id).all()
    assert bt.Organism.get(name="human").proteins.one() == protein

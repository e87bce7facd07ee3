"""Genes: symbols, aliases, Ensembl ids with versions, organisms."""

from __future__ import annotations

import pytest

import lakehouse.bionty as bt
from lakehouse.errors import OrganismNotSet
from lakehouse.ontology.sources.organisms import known_organisms, organism_of_id, without_version

IDS = ["ENSG00000139618", "ENSMUSG00000053977"]


@pytest.fixture
def genes(lake, packages):
    bt.Gene.import_source(organism="human")
    return lake


def test_columns(genes):
    gene = bt.Gene.get(symbol="BRCA2")
    assert gene.ensembl_gene_id == "ENSG00000139618"
    assert (gene.ensembl_version, gene.biotype, gene.ncbi_gene_ids) == (19, "protein_coding", "675")
    assert gene.synonyms == "FAD|XRCC11|FANCD1|FACD"
    assert gene.previous_symbols == "FANCD1|FACD"
    assert gene.description == "BRCA2 DNA repair associated"
    assert gene.organism.name == "human"
    assert bt.Gene.get(ensembl_gene_id="ENSG00000290825").symbol is None


def test_symbols_to_ids(genes, capsys):
    found = bt.Gene.map_symbols(
        ["BRCA2", "FANCD1", "FAD", "Y_RNA", "nothing", "BRCA2"], organism="human"
    )
    assert found.mapped == {"BRCA2": IDS[0], "FANCD1": IDS[0]}
    assert found.renamed == {"FANCD1": "BRCA2"}
    assert found.ambiguous == {
        "Y_RNA": ["ENSG00000200344", "ENSG00000252254"],
        "FAD": [IDS[0], "ENSG00000153563"],
    }
    assert found.unmapped == ["nothing"]
    assert "unmapped=1" in repr(found)
    spelled = bt.Gene.map_symbols(["brca2", "Fancd1", "cd8a"], organism="human")
    assert spelled.renamed == {"brca2": "BRCA2", "Fancd1": "BRCA2", "cd8a": "CD8A"}
    with pytest.raises(OrganismNotSet, match="no organism 'hobbit'"):
        bt.Gene.validate(["BRCA2"], organism="hobbit")
    frame = found.to_dataframe()
    assert frame.loc["FANCD1", ["status", "symbol"]].tolist() == ["mapped", "BRCA2"]
    with pytest.raises(OrganismNotSet):
        bt.Gene.map_symbols(["BRCA2"])


def test_standardize(genes):
    mapper = bt.Gene.standardize(
        ["BRCA2", "FANCD1", "nothing"],
        field=bt.Gene.symbol,
        return_field=bt.Gene.ensembl_gene_id,
        return_mapper=True,
        organism="human",
    )
    assert mapper == {"BRCA2": IDS[0], "FANCD1": IDS[0]}
    assert bt.Gene.standardize(["FANCD1"], organism="mouse") == ["FANCD1"]


def test_ids_with_versions(genes):
    given = [f"{IDS[0]}.19", "ENSG00000999999.1", "RP11-34P13.7"]
    found = bt.Gene.standardize(given, field=bt.Gene.ensembl_gene_id, mute=True)
    assert found == [IDS[0], *given[1:]]
    assert not bt.Gene.validate(given, field="ensembl_gene_id").any()
    assert bt.Gene.from_values(given, field="ensembl_gene_id").one().symbol == "BRCA2"


def test_ids_tell_their_organisms(lake, packages):
    genes = bt.Gene.from_values(IDS, field=bt.Gene.ensembl_gene_id).save()
    assert [g.organism.name for g in genes] == ["human", "mouse"]
    assert bt.Gene.validate(IDS, field=bt.Gene.ensembl_gene_id).all()
    assert bt.Gene.from_source(ensembl_gene_id="ENSG00000153563").organism.name == "human"
    with pytest.raises(OrganismNotSet):
        bt.Gene.from_source(symbol="CD8A")
    with pytest.raises(OrganismNotSet):
        bt.Gene.from_values(["CD8A"])
    assert bt.Gene.from_values(["CD8A"], organism="human").save().one().symbol == "CD8A"
    assert bt.Gene.validate(["CD8A", "Cd8a"]).tolist() == [True, True]
    assert bt.Gene.validate(["CD8A", "Cd8a"], organism="mouse").tolist() == [False, True]


def test_settings_choose_the_organism(lake, packages):
    try:
        bt.settings.organism = "mouse"
        assert bt.Gene.from_source(symbol="Cd8a").save().ensembl_gene_id == IDS[1]
        assert bt.Gene.import_source().organism == "mouse"
        assert bt.Gene.public().organism == "mouse"
        assert bt.Gene.validate("Cd8a")
    finally:
        bt.settings.organism = None


@pytest.mark.parametrize(
    ("gene", "organism"),
    [
        ("ENSG00000153563", "human"),
        ("ENSMUSG00000053977.14", "mouse"),
        ("FBgn0083949", "fruit fly"),
        ("WBGene00000003", "roundworm"),
        ("YAL001C", "saccharomyces cerevisiae"),
        ("AT1G01010", "thale cress"),
        ("CD8A", None),
        ("ENSXYZG00000000001", None),
        ("", None),
    ],
)
def test_organisms_of_ids(gene, organism):
    row = organism_of_id(gene)
    assert (row and row["name"]) == organism


def test_known_organisms_are_distinct():
    for column in ("ontology_id", "name", "scientific_name", "ensembl_prefix"):
        values = [row[column] for row in known_organisms()]
        assert len(values) == len(set(values))
    assert without_version("ENSG00000153563.12") == "ENSG00000153563"
    assert without_version("RP11-34P13.7") == "RP11-34P13.7"


def test_pathways_have_genes(lake):
    gene = bt.Gene(symbol="CD8A", ensembl_gene_id="ENSG00000153563").save()
    pathway = bt.Pathway(name="T cell activation").save()
    pathway.genes.add(gene)
    assert gene.pathways.to_list("name") == ["T cell activation"]
    assert bt.Pathway.filter(genes__symbol="CD8A").one() == pathway
    assert pathway.parents.count() == pathway.query_children().count() == 0

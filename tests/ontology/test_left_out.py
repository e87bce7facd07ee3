"""What ontologies say beyond the tables is counted, in every format."""

from __future__ import annotations

import json

import pytest

from lakehouse.ontology import Ontology, read
from tests.ontology.sample import HEADER, OIO, PURL, column, owl, owl_class

RICH = f"""{HEADER.strip()}
subsetdef: slim "A slim."
import: http://purl.obolibrary.org/obo/pato.obo

[Term]
id: X:1
name: a
def: "A." [PMID:2, PMID:1]
synonym: "aa" EXACT [PMID:3]
subset: slim
subset: fat
xref: Y:1 "a text"
property_value: seen "often" xsd:string
created_by: ada
creation_date: 2020-01-01T00:00:00Z

[Term]
id: X:2
name: b
subset: slim
intersection_of: X:1
intersection_of: part_of X:3
union_of: X:1
union_of: X:3
equivalent_to: X:4
disjoint_from: X:3
relationship: part_of X:1 {{since="1900", until="1950"}}

[Term]
id: X:3
name: c

[Typedef]
id: part_of
name: part of
"""


def counts(ontology: Ontology) -> dict[str, int]:
    return {entry.kind: entry.count for entry in ontology.left_out}


def test_everything_that_obo_says_beyond_the_tables():
    found = read(RICH.encode(), keep=False)
    assert found.repairs == ()
    assert counts(found) == {
        "[Typedef], but for its name": 1,
        "created_by": 1,
        "creation_date": 1,
        "description of an xref": 1,
        "disjoint_from": 1,
        "equivalent_to": 1,
        "import": 1,
        "intersection_of": 2,
        "property_value": 1,
        "qualifiers in {}": 1,
        "subset": 3,
        "subsetdef": 1,
        "union_of": 2,
        "xref of a definition": 2,
        "xref of a synonym": 1,
    }
    examples = {entry.kind: entry.example for entry in found.left_out}
    assert examples["subset"] == "X:1 fat"
    assert examples["intersection_of"] == "X:2 X:1"
    assert examples["xref of a definition"] == "X:1 PMID:1"
    assert examples["property_value"] == "X:1 seen often"
    assert examples["qualifiers in {}"].startswith("relationship: part_of X:1 {since")
    assert str(found.left_out[-1]) == "1 × xref of a synonym, e.g. X:1 PMID:3"


def test_it_is_kept(tmp_path):
    first = read(RICH.encode(), keep=tmp_path)
    assert first.left_out == read(RICH.encode(), keep=tmp_path).left_out != ()


def test_nothing_is_left_out_of_plain_terms():
    assert read(f"{HEADER}[Term]\nid: X:1\nname: a\n".encode(), keep=False).left_out == ()


def test_successors_in_annotations_are_taken_not_left_out():
    said = "property_value: IAO:0100001 X:2\nis_obsolete: true\n"
    found = read(f"{HEADER}[Term]\nid: X:1\nname: a\n{said}".encode(), keep=False)
    assert column(found, "terms", "replaced_by") == [["X:2"]]
    assert found.left_out == ()


def test_a_term_in_two_stanzas_is_counted_once():
    second = "\n[Term]\nid: X:1\nsubset: old\n"
    found = read((RICH + second).encode(), keep=False)
    assert counts(found)["subset"] == 4
    assert len(found) == 3
    assert any("duplicate id" in repair.reason for repair in found.repairs)


def test_owl():
    body = owl_class(
        "1",
        f"<rdfs:label>a</rdfs:label><oboInOwl:inSubset rdf:resource='{PURL}x#slim'/>"
        "<owl:equivalentClass><owl:Class><owl:intersectionOf rdf:parseType='Collection'>"
        f"<rdf:Description rdf:about='{PURL}X_2'/></owl:intersectionOf></owl:Class>"
        "</owl:equivalentClass>",
    )
    found = read(owl(f"{body}<owl:DatatypeProperty rdf:about='{PURL}X_9'/>"), keep=False)
    told = {entry.kind: (entry.count, entry.example) for entry in found.left_out}
    assert told["equivalentClass"] == (1, "X:1")
    assert told["DatatypeProperty"] == (1, f"{PURL}X_9")
    assert told["subset"][0] == 1


def _axiom(kind: str) -> str:
    return (
        f"<owl:Axiom><owl:annotatedSource rdf:resource='{PURL}X_1'/>"
        f"<owl:annotatedProperty rdf:resource='{OIO}hasExactSynonym'/>"
        f"<owl:annotatedTarget>aa</owl:annotatedTarget>"
        f"<oboInOwl:hasSynonymType rdf:resource='{OIO}{kind}'/></owl:Axiom>"
    )


@pytest.mark.parametrize("kinds", [["abbreviation"], ["abbreviation", "layperson"]])
def test_every_type_that_axioms_give_a_synonym_is_kept(kinds):
    term = owl_class(
        "1", "<rdfs:label>a</rdfs:label><oboInOwl:hasExactSynonym>aa</oboInOwl:hasExactSynonym>"
    )
    found = read(owl(term + "".join(map(_axiom, kinds))), keep=False)
    assert column(found, "synonyms", "synonym") == ["aa"] * len(kinds)
    types = [str(kind) for kind in column(found, "synonyms", "type")]
    assert [next(k for k in kinds if k in kind) for kind in types] == kinds


def test_json():
    meta = {
        "subsets": [f"{PURL}x#slim"],
        "definition": {"val": "A.", "xrefs": ["PMID:1"]},
    }
    node = {"id": f"{PURL}X_1", "lbl": "a", "type": "CLASS", "meta": meta}
    graph = {
        "id": f"{PURL}x.json",
        "nodes": [node],
        "edges": [],
        "logicalDefinitionAxioms": [
            {"definedClassId": f"{PURL}X_1", "genusIds": [], "restrictions": []}
        ],
        "propertyChainAxioms": [],
    }
    found = read(json.dumps({"graphs": [graph]}).encode(), keep=False)
    assert counts(found) == {"logicalDefinitionAxioms": 1, "subset": 1, "xref of a definition": 1}

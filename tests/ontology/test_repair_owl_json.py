"""Mistakes in OWL and OBO-graph files."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lakehouse.ontology import read
from tests.ontology.sample import OIO, PURL, RDF, column, dump, only, owl, owl_class


def _node(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"{PURL}X_{number}", "type": "CLASS", "lbl": f"n{number}", **more}


def _graph(*nodes: Any, edges: Any = (), **more: Any) -> bytes:
    return dump({"id": f"{PURL}x.json", "nodes": list(nodes), "edges": list(edges), **more})


def _edge(sub: int, obj: int, pred: str = "is_a") -> dict[str, str]:
    return {"sub": f"{PURL}X_{sub}", "pred": pred, "obj": f"{PURL}X_{obj}"}


def test_json_dangling_parent_and_subject():
    onto = read(_graph(_node(1), edges=[_edge(1, 2), _edge(9, 1)]), keep=False)
    assert column(onto, "terms", "id") == ["X:1", "X:2", "X:9"]
    assert column(onto, "terms", "stub") == [False, True, False]
    assert column(onto, "parents", "parent") == ["X:2", "X:1"]
    assert len(onto.repairs) == 2


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ({"id": f"{PURL}X_5", "lbl": "a"}, "without a type: read as a class"),
        ({"id": f"{PURL}X_5", "lbl": "a", "type": "FOO"}, "unknown node type 'FOO'"),
    ],
)
def test_json_node_types(node: dict[str, Any], reason: str):
    onto = read(_graph(_node(1), node), keep=False)
    assert column(onto, "terms", "id") == ["X:1", "X:5"]
    assert reason in only(onto).reason


@pytest.mark.parametrize(
    "node",
    [
        {"id": f"{PURL}X_5", "type": "INDIVIDUAL"},
        {"id": "X 5", "type": "CLASS", "lbl": "a"},
        {"lbl": "no id"},
        "no node",
    ],
)
def test_json_unusable_nodes_are_reported(node: Any):
    onto = read(_graph(_node(1), node), keep=False)
    assert column(onto, "terms", "id") == ["X:1"]
    assert only(onto).reason.endswith(("dropped", "left out"))


@pytest.mark.parametrize(
    "meta",
    [
        {"synonyms": [{"pred": "hasFooSynonym", "val": "bad"}]},
        {"synonyms": [{"pred": "hasExactSynonym"}]},
        {"xrefs": [{"val": "a b"}]},
        {"definition": "bad"},
        {"basicPropertyValues": [{"pred": f"{OIO}creation_date", "val": "2020"}]},
    ],
)
def test_json_bad_parts_are_dropped_and_the_rest_kept(meta: dict[str, Any]):
    kept = {"comments": ["kept"], "synonyms": [{"pred": "hasExactSynonym", "val": "s"}]}
    merged = {**kept, **meta, "synonyms": kept["synonyms"] + meta.get("synonyms", [])}
    onto = read(_graph(_node(1, meta=merged), _node(2)), keep=False)
    assert column(onto, "synonyms", "synonym") == ["s"]
    assert column(onto, "terms", "comment") == ["kept", None]
    assert "dropped" in only(onto).reason


def test_json_bad_edges_and_header():
    bad = {"sub": f"{PURL}X_1", "pred": "is_a", "obj": "a b"}
    onto = read(_graph(_node(1), edges=[bad], meta={"version": {"a": 1}}), keep=False)
    assert column(onto, "terms", "id") == ["X:1"]
    assert len(onto.repairs) == 2


def test_json_several_graphs_are_merged():
    one, two = (
        {"id": name, "nodes": [_node(number)], "edges": []} for name, number in (("x", 1), ("y", 2))
    )
    onto = read(dump(one, two), keep=False)
    assert column(onto, "terms", "id") == ["X:1", "X:2"]
    assert only(onto).text == "y"


def test_json_duplicates_and_several_comments():
    onto = read(_graph(_node(1, meta={"comments": ["a", "b"]}), _node(1)), keep=False)
    assert column(onto, "terms", "comment") == ["a\nb"]
    assert "duplicate id" in only(onto).reason


def test_json_relation_with_a_dangling_parent():
    relation = {"id": f"{PURL}RO_1", "type": "PROPERTY", "lbl": "near to"}
    up = {"sub": f"{PURL}RO_1", "pred": "subPropertyOf", "obj": f"{PURL}RO_77"}
    edges = [up, _edge(1, 2, f"{PURL}RO_1")]
    onto = read(_graph(_node(1), relation, edges=edges), keep=False)
    assert column(onto, "relations", "relation") == ["near_to"]


LABEL = "<rdfs:label>a</rdfs:label>"


def test_owl_without_an_ontology_element():
    onto = read(owl(owl_class("1", LABEL), ontology=""), keep=False)
    assert column(onto, "terms", "name") == ["a"]
    assert only(onto).text == "owl:Ontology"


def test_owl_typed_descriptions():
    kind = '<rdf:type rdf:resource="http://www.w3.org/2002/07/owl#Class"/>'
    body = f'<rdf:Description rdf:about="{PURL}X_1">{kind}{LABEL}</rdf:Description>'
    onto = read(owl(body), keep=False)
    assert column(onto, "terms", "name") == ["a"]
    assert only(onto).text == "rdf:Description"


@pytest.mark.parametrize(
    "bad",
    [
        "<oboInOwl:creation_date>soon</oboInOwl:creation_date>",
        '<obo:foo rdf:datatype="http://x.y/z">q</obo:foo>',
        "<oboInOwl:hasDbXref>a b</oboInOwl:hasDbXref>",
    ],
)
def test_owl_bad_parts_are_dropped_and_the_rest_kept(bad: str):
    synonym = "<oboInOwl:hasExactSynonym>s</oboInOwl:hasExactSynonym>"
    onto = read(owl(owl_class("1", bad + LABEL + synonym)), keep=False)
    assert column(onto, "terms", "name") == ["a"]
    assert column(onto, "synonyms", "synonym") == ["s"]
    assert len(onto.repairs) == 1


def test_owl_dangling_parent_and_cycle():
    up = '<rdfs:subClassOf rdf:resource="{}X_{}"/>'
    body = owl_class("1", up.format(PURL, 2) + up.format(PURL, 3)) + owl_class(
        "2", up.format(PURL, 1)
    )
    onto = read(owl(body), keep=False)
    assert column(onto, "terms", "stub") == [False, False, True]
    assert column(onto, "parents", "parent") == ["X:2", "X:3", "X:1"]
    assert "stub added" in only(onto).reason


def test_owl_english_label_is_the_name():
    labels = (
        '<rdfs:label xml:lang="fr">chose</rdfs:label><rdfs:label xml:lang="en">thing</rdfs:label>'
    )
    onto = read(owl(owl_class("1", labels)), keep=False)
    assert column(onto, "terms", "name") == ["thing"]
    assert "several names" in only(onto).reason


def test_owl_bad_header_date():
    header = (
        f'<owl:Ontology rdf:about="{PURL}x.owl"><oboInOwl:date>now</oboInOwl:date></owl:Ontology>'
    )
    onto = read(owl(owl_class("1", LABEL), ontology=header), keep=False)
    assert onto.metadata.ontology == "x"
    assert "dropped" in only(onto).reason


def test_owl_axiom_about_an_unknown_term():
    axiom = (
        f'<owl:Axiom><owl:annotatedSource rdf:resource="{PURL}X_9"/>'
        f'<owl:annotatedProperty rdf:resource="{OIO}hasDbXref"/>'
        "<owl:annotatedTarget>A:1</owl:annotatedTarget></owl:Axiom>"
    )
    onto = read(owl(owl_class("1", LABEL) + axiom), keep=False)
    assert column(onto, "terms", "id") == ["X:1"]
    assert "X:9" in only(onto).reason


def test_owl_encodings():
    text = owl(owl_class("1", "<rdfs:label>caf\u00e9</rdfs:label>")).decode()
    wide = text.replace('version="1.0"', 'version="1.0" encoding="utf-16"').encode("utf-16")
    assert column(read(wide, keep=False), "terms", "name") == ["caf\u00e9"]
    undeclared = read(text.encode("latin-1"), keep=False)
    assert column(undeclared, "terms", "name") == ["caf\u00e9"]
    assert "latin-1" in only(undeclared).reason


def test_owl_with_entities_and_comments():
    doctype = (
        '<!DOCTYPE rdf:RDF [ <!ENTITY obo "http://purl.obolibrary.org/obo/" > ]>\n<!-- c -->\n'
    )
    start = RDF.replace("<rdf:RDF", doctype + "<rdf:RDF", 1)
    body = '<owl:Ontology/><owl:Class rdf:about="&obo;X_1"/></rdf:RDF>'
    assert column(read((start + body).encode(), keep=False), "terms", "id") == ["X:1"]


def test_json_synonym_types_belong_to_one_scope():
    def synonym(scope: str, kind: str | None) -> dict[str, str]:
        made = {"pred": f"has{scope}Synonym", "val": "s"}
        return made if kind is None else {**made, "synonymType": f"{PURL}x#{kind}"}

    synonyms = [synonym("Exact", "A"), synonym("Exact", "B"), synonym("Related", None)]
    onto = read(_graph(_node(1, meta={"synonyms": synonyms})), keep=False)
    assert [tuple(row.values())[2:] for row in onto.synonyms.to_pylist()] == [
        ("EXACT", "A"),
        ("EXACT", "B"),
        ("RELATED", None),
    ]


def test_json_id_spaces_with_an_underscore():
    node = {"id": f"{PURL}APOLLO_SV_00000008", "type": "CLASS", "lbl": "a"}
    assert column(read(_graph(node), keep=False), "terms", "id") == ["APOLLO_SV:00000008"]


def test_json_values_of_other_types():
    meta = {
        "deprecated": "true",
        "synonyms": [
            {"pred": f"{OIO}hasBroadSynonym", "val": "s"},
            {"pred": "hasExactSynonym", "val": None},
            {"pred": "hasExactSynonym", "val": "t", "xrefs": ["not a reference"]},
        ],
        "definition": {"val": "d", "xrefs": ["not a reference", None]},
        "comments": "said",
        "xrefs": [{"val": None}, {"val": "A:1"}],
    }
    onto = read(_graph(_node(1, meta=meta)), keep=False)
    assert column(onto, "terms", "obsolete") == [True]
    assert column(onto, "terms", "definition") == ["d"]
    assert column(onto, "terms", "comment") == ["said"]
    assert column(onto, "xrefs", "xref") == ["A:1"]
    assert [tuple(row.values())[1:3] for row in onto.synonyms.to_pylist()] == [
        ("s", "BROAD"),
        ("t", "EXACT"),
    ]
    assert len(onto.repairs) == 5


@pytest.mark.parametrize("relation", ["inverseOf", "subPropertyOf", "type", "", None, "a b"])
def test_json_edges_that_are_no_relations_of_terms(relation: Any):
    edges = [{**_edge(1, 2), "pred": relation}, _edge(1, 2)]
    onto = read(_graph(_node(1), _node(2), edges=edges), keep=False)
    assert column(onto, "parents", "parent") == ["X:2"]
    assert onto.relations.num_rows == 0
    assert "edge dropped" in only(onto).reason


def test_json_is_a_as_rdf_says_it():
    edge = _edge(1, 2, "http://www.w3.org/2000/01/rdf-schema#subClassOf")
    assert column(read(_graph(_node(1), _node(2), edges=[edge]), keep=False), "parents", "id")


@pytest.mark.parametrize("wrapped", ["[{}]", '{{"graphs": {}}}', '[{{"graphs": [{}]}}]'])
def test_json_lists_around_a_graph(wrapped: str):
    graph = json.dumps({"id": "x", "nodes": [_node(1)]})
    assert column(read(wrapped.format(graph).encode(), keep=False), "terms", "id") == ["X:1"]


def test_json_subjects_of_relations_are_terms_also_undeclared():
    part_of = _edge(1, 2, f"{PURL}BFO_0000050")
    onto = read(_graph(_node(2), edges=[part_of]), keep=False)
    assert column(onto, "relations", "relation") == ["part_of"]
    assert "term added" in only(onto).reason


def test_json_untyped_nodes_that_say_something_are_terms():
    nodes = [{"id": f"{PURL}X_1", "meta": {"deprecated": True}}, {"id": "http://a.b/mentioned"}]
    onto = read(_graph(*nodes), keep=False)
    assert column(onto, "terms", "obsolete") == [True]
    assert "without a type" in only(onto).reason


def test_json_individuals_and_their_edges_are_no_terms():
    person = {"id": f"{PURL}X_5", "type": "INDIVIDUAL"}
    edges = [_edge(5, 1, "type"), _edge(5, 1, f"{PURL}BFO_0000050")]
    onto = read(_graph(_node(1), person, edges=edges), keep=False)
    assert column(onto, "terms", "id") == ["X:1"]
    assert onto.relations.num_rows == 0


@pytest.mark.parametrize("key", ["nodes", "edges", "equivalentNodesSets"])
@pytest.mark.parametrize("value", [1, True, "text", {"a": 1}])
def test_json_lists_that_are_none(key: str, value: Any):
    onto = read(
        dump({"id": "x", "nodes": [_node(1)], "edges": [_edge(2, 1)], key: value}), keep=False
    )
    assert "X:1" in column(onto, "terms", "id") or key == "nodes"
    assert onto.repairs


@pytest.mark.parametrize("key", ["synonyms", "xrefs", "comments", "subsets", "basicPropertyValues"])
@pytest.mark.parametrize("value", [1, True, "text", {"a": 1}, [1], [None], [["x"]], [{"val": []}]])
def test_json_metadata_of_other_kinds(key: str, value: Any):
    onto = read(
        _graph(_node(1, meta={key: value, "definition": {"val": "d"}}), _node(2)), keep=False
    )
    assert column(onto, "terms", "definition") == ["d", None]


def test_json_what_stands_beside_a_broken_part_is_kept():
    about = {
        "version": f"{PURL}x/releases/2024-05-06/x.owl",
        "basicPropertyValues": [
            {"pred": "http://purl.org/dc/elements/1.1/title", "val": "T t"},
            {"pred": "a b", "val": "q"},
        ],
    }
    edges = [{**_edge(1, 2), "meta": "no metadata"}, {**_edge(1, 2), "obj": "a b"}]
    node = _node(1, meta={"xrefs": [{"val": "A:1", "meta": 3}], "definition": {"val": 1.5}})
    onto = read(_graph(node, edges=edges, meta=about), keep=False)
    assert (onto.metadata.title, onto.metadata.version) == ("T t", "2024-05-06")
    assert column(onto, "parents", "parent") == ["X:2"]
    assert column(onto, "xrefs", "xref") == ["A:1"]
    assert column(onto, "terms", "definition") == ["1.5", None]
    assert sum("dropped" in repair.reason for repair in onto.repairs) == 2


def test_owl_a_class_and_a_relation_of_one_id():
    relation = f'<owl:ObjectProperty rdf:about="{PURL}X_1">{LABEL}</owl:ObjectProperty>'
    onto = read(owl(relation + owl_class("1", "<rdfs:label>b</rdfs:label>")), keep=False)
    assert column(onto, "terms", "name") == ["b"]
    assert onto.repairs == ()

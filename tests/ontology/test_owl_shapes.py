"""RDF/XML says one thing in many ways: all of them give the same tables."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse.errors import UnreadableFile
from lakehouse.ontology import read
from tests.ontology.sample import OIO, ONTOLOGY, PURL, RDF, column, owl, owl_class, reasons

LABEL = "<rdfs:label>a</rdfs:label>"
CLASS = "http://www.w3.org/2002/07/owl#Class"
PART_OF = f"{PURL}BFO_0000050"


def _up(inner: str) -> str:
    return owl_class("1", f"{LABEL}<rdfs:subClassOf>{inner}</rdfs:subClassOf>")


def _some(value: str, relation: str = f'<owl:onProperty rdf:resource="{PART_OF}"/>') -> str:
    return _up(f"<owl:Restriction>{relation}{value}</owl:Restriction>")


def _rows(table: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


TWO = f'rdf:resource="{PURL}X_2"'
NUMBER = '<owl:{0} rdf:datatype="http://www.w3.org/2001/XMLSchema#nonNegativeInteger">{1}</owl:{0}>'


@pytest.mark.parametrize(
    "body",
    [
        _some(f"<owl:someValuesFrom {TWO}/>"),
        _some(f'<owl:someValuesFrom><owl:Class rdf:about="{PURL}X_2"/></owl:someValuesFrom>'),
        _some(
            f"<owl:someValuesFrom {TWO}/>",
            f'<owl:onProperty><owl:ObjectProperty rdf:about="{PART_OF}"/></owl:onProperty>',
        ),
        _some(NUMBER.format("qualifiedCardinality", 1) + f"<owl:onClass {TWO}/>"),
        _some(NUMBER.format("minQualifiedCardinality", 2) + f"<owl:onClass {TWO}/>"),
        _up(
            '<owl:Class><owl:intersectionOf rdf:parseType="Collection"><owl:Restriction>'
            f'<owl:onProperty rdf:resource="{PART_OF}"/><owl:someValuesFrom {TWO}/>'
            "</owl:Restriction></owl:intersectionOf></owl:Class>"
        ),
        owl_class("1", f'{LABEL}<rdfs:subClassOf rdf:nodeID="b"/>')
        + f'<owl:Restriction rdf:nodeID="b"><owl:onProperty rdf:resource="{PART_OF}"/>'
        f"<owl:someValuesFrom {TWO}/></owl:Restriction>",
    ],
)
def test_relations_however_they_are_written(body: str):
    onto = read(owl(body), keep=False)
    assert _rows(onto.relations) == [("X:1", "part_of", "X:2")]
    assert onto.repairs == ()


@pytest.mark.parametrize(
    "value",
    [
        f"<owl:allValuesFrom {TWO}/>",
        f"<owl:hasValue {TWO}/>",
        NUMBER.format("maxQualifiedCardinality", 1) + f"<owl:onClass {TWO}/>",
        NUMBER.format("qualifiedCardinality", 0) + f"<owl:onClass {TWO}/>",
    ],
)
def test_expressions_without_a_place_are_named(value: str):
    onto = read(owl(_some(value)), keep=False)
    assert onto.relations.num_rows == 0
    (repair,) = onto.repairs
    assert repair.text == "X:1 subClassOf"
    assert "has no place in the tables" in repair.reason


@pytest.mark.parametrize(
    "body",
    [
        _up(f'<owl:Class rdf:about="{PURL}X_2"><rdfs:label>b</rdfs:label></owl:Class>'),
        _up(f'<rdf:Description rdf:about="{PURL}X_2"/>')
        + owl_class("2", "<rdfs:label>b</rdfs:label>"),
        owl_class("1", LABEL)
        + owl_class("2", "<rdfs:label>b</rdfs:label>")
        + f'<rdf:Description rdf:about="{PURL}X_1"><rdfs:subClassOf {TWO}/></rdf:Description>',
        f'<rdfs:Class rdf:about="{PURL}X_1" rdfs:label="a"><rdfs:subClassOf {TWO}/></rdfs:Class>'
        + owl_class("2", "<rdfs:label>b</rdfs:label>"),
        f'<owl:NamedIndividual rdf:about="{PURL}X_1"><rdf:type rdf:resource="{CLASS}"/>{LABEL}'
        f"<rdfs:subClassOf {TWO}/></owl:NamedIndividual>"
        + owl_class("2", "<rdfs:label>b</rdfs:label>"),
    ],
)
def test_classes_nested_split_and_typed_otherwise(body: str):
    onto = read(owl(body), keep=False)
    assert column(onto, "terms", "name") == ["a", "b"]
    assert _rows(onto.parents) == [("X:1", "X:2")]
    assert onto.repairs == ()


@pytest.mark.parametrize("base", [f'xml:base="{PURL}x.owl"', ""])
def test_ids_relative_to_the_document(base: str):
    start = RDF.replace("<rdf:RDF ", f"<rdf:RDF {base} ")
    body = (
        f'<owl:Class rdf:ID="X_1">{LABEL}<rdfs:subClassOf rdf:resource="#X_2"/></owl:Class>'
        '<owl:Class rdf:about="#X_2"/>'
    )
    onto = read(f"{start}{ONTOLOGY}{body}</rdf:RDF>".encode(), keep=False)
    assert column(onto, "terms", "id") == ["X:1", "X:2"]
    assert _rows(onto.parents) == [("X:1", "X:2")]


@pytest.mark.parametrize(
    "mark",
    [
        "<owl:deprecated>true</owl:deprecated>",
        "<owl:deprecated>True</owl:deprecated>",
        "<owl:deprecated> 1 </owl:deprecated>",
        f'<rdfs:subClassOf rdf:resource="{OIO}ObsoleteClass"/>',
    ],
)
@pytest.mark.parametrize(
    "heir",
    [
        f"<obo:IAO_0100001 {TWO}/>",
        "<obo:IAO_0100001>X:2</obo:IAO_0100001>",
        "<obo:IAO_0100001>X_2</obo:IAO_0100001>",
        f"<obo:IAO_0100001>{PURL}X_2</obo:IAO_0100001>",
    ],
)
def test_obsolete_terms_keep_their_replacement(mark: str, heir: str):
    onto = read(owl(owl_class("1", LABEL + mark + heir)), keep=False)
    assert column(onto, "terms", "obsolete") == [True]
    assert column(onto, "terms", "replaced_by") == [["X:2"]]
    assert onto.repairs == ()


def test_a_replacement_that_is_no_term_is_reported():
    heir = "<obo:IAO_0100001>use something else</obo:IAO_0100001>"
    mark = "<owl:deprecated>true</owl:deprecated>"
    onto = read(owl(owl_class("1", LABEL + mark + heir)), keep=False)
    assert column(onto, "terms", "replaced_by") == [[]]
    assert reasons(onto) == [(0, "not the id of a term: left out")]


def test_deprecated_classes():
    onto = read(owl(f'<owl:DeprecatedClass rdf:about="{PURL}X_1"/>'), keep=False)
    assert column(onto, "terms", "obsolete") == [True]


def test_neither_the_top_nor_individuals_are_terms():
    thing = "http://www.w3.org/2002/07/owl#Thing"
    body = (
        owl_class("1", f'{LABEL}<rdfs:subClassOf rdf:resource="{thing}"/>')
        + f'<owl:Class rdf:about="{thing}"/><owl:NamedIndividual rdf:about="{PURL}X_5"/>'
    )
    onto = read(owl(body), keep=False)
    assert column(onto, "terms", "id") == ["X:1"]
    assert onto.parents.num_rows == 0
    assert reasons(onto) == [(0, "an individual is no term: left out")]


def test_preferred_label_stands_in_for_a_label():
    skos = '<p:prefLabel xmlns:p="http://www.w3.org/2004/02/skos/core#">other</p:prefLabel>'
    onto = read(owl(owl_class("1", LABEL + skos) + owl_class("2", skos)), keep=False)
    assert column(onto, "terms", "name") == ["a", "other"]


def test_text_with_markup_is_kept_whole():
    definition = '<obo:IAO_0000115 rdf:parseType="Literal">a <b>bold</b> one</obo:IAO_0000115>'
    onto = read(owl(owl_class("1", definition)), keep=False)
    assert column(onto, "terms", "definition") == ["a bold one"]


def test_one_of_several_definitions_is_kept_and_the_choice_reported():
    definition = "<obo:IAO_0000115>{}</obo:IAO_0000115>"
    onto = read(owl(owl_class("1", definition.format("x") + definition.format("y"))), keep=False)
    assert column(onto, "terms", "definition") == ["y"]
    assert reasons(onto) == [(0, "2 definitions: the last one kept")]


def test_id_spaces_with_an_underscore():
    body = f'<owl:Class rdf:about="{PURL}APOLLO_SV_00000008">{LABEL}</owl:Class>'
    assert column(read(owl(body), keep=False), "terms", "id") == ["APOLLO_SV:00000008"]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("?>", ' encoding="zork"?>', "a"),
        (">a<", ">caf&eacute;<", "caf\u00e9"),
        (">a<", ">a\x0b<", "a"),
    ],
)
def test_characters_that_xml_refuses(old: str, new: str, name: str):
    onto = read(owl(owl_class("1", LABEL)).decode().replace(old, new, 1).encode(), keep=False)
    assert column(onto, "terms", "name") == [name]


def test_long_comments_and_declarations_before_the_root():
    text = owl(owl_class("1", LABEL)).decode()
    entities = "".join(f'<!ENTITY e{i} "x">\n' for i in range(9000))
    long = f"<!-- {'x' * 100_000} -->\n<!DOCTYPE rdf:RDF [{entities}]>\n"
    onto = read(text.replace("?>\n", f"?>\n{long}", 1).encode(), keep=False)
    assert column(onto, "terms", "name") == ["a"]


def test_entities_that_name_files_are_never_opened(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("swordfish")
    kind = f'<!DOCTYPE rdf:RDF [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    text = owl(owl_class("1", "<rdfs:label>&e;</rdfs:label>")).decode()
    with pytest.raises(UnreadableFile) as caught:
        read(text.replace("?>\n", f"?>\n{kind}", 1).encode(), keep=False)
    assert "swordfish" not in str(caught.value)

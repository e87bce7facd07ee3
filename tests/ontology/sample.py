"""Small ontologies in every format, written for the tests."""

from __future__ import annotations

import json
from typing import Any

from lakehouse.ontology import Ontology, Repair, read

PURL = "http://purl.obolibrary.org/obo/"
OIO = "http://www.geneontology.org/formats/oboInOwl#"

HEADER = "format-version: 1.4\nontology: x\n\n"

OBO = """format-version: 1.4
data-version: x/releases/2024-05-06/x.obo
default-namespace: things
ontology: x
synonymtypedef: ABBR "abbreviation"
property_value: http://purl.org/dc/elements/1.1/title "Things" xsd:string

[Term]
id: X:0000001
name: thing
def: "What there is." [PMID:1]
comment: A root.

[Term]
id: X:0000002
name: wheel
alt_id: X:0000020
synonym: "WHL" EXACT ABBR []
synonym: "round thing" BROAD []
xref: Wikipedia:Wheel
is_a: X:0000001 ! thing
relationship: part_of X:0000003 ! cart

[Term]
id: X:0000003
name: cart
is_a: X:0000001 ! thing

[Term]
id: X:0000004
name: old cart
is_obsolete: true
replaced_by: X:0000003
consider: X:0000002

[Typedef]
id: part_of
name: part of
xref: BFO:0000050
"""


def _node(number: int, label: str | None, **meta: Any) -> dict[str, Any]:
    node: dict[str, Any] = {"id": f"{PURL}X_000000{number}", "type": "CLASS"}
    values = [{"pred": f"{OIO}hasOBONamespace", "val": "things"}, *meta.pop("values", [])]
    if label:
        node["lbl"] = label
    return {**node, "meta": {**meta, "basicPropertyValues": values}}


def graph() -> dict[str, Any]:
    """The sample as an OBO graph."""
    old = {"pred": f"{PURL}IAO_0100001", "val": f"{PURL}X_0000003"}
    alias = _node(1, None, deprecated=True, values=[{**old, "val": f"{PURL}X_0000002"}])
    return {
        "id": f"{PURL}x.json",
        "meta": {
            "version": f"{PURL}x/releases/2024-05-06/x.json",
            "basicPropertyValues": [
                {"pred": "http://purl.org/dc/elements/1.1/title", "val": "Things"}
            ],
        },
        "nodes": [
            _node(1, "thing", definition={"val": "What there is."}, comments=["A root."]),
            _node(
                2,
                "wheel",
                synonyms=[
                    {"pred": "hasExactSynonym", "val": "WHL", "synonymType": f"{PURL}x#ABBR"},
                    {"pred": "hasBroadSynonym", "val": "round thing"},
                ],
                xrefs=[{"val": "Wikipedia:Wheel"}],
            ),
            _node(3, "cart"),
            _node(
                4,
                "old cart",
                deprecated=True,
                values=[old, {"pred": f"{OIO}consider", "val": f"{PURL}X_0000002"}],
            ),
            {**alias, "id": f"{PURL}X_0000020"},
            {"id": f"{PURL}BFO_0000050", "type": "PROPERTY", "lbl": "part of"},
        ],
        "edges": [
            {"sub": f"{PURL}X_0000002", "pred": "is_a", "obj": f"{PURL}X_0000001"},
            {"sub": f"{PURL}X_0000003", "pred": "is_a", "obj": f"{PURL}X_0000001"},
            {
                "sub": f"{PURL}X_0000002",
                "pred": f"{PURL}BFO_0000050",
                "obj": f"{PURL}X_0000003",
            },
        ],
    }


def dump(*graphs: dict[str, Any]) -> bytes:
    """Graphs as one JSON document."""
    return json.dumps({"graphs": list(graphs)}).encode()


JSON = dump(graph())

RDF = (
    '<?xml version="1.0"?>\n<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:rdfs="http://www.w3.org/2000/01/rdf-schema#" '
    'xmlns:owl="http://www.w3.org/2002/07/owl#" xmlns:obo="http://purl.obolibrary.org/obo/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:oboInOwl="http://www.geneontology.org/formats/oboInOwl#">\n'
)
ONTOLOGY = (
    f'<owl:Ontology rdf:about="{PURL}x.owl"><owl:versionIRI rdf:resource="'
    f'{PURL}x/releases/2024-05-06/x.owl"/><dc:title>Things</dc:title></owl:Ontology>\n'
)


def owl_class(number: str, inner: str = "") -> str:
    """An owl:Class element."""
    return f'<owl:Class rdf:about="{PURL}X_{number}">{inner}</owl:Class>\n'


def owl(body: str, ontology: str = ONTOLOGY) -> bytes:
    """An RDF/XML document."""
    return f"{RDF}{ontology}{body}</rdf:RDF>".encode()


_NS = "<oboInOwl:hasOBONamespace>things</oboInOwl:hasOBONamespace>"


def _up(number: str) -> str:
    return f'<rdfs:subClassOf rdf:resource="{PURL}X_{number}"/>'


OWL = owl(
    f'<owl:ObjectProperty rdf:about="{PURL}BFO_0000050"><rdfs:label>part of</rdfs:label>'
    "</owl:ObjectProperty>\n"
    + owl_class(
        "0000001",
        "<rdfs:label>thing</rdfs:label><obo:IAO_0000115>What there is.</obo:IAO_0000115>"
        f"<rdfs:comment>A root.</rdfs:comment>{_NS}",
    )
    + owl_class(
        "0000002",
        f"<rdfs:label>wheel</rdfs:label>{_NS}{_up('0000001')}"
        "<oboInOwl:hasExactSynonym>WHL</oboInOwl:hasExactSynonym>"
        "<oboInOwl:hasBroadSynonym>round thing</oboInOwl:hasBroadSynonym>"
        "<oboInOwl:hasDbXref>Wikipedia:Wheel</oboInOwl:hasDbXref>"
        f'<rdfs:subClassOf><owl:Restriction><owl:onProperty rdf:resource="{PURL}BFO_0000050"/>'
        f'<owl:someValuesFrom rdf:resource="{PURL}X_0000003"/></owl:Restriction></rdfs:subClassOf>',
    )
    + owl_class("0000003", f"<rdfs:label>cart</rdfs:label>{_NS}{_up('0000001')}")
    + owl_class(
        "0000004",
        f"<rdfs:label>old cart</rdfs:label>{_NS}<owl:deprecated>true</owl:deprecated>"
        f'<obo:IAO_0100001 rdf:resource="{PURL}X_0000003"/>'
        f'<oboInOwl:consider rdf:resource="{PURL}X_0000002"/>',
    )
    + owl_class(
        "0000020",
        f'<owl:deprecated>true</owl:deprecated><obo:IAO_0100001 rdf:resource="{PURL}X_0000002"/>',
    )
    + f'<owl:Axiom><owl:annotatedSource rdf:resource="{PURL}X_0000002"/>'
    f'<owl:annotatedProperty rdf:resource="{OIO}hasExactSynonym"/>'
    "<owl:annotatedTarget>WHL</owl:annotatedTarget>"
    f'<oboInOwl:hasSynonymType rdf:resource="{PURL}x#ABBR"/></owl:Axiom>\n'
)


def term(clauses: str) -> Ontology:
    """Read one term `X:1` with the given clauses, the first of which stands in line 6."""
    return read(f"{HEADER}[Term]\nid: X:1\n{clauses}\n".encode(), keep=False)


def reasons(ontology: Ontology) -> list[tuple[int, str]]:
    """The repairs as (line number, reason)."""
    return [(repair.line_number, repair.reason) for repair in ontology.repairs]


def only(ontology: Ontology) -> Repair:
    """The one repair of an ontology."""
    (repair,) = ontology.repairs
    return repair


def column(ontology: Ontology, table: str, name: str) -> list[Any]:
    """One column of one table."""
    values: list[Any] = getattr(ontology, table)[name].to_pylist()
    return values

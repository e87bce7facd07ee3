"""The reader of odd files and the strict one give the same rows of whatever the strict one takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lakehouse.ontology.model.raw import Raw
from lakehouse.ontology.reading import obo, obograph, tables
from lakehouse.ontology.reading import pronto as _pronto
from tests.ontology.sample import HEADER, OBO, OIO, PURL, graph

EXTRACTS = sorted((Path(__file__).parents[2] / "ontologies" / "extracts").glob("*.obo"))

# clauses of a term, each good
CLAUSES = [
    *(
        "name: a ! b",
        'name: a {x="y"} ! c',
        "name: \\!a \\{b\\}\\n\\tc\\q",
        "name:\ta  b ",
        " name: a",
    ),
    *(
        "comment: a } b",
        "comment: a\\\\",
        "created_by: http://x.y/!a",
        "namespace: a:b",
        "namespace: x",
    ),
    *('alt_id: X:2{a="b", c:d="e\\"f"} ! r', "alt_id: X:2! r", "alt_id: abc", "alt_id: X:é"),
    *("is_a:\tX:2", "is_a: http://a.b/c#D_1", f"is_a: {PURL}X_2", "is_a: a:b:c", "is_a: X:a,b"),
    *('def: "" []', 'def: "a\\"b\\nc"[A:1,B:2 "d"] ! e', 'def: "a" [ http://x.y/(z), A:b\\,c ]'),
    *('def: "a" [Wiki:a_(b), "d"] {x="y"}', 'def: "a" [A\\]b]', 'def: "a {b} ! c" [ ]'),
    *('synonym: "a"EXACT []', 'synonym: "a"  BROAD\tX:T   [A:1]', 'synonym: "a" NARROW "T" []'),
    *('synonym: "a" RELATED http://x.y/T [] {a="b"} ! c', 'synonym: "a" EXACT EXACT []'),
    *("xref: A:1", 'xref: A:1 "d" {x="y"} ! c', "xref: A:1!b", 'xref: A:b"c', "xref: A\\ b:c\\,d"),
    *(
        "xref: http\\://a.b/c",
        "xref: http://a.b/c!d,e",
        'xref: "d"',
        "xref: ftp://x.y/z",
        "xref: A:",
    ),
    *("relationship: part_of X:2", 'relationship:  a:b\thttp://c/d {x="y", z="w"} ! e'),
    *("intersection_of: a\nintersection_of: part_of X:2 ! c", "union_of: a\nunion_of: b"),
    *("equivalent_to: X:2", "disjoint_from: X:3", "subset: http://x.y/z", "consider: X:2 ! a"),
    *("is_obsolete: true!x", "is_obsolete:false", 'builtin: true{x="y"}', "is_anonymous: false"),
    *("creation_date: 2020-01-02", "creation_date: 20200102", "creation_date: 2020-1-2"),
    *("creation_date: 2020-01-02T03:04:05.123Z ! c", "creation_date: 2020-01-02T030405+0100"),
    *('property_value: a "b \\"c\\"" xsd:string ! d', "property_value: a 1.5 xsd:float"),
    *("property_value: http://a/b http://c/d", 'property_value: a "b', "property_value: a b\\ c"),
    *("property_value: IAO:0100001 X:2\nis_obsolete: true", 'property_value: a "b"^^xsd:string'),
    *("replaced_by: X:2\nreplaced_by: X:3\nis_obsolete: true", 'def: "a\nb" []\ncomment: c'),
    'synonym: "a" EXACT []\nsynonym: "a" EXACT [A:1]\nsynonym: "a" BROAD [B:1]',
]
HEADERS = [
    *("data-version: 1 ! c", "date: 01:02:2020 10:11", "default-namespace: a b", "ontology: a {b"),
    *("idspace: A http://x.y d", 'subsetdef: a "b" c', 'synonymtypedef: AB "b" EXACT', "import: a"),
    *(
        "remark: a\\nb",
        "owl-axioms: x {y}",
        "foo: b ! c",
        "treat-xrefs-as-is_a: A b",
        "saved-by: a",
    ),
    *('property_value: dc:title "a b" xsd:string x', "namespace-id-rule: * A:[a]", "foo : bar"),
]


def rows(raw: Raw) -> dict[str, Any]:
    """All that comes out of what a reader found."""
    built, notes = tables.build(raw)
    out: dict[str, Any] = {name: table.to_pylist() for name, table in built.items()}
    kinds = {kind: count for kind, (count, _) in raw.left_out.items()}
    notes += raw.notes
    return {
        **out,
        "header": raw.header,
        "left out": kinds,
        "types": raw.synonym_types,
        "notes": notes,
    }


def same_of_text(text: str) -> None:
    odd, repairs, _ = obo.read_text(text.encode())
    assert rows(odd) == rows(_pronto.load("obo", text.encode()))
    assert [r for r in repairs if "undeclared" not in r.reason] == []


@pytest.mark.parametrize("clause", CLAUSES)
def test_clauses(clause: str):
    same_of_text(f"{HEADER}[Term]\nid: X:1\n{clause}\n")


@pytest.mark.parametrize("clause", HEADERS)
def test_headers(clause: str):
    same_of_text(f"format-version: 1.4\n{clause}\n\n[Term]\nid: X:1\n")


@pytest.mark.parametrize("path", EXTRACTS, ids=lambda path: path.stem)
def test_whole_files(path: Path):
    same_of_text(obo.without_comments(path.read_bytes()).decode())


def test_a_sample_with_relations():
    more = "is_transitive: true\ndomain: X:1\nholds_over_chain: a b\ninverse_of: has_part\n"
    same_of_text(f'{OBO}{more}expand_assertion_to: "a" []\n\n[Typedef]\nid: same\nname: s\n')


METAS = [
    {"definition": {"val": "d", "xrefs": ["A:1", "http://a.b/c", f"{PURL}X_2"]}},
    {"comments": ["a"], "subsets": [f"{PURL}x#s", "http://a.b/c#d", "S:1"], "deprecated": True},
    {"xrefs": [{"val": f"{PURL}X_3"}, {"val": "A:1", "lbl": "q"}, {"val": "http://a.b/c"}]},
    {"synonyms": [{"pred": "hasNarrowSynonym", "val": "s", "xrefs": ["A:1"], "synonymType": "T"}]},
    dict.fromkeys(("definition", "comments", "xrefs", "synonyms", "basicPropertyValues")),
]
PROPERTIES = [
    (f"{OIO}{name}", value)
    for name in (
        "hasOBONamespace",
        "hasAlternativeId",
        "created_by",
        "consider",
        "id",
        "replacedBy",
    )
    for value in ("v", "X:2", f"{PURL}X_2", "http://a.b/c", "a:b:c")
]
PROPERTIES += [
    *((f"{PURL}IAO_0100001", f"{PURL}X_Y_2"), ("http://a.b/c", "a b"), ("abc", "v")),
    *((f"{OIO}creation_date", "2020-01-02T03:04:05Z"), (f"{PURL}x#foo", f"{PURL}a/b_1")),
    ("http://www.w3.org/2000/01/rdf-schema#comment", "c d"),
    *(
        ("http://purl.org/dc/elements/1.1/date", "2020-01-02"),
        ("http://purl.org/dc/terms/date", "x"),
    ),
    ("http://purl.org/dc/elements/1.1/creator", "me"),
]
ABOUT = [
    *((f"{OIO}hasDate", "01:02:2020 10:11"), (f"{OIO}creation_date", "01:02:2020 10:11")),
    *((f"{OIO}hasDefaultNamespace", "q"), (f"{OIO}savedBy", "a"), (f"{OIO}saved-by", "a")),
    *((f"{OIO}autoGeneratedBy", "a"), (f"{OIO}hasOBOFormatVersion", "1"), ("http://a.b/c", "d e")),
    *((f"{OIO}NamespaceIdRule", "a"), ("http://www.w3.org/2000/01/rdf-schema#comment", "a b")),
]


def same_of_graph(whole: dict[str, Any]) -> None:
    data = json.dumps({"graphs": [whole]}).encode()
    found, _ = obograph.graph_of(data)
    odd, repairs = obograph.read_graph(found)
    assert rows(odd) == rows(_pronto.load("json", obograph.dump(found)))
    assert repairs == []


def with_meta(meta: dict[str, Any], /, **about: Any) -> dict[str, Any]:
    node = {"id": f"{PURL}X_1", "type": "CLASS", "lbl": "a", "meta": meta}
    return {"id": f"{PURL}x.owl", "nodes": [node], "edges": [], **about}


@pytest.mark.parametrize("meta", METAS, ids=lambda meta: next(iter(meta)))
def test_nodes_of_graphs(meta: dict[str, Any]):
    same_of_graph(with_meta(meta))


@pytest.mark.parametrize(("name", "value"), PROPERTIES)
def test_properties_of_nodes(name: str, value: str):
    same_of_graph(with_meta({"basicPropertyValues": [{"pred": name, "val": value}]}))


@pytest.mark.parametrize(("name", "value"), ABOUT)
def test_properties_of_graphs(name: str, value: str):
    about = {"basicPropertyValues": [{"pred": name, "val": value}], "comments": ["c"]}
    same_of_graph(with_meta({}, meta=about))


@pytest.mark.parametrize(
    "version", ["x/releases/1/x.owl", "x/1", "x/x/releases/1/x.owl", "y/1/y.obo.owl"]
)
def test_versions_of_graphs(version: str):
    same_of_graph(with_meta({}, meta={"version": f"{PURL}{version}"}))
    same_of_graph(with_meta({}, meta={"version": "1.0"}, id="http://a.b/c.owl"))


@pytest.mark.parametrize(
    "key", ["X:1", "abc", "_:b1", f"{PURL}X_Y_1", f"{PURL}x#a_b", f"{PURL}a/b_1", "http://a.b/c#D_1",
            f"{PURL}X_é", "obo:X_1", "X\\:1", "X:1,2", "a:b:c", "https://purl.obolibrary.org/obo/X_1",
            f"{PURL}X_1:2", f"{PURL}Xy"]
)  # fmt: skip
def test_ids_of_graphs(key: str):
    edges = [
        {"sub": key, "pred": f"{PURL}RO_1", "obj": key},
        {"sub": key, "pred": key, "obj": "Y:1"},
    ]
    edges.append({"sub": key, "pred": "is_a", "obj": "Y:2"})
    node = {"id": key, "type": "CLASS", "lbl": "a"}
    same_of_graph({"id": "x", "nodes": [node], "edges": edges})


def test_a_whole_graph():
    same_of_graph(graph())

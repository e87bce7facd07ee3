"""Read OBO graphs (JSON): one graph of a document, and its rows where the strict parser refuses it.

`graph_of` adds what edges only mention, and leaves out what a parser would skip without a word;
`read_graph` takes a graph part by part, and reports each part that it can't take.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import fastobo
import orjson

from lakehouse.ontology.model.ids import compact
from lakehouse.ontology.model.model import Repair
from lakehouse.ontology.model.raw import Annotation, Definition, Header, Raw, Synonym, Term, Xref
from lakehouse.ontology.reading.obo_clauses import Unreadable, creation_date, header_date

Node = dict[str, Any]
_NO_TERMS = ("PROPERTY", "INDIVIDUAL")
# what edges say of relations and of individuals
_OF_OTHERS = ("inverseOf", "subPropertyOf", "type")
# lists of a graph beside its nodes and edges
BESIDE = (
    "logicalDefinitionAxioms",
    "equivalentNodesSets",
    "domainRangeAxioms",
    "propertyChainAxioms",
)
_PURL = "http://purl.obolibrary.org/obo/"
_UNDERSCORED = re.compile(rb'"http://purl\.obolibrary\.org/obo/([A-Za-z]+_[A-Za-z]+)_(\d+)"')
_OIO = "http://www.geneontology.org/formats/oboInOwl#"
_DC = "http://purl.org/dc/elements/1.1/"
_COMMENT = "http://www.w3.org/2000/01/rdf-schema#comment"
_SCOPES = {f"has{name}Synonym": name.upper() for name in ("Exact", "Broad", "Narrow", "Related")}
_USUAL = re.compile(r"[A-Za-z]+([_:])\w+", re.ASCII)


class NotAGraph(Exception):
    """JSON without a graph; the message says what it is instead."""


def graph_of(data: bytes) -> tuple[Node, list[Repair]]:
    """The one graph of a document, with everything in it that a parser would skip silently.

    Raises:
        NotAGraph: Not JSON, or JSON of another kind.
    """
    # the parser would take APOLLO_SV_1 for APOLLO:SV_1
    data = _UNDERSCORED.sub(rb'"\1:\2"', data)
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise NotAGraph(f"damaged or truncated JSON ({error})") from error
    graphs = list(_graphs(document))
    if not graphs:
        linked = isinstance(document, list | dict) and b'"@' in data[:4096]
        raise NotAGraph("JSON-LD" if linked else "JSON without an OBO graph (no 'graphs')")
    repairs: list[Repair] = []
    graph = dict(graphs[0])
    graph.setdefault("id", "")
    graph["nodes"] = list(_items(graphs, "nodes", "id", repairs))
    graph["edges"] = list(_items(graphs, "edges", "sub", repairs))
    if len(graphs) > 1:
        names = ", ".join(str(other.get("id")) for other in graphs[1:])
        repairs.append(Repair(0, names, "further graphs of the document merged into the first"))
    _complete(graph, repairs)
    return graph, repairs


def _graphs(document: Any) -> Iterator[Node]:
    """The graphs of a document, also where the lists around them are missing, or too many."""
    if isinstance(document, list):
        for item in document:
            yield from _graphs(item)
    elif isinstance(document, dict) and "graphs" in document:
        yield from _graphs(document["graphs"])
    elif isinstance(document, dict) and document.keys() & {"nodes", "edges"}:
        yield document


def synonym_types(graph: Node) -> dict[tuple[str, str, str], list[str]]:
    """The declared types of each (id, synonym, scope), which the parser doesn't take over."""
    types: dict[tuple[str, str, str], list[str]] = {}
    for node in graph["nodes"]:
        for synonym in _list(_meta(node).get("synonyms")):
            if isinstance(synonym, dict) and isinstance(synonym.get("synonymType"), str):
                scope = str(synonym.get("pred"))[3:].removesuffix("Synonym").upper()
                key = compact(node["id"]), str(synonym.get("val")), scope
                types.setdefault(key, []).append(compact(synonym["synonymType"]))
    return types


def dump(graph: Node) -> bytes:
    """A graph as an OBO graph document."""
    return orjson.dumps({"graphs": [graph]})


def _items(graphs: list[Node], key: str, needed: str, repairs: list[Repair]) -> Iterator[Node]:
    for graph in graphs:
        if not isinstance(graph.get(key), list | None):
            repairs.append(Repair(0, shown(graph[key])[:200], f"no list of {key}: dropped"))
        for item in _list(graph.get(key)):
            if isinstance(item, dict) and isinstance(item.get(needed), str):
                yield item
            else:
                repairs.append(
                    Repair(0, shown(item), f"no {needed!r} in one of the {key}: dropped")
                )


def _complete(graph: Node, repairs: list[Repair]) -> None:
    for edge in graph["edges"]:
        if str(edge.get("pred")).endswith(("#subClassOf", ":subClassOf")):
            edge["pred"] = "is_a"
    other = {node["id"] for node in graph["nodes"] if node.get("type") in _NO_TERMS}
    subjects = {e["sub"] for e in graph["edges"] if e.get("pred") not in _OF_OTHERS} - other
    nodes: dict[str, Node] = {}
    for node in graph["nodes"]:
        kind, key = node.get("type"), node["id"]
        if kind not in ("CLASS", "PROPERTY", "INDIVIDUAL"):
            if kind is None and not node.get("lbl") and not _meta(node) and key not in subjects:
                # a mere mention of a foreign id
                continue
            reason = "node without a type" if kind is None else f"unknown node type {kind!r}"
            repairs.append(Repair(0, key, f"{reason}: read as a class"))
            node = {**node, "type": "CLASS"}
        elif kind == "INDIVIDUAL":
            repairs.append(Repair(0, key, "an individual is no term: left out"))
            continue
        if key in nodes:
            repairs.append(Repair(0, key, "duplicate id: merged with the first, whose label stays"))
            node = _merged(nodes[key], node)
        nodes[key] = node
    for key in sorted(subjects - set(nodes)):
        repairs.append(Repair(0, key, "the subject of an edge isn't defined: term added"))
        nodes[key] = {"id": key, "type": "CLASS"}
    graph["edges"] = [edge for edge in graph["edges"] if _usual(edge, nodes, repairs)]
    graph["nodes"] = [_one_comment(_typed(node, repairs)) for node in nodes.values()]


def _usual(edge: Node, nodes: dict[str, Node], repairs: list[Repair]) -> bool:
    """Whether an edge relates what it is said to relate."""
    relation = edge.get("pred")
    about_relations = relation in _OF_OTHERS
    of_a_class = nodes.get(edge["sub"], {}).get("type") == "CLASS"
    good = isinstance(relation, str) and isinstance(edge.get("obj"), str)
    if not good or (about_relations and of_a_class):
        repairs.append(Repair(0, shown(edge), "no relation between two terms: edge dropped"))
        return False
    return True


_DEPRECATED = {"true": True, "1": True, "false": False, "0": False, "none": False}


def _typed(node: Node, repairs: list[Repair]) -> Node:
    """A node whose values have the types that the format asks for, where that is sure."""
    meta = _meta(node)
    changed: Node = {}
    mark = meta.get("deprecated", False)
    if not isinstance(mark, bool):
        changed["deprecated"] = _DEPRECATED.get(str(mark).lower(), False)
        reason = f"no Boolean: read as {changed['deprecated']}".lower()
        repairs.append(Repair(0, f"{node['id']} deprecated: {shown(mark)}", reason))
    for key in ("synonyms", "xrefs", "basicPropertyValues"):
        listed = meta.get(key)
        # the parser reads null as the text "null"
        if isinstance(listed, list) and any(_empty(item) for item in listed):
            changed[key] = [item for item in listed if not _empty(item)]
            reason = f"{len(listed) - len(changed[key])} {key} without a value: dropped"
            repairs.append(Repair(0, node["id"], reason))
    for synonym in _list(meta.get("synonyms")):
        if isinstance(synonym, dict) and isinstance(synonym.get("pred"), str):
            synonym["pred"] = synonym["pred"].rpartition("#")[2]
    if meta.get("comments"):
        said = meta["comments"] if isinstance(meta["comments"], list) else [meta["comments"]]
        changed["comments"] = [text for text in said if isinstance(text, str)]
    return {**node, "meta": {**meta, **changed}} if changed else node


def _empty(item: Any) -> bool:
    return isinstance(item, dict) and "val" in item and item["val"] in (None, "")


def _merged(first: Node, second: Node) -> Node:
    meta = dict(_meta(first))
    for key, value in _meta(second).items():
        if isinstance(value, list) and isinstance(meta.get(key), list):
            meta[key] = [*meta[key], *value]
        else:
            meta.setdefault(key, value)
    return {**second, **first, "meta": meta}


def _meta(node: Node) -> Node:
    meta = node.get("meta")
    return meta if isinstance(meta, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _one_comment(node: Node) -> Node:
    # the parser keeps the last comment only
    comments = _meta(node).get("comments")
    if not isinstance(comments, list) or len(comments) < 2:
        return node
    return {**node, "meta": {**_meta(node), "comments": ["\n".join(map(str, comments))]}}


def shown(item: object) -> str:
    """A part of a graph as text."""
    return orjson.dumps(item).decode()


# -- a graph that the strict parser refuses -----------------------------------------------------


def read_graph(graph: Node) -> tuple[Raw, list[Repair]]:
    """The rows of a graph as `graph_of` gives it, and each part that couldn't be taken."""
    reader = _Reader()
    header = reader.header(graph)
    for node in graph["nodes"]:
        reader.node(node)
    for edge in graph["edges"]:
        if (subject := reader.entities.get(edge["sub"])) is not None:
            reader.edge(subject, edge)
    terms = {term.id: term for key, term in reader.entities.items() if key not in reader.relations}
    for term in terms.values():
        reader.raw.take_term(term, term.parents)
    reader.raw.take_stubs(set(terms))
    relations = {reader.entities[key].id: reader.entities[key] for key in reader.relations}
    reader.raw.finish(relations, header)
    return reader.raw, reader.repairs


def _key(text: Any) -> str:
    """An id as the strict parser gives it.

    Raises:
        Unreadable: It is none.
    """
    if not isinstance(text, str):
        raise Unreadable("no text")
    local = text.removeprefix(_PURL)
    if (found := _USUAL.fullmatch(local)) and (found[1] == ":") == (local == text):
        return local.replace("_", ":", 1) if local != text else text
    try:
        found = fastobo.id.parse(text)
        prefix, split, rest = local.partition("_")
        if local != text and split:
            found = fastobo.id.PrefixedIdent(prefix, rest)
        return str(found)
    except (ValueError, SyntaxError) as error:
        raise Unreadable("no identifier") from error


def _text(value: Any) -> str:
    if isinstance(value, int | float):
        return shown(value)
    if not isinstance(value, str):
        raise Unreadable("no text")
    return value


class _Reader:
    """Takes nodes and edges; `entities` are terms and relations by the id that the graph has."""

    def __init__(self) -> None:
        self.raw = Raw()
        self.repairs: list[Repair] = []
        self.entities: dict[str, Term] = {}
        self.relations: set[str] = set()
        self._by_key: dict[tuple[str, str], Term] = {}

    def note(self, text: str, reason: str) -> None:
        self.repairs.append(Repair(0, text, reason))

    def header(self, graph: Node) -> Header:
        """What a graph says about itself."""
        header, meta = Header(), graph.get("meta")
        if not isinstance(meta, dict):
            if meta is not None:
                self.note(shown(meta), "unreadable header of the graph: left out")
            return header
        if str(graph["id"]).startswith(_PURL):
            header.ontology = graph["id"].removeprefix(_PURL).removesuffix(".owl")
        version = meta.get("version")
        if isinstance(version, str) and version.startswith(_PURL):
            version = version.removeprefix(_PURL).removeprefix(f"{header.ontology}/")
            version = version.removesuffix(".owl").removesuffix(".obo")
            header.data_version = version.removesuffix(f"/{header.ontology}")
        elif version is not None and not isinstance(version, str):
            self.note(shown(version), "unreadable version of the graph: left out")
        for comment in self._each("header", meta, "comments", _text):
            header.remarks.add(comment)
        for name, value in self._each("header", meta, "basicPropertyValues", _pair):
            self._part("header", {"pred": name, "val": value}, _about, header, name, value)
        return header

    def node(self, node: Node) -> None:
        """Take a class or a relation."""
        kind, name = node["type"], node["id"]
        try:
            key = _key(name)
        except Unreadable as error:
            self.note(shown(node), f"{error}: node dropped")
            return
        # two spellings of one id are one term
        term = self._by_key.setdefault((kind, key), Term(key))
        self.entities[name] = term
        if kind != "CLASS":
            self.relations.add(name)
        label = node.get("lbl")
        if isinstance(label, str):
            term.name = label
        elif label is not None:
            self.note(f"{name} {shown(label)}", "no label: dropped")
        meta = node.get("meta")
        if isinstance(meta, dict):
            self._meta(name, term, meta)
        elif meta is not None:
            self.note(f"{name} {shown(meta)}", "no metadata: dropped")

    def _meta(self, name: str, term: Term, meta: Node) -> None:
        term.obsolete = term.obsolete or meta.get("deprecated") is True
        if (said := meta.get("definition")) is not None:
            term.definition = self._part(name, said, self._definition, name, said)
        for text in self._each(name, meta, "comments", _text):
            term.comment = text
        term.subsets.update(self._each(name, meta, "subsets", _key))
        term.synonyms.update(self._each(name, meta, "synonyms", lambda s: self._synonym(name, s)))
        term.xrefs.update(
            self._each(name, meta, "xrefs", lambda xref: Xref(_key(_of(xref, "val"))))
        )
        for pred, value in self._each(name, meta, "basicPropertyValues", _pair):
            self._part(name, {"pred": pred, "val": value}, _say, term, pred, value)

    def _each(self, name: str, meta: Node, key: str, read: Callable[[Any], Any]) -> Iterator[Any]:
        """The parts of a list that can be read."""
        listed = meta.get(key)
        if listed is not None and not isinstance(listed, list):
            self.note(f"{name} {shown(listed)}", f"no list of {key}: dropped")
        for item in _list(listed):
            found = self._part(name, item, read, item)
            if found is not None:
                yield found

    def _part(self, name: str, item: Any, read: Callable[..., Any], *args: Any) -> Any:
        """What is read of a part, or None and a note."""
        try:
            return read(*args)
        except Unreadable as error:
            self.note(f"{name} {shown(item)}", f"{error}: dropped")
            return None

    def _definition(self, name: str, said: Any) -> Definition:
        return Definition(_text(_of(said, "val")), self._references(name, said))

    def _synonym(self, name: str, said: Any) -> Synonym:
        scope = _SCOPES.get(str(_of(said, "pred")))
        if scope is None:
            raise Unreadable("no kind of synonym")
        return Synonym(_text(_of(said, "val")), scope, None, self._references(name, said))

    def _references(self, name: str, said: Node) -> set[Xref]:
        listed = said.get("xrefs")
        try:
            if listed is not None and not isinstance(listed, list):
                raise Unreadable("no list")
            return {Xref(_key(xref)) for xref in listed or ()}
        except Unreadable as error:
            self.note(f"{name} {shown(said)}", f"{error}: unreadable references left out")
            return set()

    def edge(self, subject: Term, edge: Node) -> None:
        """Take what is above a term, or related to it."""
        try:
            relation, target = _key(edge["pred"]), _key(edge["obj"])
        except Unreadable as error:
            self.note(shown(edge), f"{error}: edge dropped")
            return
        if relation == "is_a":
            subject.parents.add(target)
        else:
            subject.relationships.setdefault(relation, set()).add(target)


def _of(item: Any, key: str) -> Any:
    if not isinstance(item, dict) or key not in item:
        raise Unreadable(f"no {key!r}")
    return item[key]


def _pair(item: Any) -> tuple[str, str]:
    return _text(_of(item, "pred")), _text(_of(item, "val"))


def _say(term: Term, pred: str, value: str) -> None:
    """Take a property of a term."""
    name = pred.removeprefix(_OIO)
    if name == "hasOBONamespace":
        term.namespace = _key(value)
    elif name == "hasAlternativeId":
        term.alternate_ids.add(_key(value))
    elif name in ("creation_date", f"{_DC}date"):
        term.creation_date = creation_date(value)[0]
    elif name in ("created_by", f"{_DC}creator"):
        term.created_by = value
    elif pred == _COMMENT:
        term.comment = value
    elif pred == f"{_PURL}IAO_0100001":
        term.replaced_by.add(_key(value))
    else:
        term.annotations.add(_annotation(pred, value))


def _about(header: Header, pred: str, value: str) -> None:
    """Take a property of the graph."""
    name = pred.removeprefix(_OIO)
    if name == "hasDefaultNamespace":
        header.default_namespace = _key(value)
    elif name in ("creation_date", "hasDate"):
        header.date = header_date(value)[0]
    elif pred == _COMMENT:
        header.remarks.add(value)
    elif (
        name not in ("hasOBOFormatVersion", "savedBy", "autoGeneratedBy", "NamespaceIdRule")
        or name == pred
    ):
        header.annotations.add(_annotation(pred, value))


def _annotation(pred: str, value: str) -> Annotation:
    try:
        return Annotation(_key(pred), resource=_key(value))
    except Unreadable:
        return Annotation(_key(pred), value)

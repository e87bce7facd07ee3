"""Make an OBO graph loadable: drop what the parser refuses, add what edges only mention."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from lakehouse.ontology.model.ids import compact
from lakehouse.ontology.model.model import Repair

Refusal = Callable[[bytes], str | None]
Node = dict[str, Any]
_CHUNK = 256
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
_UNDERSCORED = re.compile(rb'"http://purl\.obolibrary\.org/obo/([A-Za-z]+_[A-Za-z]+)_(\d+)"')


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
        for synonym in _meta(node).get("synonyms") or ():
            if isinstance(synonym, dict) and isinstance(synonym.get("synonymType"), str):
                scope = str(synonym.get("pred"))[3:].removesuffix("Synonym").upper()
                key = compact(node["id"]), str(synonym.get("val")), scope
                types.setdefault(key, []).append(compact(synonym["synonymType"]))
    return types


def dump(graph: Node) -> bytes:
    """A graph as an OBO graph document."""
    return orjson.dumps({"graphs": [graph]})


def repair(graph: Node, refusal: Refusal) -> tuple[Node, list[Repair]]:
    """Drop the parts that the parser refuses."""
    repairs: list[Repair] = []
    frame = {key: value for key, value in graph.items() if key in ("id", "meta", "lbl")}
    if refusal(dump({**frame, "nodes": [], "edges": []})) is not None:
        repairs.append(Repair(0, shown(frame), "unreadable header of the graph: left out"))
        frame = {"id": "http://purl.obolibrary.org/obo/repaired.json"}
    nodes: list[Node] = []
    for chunk in _chunks(graph["nodes"]):
        if refusal(dump({**frame, "nodes": chunk, "edges": []})) is None:
            nodes += chunk
            continue
        for node in chunk:
            nodes += _mended(node, frame, refusal, repairs)
    kinds = {node["id"]: node["type"] for node in nodes}
    edges: list[Node] = []
    for chunk in _chunks([edge for edge in graph["edges"] if edge["sub"] in kinds]):
        if refusal(dump({**frame, "nodes": _bare(chunk, kinds), "edges": chunk})) is None:
            edges += chunk
            continue
        for edge in chunk:
            refused = refusal(dump({**frame, "nodes": _bare([edge], kinds), "edges": [edge]}))
            if refused is None:
                edges.append(edge)
            else:
                repairs.append(Repair(0, shown(edge), f"{refused}: edge dropped"))
    return {**frame, "nodes": nodes, "edges": edges}, repairs


def _items(graphs: list[Node], key: str, needed: str, repairs: list[Repair]) -> Iterator[Node]:
    for graph in graphs:
        for item in graph.get(key) or ():
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
    for synonym in meta.get("synonyms") or ():
        if isinstance(synonym, dict) and "#" in str(synonym.get("pred")):
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


def _one_comment(node: Node) -> Node:
    # the parser keeps the last comment only
    comments = _meta(node).get("comments")
    if not isinstance(comments, list) or len(comments) < 2:
        return node
    return {**node, "meta": {**_meta(node), "comments": ["\n".join(map(str, comments))]}}


def _mended(node: Node, frame: Node, refusal: Refusal, repairs: list[Repair]) -> Iterator[Node]:
    def refused(candidate: Node) -> str | None:
        return refusal(dump({**frame, "nodes": [candidate], "edges": []}))

    def within(key: str, *, listed: bool = False) -> Callable[[Any], str | None]:
        def judge(part: Any) -> str | None:
            return refused({**bare, "meta": {key: [part] if listed else part}})

        return judge

    if refused(node) is None:
        yield node
        return
    bare = {key: node[key] for key in ("id", "type", "lbl") if isinstance(node.get(key), str)}
    if "lbl" not in bare and node.get("lbl") is not None:
        repairs.append(Repair(0, f"{node['id']} {shown(node['lbl'])}", "no label: dropped"))
    reason = refused(bare)
    if reason is not None:
        repairs.append(Repair(0, shown(node), f"{reason}: node dropped"))
        return
    meta: Node = {}
    for key, value in _meta(node).items():
        if isinstance(value, list):
            good = []
            for item in value:
                kept, reason = _best(item, within(key, listed=True))
                if reason is not None:
                    repairs.append(Repair(0, f"{node['id']} {shown(item)}", reason))
                good += [] if kept is None else [kept]
            meta[key] = good
        elif value is not None:
            kept, reason = _best(value, within(key))
            if reason is not None:
                repairs.append(Repair(0, f"{node['id']} {shown(value)}", reason))
            if kept is not None:
                meta[key] = kept
    yield {**bare, "meta": meta}


def _best(value: Any, refused: Callable[[Any], str | None]) -> tuple[Any, str | None]:
    """A value, or what is left of it without its references, or None; and why."""
    reason = refused(value)
    if reason is None:
        return value, None
    if isinstance(value, dict) and "xrefs" in value:
        without = {key: part for key, part in value.items() if key != "xrefs"}
        if refused(without) is None:
            return without, f"{reason}: unreadable references left out"
    return None, f"{reason}: dropped"


def _bare(edges: list[Node], kinds: dict[str, str]) -> list[Node]:
    """The subjects of edges, without which the parser doesn't look at the edges."""
    return [{"id": key, "type": kinds[key]} for key in {edge["sub"] for edge in edges}]


def _chunks(items: list[Node]) -> Iterator[list[Node]]:
    for at in range(0, len(items), _CHUNK):
        yield items[at : at + _CHUNK]


def shown(item: object) -> str:
    """A part of a graph as text."""
    return orjson.dumps(item).decode()

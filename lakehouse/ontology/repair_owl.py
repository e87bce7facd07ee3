"""Bring RDF/XML into the one shape that pronto reads."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from lakehouse.ontology.model import Repair
from lakehouse.ontology.source import decode

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_OWL = "http://www.w3.org/2002/07/owl#"
_KINDS = ("Ontology", "Class", "ObjectProperty", "AnnotationProperty", "Axiom")
_TYPED = re.compile(rb"<(?:\w+:)?Description[\s>]")


class NotXml(Exception):
    """The content isn't well-formed XML; the message is the parser's."""


def needs_repair(data: bytes) -> bool:
    """Whether pronto would pass over classes, or refuse for want of an `owl:Ontology`."""
    return _TYPED.search(data) is not None or b"Ontology" not in data


def repair(data: bytes) -> tuple[bytes, list[Repair]]:
    """Turn typed `rdf:Description` elements into `owl:Class` and the like; add `owl:Ontology`.

    Raises:
        NotXml: Not well-formed, e.g. truncated.
    """
    repairs: list[Repair] = []
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as first:
        # perhaps only the declared encoding is wrong
        text, repairs = decode(data)
        try:
            root = ElementTree.fromstring(re.sub(rb"^\s*<\?xml[^>]*\?>", b"", text))
        except ElementTree.ParseError:
            raise NotXml(f"damaged or truncated XML ({first})") from first
    renamed = 0
    for element in root.iter(f"{{{_RDF}}}Description"):
        for kind in element.findall(f"{{{_RDF}}}type"):
            name = kind.get(f"{{{_RDF}}}resource", "").removeprefix(_OWL)
            if name in _KINDS:
                element.tag = f"{{{_OWL}}}{name}"
                element.remove(kind)
                renamed += 1
                break
    if renamed:
        reason = f"{renamed} typed rdf:Description elements read as the OWL elements they stand for"
        repairs.append(Repair(0, "rdf:Description", reason))
    if root.find(f"{{{_OWL}}}Ontology") is None:
        root.insert(0, ElementTree.Element(f"{{{_OWL}}}Ontology"))
        repairs.append(Repair(0, "owl:Ontology", "no owl:Ontology element: an empty one added"))
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True), repairs

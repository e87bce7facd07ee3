"""Parse RDF/XML: as it is if possible, else with its encoding and its characters repaired."""

from __future__ import annotations

import re
from html.entities import html5
from xml.etree import ElementTree

from lakehouse.ontology.model.model import Repair
from lakehouse.ontology.reading.owl_tree import OWL, flatten
from lakehouse.ontology.reading.source import decode

_ERRORS = (ElementTree.ParseError, LookupError, ValueError)
_DECLARATION = re.compile(rb"^\s*<\?xml[^>]*\?>")
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ENTITY = re.compile(rb"&(\w+);")
_XML_ENTITIES = {b"amp", b"lt", b"gt", b"quot", b"apos"}


class NotXml(Exception):
    """The content isn't well-formed XML; the message is the parser's."""


def parse(data: bytes) -> tuple[ElementTree.Element, list[Repair]]:
    """The root of an RDF/XML document in the shape that pronto reads, and what was done for it.

    Raises:
        NotXml: Not well-formed, e.g. truncated.
    """
    repairs: list[Repair] = []
    try:
        root = ElementTree.fromstring(data)
    except _ERRORS as first:
        # perhaps only the declared encoding is wrong, or single characters
        data, repairs = decode(data)
        data = _characters(_DECLARATION.sub(b"", data), repairs)
        try:
            root = ElementTree.fromstring(data)
        except _ERRORS:
            raise NotXml(f"damaged or truncated XML ({first})") from first
    if root.find(f"{OWL}Ontology") is None:
        root.insert(0, ElementTree.Element(f"{OWL}Ontology"))
        repairs.append(Repair(0, "owl:Ontology", "no owl:Ontology element: an empty one added"))
    return root, repairs + flatten(root, data)


def _characters(data: bytes, repairs: list[Repair]) -> bytes:
    """Text without characters that XML forbids and entities that only HTML knows."""
    if _FORBIDDEN.search(data):
        data = _FORBIDDEN.sub(b"", data)
        repairs.append(Repair(0, "control characters", "XML can't have them: left out"))
    declared = set(re.findall(rb"<!ENTITY\s+(\w+)", data)) | _XML_ENTITIES

    def resolved(found: re.Match[bytes]) -> bytes:
        name = found.group(1)
        text = html5.get(f"{name.decode()};")
        if name in declared or text is None:
            return found.group()
        shown = found.group().decode()
        repairs.append(Repair(0, shown, f"an entity of HTML: read as {text!r}"))
        return text.encode()

    return _ENTITY.sub(resolved, data)

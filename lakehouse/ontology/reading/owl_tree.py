"""RDF/XML says one thing in many ways; our reader knows one of them, so the others are brought to it.

Classes may be nested where they are mentioned, described in several places, typed by a child,
named by `rdf:ID` or relative to `xml:base`, and have attributes instead of children. What a class
expression says that the tables have a place for is kept: named parents, and relations to named
classes. The rest of it is reported.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from urllib.parse import urljoin
from xml.etree.ElementTree import Element, SubElement

from lakehouse.ontology.model.ids import compact
from lakehouse.ontology.model.model import Repair

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
RDFS = "{http://www.w3.org/2000/01/rdf-schema#}"
OWL = "{http://www.w3.org/2002/07/owl#}"
OIO = "{http://www.geneontology.org/formats/oboInOwl#}"
_SKOS = "{http://www.w3.org/2004/02/skos/core#}"
OBO = "{http://purl.obolibrary.org/obo/}"
_BASE = "{http://www.w3.org/XML/1998/namespace}base"
ABOUT, RESOURCE, _NODE, _ID = f"{RDF}about", f"{RDF}resource", f"{RDF}nodeID", f"{RDF}ID"
_PARSED, _DESCRIPTION, _TYPE = f"{RDF}parseType", f"{RDF}Description", f"{RDF}type"
_CLASS, _PROPERTY, _RESTRICTION = f"{OWL}Class", f"{OWL}ObjectProperty", f"{OWL}Restriction"
_UP, _LABEL, _DEPRECATED = f"{RDFS}subClassOf", f"{RDFS}label", f"{OWL}deprecated"
_DEFINITION = f"{OBO}IAO_0000115"
_OBSOLETE_CLASS = "http://www.geneontology.org/formats/oboInOwl#ObsoleteClass"
_TOPS = {f"{OWL[1:-1]}Thing", f"{OWL[1:-1]}Nothing"}

_KINDS = {
    f"{OWL}{name}": f"{OWL}{name}"
    for name in ("Ontology", "Class", "ObjectProperty", "AnnotationProperty", "Axiom")
}
_KINDS |= {
    f"{OWL}{name}Property": _PROPERTY
    for name in ("Transitive", "Symmetric", "Asymmetric", "Reflexive", "InverseFunctional")
}
_KINDS |= {f"{RDFS}Class": _CLASS, f"{OWL}DeprecatedClass": _CLASS}
_RENAMED = {
    f"{OIO}hasSynonym": f"{OIO}hasRelatedSynonym",
    f"{OIO}replacedBy": f"{OBO}IAO_0100001",
}
# an exact or least number of related things, if there are any, says that there are some
_SOME = ("someValuesFrom", "onClass")
_NUMBERS = ("qualifiedCardinality", "minQualifiedCardinality")
_RELATIVE = re.compile(rb""":(?:about|resource)\s*=\s*["'](?![A-Za-z][\w+.-]*:|&)|:ID\s*=\s*["']""")
_ABSOLUTE = re.compile(r"[A-Za-z][\w+.-]*:")


def flatten(root: Element, data: bytes) -> list[Repair]:
    """Bring a document into the shape that our reader knows, in place; say what has no place in it.

    Args:
        root: The `rdf:RDF` element.
        data: The text that it was parsed from, which tells whether it has relative addresses.
    """
    flattening = _Flattening(root)
    if _RELATIVE.search(data):
        flattening.resolve(data)
    flattening.run()
    return flattening.repairs


class _Flattening:
    def __init__(self, root: Element) -> None:
        self._root = root
        self.repairs: list[Repair] = []
        self._known: dict[str, Element] = {}
        self._blank: dict[str, Element] = {}
        self._waiting: list[Element] = []

    def _note(self, text: str, reason: str) -> None:
        self.repairs.append(Repair(0, text, reason))

    def resolve(self, data: bytes) -> None:
        """Make relative addresses absolute."""
        ontology = self._root.find(f"{OWL}Ontology")
        declared = re.search(rb"""xmlns\s*=\s*["']([^"']+)["']""", data[:65536])
        named = ontology.get(ABOUT) if ontology is not None else None
        base = self._root.get(_BASE) or named or (declared.group(1).decode() if declared else "")
        for element in self._root.iter():
            own = element.attrib.pop(_ID, None)
            if own is not None:
                element.set(ABOUT, f"#{own}")
            for name in (ABOUT, RESOURCE):
                value = element.get(name)
                if value is not None and not _ABSOLUTE.match(value):
                    element.set(name, urljoin(base, value) if base else value.lstrip("#"))

    def run(self) -> None:
        root = self._root
        renamed, loose, kept = 0, [], []
        self._waiting = list(root)
        self._blank = {e.attrib[_NODE]: e for e in root if _NODE in e.attrib}
        for element in self._nodes():
            written = element.tag
            self._name(element)
            renamed += element.tag != written == _DESCRIPTION
            if element.tag == _DESCRIPTION:
                loose.append(element)
            elif element.tag == f"{OWL}NamedIndividual":
                self._note(element.get(ABOUT, ""), "an individual is no term: left out")
            elif element.tag != _CLASS:
                kept.append(element)
            elif element.get(ABOUT) not in _TOPS:
                kept += self._merged(element)
        for element in loose:
            if element.get(ABOUT) in self._known:
                kept += self._merged(element)
        for element in self._known.values():
            self._finish(element)
        root[:] = kept
        if renamed:
            reason = f"{renamed} typed elements read as the OWL elements they stand for"
            self._note("rdf:Description", reason)

    def _nodes(self) -> Iterator[Element]:
        """The top elements, and those found nested in them, which are added meanwhile."""
        for element in self._waiting:
            if len(element.attrib) > 1 and element.tag != f"{OWL}Axiom":
                self._spread(element)
            for child in list(element):
                if len(child) or _NODE in child.attrib:
                    self._child(element, child)
            yield element

    def _spread(self, element: Element) -> None:
        """Attributes instead of children."""
        for name in list(element.attrib):
            if not name.startswith((RDF, "{http://www.w3.org/XML/")):
                SubElement(element, name).text = element.attrib.pop(name)

    def _name(self, element: Element) -> None:
        """Give an element the tag that our reader knows."""
        if element.tag in (_DESCRIPTION, f"{OWL}NamedIndividual"):
            for kind in element.findall(_TYPE):
                found = re.sub("^(.*[#/])(?=[^#/]+$)", r"{\1}", kind.get(RESOURCE, ""))
                if found in _KINDS:
                    element.tag = found
                    element.remove(kind)
                    break
        if element.tag == f"{OWL}DeprecatedClass":
            SubElement(element, _DEPRECATED).text = "true"
        element.tag = _KINDS.get(element.tag, element.tag)

    def _merged(self, element: Element) -> list[Element]:
        """A class, if it wasn't met before; else what is said here is added to what was said."""
        key = element.get(ABOUT)
        if key is None:
            return [element]
        first = self._known.setdefault(key, element)
        if first is element:
            return [element]
        first.extend(element)
        return []

    def _finish(self, element: Element) -> None:
        """The clauses of a class, all of which are known now."""
        definitions = 0
        for child in list(element):
            tag = child.tag = _RENAMED.get(child.tag, child.tag)
            if tag == _DEPRECATED:
                value = (child.text or "").strip().lower()
                child.text = "true" if value in ("true", "1") else "false"
            elif tag == _DEFINITION:
                definitions += 1
            elif tag == _UP and child.get(RESOURCE) in _TOPS:
                element.remove(child)
            elif tag == _UP and child.get(RESOURCE) == _OBSOLETE_CLASS:
                element.remove(child)
                SubElement(element, _DEPRECATED).text = "true"
        # of several values the last one is taken, which must not take obsolescence back
        marks = element.findall(_DEPRECATED)
        if len(marks) > 1 and any(mark.text == "true" for mark in marks):
            for mark in marks:
                mark.text = "true"
        if definitions > 1:
            self._note(self._of(element), f"{definitions} definitions: the last one kept")
        preferred = element.find(f"{_SKOS}prefLabel")
        if preferred is not None and element.find(_LABEL) is None:
            preferred.tag = _LABEL

    # -- what is nested in a clause ------------------------------------------------------

    def _child(self, element: Element, child: Element) -> None:
        if child.get(_PARSED) == "Literal":
            child.text = "".join(child.itertext())
            del child[:]
        elif child.tag == _UP:
            self._parent(element, child)
        elif len(child) == 1 and _PARSED not in child.attrib:
            self._named(child)

    def _parent(self, element: Element, child: Element) -> None:
        expressions = list(child) or [
            e for e in (self._blank.get(child.attrib.pop(_NODE, "")),) if e is not None
        ]
        element.remove(child)
        for expression in expressions:
            for good in self._parents(self._of(element), expression):
                element.append(good)

    def _parents(self, term: str, expression: Element) -> Iterator[Element]:
        """What an expression says about a parent: a named class, or a relation to one."""
        waiting = deque([expression])
        while waiting:
            said = waiting.popleft()
            clause = Element(_UP)
            members = said.find(f"{OWL}intersectionOf")
            if (named := self._mention(said)) is not None:
                clause.set(RESOURCE, named)
                yield clause
            elif (parts := self._restriction(said)) is not None:
                simple = SubElement(clause, _RESTRICTION)
                for name, value in zip(("onProperty", "someValuesFrom"), parts, strict=True):
                    SubElement(simple, f"{OWL}{name}", {RESOURCE: value})
                yield clause
            elif members is not None and members.get(_PARSED) == "Collection":
                waiting.extendleft(reversed(members))
            else:
                self._left_out(term, said)

    def _left_out(self, term: str, expression: Element) -> None:
        kinds = [expression.tag, *(child.tag for child in expression)]
        shown = ", ".join(kind.rpartition("}")[2] for kind in kinds if kind != _CLASS)
        reason = f"a class expression ({shown}) has no place in the tables: left out"
        self._note(f"{term} subClassOf", reason)

    def _restriction(self, expression: Element) -> tuple[str, str] | None:
        """The relation and the class of "some"; None if it says something else."""
        if expression.tag != _RESTRICTION:
            return None
        number = [expression.findtext(f"{OWL}{name}") for name in _NUMBERS]
        if expression.find(f"{OWL}onClass") is not None and not any(n and n != "0" for n in number):
            return None
        relation = expression.find(f"{OWL}onProperty")
        targets = [e for e in (expression.find(f"{OWL}{name}") for name in _SOME) if e is not None]
        if relation is None or not targets:
            return None
        found = self._named(relation), self._named(targets[0])
        return (found[0], found[1]) if found[0] and found[1] else None

    def _named(self, clause: Element) -> str | None:
        """The address that a clause names, also where its element is nested instead."""
        if len(clause) == 1 and (named := self._mention(clause[0])) is not None:
            clause.set(RESOURCE, named)
            del clause[:]
        return clause.get(RESOURCE)

    def _mention(self, element: Element) -> str | None:
        """The address of a named element; what is said about it there is read, too."""
        named = element.get(ABOUT)
        if named is not None and (len(element) or element.tag != _DESCRIPTION):
            self._waiting.append(element)
        return named

    def _of(self, element: Element) -> str:
        return compact(element.get(ABOUT, "an unnamed class"))

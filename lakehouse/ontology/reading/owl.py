"""Read OWL as RDF/XML: its encoding and characters mended if need be, its tree flattened, to rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from html.entities import html5
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import fastobo

from lakehouse.ontology.model.ids import compact
from lakehouse.ontology.model.model import Repair
from lakehouse.ontology.model.raw import Annotation, Definition, Header, Raw, Synonym, Term, Xref
from lakehouse.ontology.reading.obo_clauses import Unreadable
from lakehouse.ontology.reading.owl_tree import ABOUT, OBO, OIO, OWL, RDF, RDFS, RESOURCE, flatten
from lakehouse.ontology.reading.source import decode

_ERRORS = (ElementTree.ParseError, LookupError, ValueError)
_DECLARATION = re.compile(rb"^\s*<\?xml[^>]*\?>")
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ENTITY = re.compile(rb"&(\w+);")
_XML_ENTITIES = {b"amp", b"lt", b"gt", b"quot", b"apos"}

_PURL = "http://purl.obolibrary.org/obo/"
_SPACED = re.compile(r"http://purl\.obolibrary\.org/obo/([^#_]+)_(.*)$")
_UNDERSCORED = re.compile(r"http://purl\.obolibrary\.org/obo/[A-Za-z](?=\w*?_[A-Za-z])\w*_\d+$")
_FILE = re.compile(r"http://purl\.obolibrary\.org/obo/(.*)\.(?:obo|owl)$")
_DC = "{http://purl.org/dc/elements/1.1/}"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_DATATYPES = (_XSD, RDFS[1:-1], RDF[1:-1])
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_DATATYPE = f"{RDF}datatype"
_LABEL, _SAID, _UP = f"{RDFS}label", f"{RDFS}comment", f"{RDFS}subClassOf"
_ID, _DEFINITION, _SUCCESSOR = f"{OIO}id", f"{OBO}IAO_0000115", f"{OBO}IAO_0100001"
_XREF, _ALTERNATIVE, _CONSIDER = f"{OIO}hasDbXref", f"{OIO}hasAlternativeId", f"{OIO}consider"
_SCOPES = {
    f"{OIO}has{name}Synonym": name.upper() for name in ("Exact", "Broad", "Narrow", "Related")
}
_IGNORED_ABOUT = {f"{OIO}{n}" for n in ("hasOBOFormatVersion", "saved-by", "savedBy")}
_IGNORED_ABOUT |= {f"{OIO}{n}" for n in ("auto-generated-by", "NamespaceIdRule")}
_READ = ("Ontology", "ObjectProperty", "AnnotationProperty", "Class", "Axiom")


class NotXml(Exception):
    """The content isn't well-formed XML; the message is the parser's."""


def parse(data: bytes) -> tuple[Element, list[Repair]]:
    """The root of an RDF/XML document, flattened, and what was done for it.

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
        root.insert(0, Element(f"{OWL}Ontology"))
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


def read_tree(root: Element) -> Raw:
    """The rows of a flattened document; its notes say what couldn't be read."""
    reader = _Reader(root)
    for kind, read in (
        ("ObjectProperty", reader.relation),
        ("AnnotationProperty", reader.declaration),
        ("Class", reader.term),
        ("Axiom", reader.axiom),
    ):
        for element in root.iterfind(f"{OWL}{kind}"):
            read(element)
    return reader.finish(root)


def _text(element: Element) -> str | None:
    text = element.text
    return None if text is None or text.isspace() else text


def _valid(key: str | None) -> str:
    """An id, if it is one."""
    if key is None or not fastobo.id.is_valid(key):
        raise Unreadable(f"invalid identifier {key!r}")
    return key


def _annotation(element: Element) -> Annotation:
    """A property whose value is the address of something, or a literal."""
    name = _valid(re.sub("[{}]", "", element.tag))
    if (resource := element.get(RESOURCE)) is not None:
        return Annotation(name, resource=_valid(resource))
    kind = element.get(_DATATYPE, f"{_XSD}string")
    if not kind.startswith(_DATATYPES):
        raise Unreadable(f"invalid datatype {kind!r}")
    return Annotation(name, element.text, datatype=kind)


class _Reader:
    def __init__(self, root: Element) -> None:
        self.raw = Raw()
        self._terms: dict[str, Term] = {}
        self._relations: dict[str, Term] = {}
        self._types: dict[tuple[str, str, str], list[str]] = {}
        self._header = Header()
        self._about(root.find(f"{OWL}Ontology"))
        self._curies = dict(self._own_ids(root))

    def note(self, text: str, reason: str) -> None:
        self.raw.notes.append((text, reason))

    def _dropped(self, element: Element, error: Unreadable) -> None:
        # without what is nested in it, which may be deeper than a stack
        alone = Element(element.tag, element.attrib)
        alone.text = element.text
        shown = ElementTree.tostring(alone, encoding="unicode").strip()
        self.note(shown, f"{error}: dropped")

    def _own_ids(self, root: Element) -> Iterator[tuple[str, str]]:
        """The ids of classes and properties by their address."""
        for kind in ("Class", "ObjectProperty", "AnnotationProperty"):
            tags = (_ID,) if kind == "Class" else (f"{OIO}shorthand", _ID)
            for element in root.iterfind(f"{OWL}{kind}"):
                address = element.get(ABOUT)
                if address is not None:
                    own = next(filter(None, map(element.findtext, tags)), None)
                    yield address, own or self._compact(address)

    def _compact(self, address: str) -> str:
        if _UNDERSCORED.match(address):
            return compact(address)  # APOLLO_SV:1, not APOLLO:SV_1
        if found := _SPACED.match(address):
            return f"{found[1]}:{found[2]}"
        return address.removeprefix(f"{_PURL}{self._header.ontology}#")

    def _key(self, address: str | None) -> str:
        if address is None:
            raise Unreadable("nothing named")
        return self._curies.get(address) or self._compact(address)

    # -- the document -----------------------------------------------------------------------

    def _about(self, element: Element | None) -> None:
        header = self._header
        assert element is not None
        if (address := element.get(ABOUT)) is not None:
            named = _FILE.match(address)
            header.ontology = named[1] if named else address
        for child in element:
            try:
                self._say_about(header, child)
            except Unreadable as error:
                self._dropped(child, error)

    def _say_about(self, header: Header, child: Element) -> None:
        tag, text, resource = child.tag, child.text, child.get(RESOURCE)
        if tag == _SAID and text is not None:
            header.remarks.add(text)
        elif tag in (f"{OIO}default-namespace", f"{OIO}hasDefaultNamespace"):
            header.default_namespace = text
        elif tag == f"{OIO}date":
            try:
                header.date = datetime.strptime(text or "", "%d:%m:%Y %H:%M")
            except ValueError as error:
                raise Unreadable("no date like 24:12:2020 10:30") from error
        elif tag == f"{OWL}imports":
            header.imports.add(str(resource))
        elif tag == f"{OWL}versionIRI":
            version = (resource or "").removeprefix(f"{_PURL}{header.ontology}/")
            found = re.fullmatch(rf"(.*)/{re.escape(header.ontology or '')}\.(?:obo|owl)", version)
            header.data_version = found[1] if found and version != resource else resource
        elif tag == "{http://usefulinc.com/ns/doap#}Version":
            header.data_version = text
        elif tag not in _IGNORED_ABOUT and (resource is not None or text is not None):
            header.annotations.add(_annotation(child))

    def finish(self, root: Element) -> Raw:
        """All rows, and a count of what has none."""
        raw = self.raw
        _count_elements(root, raw)
        for term in self._terms.values():
            raw.take_term(term, term.parents)
        raw.synonyms += [
            (key, text, scope, kind)
            for (key, text, scope), kinds in self._types.items()
            if key in self._terms and len(set(kinds)) > 1
            for kind in kinds
        ]
        raw.take_stubs(set(self._terms))
        raw.finish(self._relations, self._header)
        return raw

    # -- relations and declarations -----------------------------------------------------------

    def relation(self, element: Element) -> None:
        """The name of a relation."""
        if (address := element.get(ABOUT)) is not None:
            key = self._curies[address]
            entity = self._relations.setdefault(key, Term(key))
            self._name(entity, element.findall(_LABEL))

    def declaration(self, element: Element) -> None:
        """A type of synonyms, or a subset."""
        address, above = element.get(ABOUT), element.find(f"{RDFS}subPropertyOf")
        if address is None or above is None:
            return
        kind = above.get(RESOURCE, "").removeprefix(OIO[1:-1])
        if kind == "SynonymTypeProperty":
            self._header.synonymtypedefs.add(Xref(self._curies[address]))
        elif kind == "SubsetProperty":
            self._header.subsetdefs.add(self._curies[address])

    # -- classes --------------------------------------------------------------------------------

    def term(self, element: Element) -> None:
        """All that is said in a class."""
        address = element.get(ABOUT)
        if address is None:
            return
        key = self._curies[address]
        term = self._terms.setdefault(key, Term(key))
        labels, comments, expressions = [], [], 0
        for child in element:
            if child.tag == _LABEL:
                labels.append(child)
            elif child.tag == _SAID and (said := _text(child)) is not None:
                comments.append(said)
            elif child.tag == _UP:
                expressions += not self._parent(term, child)
            else:
                try:
                    self._say(term, child)
                except Unreadable as error:
                    self._dropped(child, error)
        self._name(term, labels)
        if expressions:
            reason = f"{expressions} class expressions have no place in the tables"
            self.note("rdfs:subClassOf", reason)
        if comments:
            term.comment = "\n".join(comments)
        if len(comments) > 1:
            self.note(key, f"several comments found for {key!r}, concatenating")

    def _name(self, entity: Term, labels: list[Element]) -> None:
        # the first label becomes the name: let it be an English one
        labels = sorted(labels, key=lambda label: label.get(_LANGUAGE, "en")[:2] != "en")
        names = [name for label in labels if (name := _text(label)) is not None]
        if len(names) < len(labels):
            self.note(entity.id, f"`rdfs:label` without text literal in {entity.id!r}")
        if len(names) > 1:
            self.note(entity.id, f"several names found for {entity.id!r}, using {names[0]!r}")
        if names:
            entity.name = names[0]

    def _parent(self, term: Term, child: Element) -> bool:
        """Take a parent, or a relation to a class; whether it was one."""
        if (resource := child.get(RESOURCE)) is not None:
            if resource != f"{OWL[1:-1]}Thing":
                term.parents.add(self._key(resource))
            return True
        restriction = child.find(f"{OWL}Restriction")
        if restriction is None:
            return False
        parts = (restriction.find(f"{OWL}{n}") for n in ("onProperty", "someValuesFrom"))
        relation, target = ("" if part is None else part.get(RESOURCE, "") for part in parts)
        relation = self._curies.get(relation, relation)
        term.relationships.setdefault(relation, set()).add(self._compact(target))
        return True

    def _say(self, term: Term, child: Element) -> None:
        tag, text = child.tag, _text(child)
        named = child.get(RESOURCE, text)
        if tag == f"{OIO}inSubset":
            term.subsets.add(self._key(named))
        elif tag in (f"{OIO}created_by", f"{_DC}creator"):
            term.created_by = text
        elif tag in (f"{OIO}creation_date", f"{_DC}date"):
            if text is None or not re.search(r"\d", text):
                raise Unreadable(f"no date {text!r}")
            term.creation_date = text
        elif tag == f"{OIO}hasOBONamespace":
            if text != self._header.default_namespace:
                term.namespace = text
        elif tag == _DEFINITION and text is not None:
            term.definition = Definition(text)
        elif tag in _SCOPES:
            if named is None:
                self.note(term.id, f"could not extract synonym value in {term.id!r}")
            else:
                term.synonyms.add(Synonym(named, _SCOPES[tag]))
        elif tag == f"{OWL}deprecated":
            term.obsolete = text == "true"
        elif tag == _XREF:
            self._xrefs(term.xrefs, [child], term.id)
        elif tag == _ALTERNATIVE:
            term.alternate_ids.add(self._key(named))
        elif tag in (_SUCCESSOR, _CONSIDER):
            (term.replaced_by if tag == _SUCCESSOR else term.consider).add(self._key(named))
        elif tag == f"{OWL}equivalentClass" and text is not None:
            term.equivalent_to.add(self._key(text))
        elif tag == f"{OWL}disjointWith":
            if (other := child.get(RESOURCE)) is not None:
                term.disjoint_from.add(self._key(other))
        elif tag != _ID and named is not None:
            term.annotations.add(_annotation(child))

    def _xrefs(self, held: set[Xref], found: list[Element], key: str = "") -> None:
        for element in found:
            said = _text(element) or element.get(RESOURCE)
            if said is None:
                continue
            try:
                held.add(Xref(_valid(said.strip())))
            except Unreadable:
                where = f" in {key!r}" if key else ""
                self.note(key or said, f"could not parse Xref{where}: {said!r}")

    # -- axioms ---------------------------------------------------------------------------------

    def axiom(self, element: Element) -> None:
        """What is said about a definition, a reference or a synonym of a class."""
        parts = (element.find(f"{OWL}annotated{name}") for name in ("Source", "Property", "Target"))
        source, about, target = parts
        address = None if source is None else source.get(RESOURCE)
        if address is None or about is None or about.get(RESOURCE) is None:
            return
        kind = re.sub("^(.*[#/])(?=[^#/]+$)", r"{\1}", about.get(RESOURCE, ""))
        said = element.get(f"{OWL}annotatedTarget") if target is None else target.text
        scope = _SCOPES.get(kind)
        if scope and target is not None:
            said = target.get(RESOURCE, said)
        if said is None or not (scope or kind in (_DEFINITION, _XREF)):
            return
        key = self._key(address)
        entity = self._terms.get(key) or self._relations.get(key)
        if entity is None:
            self.note(key, f"could not find axiom source: {key!r}")
        elif scope:
            self._synonym(entity, said, scope, element)
        elif kind == _DEFINITION:
            entity.definition = Definition(said)
            self._xrefs(entity.definition.xrefs, element.findall(_XREF))
        else:
            self._described(entity, said, element.findtext(_LABEL))

    def _described(self, entity: Term, said: str, label: str | None) -> None:
        try:
            xref = Xref(_valid(said), label)
        except Unreadable:
            self.note(said, f"could not parse Xref: {said!r}")
            return
        entity.xrefs.discard(xref)
        entity.xrefs.add(xref)

    def _synonym(self, entity: Term, said: str, scope: str, element: Element) -> None:
        kinds = [
            self._key(one.get(RESOURCE)) if one.get(RESOURCE) else one.text or ""
            for one in element.findall(f"{OIO}hasSynonymType")
        ]
        self._types.setdefault((entity.id, said, scope), []).extend(kinds)
        self._header.synonymtypedefs.update(Xref(kind) for kind in kinds[:1] if kind)
        found = Synonym(said, scope)
        held = next((synonym for synonym in entity.synonyms if synonym == found), found)
        if kinds and kinds[0]:
            held = replace(held, type=kinds[0])
        entity.synonyms.discard(found)
        entity.synonyms.add(held)
        self._xrefs(held.xrefs, element.findall(_XREF))


def _count_elements(root: Element, raw: Raw) -> None:
    """Count elements that have no place in the tables."""
    read = {f"{OWL}{name}" for name in _READ}
    for element in root:
        if element.tag not in read:
            name = str(element.tag).rpartition("}")[2]
            raw.leave_out(name, 1, next(iter(element.attrib.values()), name))
    for element in root.iterfind(f"{OWL}Class"):
        for said in element.iterfind(f"{OWL}equivalentClass"):
            if said.text is None or not said.text.strip():
                named = element.get(ABOUT)
                raw.leave_out("equivalentClass", 1, compact(named) if named else "a class")

"""The one module that knows pronto from the inside.

pronto's parsers are driven directly rather than through `pronto.Ontology(handle)`: that guesses
the encoding from the first 8 kB, ignores `threads`, fails on a dangling parent, and spreads the
frames over a thread pool that makes it slower. Terms are then read from pronto's data and lineage
tables, since the public API takes ten times longer. Imports are never resolved.
"""

from __future__ import annotations

import io
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import fastobo
from pronto.logic.lineage import Lineage
from pronto.ontology import Ontology as PlainOntology
from pronto.parsers.obo import OboParser
from pronto.parsers.obojson import OboJSONParser
from pronto.parsers.rdfxml import RdfXMLParser
from pronto.relationship import RelationshipData
from pronto.term import TermData
from pronto.utils.meta import typechecked

from lakehouse.ontology.ids import compact

# what says that an obsolete term was replaced, where it is written as a mere annotation
_REPLACED = re.compile(r"(?:.*IAO[:_]0100001|(?:.*#)?(?:term_)?replaced_?by)$", re.IGNORECASE)
_CONSIDER = re.compile(r"(?:.*[#:])?consider$")

# pronto wraps `dataclass` in a way that type checkers can't follow
_term_data: Any = TermData
_relationship_data: Any = RelationshipData

_PARSE_ERRORS = (SyntaxError, ValueError, KeyError, TypeError, AttributeError, OverflowError)
# warnings of pronto's that tell of lost content; the others tell of OWL that has no place in tables
_TELLING = ("could not", "several names", "`rdfs:label` without")
_OWL = "{http://www.w3.org/2002/07/owl#}"
_UNDERSCORED = re.compile(r"http://purl\.obolibrary\.org/obo/[A-Za-z]\w*_[A-Za-z]\w*_\d+$")
_LABEL = "{http://www.w3.org/2000/01/rdf-schema#}label"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_EXPRESSION = "cannot process `rdfs:subClassOf` in this context"


class Refused(Exception):
    """pronto can't load this content; the message is its reason."""


@dataclass
class Raw:
    """What pronto holds after loading, as plain rows."""

    terms: list[tuple[Any, ...]] = field(default_factory=list)
    synonyms: list[tuple[str, str, str, str]] = field(default_factory=list)
    alt_ids: list[tuple[str, str]] = field(default_factory=list)
    xrefs: list[tuple[str, str]] = field(default_factory=list)
    parents: list[tuple[str, str]] = field(default_factory=list)
    relations: list[tuple[str, str, str]] = field(default_factory=list)
    relation_names: dict[str, str] = field(default_factory=dict)
    synonym_types: set[str] = field(default_factory=set)
    header: dict[str, Any] = field(default_factory=dict)
    stubs: set[str] = field(default_factory=set)
    duplicates: set[str] = field(default_factory=set)
    instances: int = 0
    notes: list[tuple[str, str]] = field(default_factory=list)


class _Lenient:
    """Parser mix-in: a parent that isn't defined becomes a stub, an unusable entity a note."""

    ont: Any
    stubs: set[str]
    extract_entity: Any

    def symmetrize_lineage(self) -> None:
        """Only upward edges are read, so the downward ones aren't built; stubs are."""
        lineage = self.ont._terms.lineage
        missing = {p for edges in lineage.values() for p in edges.sup if p not in lineage}
        self.stubs = missing
        for term in sorted(missing):
            self.ont._terms.entities.setdefault(term, _term_data(term))

    def take_frames(self, document: Any, raw: Raw) -> None:
        """Extract every frame; note duplicate ids, which pronto merges without a word."""
        seen: set[tuple[str, bool]] = set()
        for frame in document:
            if isinstance(frame, fastobo.instance.InstanceFrame):
                # its id can't be asked for: the reader finds the stanza in the text
                raw.instances += 1
                continue
            key, is_term = str(frame.id), isinstance(frame, fastobo.term.TermFrame)
            if (key, is_term) in seen:
                raw.duplicates.add(key)
            seen.add((key, is_term))
            self._prepare(key, is_term=is_term)
            try:
                self.extract_entity(frame)
            except _PARSE_ERRORS as error:
                raw.notes.append((f"id: {key}", f"{error}: the rest was kept"))

    def _prepare(self, key: str, *, is_term: bool) -> None:
        # pronto refuses an id that names both a term and a relation, so they are made here;
        # that also spares it an exception for each of them
        graph = self.ont._terms if is_term else self.ont._relationships
        if key not in graph.entities and (is_term or key in self.ont._terms.entities):
            graph.entities[key] = _term_data(key) if is_term else _relationship_data(key)
            graph.lineage[key] = Lineage()


class _Obo(_Lenient, OboParser):
    def load(self, data: bytes, threads: int, raw: Raw) -> None:
        document = fastobo.iter(io.BytesIO(data), ordered=True, threads=threads)
        self.ont.metadata = self.extract_metadata(document.header())
        self.take_frames(document, raw)
        self.symmetrize_lineage()


class _Json(_Lenient, OboJSONParser):
    def load(self, data: bytes, threads: int, raw: Raw) -> None:
        document = fastobo.load_graph(io.BytesIO(data)).compact_ids()
        self.ont.metadata = self.extract_metadata(document.header)
        self.take_frames(document, raw)
        self.symmetrize_lineage()


class _Owl(_Lenient, RdfXMLParser):
    raw: Raw

    def _compact_id(self, iri: str) -> str:
        # pronto would take APOLLO_SV_1 for APOLLO:SV_1
        return compact(iri) if _UNDERSCORED.match(iri) else super()._compact_id(iri)

    def load(self, data: ElementTree.Element, threads: int, raw: Raw) -> None:
        self.raw = raw
        self.ont.metadata = self._extract_meta(data.find(_OWL + "Ontology"))
        tree: Any = data
        curies = self._make_curies(tree)
        for kind, extract in (
            ("ObjectProperty", self._extract_object_property),
            ("AnnotationProperty", self._extract_annotation_property),
            ("Class", self._extract_term),
            ("Axiom", self._process_axiom),
        ):
            for element in data.iterfind(_OWL + kind):
                extract(element, curies)
        self.symmetrize_lineage()

    def _extract_meta(self, elem: Any) -> Any:
        good = ElementTree.Element(elem.tag, elem.attrib)
        for child in elem:
            single = ElementTree.Element(elem.tag, elem.attrib)
            single.append(child)
            if self._guarded(super()._extract_meta, single, child) is not None:
                good.append(child)
        return super()._extract_meta(good)

    def _extract_term(self, elem: Any, curies: Any) -> None:
        labels = elem.findall(_LABEL)
        if len(labels) > 1:
            # the first label becomes the name: let it be an English one
            for label in labels:
                elem.remove(label)
            elem[:0] = sorted(labels, key=lambda label: label.get(_LANGUAGE, "en")[:2] != "en")
        self._by_parts(super()._extract_term, elem, curies)

    def _extract_object_property(self, elem: Any, curies: Any) -> None:
        self._by_parts(super()._extract_object_property, elem, curies)

    def _extract_annotation_property(self, elem: Any, curies: Any) -> None:
        self._by_parts(super()._extract_annotation_property, elem, curies)

    def _process_axiom(self, elem: Any, curies: Any) -> None:
        self._guarded(super()._process_axiom, elem, elem, curies)

    def _by_parts(self, extract: Any, elem: Any, curies: Any) -> None:
        try:
            extract(elem, curies)
        except _PARSE_ERRORS:
            for child in elem:
                single = ElementTree.Element(elem.tag, elem.attrib)
                single.append(child)
                self._guarded(extract, single, child, curies)

    def _guarded(self, extract: Any, elem: Any, shown: Any, *args: Any) -> Any:
        try:
            return extract(elem, *args)
        except _PARSE_ERRORS as error:
            text = ElementTree.tostring(shown, encoding="unicode").strip()
            self.raw.notes.append((text, f"{type(error).__name__} {error}: dropped"))
            return None


_PARSERS: dict[str, type[Any]] = {"obo": _Obo, "json": _Json, "owl": _Owl}


def load(format: str, data: Any, threads: int | None = None) -> Raw:
    """Load content of a format, bytes or an XML element, with pronto and take its rows.

    Raises:
        Refused: pronto or its parser can't take the content as a whole.
    """
    raw = Raw()
    ontology: Any = PlainOntology()
    ontology.import_depth = 0
    parser = _PARSERS[format](ontology)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with _refusals(), typechecked.disabled():
            parser.load(data, threads or os.cpu_count() or 1, raw)
        raw.stubs = parser.stubs
        _take(ontology, raw)
    expressions = 0
    for message, count in Counter(str(warning.message) for warning in caught).items():
        if message.startswith(_TELLING):
            named = re.search(r"'([^']+)'", message)
            raw.notes.append((named.group(1) if named else format, message))
        expressions += count * message.startswith(_EXPRESSION)
    if expressions:
        raw.notes.append(
            ("rdfs:subClassOf", f"{expressions} class expressions have no place in the tables")
        )
    return raw


def refusal(text: str) -> str | None:
    """Why a piece of OBO text can't be parsed, or None when it can."""
    try:
        with _refusals():
            fastobo.loads(text, threads=1)
    except Refused as refused:
        return str(refused)
    return None


def graph_refusal(data: bytes) -> str | None:
    """Why an OBO graph can't be parsed, or None when it can."""
    try:
        with _refusals():
            fastobo.load_graph(io.BytesIO(data)).compact_ids()
    except Refused as refused:
        return str(refused)
    return None


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except _PARSE_ERRORS as error:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        raise Refused(message or type(error).__name__) from error
    except BaseException as error:
        # a Rust panic derives from BaseException, and its class can't be imported
        if type(error).__name__ != "PanicException":
            raise
        raise Refused(f"the parser failed: {error}") from error


def _take_successors(data: Any) -> None:
    """Successors of an obsolete term that are written as annotations."""
    for annotation in data.annotations:
        name = str(annotation.property)
        value = str(getattr(annotation, "resource", None) or annotation.literal)
        if ":" in value and _REPLACED.match(name):
            data.replaced_by.add(value)
        elif ":" in value and _CONSIDER.match(name):
            data.consider.add(value)


def _take(ontology: Any, raw: Raw) -> None:
    # in sorted order throughout, so that tables need no sorting of their own; each term is let go
    # once it is read, or both forms would be in memory at the end
    entities, lineage = ontology._terms.entities, ontology._terms.lineage
    for key in sorted(entities):
        data = entities.pop(key)
        if data.obsolete and data.annotations:
            _take_successors(data)
        raw.terms.append(
            (
                key,
                data.name,
                None if data.definition is None else str(data.definition),
                data.namespace,
                data.obsolete,
                sorted(data.replaced_by),
                sorted(data.consider),
                data.comment,
            )
        )
        raw.synonyms += sorted(
            (key, s.description, s.scope or "", s.type or "") for s in data.synonyms
        )
        raw.alt_ids += sorted((key, other) for other in data.alternate_ids)
        raw.xrefs += sorted((key, xref.id) for xref in data.xrefs)
        if key in lineage:
            raw.parents += sorted((key, parent) for parent in lineage.pop(key).sup)
        raw.relations += sorted(
            (key, relation, target)
            for relation, targets in data.relationships.items()
            for target in targets
        )
    for key, data in ontology._relationships.entities.items():
        if data.name:
            raw.relation_names[key] = data.name
    meta = ontology.metadata
    raw.synonym_types = {kind.id for kind in meta.synonymtypedefs}
    raw.header = {
        "ontology": meta.ontology,
        "data_version": meta.data_version,
        "date": meta.date.isoformat() if meta.date else None,
        "namespace": meta.default_namespace,
        "annotations": sorted(
            (str(a.property), str(getattr(a, "literal", None) or getattr(a, "resource", "")))
            for a in meta.annotations
        ),
    }

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

from lakehouse.ontology.model.ids import compact
from lakehouse.ontology.reading.raw import Raw as Raw

# pronto wraps `dataclass` in a way that type checkers can't follow
_term_data: Any = TermData
_relationship_data: Any = RelationshipData

_PARSE_ERRORS = (SyntaxError, ValueError, KeyError, TypeError, AttributeError, OverflowError)
# warnings of pronto's that tell of lost content; the others tell of OWL that has no place in tables
_TELLING = ("could not", "several names", "`rdfs:label` without")
_OWL = "{http://www.w3.org/2002/07/owl#}"
_UNDERSCORED = re.compile(r"http://purl\.obolibrary\.org/obo/[A-Za-z](?=\w*?_[A-Za-z])\w*_\d+$")
_LABEL = "{http://www.w3.org/2000/01/rdf-schema#}label"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_ABOUT = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}about"
_RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"
_SYNONYM_TYPE = "{http://www.geneontology.org/formats/oboInOwl#}hasSynonymType"
_SYNONYM = re.compile("#has(Exact|Broad|Narrow|Related)Synonym$")
_READ = ("Ontology", "ObjectProperty", "AnnotationProperty", "Class", "Axiom")
_QUALIFIERS = re.compile(rb'\{[^\s"{}=]+="')
_EXPRESSION = "cannot process `rdfs:subClassOf` in this context"


class Refused(Exception):
    """pronto can't load this content; the message is its reason."""


class _AtOnce:
    """Parser mix-in: terms are taken as soon as they are read, and then let go."""

    ont: Any
    extract_entity: Any

    def take_frames(self, document: Any, raw: Raw) -> None:
        """Extract every frame.

        Raises:
            Refused: Something is described twice, which pronto merges without a word, or a frame
                has a value that pronto can't take, with which it would lose all that follows.
        """
        terms: set[str] = set()
        relations: set[str] = set()
        for frame in document:
            is_term = isinstance(frame, fastobo.term.TermFrame)
            key, seen = str(frame.id), terms if is_term else relations
            if key in seen:
                raise Refused(f"{key} is described twice")
            seen.add(key)
            self._prepare(key, is_term=is_term)
            try:
                self.extract_entity(frame)
            except _PARSE_ERRORS as error:
                # what is said once where several are needed is noticed when all else is taken
                if "cardinality" not in str(error):
                    raise Refused(f"{key}: {error}") from error
                raw.notes.append((f"id: {key}", f"{error}: the rest was kept"))
            if is_term:
                self._take(key, raw)
        self.take_rest(raw)
        raw.take_stubs(terms)

    def take_rest(self, raw: Raw) -> None:
        """Take the terms that pronto has, and let them go."""
        for key in list(self.ont._terms.entities):
            self._take(key, raw)

    def _take(self, key: str, raw: Raw) -> None:
        terms = self.ont._terms
        above = terms.lineage.pop(key, None)
        raw.take_term(terms.entities.pop(key), above.sup if above is not None else ())

    def _prepare(self, key: str, *, is_term: bool) -> None:
        # pronto refuses an id that names both a term and a relation, so they are made here;
        # that also spares it an exception for each of them
        graph = self.ont._terms if is_term else self.ont._relationships
        if key not in graph.entities and (is_term or key in self.ont._terms.entities):
            graph.entities[key] = _term_data(key) if is_term else _relationship_data(key)
            graph.lineage[key] = Lineage()


class _Obo(_AtOnce, OboParser):
    def load(self, data: bytes, threads: int, raw: Raw) -> None:
        document = fastobo.iter(io.BytesIO(data), ordered=True, threads=threads)
        self.ont.metadata = self.extract_metadata(document.header())
        self.take_frames(document, raw)
        _count_qualifiers(data, raw)


class _Json(_AtOnce, OboJSONParser):
    def load(self, data: bytes, threads: int, raw: Raw) -> None:
        document = fastobo.load_graph(io.BytesIO(data)).compact_ids()
        self.ont.metadata = self.extract_metadata(document.header)
        self.take_frames(document, raw)


class _Owl(_AtOnce, RdfXMLParser):
    raw: Raw

    def _compact_id(self, iri: str) -> str:
        # pronto would take APOLLO_SV_1 for APOLLO:SV_1
        return compact(iri) if _UNDERSCORED.match(iri) else super()._compact_id(iri)

    def load(self, data: ElementTree.Element, threads: int, raw: Raw) -> None:
        # axioms at the end are about terms before them, so that none can be taken at once
        self.raw = raw
        self._types: dict[tuple[str, str, str], list[str]] = {}
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
        _count_elements(data, raw)
        defined = set(self.ont._terms.entities)
        self.take_rest(raw)
        raw.synonyms += [
            (key, text, scope, kind)
            for (key, text, scope), kinds in self._types.items()
            if key in defined and len(set(kinds)) > 1
            for kind in kinds
        ]
        raw.take_stubs(defined)

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
        # of several types of one synonym pronto keeps the last one
        types = elem.findall(_SYNONYM_TYPE)
        source, about = (elem.find(_OWL + n) for n in ("annotatedSource", "annotatedProperty"))
        target = elem.findtext(_OWL + "annotatedTarget")
        if not types or source is None or about is None or not target:
            return
        found = _SYNONYM.search(about.get(_RESOURCE, ""))
        address = source.get(_RESOURCE)
        if found is None or address is None:
            return
        said = curies.get(address) or self._compact_id(address), target, found.group(1).upper()
        names = [kind.get(_RESOURCE) for kind in types]
        self._types.setdefault(said, []).extend(
            curies.get(n) or self._compact_id(n) if n else kind.text or ""
            for n, kind in zip(names, types, strict=True)
        )

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
    raw, caught = _loaded(format, data, threads or os.cpu_count() or 1)
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


def _loaded(format: str, data: Any, threads: int) -> tuple[Raw, list[warnings.WarningMessage]]:
    raw = Raw()
    ontology: Any = PlainOntology()
    ontology.import_depth = 0
    parser = _PARSERS[format](ontology)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with _refusals(), typechecked.disabled():
            parser.load(data, threads, raw)
        raw.finish(ontology._relationships.entities, ontology.metadata)
    return raw, caught


def _count_qualifiers(data: bytes, raw: Raw) -> None:
    """Count what stands in {} behind clauses, which pronto passes over."""
    first, count = _QUALIFIERS.search(data), 0
    if first is not None:
        count = sum(1 for _ in _QUALIFIERS.finditer(data))
        start, end = data.rfind(b"\n", 0, first.start()) + 1, data.find(b"\n", first.start())
        raw.leave_out("qualifiers in {}", count, data[start:end].decode())


def _count_elements(root: ElementTree.Element, raw: Raw) -> None:
    """Count elements of RDF/XML that pronto passes over."""
    read = {_OWL + name for name in _READ}
    for element in root:
        if element.tag not in read:
            name = str(element.tag).rpartition("}")[2]
            raw.leave_out(name, 1, next(iter(element.attrib.values()), name))
    for element in root.iterfind(f"{_OWL}Class"):
        for said in element.iterfind(f"{_OWL}equivalentClass"):
            if said.text is None or not said.text.strip():
                named = element.get(_ABOUT)
                raw.leave_out("equivalentClass", 1, compact(named) if named else "a class")


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

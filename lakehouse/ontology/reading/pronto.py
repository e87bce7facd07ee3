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
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import fastobo
from pronto.logic.lineage import Lineage
from pronto.ontology import Ontology as PlainOntology
from pronto.parsers.obo import OboParser
from pronto.parsers.obojson import OboJSONParser
from pronto.relationship import RelationshipData
from pronto.term import TermData
from pronto.utils.meta import typechecked

from lakehouse.ontology.model.raw import Raw as Raw

# pronto wraps `dataclass` in a way that type checkers can't follow
_term_data: Any = TermData
_relationship_data: Any = RelationshipData

_PARSE_ERRORS = (SyntaxError, ValueError, KeyError, TypeError, AttributeError, OverflowError)
_QUALIFIERS = re.compile(rb'\{[^\s"{}=]+="')


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


_PARSERS: dict[str, type[Any]] = {"obo": _Obo, "json": _Json}


def load(format: str, data: bytes, threads: int | None = None) -> Raw:
    """Load content of a format with pronto and take its rows.

    Raises:
        Refused: pronto or its parser can't take the content as a whole, or would lose some of it.
    """
    raw = Raw()
    ontology: Any = PlainOntology()
    ontology.import_depth = 0
    parser = _PARSERS[format](ontology)
    # it warns of what has no place in the tables
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with _refusals(), typechecked.disabled():
            parser.load(data, threads or os.cpu_count() or 1, raw)
    raw.finish(ontology._relationships.entities, ontology.metadata)
    return raw


def _count_qualifiers(data: bytes, raw: Raw) -> None:
    """Count what stands in {} behind clauses, which pronto passes over."""
    first, count = _QUALIFIERS.search(data), 0
    if first is not None:
        count = sum(1 for _ in _QUALIFIERS.finditer(data))
        start, end = data.rfind(b"\n", 0, first.start()) + 1, data.find(b"\n", first.start())
        raw.leave_out("qualifiers in {}", count, data[start:end].decode())


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

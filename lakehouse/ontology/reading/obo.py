"""Read OBO text that the strict parser refuses, or would misread: line by line, straight to rows.

What stands there is taken as it was meant, clause by clause; every line that had to be read in
another way than the format says, or that nothing could be made of, is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from lakehouse.ontology.model.model import Repair
from lakehouse.ontology.model.raw import Header, Raw, Term
from lakehouse.ontology.reading import obo_clauses as read

How = tuple[read.Reader, str]

_STANZA = re.compile(r"\s*\[\s*(\w+)\s*\]\s*(.*)$")
_STANZAS = {"term": "Term", "typedef": "Typedef", "instance": "Instance"}
_ID_CLAUSE = re.compile(r"\s*id\s*:")
_CLAUSE = re.compile(r"\s*[\w-]+\s*:")
_NO_CONTINUATION = re.compile(r"\s*$|\s*\[|\s*[\w-]+:\s")
_OPEN_TEXT = re.compile(r'\s*[\w-]+\s*:\s*"(?:[^"\\]|\\.)*+')
_OPEN_LINES = 20
_QUALIFIERS = re.compile(r'\{[^\s"{}=]+="')

_COMMENT = re.compile(rb"(?m)^[ \t]*![^\n]*")
_OPEN_END = re.compile(rb"(?<!\\)(?:\\\\)*\\\n")
_USUAL_IDS = re.compile(rb"\nid:[ \t]*([^\s!{]*)")
_ALL_IDS = re.compile(rb"(?m)^[ \t]*id[ \t]*:[ \t]*([^\s!{]*)")
_IDENTIFYING = tuple(
    tag + b":"
    for tag in (
        *(b"id", b"alt_id", b"is_a", b"replaced_by", b"consider", b"relationship"),
        *(b"disjoint_from", b"equivalent_to", b"union_of", b"intersection_of"),
    )
)

# how the value of a clause is read, and which attribute of a term it is; "" is read and forgotten
_CLAUSES: dict[str, How] = {
    "name": (read.text, "name"),
    "comment": (read.text, "comment"),
    "created_by": (read.text, "created_by"),
    "creation_date": (read.creation_date, "creation_date"),
    "def": (read.definition, "definition"),
    "namespace": (read.ident, "namespace"),
    "is_obsolete": (read.boolean, "obsolete"),
    "is_anonymous": (read.boolean, ""),
    "builtin": (read.boolean, ""),
    "is_a": (read.reference, "parents"),
    "alt_id": (read.reference, "alternate_ids"),
    "replaced_by": (read.reference, "replaced_by"),
    "consider": (read.reference, "consider"),
    "subset": (read.ident, "subsets"),
    "union_of": (read.ident, "union_of"),
    "intersection_of": (read.intersection, "intersection_of"),
    "equivalent_to": (read.ident, "equivalent_to"),
    "disjoint_from": (read.ident, "disjoint_from"),
    "relationship": (read.relationship, "relationships"),
    "synonym": (read.synonym, "synonyms"),
    "xref": (read.xref, "xrefs"),
    "property_value": (read.annotation, "annotations"),
}
_MARKS = (
    *("transitive", "symmetric", "anti_symmetric", "asymmetric", "reflexive", "cyclic"),
    *("functional", "inverse_functional", "metadata_tag", "class_level"),
)
_OF_RELATIONS: dict[str, How] = {
    **_CLAUSES,
    **{f"is_{mark}": (read.boolean, "") for mark in _MARKS},
    **dict.fromkeys(
        ("domain", "range", "inverse_of", "transitive_over", "disjoint_over"), (read.ident, "")
    ),
    **dict.fromkeys(("holds_over_chain", "equivalent_to_chain"), (read.relationship, "")),
    **dict.fromkeys(("expand_assertion_to", "expand_expression_to"), (read.definition, "")),
    "intersection_of": (read.ident, "intersection_of"),
}
_OF_HEADERS: dict[str, How] = {
    "ontology": (read.header_text, "ontology"),
    "data-version": (read.header_text, "data_version"),
    "date": (read.header_date, "date"),
    "default-namespace": (read.first_id, "default_namespace"),
    "property_value": (read.header_annotation, "annotations"),
    "synonymtypedef": (read.declaration, "synonymtypedefs"),
    "subsetdef": (read.declared_id, "subsetdefs"),
    "idspace": (read.idspace, "idspaces"),
    "import": (read.first_id, "imports"),
    "remark": (read.header_text, "remarks"),
    "owl-axioms": (read.header_text, "owl_axioms"),
    **dict.fromkeys(
        ("format-version", "saved-by", "auto-generated-by", "namespace-id-rule"),
        (read.header_text, ""),
    ),
    **dict.fromkeys(
        (
            *("treat-xrefs-as-equivalent", "treat-xrefs-as-is_a", "treat-xrefs-as-has-subclass"),
            *("treat-xrefs-as-genus-differentia", "treat-xrefs-as-relationship"),
            "treat-xrefs-as-reverse-genus-differentia",
        ),
        (read.first_id, ""),
    ),
}
_UNRESERVED: How = (read.header_text, "unreserved")
_TABLES = {"": _OF_HEADERS, "Term": _CLAUSES, "Typedef": _OF_RELATIONS}
_SINGLE = ("name", "def", "comment", "namespace", "is_obsolete")
_OLD_SYNONYMS = {
    "exact_synonym": "EXACT",
    "broad_synonym": "BROAD",
    "narrow_synonym": "NARROW",
    "related_synonym": "RELATED",
}
_OLD_TAGS = {
    "xref_analog": "xref",
    "xref_analogue": "xref",
    "xref_unk": "xref",
    "xref_unknown": "xref",
    "use_term": "consider",
    "alternative_id": "alt_id",
    "altid": "alt_id",
    "definition": "def",
    "obsolete": "is_obsolete",
    "isa": "is_a",
}


def without_comments(data: bytes) -> bytes:
    """Blank whole-line comments: they carry nothing, and inside a frame the parser dies of them."""
    if data.startswith((b"!", b" ", b"\t")) or re.search(rb"\n[ \t]*!", data):
        return _COMMENT.sub(b"", data)
    return data


def misread(data: bytes) -> bool:
    """Whether the strict parser would accept this text and still read something else.

    An id with an escaped colon would be another id, a line that ends in a backslash would swallow
    the clause after it, terms of one id would be merged and instances left out without a word.
    """
    if b"\n[Instance]" in data or (b"\\\n" in data and _OPEN_END.search(data)):
        return True
    ids = _USUAL_IDS.findall(data)
    if len(set(ids)) < len(ids):
        return True
    at = data.find(b"\\:")
    while at >= 0:
        line = data[data.rfind(b"\n", 0, at) + 1 : at]
        if line.startswith(_IDENTIFYING) and not re.search(rb'[!"{]', line):
            return True
        at = data.find(b"\\:", at + 2)
    return False


def read_text(data: bytes) -> tuple[Raw, list[Repair], dict[str, int]]:
    r"""Read OBO text, whatever is odd about it.

    Args:
        data: UTF-8 text with `\n` line ends, without whole-line comments.

    Returns:
        The rows, what was odd, and the lines in which parents and ids stand first, by
        `"is_a: …"` and `"id: …"`.
    """
    ids = [found.replace(b"\\", b"") for found in _ALL_IDS.findall(data)]
    lines = data.decode().split("\n")
    try:
        reader = _Reader(at_once=len(set(ids)) == len(ids))
        reader.run(lines)
    except _Repeated:
        # two spellings of one id
        reader = _Reader(at_once=False)
        reader.run(lines)
    return reader.raw, reader.repairs, reader.places


class _Repeated(Exception):
    """More is said about a term that was let go."""


class _Reader:
    """Takes stanza after stanza.

    Args:
        at_once: Whether a term is let go as soon as its stanza is read; else more may come.
    """

    def __init__(self, *, at_once: bool) -> None:
        self.raw = Raw()
        self.repairs: list[Repair] = []
        self.places: dict[str, int] = {}
        self._header = Header()
        self._terms: set[str] = set()
        self._relations: dict[str, Term] = {}
        self._at_once = at_once
        self._open: dict[str, Term] = {}
        self._first: dict[tuple[str, str], int] = {}
        # the lines of clauses that may stand once in a term
        self._once: dict[str, str] = {}
        self._said: dict[str, dict[str, str]] = {}
        self._types: dict[str, tuple[int, str]] = {}

    def note(self, number: int, line: str, reason: str) -> None:
        self.repairs.append(Repair(number, line, reason))

    def run(self, lines: list[str]) -> None:
        kind, at, clauses = "", 0, list[tuple[int, str]]()
        unknown = ""
        for number, line in self._joined(lines):
            if not line.strip():
                continue
            stanza = _STANZA.match(line)
            if stanza is None:
                if unknown:
                    self.note(number, line, f"clause of an unknown stanza [{unknown}]: dropped")
                else:
                    clauses.append((number, line))
                continue
            named = _STANZAS.get(stanza.group(1).lower(), "")
            unknown = "" if named else stanza.group(1)
            if not named:
                self.note(number, line, "unknown stanza: dropped")
                continue
            if line.strip() != f"[{named}]":
                self.note(number, line, f"stanza read as [{named}]")
            self._stanza(kind, at, clauses)
            kind, at, clauses = named, number, []
        self._stanza(kind, at, clauses)
        self._finish()

    def _joined(self, lines: list[str]) -> Iterator[tuple[int, str]]:
        """Lines with their numbers; one that ends in a backslash or within a text has the next."""
        index = 0
        while index < len(lines):
            line, number = lines[index], index + 1
            parts = [line]
            index += 1
            while (
                parts[-1].endswith("\\")
                and (len(parts[-1]) - len(parts[-1].rstrip("\\"))) % 2
                and index < len(lines)
                and not _NO_CONTINUATION.match(lines[index])
            ):
                parts[-1] = parts[-1][:-1]
                parts.append(lines[index].lstrip())
                index += 1
            if index > number:
                self.note(number, line, "joined with the line after the backslash")
                line = "".join(parts)
            elif '"' in line and _OPEN_TEXT.fullmatch(line):
                line, index = self._closed(line, lines, index)
            yield number, line

    def _closed(self, line: str, lines: list[str], index: int) -> tuple[str, int]:
        """A text that goes on in further lines, up to its end; else the line alone."""
        text = line
        for after, more in enumerate(lines[index : index + _OPEN_LINES], index + 1):
            if _NO_CONTINUATION.match(more):
                break
            text = f"{text}\n{more}"
            if not _OPEN_TEXT.fullmatch(text):
                return text, after
        return line, index

    def _stanza(self, kind: str, at: int, clauses: list[tuple[int, str]]) -> None:
        if kind == "Instance":
            for number, line in ((at, f"[{kind}]"), *clauses):
                self.note(number, line, "an [Instance] is no term: left out")
        elif not kind:
            for number, line in clauses:
                self._clause("", self._header, number, line)
        elif (own := self._identified(kind, at, clauses)) is not None:
            index, key = own
            entity = self._entity(kind, key, *clauses.pop(index))
            for number, line in clauses:
                self._clause(kind, entity, number, line)
            for name in ("union_of", "intersection_of"):
                if len(getattr(entity, name)) == 1:
                    reason = f"{name!r} cannot have a cardinality of 1: the rest was kept"
                    self.raw.notes.append((f"id: {key}", reason))
                    break
            if kind == "Term" and self._at_once:
                self.raw.take_term(entity, entity.parents)

    def _identified(
        self, kind: str, at: int, clauses: list[tuple[int, str]]
    ) -> tuple[int, str] | None:
        """Where the id of a stanza stands, and the id; a stanza without a usable one is dropped."""
        index = next((i for i, (_, line) in enumerate(clauses) if _ID_CLAUSE.match(line)), None)
        reason = "a stanza without an id"
        if index is not None:
            number, line = clauses[index]
            if index:
                self.note(number, line, "id moved to the head of its stanza")
            try:
                key, odd = _value(*_named(line, {"id": (read.own_id, "")})[1:])
            except read.Unreadable:
                reason = f"a stanza with an unusable id {line.strip()!r}"
            else:
                self._note_odd(number, line, odd)
                return index, key
        self.note(at, f"[{kind}]", f"{reason}: dropped")
        for number, line in clauses:
            self.note(number, line, f"clause of {reason}: dropped")
        return None

    def _entity(self, kind: str, key: str, number: int, line: str) -> Term:
        """What is known of a term or relation so far."""
        first = self._first.setdefault((kind, key), number)
        self.places.setdefault(f"id: {key}", number)
        if first != number:
            self.note(number, line, f"duplicate id: merged with line {first}")
        if kind == "Typedef":
            return self._relations.setdefault(key, Term(key))
        if self._at_once and key in self._terms:
            raise _Repeated(key)
        self._terms.add(key)
        if self._at_once:
            self._once = {}
            return Term(key)
        self._once = self._said.setdefault(key, {})
        return self._open.setdefault(key, Term(key))

    def _clause(self, kind: str, entity: Any, number: int, line: str) -> None:
        if kind and _ID_CLAUSE.match(line):
            self.note(number, line, "a second id in one stanza: dropped")
            return
        try:
            tag, reader, why, value = _named(line, _TABLES[kind])
            found, odd = _value(reader, why, value)
        except read.Unreadable as error:
            self.note(number, line, f"{error}: dropped")
            return
        self._note_odd(number, line, odd)
        if kind == "Term":
            self._look(entity, tag, found, number, line)
        if attribute := reader[1]:
            _put(entity, attribute, tag if attribute == "unreserved" else found)

    def _note_odd(self, number: int, line: str, odd: str) -> None:
        if odd:
            self.note(number, line, odd)
        elif "{" in line and (count := len(_QUALIFIERS.findall(line))):
            self.raw.leave_out("qualifiers in {}", count, line)

    def _look(self, term: Term, tag: str, found: Any, number: int, line: str) -> None:
        """Note what a clause says beyond the one place that it has."""
        if tag in _SINGLE:
            if self._once.setdefault(tag, line) != line:
                self.note(number, self._once[tag], f"replaced by {line!r}")
            self._once[tag] = line
        elif tag == "is_a":
            self.places.setdefault(f"is_a: {found}", number)
        elif tag == "synonym":
            if found.type:
                self._types.setdefault(found.type, (number, line))
            other = next((one for one in term.synonyms if one == found), found)
            if other.type != found.type:
                row = (term.id, found.description, found.scope, found.type or "")
                self.raw.synonyms.append(row)

    def _finish(self) -> None:
        for term in self._open.values():
            self.raw.take_term(term, term.parents)
        self.raw.take_stubs(self._terms)
        self.raw.finish(self._relations, self._header)
        for kind, (number, line) in self._types.items():
            if kind not in self.raw.synonym_types:
                self.note(number, line, f"undeclared synonym type {kind!r}: declared")


def _named(line: str, table: dict[str, How]) -> tuple[str, How, str, str]:
    """The tag of a clause, how it is read, why so if another tag is written, and its value.

    Raises:
        Unreadable: There is no tag, or no value.
    """
    written, colon, value = line.partition(":")
    value = value.strip(" \t")
    usual = _CLAUSE.match(line) is not None
    if not value:
        raise read.Unreadable("a clause without a value" if usual else "no clause")
    how = table.get(tag := written.lstrip(" \t"))
    if how is None and usual and table is _OF_HEADERS:
        how = _UNRESERVED
    if how is not None:
        return tag, how, "", value
    name = re.sub(r"[\s-]+", "_", written.strip().lower()) if colon else ""
    if (scope := _OLD_SYNONYMS.get(name)) and "synonym" in table:
        why = f"old tag {written!r}: read as a synonym of scope {scope}"
        return "synonym", (partial(read.old_synonym, scope=scope), "synonyms"), why, value
    name = _OLD_TAGS.get(name, name)
    how = table.get(
        name, _UNRESERVED if table is _OF_HEADERS and re.fullmatch(r"[\w-]+", name) else None
    )
    if how is None:
        raise read.Unreadable(f"unknown tag {written.strip()!r}" if usual else "no clause")
    return name, how, f"tag {written!r} read as {name!r}", value


def _value(how: How, why: str, value: str) -> read.Read:
    """The value of a clause, and all that is odd about the clause."""
    try:
        found, odd = how[0](value)
    except read.Unreadable:
        bare = read.without_qualifiers(value)
        found, odd = how[0](bare) if bare and bare != value else (None, "unreadable")
        if odd:
            raise
        odd = "malformed qualifiers in {} left out"
    return found, "; ".join(filter(None, (why, odd)))


def _put(entity: Any, attribute: str, found: Any) -> None:
    held = getattr(entity, attribute)
    if isinstance(held, set):
        held.add(found)
    elif isinstance(held, dict):
        held.setdefault(found[0], set()).add(found[1])
    elif isinstance(held, list):
        held.append(found)
    else:
        setattr(entity, attribute, found)

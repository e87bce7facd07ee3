"""Load prepared content: strictly if that loses nothing, else leniently, with a list of what was odd."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping

from lakehouse.ontology.model.ids import compact
from lakehouse.ontology.model.model import Repair
from lakehouse.ontology.model.raw import Raw
from lakehouse.ontology.reading import obo, obograph, owl
from lakehouse.ontology.reading import pronto as _pronto
from lakehouse.ontology.reading.obo_clauses import unescape
from lakehouse.ontology.reading.source import Content


def _numbered(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines and their numbers, one at a time: all at once would take several times the text."""
    return ((n, line.rstrip(b"\n")) for n, line in enumerate(io.BytesIO(data), 1))


class Lines:
    """Line numbers of clauses, looked for only when something is to be reported."""

    def __init__(self, data: bytes, known: Mapping[str, int] | None = None) -> None:
        self._data = data
        self._known = known or {}

    def place(self, notes: Iterable[tuple[str, str]]) -> Iterator[Repair]:
        """Notes of `(clause, reason)` with the first line that holds the clause, or 0."""
        notes = list(notes)
        wanted = {clause.encode(): self._known.get(clause, 0) for clause, _ in notes}
        for number, line in _numbered(self._data) if wanted else ():
            tag, _, value = line.partition(b":")
            if tag in (b"is_a", b"id"):
                held = tag + b": " + re.split(rb"[!{]", value, maxsplit=1)[0].strip()
                if wanted.get(held) == 0:
                    wanted[held] = number
        for clause, reason in notes:
            yield Repair(wanted[clause.encode()], clause, reason)


Loaded = tuple[Raw, list[Repair], Lines]


def load(content: Content) -> Loaded:
    """The rows of prepared content, the repairs, and where its clauses stand.

    Raises:
        Refused: It is no XML, or JSON without a graph.
    """
    raw, repairs, lines = _LOADERS[content.format](content.data)
    repairs += lines.place(_former_parents(raw))
    reason = "the parent isn't defined in this file: stub added"
    notes = [*raw.notes, *((f"is_a: {stub}", reason) for stub in raw.stubs)]
    repairs += lines.place(notes)
    return raw, [*content.repairs, *repairs], lines


def _obo(data: bytes) -> Loaded:
    data = obo.without_comments(data)
    if not obo.misread(data):
        try:
            raw = _pronto.load("obo", data)
        except _pronto.Refused:
            raw = None
        if raw is not None and not _repeated(data, raw):
            repairs = list(_undeclared(data, raw))
            if data.count(b"\nsynonym:") > len(raw.synonyms):
                raw.synonyms += _other_types(data, raw)
            return raw, repairs, Lines(data)
    raw, repairs, places = obo.read_text(data)
    return raw, repairs, Lines(b"", places)


def _json(data: bytes) -> Loaded:
    try:
        graph, repairs = obograph.graph_of(data)
    except obograph.NotAGraph as error:
        raise _pronto.Refused(str(error)) from error
    try:
        raw = _pronto.load("json", obograph.dump(graph))
    except _pronto.Refused:
        raw, more = obograph.read_graph(graph)
        repairs += more
    for kind in obograph.BESIDE:
        if (listed := graph.get(kind)) and isinstance(listed, list):
            raw.leave_out(kind, len(listed), obograph.shown(listed[0])[:200])
    types = obograph.synonym_types(graph)
    raw.synonyms = [
        (key, text, scope, other)
        for key, text, scope, kind in raw.synonyms
        for other in ([kind] if kind else types.get((compact(key), text, scope), [""]))
    ]
    return raw, repairs, Lines(b"")


def _owl(data: bytes) -> Loaded:
    try:
        root, repairs = owl.parse(data)
    except owl.NotXml as error:
        raise _pronto.Refused(str(error)) from error
    return owl.read_tree(root), repairs, Lines(b"")


_LOADERS = {"obo": _obo, "json": _json, "owl": _owl}


def _undeclared(data: bytes, raw: Raw) -> Iterator[Repair]:
    missing = {kind for *_, kind in raw.synonyms if kind} - raw.synonym_types
    if not missing:
        return
    mention = re.compile(rb"^synonym:.*\" (?:EXACT|BROAD|NARROW|RELATED) ([^\s\[]+) ?\[")
    for number, line in _numbered(data):
        found = mention.match(line)
        kind = found.group(1).decode() if found else ""
        if kind in missing:
            missing.discard(kind)
            yield Repair(number, line.decode(), f"undeclared synonym type {kind!r}: declared")
    for kind in sorted(missing):
        yield Repair(0, kind, f"undeclared synonym type {kind!r}: declared")


def _former_parents(raw: Raw) -> list[tuple[str, str]]:
    """Parents that aren't defined, but are former ids of a term: that one is meant."""
    now: dict[str, set[str]] = {}
    for key, other in raw.alt_ids:
        if other in raw.stubs:
            now.setdefault(other, set()).add(key)
    heirs = {other: min(keys) for other, keys in now.items() if len(keys) == 1}
    if heirs:
        raw.stubs -= heirs.keys()
        raw.terms = [row for row in raw.terms if row[0] not in heirs]
        raw.parents = [(key, heirs.get(up, up)) for key, up in raw.parents]
    return [(f"is_a: {o}", f"a former id of {k}, which is taken") for o, k in heirs.items()]


_SYNONYM = re.compile(
    rb'synonym:\s*"((?:[^"\\]|\\.)*)"\s+(EXACT|BROAD|NARROW|RELATED)\s*([^\s\[{]*)'
)


def _other_types(data: bytes, raw: Raw) -> Iterator[tuple[str, str, str, str]]:
    """Synonyms that differ from another of their term in the type only, which pronto drops."""
    held = set(raw.synonyms)
    key, inside = "", False
    seen: dict[bytes, bytes] = {}
    for _, line in _numbered(data):
        if line.startswith(b"["):
            inside = line.startswith(b"[Term]")
        elif line.startswith(b"id:"):
            key = re.split(rb"\s+[!{]", line[3:], maxsplit=1)[0].strip().decode()
            seen = {}
        elif inside and line.startswith(b"synonym:") and (found := _SYNONYM.match(line)):
            text, scope, kind = found.groups()
            if seen.setdefault(text + scope, kind) != kind:
                row = (key, unescape(text.decode()), scope.decode())
                yield from (
                    (*row, k.decode())
                    for k in (kind, seen[text + scope])
                    if (*row, k.decode()) not in held
                )


def _repeated(data: bytes, raw: Raw) -> bool:
    """Whether a clause that may stand once in a stanza stands more often, where pronto keeps one."""
    # typedefs have no table, so what is lost of them isn't counted
    others = data.count(b"\n[Typedef]")
    held = {b"name": 1, b"def": 2, b"namespace": 3, b"is_obsolete": 4, b"comment": 7}
    return any(
        data.count(b"\n" + tag + b":")
        > others + sum(row[column] not in (None, False) for row in raw.terms)
        for tag, column in held.items()
    )

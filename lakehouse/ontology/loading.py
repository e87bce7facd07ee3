"""Load prepared content: try it as it is, repair what is refused, and check what is silent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lakehouse.ontology import _pronto, repair, repair_json, repair_owl
from lakehouse.ontology.model import Repair
from lakehouse.ontology.source import Content

Loaded = tuple[bytes, _pronto.Raw, list[Repair]]


def load(content: Content) -> tuple[_pronto.Raw, list[Repair]]:
    """The rows of prepared content, and the repairs.

    Raises:
        Refused: Not even the repaired content loads.
    """
    data, raw, repairs = _LOADERS[content.format](content.data)
    numbered = _Lines(data if content.format == "obo" else b"")
    repairs += [Repair(numbered.of(text), text, reason) for text, reason in raw.notes]
    repairs += _stubs(raw, numbered)
    return raw, [*content.repairs, *repairs]


def _obo(data: bytes) -> Loaded:
    data = repair.without_comments(data)
    repairs: list[Repair] = []
    raw = None
    if not repair.misread(data):
        try:
            raw = _pronto.load("obo", data)
        except _pronto.Refused:
            raw = None
    if raw is None:
        data, repairs = repair.repair(data, _pronto.refusal)
        raw = _pronto.load("obo", data)
    if raw.duplicates or _repeated(data, raw):
        repairs += _silent_merges(data)
    repairs += _undeclared(data, raw)
    return data, raw, repairs


def _json(data: bytes) -> Loaded:
    try:
        graph, repairs = repair_json.graph_of(data)
    except repair_json.NotAGraph as error:
        raise _pronto.Refused(str(error)) from error
    data = repair_json.dump(graph)
    try:
        return data, _pronto.load("json", data), repairs
    except _pronto.Refused:
        graph, more = repair_json.repair(graph, _pronto.graph_refusal)
    data = repair_json.dump(graph)
    return data, _pronto.load("json", data), repairs + more


def _owl(data: bytes) -> Loaded:
    repairs: list[Repair] = []
    if not repair_owl.needs_repair(data):
        try:
            return data, _pronto.load("owl", data), repairs
        except _pronto.Refused:
            repairs = []
    try:
        data, repairs = repair_owl.repair(data)
    except repair_owl.NotXml as error:
        raise _pronto.Refused(str(error)) from error
    return data, _pronto.load("owl", data), repairs


_LOADERS = {"obo": _obo, "json": _json, "owl": _owl}


class _Lines:
    """Line numbers of given clauses, found only when something is to be reported."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def of(self, clause: str) -> int:
        """The first line that starts with a clause, or 0."""
        if not self._data or not clause:
            return 0
        pattern = rb"(?m)^[ \t]*" + re.escape(clause.encode()) + rb"(?=\s|$)"
        found = re.search(pattern, self._data)
        return self._data.count(b"\n", 0, found.start()) + 1 if found else 0


def _stubs(raw: _pronto.Raw, lines: _Lines) -> Iterator[Repair]:
    for stub in sorted(raw.stubs):
        clause = f"is_a: {stub}"
        yield Repair(lines.of(clause), clause, "the parent isn't defined in this file: stub added")


def _undeclared(data: bytes, raw: _pronto.Raw) -> Iterator[Repair]:
    used = {kind for *_, kind in raw.synonyms if kind}
    for kind in sorted(used - raw.synonym_types):
        mention = rb"(?m)^synonym:[^\n]*\b(?:EXACT|BROAD|NARROW|RELATED) " + re.escape(
            kind.encode()
        )
        found = re.search(mention + rb"\s[^\n]*", data)
        number = data.count(b"\n", 0, found.start()) + 1 if found else 0
        text = found.group().decode() if found else kind
        yield Repair(number, text, f"undeclared synonym type {kind!r}: declared")


_SINGLE = (b"name", b"def", b"comment", b"namespace")


def _repeated(data: bytes, raw: _pronto.Raw) -> bool:
    """Whether a clause that may stand once in a stanza stands more often, where pronto keeps one."""
    # typedefs have no table, so what is lost of them isn't counted
    others = data.count(b"\n[Typedef]") + data.count(b"\n[Instance]")
    held = {b"name": 1, b"def": 2, b"comment": 7}
    return any(
        data.count(b"\n" + tag + b":") > others + sum(row[column] is not None for row in raw.terms)
        for tag, column in held.items()
    )


def _silent_merges(data: bytes) -> Iterator[Repair]:
    first: dict[tuple[bytes, bytes], int] = {}
    kind, key = b"", b""
    once: dict[bytes, bytes] = {}
    values: dict[bytes, dict[bytes, bytes]] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        tag, _, value = line.partition(b":")
        if line.startswith(b"["):
            kind = line
        elif tag == b"id" and kind:
            key = value.strip()
            if (kind, key) in first:
                reason = f"duplicate id: merged with line {first[kind, key]}"
                yield Repair(number, line.decode(), reason)
            first.setdefault((kind, key), number)
            once = values.setdefault(key, {})
        elif tag in _SINGLE and kind == b"[Term]":
            before = once.get(tag)
            if before is not None and before != line:
                yield Repair(number, before.decode(), f"replaced by {line.decode()!r}")
            once[tag] = line

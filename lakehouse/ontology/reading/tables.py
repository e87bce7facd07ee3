"""From a reader's rows to sorted Arrow tables that don't depend on the source's format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

import pyarrow as pa

from lakehouse.ontology.model.ids import compact, unescape
from lakehouse.ontology.model.model import SCHEMAS
from lakehouse.ontology.model.raw import Raw

# readable names where a file uses a relation without declaring it
_KNOWN_RELATIONS = {
    "BFO:0000050": "part_of",
    "BFO:0000051": "has_part",
    "BFO:0000062": "preceded_by",
    "BFO:0000063": "precedes",
    "BFO:0000066": "occurs_in",
    "RO:0000052": "characteristic_of",
    "RO:0000053": "has_characteristic",
    "RO:0002202": "develops_from",
    "RO:0002211": "regulates",
    "RO:0002212": "negatively_regulates",
    "RO:0002213": "positively_regulates",
    "RO:0002215": "capable_of",
}


def build(raw: Raw) -> tuple[dict[str, pa.Table], list[tuple[str, str]]]:
    """The tables of an ontology, and notes on what could not be kept apart."""
    short: dict[str, str] = {}

    def key(text: str) -> str:
        found = short.get(text)
        if found is None:
            found = short[text] = compact(text)
        return found

    notes: list[tuple[str, str]] = []
    terms = _terms(raw, key, notes)
    alt_ids = {(key(term), key(other)) for term, other in raw.alt_ids}
    _fold_alternatives(raw, terms, alt_ids, key)
    parents = [(key(term), key(up)) for term, up in raw.parents]
    own = {(term, up) for term, up in parents if term == up}
    notes += [(f"is_a: {up}", "a term can't be its own parent: dropped") for _, up in own]
    relation = _relation_namer(raw, key)
    return {
        "terms": _table("terms", (terms[key] for key in sorted(terms))),
        "synonyms": _table(
            "synonyms", _unique((key(r[0]), *r[1:]) for r in raw.synonyms if r[1].strip())
        ),
        "alt_ids": _table("alt_ids", _unique(alt_ids)),
        "xrefs": _table("xrefs", _unique((key(term), _plain(x)) for term, x in raw.xrefs)),
        "parents": _table("parents", _unique(edge for edge in parents if edge not in own)),
        "relations": _table(
            "relations",
            _unique((key(term), relation(kind), key(to)) for term, kind, to in raw.relations),
        ),
    }, notes


def _plain(xref: str) -> str:
    return unescape(xref) if "\\" in xref else xref


def _unique(rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Rows sorted and without duplicates; they come almost sorted, so that costs little."""
    return sorted(dict.fromkeys(rows))


def _terms(
    raw: Raw, key: Callable[[str], str], notes: list[tuple[str, str]]
) -> dict[str, tuple[object, ...]]:
    terms: dict[str, tuple[object, ...]] = {}
    default = raw.header["namespace"]
    for row in raw.terms:
        term, name, definition, namespace, obsolete, replaced_by, consider, comment = row
        stub = term in raw.stubs
        short = key(term)
        if short in terms:
            if stub:
                continue
            if not terms[short][8]:
                notes.append((f"id: {term}", f"the same term as another spelling of {short}"))
        terms[short] = (
            short,
            _text(name),
            _text(definition),
            namespace or (None if stub else default),
            obsolete,
            _ids(short, replaced_by, key, notes) if replaced_by else replaced_by,
            _ids(short, consider, key, notes) if consider else consider,
            _text(comment),
            stub,
        )
    return terms


def _ids(
    term: str, given: list[str], key: Callable[[str], str], notes: list[tuple[str, str]]
) -> list[str]:
    """Other terms that a term names; free text, which some files have there, is none."""
    found = {key(other) for other in given}
    for text in [other for other in found if re.search(r"\s", other)]:
        found.remove(text)
        notes.append((f"{term} {text}", "not the id of a term: left out"))
    return sorted(re.sub(r"^([A-Za-z]+)_(\d+)$", r"\1:\2", other) for other in found)


def _text(value: str | None) -> str | None:
    return (value.strip() or None) if value else None


def _fold_alternatives(
    raw: Raw,
    terms: dict[str, tuple[object, ...]],
    alt_ids: set[tuple[str, str]],
    key: Callable[[str], str],
) -> None:
    """OWL and JSON write an alternative id as a nameless obsolete term: fold it back."""
    listed = {other for _, other in alt_ids}
    described = {key(row[0]) for row in raw.synonyms} | {key(row[0]) for row in raw.parents}
    for term, row in list(terms.items()):
        _, name, definition, _, obsolete, replaced_by, *_ = row
        if name is not None or definition is not None or not obsolete or term in described:
            continue
        heirs = [other for other in replaced_by if other in terms]  # type: ignore[attr-defined]
        if term in listed:
            del terms[term]
        elif len(heirs) == 1:
            alt_ids.add((heirs[0], term))
            del terms[term]


def _relation_namer(raw: Raw, key: Callable[[str], str]) -> Callable[[str], str]:
    slugs = {key(ident): _slug(name) for ident, name in raw.relation_names.items()}
    shared = {slug for slug, count in Counter(slugs.values()).items() if count > 1}
    taken = {ident for ident in slugs if ":" not in ident}

    def name(ident: str) -> str:
        short = _spelt(key(ident))
        if ":" not in short:
            return short
        slug = _KNOWN_RELATIONS.get(short) or slugs.get(short, "")
        # two relations of one name stay apart under their ids
        return slug if slug and slug not in shared | (taken - {short}) else short

    return name


def _spelt(ident: str) -> str:
    """A relation as the current ontologies spell it: OBO_REL:part_of, obo:BFO_0000050, BFO_0000050."""
    if ident.startswith("OBO_REL:"):
        return ident.removeprefix("OBO_REL:")
    found = re.fullmatch(r"(?:obo:)?(BFO|RO)_(\d{7})", ident)
    return f"{found.group(1)}:{found.group(2)}" if found else ident


def _slug(name: str) -> str:
    return re.sub(r"\W+", "_", name.strip()).strip("_")


def _table(name: str, rows: Iterable[tuple[object, ...]]) -> pa.Table:
    schema = SCHEMAS[name]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    if name == "synonyms":
        columns[2:] = [tuple(value or None for value in column) for column in columns[2:]]
    arrays = [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)

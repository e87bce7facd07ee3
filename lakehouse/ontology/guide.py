"""Reading the ontology files of the package cellxgene-ontology-guide (`.json.zst`).

Such a file is one JSON object from ids to terms, with the ancestors of each term and their
distances. It is read as a stream, some terms at a time, because that of the NCBI taxonomy has
840 MB. Where the package follows part_of as well (anatomy, stages), its ancestors don't tell
it from is_a.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from lakehouse.ontology import kept
from lakehouse.ontology.collector import without_collection
from lakehouse.ontology.model import SCHEMAS, Metadata, Ontology
from lakehouse.ontology.source import unreadable

SUFFIX = ".json.zst"
_PIECE = 32 * 1024 * 1024
_TAIL = 64 * 1024
# the end of one term and the beginning of the next: inner keys, e.g. cross_ontology_terms, are no ids
_BETWEEN = re.compile(rb'\},"[A-Za-z]+(?::[^"]+|_[0-9A-Z]+)":\{')
_VERSION = re.compile(r"-ontology-v?(.+)$")


def read_guide(path: Path, *, keep: kept.Keep = None) -> Ontology:
    """Read one of the package's files; what was read is kept by content hash.

    Raises:
        UnreadableFile: It is missing, damaged, or another kind of file.
    """
    try:
        digest = _sha256(path)
    except OSError as error:
        raise unreadable(str(path), f"{type(error).__name__}: {error}") from error
    shelf = None if keep is False else kept.Shelf.at(keep)
    found = shelf.load(digest) if shelf is not None else None
    if found is None:
        with without_collection():
            found = _parse(path, digest)
        if shelf is not None:
            shelf.store(digest, found)
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _parse(path: Path, digest: str) -> Ontology:
    pieces: dict[str, list[pa.Table]] = {name: [] for name in _KEYS}
    try:
        for terms in _pieces(path):
            for name, columns in _columns(terms).items():
                pieces[name].append(pa.table(columns, schema=SCHEMAS[name]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # pa.ArrowInvalid and orjson's error are ValueErrors
        raise unreadable(str(path), f"a damaged file ({error})") from error
    tables = {
        name: pa.concat_tables(pieces[name]).sort_by([(c, "ascending") for c in _KEYS[name]])
        if pieces.get(name)
        else SCHEMAS[name].empty_table()
        for name in SCHEMAS
    }
    if not len(tables["terms"]):
        raise unreadable(str(path), "not a single term")
    stem = path.name.removesuffix(SUFFIX)
    version = _VERSION.search(stem)
    about = Metadata(
        ontology=stem.partition("-ontology")[0].lower(),
        title=None,
        data_version=version.group(1) if version else None,
        date=None,
        format="cellxgene-json",
        content_hash=digest,
    )
    combined = {name: table.combine_chunks() for name, table in tables.items()}
    return Ontology(**combined, metadata=about)


_KEYS = {
    "terms": ("id",),
    "synonyms": ("id", "synonym"),
    "xrefs": ("id", "xref"),
    "parents": ("id", "parent"),
}


def _pieces(path: Path) -> Iterator[dict[str, Any]]:
    """The object's items, some at a time."""
    rest = b""
    with pa.input_stream(str(path), compression="zstd") as stream:
        while data := stream.read(_PIECE):
            rest += data
            ends = [
                found.start() + 1 for found in _BETWEEN.finditer(rest, max(0, len(rest) - _TAIL))
            ]
            if ends:
                end = ends[-1]
                yield _loaded(rest[:end] + b"}")
                rest = b"{" + rest[end + 1 :]
    yield _loaded(rest)


def _loaded(data: bytes) -> dict[str, Any]:
    found = orjson.loads(data)
    if not isinstance(found, dict):
        raise TypeError("no object of terms")
    return found


def _columns(terms: dict[str, Any]) -> dict[str, list[Any]]:
    """The columns of the tables that the package has something for."""
    rows = terms.values()
    size = len(terms)
    synonyms = [
        (key, text)
        for key, term in terms.items()
        for text in dict.fromkeys(term.get("synonyms", ()))
    ]
    xrefs = [
        (key, other)
        for key, term in terms.items()
        for value in term.get("cross_ontology_terms", {}).values()
        for other in _listed(value)
    ]
    parents = [(key, up) for key, term in terms.items() for up in _parents(term)]
    return {
        "terms": [
            list(terms),
            [row.get("label") or None for row in rows],
            [row.get("description") or None for row in rows],
            [None] * size,
            [bool(row.get("deprecated")) for row in rows],
            [_listed(row.get("replaced_by")) for row in rows],
            [_listed(row.get("consider")) for row in rows],
            [None] * size,
            [False] * size,
        ],
        "synonyms": [
            [key for key, _ in synonyms],
            [text for _, text in synonyms],
            ["EXACT"] * len(synonyms),
            [None] * len(synonyms),
        ],
        "xrefs": [[key for key, _ in xrefs], [other for _, other in xrefs]],
        "parents": [[key for key, _ in parents], [up for _, up in parents]],
    }


def _parents(term: dict[str, Any]) -> list[str]:
    """The nearest ancestors; those in between may belong to an ontology that is left out."""
    above = term.get("ancestors")
    if not above:
        return []
    nearest = min(above.values())
    return [key for key, distance in above.items() if distance == nearest]


def _listed(value: Any) -> list[str]:
    if not value:
        return []
    return [value] if isinstance(value, str) else sorted(map(str, value))

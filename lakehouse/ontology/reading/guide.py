"""Reading the ontology files of the package cellxgene-ontology-guide (`.json.zst`).

Such a file is one JSON object from ids to terms, with the ancestors of each term and their
distances. It is read as a stream, some terms at a time, because that of the NCBI taxonomy has
840 MB. Where the package follows part_of as well (anatomy, stages), its ancestors don't tell
it from is_a.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from lakehouse.ontology.model.ids import compact
from lakehouse.ontology.model.model import SCHEMAS, Metadata, Ontology
from lakehouse.ontology.model.raw import without_collection
from lakehouse.ontology.reading.source import unreadable
from lakehouse.ontology.sources import kept

SUFFIX = ".json.zst"
_PIECE = 32 * 1024 * 1024
_TAIL = 64 * 1024
# the end of one term and the beginning of the next: inner keys, e.g. cross_ontology_terms, are no ids
_BETWEEN = re.compile(rb'\},"[A-Za-z]+(?::[^"]+|_[0-9A-Z]+)":\{')
# the farther ancestors of a term, behind those at distance 1: most of a file, and of no use
_FARTHER = re.compile(rb',(?<=":1,)"[^"]++":(?!1[,}])\d++(?:,"[^"]++":(?!1[,}])\d++)*+(?=\})')
_DOTTED = re.compile(r"^obo\.([A-Za-z]\w*?)_(\w+)$")
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
    found = orjson.loads(_FARTHER.sub(b"", data))
    if not isinstance(found, dict):
        raise TypeError("no object of terms")
    return found


def _columns(terms: dict[str, Any]) -> dict[str, list[Any]]:
    """The columns of the tables that the package has something for."""
    rows, size = list(terms.values()), len(terms)
    said: set[str] = set().union(*rows)
    synonyms = _pairs(terms, "synonyms", dict.fromkeys, said)
    nothing = pa.nulls(size, pa.string())
    return {
        "terms": [
            list(terms),
            [row.get("label") or None for row in rows],
            [row.get("description") or None for row in rows] if "description" in said else nothing,
            nothing,
            [bool(row.get("deprecated")) for row in rows],
            _lists(rows, "replaced_by", said),
            _lists(rows, "consider", said),
            nothing,
            pa.repeat(pa.scalar(False), size),
        ],
        "synonyms": [
            *synonyms,
            pa.repeat(pa.scalar("EXACT"), len(synonyms[0])),
            pa.nulls(len(synonyms[0]), pa.string()),
        ],
        "xrefs": _pairs(terms, "cross_ontology_terms", _crossed, said),
        "parents": _pairs(terms, "ancestors", _nearest, said),
    }


def _lists(rows: list[dict[str, Any]], name: str, said: set[str]) -> Any:
    if name in said:
        return [_listed(row.get(name)) for row in rows]
    return pa.ListArray.from_arrays(np.zeros(len(rows) + 1, np.int32), pa.array([], pa.string()))


def _pairs(
    terms: dict[str, Any], name: str, several: Callable[[Any], Iterable[str]], said: set[str]
) -> list[list[str]]:
    """Ids and what they have under a name, a pair for each of the several."""
    ids: list[str] = []
    others: list[str] = []
    if name not in said:
        return [ids, others]
    for key, term in terms.items():
        value = term.get(name)
        if value:
            found = several(value)
            others += found
            ids += [key] * (len(others) - len(ids))
    return [ids, others]


def _nearest(above: dict[str, int]) -> Iterable[str]:
    """The nearest ancestors; those in between may belong to an ontology that is left out."""
    if len(above) == 1:
        return above
    nearest = min(above.values())
    return [key for key, distance in above.items() if distance == nearest]


def _crossed(others: dict[str, Any]) -> list[str]:
    return [key for value in others.values() for key in _listed(value)]


def _listed(value: Any) -> list[str]:
    """Ids; the package writes those of other terms as IRIs, or as `obo.CL_0000151`."""
    if not value:
        return []
    given = [value] if isinstance(value, str) else map(str, value)
    return sorted({compact(_DOTTED.sub(r"\1:\2", key)) for key in given})

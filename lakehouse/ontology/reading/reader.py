"""Reading an ontology: as it is if possible, else repaired, with every change reported."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from lakehouse.config import notify
from lakehouse.io.uris import is_remote, local_path, text_of
from lakehouse.ontology.model.model import Metadata, Ontology
from lakehouse.ontology.model.raw import without_collection
from lakehouse.ontology.reading.guide import SUFFIX, read_guide
from lakehouse.ontology.reading.source import (
    Content,
    Source,
    content_hash,
    fetch,
    prepare,
    unreadable,
)
from lakehouse.ontology.sources import kept

_LARGE = 1_000_000


def read(source: Source, *, keep: kept.Keep = None) -> Ontology:
    """Read an OBO, OWL (RDF/XML) or OBO-graph JSON file into sorted Arrow tables.

    What the parser refuses is repaired and listed in `Ontology.repairs`; imports are never
    resolved, so nothing goes to the network unless the source itself is a remote URI.

    Args:
        source: Local path, fsspec URI, bytes or handle; plain or .gz, .bz2, .xz, .zst,
            .zip; also the `.json.zst` files of cellxgene-ontology-guide.
        keep: Folder of parsed results by content hash; by default `ontologies` under
            `LAKEHOUSE_CACHE_DIR` or the user's cache folder. False parses anew and keeps nothing.

    Raises:
        UnreadableFile: Missing, empty, truncated, or not an ontology.

    Example:
        >>> read("blood-cells.obo").terms.num_rows
        99
    """
    text = text_of(source) if isinstance(source, str | Path) else ""
    if text.endswith(SUFFIX) and not is_remote(text):
        path = Path(local_path(text))
        if not _is_graph(path):
            return read_guide(path, keep=keep)
    name, raw = fetch(source)
    digest = content_hash(raw)
    if keep is False:
        return _parse(prepare(name, raw), digest)
    shelf = kept.Shelf.at(keep)
    found = shelf.load(digest)
    if found is None:
        if len(raw) > _LARGE:  # it takes seconds, and shows nothing else
            notify(f"reading {Path(name).name} ({len(raw) / 1e6:.1f} MB); it is kept, so only once")
        found = _parse(prepare(name, raw), digest)
        shelf.store(digest, found)
    return found


def _is_graph(path: Path) -> bool:
    """Whether a `.json.zst` is an OBO graph rather than a file of cellxgene-ontology-guide."""
    try:
        with pa.input_stream(str(path), compression="zstd") as stream:
            head = bytes(stream.read(1 << 16))
    except OSError:
        return False
    return re.match(rb'\s*\{\s*"(?:graphs|nodes|id|meta)"\s*:', head) is not None


def _parse(content: Content, digest: str) -> Ontology:
    # the parser and all it needs is imported only when something has to be parsed
    from lakehouse.ontology.reading import load as loading
    from lakehouse.ontology.reading import pronto as _pronto
    from lakehouse.ontology.reading import tables

    try:
        with without_collection():
            raw, repairs, lines = loading.load(content)
            built, notes = tables.build(raw)
    except _pronto.Refused as error:
        raise unreadable(
            content.name, f"{content.format.upper()} beyond repair: {error}"
        ) from error
    if built["terms"].num_rows == 0 and not raw.relation_names:
        why = f", {len(repairs)} lines left out, e.g. {min(repairs)}" if repairs else ""
        raise unreadable(content.name, f"{content.format.upper()} without a single term{why}")
    repairs += lines.place(notes)
    metadata = _metadata(raw.header, content.format, digest)
    return Ontology(
        **built,
        metadata=metadata,
        repairs=tuple(sorted(set(repairs))),
        left_out=raw.all_left_out(),
    )


def _metadata(header: dict[str, object], format: str, digest: str) -> Metadata:
    annotations = header["annotations"]
    assert isinstance(annotations, list)

    def annotated(*names: str) -> str | None:
        for prop, value in annotations:
            if re.split(r"[/#:}-]", prop)[-1] in names:
                return str(value)
        return None

    def text(name: str) -> str | None:
        value = header[name]
        return str(value) if value else None

    return Metadata(
        ontology=text("ontology"),
        title=annotated("title"),
        data_version=text("data_version") or annotated("versionInfo"),
        date=text("date") or annotated("date"),
        format=format,
        content_hash=digest,
    )

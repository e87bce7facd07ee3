"""From what a caller names to what a public source holds, and the `Source` that stands for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.bionty._sources.content import (
    Content,
    as_content,
    as_meant,
    digest_of,
    read_address,
    read_found,
    read_path,
)
from lakehouse.bionty._sources.source import Source, manifest_source
from lakehouse.errors import InvalidArgument, MissingFile, OrganismNotSet, SourceUnavailable, near
from lakehouse.io.uris import is_remote, name_of
from lakehouse.ontology import Ontology, extract, manifests, own_prefix, read
from lakehouse.ontology.sources.kept import Shelf
from lakehouse.ontology.sources.manifest import Manifest, manifest_of
from lakehouse.ontology.sources.obtain import locate, obtain, unavailable
from lakehouse.ontology.sources.organisms import usual_name
from lakehouse.orm import QuerySet, current_lake
from lakehouse.terms.inspect import quiet_creation

if TYPE_CHECKING:
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta

ALL = "all"
_PREFERRED = ("vertebrates", ALL)
# what is meant where nobody names an organism
_USUAL = (*_PREFERRED, "human")


@dataclass(frozen=True)
class Given:
    """What a source holds, where it came from, and its row if it has one already."""

    content: Content
    url: str | None = None
    source: Source | None = None
    manifest: Manifest | None = None


def resolve(registry: type[Any], what: Any, organism: str | None = None) -> Given:
    """The content that a caller means; the network is used only if nothing else has it.

    Raises:
        InvalidArgument: Nothing says which one.
        SourceUnavailable: It isn't on this machine and can't be fetched.
        UnreadableFile: The file can't be read.
    """
    meta = registry.meta
    if what is None:
        what = used_source(current_lake(), meta, organism)
    if isinstance(what, Source):
        return Given(content_of(what, network=True), what.url, what, what.manifest())
    if isinstance(what, Manifest):
        found = obtain(what)
        content = as_meant(read_found(found, what.organism), what)
        return Given(content, found.origin, None, what)
    content = as_content(what)
    if content is not None:
        return Given(content)
    if isinstance(what, bytes) or hasattr(what, "read"):
        return Given(read(what))
    # a path of any file system
    if not isinstance(what, str | Path) and not hasattr(what, "read_bytes"):
        raise InvalidArgument(
            f"{meta.name}.import_source doesn't take this.",
            found=f"{what!r} ({type(what).__name__})",
            expected="a bt.Source, a path or URI, the name of an ontology, or a table",
        )
    return _resolve_text(meta, str(what), organism)


def _resolve_text(meta: RegistryMeta, text: str, organism: str | None) -> Given:
    if is_remote(text):
        return Given(read_address(text), text)
    path = Path(text).expanduser()
    if path.exists():
        return Given(read_path(path), str(path.absolute()))
    shipped = {Path(m.extract).stem for m in manifests().values() if m.extract}
    if text.removesuffix(".obo") in shipped:
        return Given(read(extract(text)), str(extract(text)))
    species = None if organism is None else usual_name(organism)
    known = manifest_of(meta.cls.__name__, text.lower(), species) or manifests().get(text.lower())
    if known is not None:
        return resolve(meta.cls, known)
    if path.name == text and not path.suffix:  # a bare word is a name rather than a path
        names = {m.source_name for m in manifests().values() if m.entity == meta.cls.__name__}
        names |= shipped
        raise MissingFile(
            f"There is no ontology {text!r}, and no file of this name.",
            expected=", ".join(near(text, sorted(names)) or sorted(names)),
            hint="bt.base.display_sources() lists the ontologies that are known",
        )
    return Given(read_path(path), str(path.absolute()))  # the error for a missing file


# -- rows of sources -----------------------------------------------------------------------


def used_source(lake: Lake, meta: RegistryMeta, organism: str | None = None) -> Any:
    """The source of a registry that is used now: a `Source`, or a manifest if there is no row.

    Raises:
        InvalidArgument: There is none.
        OrganismNotSet: There is one for each of several organisms.
    """
    query: QuerySet[Source] = QuerySet(Source, lake)
    found = list(query.filter(entity=meta.name, currently_used=True))
    if not found:
        name = meta.cls.__name__
        found = [m for m in manifests().values() if m.entity == name and m.used]  # type: ignore[misc]
    if organism is not None:
        organism = usual_name(organism)
        found = [s for s in found if usual_name(str(s.organism)) == organism] or [
            s for s in found if s.organism in _PREFERRED
        ]
    if len(found) > 1 and meta.cls.require_organism():
        raise OrganismNotSet(
            f"{meta.name} has sources for several organisms.",
            expected=f"one of {', '.join(sorted(str(s.organism) for s in found))}",
            hint="pass organism='human', or set bt.settings.organism = 'human'",
        )
    for preferred in _USUAL:
        found = [s for s in found if s.organism == preferred] or found
    if not found:
        raise _no_source(meta, organism)
    return found[-1] if isinstance(found[-1], Source) else found[0]


def _no_source(meta: RegistryMeta, organism: str | None) -> InvalidArgument:
    name = meta.cls.__name__
    error = OrganismNotSet if organism and meta.cls.require_organism() else InvalidArgument
    own = [m for m in manifests().values() if m.entity == name]
    organisms = sorted({m.organism for m in own})
    close = near(organism, organisms) if organism else organisms
    return error(
        f"{meta.name} has no source{f' for {organism!r}' if organism else ''}.",
        expected=", ".join(close or organisms) or None,
        hint=f"bt.{name}.import_source('path/to/file'), or bt.{name}.add_source(…)",
    )


def content_of(source: Source, *, network: bool) -> Content:
    """What a source holds: its data frame, what was read before, its file, a package, the network.

    Args:
        source: The source.
        network: Whether it may be fetched.

    Raises:
        SourceUnavailable: It isn't to be had.
    """
    if (kept_frame := source.dataframe_artifact) is not None:
        table: pa.Table = _plain(pa.Table.from_pandas(kept_frame.load()))
        return table.drop_columns([c for c in table.column_names if c.startswith("__index")])
    known = source.manifest()
    kept = Shelf.at(None).load(source.sha256) if source.sha256 else None
    if kept is not None:
        return as_meant(kept, known)
    if source.url and not is_remote(source.url) and Path(source.url).exists():
        return read_path(Path(source.url))
    if known is not None:
        release = str(source.version or known.version)
        found = obtain(known, release) if network else locate(known, release)
        if found is None:
            raise unavailable(known, release)
        return as_meant(read_found(found, known.organism), known)
    if network and source.url and is_remote(source.url):
        return read_address(source.url)
    raise SourceUnavailable(
        f"The source {source.name!r} {source.version or ''} isn't kept on this machine.",
        found=f"url={source.url!r}",
        hint=f"bt.{str(source.entity).rpartition('.')[2]}.import_source('path/to/file')",
    )


def source_for(meta: RegistryMeta, given: Given, organism: str | None) -> Source:
    """The source that stands for some content, made or brought up to date, not saved."""
    digest = digest_of(given.content) or _table_digest(given.content)
    source = given.source
    if source is None:
        source = _new_source(meta, given, organism)
    if source.entity != meta.name:
        raise InvalidArgument(
            f"{source!r} is a source for another registry.",
            found=source.entity,
            expected=meta.name,
        )
    if source.sha256 != digest or source.url is None:
        source.sha256 = digest
        source.url = given.url or source.url
    source.in_db = True
    if isinstance(given.content, Ontology) or given.manifest is not None:
        source.currently_used = True
    return source


def _new_source(meta: RegistryMeta, given: Given, organism: str | None) -> Source:
    if given.manifest is not None:
        return manifest_source(given.manifest)
    if not isinstance(given.content, Ontology):
        name = _stem(given.url) if given.url else "table"
        return Source(entity=meta.name, organism=organism or ALL, name=name)
    about = given.content.metadata
    prefix = own_prefix(given.content)
    known = next((m for m in manifests().values() if m.prefix == prefix), None)
    name = about.ontology or (_stem(given.url) if given.url else prefix)
    with quiet_creation():
        return Source(
            entity=meta.name,
            organism=organism or (known.organism if known else ALL),
            name=name or "ontology",
            version=about.version,
            source_website=known.homepage if known else None,
            description=about.title or (known.title if known else None),
        )


def _stem(url: str) -> str:
    # of zip://inside.csv::archive.zip the first one names what it is
    return name_of(url.partition("::")[0]).partition(".")[0]


def _table_digest(content: Content) -> str:
    table = content if isinstance(content, pa.Table) else content.terms
    digest = hashlib.sha256()
    for batch in table.replace_schema_metadata().combine_chunks().to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()


def with_source(given: Given, source: Source | None) -> Given:
    """The same content under a source that the caller chose."""
    return given if source is None else replace(given, source=source)


def _plain(table: pa.Table) -> pa.Table:
    """A table whose texts have one type: those of pandas 3 come as large ones."""
    texts = {f.name: pa.string() for f in table.schema if pa.types.is_large_string(f.type)}
    fields = [f.with_type(texts.get(f.name, f.type)) for f in table.schema]
    return table.cast(pa.schema(fields, metadata=table.schema.metadata))

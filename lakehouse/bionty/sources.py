"""From what a caller names to a read ontology, and the `Source` that stands for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.bionty.source import Source
from lakehouse.errors import InvalidArgument
from lakehouse.ontology import Ontology, extract, manifests, own_prefix, read
from lakehouse.ontology.kept import Shelf
from lakehouse.orm import QuerySet

if TYPE_CHECKING:
    from lakehouse.orm.lake import Lake
    from lakehouse.orm.meta import RegistryMeta

ALL = "all"


@dataclass(frozen=True)
class Given:
    """An ontology, where it came from, and its source if it has one already."""

    ontology: Ontology
    url: str | None = None
    source: Source | None = None


def resolve(lake: Lake, meta: RegistryMeta, what: Any, organism: str | None = None) -> Given:
    """The ontology that a caller means.

    Raises:
        InvalidArgument: Nothing says which one.
        UnreadableFile: The file can't be read.
    """
    if what is None:
        what = current_source(lake, meta, organism)
    if isinstance(what, Ontology):
        return Given(what)
    if isinstance(what, Source):
        ontology = ontology_of(what)
        if ontology is None:
            raise _unresolved(
                meta,
                f"The ontology of {what.name!r} {what.version or ''} isn't kept on this machine.",
            )
        return Given(ontology, what.url, what)
    if isinstance(what, bytes) or hasattr(what, "read"):
        return Given(read(what))
    text = str(what)
    if "://" in text:
        return Given(read(text), text)
    path = Path(text).expanduser()
    if not path.exists() and (found := _known_name(text)) is not None:
        return Given(read(found), found)
    return Given(read(path), str(path.absolute()))


def _known_name(text: str) -> str | None:
    """The path of an extract, or the address of an ontology, that is named shortly."""
    shipped = {Path(m.extract).stem for m in manifests().values() if m.extract}
    if text.removesuffix(".obo") in shipped:
        return str(extract(text))
    known = manifests().get(text.lower())
    return known.address() if known else None


def current_source(lake: Lake, meta: RegistryMeta, organism: str | None = None) -> Source:
    """The source of a registry that is currently used.

    Raises:
        InvalidArgument: There is none.
    """
    found = _sources(lake, meta).filter(currently_used=True)
    if organism is not None:
        found = found.filter(organism=organism)
    source = found.last()
    if source is None:
        raise _unresolved(meta, f"{meta.name} has no source yet.")
    return source


def _sources(lake: Lake, meta: RegistryMeta) -> QuerySet[Source]:
    found: QuerySet[Source] = QuerySet(Source, lake)
    return found.filter(entity=meta.name)


def _unresolved(meta: RegistryMeta, message: str) -> InvalidArgument:
    name = meta.cls.__name__
    own = [m for m in manifests().values() if m.entity == name]
    shipped = [f"bt.{name}.import_source({Path(m.extract).stem!r})" for m in own if m.extract]
    addresses = [m.address() for m in own]
    where = f", e.g. of {addresses[0]}" if addresses else ""
    return InvalidArgument(
        message,
        expected=f"the path or address of an OBO, OWL or OBO-graph JSON file{where}",
        hint=f"{shipped[0]} imports the small extract that ships with lakehouse"
        if shipped
        else f"bt.{name}.import_source('path/to/ontology.obo')",
    )


def ontology_of(source: Source) -> Ontology | None:
    """The ontology of a source: its kept tables, else its file or address."""
    kept = kept_ontology(source.hash)
    if kept is not None:
        return kept
    url = source.url
    if url and ("://" in url or Path(url).exists()):
        return read(url)
    found = _known_name(str(source.name).rpartition("/")[2])
    return read(found) if found else None


def kept_ontology(digest: str | None) -> Ontology | None:
    """The kept tables of an ontology by content hash, if they are on this machine."""
    return Shelf.at(None).load(digest) if digest else None


def source_for(meta: RegistryMeta, given: Given, organism: str | None) -> Source:
    """The source that stands for an ontology, made or brought up to date, not saved.

    Args:
        meta: The registry that is filled.
        given: The ontology.
        organism: Organism that the source is for.
    """
    about = given.ontology.metadata
    source = given.source
    if source is None:
        prefix = own_prefix(given.ontology)
        known = next((m for m in manifests().values() if m.prefix == prefix), None)
        name = about.ontology or (Path(given.url).name.partition(".")[0] if given.url else prefix)
        source = Source(
            entity=meta.name,
            organism=organism or (known.organism if known else ALL),
            name=name or "ontology",
            version=about.version,
            source_website=known.homepage if known else None,
            description=about.title or (known.title if known else None),
        )
    if source.entity != meta.name:
        raise InvalidArgument(
            f"{source!r} is a source for another registry.",
            found=source.entity,
            expected=meta.name,
        )
    if source.hash != about.content_hash or source.url is None:
        source.hash = about.content_hash
        source.url = given.url or source.url
    source.in_db = True
    source.currently_used = True
    return source


def superseded(lake: Lake, source: Source) -> list[Source]:
    """The sources that are no longer the used ones when this one is."""
    rivals = _sources(lake, source._lake.directory.get(str(source.entity)).meta)
    used = rivals.filter(organism=source.organism, currently_used=True)
    return [rival for rival in used if rival.uid != source.uid]

"""Reading the dataset of a Croissant document: JSON-LD in the spellings that are met.

The format: https://docs.mlcommons.org/croissant/docs/croissant-spec.html. Properties may be
prefixed (`cr:`, `sc:`) or full IRIs, and where a list is meant, one value may stand alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import upath

from lakehouse.errors import InvalidArgument, MissingFile, UnreadableFile

_PLAIN = ("@value", "@id", "url", "name")  # what stands for a node where a text is wanted


@dataclass(frozen=True)
class Resource:
    """One entry of the distribution: a file, or a set of files.

    Attributes:
        id: Its `@id`.
        url: Its `contentUrl`, or "".
        is_set: Whether it is a `FileSet`.
        is_container: Whether it only holds others, like a git repository.
        containers: The ids of the archive or folder that it lies in.
        includes, excludes: Patterns of the files of a set.
        checksums: Hexadecimal digests by algorithm.
    """

    id: str
    url: str = ""
    is_set: bool = False
    is_container: bool = False
    containers: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    checksums: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        where = f" with the contentUrl {self.url!r}" if self.url and self.url != self.id else ""
        return f"{self.id!r}{where}"


@dataclass(frozen=True)
class Dataset:
    """What a Croissant document tells of a dataset.

    Attributes:
        name: Its name.
        description: What it is, or None.
        version: A tag, or None.
        licenses, projects: Their names, or URLs.
        resources: Its files.
        folder: Where the document lies, if it is a file.
    """

    name: str
    description: str | None
    version: str | None
    licenses: tuple[str, ...]
    projects: tuple[str, ...]
    resources: tuple[Resource, ...]
    folder: str | None


def read(given: Any) -> Dataset:
    """The dataset of a document: a path or URI, JSON text, or what JSON text says.

    Raises:
        InvalidArgument: It is neither, or has no name or no files.
        MissingFile: Nothing is at the path.
        UnreadableFile: What is there is no JSON.
    """
    folder = None
    if isinstance(given, str) and given.lstrip().startswith("{"):
        given = _parsed(given, "the text")
    elif isinstance(given, str | os.PathLike):
        path = upath.UPath(os.path.expanduser(given) if isinstance(given, str) else given)
        if not path.is_file():
            raise MissingFile(f"File not found: {str(path)!r}.", hint="check the path")
        folder = str(path.parent)
        given = _parsed(path.read_bytes(), repr(str(path)))
    return _dataset(_root(given), folder)


def _parsed(text: str | bytes, called: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UnreadableFile(
            f"A Croissant document is JSON; {called} can't be read as such.", found=str(error)
        ) from error


def _root(given: Any) -> dict[str, Any]:
    """The node of the dataset, which may lie in a list or in a graph."""
    nodes = list(_each(given.get("@graph", given) if isinstance(given, Mapping) else given))
    found = [_named(node) for node in nodes if isinstance(node, Mapping)]
    datasets = [node for node in found if "Dataset" in _types(node)] if len(found) > 1 else found
    if len(datasets) == 1 and len(found) == len(nodes):
        return datasets[0]
    raise InvalidArgument(
        "croissant_data must describe one dataset: a file path, JSON text, or dictionary.",
        found=f"{len(datasets)} datasets" if found else f"a {type(given).__name__}",
        hint='ln.integrations.curate_from_croissant("metadata.json")',
    )


def _dataset(node: dict[str, Any], folder: str | None) -> Dataset:
    name = _text(node.get("name"))
    if not name:
        raise InvalidArgument(
            "CroissantML must have a 'name' field.",
            found=", ".join(sorted(k for k in node if not k.startswith("@"))) or "nothing",
        )
    resources = tuple(_resource(entry) for entry in _each(node.get("distribution")))
    if not resources:
        raise InvalidArgument(
            f"No file distributions found in croissant data {name!r}.",
            expected='"distribution": [{"@type": "cr:FileObject", "@id": "cells.csv"}]',
        )
    return Dataset(
        name=name,
        description=_text(node.get("description")) or None,
        version=_text(node.get("version")) or None,
        licenses=_texts(node.get("license")),
        projects=_texts(node.get("projectName")),
        resources=resources,
        folder=folder,
    )


def _resource(entry: Any) -> Resource:
    node = {"@id": entry} if isinstance(entry, str) else entry
    if not isinstance(node, Mapping):
        raise InvalidArgument(
            "An entry of the distribution is an object.",
            found=repr(entry),
            expected='{"@type": "cr:FileObject", "@id": …, "contentUrl": …}',
        )
    node = _named(node)
    url = _text(node.get("contentUrl"))
    label = _text(node.get("@id")) or url or _text(node.get("name"))
    if not label:
        raise InvalidArgument("No file path found in croissant distribution.", found=repr(entry))
    sums = [(a, _text(node.get(a)).lower()) for a in ("sha256", "md5")]
    return Resource(
        id=label,
        url=url,
        is_set="FileSet" in _types(node),
        is_container=_text(node.get("encodingFormat")).startswith("git"),
        containers=_texts(node.get("containedIn")),
        includes=_texts(node.get("includes")),
        excludes=_texts(node.get("excludes")),
        checksums=tuple((name, value) for name, value in sums if value),
    )


def _named(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node with local names for keys: `cr:recordSet` and full IRIs become `recordSet`."""
    short = {key: value for key, value in node.items() if _local(key) == key}
    return {_local(key): value for key, value in node.items()} | short


def _local(name: str) -> str:
    return name if name.startswith("@") else name.rpartition("/")[2].rpartition(":")[2]


def _types(node: Mapping[str, Any]) -> set[str]:
    return {_local(name) for name in _texts(node.get("@type"))}


def _each(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        yield from value
    elif value is not None:
        yield value


def _text(value: Any) -> str:
    """A value as text: a number too, the first of several, a node by what stands for it."""
    if isinstance(value, list | tuple):
        return _text(value[0]) if value else ""
    if isinstance(value, Mapping):
        plain = _named(value)
        found = next((plain[key] for key in _PLAIN if plain.get(key)), None)
        if found is None and all(isinstance(v, str) for v in value.values()):
            found = value.get("en", next(iter(value.values()), None))  # texts by language
        return _text(found)
    return "" if value is None else str(value).strip()


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in map(_text, _each(value)) if text))


def folder_of(dataset: Dataset) -> list[Any]:
    """Where relative paths start: beside the document, and in the working directory."""
    beside = [] if dataset.folder is None else [upath.UPath(dataset.folder)]
    return [*beside, Path()]

"""Datasets that come with Croissant metadata, the JSON-LD vocabulary of MLCommons."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import upath

from lakehouse import storage
from lakehouse.engine.query.view import in_one_view
from lakehouse.errors import InvalidArgument, MissingFile, UnreadableFile, ValidationError
from lakehouse.formats import suffix_of
from lakehouse.formats.confined import check_folder
from lakehouse.io.uris import READ_ONLY, STORES, is_remote, is_uri, local_path, parsed
from lakehouse.orm import current_lake
from lakehouse.orm.session.batch import batch_on
from lakehouse.registries import Artifact, Collection, Project, ULabel
from lakehouse.registries.artifact.place import home_of

LICENSE = "License"


@in_one_view
def curate_from_croissant(croissant_data: Any, run: Any = None) -> Artifact | Collection:
    """Save the files of a Croissant document, annotated with what it says of them.

    All is saved in one commit, or nothing. The license becomes a label of the type `License`,
    `cr:projectName` a project, the version the version's tag. Files are searched beside the
    document, and then in the working directory; those with a `sha256` or `md5` are checked.

    Args:
        croissant_data: The path or URI of the document, its text, or a dictionary.
        run: The run that does it.

    Returns:
        The artifact; a collection with the dataset's name as key if there are several files.

    Raises:
        InvalidArgument: The document has no name or no files.
        MissingFile: The document, or a file that it lists, isn't there.
        UnreadableFile: The document is no JSON.
        ValidationError: A file has other content than the document says.

    Example:
        >>> path, _ = ln.examples.croissant.mini_immuno()
        >>> artifact = ln.integrations.curate_from_croissant(path)
        >>> artifact.projects.to_list("name")
        ['Mini Immuno Project']
    """
    dataset = read(croissant_data)
    files = locate(dataset)
    lake = current_lake()
    with batch_on(lake, f"curated the Croissant dataset {dataset.name!r}"):
        labels = list(_labels(dataset.licenses))
        projects = [_one(Project, name=name, is_type=False) for name in dataset.projects]
        told = dataset.name
        if dataset.description:
            told += f" - {dataset.description}"
        artifacts = [
            Artifact(
                file.path,
                key=None if home_of(lake, str(file.path)) else file.key,
                description=told if len(files) == 1 else None,
                kind="dataset",
                version_tag=dataset.version,
                run=run,
            ).save()
            for file in files
        ]
        for artifact in artifacts:
            _annotate(artifact, labels, projects)
        if len(artifacts) == 1:
            return artifacts[0]
        collection = Collection(
            artifacts,
            key=dataset.name,
            description=dataset.description,
            version=dataset.version,
            run=run,
        ).save()
        _annotate(collection, labels, projects)
        return collection


def _labels(licenses: Iterable[str]) -> Iterable[ULabel]:
    if licenses:
        kind = _one(ULabel, name=LICENSE, is_type=True)
        yield from (_one(ULabel, name=name, type=kind, is_type=False) for name in licenses)


def _one(registry: Any, **fields: Any) -> Any:
    """The record with these fields, saved if there is none."""
    return registry.filter(**fields).order_by("uid").first() or registry(**fields).save()


def _annotate(record: Any, labels: list[ULabel], projects: list[Project]) -> None:
    if labels:
        record.ulabels.add(*labels)
    if projects:
        record.projects.add(*projects)


# -- Reading the dataset of a Croissant document: JSON-LD in the spellings that are met


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


# -- Finding the files that a Croissant document lists, and checking that they are those


@dataclass(frozen=True)
class Located:
    """A file or folder of a dataset, and the key that it gets."""

    path: Any
    key: str


def locate(dataset: Dataset) -> list[Located]:
    """The files and folders of a dataset, in order and each once.

    What lies in an archive that is itself listed comes with that archive.

    Raises:
        MissingFile: One isn't there.
        ValidationError: A file's content isn't the one that the document means.
    """
    found = {resource: _found(resource, dataset) for resource in dataset.resources}
    for resource, files in found.items():
        for file in files:
            _check_confined(file.path, resource, dataset)
    opened = {name for resource, files in found.items() if files for name in resource.containers}
    listed = {resource.id for resource in dataset.resources}
    unique: dict[str, Located] = {}
    for resource, files in found.items():
        if not files and not (resource.is_container or listed.intersection(resource.containers)):
            raise _missing(resource, dataset)
        for file in files:
            if resource.id in opened and file.path.is_dir():
                continue  # its files are listed one by one
            _check(file, resource)
            unique.setdefault(_identity(file.path), file)
    if not unique:
        raise _missing(dataset.resources[0], dataset)
    return list(unique.values())


def _missing(resource: Resource, dataset: Dataset) -> MissingFile:
    sought = dict.fromkeys(str(path) for _, path in _candidates(resource, dataset))
    return MissingFile(
        f"No file path found in croissant distribution for {resource}.",
        expected=" or ".join(sought),
        hint="put the file beside the document, or give its path as contentUrl",
    )


def _found(resource: Resource, dataset: Dataset) -> list[Located]:
    """The file that a resource names, or the files of its set."""
    for name, path in _candidates(resource, dataset):
        if _exists(path):
            return [Located(path, _key(path, resource.id, name))]
    if not resource.is_set:
        return []
    for root in _roots(resource, dataset):
        if files := [Located(p, p.relative_to(root).as_posix()) for p in _matches(root, resource)]:
            return files
    return []


def _candidates(resource: Resource, dataset: Dataset) -> Iterator[tuple[str, Any]]:
    """Where a resource may lie, as it is named there: the folder of the document goes first."""
    for name in dict.fromkeys(n for n in (resource.id, resource.url) if n):
        if is_remote(name):
            yield name, _remote(name, resource)
            continue
        local = _local_croissant_files(name, resource)
        if os.path.isabs(local):
            yield local, Path(local)
            continue
        for root in (*folder_of(dataset), *_roots(resource, dataset)):
            yield local, root / local


def _local_croissant_files(name: str, resource: Resource) -> str:
    """A path as it is, and what a `file://` URI means."""
    if not is_uri(name):
        return name
    try:
        return local_path(name)
    except InvalidArgument as error:
        raise _unread(name, resource, error.found) from error


def _remote(uri: str, resource: Resource) -> Any:
    try:
        address = parsed(uri)
    except InvalidArgument as error:
        raise _unread(uri, resource, error.found or error.message) from error
    if address.scheme == "memory":  # the memory of this process is nobody's dataset
        raise _unread(uri, resource, "memory://")
    try:
        return upath.UPath(address.given)
    except ValueError as error:
        raise InvalidArgument(
            f"No files can be read from {uri!r}.", found=str(error), hint="download the file"
        ) from error


def _unread(uri: str, resource: Resource, found: Any) -> InvalidArgument:
    known = sorted((STORES | READ_ONLY) - {"file", "memory"})
    return InvalidArgument(
        f"No files are read from {uri!r}, which the document gives for {resource.id!r}.",
        found=found,
        expected=", ".join(f"{scheme}://" for scheme in known),
        hint="download the file, and put it beside the document",
    )


def _roots(resource: Resource, dataset: Dataset) -> list[Any]:
    """The folders that a resource may lie in: its containers, or where the document lies."""
    starts = folder_of(dataset)
    names = {name: [name] for name in resource.containers}
    for other in dataset.resources:
        if other.id in names and other.url and not is_remote(other.url):
            names[other.id].append(_local_croissant_files(other.url, other))
    inside = [root / name for found in names.values() for name in found for root in starts]
    if any(path.is_file() for path in inside):
        return []  # in an archive
    return [path for path in inside if path.is_dir()] or starts


def _check_confined(path: Any, resource: Resource, dataset: Dataset) -> None:
    """Refuse a file of this machine that is no part of the dataset.

    A document comes from somebody else. What it may name lies in the folder of the document, in
    the working directory, or in a storage location of the lake.

    Raises:
        InvalidArgument: It lies elsewhere, links resolved.
    """
    if not isinstance(path, Path):
        if ".." in str(path).split("/"):
            raise _outside(str(path), resource)
        return
    real = os.path.realpath(path)
    starts = [str(start) for start in folder_of(dataset) if isinstance(start, Path)]
    locations = (row["root"] for row in current_lake().state.arrow("storage").to_pylist())
    for root in (*starts, *(root for root in locations if not is_remote(root))):
        base = os.path.realpath(root)
        if real == base or real.startswith(base.rstrip("/") + "/"):
            break
    else:
        raise _outside(real, resource)
    if os.path.isdir(real):
        check_folder(Path(real))


def _outside(path: str, resource: Resource) -> InvalidArgument:
    return InvalidArgument(
        f"The document names a file outside of its folder for {resource}.",
        found=repr(path),
        expected="a path below the folder of the document or the working directory",
        hint="put the file beside the document",
    )


def _exists(path: Any) -> bool:
    if not isinstance(path, Path):
        return storage.exists(str(path))
    try:
        return path.exists()
    except OSError:  # no name that a file could have
        return False


def _matches(root: Any, resource: Resource) -> list[Any]:
    """The visible files in a folder that the patterns of a set name."""
    for pattern in (*resource.includes, *resource.excludes):
        if any("**" in part and part != "**" for part in pattern.split("/")):
            raise InvalidArgument(
                f"A pattern of the file set {resource.id!r} can't be used.",
                found=pattern,
                expected="** only as a whole folder name: **/*.csv",
            )
    try:
        wanted = {p for pattern in resource.includes for p in root.glob(pattern.lstrip("/"))}
        unwanted = {p for pattern in resource.excludes for p in root.glob(pattern.lstrip("/"))}
    except ValueError as error:
        raise InvalidArgument(
            f"A pattern of the file set {resource.id!r} can't be used.", found=str(error)
        ) from error
    visible = (p for p in wanted - unwanted if ".." not in p.parts and p.is_file())
    return sorted(
        p for p in visible if not any(n.startswith(".") for n in p.relative_to(root).parts)
    )


def _key(path: Any, *names: str) -> str:
    """The resource's own name if it can be the key of this file, else the name of the file."""
    suffix = suffix_of(path.name).lower()
    for name in names:
        parts = PurePosixPath(name).parts
        usable = parts and "://" not in name and "\\" not in name and not name.startswith("/")
        if usable and ".." not in parts and suffix_of(name).lower() == suffix:
            return PurePosixPath(name).as_posix()
    return str(path.name)


def _identity(path: Any) -> str:
    return str(path.resolve()) if isinstance(path, Path) else str(path)


def _check(file: Located, resource: Resource) -> None:
    """Compare a file's digest with the one that the document gives."""
    if resource.is_set or not file.path.is_file():
        return
    for algorithm, expected in resource.checksums:
        if not re.fullmatch("[0-9a-f]+", expected):
            continue  # documents without a digest are known to give a URL instead
        with file.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, algorithm).hexdigest()
        if digest != expected:
            raise ValidationError(
                f"The file {str(file.path)!r} is not the one that the document means.",
                found=f"{algorithm} {digest}",
                expected=f"{algorithm} {expected}",
                hint="get the file again, or correct the document",
            )

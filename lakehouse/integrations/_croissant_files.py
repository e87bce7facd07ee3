"""Finding the files that a Croissant document lists, and checking that they are those."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import upath

from lakehouse import storage
from lakehouse.errors import InvalidArgument, MissingFile, ValidationError
from lakehouse.formats import suffix_of
from lakehouse.formats.confined import check_folder
from lakehouse.integrations._jsonld import Dataset, Resource, folder_of
from lakehouse.orm import current_lake
from lakehouse.uris import READ_ONLY, STORES, is_remote, is_uri, local_path, parsed


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
        local = _local(name, resource)
        if os.path.isabs(local):
            yield local, Path(local)
            continue
        for root in (*folder_of(dataset), *_roots(resource, dataset)):
            yield local, root / local


def _local(name: str, resource: Resource) -> str:
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
            names[other.id].append(_local(other.url, other))
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

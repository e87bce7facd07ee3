"""Datasets that lead out of themselves: links to other files, and content that would run.

A file or folder that somebody else made may name other files of the machine that reads it: HDF5
knows external links, raw data in other files and virtual datasets; a folder may hold symbolic
links, and Zarr metadata names. Whoever saved or loaded such a dataset would publish those files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lakehouse._lazy import require
from lakehouse.errors import UnreadableFile
from lakehouse.io.uris import is_remote
from lakehouse.text.redaction import redacted

_METADATA = frozenset({"zarr.json", ".zarray", ".zmetadata", ".zgroup"})
_RUNS = "pickle"
_HINT = "if you trust it, copy what it names into the dataset, then save that"

_checked: dict[str, tuple[int, ...]] = {}
_MOST_CHECKED = 1_000


def check_hdf5(root: Any, path: Path) -> None:
    """Refuse an HDF5 file that leads to another file.

    Args:
        root: Its opened root group.
        path: The file, for the message.

    Raises:
        UnreadableFile: It has an external link, raw data in another file, or a virtual dataset
            of another file.
    """
    if _known(path):
        return
    h5py = require("h5py", "read HDF5 files")
    _refuse(path, list(_outward_nodes(h5py, root)))


def _outward_nodes(h5py: Any, root: Any) -> Iterator[str]:
    """What leads to other files, found group by group, each once: links may make circles."""
    seen = set()
    pending = [("", root.id)]
    while pending:
        prefix, group = pending.pop()
        for raw in group:
            name = prefix + os.fsdecode(raw)
            kind = group.links.get_info(raw).type
            if kind == h5py.h5l.TYPE_EXTERNAL:
                file = os.fsdecode(group.links.get_val(raw)[0])
                yield f"the external link {name!r} to {file!r}"
            if kind != h5py.h5l.TYPE_HARD:
                continue
            node = h5py.h5o.open(group, raw)
            address = h5py.h5o.get_info(node).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(node, h5py.h5g.GroupID):
                pending.append((f"{name}/", node))
            elif isinstance(node, h5py.h5d.DatasetID):
                yield from _outward_data(h5py, name, node.get_create_plist())


def _outward_data(h5py: Any, name: str, plist: Any) -> Iterator[str]:
    if plist.get_external_count():
        yield f"the dataset {name!r} with raw data in {os.fsdecode(plist.get_external(0)[0])!r}"
    elif plist.get_layout() == h5py.h5d.VIRTUAL:
        files = (plist.get_virtual_filename(i) for i in range(plist.get_virtual_count()))
        yield from (f"the virtual dataset {name!r} of {f!r}" for f in files if f != ".")


def check_folder(path: Path) -> None:
    """Refuse a folder that leads out of itself, or whose Zarr metadata does.

    Raises:
        UnreadableFile: A symbolic link in it leads out, or Zarr metadata names a path outside or a
            codec that runs what it reads.
    """
    if _known(path):
        return
    base = os.path.realpath(path)
    _refuse(path, [*_outward_links(path, base), *_outward_metadata(path)])


def check_soma(experiment: Any, path: str) -> None:
    """Refuse a SOMA experiment with members that lie elsewhere; none of those is opened.

    Args:
        experiment: The opened experiment.
        path: Its folder or URI, for the message.

    Raises:
        UnreadableFile: It has one.
    """
    base = _soma_place(path)
    outward, pending = [], [("", experiment)]
    while pending:
        prefix, group = pending.pop()
        for name, (uri, kind) in group.members().items():
            if not _soma_place(uri).startswith(base.rstrip("/") + "/"):
                outward.append(f"the member {prefix + name!r} at {redacted(uri)!r}")
            elif kind == "SOMAGroup":
                pending.append((f"{prefix}{name}/", group[name]))
    _refuse(Path(path), outward, note=False)


def _soma_place(uri: str) -> str:
    local = uri.removeprefix("file://")
    return local if is_remote(local) else os.path.realpath(local)


def check_links(path: Path) -> None:
    """Refuse a folder with a symbolic link that leads out of it.

    Raises:
        UnreadableFile: There is one.
    """
    _refuse(path, list(_outward_links(path, os.path.realpath(path))), note=False)


def _refuse(path: Path, outward: list[str], *, note: bool = True) -> None:
    if outward:
        more = f", and {len(outward) - 1} more" if len(outward) > 1 else ""
        raise UnreadableFile(
            f"{str(path)!r} isn't read, since it leads out of itself.",
            found=outward[0] + more,
            expected="a dataset that holds all of its data, and only data",
            hint=_HINT,
        )
    if note and (stamp := _stamp(path)) is not None:
        if len(_checked) >= _MOST_CHECKED:
            _checked.clear()
        _checked[os.path.abspath(path)] = stamp


def _known(path: Path) -> bool:
    """Whether a dataset was looked at since it was last written, as far as its time tells."""
    return _checked.get(os.path.abspath(path)) == _stamp(path) is not None


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def _entries(path: Path) -> Iterator[os.DirEntry[str]]:
    pending = [os.fspath(path)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                yield entry


def _outward_links(path: Path, base: str) -> Iterator[str]:
    for entry in _entries(path):
        if entry.is_symlink():
            target = os.path.realpath(entry.path)
            if target != base and not target.startswith(base.rstrip("/") + "/"):
                name = os.path.relpath(entry.path, path)
                yield f"the symbolic link {name!r} to {os.readlink(entry.path)!r}"


def _outward_metadata(path: Path) -> Iterator[str]:
    for entry in _entries(path):
        if entry.name not in _METADATA or not entry.is_file():
            continue
        text = Path(entry.path).read_bytes()
        if b".." not in text and _RUNS.encode() not in text and b"\\u" not in text:
            continue
        name = os.path.relpath(entry.path, path)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            continue  # which its reader will say
        for said in _names(found):
            if said.rpartition(".")[2] == _RUNS:
                yield f"the codec {said!r} in {name!r}, which runs code"
            elif ".." in said.split("/"):
                yield f"the path {said!r} in {name!r}"


def _names(metadata: Any) -> Iterator[str]:
    """Names of nodes, codecs and separators; attributes are the user's."""
    pending = [metadata]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            for key, value in node.items():
                if key in ("attributes", "fill_value") or key.endswith(".zattrs"):
                    if key.endswith(".zattrs"):
                        yield key
                    continue
                if key == "metadata" and isinstance(value, dict):
                    yield from value
                if key in ("id", "name", "dimension_separator", "separator") and isinstance(
                    value, str
                ):
                    yield value
                pending.append(value)

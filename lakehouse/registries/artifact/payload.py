"""What an artifact is made from: a path, or an object in memory that is written first."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lakehouse import storage
from lakehouse.errors import (
    InconsistentKey,
    InvalidArgument,
    MissingFile,
    TypeMismatch,
    UnreadableFile,
)
from lakehouse.formats import format_for, format_in, format_of, suffix_of
from lakehouse.formats.annotated.rewrite import Changes, rewrite
from lakehouse.formats.base import Description, Format
from lakehouse.formats.confined import check_links
from lakehouse.io import uris
from lakehouse.storage import ContentHash, Noted


@dataclass(eq=False)
class Payload:
    """The content of a new artifact, before it is stored.

    Attributes:
        path: Where it lies now: a local path, or a URI with the credentials that were given.
        suffix: Its suffix.
        format: The format of the suffix, if there is an adapter.
        owned: Whether we wrote the file, so that it may be moved instead of copied.
        obj: The object that it was written from.
        options: fsspec options of a remote path.
        content: Its hash and size, once known.
        stated: Its size as the file system told it.
        noted: What it looked like before it was judged.
        judged: Its hash as it was known before it was stored.
        steady: Whether it was the same all the time while it was judged.
    """

    path: str = field(repr=False)
    suffix: str
    format: Format | None
    owned: bool = False
    obj: Any = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    content: ContentHash | None = None
    stated: int | None = None
    noted: Noted | None = None
    judged: ContentHash | None = None
    steady: bool = True

    @property
    def remote(self) -> bool:
        """Whether the content lies behind a URI."""
        return storage.is_remote(self.path)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder on this machine."""
        return not self.remote and os.path.isdir(self.path)

    def size(self) -> int:
        """Bytes, without reading the content."""
        if self.content is not None:
            return self.content.size
        if self.stated is None:
            self.stated = storage.stat_size(self.path, options=self.options or None)
        return self.stated

    def note(self) -> None:
        """Note what a file of somebody else looks like, before it is judged."""
        if self.noted is None and not self.owned and not self.remote and self.path:
            self.noted = Noted.of(self.path)

    def is_as_judged(self) -> bool:
        """Whether what was stored, or lies at the path still, is what was judged."""
        if not self.steady:
            return False
        if self.judged is not None:
            return self.content is not None and self.content.hash == self.judged.hash
        return self.noted is None or self.noted.is_same(self.content)

    def is_unchanged(self) -> bool:
        """Whether nobody touched a file since before it was judged."""
        return self.noted is None or self.noted.is_unmoved()

    def own(self) -> None:
        """Take over a file that was made for this payload only."""
        self.owned, self.noted, self.steady = True, None, True

    def set_stored(self, content: ContentHash) -> None:
        """Note what was stored."""
        self.judged = self.content
        self.content = content

    def hashed(self) -> ContentHash:
        """The content hash; reads the content where it isn't known yet."""
        if self.content is None:
            self.note()
            self.content = (self.noted and self.noted.content) or storage.hash_path(
                self.path, options=self.options or None
            )
        return self.content

    def describe(self, at: Path) -> Description | None:
        """Slots and row counts of structured content, read from a local copy."""
        if self.format is None:
            return None
        if at.is_dir() and self.format.otype == "DataFrame":
            return _of_parts(self.format, at)
        return self.format.describe(at)


def _of_parts(adapter: Format, folder: Path) -> Description:
    """The description of a table in several files: the first one's columns, all rows."""
    check_links(folder)  # or a file that isn't of the folder's would be told of, or read
    parts = sorted(
        p
        for p in folder.rglob("*")
        if p.is_file() and not any(n.startswith((".", "_")) for n in p.relative_to(folder).parts)
    )
    if not parts:
        raise UnreadableFile(f"The folder {str(folder)!r} has no file of a table in it.")
    found = [adapter.describe(p) for p in parts]
    rows = [f.n_observations for f in found]
    total = None if None in rows else sum(r or 0 for r in rows)
    first = found[0]
    components = {s: replace(c, n_rows=total) for s, c in first.components.items()}
    return replace(first, n_observations=total, components=components)


def from_path(path: str | os.PathLike[str], key: str | None) -> Payload:
    """The payload of a file or folder.

    Raises:
        MissingFile: Nothing is there.
        InconsistentKey: The key has another suffix than the file.
    """
    text = os.fspath(path) if not hasattr(path, "protocol") else str(path)
    options = dict(getattr(path, "storage_options", None) or {})
    if not text.strip():
        raise InvalidArgument("An artifact needs a path.", found=repr(text))
    if not storage.is_remote(text):
        text = os.path.abspath(os.path.expanduser(storage.local_path(text)))
    else:
        uris.tell_unkept(text)
    if not storage.exists(text, options=options or None):
        raise MissingFile(
            f"There is no file or folder {text!r}.",
            hint="check the path, or pass an object in memory",
        )
    suffix = suffix_of(text).lower()
    if key is not None:
        wanted = suffix_of(key)
        if wanted.lower() != suffix:
            raise InconsistentKey(
                f"The suffix of the key {key!r} is not the one of the file.",
                found=wanted or "no suffix",
                expected=suffix or "no suffix",
                hint=f"pass key={_with_suffix(key, wanted, suffix)!r}",
            )
    adapter = format_for(f"x{suffix}") if suffix else None
    if adapter is None and os.path.isdir(text):
        adapter = format_in(text)
        if adapter is not None and adapter.otype != "DataFrame":
            adapter = None  # a folder of plain files is just a folder
    return Payload(text, suffix, adapter, options=options)


def _with_suffix(key: str, old: str, new: str) -> str:
    return (key[: -len(old)] if old else key) + new


def from_object(
    obj: Any, key: str | None, *, format: str | None = None, kwargs: Mapping[str, Any] | None = None
) -> Payload:
    """The payload of an object in memory, written to a temporary file of our own.

    Raises:
        InvalidArgument: No format takes the object, or the key's format doesn't.
    """
    adapter = format_of(obj)
    if adapter is None:
        raise TypeMismatch(
            "An artifact can't be made from this object.",
            found=f"{type(obj).__module__}.{type(obj).__name__}",
            expected="a path, a DataFrame (pandas, polars), a pyarrow Table, an AnnData, a MuData, "
            "a SpatialData or a SOMA experiment",
            hint="write it to a file and pass the path",
        )
    suffix = f".{format.removeprefix('.')}" if format else (suffix_of(key) if key else "")
    suffix = suffix.lower()
    if suffix and suffix not in adapter.suffixes:
        wanted = format_for(f"x{suffix}")
        if wanted is None or wanted.otype != adapter.otype:
            raise InconsistentKey(
                f"A {type(obj).__name__} can't be stored under a key with this suffix.",
                found=suffix,
                expected=", ".join(adapter.suffixes),
            )
        adapter = wanted
    elif not suffix:
        suffix = adapter.suffixes[0]
        if key is not None:
            raise InconsistentKey(
                f"The key {key!r} needs the suffix of the format to store.",
                expected=suffix,
                hint=f"pass key={key + suffix!r}",
            )
    folder = tempfile.mkdtemp(prefix="lakehouse-")
    payload = Payload(os.path.join(folder, f"data{suffix}"), suffix, adapter, owned=True, obj=obj)
    weakref.finalize(payload, shutil.rmtree, folder, ignore_errors=True)
    adapter.write(obj, Path(payload.path), **dict(kwargs or {}))
    return payload


def changed_payload(payload: Payload, at: Path, changes: Changes) -> Payload:
    """The payload of a copy of a file that has changes; the file stays as it is.

    Args:
        payload: Of the file.
        at: Where it lies on this machine.
        changes: What is other in the copy.
    """
    folder = tempfile.mkdtemp(prefix="lakehouse-")
    target = os.path.join(folder, f"data{payload.suffix}")
    made = Payload(target, payload.suffix, payload.format, owned=True)
    weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
    rewrite(at, Path(target), changes)
    return made


def payload_of(
    data: Any,
    key: str | None,
    *,
    format: str | None = None,
    kwargs: Mapping[str, Any] | None = None,
) -> Payload:
    """The payload of a path or an object."""
    if (
        isinstance(data, str | os.PathLike)
        or hasattr(data, "__fspath__")
        or hasattr(data, "protocol")
    ):
        return from_path(data, key)
    return from_object(data, key, format=format, kwargs=kwargs)

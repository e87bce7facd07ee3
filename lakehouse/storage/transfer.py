"""Storing, moving and removing files and folders on any backend.

Targets are local paths or URIs; `options` are the fsspec options of a URI. Content is read
once and hashed on the way. A failure leaves nothing at the target.

Example:
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.txt").write_text("hello")
    >>> store(folder / "a.txt", str(folder / "lake" / "b.txt"))
    ContentHash(hash='Rvt0CNTyhSKPSvUW6iWFGw', size=5, n_files=None)
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lakehouse.errors import InvalidArgument
from lakehouse.io import filesystem
from lakehouse.io.progress import Advance, tracked
from lakehouse.io.uris import is_remote, local_path, normal, text_of
from lakehouse.storage import local, remote
from lakehouse.storage.failures import reported
from lakehouse.storage.hashing import ContentHash, Write
from lakehouse.storage.local import write_many
from lakehouse.storage.remote import RemoteStore
from lakehouse.storage.source import WORKERS, Entry, Source, source_of

AnyPath = str | os.PathLike[str]
Options = Mapping[str, Any] | None


def hash_path(path: AnyPath, *, options: Options = None) -> ContentHash:
    """Hash a file or folder, local or remote, without copying it."""
    source = source_of(path, options)
    return source.each(source.read)


def store(
    source: AnyPath,
    target: AnyPath,
    *,
    progress: Advance | bool | None = None,
    options: Options = None,
    saved_at: int | None = None,
) -> ContentHash:
    """Copy a file or folder, hashing it while it is read once.

    A local copy is durable (fsync of file and folder) before its name appears. What is at
    the target already is replaced.

    Args:
        source: Local path, URI or UPath.
        target: Local path or URI of the copy itself, not of the folder to put it into.
        progress: See `lakehouse.io.progress.tracked`.
        options: fsspec options of the target.
        saved_at: The second that the stamp of a local copy tells; see `lakehouse.storage.stamps`.

    Raises:
        NoWriteAccess: The target refuses writes.
        StorageError: The source can't be read, or the target is full or unreachable.
    """
    found = source_of(source)
    found.check_confined()
    place = text_of(target)
    with tracked(os.path.basename(place), found.size, progress) as advance:
        if is_remote(place):
            return _upload(found, remote.connect(place, _options(target, options)), advance)
        return local.write(found, local_path(place), advance, saved_at)


def store_many(
    pairs: Sequence[tuple[AnyPath, AnyPath]],
    *,
    workers: int = WORKERS,
    progress: Advance | bool | None = None,
    options: Options = None,
    saved_at: int | None = None,
) -> list[ContentHash]:
    """Copy many files or folders at once, as durably as `store` does.

    If one fails, none of the new copies stays; targets that held something before keep it or
    hold the new content.

    Args:
        pairs: Source and target of each copy; no target twice.
        workers: Threads.
        progress, saved_at: See `store`.
        options: fsspec options of the targets.

    Returns:
        The content hashes in the order of the pairs.
    """
    targets = [normal(text_of(target)) for _, target in pairs]
    if len(set(targets)) < len(targets):
        raise InvalidArgument("Two files can't be stored at one target.")
    sources = [source_of(source) for source, _ in pairs]
    for source in sources:
        source.check_confined()
    far = [is_remote(target) for target in targets]
    total = sum(source.size for source in sources)
    with tracked(f"{len(targets)} files", total, progress) as advance:
        if not any(far):
            return write_many(sources, targets, workers, advance, saved_at) if pairs else []
        if all(far):
            return _upload_many(sources, targets, workers, advance, options)
    raise InvalidArgument("Local and remote targets can't be mixed in one call.")


def move_in(
    source: AnyPath,
    target: AnyPath,
    *,
    known: ContentHash | None = None,
    options: Options = None,
    saved_at: int | None = None,
) -> ContentHash:
    """Move a file or folder that we own to a target; a rename on the same file system.

    Args:
        source: Local path; gone afterwards.
        target: Local path or URI.
        known: Its content hash, if it was computed already.
        options: fsspec options of the target.
        saved_at: See `store`.
    """
    path, place = local_path(text_of(source)), text_of(target)
    if not is_remote(place):
        place = local_path(place)
        content = known or hash_path(path)
        with reported("store", place, writing=True):
            local.make_folders([os.path.dirname(place)])
            filesystem.hand_over(path, os.path.dirname(place))
            local.settle_tree(path)
            if saved_at is not None:
                local.mark_saved(source_of(path), path, content, saved_at)
            try:
                local.put_in_place(path, place)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            else:
                local.sync_folder(os.path.dirname(place))
                return content
    content = store(path, target, options=options, saved_at=saved_at)
    local.remove(path)
    return content


def remove(target: AnyPath, *, options: Options = None) -> bool:
    """Remove a file or folder.

    Returns:
        False if nothing was there.
    """
    place = text_of(target)
    if is_remote(place):
        return remote.connect(place, _options(target, options)).remove()
    return local.remove(local_path(place))


def exists(target: AnyPath, *, options: Options = None) -> bool:
    """Whether a file or folder is at the target."""
    place = text_of(target)
    if is_remote(place):
        return remote.connect(place, _options(target, options)).exists()
    return os.path.lexists(local_path(place))


def stat_size(target: AnyPath, *, options: Options = None) -> int:
    """Bytes of a file, or of all files in a folder."""
    return source_of(target, options).size


def _upload(source: Source, store: RemoteStore, advance: Advance | None) -> ContentHash:
    if not source.is_folder:
        return _put(source, source.files[0], store, advance)
    before = {name for name, _, _ in store.files()}
    put: list[str] = []

    def one(entry: Entry) -> ContentHash:
        content = _put(source, entry, store.child(entry.name), advance)
        put.append(entry.name)
        return content

    try:
        content = source.each(one)
    except BaseException:
        for name in set(put) - before:
            store.child(name).remove()
        raise
    for name in before - {file.name for file in source.files}:
        store.child(name).remove()
    return content


def _upload_many(
    sources: Sequence[Source],
    targets: Sequence[str],
    workers: int,
    advance: Advance | None,
    options: Options,
) -> list[ContentHash]:
    fresh: list[RemoteStore] = []

    def one(source: Source, target: str) -> ContentHash:
        store = remote.connect(target, options)
        before = store.exists() if source.is_folder else store.has_file()
        content = _upload(source, store, advance)
        if not before:
            fresh.append(store)
        return content

    try:
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(one, sources, targets))
    except BaseException:
        for store in fresh:
            store.remove()
        raise


def _put(source: Source, entry: Entry, store: RemoteStore, advance: Advance | None) -> ContentHash:
    def read(write: Write) -> ContentHash:
        def counted(block: memoryview) -> None:
            write(block)
            if advance is not None:
                advance(len(block))

        return source.read(entry, counted)

    return store.put(read, entry.size)


def _options(path: AnyPath, options: Options) -> Options:
    return options or getattr(path, "storage_options", None)

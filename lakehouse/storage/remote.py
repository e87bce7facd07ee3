"""Object stores and other file systems through fsspec; s3fs and the like load on first use."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from lakehouse._lazy import require
from lakehouse.errors import InvalidArgument, MissingExtra, StorageError
from lakehouse.io.uris import client_errors, normal, remote_filesystem, scheme_of
from lakehouse.storage.failures import reported
from lakehouse.storage.hashing import ContentHash, Write

ONE_PUT = 8 << 20  # up to here one request stores a file, which is atomic everywhere
_PART = 32 << 20


@dataclass(frozen=True, slots=True)
class RemoteStore:
    """One place on a remote file system: a file, a folder, or nothing yet.

    Attributes:
        uri: The place as a URI, without credentials.
        fs: The fsspec file system.
        path: The place as the file system writes it.
        errors: What the file system raises besides `OSError`.
    """

    uri: str
    fs: Any = field(repr=False)
    path: str = field(repr=False)  # it may have a login or a signature in it
    errors: tuple[type[Exception], ...]

    def guard(self, action: str, *, writing: bool = False) -> AbstractContextManager[None]:
        """Turn failures of the block into `StorageError`s."""
        return reported(action, self.uri, writing=writing, also=self.errors)

    def child(self, name: str) -> RemoteStore:
        """The place of a file in this folder; itself for the empty name."""
        if not name:
            return self
        return RemoteStore(f"{self.uri}/{name}", self.fs, f"{self.path}/{name}", self.errors)

    def files(self) -> Iterator[tuple[str, str, int]]:
        """Relative name, path and size of every file here; the file itself has no name."""
        with self.guard("list"):
            self.fs.invalidate_cache()
            if self.fs.isfile(self.path):
                found = {self.path: self.fs.info(self.path)}
            else:
                found = self.fs.find(self.path, detail=True)
        base = self.path.rstrip("/")
        for path, info in found.items():
            name = path[len(base) :].lstrip("/") if path != self.path else ""
            if name or info["type"] == "file":
                yield name, path, int(info["size"] or 0)

    def open(self, path: str) -> BinaryIO:
        """Open a file for sequential reading."""
        with self.guard("read"):
            return cast(
                BinaryIO, self.fs.open(path, "rb", block_size=_PART, cache_type="readahead")
            )

    def put(self, read: Callable[[Write], ContentHash], size: int) -> ContentHash:
        """Store one file here that `read` hands over block by block; all of it or nothing."""
        with self.guard("store", writing=True):
            if size <= ONE_PUT:
                buffer = io.BytesIO()
                content = read(buffer.write)
                self.fs.pipe_file(self.path, buffer.getvalue())
                return content
            return self._put_in_parts(read)

    def _put_in_parts(self, read: Callable[[Write], ContentHash]) -> ContentHash:
        before = self.has_file()
        sink = self.fs.open(self.path, "wb", block_size=_PART, autocommit=False)
        try:
            content = read(sink.write)
            sink.close()
            sink.commit()
        except BaseException:
            sink.discard()
            if isinstance(
                sink, require("fsspec.spec", "reach remote storage").AbstractBufferedFile
            ):
                sink.closed = True  # else its finaliser would upload what is buffered
            if not before and self.has_file():
                self.fs.rm_file(self.path)
            raise
        return content

    def fetch(self, path: str, target: str) -> None:
        """Download one file, in concurrent parts where the file system can."""
        with self.guard("read"):
            self.fs.get_file(path, target)

    def exists(self) -> bool:
        """Whether a file or folder is here."""
        return any(True for _ in self.files())  # an emptied folder may leave a marker behind

    def has_file(self) -> bool:
        """Whether a file is here, without listing."""
        with self.guard("read"):
            return bool(self.fs.isfile(self.path))

    def remove(self) -> bool:
        """Remove the file or folder here; False if there is none."""
        if not self.path.strip("/").partition("/")[2] and scheme_of(self.uri) != "memory":
            raise InvalidArgument(
                f"Refusing to remove {self.uri!r}.",
                found="a whole bucket",
                expected="a file or folder in it",
            )
        if not self.exists():
            return False
        with self.guard("remove", writing=True):
            self.fs.rm(self.path, recursive=True)
        return True


def connect(uri: str, options: Mapping[str, Any] | None = None) -> RemoteStore:
    """The place that a URI names.

    Args:
        uri: For example `"s3://bucket/prefix"`.
        options: fsspec options, e.g. `endpoint_url`, `key` and `secret` for S3. What is not
            given is taken from the usual variables (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`,
            `AWS_SECRET_ACCESS_KEY`, `FSSPEC_S3_…`).

    Raises:
        MissingExtra: The scheme's package isn't installed.
        InvalidArgument: No such scheme is known.
    """
    scheme = scheme_of(uri)
    given, uri = uri, normal(uri)
    try:
        fs, path = remote_filesystem(given, options)
    except ImportError as error:
        raise MissingExtra(
            f"A package is missing to reach {uri!r}.",
            found=str(error),
            hint="pip install 'lakehouse[s3]'" if scheme == "s3" else "install that package",
        ) from error
    except ValueError as error:
        raise InvalidArgument(
            f"{uri!r} is not a place that can be reached.",
            found=str(error),
            expected="a path or a URI such as s3://bucket/prefix",
        ) from error
    except OSError as error:
        raise StorageError(f"Could not reach {uri!r}.", found=str(error)) from error
    return RemoteStore(uri, fs, path, client_errors(scheme))

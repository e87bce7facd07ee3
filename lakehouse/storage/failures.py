"""Errors of operating systems and object stores, told as `StorageError`s."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from lakehouse.errors import LakehouseError, NoWriteAccess, StorageError
from lakehouse.text.redaction import harmless

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextmanager
def reported(
    action: str,
    path: str,
    *,
    writing: bool = False,
    also: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Turn an `OSError` of the block into a `StorageError` that names the path.

    Args:
        action: What is being done, as in "could not {action} {path}".
        path: What it is done to.
        writing: Whether refused permission means that the location refuses writes.
        also: Further exceptions of the backend to turn.
    """
    failures: tuple[type[Exception], ...] = (OSError, *also)
    try:
        yield
    except LakehouseError:
        raise  # StorageError is an OSError too and already says more
    except failures as error:
        found = storage_error(error, action, path, writing=writing)
        # a traceback shows the cause as well, which must not tell what the error doesn't
        raise found from harmless(error)


def storage_error(
    error: BaseException, action: str, path: str, *, writing: bool = False
) -> StorageError:
    """The `StorageError` for a failure, with what the caller needs to mend it."""
    code = getattr(error, "errno", None)
    message = f"Could not {action} {path!r}."
    if code in _FULL:
        return StorageError(
            f"{message} The storage is full.",
            found=f"{os.strerror(int(code or 0))}; {_free(path)}",
            hint="free space there, or store elsewhere: ln.setup.init(storage=…)",
        )
    if isinstance(error, PermissionError) or code in _REFUSED:
        kind = NoWriteAccess if writing else StorageError
        return kind(
            message,
            found=str(error),
            expected="permission to write" if writing else "permission to read",
            hint="check the owner and mode of the path, or the credentials",
        )
    if isinstance(error, FileNotFoundError) or code == errno.ENOENT:
        where = getattr(error, "filename", None) or path
        return StorageError(message, found=f"nothing at {where!r}", hint="check its spelling")
    return StorageError(message, found=f"{type(error).__name__}: {error}")


def _free(path: str) -> str:
    folder = path
    while not os.path.isdir(folder):
        parent = os.path.dirname(folder)
        if parent == folder:
            return "free space unknown"
        folder = parent
    try:
        return f"{shutil.disk_usage(folder).free:,} bytes free in {folder!r}"
    except OSError:
        return "free space unknown"

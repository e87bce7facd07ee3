"""Small files written whole: a temporary file that nobody can foresee, then a rename."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

from lakehouse.io import filesystem


def write_whole(path: str | os.PathLike[str], data: bytes, *, mode: int | None = None) -> None:
    """Write a file in the place of another, atomically; no link is followed.

    Args:
        path: The file; where a link lies there, the link is replaced.
        data: Its content.
        mode: Its permissions; those that the folder gives by default.

    Raises:
        OSError: It can't be written; what was there before is as it was.
    """
    folder, name = os.path.split(os.fspath(path))
    temporary = os.path.join(folder, f".tmp-{secrets.token_hex(8)}")
    descriptor = filesystem.create(temporary, mode=mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, os.path.join(folder, name))
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise

"""What was read and found to be what it should be, so that it needn't be read again."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from lakehouse.storage.hashing import hash_bytes
from lakehouse.storage.stamps import Look

_FOLDER = "verified"
_SEEN: dict[str, tuple[str, str]] = {}
_MOST = 100_000


class Verified:
    """Remembers content that was hashed: by its place and by what the file system said of it.

    What this process has seen is kept in memory, the rest in small files in the cache; where
    that can't be written, content is hashed once in each process.

    Args:
        cache: The cache's folder.
    """

    def __init__(self, cache: str | os.PathLike[str]) -> None:
        self._folder = Path(cache).absolute() / _FOLDER

    def knows(self, path: str, look: Look, hash: str) -> bool:
        """Whether what lies at a path is known to be this content."""
        known = _SEEN.get(path)
        if known is None:
            with suppress(OSError, ValueError):
                mark, _, found = self._file(path).read_text(encoding="utf-8").partition("\n")
                known = _SEEN[path] = mark, found
        return known == (look.mark, hash)

    def remember(self, path: str, look: Look, hash: str) -> None:
        """Note that what lies at a path was read, and is this content."""
        if not look.is_settled:
            return  # a write in the same moment couldn't be told
        if len(_SEEN) > _MOST:
            _SEEN.clear()
        _SEEN[path] = look.mark, hash
        file = self._file(path)
        temp = file.with_name(f".tmp-{secrets.token_hex(8)}")
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                temp.write_text(f"{look.mark}\n{hash}", encoding="utf-8")
                temp.replace(file)
            finally:
                temp.unlink(missing_ok=True)

    def _file(self, path: str) -> Path:
        return self._folder / hash_bytes(path.encode("utf-8", "surrogateescape"))

"""What a local file looked like when somebody began to judge it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lakehouse.errors import StorageError
from lakehouse.storage.hashing import ContentHash
from lakehouse.storage.stamps import TICK, look_at
from lakehouse.storage.transfer import hash_path

_HASHED_IN_A_TICK = 16 << 20


@dataclass(frozen=True, slots=True)
class Noted:
    """A file or folder as it was: by times, or by its hash where these can't tell.

    Attributes:
        path: Where it lies.
        mark: Its mark; see `Look`.
        content: Its hash, where it had been written so lately that a later write might have got
            the same time.
    """

    path: str
    mark: str
    content: ContentHash | None

    @classmethod
    def of(cls, path: str) -> Noted:
        """Note what lies at a local path now."""
        look, content = look_at(path), None
        if not look.is_settled:
            if look.size > _HASHED_IN_A_TICK:
                time.sleep(TICK / 1e9)  # which is sooner than it is read
                look = look_at(path)
            else:
                content = hash_path(path)
        return cls(path, look.mark, content)

    def is_unmoved(self) -> bool:
        """Whether nobody wrote, replaced or touched it since."""
        try:
            return look_at(self.path).mark == self.mark
        except StorageError:
            return False

    def is_same(self, content: ContentHash | None = None) -> bool:
        """Whether it still is what it was; False if that can't be told.

        Args:
            content: What was read of it since, if it is known.
        """
        if self.content is not None:
            return (content or hash_path(self.path)) == self.content
        return self.is_unmoved()

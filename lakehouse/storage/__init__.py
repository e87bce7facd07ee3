"""URIs, content hashes, transfers and the local cache; see `transfer` for the operations.

Knows no artifact: it takes paths and URIs and returns hashes.
"""

from __future__ import annotations

from lakehouse.io.uris import is_remote, local_path, scheme_of
from lakehouse.storage.cache import CacheDir
from lakehouse.storage.hashing import ContentHash, hash_bytes, hash_folder
from lakehouse.storage.location import StorageLocation, check_key
from lakehouse.storage.noted import Noted
from lakehouse.storage.sameness import Difference, Saved, difference
from lakehouse.storage.stamps import Look, look_at, second_of
from lakehouse.storage.transfer import (
    exists,
    hash_path,
    move_in,
    remove,
    stat_size,
    store,
    store_many,
)
from lakehouse.storage.verified import Verified

__all__ = [
    "CacheDir",
    "ContentHash",
    "Difference",
    "Look",
    "Noted",
    "Saved",
    "StorageLocation",
    "Verified",
    "check_key",
    "difference",
    "exists",
    "hash_bytes",
    "hash_folder",
    "hash_path",
    "is_remote",
    "local_path",
    "look_at",
    "move_in",
    "remove",
    "scheme_of",
    "second_of",
    "stat_size",
    "store",
    "store_many",
]

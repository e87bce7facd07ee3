"""The manifest of one backup: which files it holds, and the digest of each.

It is JSON with a digest over itself. It names places without passwords and tokens.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson

from lakehouse.errors import InvalidKey, LakeCorrupt, LakeTooNew
from lakehouse.storage import check_key, hash_bytes

FORMAT = 1
_DIGEST = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a backup.

    Attributes:
        path: Where it lies, relative to the lake's root.
        digest: The content hash of its bytes.
        size: Bytes.
        stamp: The source's stamp when it was read (see `lakehouse.storage.listing`).
    """

    path: str
    digest: str
    size: int
    stamp: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Artifacts whose bytes a backup doesn't hold.

    Attributes:
        storage: The uid of their storage location.
        root: Where that is.
        artifacts: How many artifacts of the newest state lie there.
    """

    storage: str
    root: str
    artifacts: int


@dataclass(frozen=True)
class Manifest:
    """One backup.

    Attributes:
        name: Its name, made of its time and the number of its commit.
        time: When it was made, in UTC.
        lake: The lake: `uid`, `name` and `root`.
        commit: The newest commit in it: `seq`, `id`, `time` and `message`.
        catalog: The copy of the catalog.
        files: The files of tables and artifacts.
        storages: The other storage locations that are in it, by uid.
        left_out: Storage locations that are not.
        missing: Files that the lake has lost, with what is known of them.
    """

    name: str
    time: str
    lake: dict[str, Any]
    commit: dict[str, Any]
    catalog: Entry
    files: tuple[Entry, ...] = field(repr=False)
    storages: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files, each counted once however often it occurs."""
        return sum({e.digest: e.size for e in (*self.files, self.catalog)}.values())

    @property
    def digests(self) -> set[str]:
        """The digests of all files."""
        return {self.catalog.digest, *(e.digest for e in self.files)}

    def dump(self) -> bytes:
        """The manifest as the bytes of its file."""
        body = {
            "format": FORMAT,
            "name": self.name,
            "time": self.time,
            "lake": self.lake,
            "commit": self.commit,
            "catalog": _row(self.catalog),
            "files": [_row(e) for e in self.files],
            "storages": self.storages,
            "left_out": [asdict(o) for o in self.left_out],
            "missing": self.missing,
        }
        data = orjson.dumps(body)
        return b'{"digest":"%s","backup":%s}\n' % (hash_bytes(data).encode(), data)

    @classmethod
    def load(cls, data: bytes, path: str) -> Manifest:
        """The manifest in a file's bytes.

        Raises:
            LakeCorrupt: It is damaged.
            LakeTooNew: A newer version wrote it.
        """
        try:
            outer = orjson.loads(data)
            body, digest = outer["backup"], outer["digest"]
            if hash_bytes(orjson.dumps(body)) != digest:
                raise _damaged(path, "its bytes aren't those that were written")
            if body["format"] > FORMAT:
                raise LakeTooNew(
                    f"The backup {path!r} was made by a newer version of lakehouse.",
                    found=f"format {body['format']}",
                    expected=f"format {FORMAT} or older",
                    hint="pip install --upgrade lakehouse",
                )
            return cls(
                name=body["name"],
                time=body["time"],
                lake=body["lake"],
                commit=body["commit"],
                catalog=_entry(body["catalog"]),
                files=tuple(_entry(row) for row in body["files"]),
                storages=tuple(body["storages"]),
                left_out=tuple(LeftOut(**row) for row in body["left_out"]),
                missing=body["missing"],
            )
        except (orjson.JSONDecodeError, KeyError, TypeError, IndexError, InvalidKey) as error:
            raise _damaged(path, str(error)) from error


def _row(entry: Entry) -> list[Any]:
    return [entry.path, entry.digest, entry.size, entry.stamp]


def _entry(row: list[Any]) -> Entry:
    path, digest, size, stamp = row
    # a manifest that somebody else wrote mustn't lead out of the lake or the backup
    check_key(path)
    if not _DIGEST.fullmatch(digest):
        raise InvalidKey("A digest isn't one.", found=digest)
    return Entry(path, digest, int(size), str(stamp))


def _damaged(path: str, found: str) -> LakeCorrupt:
    return LakeCorrupt(
        f"The manifest {path!r} of a backup is damaged.",
        found=found,
        hint="lakehouse backup DEST --list shows the others",
    )


def without_secrets(root: str) -> str:
    """A place without user, password and query, which are no business of a backup's reader."""
    if "://" not in root:
        return root
    parts = urlsplit(root)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

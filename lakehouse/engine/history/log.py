"""The history of a lake: its commits, and what they are found by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from lakehouse.engine.catalog.base import Catalog, Commit, KeysTaken
from lakehouse.engine.commit.committer import reconcile
from lakehouse.engine.table.spec import TableSpec
from lakehouse.engine.table.version import TableCache
from lakehouse.errors import InvalidArgument, LookupFailed
from lakehouse.text.printable import encodable


class History:
    """The commits of one lake, by ids, tags, numbers and moments.

    Args:
        catalog: The catalog, which keeps the log.
        cache: The tables as they were read.
        specs: The specifications of the tables by name.
    """

    def __init__(self, catalog: Catalog, cache: TableCache, specs: Mapping[str, TableSpec]) -> None:
        self._catalog = catalog
        self._cache = cache
        self._specs = specs

    def resolve(self, ref: str | int | datetime) -> int:
        """The number of the commit that a commit id, a tag, a number or a moment names.

        Raises:
            LookupFailed: Nothing is named so.
        """
        if isinstance(ref, datetime):
            # without a zone it is this machine's time, as in `gc`
            moment = ref if ref.tzinfo else ref.astimezone()
            seq = self._catalog.seq_at(moment, datetime.now(UTC))
            if seq is None:
                raise LookupFailed(f"The lake has no commit at or before {ref.isoformat()}.")
            return seq
        # True is an int, and would be commit 1
        if isinstance(ref, int) and not isinstance(ref, bool):
            if 0 <= ref <= self._catalog.heads().seq:
                return ref
        elif isinstance(ref, str):
            if (seq := self._catalog.tags().get(ref)) is not None:
                return seq
            if (commit := self._catalog.commit_by_id(ref)) is not None:
                return commit.seq
        tags = ", ".join(sorted(self._catalog.tags())) or "none"
        raise LookupFailed(
            f"No commit or tag is named {ref!r}.",
            expected=f"a commit id, a commit number, a datetime, or one of the tags: {tags}",
            hint="lake.log() lists the commits",
        )

    def check_kept(self, seq: int) -> None:
        """Refuse a commit whose state is gone.

        Raises:
            LookupFailed: gc has removed it.
        """
        floor = int(self._catalog.info().get("gc_floor", "0"))
        if seq < floor and seq not in self._catalog.tags().values():
            raise LookupFailed(
                f"The state of commit {seq} was removed by gc.",
                expected=f"commit {floor} or newer, or a tagged one",
            )

    def tag(self, name: str, ref: str | int | datetime | None = None) -> Commit:
        """Name a commit, the newest one by default.

        Raises:
            InvalidArgument: The name is empty, or names another commit already.
            LookupFailed: The commit doesn't exist, or gc has removed its state.
            IntegrityError: Another Iceberg engine wrote rows that repeat unique values.
        """
        if not name or name != name.strip() or not encodable(name):
            raise InvalidArgument("A tag needs a name.", found=ascii(name))
        try:
            with self._catalog.exclusive() as exclusive:  # gc doesn't remove the state meanwhile
                if ref is None:
                    seq = reconcile(exclusive, self._cache, self._specs, exclusive.heads()).seq
                else:
                    seq = self.resolve(ref)
                self.check_kept(seq)
                self._catalog.set_tag(name, seq)
        except KeysTaken as error:
            raise InvalidArgument(
                f"The tag {name!r} already names commit {error.taken[0][1]}.",
                hint="choose another name, or delete the tag first",
            ) from None
        return self.tags()[name]

    def tags(self) -> dict[str, Commit]:
        """The tags and the commits that they name."""
        pairs = {n: self._catalog.commit_at(s) for n, s in self._catalog.tags().items()}
        return {n: c for n, c in pairs.items() if c is not None}

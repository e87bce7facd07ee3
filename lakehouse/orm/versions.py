"""Versioned records: families whose uids share 16 characters and count versions in four.

Which version is the latest is not stored: it is the highest uid of its family among those
that are neither archived nor in the trash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from lakehouse.errors import InvalidArgument
from lakehouse.identity import UID_LENGTH, next_version, stem_of
from lakehouse.orm.base import BaseRecord, TrackedRow
from lakehouse.orm.bootstrap import ARCHIVE, TRASH

if TYPE_CHECKING:
    from lakehouse.orm.query import QuerySet

_HIDDEN = (ARCHIVE, TRASH)
_FAMILY = 200_000


class VersionedRow(TrackedRow):
    """A row of a versioned registry."""

    version_tag: str | None = None


def latest_sql(table: str) -> str:
    """SQL that is true for the latest version of every family of a table."""
    return (
        f'{{row}}.uid IN (SELECT max(v.uid) FROM "{table}" v '
        f"WHERE v.branch_uid NOT IN ('{ARCHIVE}', '{TRASH}') GROUP BY left(v.uid, {UID_LENGTH}))"
    )


class Versioned(BaseRecord):
    """A record of which there are versions.

    Subclasses pass `versioned=True` and `computed={"is_latest": ("bool", latest_sql(table))}`,
    and call `_revise` in their constructors.
    """

    def _family(self, stem: str) -> list[dict[str, Any]]:
        return self._lake.state.prefix(self.meta.table, stem, _FAMILY)

    def _revise(self, previous: BaseRecord) -> None:
        """Make this new record the next version of another one's family."""
        if not isinstance(previous, type(self)):
            raise InvalidArgument(
                f"A {self.meta.name} revises a {self.meta.name}.", found=repr(previous)
            )
        if not previous._saved:
            raise InvalidArgument(f"{previous!r} isn't saved, so it can't be revised.")
        rows = self._family(stem_of(previous.uid))
        self._values["uid"] = next_version(rows[-1]["uid"] if rows else previous.uid)
        self._claims_uid = True

    def _renew_uid(self) -> bool:
        """Another process has saved this version meanwhile: take the next one."""
        uid = self._values["uid"]
        rows = self._family(stem_of(uid))
        self._values["uid"] = next_version(max(uid, rows[-1]["uid"] if rows else uid))
        return True

    @property
    def stem_uid(self) -> str:
        """The part of the uid that all versions share."""
        return stem_of(self.uid)

    @property
    def version(self) -> str:
        """The version's tag, else the last four characters of the uid."""
        return str(self._values.get("version_tag") or self.uid[UID_LENGTH:])

    @property
    def versions(self) -> QuerySet[Self]:
        """All versions that are neither archived nor in the trash, the oldest first."""
        from_here: QuerySet[Self] = self._query()
        return from_here.filter(uid__startswith=self.stem_uid).exclude(branch_uid__in=_HIDDEN)

    @property
    def is_latest(self) -> bool:
        """Whether no later version is visible."""
        uid = self.uid
        return not any(
            r["uid"] > uid and r["branch_uid"] not in _HIDDEN for r in self._family(self.stem_uid)
        )

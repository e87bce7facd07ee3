"""Versioned records: families whose uids share 16 characters and count versions in four.

Which version is the latest is not stored: it is the highest uid of its family on its branch,
among those that are neither archived nor in the trash. So deleting the latest version makes
the one before it the latest, and restoring it takes that back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

import pyarrow.compute as pc

from lakehouse.engine.table.spec import KEY_SEPARATOR
from lakehouse.errors import InconsistentKey, InvalidArgument, TypeMismatch
from lakehouse.identity import UID_LENGTH, digest_text, next_version, stem_of
from lakehouse.orm.model.builtin import ARCHIVE, HIDDEN, TRASH
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.query.compile import IS_LATEST
from lakehouse.orm.record.base import BaseRecord, TrackedRecord, TrackedRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakehouse.engine import Changes
    from lakehouse.engine.table.version import TableVersion
    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import FieldDescriptor
    from lakehouse.orm.query.queryset import QuerySet
    from lakehouse.orm.session.batch import Batch


# -- Version families: all versions that share a name, also when several are saved at once


Name = Mapping[str, str]
"""Columns and their values, which all versions of a family have in common."""

_FIRST = "0000"
_LONG, _SHOWN = 1024, 200  # bytes, characters; an index takes no text of any length
_staged: WeakKeyDictionary[Batch, dict[tuple[str, str], str]] = WeakKeyDictionary()


def latest_uid(lake: Lake, table: str, name: Name, *, hidden: bool = False) -> str | None:
    """The uid of the latest visible version with a name, or of any with `hidden`."""
    rows = lake.state.arrow(table)
    for column, value in name.items():
        # most names are new ones, and a search that stops is cheaper than a filter
        if column not in rows.column_names or pc.index(rows[column], value).as_py() < 0:
            return None
        rows = rows.filter(pc.equal(rows[column], value))
    hits = rows.select(["uid", "branch_uid"]).to_pylist()
    seen = [r["uid"] for r in hits if hidden or r["branch_uid"] in lake.visible_branches]
    return max(seen, default=None)  # uids count versions


def family_of(lake: Lake, table: str, name: Name) -> str | None:
    """The uid of the version that a new record with a name follows.

    Where all versions are in the trash it still follows them, so that restoring one doesn't
    leave two families with one name.
    """
    meta = lake.directory.by_table[table].meta
    for column, value in name.items():
        if not lake.matcher.holds(meta, column, value):
            return None
    return latest_uid(lake, table, name) or latest_uid(lake, table, name, hidden=True)


def claim_of(table: str, name: Name) -> str:
    """The unique key by which the first version of a family holds its name."""
    text = KEY_SEPARATOR.join(name.values())
    # a key may come from the name of a file, which UTF-8 can't always encode
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > _LONG:
        text = f"{text[:_SHOWN]}…{digest_text(data)}"
    return f"{table}.family{KEY_SEPARATOR}{text}"


def is_held(lake: Lake, table: str, column: str, value: str) -> bool:
    """Whether any row has a value in a column, which is cheaper to know than which one."""
    rows = lake.state.arrow(table)
    return column in rows.column_names and pc.index(rows[column], value).as_py() >= 0


def is_first(uid: str) -> bool:
    """Whether a uid is that of a first version."""
    return uid[UID_LENGTH:] == _FIRST


def inherit(record: Any, column: str) -> None:
    """Let a new version say what the one before it says, unless it was told something else."""
    uid = record._values.get("uid")
    if record._values.get(column) is None and uid is not None and not is_first(uid):
        rows = record._family(stem_of(uid))
        record._values[column] = rows[-1].get(column) if rows else None


def staged_uid(batch: Batch, table: str, name: Name) -> str | None:
    """The uid of the newest version with a name that an open transaction saves."""
    return _staged.get(batch, {}).get((table, claim_of(table, name)))


def holder_among_staged(batch: Batch, table: str, uid: str, name: Name) -> str:
    """The uid that takes a name in an open transaction: this one, or one before it."""
    staged = _staged.setdefault(batch, {})
    return staged.setdefault((table, claim_of(table, name)), uid)


def uid_among_staged(batch: Batch, table: str, uid: str, name: Name | None) -> str:
    """The uid that a new version gets beside the others of an open transaction."""
    staged = _staged.setdefault(batch, {})
    claim = None if name is None else (table, claim_of(table, name))
    stem = (table, stem_of(uid))
    before = staged.get(claim) if claim is not None and is_first(uid) else None
    # others of the transaction are in no state yet, so they are counted here
    before = before or staged.get(stem)
    if before is not None and before != uid:
        uid = next_version(max(before, uid) if stem_of(before) == stem_of(uid) else before)
    elif before == uid:
        uid = next_version(uid)
    staged[table, stem_of(uid)] = uid
    if claim is not None:
        staged[claim] = uid
    return uid


_FAMILY = 200_000
_CHOICES = {IS_LATEST, "version", "version_tag"}


class VersionedRow(TrackedRow):
    """A row of a versioned registry."""

    version_tag: str | None = None


def latest_sql(table: str) -> str:
    """SQL that is true for the latest version of every family of a table, on its branch."""
    return (
        f'{{row}}.uid IN (SELECT max(v.uid) FROM "{table}" v '
        f"WHERE v.branch_uid NOT IN ('{ARCHIVE}', '{TRASH}') "
        f"GROUP BY left(v.uid, {UID_LENGTH}), v.branch_uid)"
    )


def version_fields(table: str) -> dict[str, tuple[str, str]]:
    """The virtual fields of a versioned registry, for the `computed=` of its class."""
    return {
        IS_LATEST: ("bool", latest_sql(table)),
        "version": ("str", f"coalesce({{row}}.version_tag, substr({{row}}.uid, {UID_LENGTH + 1}))"),
    }


class Versioned(TrackedRecord):
    """A record of which there are versions.

    Subclasses pass `versioned=True` and `computed=version_fields(table)`, and call `_revise` or
    `_join_family` in their constructors. All versions with one `key` are a family; registries
    whose families have other names override `_family_name`.
    """

    if TYPE_CHECKING:
        version_tag: FieldDescriptor[str | None]

    _numbered: bool = False

    # -- families ----------------------------------------------------------------------

    def _family(self, stem: str) -> list[dict[str, Any]]:
        return self._lake.state.prefix(self.meta.table, stem, _FAMILY)

    def _family_name(self) -> Name | None:
        """What all versions of the family have in common; None where it has no name."""
        key = self._values.get("key")
        return None if key is None else {"key": key}

    def _join_family(self) -> None:
        """Make this new record the next version of the family with its name, if there is one."""
        name = self._family_name()
        if name is None or self._join_staged(name):
            return
        # two processes may begin the family at once: the key tells the second one
        self._claims_uid = True
        uid = family_of(self._lake, self.meta.table, name)
        row = None if uid is None else self._lake.state.row(self.meta.table, uid)
        if row is not None:
            self._revise(self._from_row(self._lake, row))

    def _join_staged(self, name: Name) -> bool:
        """Become one with the newest version that the open transaction saves, if it is the same."""
        batch = active_batch(self._lake)
        uid = None if batch is None else staged_uid(batch, self.meta.table, name)
        if batch is None or uid is None:
            return False
        first = batch.staged_uid(self.meta.table, uid)
        if first is None or not self._is_same_as(first._values):
            return False
        self._join(batch, first)
        return True

    def _revise(self, previous: BaseRecord) -> None:
        """Make this new record the next version of another one's family.

        Raises:
            InvalidArgument: The other one isn't saved, or its family has this version tag.
        """
        if not isinstance(previous, type(self)):
            raise TypeMismatch(
                f"A {self.meta.name} revises a {self.meta.name}.", found=repr(previous)
            )
        batch = active_batch(self._lake)
        if not previous._saved and (batch is None or not batch.holds(previous)):
            raise InvalidArgument(f"{previous!r} isn't saved, so it can't be revised.")
        rows = self._family(stem_of(previous.uid))
        tag = self._values.get("version_tag")
        if tag is not None and any(r.get("version_tag") == tag for r in rows):
            raise previous._tag_is_given(tag)
        # after the newest there is on any branch and in the trash: a uid is given once
        self._values["uid"] = next_version(rows[-1]["uid"] if rows else previous.uid)
        self._claims_uid = True

    # -- saving ------------------------------------------------------------------------

    def _before_save(self, batch: Batch) -> None:
        self._guard_tag(batch)
        if not self._saved:
            self._number(batch)
        elif self._old is not None and "key" in self._old:
            self._rename(batch, self._old["key"])

    def _number(self, batch: Batch) -> None:
        """Choose the uid among those of the family that the same transaction saves."""
        if self._numbered or self._saved:
            return
        self._values["uid"] = uid_among_staged(
            batch, self.meta.table, self.uid, self._family_name()
        )
        self._numbered = True
        # saved again, it is numbered among those of that transaction
        batch.on_rollback(lambda: setattr(self, "_numbered", False))

    def _guard_tag(self, batch: Batch) -> None:
        """Have a new version tag looked at when it is committed."""
        tagged = not self._saved or "version_tag" in (self._old or {})
        if tagged and self._values.get("version_tag") is not None:
            batch.stage(lambda changes: self._check_tag(changes, batch), once="version tag")

    def _check_tag(self, changes: Changes, batch: Batch) -> None:
        """A version tag is given once per family, whoever gives it at the same time."""
        table, uid, tag = self.meta.table, self.uid, self._values.get("version_tag")
        if tag is None or (self._saved and not self._old):
            return  # taken back, or it is a version that others have saved
        # asked at each try of the commit, since uids may have been renewed
        staged = {r.uid: r._values.get("version_tag") for r in batch.records(table)}
        gone = batch.deleted(table)

        def check(version: Callable[[str], TableVersion]) -> None:
            tags = {u: t for u, t in staged.items() if stem_of(u) == stem_of(uid)}
            for part in version(table).under(stem_of(uid)):
                for row in part.select(["uid", "version_tag"]).to_pylist():
                    # what the transaction says of a version goes before its row
                    tags.setdefault(row["uid"], row["version_tag"])
            if any(t == tag and u != uid and u not in gone for u, t in tags.items()):
                raise self._tag_is_given(str(tag))

        changes.check(check)

    def _tag_is_given(self, tag: str) -> InvalidArgument:
        return InvalidArgument(
            f"There is a version {tag!r} of {self!r} already.",
            hint="choose another version tag, or leave it None",
        )

    def _rename(self, batch: Batch, before: str | None) -> None:
        """Give back the old key, and take the new one unless another family has it.

        Raises:
            InconsistentKey: Another family has the new key.
        """
        table, after = self.meta.table, self._values.get("key")
        name = None if after is None else {"key": after}
        holder = None if name is None else latest_uid(self._lake, table, name)
        if holder is None and name is not None:
            holder = holder_among_staged(batch, table, self.uid, name)
        if holder is not None and stem_of(holder) != self.stem_uid:
            raise InconsistentKey(
                f"{self.meta.name} {self.uid!r} can't be renamed: another one has that key.",
                found=f"{after!r} is the key of {holder!r}",
                hint="choose another key, or make a new version with revises=",
            )

        def stage(changes: Changes) -> None:
            if before is not None:
                changes.release(table, claim_of(table, {"key": before}), self.uid)
            if name is not None and holder == self.uid:
                changes.claim(table, claim_of(table, name), self.uid)

        batch.stage(stage, once="rename")

    def _before_delete(self, batch: Batch) -> None:
        name = self._family_name()
        if name is not None:
            claim = claim_of(self.meta.table, name)
            batch.stage(lambda changes: changes.release(self.meta.table, claim, self.uid))

    def _uid_key(self) -> str | None:
        """What a new version claims: the family's name if it is the first one, else its uid."""
        name, uid = self._family_name(), self._values.get("uid")
        if name is not None and uid is not None and is_first(uid):
            return claim_of(self.meta.table, name)
        return super()._uid_key()

    def _renew_uid(self) -> bool:
        """Another process has saved this version meanwhile, or begun the family."""
        name, uid = self._family_name(), self._values["uid"]
        if name is not None and is_first(uid):
            before = latest_uid(self._lake, self.meta.table, name, hidden=True)
            self._claims_uid = before is not None  # nobody has the name any more: it is free
            if before is not None and not self._adopt_same(before):
                self._values["uid"] = next_version(before)
            return True
        rows = self._family(stem_of(uid))
        latest = rows[-1]["uid"] if rows else uid
        if not self._adopt_same(latest):
            self._values["uid"] = next_version(max(uid, latest))
        return True

    def _adopt_same(self, uid: str) -> bool:
        """Become the latest version that another process has saved, if it is the same."""
        row = self._lake.state.row(self.meta.table, uid)
        if row is None or not self._is_same_as(row):
            return False
        self._adopt(row)
        return True

    def _is_same_as(self, row: dict[str, Any]) -> bool:
        """Whether a constructor call that made this record means an existing version."""
        return False

    # -- what it says ------------------------------------------------------------------

    @property
    def stem_uid(self) -> str:
        """The part of the uid that all versions share."""
        return stem_of(self.uid)

    @property
    def version(self) -> str:
        """The version's tag, else the last four characters of the uid."""
        return str(self._values.get("version_tag") or self.uid[UID_LENGTH:])

    @version.setter
    def version(self, value: str | None) -> None:
        self._set("version_tag", self.meta.fields["version_tag"].validate(value))

    @property
    def versions(self) -> QuerySet[Self]:
        """All visible versions, the oldest first."""
        from_here: QuerySet[Self] = self._query()
        own = self._values.get("branch_uid")
        branches = {*self._lake.visible_branches, own} - {*HIDDEN, None}
        return from_here.filter(uid__startswith=self.stem_uid, branch_uid__in=sorted(branches))

    @property
    def is_latest(self) -> bool:
        """Whether no later version is on the same branch."""
        uid, branch = self.uid, self._values.get("branch_uid") or self._lake.branch_uid
        if branch in HIDDEN:
            return False
        rows = self._family(self.stem_uid)
        return not any(r["uid"] > uid and r["branch_uid"] == branch for r in rows)

    @classmethod
    def get(cls, uid: str | None = None, **lookups: Any) -> Self:
        """Get one record by its uid, the beginning of its uid, or by fields.

        A key means its latest version, and so do the first 16 characters of a uid.

        Raises:
            ObjectDoesNotExist, MultipleObjectsReturned.
        """
        lookups.pop("is_run_input", None)  # the peer's; tracking comes with lineage
        if uid is None and "key" in lookups and not _CHOICES & lookups.keys():
            found = list(cls.filter(**lookups).order_by("uid"))
            if len({a.stem_uid for a in found}) == 1:
                return found[-1]
        return super().get(uid, **lookups)

"""The content of a schema: its members, the change of them, and what they were before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from lakehouse.config import notify
from lakehouse.engine.query.view import operations
from lakehouse.errors import InvalidArgument, ObjectDoesNotExist, TypeMismatch, ValidationError
from lakehouse.features import sets as feature_sets
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.session.batch import batch_on
from lakehouse.orm.view.present import present
from lakehouse.registries.feature import Feature
from lakehouse.registries.schema import content
from lakehouse.registries.schema.arguments import Members
from lakehouse.registries.schema.content import Member
from lakehouse.registries.schema.row import SchemaFields
from lakehouse.registries.schema.versions import SchemaVersion
from lakehouse.relations.managers import RelatedSet

if TYPE_CHECKING:
    from lakehouse.engine import Changes
    from lakehouse.orm import Batch
    from lakehouse.orm.model.meta import Relation
    from lakehouse.registries.feature import Feature


# -- Which features of a schema need not be there: `schema.optionals`


@operations
class SchemaOptionals:
    """The optional features of one schema. What changes them is saved at once.

    Example:
        >>> schema.optionals.add(donor)
        >>> [f.name for f in schema.optionals]
        ['donor']
    """

    def __init__(self, schema: SchemaContent) -> None:
        self._schema = schema

    def get_uids(self) -> list[str]:
        """The uids of the optional features."""
        return [feature.uid for feature in self]

    def get(self) -> Any:
        """The optional features as a query set."""
        return self._schema._features_with(self.get_uids())

    def set(self, features: Iterable[Feature]) -> None:
        """Make exactly these features optional.

        Raises:
            TypeMismatch: Not all are features.
            InvalidArgument: One is no member of the schema.
        """
        self._schema._set_optional({f.uid for f in self._checked(features)})

    def add(self, features: Feature | Iterable[Feature]) -> None:
        """Make features optional, too."""
        added = {f.uid for f in self._checked(features)}
        self._schema._set_optional(added | set(self.get_uids()))

    def remove(self, features: Feature | Iterable[Feature]) -> None:
        """Demand features again."""
        gone = {f.uid for f in self._checked(features)}
        self._schema._set_optional(set(self.get_uids()) - gone)

    def _checked(self, features: Any) -> list[Any]:
        from lakehouse.registries.feature import Feature

        listed = [features] if isinstance(features, Feature) else list(features)
        if not all(isinstance(f, Feature) for f in listed):
            raise TypeMismatch(
                "Optional features are given as a list of feature records.", found=repr(listed)
            )
        members = {f.uid: f.name for f, _ in self._schema.feature_list()}
        for feature in listed:
            if feature.uid not in members:
                raise InvalidArgument(
                    f"{feature!r} is no feature of {self._schema!r}.",
                    expected=", ".join(str(n) for n in members.values()),
                    hint="schema.features.add(feature)",
                )
        return listed

    def __iter__(self) -> Iterator[Feature]:
        return (feature for feature, optional in self._schema.feature_list() if optional)

    def __len__(self) -> int:
        return len(self.get_uids())

    def __repr__(self) -> str:
        return f"optionals of {self._schema!r}: {[f.name for f in self]}"


class SchemaContent(SchemaFields):
    """The part of a schema that says what it demands, and saves it."""

    _members: Members | None = None
    _slots: Mapping[str, Any] | None = None
    _wanted: list[Member] | None = None

    # -- members -----------------------------------------------------------------------

    @property
    def n(self) -> int | None:
        """The number of members."""
        found: int | None = self._values.get("n_members")
        return found

    @property
    def members(self) -> Any:
        """The features, or the records of another registry that the schema is made of."""
        if not self._saved:
            members = list((self._members or Members()).records)
            batch = active_batch(self._lake)
            if not members or batch is None or not batch.holds(self):
                return members
            chosen, kind = [m.uid for m in members], type(members[0])
            return RelatedSet.of(kind, self._lake, lambda: chosen, repr(self), ordered=True)
        links = content.links_of(self._lake, self.uid, index=True)
        links += content.links_of(self._lake, self.uid)
        registry = links[-1]["registry"] if links else "feature"
        target = self._lake.directory.by_table[registry]
        uids = [r["target_uid"] for r in links]
        return RelatedSet.of(target, self._lake, lambda: uids, repr(self), ordered=True)

    def _features_with(self, uids: list[str]) -> Any:
        return RelatedSet.of(Feature, self._lake, lambda: uids, repr(self), ordered=True)

    def feature_list(self) -> list[tuple[Feature, bool]]:
        """The features in order without the index, each with whether it is optional."""
        pending = self._members
        if pending is not None:
            return [
                (f, str(f.name) in pending.optional)
                for f in pending.records
                if isinstance(f, Feature)
            ]
        links = content.links_of(self._lake, self.uid) if self._saved else []
        links = [r for r in links if r["registry"] == "feature"]
        rows = present(self._lake).rows("feature", [r["target_uid"] for r in links])
        by_uid = {row["uid"]: Feature._from_row(self._lake, row) for row in rows}
        return [
            (by_uid[r["target_uid"]], bool(r["optional"]))
            for r in links
            if r["target_uid"] in by_uid
        ]

    @property
    def optionals(self) -> SchemaOptionals:
        """The features that need not be there: `.get()`, `.set()`, `.add()`, `.remove()`."""
        return SchemaOptionals(self)

    def add_optional_features(self, features: Iterable[Feature]) -> None:
        """Add features that need not be there."""
        added = list(features)
        if not self._saved:
            members = self._members or Members()
            new_ones = [f for f in added if f not in members.records]
            names = {str(f.name) for f in new_ones}
            self._give(Members((*members.records, *new_ones), members.optional | names))
            return
        known = self._current_members()
        new = [Member("feature", f.uid, optional=True) for f in added]
        self._replace_members([*known, *(m for m in new if m.uid not in {k.uid for k in known})])

    def remove_optional_features(self, features: Iterable[Feature]) -> None:
        """Remove features that need not be there.

        Raises:
            InvalidArgument: One of them must be there.
        """
        gone = {feature.uid: feature for feature in features}
        known = self._current_members()
        if demanded := [repr(gone[m.uid]) for m in known if m.uid in gone and not m.optional]:
            raise InvalidArgument(
                f"These features of {self!r} are not optional.", found=", ".join(demanded)
            )
        if not self._saved:
            members = self._members or Members()
            left = tuple(r for r in members.records if r.uid not in gone)
            self._give(Members(left, members.optional - {str(f.name) for f in gone.values()}))
            return
        self._replace_members([m for m in known if m.uid not in gone])

    def _set_optional(self, uids: set[str]) -> None:
        if not self._saved:
            members = self._members or Members()
            chosen = frozenset(str(f.name) for f in members.records if f.uid in uids)
            self._give(Members(members.records, chosen))
            return
        self._replace_members([m._replace(optional=m.uid in uids) for m in self._current_members()])

    def _give(self, members: Members) -> None:
        """Other members of a schema that isn't saved yet."""
        object.__setattr__(self, "_members", members)
        index = self._get_related("index")
        self._values["content"] = self._demanded(self._values, index)
        self._values["hash"] = content.hash_of(self._values["content"])
        self._values["hash_key"] = self._values["hash"]
        self._values["n_members"] = (len(members.records) + (index is not None)) or None

    def _replace_members(self, members: list[Member]) -> None:
        with batch_on(self._lake) as batch:
            object.__setattr__(self, "_wanted", members)
            self._dirty = True
            batch.add(self)

    @property
    def slots(self) -> dict[str, Any]:
        """The schemas of the components, by slot."""
        if self._slots:
            return dict(self._slots)
        uids = self._values.get("slots_uids") or {}
        found = {}
        for slot, uid in uids.items():
            row = present(self._lake).row("schema", uid)
            if row is not None:
                found[slot] = type(self)._from_row(self._lake, row)
        return found

    # -- content and versions ------------------------------------------------------------

    def _given_members(self) -> list[Member]:
        members = self._members or Members()
        return [
            Member(r.meta.table, r.uid, str(r._values.get("name")) in members.optional)
            for r in members.records
        ]

    def _current_members(self) -> list[Member]:
        """The members that the schema will have once it is saved."""
        if self._wanted is not None:
            return self._wanted
        if self._members is not None:
            return self._given_members()
        return self._linked_members() if self._saved else []

    def _parts(self) -> dict[str, tuple[str, str]]:
        return {slot: (p.uid, str(p._values.get("hash"))) for slot, p in self.slots.items()}

    def _demanded(self, columns: Mapping[str, Any], index: Any) -> dict[str, Any]:
        members = self._current_members()
        return content.content_of(columns, members, index.uid if index else None, self._parts())

    def versions(self) -> list[SchemaVersion]:
        """What datasets were validated with: the former contents, and the present one."""
        kept = self._values.get("history") or {}
        found = [SchemaVersion(self, h, c) for h, c in kept.items() if h != self.hash]
        return [*found, self.version(str(self.hash))]

    def version(self, content_hash: str | None) -> SchemaVersion:
        """The content with a hash, e.g. with the one that an artifact was validated with.

        Raises:
            ObjectDoesNotExist: The schema never was validated with under this hash.
        """
        if content_hash in (None, self.hash):
            index = self._get_related("index")
            now = self._values.get("content") or self._demanded(self._values, index)
            return SchemaVersion(self, str(self.hash), now)
        kept = self._values.get("history") or {}
        if content_hash not in kept:
            raise ObjectDoesNotExist(
                f"{self!r} has no version {content_hash!r}.", expected=", ".join(kept) or None
            )
        return SchemaVersion(self, str(content_hash), kept[content_hash])

    # -- saving --------------------------------------------------------------------------

    def save(self) -> Self:
        """Save the schema: a commit of its own, or part of the open transaction."""
        if self._saved and not self._dirty and self._values.get("content") is not None:
            index = self._get_related("index")
            if content.hash_of(self._demanded(self._values, index)) != self.hash:
                self._dirty = True  # features were added or removed through their manager
        return super().save()

    def _before_save(self, batch: Batch) -> None:
        super()._before_save(batch)
        if self._values.get("is_type"):
            return
        for record in (self._members or Members()).records:
            batch.add(record)
        index = (self._related or {}).get("index")
        if index is not None:
            batch.add(index)
        for part in (self._slots or {}).values():
            batch.add(part)
        if self._saved:
            self._change(batch)
            return
        if self._members is not None:
            members, parts = self._given_members, self._parts
            batch.stage(lambda changes: self._stage(changes, members(), parts(), batch))
            batch.on_commit(self._forget)

    def _links_changed(self, batch: Batch, relation: Relation) -> None:
        """Other members are another content, with its hash and number of members.

        Raises:
            InvalidArgument: They are of another registry than the schema says.
        """
        if relation.link != "schema_link" or relation.registry == "project":
            return
        registries = {m.table for m in self._linked_members()}
        itype = str(self._values.get("itype") or "").partition("[")[0]
        known = self._lake.directory.registries
        name = itype if itype in known else itype.rpartition(".")[0]
        wanted = self._lake.directory.get(name).meta.table if name in known else None
        if wanted is not None and (odd := registries - {wanted}):
            raise InvalidArgument(
                f"{self!r} is of {itype}, so it has no other members.",
                found=", ".join(sorted(odd)),
                expected=wanted,
                hint="make a schema of its own: ln.Schema(records)",
            )
        object.__setattr__(self, "_wanted", None)
        self._dirty = True
        batch.add(self)

    def _linked_members(self) -> list[Member]:
        links = content.links_of(self._lake, self.uid)
        return [Member(r["registry"], r["target_uid"], bool(r["optional"])) for r in links]

    def _follow_moved(self, batch: Batch) -> None:
        """Its members and parts turned out to be existing rows: they are what it demands."""
        values = self._values
        if values.get("content") is None or not (self._members or self._slots or self._wanted):
            return
        if self._slots:
            values["slots_uids"] = {slot: part.uid for slot, part in self._slots.items()}
        members = [m._replace(uid=batch.uid_of(m.table, m.uid)) for m in self._current_members()]
        parts = self._parts()
        values["content"] = content.content_of(values, members, values.get("index_uid"), parts)
        values["hash"] = content.hash_of(values["content"])
        if values.get("hash_key") is not None:
            values["hash_key"] = values["hash"]

    def _change(self, batch: Batch) -> None:
        """Change the content of a saved schema; the former one is kept if it was used."""
        members, parts = self._current_members(), self._parts()
        index_uid = self._values.get("index_uid")
        new = content.content_of(self._values, members, index_uid, parts)
        # what the lake has, however often the open transaction has changed it since
        before = (self._old or {}).get("content", self._values.get("content"))
        old_hash = (self._old or {}).get("hash", self._values.get("hash"))
        new_hash = content.hash_of(new)
        if new_hash != self._values.get("hash"):
            holder = content.other_holder(self._lake, new_hash, self.uid)
            if holder is not None and content.differs(before, new):
                raise ValidationError(
                    "Another schema already has this hash: it demands exactly what "
                    f"{self.name or self.uid!r} is to demand.",
                    found=f"{holder['name'] or holder['uid']!r}",
                    hint=f"use it instead: ln.Schema.get({holder['uid']!r})",
                )
            used = old_hash and before and content.was_used(self._lake, self.uid, old_hash)
            if (
                used
                and new_hash != old_hash
                and old_hash not in (self._values.get("history") or {})
            ):
                self._set("history", {**(self._values.get("history") or {}), old_hash: before})
                notify(
                    f"the schema {self.name or self.uid!r} changes; datasets that were validated "
                    f"with it keep their version of it: schema.version({old_hash!r})",
                    "warning",
                )
            if old_hash and before:
                batch.stage(
                    lambda changes: self._part(changes, str(old_hash), before, batch),
                    once="feature sets",
                )
            self._set("content", new)
            self._set("hash", new_hash)
            self._set("hash_key", None if holder else new_hash)
            self._set("n_members", (len(members) + (index_uid is not None)) or None)
            batch.stage(lambda c: self._stage(c, members, parts, batch), once="members")
            batch.on_commit(self._forget)
            self._change_composites(batch, new_hash)

    def _part(
        self, changes: Changes, old_hash: str, before: Mapping[str, Any], batch: Batch
    ) -> None:
        """Leave datasets what they were validated with, those that others save meanwhile too."""
        state = self._lake.state
        changes.expect_table("artifact", state.pointers.get("artifact"))
        feature_sets.part_ways(changes, self.uid, before, self._lake, batch.now)
        history = self._values.get("history") or {}
        if old_hash not in history and content.was_used(self._lake, self.uid, old_hash):
            self._values = {**self._values, "history": {**history, old_hash: dict(before)}}
            changes.update("schema", self.uid, {"history": self._values["history"]})

    def _change_composites(self, batch: Batch, new_hash: str) -> None:
        """Schemas that have this one in a slot demand something else now, too."""
        for uid in content.composites_of(self._lake, self.uid):
            row = self._lake.state.row("schema", uid)
            if row is None or uid == self.uid:
                continue
            whole = type(self)._from_row(self._lake, row)
            slots = whole.slots
            for slot, part in slots.items():
                if part.uid == self.uid:
                    part._values = {**part._values, "hash": new_hash}
                    slots[slot] = part
            object.__setattr__(whole, "_slots", slots)
            whole._dirty = True
            batch.add(whole)

    def _stage(
        self,
        changes: Changes,
        members: list[Member],
        parts: Mapping[str, tuple[str, str]],
        batch: Batch,
    ) -> None:
        index_uid = self._values.get("index_uid")
        content.stage_members(changes, self._lake, self.uid, members, index_uid, parts, batch.now)

    def _forget(self) -> None:
        """What was given is saved: from now on the lake says what the schema is."""
        for name in ("_wanted", "_members", "_slots"):
            object.__setattr__(self, name, None)

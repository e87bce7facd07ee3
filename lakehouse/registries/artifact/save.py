"""Saving an artifact: its bytes reach storage before the row that mentions them."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from lakehouse import storage as store
from lakehouse.config import notify
from lakehouse.engine import Changes
from lakehouse.errors import ContentChanged, InconsistentKey, InvalidArgument, RowConflict
from lakehouse.formats import suffix_of
from lakehouse.orm.model.context import active_batch
from lakehouse.registries.artifact import place as placing
from lakehouse.registries.artifact import stored as ownership
from lakehouse.registries.artifact.content import LINKED, ArtifactContent
from lakehouse.registries.artifact.payload import Payload, payload_of
from lakehouse.registries.artifact.row import MANAGED, managed_key
from lakehouse.registries.artifact.stored import tagged_states, tags_naming
from lakehouse.relations.tables import EXTERNAL, insert_snapshots
from lakehouse.storage import check_key

if TYPE_CHECKING:
    from lakehouse.orm import Batch
    from lakehouse.storage import StorageLocation


class ArtifactSaving(ArtifactContent):
    """The part of an artifact that writes."""

    def _tell_key(self, key: str | None) -> None:
        if key is not None and self.key != key:
            notify(
                f"this content is known as the artifact with key {self.key!r}, which is returned; "
                "skip_hash_lookup=True makes another one",
                "warning",
            )

    def _describe_content(self) -> None:
        payload = self._payload
        assert payload is not None
        description = placing.description_of(payload)
        payload.steady = payload.is_unchanged()  # else it is judged again when it is stored
        object.__setattr__(self, "_description", description)
        if description is not None:
            self._set("otype", description.otype)
            self._set("n_observations", description.n_observations)

    @classmethod
    def _before_save_many(cls, batch: Batch, records: list[Any]) -> None:
        """Store the files of many artifacts at once, which is several times faster."""
        new = [r for r in records if not r._saved and r._payload is not None and r._placed is None]
        for record in new:
            record._number(batch)
        plain = [
            r for r in new if not r._in_place and not r._payload.owned and not r._payload.remote
        ]
        plain = [r for r in plain if not r._payload.is_folder]
        plain = [r for r in plain if r._unsaved_storage(batch) is None]
        if len(plain) < 2:
            return
        for record in plain:
            record._plan()
        targets = [r._target() for r in plain]
        if len(set(targets)) < len(targets):
            return  # of two with one real key the second is refused, one by one
        for record, target in zip(plain, targets, strict=True):
            record._refuse_taken(target)
        for record in plain:
            record._check_place()
        batch.announce(targets)
        batch.on_rollback(lambda: _forget_stored(plain))
        placed: list[placing.Placed] = []
        batch.on_rollback(lambda: placing.take_all_back(placed))
        second = store.second_of(batch.now)
        contents = store.store_many(
            [(r._payload.path, t) for r, t in zip(plain, targets, strict=True)], saved_at=second
        )
        for record, target, content in zip(plain, targets, contents, strict=True):
            record._payload.set_stored(content)
            placed.append(placing.Placed.now(target, content, second))
            object.__setattr__(record, "_placed", placed[-1])

    def _before_save(self, batch: Batch) -> None:
        payload = self._payload
        self._guard_tag(batch)
        self._judge_assigned()
        if self._saved and self._old is not None and "key" in self._old:
            self._rename(batch, self._old["key"])
        if self._saved and not self._replaced and self._validation is not None:
            validation = self._validation
            batch.stage(lambda c: validation.stage(c, self.uid, batch), once="annotation")
            batch.on_commit(lambda: setattr(self, "_validation", None))
        if payload is None or (self._saved and not self._replaced):
            return
        self._check_storage(batch)
        self._number(batch)
        self._store(batch, payload)
        if not payload.is_as_judged():
            self._judge_again(payload)
        content = payload.hashed()
        self._set("size", content.size)
        self._set("hash", content.hash)
        self._set("n_files", content.n_files)
        if self._replaced:
            known = self._lake.matcher.find(self.meta, {"hash_key": content.hash})
            if known is None or known["uid"] == self.uid:
                self._set("hash_key", content.hash if content.size else None)
        elif self._dedupe:
            self._values["hash_key"] = content.hash
            self._find_twin(batch)
            if self._saved:
                return
        batch.stage(lambda changes: self._stage(changes, batch), once="content")
        batch.on_commit(lambda: self._settle(batch))

    def _rename(self, batch: Batch, before: str | None) -> None:
        """Check a new key before the family takes it.

        Raises:
            InvalidArgument: It is None, or the bytes lie under the old key itself.
            InconsistentKey: It has another suffix, or belongs to another family.
        """
        after, suffix = self._values.get("key"), self._values.get("suffix") or ""
        if after is None:
            raise InvalidArgument(f"The key of {self.uid!r} can't be changed to None.")
        if suffix_of(check_key(after)).lower() != suffix.lower():
            raise InconsistentKey(
                f"The key {after!r} has another suffix than the artifact.",
                found=suffix_of(after) or "no suffix",
                expected=suffix or "no suffix",
            )
        if before is not None and not self._values.get("key_is_virtual"):
            raise InvalidArgument(
                f"The key of {self.uid!r} isn't virtual, so it can't be changed.",
                found=f"{before!r} → {after!r}",
                hint="make a new artifact under the other key",
            )
        super()._rename(batch, before)

    def _unsaved_storage(self, batch: Batch) -> Any:
        """The storage location, if it is neither saved nor a part of the batch yet."""
        place = (self._related or {}).get("storage")
        return None if place is None or place._saved or batch.holds(place) else place

    def _check_storage(self, batch: Batch) -> None:
        """Refuse to store where no saved storage location is."""
        if (place := self._unsaved_storage(batch)) is not None:
            raise InvalidArgument(
                f"The storage location {place!r} isn't saved.", hint="call .save() on it first"
            )

    def _store(self, batch: Batch, payload: Payload) -> None:
        if self._in_place:
            if not payload.is_unchanged():
                payload.set_stored(store.hash_path(payload.path, options=payload.options or None))
            payload.hashed()
            return
        self._plan()
        target = self._target()
        if self._placed is None:
            self._refuse_taken(target)
            self._check_place()
            batch.announce([target])
            batch.on_rollback(self._unstore)
            placed = placing.put(payload, target, store.second_of(batch.now))
            object.__setattr__(self, "_placed", placed)
        elif self._placed.target != target:
            raise InvalidArgument(
                f"{self!r} was stored at another place.", found=self._placed.target
            )

    def _judge_again(self, payload: Payload) -> None:
        """The content was changed after it was judged: what counts is what was stored.

        Raises:
            ValidationError: The schema refuses it now.
            ContentChanged: It would be converted, or is still being changed.
        """
        target = payload.path if self._in_place else self._target()
        options = payload.options if self._in_place else {}
        stored = Payload(target, payload.suffix, payload.format, options=options)
        stored.content = payload.content
        object.__setattr__(self, "_payload", stored)
        try:
            self._judge()
            if self._payload is not stored or not stored.is_as_judged():
                raise ContentChanged(
                    f"{payload.path!r} was changed after it was judged.",
                    found="other content, which the schema converts, or which changes still",
                    hint="make the artifact again",
                )
        except BaseException:
            object.__setattr__(self, "_payload", payload)
            if not self._in_place:
                self._unstore()
            raise
        object.__setattr__(self, "_payload", payload)
        payload.judged, payload.steady = payload.content, True
        notify(f"{payload.path!r} changed after it was judged, so it was judged again", "warning")

    def _judge(self) -> None:
        raise TypeError(type(self).__name__)

    def _judge_assigned(self) -> None:
        raise TypeError(type(self).__name__)

    def _check_place(self) -> None:
        """Refuse to store through a link that leads out of the lake; mark a bucket as used."""
        location = placing.location_of(self._lake, self._values["storage_uid"])
        ownership.check_place(self._lake, location, self._values["storage_key"])
        ownership.claim_bucket(self._lake, location)

    def _refuse_taken(self, target: str) -> None:
        """Bytes under a real key are never written over by another artifact."""
        if not self._values.get("key_is_virtual") and store.exists(target):
            raise InconsistentKey(
                f"There already is a file at the place of {self!r}.",
                found=target,
                hint="register it in place: ln.Artifact(that path), or leave the key virtual",
            )

    def _take_place(self) -> None:
        """Move content that replaced other content from beside its real key to the key.

        Until then the row names the place beside; whoever finds nothing there looks under the
        key. So no moment exists at which the row's hash and its bytes differ. If the process
        ends before that, gc does it.
        """
        beside, key = self._values["storage_key"], self._values["key"]
        now = self._lake.engine.state().row("artifact", self.uid)
        if now is None or now["storage_key"] != beside:
            return  # another process has replaced the content since
        location = placing.location_of(self._lake, self._values["storage_uid"])
        if store.exists(location.uri(beside)):
            placing.move(location.uri(beside), location.uri(key))
        changes = Changes()
        changes.update("artifact", self.uid, {"storage_key": key}, {"storage_key": beside})
        with contextlib.suppress(RowConflict):  # another process has done it
            self._lake.commit(changes, message=f"place {key}")
        self._values["storage_key"] = key

    def _unstore(self) -> None:
        if self._payload is not None and self._placed is not None:
            placing.give_back(self._payload, self._placed)
        object.__setattr__(self, "_placed", None)

    def _find_twin(self, batch: Batch) -> None:
        """The content may be known after all, now that its hash is."""
        placed = self._placed
        row = self._lake.matcher.find(self.meta, self._values)
        if row is None:
            return
        key = self._values.get("key")
        self._adopt(row)
        self._tell_key(key)
        if placed is not None and placed.target != self._target():
            batch.on_commit(lambda: placing.take_back(placed))

    def _stage(self, changes: Changes, batch: Batch) -> None:
        if self._saved and not self._replaced:
            return  # another process saved this content first, and its row was adopted
        if self._replaced:
            self._drop_annotation(changes)
        if self._description is not None:
            components = {
                slot: (c.schema, c.n_rows) for slot, c in self._description.components.items()
            }
            insert_snapshots(changes, self.uid, components)
        if self._validation is not None:
            self._validation.stage(changes, self.uid, batch)

    def _drop_annotation(self, changes: Changes) -> None:
        """What was said of the replaced content is said no more; external features stay."""
        state = self._lake.state
        rows = state.prefix("artifact_snapshot", self.uid, LINKED)
        changes.delete("artifact_snapshot", [r["uid"] for r in rows])
        for table in ("artifact_link", "feature_value"):
            rows = state.prefix(table, self.uid, LINKED)
            gone = [r["uid"] for r in rows if r["slot"] not in (None, EXTERNAL)]
            changes.delete(table, gone)

    def _settle(self, batch: Batch) -> None:
        placed = self._placed
        object.__setattr__(self, "_placed", None)
        object.__setattr__(self, "_payload", None)
        replaced = self._replaced
        object.__setattr__(self, "_replaced", False)
        object.__setattr__(self, "_validation", None)
        if placed is not None and placed.target != self._target():
            placing.take_back(placed)  # an equal artifact was adopted
        if replaced and not self._values.get("key_is_virtual"):
            self._take_place()
        # replaced bytes stay: past states name them, and gc removes them with those

    def _before_delete(self, batch: Batch) -> None:
        super()._before_delete(batch)
        location = placing.location_of(self._lake, self._values["storage_uid"])
        place = self._place(location)
        virtual = bool(self._values.get("key_is_virtual"))
        wanted = self._delete_storage if self._delete_storage is not None else virtual

        def unlink(changes: Changes) -> None:
            for table in ("artifact_link", "artifact_snapshot", "feature_value"):
                rows = self._lake.state.prefix(table, self.uid, LINKED)
                changes.delete(table, [r["uid"] for r in rows])

        batch.stage(unlink)
        if wanted:
            batch.on_commit(lambda: self._remove_bytes(location, place))
            if not virtual and self._values["storage_key"].startswith(f"{MANAGED}/"):
                # its process ended before it took the key: what was replaced may lie there still
                key = self._values["key"]
                batch.on_commit(lambda: ownership.remove(self._lake, location, key))

    def _remove_bytes(self, location: StorageLocation, place: str) -> None:
        """Remove the bytes of a deleted artifact, unless a tag names them; tell what is lost."""
        engine = self._lake.engine
        tags = tags_naming(tagged_states(self._lake), self._values)
        shown = f"the bytes of {self.key or self.uid!r}"
        names = f"the {'tags' if len(tags) > 1 else 'tag'} {', '.join(map(repr, tags))}"
        if tags and not self._delete_storage:
            notify(
                f"{shown} stay, since {names} may need them: gc removes them when no tag does, "
                "delete(permanent=True, storage=True) at once",
                "warning",
            )
            return
        ownership.remove(self._lake, location, place)
        kept, now = engine.kept_from, engine.state().seq
        if tags:
            notify(f"removed {shown}, which can't be loaded at {names} any more", "warning")
        elif self._delete_storage is None and kept < now:
            notify(
                f"removed {shown}, which past commits ({kept} to {now - 1} are kept) can't load "
                "any more; bytes that a tag names stay: lake.tag(name) beforehand, or say "
                "delete(permanent=True, storage=True) to mean it",
                "warning",
            )

    def delete(self, permanent: bool | None = None, storage: bool | None = None) -> None:  # noqa: FBT001
        """Move the artifact to the trash; delete it for good if it is there already.

        Args:
            permanent: True deletes at once.
            storage: Whether its bytes are deleted too; by default those that the lake manages and
                that no tag names, which `gc` removes once no tag names them any more. That
                past commits without a tag can't load them any more is told, unless this is True.
        """
        object.__setattr__(self, "_delete_storage", storage)
        super().delete(permanent)


def _forget_stored(artifacts: list[ArtifactSaving]) -> None:
    for artifact in artifacts:
        object.__setattr__(artifact, "_placed", None)


# -- Replacing an artifact's content without making a new version


class ArtifactReplacing(ArtifactSaving):
    """The part of an artifact that takes other content."""

    def replace(self, data: Any, run: Any = None, format: str | None = None) -> None:
        """Replace the content without making a new version; call `save()` afterwards.

        Args:
            data: A path or an object, as for `Artifact`.
            run: The run that made it.
            format: The format to store an object in.

        Content of another format changes the suffix of the artifact and of its key.

        Raises:
            InvalidArgument: The format is another one and the bytes lie under the key itself, a
                folder would become a file, or the open transaction saves the artifact already.
        """
        batch = active_batch(self._lake)
        if batch is not None and batch.holds(self):
            raise InvalidArgument(
                f"{self!r} is saved by the open transaction with the content that it has.",
                hint="replace the content before save(), or after the transaction",
            )
        payload = _replacement(data, self.suffix or "", format)
        placing.description_of(payload)  # what can't be read replaces nothing
        self._check_replacement(payload)
        object.__setattr__(self, "_payload", payload)
        object.__setattr__(self, "_asked", (None, None))
        if payload.suffix != (self.suffix or ""):
            self._take_suffix(payload.suffix)
        if not self._saved:
            self._values.pop("hash_key", None)
            self._describe_content()
            return
        object.__setattr__(self, "_in_place", False)
        if not self._replaced:
            self._set("storage_key", managed_key(self.uid, self.suffix or "", again=True))
        object.__setattr__(self, "_replaced", True)
        self._set("hash_key", None)
        self._set("schema_uid", None)
        self._set("schema_hash", None)
        if run is not None:
            self.run = run
        self._describe_content()
        self._dirty = True

    def _check_replacement(self, payload: Payload) -> None:
        """Refuse a folder in the place of a file, and another format under a real key."""
        was_folder = self._values.get("n_files") is not None
        if payload.is_folder != was_folder:
            kinds = ("a folder", "a file") if was_folder else ("a file", "a folder")
            raise InvalidArgument(
                f"It is not allowed to replace {kinds[0]} with {kinds[1]}.",
                found=payload.path,
                hint="make a new artifact",
            )
        if payload.suffix != (self.suffix or "") and not self._values.get("key_is_virtual"):
            raise InvalidArgument(
                f"{self!r} can only be replaced by content of the same format, since its bytes "
                "lie under the key itself.",
                found=payload.suffix or "no suffix",
                expected=self.suffix or "no suffix",
            )

    def _take_suffix(self, suffix: str) -> None:
        """The content is of another format now, and so the key ends in another suffix."""
        key, before = self.key, self.suffix or ""
        if key is not None:
            renamed = key[: len(key) - len(before)] + suffix
            notify(
                f"replacing the file will replace key {key!r} with {renamed!r} upon `save()`",
                "warning",
            )
            self._set("key", renamed)
        self._set("suffix", suffix)


def _replacement(data: Any, suffix: str, format: str | None) -> Payload:
    """New content: objects are written in the format of the old one where they can be."""
    if isinstance(data, str | os.PathLike):
        return payload_of(data, None, format=format)
    try:
        return payload_of(data, f"data{suffix}", format=format)
    except InconsistentKey:
        return payload_of(data, None, format=format)

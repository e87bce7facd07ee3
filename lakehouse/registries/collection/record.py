"""Collections: versioned, unchangeable sets of artifacts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from lakehouse.config import notify
from lakehouse.errors import InvalidArgument, TypeMismatch
from lakehouse.identity import stem_of
from lakehouse.orm import QuerySet, version_fields
from lakehouse.orm.model.builtin import TRASH
from lakehouse.orm.record.versions import inherit, is_held
from lakehouse.registries.artifact.validate import schema_named
from lakehouse.registries.collection.content import CollectionContent
from lakehouse.registries.collection.members import check_members
from lakehouse.registries.collection.row import CollectionRow
from lakehouse.registries.relations import relations_of
from lakehouse.relations.checks import check_record
from lakehouse.relations.tables import link_row
from lakehouse.storage.hashing import hash_bytes

if TYPE_CHECKING:
    from lakehouse.engine import Changes
    from lakehouse.orm import Batch
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.place import Branch, Space, User
    from lakehouse.registries.run import Run
    from lakehouse.registries.schema.record import Schema


class Collection(
    CollectionContent,
    row=CollectionRow,
    name_field="key",
    match=(),
    required=("key",),
    versioned=True,
    foreign_keys={"schema": "Schema", "meta_artifact": "Artifact"},
    aliases={"transform": "run__transform"},
    computed=version_fields("collection"),
    relations=relations_of("Collection"),
):
    """Versioned collections of artifacts.

    The artifacts of a collection never change; another set under the same key is a new
    version. A set that is known gives the existing collection.

    Args:
        artifacts: An artifact or several saved ones, in their order.
        key: A path-like name, which names the version family.
        description: What it is.
        schema: The schema that all its artifacts satisfy: those that weren't validated against
            it when they were saved are validated now.
        meta_artifact: An artifact that describes the others; also `meta`.
        reference: A reference to an outside resource, e.g. an accession.
        reference_type: What kind of reference that is, e.g. `"GEO"`.
        run: The run that made it.
        revises: The collection of which this is a new version; its key is the default.
        version: A tag for the version.
        skip_hash_lookup: Make a new collection even if the set is known.

    Raises:
        InvalidArgument: An artifact isn't saved, or there is none.
        TypeMismatch: Something else than an artifact is among them.
        ValidationError: Artifacts don't satisfy the schema; nothing is saved.

    Example:
        >>> Collection([artifact_1, artifact_2], key="release").save()
    """

    if TYPE_CHECKING:

        def __init__(
            self,
            artifacts: Artifact | Iterable[Artifact] | None = None,
            key: str | None = None,
            *,
            description: str | None = None,
            revises: Collection | None = None,
            meta: Artifact | None = None,
            run: Run | bool | None = None,
            version: str | None = None,
            skip_hash_lookup: bool = False,
            reference: str | None = None,
            reference_type: str | None = None,
            schema: Schema | None = None,
            meta_artifact: Artifact | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            created_by: User | None = None,
        ) -> None: ...

    _members: list[Any] | None = None
    _satisfied: tuple[Any, ...] = ()  # the schema that the members satisfy, with its hash

    def _construct(
        self,
        artifacts: Artifact | Iterable[Artifact] | None = None,
        key: str | None = None,
        *,
        description: str | None = None,
        revises: Collection | None = None,
        meta: Artifact | None = None,
        run: Run | bool | None = None,
        version: str | None = None,
        skip_hash_lookup: bool = False,
        **fields: Any,
    ) -> None:
        if isinstance(revises, Collection):
            key = key or revises._values.get("key")
            description = description or revises._values.get("description")
        if meta is not None:
            fields.setdefault("meta_artifact", meta)
        if version is not None:
            fields.setdefault("version_tag", version)
        if fields.get("schema") is not None:
            fields["schema"] = schema_named(fields["schema"])
        super().__init__(key=key, description=description, run=run or None, **fields)
        if self._saved:
            return
        if revises is not None and not isinstance(revises, Collection):
            raise InvalidArgument("A Collection revises a Collection.", found=repr(revises))
        members = self._checked(artifacts)
        self._satisfy(members)
        self._values["hash"] = _hash_of(members)
        if not skip_hash_lookup and (row := self._known(revises)) is not None:
            notify(f"returning the existing Collection with these artifacts: key={row['key']!r}")
            schema = self._get_related("schema")
            self._adopt(row)
            if schema is not None and row["schema_uid"] != schema.uid:
                self.schema = schema  # which its artifacts satisfy
            return
        object.__setattr__(self, "_members", members)
        if revises is not None:
            self._revise(revises)
        else:
            self._join_family()
            inherit(self, "description")

    if not TYPE_CHECKING:
        __init__ = _construct

    def _checked(self, artifacts: Any) -> list[Any]:
        """The artifacts, each once."""
        registry = self._lake.directory.get("Artifact")
        several = isinstance(artifacts, Iterable) and not isinstance(artifacts, str)
        found = list(artifacts) if several else [artifacts]
        if artifacts is None or not found:
            raise InvalidArgument(
                "A collection needs artifacts.",
                found="none",
                hint="ln.Collection([artifact], key=…)",
            )
        for artifact in found:
            if not isinstance(artifact, registry):
                raise TypeMismatch(
                    "A collection is made of artifacts.",
                    found=f"{artifact!r} ({type(artifact).__name__})",
                    expected="saved artifacts",
                    hint="ln.Artifact(path, key=…).save()",
                )
            check_record(self, registry, artifact)
        members = list({a.uid: a for a in found}.values())
        if len(members) < len(found):
            notify("some artifacts were given more than once; each is kept once", "warning")
        return members

    def _satisfy(self, members: list[Any]) -> None:
        """Check that the artifacts satisfy the schema, unless that is known.

        Raises:
            ValidationError: Some don't.
        """
        schema = self._get_related("schema")
        if schema is None:
            return
        satisfied = schema.uid, schema.hash, tuple(a.uid for a in members)
        if self._satisfied != satisfied:
            check_members(members, schema)
            object.__setattr__(self, "_satisfied", satisfied)

    def verify_schema(self) -> None:
        """Check that all artifacts satisfy the collection's schema.

        Raises:
            InvalidArgument: It has no schema.
            ValidationError: Some artifacts don't; they are named.

        Example:
            >>> collection.verify_schema()
        """
        schema = self._get_related("schema")
        if schema is None:
            raise InvalidArgument(f"{self!r} has no schema.", hint="collection.schema = schema")
        check_members(self._present_members(), schema)

    def _present_members(self) -> list[Any]:
        """The artifacts, also of a collection that isn't saved yet."""
        return list(self.artifacts.all()) if self._members is None else self._members

    def _known(self, revises: Collection | None) -> dict[str, Any] | None:
        """The row of the visible collection with the same artifacts, of the same family if given."""
        if not is_held(self._lake, "collection", "hash", self._values["hash"]):
            return None
        known: QuerySet[Collection] = QuerySet(Collection, self._lake)
        places = [*self._lake.visible_branches, TRASH]
        found = list(known.filter(hash=self._values["hash"], branch_uid__in=places).order_by("uid"))
        found.sort(key=lambda c: c._values.get("branch_uid") == TRASH)
        for collection in found:
            if revises is None or stem_of(collection.uid) == stem_of(revises.uid):
                return dict(collection._values)
        return None

    def _is_same_as(self, row: dict[str, Any]) -> bool:
        return row.get("hash") == self._values.get("hash")

    def _before_save(self, batch: Batch) -> None:
        super()._before_save(batch)
        if not self._saved or "schema_uid" in (self._old or {}):
            self._satisfy(self._present_members())
        if not self._saved and self._members is not None:
            batch.stage(lambda changes: self._link(changes, batch))
            batch.on_commit(lambda: object.__setattr__(self, "_members", None))

    def _link(self, changes: Changes, batch: Batch) -> None:
        if self._saved:
            return  # another process saved this set first, and its row was adopted
        stamps = {k: v for k, v in self._lake.stamps.items() if k in ("created_by_uid", "run_uid")}
        rows = [
            link_row(self.uid, "artifact", a.uid, position=place, created_at=batch.now, **stamps)
            for place, a in enumerate(self._members or [])
        ]
        changes.insert("collection_link", rows, if_absent=True)

    def append(self, artifact: Any, run: Any = None) -> Self:
        """A new version with one more artifact, to be saved; this one stays as it is.

        The new version has the schema of this one, which the artifact must satisfy.

        Args:
            artifact: A saved artifact.
            run: The run that adds it.

        Raises:
            ValidationError: The artifact doesn't satisfy the schema.

        Example:
            >>> collection.append(artifact_3).save()
        """
        members = [*self.artifacts.all(), artifact]
        schema = self._get_related("schema")
        return type(self)(members, key=self.key, revises=self, run=run, schema=schema)


def _hash_of(artifacts: list[Any]) -> str:
    """The digest of a set of artifacts: of their hashes, in any order."""
    return hash_bytes("\n".join(sorted(a.hash or a.uid for a in artifacts)).encode())

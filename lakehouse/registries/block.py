"""Blocks: pieces of markdown, on their own or attached to a record, by version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from lakehouse.config import notify
from lakehouse.errors import FieldValidationError, InvalidArgument
from lakehouse.orm import Versioned, VersionedRow, version_fields
from lakehouse.orm.record.versions import is_held
from lakehouse.registries.relations import relations_of
from lakehouse.storage.hashing import hash_bytes

if TYPE_CHECKING:
    from lakehouse.orm import Batch
    from lakehouse.orm.model.meta import (
        FieldDescriptor,
        ForeignIdDescriptor,
        ForeignKeyDescriptor,
        RelationDescriptor,
    )
    from lakehouse.orm.record.versions import Name
    from lakehouse.registries.labels import Project
    from lakehouse.registries.place import Branch, Space, User
    from lakehouse.registries.run import Run
    from lakehouse.relations.managers import KeyManager, LinkManager

BlockKind = Literal["readme", "comment"]
_README, _COMMENT = "readme", "comment"
_KEY = re.compile(r"README\.md|__(?:lakehouse|lamindb)_[a-z_]+__")


class ContentRow(VersionedRow):
    """The columns that all tables of blocks have.

    Attributes:
        content: Markdown, kept as it is.
        hash: Digest of the content.
        kind: `"readme"` or `"comment"`.
    """

    content: str | None = None
    hash: str | None = None
    kind: BlockKind | None = None


class BlockRow(ContentRow):
    """A row of the table `block`.

    Attributes:
        key: `README.md` for the lake, `__lakehouse_<table>__` for one of its registries.
        anchor_uid: The block below which this one stands.
    """

    key: str | None = None
    anchor_uid: str | None = None


class BaseBlock(Versioned):
    """A piece of markdown. Equal content gives the existing block, other content a new version."""

    if TYPE_CHECKING:
        content: FieldDescriptor[str]
        hash: FieldDescriptor[str | None]
        kind: FieldDescriptor[BlockKind]

    def __init__(
        self, *, revises: BaseBlock | None = None, version: str | None = None, **fields: Any
    ) -> None:
        if version is not None:
            fields.setdefault("version_tag", version)
        if isinstance(revises, BaseBlock):
            fields = self._inherited(revises) | fields
        if fields.get("content") is None:
            fields["content"] = ""
        self._check_kind(fields.get("kind"))
        super().__init__(**fields)
        if self._saved:
            return
        self._values["hash"] = _hash_of(self._values["content"])
        if revises is not None:
            self._check_revised(revises)
            self._revise(revises)
        elif self._values["kind"] != _COMMENT and not self._become_known():
            self._join_family()

    def _inherited(self, revises: BaseBlock) -> dict[str, Any]:
        """What a new version takes over from the one before."""
        taken: dict[str, Any] = {"kind": revises._values.get("kind")}
        return taken

    def _check_revised(self, revises: Any) -> None:
        """Refuse to follow a block of another kind or place, and versions of comments.

        Raises:
            InvalidArgument: That is what was asked for.
        """
        own, other = self._values, getattr(revises, "_values", {})
        if other.get("kind") == _COMMENT:
            raise InvalidArgument(
                "A comment has no versions.",
                found=f"revises={revises!r}",
                hint="leave out revises=: it becomes another comment",
            )
        for name in ("kind", f"{self.meta.part_of}_uid"):
            if isinstance(revises, BaseBlock) and own.get(name) != other.get(name):
                raise InvalidArgument(
                    f"A version of a block has the {name.removesuffix('_uid')!r} of the one before.",
                    found=repr(own.get(name)),
                    expected=repr(other.get(name)),
                    hint="leave out revises=",
                )

    def _check_kind(self, kind: Any) -> None:
        """Refuse a kind of block that there isn't.

        Raises:
            FieldValidationError: It is none of the kinds.
        """
        if kind not in (_README, _COMMENT):
            raise FieldValidationError(
                f"A {self.meta.name} needs the field 'kind'.",
                found=repr(kind),
                expected="'readme' or 'comment'",
            )

    def _known_where(self) -> dict[str, Any] | None:
        """Conditions for the existing block that a constructor call means."""
        hash_ = self._values["hash"]
        return None if hash_ is None else {"hash": hash_, "is_latest": True}

    def _become_known(self) -> bool:
        where = self._known_where()
        if where is None or not is_held(self._lake, self.meta.table, "hash", where["hash"]):
            return False
        visible = self._lake.visible_branches if self.meta.has_branch else None
        found = self._query().filter(**where)
        if visible is not None:
            found = found.filter(branch_uid__in=visible)
        known = found.order_by("uid").last()
        if known is None:
            return False
        notify(f"returning the existing {self.meta.name} with this content: {known.uid!r}")
        self._adopt(dict(known._values))
        return True

    def _set_given(self, given: dict[str, Any]) -> None:
        """The content is known: the block keeps what it is."""

    def _is_same_as(self, row: dict[str, Any]) -> bool:
        return row.get("hash") is not None and row.get("hash") == self._values.get("hash")

    def _before_save(self, batch: Batch) -> None:
        if self._saved and "content" in (self._old or {}):
            self._set("hash", _hash_of(self._values.get("content") or ""))
        super()._before_save(batch)


class Block(
    BaseBlock,
    row=BlockRow,
    name_field="key",
    match=(),
    required=("key",),
    versioned=True,
    foreign_keys={"anchor": "Block"},
    computed=version_fields("block"),
    relations=relations_of("Block"),
):
    """Pages of markdown about the lake or one of its registries, by version.

    Args:
        key: `"README.md"` for the lake, `"__lakehouse_artifact__"` and the like for a registry.
        content: Markdown.
        kind: `"readme"`.
        anchor: The block below which this one stands.
        revises: The version that this one follows, if its key differs.
        version: A tag for the version.

    Raises:
        InvalidArgument: There is no such key.

    Example:
        >>> Block(key="README.md", content="# Our lake", kind="readme").save()
    """

    if TYPE_CHECKING:
        key: FieldDescriptor[str]
        anchor_uid: FieldDescriptor[str | None]
        anchor: ForeignKeyDescriptor[Block | None]
        anchor_id: ForeignIdDescriptor[str | None]
        projects: RelationDescriptor[LinkManager[Project]]
        children: RelationDescriptor[KeyManager[Block]]

        def __init__(
            self,
            *,
            key: str | None = None,
            kind: str = "readme",
            revises: BaseBlock | None = None,
            version: str | None = None,
            content: str | None = None,
            anchor: Block | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    def _construct(self, *, key: str | None = None, kind: str = _README, **fields: Any) -> None:
        revises = fields.get("revises")
        if key is None and isinstance(revises, Block):
            key = revises._values.get("key")
        if key is not None and not _KEY.fullmatch(str(key)):
            raise InvalidArgument(
                "A block has no such key.",
                found=repr(key),
                expected="'README.md', or '__lakehouse_<table>__', e.g. '__lakehouse_artifact__'",
                hint="to attach markdown to one record: ln.models.RecordBlock(record=…)",
            )
        super().__init__(key=key, kind=kind, **fields)

    if not TYPE_CHECKING:
        __init__ = _construct

    def _check_kind(self, kind: Any) -> None:
        if kind != _README:
            raise FieldValidationError(
                "The field 'kind' of Block can't take this value.",
                found=repr(kind),
                expected=f"{_README!r}",
            )


class AttachedBlock(BaseBlock):
    """A block that is attached to a record: a readme by version, or a comment.

    Args:
        content: Markdown.
        kind: `"readme"`: other content is a new version; `"comment"`: always a new block.
        revises: The version that this one follows.
        version: A tag for the version.
    """

    def __init__(self, **fields: Any) -> None:
        field = str(self.meta.part_of)
        revises = fields.get("revises")
        own = (field, f"{field}_uid", f"{field}_id")
        if not isinstance(revises, BaseBlock) and all(fields.get(name) is None for name in own):
            raise FieldValidationError(
                f"{self.meta.name} needs the field {field!r}.",
                hint=f"{self.meta.code}({field}={field}, content='…', kind='comment')",
            )
        super().__init__(**fields)

    def _inherited(self, revises: BaseBlock) -> dict[str, Any]:
        column = f"{self.meta.part_of}_uid"
        return super()._inherited(revises) | {column: revises._values.get(column)}

    def _family_name(self) -> Name | None:
        about = self._values.get(f"{self.meta.part_of}_uid")
        if about is None or self._values.get("kind") != _README:
            return None
        return {f"{self.meta.part_of}_uid": about, "kind": _README}

    def _known_where(self) -> dict[str, Any] | None:
        name, where = self._family_name(), super()._known_where()
        return None if name is None or where is None else {**where, **name}


def _hash_of(content: str) -> str | None:
    return hash_bytes(content.encode()) if content else None

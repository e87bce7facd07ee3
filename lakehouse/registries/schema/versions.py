"""What a schema demanded before it was changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakehouse.registries.feature import Feature

if TYPE_CHECKING:
    from lakehouse.orm import Lake
    from lakehouse.registries.schema.members import SchemaContent


@dataclass(frozen=True)
class SchemaVersion:
    """A schema as it was when datasets were validated with it. It reads like a schema.

    Attributes:
        schema: The schema as it is now.
        hash: The hash of the content at that time.
        content: The content.
    """

    schema: SchemaContent
    hash: str
    content: dict[str, Any]

    @property
    def _lake(self) -> Lake:
        return self.schema._lake

    @property
    def name(self) -> str | None:
        """The name of the schema."""
        found: str | None = self.schema._values.get("name")
        return found

    @property
    def uid(self) -> str:
        """The uid of the schema."""
        return self.schema._ensure_uid()

    @property
    def index(self) -> Feature | None:
        """The feature of the index."""
        uid = self.content.get("index")
        row = None if uid is None else self._lake.state.row("feature", uid)
        return None if row is None else Feature._from_row(self._lake, row)

    @property
    def slots(self) -> dict[str, Any]:
        """The schemas of the components as they were."""
        found: dict[str, Any] = {}
        for slot, (uid, content_hash) in (self.content.get("slots") or {}).items():
            row = self._lake.state.row("schema", uid)
            if row is not None:
                part = type(self.schema)._from_row(self._lake, row)
                found[slot] = part.version(content_hash)
        return found

    def feature_list(self) -> list[tuple[Feature, bool]]:
        """The features in order, each with whether it was optional."""
        members = [m for m in self.content["members"] if m[0] == "feature"]
        rows = self._lake.state.rows("feature", [m[1] for m in members])
        by_uid = {row["uid"]: Feature._from_row(self._lake, row) for row in rows}
        return [(by_uid[m[1]], bool(m[2])) for m in members if m[1] in by_uid]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        # what isn't in the content was off, or never said
        return self.content.get(name)

    def __repr__(self) -> str:
        return f"version {self.hash} of {self.schema!r}"

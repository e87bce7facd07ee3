"""Transforms: pipelines, notebooks, scripts and functions, by version."""

from __future__ import annotations

from typing import Any, Literal

from lakehouse.config import notify
from lakehouse.orm import Versioned, VersionedRow, latest_sql
from lakehouse.orm.query import QuerySet
from lakehouse.registries._relations import relations_of

TransformKind = Literal["pipeline", "notebook", "script", "function"]


class TransformRow(VersionedRow):
    """A row of the table `transform`."""

    key: str | None = None
    description: str | None = None
    kind: TransformKind | None = "pipeline"
    source_code: str | None = None
    hash: str | None = None
    reference: str | None = None
    reference_type: str | None = None
    config: dict[str, Any] | None = None


class Transform(
    Versioned,
    row=TransformRow,
    name_field="key",
    match=(),
    required=("key",),
    versioned=True,
    computed={"is_latest": ("bool", latest_sql("transform"))},
    relations=relations_of("Transform"),
):
    """Data transformations. Equal keys make a version family; changed source a new version.

    Args:
        key: A path-like name, e.g. `pipelines/align.py`.
        revises: The version that this one follows, if its key differs.
        version: A tag for the version.

    Example:
        >>> Transform(key="Cell Ranger", version="7.2.0", kind="pipeline").save()  # doctest: +SKIP
    """

    def __init__(
        self,
        key: str | None = None,
        *,
        revises: Transform | None = None,
        version: str | None = None,
        **fields: Any,
    ) -> None:
        if version is not None:
            fields.setdefault("version_tag", version)
        if key is None and revises is not None:
            key = revises._values.get("key")
        super().__init__(key=key, **fields)
        if "uid" in fields:
            return
        if revises is not None:
            self._revise(revises)
            return
        family: QuerySet[Transform] = QuerySet(Transform, self._lake)
        latest = family.filter(key=key).order_by("uid").last()
        if latest is None:
            return
        if self._is_same_as(latest):
            notify(f"returning the existing Transform: key={key!r}")
            self._adopt(dict(latest._values))
        else:
            self._revise(latest)

    def _is_same_as(self, latest: Transform) -> bool:
        names = ("version_tag", "source_code", "hash")
        given = {n: self._values.get(n) for n in names if self._values.get(n) is not None}
        return all(latest._values.get(n) == v for n, v in given.items())

    @property
    def latest_run(self) -> Any:
        """The newest run of this version, or None."""
        runs: QuerySet[Any] = QuerySet(self._lake.directory.get("Run"), self._lake)
        return runs.filter(transform=self).last()

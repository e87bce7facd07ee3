"""An artifact's content: where its bytes lie, and how they are read."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.errors import ContentChanged, InvalidArgument, NoLoader, ObjectDoesNotExist
from lakehouse.features.manager import FeatureManager
from lakehouse.formats import format_for, format_in
from lakehouse.formats.base import Description
from lakehouse.orm import QuerySet
from lakehouse.registries.artifact import place as placing
from lakehouse.registries.artifact.diff import ArtifactDiff, compare
from lakehouse.registries.artifact.payload import Payload
from lakehouse.registries.artifact.row import ArtifactFields, managed_key
from lakehouse.registries.artifact.stored import local_content, place_of
from lakehouse.registries.artifact.validate import Validation
from lakehouse.relations.labels import LabelManager
from lakehouse.storage import Look, StorageLocation, look_at

if TYPE_CHECKING:
    from upath import UPath

    from lakehouse.registries.run import Transform
    from lakehouse.registries.schema.record import Schema
    from lakehouse.relations.managers import LinkManager


LINKED = 10_000_000

_TRIES = 3

# What other programs show: loading gives its path.
_SHOWN = (".html", ".svg", ".png", ".jpg", ".jpeg", ".gif", ".rds")


class ArtifactContent(ArtifactFields):
    """The part of an artifact that reads."""

    _payload: Payload | None = None
    _description: Description | None = None
    _validation: Validation | None = None
    _in_place: bool = False
    _placed: placing.Placed | None = None  # what was stored in this transaction
    _replaced: bool = False
    _dedupe: bool = True
    _delete_storage: bool | None = None
    _asked: tuple[Any, Any] = (None, None)  # the schema and the external features, when judged

    def _plan(self) -> None:
        """Decide where the bytes will lie."""
        values = self._values
        if values.get("storage_key") is None:
            virtual = values["key_is_virtual"]
            values["storage_key"] = (
                managed_key(self.uid, values.get("suffix") or "") if virtual else values["key"]
            )

    def _target(self) -> str:
        """The URI that the bytes are stored to."""
        location = placing.location_of(self._lake, self._values["storage_uid"])
        return location.uri(self._values["storage_key"])

    def _place(self, location: StorageLocation) -> str:
        """The storage key under which the saved bytes lie now."""
        place: str = self._values["storage_key"]
        if self._replaced and self._placed is None:
            return str((self._old or {}).get("storage_key") or place)
        return place_of(self._values, location) if self._saved else place

    @property
    def path(self) -> UPath | Path:
        """Where the bytes lie, or will lie once it is saved."""
        if self._payload is not None and not self._saved and not self._in_place:
            self._plan()
        location = placing.location_of(self._lake, self._values["storage_uid"])
        if location.is_local:
            return Path(location.uri(self._place(location)))
        return location.path(self._place(location))

    def cache(self, *, is_run_input: bool | None = None, mute: bool = False) -> Path:
        """A local path of the content; remote content is downloaded once and verified.

        Args:
            is_run_input: Accepted for the peer's sake; tracking comes with lineage.
            mute: Accepted for the peer's sake.

        Raises:
            ContentChanged: The bytes aren't those that were saved, by size and times, and by
                hash where these leave doubt; `settings.verify = "hash"` always hashes them.
        """
        return self._local_content()[0]

    def _local_content(self) -> tuple[Path, Look | None]:
        """A local path of the content, and what was seen there when it was verified."""
        if self._payload is not None and not self._saved:
            return placing.local_copy(self._payload), None
        location = placing.location_of(self._lake, self._values["storage_uid"])
        self._refuse_replaced()
        return local_content(self, location, self._place(location))

    def _refuse_replaced(self) -> None:
        """A past state can't read content that lay under a real key and was replaced there."""
        if not self._lake.read_only or self._values.get("key_is_virtual"):
            return
        now = self._lake.engine.state().row("artifact", self.uid)
        if now is not None and now["hash"] != self._values["hash"]:
            raise ObjectDoesNotExist(
                f"The content that {self!r} had in this state was replaced since.",
                found=f"content {now['hash']} under the key itself",
                expected=f"content {self._values['hash']}",
                hint="past content is kept for artifacts with virtual keys (the default)",
            )

    def load(self, *, is_run_input: bool | None = None, mute: bool = False, **kwargs: Any) -> Any:
        """The content in memory: a pandas DataFrame, an AnnData …; of pictures the path.

        Args:
            is_run_input, mute: Accepted for the peer's sake.
            **kwargs: For the loader.

        Raises:
            NoLoader: The content is of a format that is only stored.
            ContentChanged: The bytes aren't those that were saved; see `cache`.
        """
        if kwargs.get("backed") in (True, "r+"):
            raise InvalidArgument(
                "Stored content isn't written in place.",
                found=f"backed={kwargs['backed']!r}",
                expected="backed='r'",
                hint="change it in memory, and save it: artifact.replace(adata)",
            )
        path, look = self._local_content()
        adapter = self._format(path)
        if adapter is not None:
            for _ in range(_TRIES):
                content = adapter.load(path, **kwargs)
                if look is None or look_at(path).mark == look.mark:
                    return content
                path, look = self._local_content()  # somebody touched it while it was read
            raise ContentChanged(
                f"The content of {self!r} changes while it is loaded.", hint="try again"
            )
        if self.suffix in _SHOWN:
            return path
        raise NoLoader(
            f"There is no loader for {self.suffix or 'no-suffix'} files. "
            "Use .cache() to get the path.",
            found=repr(self),
            hint="a package with an extension for this format may be missing",
        )

    def open(
        self,
        mode: str = "r",
        engine: str = "pyarrow",
        is_run_input: bool | None = None,  # noqa: FBT001 - the peer's signature
        **kwargs: Any,
    ) -> Any:
        """Open the content without loading it.

        Args:
            mode: `"r"`.
            engine: `"pyarrow"` for a dataset, `"polars"` for a context manager that yields a
                LazyFrame; only tables have a choice.
            is_run_input: Accepted for the peer's sake.
            **kwargs: For the reader.
        """
        if mode != "r":
            raise InvalidArgument("Artifacts are opened for reading.", found=mode, expected="'r'")
        path = self.cache()
        adapter = self._format(path)
        if adapter is None:
            raise InvalidArgument(
                f"{self!r} has no format that can be opened lazily.",
                found=self.suffix or "no suffix",
                hint="artifact.cache() gives the path",
            )
        return adapter.open(path, engine=engine, **kwargs)

    def _format(self, path: Path) -> Any:
        adapter = format_for(f"x{self.suffix}") if self.suffix else None
        if adapter is None and path.is_dir():
            adapter = format_in(path)
        return adapter

    # -- what it says ------------------------------------------------------------------

    @property
    def transform(self) -> Transform | None:
        """The transform whose run made the artifact."""
        run = self.run
        return None if run is None else run.transform

    @property
    def features(self) -> FeatureManager:
        """The features that the artifact is annotated with."""
        return FeatureManager(self)

    @property
    def labels(self) -> LabelManager:
        """All labels of the artifact, whatever their registry."""
        return LabelManager(self)

    @property
    def feature_sets(self) -> LinkManager[Schema]:
        """The schemas of what was found in the dataset, an older name of `schemas`."""
        return self.schemas

    def diff(
        self,
        other: ArtifactContent | None = None,
        *,
        on: str | Sequence[str] = (),
        rows: bool | None = None,
    ) -> ArtifactDiff:
        """What changed between this artifact and another one, by default the version before.

        Of two versions the older one comes first, whichever is asked; other artifacts are
        compared from this one to the other.

        Args:
            other: The other artifact.
            on: Columns that identify a row of a table, so that changed rows can be told.
            rows: Whether to count the rows of tables that differ, in the common columns; by
                default where both together are below 100 MB.

        Returns:
            Changed columns by slot, changed sizes, and numbers of added, removed and changed
            rows.

        Raises:
            InvalidArgument: There is no version before, or something isn't saved.

        Example:
            >>> Artifact.get(key="cells.parquet").diff()
        """
        return compare(
            self, other or self._before(), [on] if isinstance(on, str) else on, rows=rows
        )

    def _before(self) -> Any:
        """The version before this one."""
        older = [version for version in self.versions if version.uid < self.uid]
        if not older:
            raise InvalidArgument(
                f"{self!r} is the first version.", hint="artifact.diff(another_artifact)"
            )
        return max(older, key=lambda version: str(version.uid))

    @property
    def columns(self) -> dict[str, list[tuple[str, str]]]:
        """Names and types of the columns by slot, from the schema snapshots."""
        state = self._lake.state
        found = {}
        for row in state.prefix("artifact_snapshot", self.uid, LINKED):
            rows = state.prefix("snapshot_column", row["snapshot_uid"], LINKED)
            found[row["slot"]] = [(r["name"], r["type"]) for r in rows]
        return dict(sorted(found.items()))


# -- Sets of artifacts, as a class to test for


class _OfArtifacts(ABCMeta):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, QuerySet) and instance._meta.table == "artifact"


class ArtifactSet(metaclass=_OfArtifacts):
    """What queries for artifacts give.

    Example:
        >>> isinstance(ln.Artifact.filter(), ln.models.ArtifactSet)
        True
        >>> isinstance(ln.ULabel.filter(), ln.models.ArtifactSet)
        False
    """

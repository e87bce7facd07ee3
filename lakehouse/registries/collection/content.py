"""What a collection holds: its artifacts, and their content as one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse._lazy import require
from lakehouse.errors import InvalidArgument
from lakehouse.registries.collection.row import CollectionFields

if TYPE_CHECKING:
    from lakehouse.orm import QuerySet
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.run import Transform


class CollectionContent(CollectionFields):
    """The part of a collection that reads."""

    @property
    def ordered_artifacts(self) -> QuerySet[Artifact]:
        """The artifacts in the order in which they were given."""
        return self.artifacts.all()

    @property
    def data_artifact(self) -> Artifact | None:
        """The only data artifact of a collection that has one; the oldest of several."""
        return self.ordered_artifacts.order_by("uid").first()

    @property
    def name(self) -> str:
        """The last part of the key."""
        return str(self._values["key"]).rpartition("/")[2]

    @property
    def transform(self) -> Transform | None:
        """The transform whose run made the collection."""
        run = self.run
        return None if run is None else run.transform

    def _same_format(self, what: str) -> list[Any]:
        """The artifacts, which must have one format.

        Raises:
            InvalidArgument: They have several.
        """
        found = list(self.ordered_artifacts)
        suffixes = sorted({a.suffix for a in found})
        if len(suffixes) > 1:
            raise InvalidArgument(
                f"{self!r} can't be {what}: its artifacts have different file formats.",
                found=", ".join(suffixes),
                expected="one format",
                hint="collection.cache() gives the paths",
            )
        return found

    def cache(self, is_run_input: bool | None = None) -> list[Path]:  # noqa: FBT001 - the peer's
        """Local paths of all artifacts, in order; see `Artifact.cache`.

        Args:
            is_run_input: Accepted for the peer's sake; tracking comes with lineage.
        """
        return [artifact.cache() for artifact in self.ordered_artifacts]

    def load(
        self,
        join: str = "outer",
        is_run_input: bool | None = None,  # noqa: FBT001 - the peer's signature
        **kwargs: Any,
    ) -> Any:
        """All artifacts in memory as one data frame or AnnData.

        The observations of an AnnData say in `obs["artifact_uid"]` where they come from.

        Args:
            join: `"outer"` keeps all columns (or variables), `"inner"` those that all have.
            is_run_input: Accepted for the peer's sake.
            **kwargs: For `pandas.concat` or `anndata.concat`.

        Raises:
            InvalidArgument: The artifacts have different formats, or one that can't be joined.
        """
        artifacts = self._same_format("loaded")
        otypes = {a.otype for a in artifacts}
        if otypes == {"DataFrame"}:
            pandas = require("pandas", "load tables")
            return pandas.concat([a.load() for a in artifacts], join=join, **kwargs)
        if otypes == {"AnnData"}:
            anndata = require("anndata", "load AnnData files")
            kwargs = {"label": "artifact_uid", "keys": [a.uid for a in artifacts], **kwargs}
            return anndata.concat([a.load() for a in artifacts], join=join, **kwargs)
        raise InvalidArgument(
            f"{self!r} can't be loaded as one.",
            found=", ".join(sorted({a.suffix or "no suffix" for a in artifacts})),
            expected="tables or AnnData files",
            hint="[a.load() for a in collection.ordered_artifacts]",
        )

    def open(
        self,
        engine: str = "pyarrow",
        is_run_input: bool | None = None,  # noqa: FBT001 - the peer's signature
        **kwargs: Any,
    ) -> Any:
        """Open all tables as one, without loading them.

        Args:
            engine: `"pyarrow"` for a dataset, `"polars"` for a context manager that yields a
                LazyFrame.
            is_run_input: Accepted for the peer's sake.
            **kwargs: For the reader.

        Raises:
            InvalidArgument: The artifacts have different formats, or aren't tables.
        """
        if engine not in ("pyarrow", "polars"):
            raise InvalidArgument(
                f"There is no engine {engine!r}.", expected="'pyarrow' or 'polars'"
            )
        artifacts = self._same_format("opened")
        paths = [a.cache() for a in artifacts]
        adapter = artifacts[0]._format(paths[0])
        if adapter is None or adapter.otype != "DataFrame":
            raise InvalidArgument(
                f"{self!r} can't be opened as one.",
                found=artifacts[0].suffix or "no suffix",
                expected="tables, e.g. .parquet",
                hint="[a.open() for a in collection.ordered_artifacts]",
            )
        return adapter.open(paths, engine=engine, **kwargs)

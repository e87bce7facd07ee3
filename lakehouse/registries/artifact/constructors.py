"""Artifacts made of objects of one type, and of the files of a directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lakehouse.errors import MissingFile, UnreadableFile
from lakehouse.formats import format_for, format_in
from lakehouse.formats.confined import check_links
from lakehouse.orm import current_lake
from lakehouse.registries.artifact import place as placing
from lakehouse.registries.artifact.save import ArtifactReplacing

if TYPE_CHECKING:
    from lakehouse.registries.artifact.record import Artifact
    from lakehouse.registries.run import Run
    from lakehouse.registries.schema.record import Schema


class ArtifactConstructors(ArtifactReplacing):
    """The named constructors of artifacts: one for each type of object, and for directories."""

    @classmethod
    def from_dataframe(
        cls,
        df: Any,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Schema | str | None = None,
        features: Mapping[Any, Any] | None = None,
        revises: Artifact | None = None,
        run: Run | bool | None = None,
        parquet_kwargs: Mapping[str, Any] | None = None,
        csv_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """An artifact of a table, validated and annotated if a schema is given.

        Args:
            df: A pandas or polars DataFrame, a pyarrow Table, or the path of a table.
            key, description, schema, features, revises, run: See `Artifact`.
            parquet_kwargs: For the Parquet writer.
            csv_kwargs: For the CSV writer.
            **kwargs: Further arguments of `Artifact`.
        """
        cls._refuse(df, "DataFrame", key)
        return cls._dataset(
            df,
            key=key,
            description=description,
            schema=schema,
            features=features,
            revises=revises,
            run=run,
            write_kwargs=parquet_kwargs or csv_kwargs,
            **kwargs,
        )

    @classmethod
    def from_anndata(
        cls,
        adata: Any,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Schema | str | None = None,
        features: Mapping[Any, Any] | None = None,
        revises: Artifact | None = None,
        run: Run | bool | None = None,
        format: str | None = None,
        h5ad_kwargs: Mapping[str, Any] | None = None,
        zarr_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """An artifact of an AnnData, validated and annotated if a schema is given.

        Args:
            adata: An AnnData, or the path of one.
            key, description, schema, features, revises, run: See `Artifact`.
            format: `"h5ad"` or `"zarr"`; by default what the key's suffix says.
            h5ad_kwargs, zarr_kwargs: For the writers.
            **kwargs: Further arguments of `Artifact`.
        """
        cls._refuse(adata, "AnnData", key)
        return cls._dataset(
            adata,
            key=key,
            description=description,
            schema=schema,
            features=features,
            revises=revises,
            run=run,
            format=format,
            write_kwargs=h5ad_kwargs or zarr_kwargs,
            **kwargs,
        )

    @classmethod
    def from_mudata(
        cls,
        mdata: Any,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Schema | str | None = None,
        features: Mapping[Any, Any] | None = None,
        revises: Artifact | None = None,
        run: Run | bool | None = None,
        **kwargs: Any,
    ) -> Self:
        """An artifact of a MuData, validated and annotated if a schema is given.

        Args:
            mdata: A MuData, or the path of one (`.h5mu`).
            key, description, schema, features, revises, run: See `Artifact`.
            **kwargs: Further arguments of `Artifact`.
        """
        return cls._holding(
            "MuData",
            mdata,
            key=key,
            description=description,
            schema=schema,
            features=features,
            revises=revises,
            run=run,
            **kwargs,
        )

    @classmethod
    def from_spatialdata(
        cls,
        sdata: Any,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Schema | str | None = None,
        features: Mapping[Any, Any] | None = None,
        revises: Artifact | None = None,
        run: Run | bool | None = None,
        **kwargs: Any,
    ) -> Self:
        """An artifact of a SpatialData, validated and annotated if a schema is given.

        Args:
            sdata: A SpatialData, or the path of one (`.zarr`).
            key, description, schema, features, revises, run: See `Artifact`.
            **kwargs: Further arguments of `Artifact`.
        """
        return cls._holding(
            "SpatialData",
            sdata,
            key=key,
            description=description,
            schema=schema,
            features=features,
            revises=revises,
            run=run,
            **kwargs,
        )

    @classmethod
    def from_tiledbsoma(
        cls,
        exp: Any,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Schema | str | None = None,
        features: Mapping[Any, Any] | None = None,
        revises: Artifact | None = None,
        run: Run | bool | None = None,
        **kwargs: Any,
    ) -> Self:
        """An artifact of a SOMA experiment, validated and annotated if a schema is given.

        Args:
            exp: An open `tiledbsoma.Experiment` on this machine, or the path of one
                (`.tiledbsoma`).
            key, description, schema, features, revises, run: See `Artifact`.
            **kwargs: Further arguments of `Artifact`.
        """
        return cls._holding(
            "tiledbsoma",
            exp,
            key=key,
            description=description,
            schema=schema,
            features=features,
            revises=revises,
            run=run,
            **kwargs,
        )

    @classmethod
    def from_dir(
        cls, path: str | os.PathLike[str], *, key: str | None = None, run: Run | bool | None = None
    ) -> ArtifactList:
        """One artifact per file in a directory.

        Args:
            path: The directory.
            key: Prefix of the keys; the directory's name by default, or its place in a
                registered storage location.
            run: The run that made the files.

        Example:
            >>> Artifact.from_dir("project/run_1").save()
        """
        folder = Path(path).expanduser().absolute()
        if not folder.is_dir():
            kind = UnreadableFile if folder.exists() else MissingFile
            raise kind(f"{str(folder)!r} is no directory.")
        lake = current_lake()
        home = placing.home_of(lake, str(folder))
        prefix = key if key is not None else (home[1] if home else folder.name)
        files = sorted(p for p in folder.rglob("*") if p.is_file() and not _hidden(p, folder))
        inside = home is not None or str(folder) == lake.root
        if not inside:
            check_links(folder)
        make: Any = cls
        return ArtifactList(
            make(
                p,
                key=None if inside and key is None else f"{prefix}/{p.relative_to(folder)}",
                run=run,
            )
            for p in files
        )

    @classmethod
    def _dataset(cls, data: Any, /, **given: Any) -> Self:
        """An artifact of the kind `"dataset"`, unless another one is given."""
        return cls(data, **{"kind": "dataset", **given})

    @classmethod
    def _holding(cls, otype: str, data: Any, /, **given: Any) -> Self:
        """An artifact of a dataset, refused if its content is of another type of object."""
        made = cls._dataset(data, **given)
        found = made._values.get("otype")
        if found is None and made._payload is not None and not made._payload.remote:
            described = placing.description_of(made._payload)
            found = None if described is None else described.otype
        if found is not None and found != otype:
            hint = f"ln.Artifact(path, key={given['key']!r})"
            raise UnreadableFile(f"{data!r} holds no {otype}.", found=found, hint=hint)
        return made

    @staticmethod
    def _refuse(data: Any, otype: str, key: str | None) -> None:
        """Refuse a path whose format is of another type of object."""
        if isinstance(data, str | os.PathLike):
            adapter = format_for(os.fspath(data)) or (
                format_in(data) if os.path.isdir(data) else None
            )
            if os.path.exists(data) and (adapter is None or adapter.otype != otype):
                raise UnreadableFile(
                    f"{os.fspath(data)!r} holds no {otype}.",
                    found=adapter.otype or adapter.name if adapter else "an unknown format",
                    hint=f"ln.Artifact(path, key={key!r})",
                )


class ArtifactList(list["Artifact"]):
    """Artifacts that are saved together."""

    def save(self) -> ArtifactList:
        """Save all in one commit."""
        if self:
            self[0]._lake.save(self)
        return self


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)

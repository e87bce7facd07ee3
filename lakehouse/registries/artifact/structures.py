"""Artifacts made of composite structures: MuData, SpatialData, SOMA experiments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from lakehouse.errors import UnreadableFile
from lakehouse.registries.artifact.placing import description_of
from lakehouse.registries.artifact.saving import ArtifactSaving

if TYPE_CHECKING:
    from lakehouse.registries.artifact.record import Artifact


class ArtifactStructures(ArtifactSaving):
    """The constructors of an artifact for composite structures."""

    @classmethod
    def from_mudata(
        cls,
        mdata: Any,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Any = None,
        features: Mapping[Any, Any] | None = None,
        revises: Artifact | None = None,
        run: Any = None,
        **kwargs: Any,
    ) -> Self:
        """An artifact of a MuData, validated and annotated if a schema is given.

        Args:
            mdata: A MuData, or the path of one (`.h5mu`).
            key, description, schema, features, revises, run: See `Artifact`.
            **kwargs: Further arguments of `Artifact`.
        """
        return cls._of("MuData", mdata, key, description, schema, features, revises, run, kwargs)

    @classmethod
    def from_spatialdata(
        cls,
        sdata: Any,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Any = None,
        features: Mapping[Any, Any] | None = None,
        revises: Artifact | None = None,
        run: Any = None,
        **kwargs: Any,
    ) -> Self:
        """An artifact of a SpatialData, validated and annotated if a schema is given.

        Args:
            sdata: A SpatialData, or the path of one (`.zarr`).
            key, description, schema, features, revises, run: See `Artifact`.
            **kwargs: Further arguments of `Artifact`.
        """
        return cls._of(
            "SpatialData", sdata, key, description, schema, features, revises, run, kwargs
        )

    @classmethod
    def from_tiledbsoma(
        cls,
        exp: Any,
        *,
        key: str | None = None,
        description: str | None = None,
        schema: Any = None,
        features: Mapping[Any, Any] | None = None,
        revises: Artifact | None = None,
        run: Any = None,
        **kwargs: Any,
    ) -> Self:
        """An artifact of a SOMA experiment, validated and annotated if a schema is given.

        Args:
            exp: An open `tiledbsoma.Experiment` on this machine, or the path of one
                (`.tiledbsoma`).
            key, description, schema, features, revises, run: See `Artifact`.
            **kwargs: Further arguments of `Artifact`.
        """
        return cls._of("tiledbsoma", exp, key, description, schema, features, revises, run, kwargs)

    @classmethod
    def _of(
        cls,
        otype: str,
        data: Any,
        key: str | None,
        description: str | None,
        schema: Any,
        features: Mapping[Any, Any] | None,
        revises: Any,
        run: Any,
        kwargs: dict[str, Any],
    ) -> Self:
        make: Any = cls
        made: Self = make(
            data,
            key=key,
            description=description,
            kind=kwargs.pop("kind", "dataset"),
            schema=schema,
            features=features,
            revises=revises,
            run=run,
            **kwargs,
        )
        found = made._values.get("otype")
        if found is None and made._payload is not None and not made._payload.remote:
            described = description_of(made._payload)
            found = None if described is None else described.otype
        if found is not None and found != otype:
            raise UnreadableFile(
                f"{data!r} holds no {otype}.", found=found, hint=f"ln.Artifact(path, key={key!r})"
            )
        return made

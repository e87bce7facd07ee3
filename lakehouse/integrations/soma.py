"""AnnData objects saved as one SOMA experiment."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from lakehouse.engine.query.view import in_one_view
from lakehouse.errors import InvalidArgument
from lakehouse.formats.base import is_path
from lakehouse.formats.soma.write import write_anndatas
from lakehouse.orm import current_lake
from lakehouse.registries import Artifact


@in_one_view
def save_tiledbsoma_experiment(
    adatas: list[Any],
    key: str | None = None,
    description: str | None = None,
    run: Any = None,
    revises: Artifact | None = None,
    measurement_name: str = "RNA",
    obs_id_name: str = "obs_id",
    var_id_name: str = "var_id",
    append_obsm_varm: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
    **kwargs: Any,
) -> Artifact:
    """Write AnnData objects to a `tiledbsoma.Experiment`, and save it as an artifact.

    With a run, the column `lamin_run_uid` of `obs` names it. Nothing is saved if the objects
    don't fit together.

    Args:
        adatas: AnnData objects, or paths of their files.
        key: The artifact's key, which ends in `.tiledbsoma`.
        description: What it is.
        run: The run that does it; the current one by default.
        revises: The artifact of an experiment: the new version has its observations, too.
        measurement_name: The measurement that the variables belong to.
        obs_id_name, var_id_name: The columns that identify observations and variables.
        append_obsm_varm: Whether embeddings are appended, too.
        **kwargs: For `tiledbsoma.io.from_anndata`.

    Raises:
        InvalidArgument: There are no AnnData objects, or `revises` is no experiment.
        ValidationError: They have different columns, or observations with the same id.

    Example:
        >>> ln.integrations.save_tiledbsoma_experiment(
        ...     [adata1, adata2], key="cells.tiledbsoma",
        ...     obs_id_name="cell_id", var_id_name="gene_id",
        ... )
    """
    given = [adatas] if is_path(adatas) or hasattr(adatas, "obs") else list(adatas)
    if not given:
        raise InvalidArgument("An experiment needs AnnData objects.", found="none")
    if revises is not None and revises._values.get("otype") != "tiledbsoma":
        raise InvalidArgument("Only a SOMA experiment can be appended to.", found=repr(revises))
    lake = current_lake()
    with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder:
        path = Path(folder) / "experiment.tiledbsoma"
        if revises is not None:
            # stored files are read-only, their copies aren't
            shutil.copytree(revises.cache(), path, copy_function=shutil.copyfile)
        write_anndatas(
            str(path),
            given,
            append=revises is not None,
            run_uid=run.uid if run is not None else lake.stamps.get("run_uid") or "",
            measurement_name=measurement_name,
            obs_id_name=obs_id_name,
            var_id_name=var_id_name,
            append_obsm_varm=append_obsm_varm,
            **kwargs,
        )
        return Artifact.from_tiledbsoma(
            path, key=key, description=description, revises=revises, run=run, kind="dataset"
        ).save()

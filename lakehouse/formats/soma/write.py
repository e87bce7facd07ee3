"""Writing AnnData objects as one SOMA experiment, or appending them to one."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lakehouse._lazy import require
from lakehouse.errors import InvalidArgument, UnreadableFile, ValidationError
from lakehouse.formats import format_for
from lakehouse.formats.base import is_path
from lakehouse.formats.soma.experiment import read_frame

_TICK = 0.002  # seconds; TileDB counts milliseconds
_TRIES = 20  # a chance of one in ten, each time
RUN_COLUMN = "lamin_run_uid"  # the peer's name, so that experiments of both look alike


def write_anndatas(
    path: str,
    adatas: Sequence[Any],
    *,
    append: bool,
    run_uid: str,
    measurement_name: str,
    obs_id_name: str,
    var_id_name: str,
    append_obsm_varm: bool,
    **kwargs: Any,
) -> None:
    """Write the observations of several AnnData, of which each row names the run.

    Args:
        path: The folder of the experiment on this machine.
        adatas: Objects, or paths of files.
        append: Whether the experiment is there already.
        run_uid: The uid of the run, or "".
        measurement_name: The measurement.
        obs_id_name, var_id_name: The columns that identify observations and variables.
        append_obsm_varm: Whether embeddings are appended too.
        **kwargs: For `tiledbsoma.io.from_anndata`.

    Raises:
        ValidationError: They don't fit together; the experiment is then only half written.
    """
    soma = require("tiledbsoma", "write SOMA experiments")
    io = require("tiledbsoma.io", "write SOMA experiments")
    stamped = bool(run_uid)
    if append:
        with soma.Experiment.open(path) as experiment:
            stamped = RUN_COLUMN in experiment.obs.keys()  # noqa: SIM118 - no mapping
    loaded = [with_named_layers(_loaded(adata)) for adata in adatas]
    with _stamped(loaded, run_uid if stamped else None):
        try:
            known = io.register_anndatas(
                path if append else None,
                loaded,
                measurement_name=measurement_name,
                obs_field_name=obs_id_name,
                var_field_name=var_id_name,
                append_obsm_varm=append_obsm_varm,
            )
            for place, adata in enumerate(loaded):
                if place == (0 if append else 1):
                    known.prepare_experiment(path)  # makes room for all, once there is something
                write_anndata(
                    path,
                    adata,
                    measurement_name,
                    obs_id_name=obs_id_name,
                    var_id_name=var_id_name,
                    registration_mapping=known,
                    **kwargs,
                )
        except (soma.SOMAError, KeyError, ValueError) as error:
            raise ValidationError(
                "The AnnData objects can't be written as one SOMA experiment.",
                found=str(error),
                hint="give all the same columns, and each observation an id of its own",
            ) from error


def write_anndata(path: str, adata: Any, measurement_name: str, **kwargs: Any) -> None:
    """Write one AnnData with `tiledbsoma.io.from_anndata`, so that all categories are kept.

    TileDB takes the newest schema of an array by a time in milliseconds. A data frame that is
    made and filled in the same one has two, and by chance the one without categories is taken:
    codes without texts remain. So what was made is read, and made again where that happened.

    Args:
        path: The folder of the experiment on this machine.
        adata: The object.
        measurement_name: The measurement.
        **kwargs: For `tiledbsoma.io.from_anndata`.

    Raises:
        UnreadableFile: Categories are lost all the same.
    """
    io = require("tiledbsoma.io", "write SOMA experiments")
    fresh = not os.path.exists(path)
    time.sleep(_TICK)  # what was written before has another time
    for left in reversed(range(_TRIES)):
        io.from_anndata(path, adata, measurement_name, **kwargs)
        try:
            _check_frames(path)
        except UnreadableFile:
            if not fresh or not left:
                raise
            shutil.rmtree(path)
        else:
            return


def _check_frames(path: str) -> None:
    soma = require("tiledbsoma", "write SOMA experiments")
    with soma.Experiment.open(path) as experiment:
        for name in experiment.ms:
            read_frame(experiment.ms[name].var)
        read_frame(experiment.obs)


def _loaded(adata: Any) -> Any:
    if is_path(adata):
        adapter = format_for(adata)
        adata = adapter.load(adata) if adapter is not None and adapter.otype == "AnnData" else adata
    if not all(hasattr(adata, name) for name in ("obs", "var", "X")):
        raise InvalidArgument(
            "A SOMA experiment is made of AnnData objects or their files.", found=repr(adata)
        )
    return adata


def with_named_layers(adata: Any) -> Any:
    """The same AnnData, nothing copied, without the layer that anndata 0.13 calls None.

    It is `X` once more, and tiledbsoma fails in the middle of writing over its name.
    """
    if None not in adata.layers:
        return adata

    class NamedLayers(type(adata)):  # type: ignore[misc]
        X = property(lambda self: adata.X)
        layers = property(lambda self: {k: v for k, v in adata.layers.items() if k is not None})

    same = object.__new__(NamedLayers)
    same.__dict__ = adata.__dict__
    return same


@contextmanager
def _stamped(adatas: Sequence[Any], run_uid: str | None) -> Iterator[None]:
    """Every observation names the run while it is written; the objects stay as they were."""
    before = [adata.obs for adata in adatas]
    try:
        if run_uid is not None:
            for adata in adatas:
                adata.obs = adata.obs.assign(**{RUN_COLUMN: run_uid})
        yield
    finally:
        for adata, obs in zip(adatas, before, strict=True):
            adata.obs = obs

"""SOMA experiments: folders of TileDB arrays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse._lazy import require
from lakehouse.errors import InvalidArgument, UnreadableFile
from lakehouse.formats.arrow import usual
from lakehouse.formats.base import AnyPath, Component, Description, is_path
from lakehouse.formats.confined import check_soma

_JOIN = "soma_joinid"


class Soma:
    """`.tiledbsoma` folders. Slots are `obs`, and the `var` of each measurement: `ms:RNA`."""

    name = "tiledbsoma"
    suffixes: tuple[str, ...] = (".tiledbsoma",)
    otype: str | None = "tiledbsoma"

    @contextmanager
    def _experiment(self, path: AnyPath) -> Iterator[Any]:
        soma = require("tiledbsoma", "read SOMA experiments")
        try:
            experiment = soma.Experiment.open(os.fspath(path))
        except (soma.SOMAError, soma.DoesNotExistError, TypeError) as error:
            raise UnreadableFile(
                f"{os.fspath(path)!r} can't be read as a SOMA experiment.", found=str(error)
            ) from error
        with experiment:
            check_soma(experiment, os.fspath(path))
            yield experiment

    def describe(self, path: Path) -> Description:
        """See `Format.describe`."""
        with self._experiment(path) as experiment:
            found = {"obs": _component(experiment.obs)}
            for name in experiment.ms:
                found[f"ms:{name}"] = _component(experiment.ms[name].var)
            return Description(self.otype, found["obs"].n_rows, found)

    def table(self, source: Any, slot: str, columns: Sequence[str] | None = None) -> pa.Table:
        """See `Format.table`."""
        if not is_path(source):
            return _read(source, slot, columns)
        with self._experiment(source) as experiment:
            return _read(experiment, slot, columns)

    def load(self, path: Path, **kwargs: Any) -> Any:
        """An open experiment; nothing is read into memory."""
        return self.open(path, **kwargs)

    def open(
        self, path: AnyPath | Sequence[AnyPath], engine: str = "pyarrow", **kwargs: Any
    ) -> Any:
        """An open `tiledbsoma.Experiment`, to be used in a `with` statement."""
        del engine
        if not is_path(path):
            raise InvalidArgument("Several SOMA experiments can't be opened as one.")
        soma = require("tiledbsoma", "open SOMA experiments")
        experiment = soma.Experiment.open(os.fspath(path), **kwargs)  # type: ignore[arg-type]
        try:
            check_soma(experiment, os.fspath(path))  # type: ignore[arg-type]
        except UnreadableFile:
            experiment.close()
            raise
        return experiment

    def write(self, obj: Any, path: Path, **kwargs: Any) -> None:
        """Copy the folder of an experiment that is stored on this machine."""
        del kwargs
        source = str(obj.uri).removeprefix("file://")
        if not os.path.isdir(source):
            raise InvalidArgument(
                "Only experiments on this machine can be copied.",
                found=str(obj.uri),
                hint="pass the path or URI of the experiment",
            )
        shutil.copytree(source, path)


def _component(frame: Any) -> Component:
    fields = [pa.field(f.name, usual(f.type)) for f in frame.schema if f.name != _JOIN]
    return Component(pa.schema(fields), int(frame.count))


def _read(experiment: Any, slot: str, columns: Sequence[str] | None) -> pa.Table:
    root, _, name = slot.partition(":")
    if root == "obs":
        frame = experiment.obs
    elif root == "ms" and name in experiment.ms:
        frame = experiment.ms[name].var
    else:
        known = ["obs", *(f"ms:{n}" for n in experiment.ms)]
        raise InvalidArgument(f"There is no slot {slot!r}.", expected=", ".join(known))
    return read_frame(frame, columns)


def read_frame(frame: Any, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of a SOMA data frame, without the column that only joins it to arrays.

    Raises:
        UnreadableFile: The categories of a column are gone.
    """
    table: pa.Table = frame.read(column_names=columns).concat()
    for field in table.schema:
        if pa.types.is_dictionary(field.type):
            try:
                table[field.name].validate(full=True)
            except pa.ArrowInvalid as error:
                # what tiledbsoma leaves if it makes and fills a frame within one millisecond
                raise UnreadableFile(
                    f"The categories of the column {field.name!r} are gone from {frame.uri!r}.",
                    found=str(error),
                    hint="write the experiment again from its source",
                ) from error
    return table.drop_columns([n for n in table.column_names if n == _JOIN])

"""MuData in HDF5: several AnnData, and what they share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse._lazy import require
from lakehouse.errors import InvalidArgument, UnreadableFile
from lakehouse.formats.annotated.base import DAMAGE, FRAMES, components_of, element_table, quiet
from lakehouse.formats.annotated.elements import Frame, encoding, is_group
from lakehouse.formats.arrow import table_of
from lakehouse.formats.base import AnyPath, Component, Description, is_path
from lakehouse.formats.confined import check_hdf5
from lakehouse.formats.probe import reading, starts_with, writing

# mudata writes 512 bytes of its own before the HDF5 content
_MAGIC = (b"MuData", b"\x89HDF\r\n\x1a\n")


class H5mu:
    """`.h5mu` files. Slots are `obs`, `var`, `uns`, and those of modalities: `rna:obs`."""

    name = "h5mu"
    suffixes: tuple[str, ...] = (".h5mu",)
    otype: str | None = "MuData"
    expected = "a MuData in HDF5"

    @contextmanager
    def _root(self, path: Path) -> Iterator[Any]:
        starts_with(path, _MAGIC, self.expected)
        h5py = require("h5py", "read .h5mu files")
        with reading(path, self.expected, *DAMAGE), h5py.File(path, "r") as root:
            check_hdf5(root, path)
            if "mod" not in root or not is_group(root["mod"]):
                raise UnreadableFile(
                    f"The file {str(path)!r} can't be read as {self.expected}.",
                    found=f"{encoding(root) or 'a container'} with {sorted(root)[:10]}",
                    expected="modalities under `mod`",
                )
            yield root

    def describe(self, path: Path) -> Description:
        """See `Format.describe`."""
        with self._root(Path(path)) as root:
            found: dict[str, Component] = components_of(root)
            rows = found["obs"].n_rows if "obs" in found else None
            for name in root["mod"]:
                parts = components_of(root["mod"][name])
                found |= {f"{name}:{slot}": part for slot, part in parts.items()}
        return Description(self.otype, rows, found)

    def table(self, source: Any, slot: str, columns: Sequence[str] | None = None) -> pa.Table:
        """See `Format.table`."""
        modality, _, own = slot.rpartition(":")
        if not is_path(source):
            part = source.mod[modality] if modality else source
            if own not in FRAMES:
                raise InvalidArgument(f"The slot {slot!r} is no table.", expected="obs or var")
            return table_of(getattr(part, own), columns)
        with self._root(Path(source)) as root:
            return element_table(_part(root, modality), own, columns)

    @contextmanager
    def frame(self, path: Path, slot: str) -> Iterator[Frame]:
        """`obs` or `var` of the file or of a modality, to be read column by column."""
        modality, _, own = slot.rpartition(":")
        with self._root(path) as root:
            part = _part(root, modality)
            yield Frame(part[own], part)

    def load(self, path: Path, **kwargs: Any) -> Any:
        """A MuData in memory; kwargs go to `mudata.read_h5mu`."""
        path = Path(path)
        self.describe(path)
        mudata = require("mudata", "load .h5mu files")
        with quiet(), _settled(), reading(path, self.expected, *DAMAGE):
            return mudata.read_h5mu(path, **kwargs)

    def open(
        self, path: AnyPath | Sequence[AnyPath], engine: str = "pyarrow", **kwargs: Any
    ) -> Any:
        """A MuData whose matrices stay in the file."""
        del engine
        if not is_path(path):
            raise InvalidArgument("Several MuData files can't be opened as one.")
        return self.load(Path(path), backed="r", **kwargs)  # type: ignore[arg-type]

    def write(self, obj: Any, path: Path, **kwargs: Any) -> None:
        """See `Format.write`; kwargs go to `MuData.write_h5mu`."""
        with writing(Path(path), "MuData", TypeError, ValueError, NotImplementedError), _settled():
            obj.write_h5mu(path, **kwargs)


def _part(root: Any, modality: str) -> Any:
    if modality and modality not in root["mod"]:
        raise InvalidArgument(
            f"There is no modality {modality!r}.", expected=", ".join(root["mod"])
        )
    return root["mod"][modality] if modality else root


@contextmanager
def _settled() -> Iterator[None]:
    """Without remarks on defaults of mudata that are going to change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", ".*names are not unique.*", UserWarning)
        yield

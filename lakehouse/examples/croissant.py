"""An example of a dataset that comes with Croissant metadata."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from lakehouse.errors import InvalidArgument
from lakehouse.examples.datasets import mini_immuno as immuno
from lakehouse.formats import format_for

_DATASET = "mini_immuno.anndata.zarr"
_TABLE = "mini.csv"


def mini_immuno(
    n_files: int = 1,
    filepath_prefix: str | os.PathLike[str] | None = "",
    strip_version: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
) -> list[Path]:
    """Write the mini immuno dataset, and its metadata as a Croissant document.

    Args:
        n_files: 1 for the AnnData alone, 2 for a table beside it.
        filepath_prefix: The folder that the files are written to, and found in.
        strip_version: Leave the version out of the metadata.

    Returns:
        The path of the document in the working directory, and those of the files.

    Example:
        >>> ln.examples.croissant.mini_immuno(n_files=2)
        [PosixPath('mini_immuno.anndata.zarr_metadata.json'), PosixPath('mini_immuno.anndata.zarr'),
        PosixPath('mini.csv')]
    """
    if n_files not in (1, 2):
        raise InvalidArgument("The example has one or two files.", found=repr(n_files))
    folder = Path(filepath_prefix or "")
    folder.mkdir(parents=True, exist_ok=True)
    dataset, table = folder / _DATASET, folder / _TABLE
    if not dataset.exists():
        adapter = format_for(_DATASET)
        assert adapter is not None
        adapter.write(immuno.get_dataset1(otype="AnnData"), dataset)
    if n_files == 2:
        table.write_bytes(b"test\n1\n2\n3\n")
    document = Path(f"{_DATASET}_metadata.json")
    told = _metadata(dataset, table if n_files == 2 else None)
    if strip_version:
        del told["version"]
    document.write_text(json.dumps(told, indent=2))
    return [document, dataset, table][: n_files + 1]


def _metadata(dataset: Path, table: Path | None) -> dict[str, Any]:
    files: list[dict[str, Any]] = [
        {"@type": "cr:FileSet", "@id": dataset.as_posix(), "encodingFormat": "application/x-zarr"}
    ]
    if table is not None:
        files.append(
            {
                "@type": "cr:FileObject",
                "@id": table.as_posix(),
                "name": table.name,
                "encodingFormat": "text/csv",
            }
        )
    return {
        "@context": {
            "@language": "en",
            "@vocab": "https://schema.org/",
            "sc": "https://schema.org/",
            "cr": "http://mlcommons.org/croissant/",
            "dct": "http://purl.org/dc/terms/",
            "conformsTo": "dct:conformsTo",
        },
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "Mini immuno dataset",
        "description": "A few samples from the immunology dataset",
        "cr:projectName": "Mini Immuno Project",
        "license": "https://creativecommons.org/licenses/by/4.0/",
        "version": "1.0",
        "datePublished": "2025-07-16",
        "distribution": files,
        "cr:recordSet": [{"@type": "cr:RecordSet", "@id": "#samples", "name": "samples"}],
    }

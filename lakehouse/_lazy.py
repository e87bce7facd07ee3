"""Optional packages, imported where they are used, with an error that names the extra."""

from __future__ import annotations

import importlib
from types import ModuleType

from lakehouse.errors import MissingExtra

_EXTRA = {
    "anndata": "anndata",
    "h5py": "anndata",
    "pandas": "pandas",
    "scipy": "anndata",
    "zarr": "anndata",
    "mudata": "mudata",
    "spatialdata": "spatialdata",
    "tiledbsoma": "soma",
    "torch": "torch",
    "s3fs": "s3",
    "pandera": "pandera",
    "psycopg": "postgres",
    "scanpy": "quickstart",
}

_PACKAGE = {"yaml": "pyyaml"}


def require(name: str, purpose: str) -> ModuleType:
    """Import an optional package.

    Args:
        name: Dotted module name, e.g. `"anndata"`.
        purpose: What it is needed for, e.g. `"read .h5ad files"`.

    Raises:
        MissingExtra: It isn't installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        top = name.partition(".")[0]
        extra = _EXTRA.get(top)
        wanted = f"lakehouse[{extra}]" if extra else _PACKAGE.get(top, top)
        raise MissingExtra(
            f"The package {top!r} is needed to {purpose}, and is not installed.",
            found=str(error),
            hint=f"pip install '{wanted}'",
        ) from error

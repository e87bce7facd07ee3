"""Optional packages: imported where they are used, their objects recognized without importing."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

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
    "fastexcel": "excel",
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


def load_name(dotted: str) -> Any:
    """The object that `package.module:attribute` names; a module if no attribute is named.

    Example:
        >>> load_name("math:floor")(2.5)
        2
    """
    module, _, attribute = dotted.partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def is_a(obj: object, *names: str) -> bool:
    """Whether an object is an instance of a class of a package that need not be there.

    An object of a package exists only where somebody imported the package, so that asking for
    the class among the loaded modules is enough; where the class itself is defined is the
    package's own business, and changes between its versions.

    Args:
        obj: Any object.
        *names: Public names of classes, e.g. `"pandas.DataFrame"`.

    Example:
        >>> import pandas as pd
        >>> is_a(pd.DataFrame(), "pandas.DataFrame"), is_a(pd.Series(), "pandas.DataFrame")
        (True, False)
        >>> is_a(3, "not_installed.Thing")
        False
    """
    return any(isinstance(found, type) and isinstance(obj, found) for found in map(_loaded, names))


def is_type(cls: type, *names: str) -> bool:
    """Whether a class is one of a package that need not be there, or a subclass of it.

    Example:
        >>> import numpy as np
        >>> is_type(np.int8, "numpy.integer"), is_type(int, "numpy.integer")
        (True, False)
    """
    return any(isinstance(found, type) and issubclass(cls, found) for found in map(_loaded, names))


def is_one(obj: object, *names: str) -> bool:
    """Whether an object is a certain one of a package that need not be there.

    Example:
        >>> import pandas as pd
        >>> is_one(pd.NA, "pandas.NA"), is_one(None, "pandas.NA")
        (True, False)
    """
    return obj is not None and any(obj is _loaded(name) for name in names)


def _loaded(name: str) -> Any:
    """What a public name stands for, if its module is loaded."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(sys.modules.get(module), attribute, None)
    except ImportError:  # a package that loads its parts on demand, and lacks one
        return None

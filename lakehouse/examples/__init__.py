"""Small example data sets and schemas, for trying things out and for documentation.

Everything is made by code when it is asked for: nothing is downloaded, and equal calls give
equal data. Extensions add examples of theirs.

Example:
    >>> import lakehouse as ln
    >>> ln.examples.datasets.mini_immuno.get_dataset1().shape
    (3, 12)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lakehouse.extension import added, added_names

if TYPE_CHECKING:
    from lakehouse.examples import cellxgene as cellxgene
    from lakehouse.examples import croissant as croissant
    from lakehouse.examples import datasets as datasets
    from lakehouse.examples import mlflow as mlflow
    from lakehouse.examples import schemas as schemas
    from lakehouse.examples import wandb as wandb

__all__ = ["cellxgene", "croissant", "datasets", "mlflow", "schemas", "wandb"]


if not TYPE_CHECKING:  # a misspelt name is an error for type checkers

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            found = None if name.startswith("_") else added("examples", name, __all__)
            if found is None:
                raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
            return found
        return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return [*__all__, *added_names("examples", __all__)]

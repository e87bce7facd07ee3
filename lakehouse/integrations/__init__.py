"""Other tools' files and objects, brought into the lake.

Example:
    >>> path, _ = ln.examples.croissant.mini_immuno()
    >>> artifact = ln.integrations.curate_from_croissant(path)
    >>> ln.integrations.save_vitessce_config(config, key="cells.vitessce.json")
"""

from __future__ import annotations

from lakehouse.integrations.croissant import curate_from_croissant
from lakehouse.integrations.soma import save_tiledbsoma_experiment
from lakehouse.integrations.vitessce import save_vitessce_config

__all__ = ["curate_from_croissant", "save_tiledbsoma_experiment", "save_vitessce_config"]


def __dir__() -> list[str]:
    return list(__all__)

"""Git for a lab's data: registries, artifacts and ontologies over open Iceberg tables.

Importing this package loads nothing heavy and touches nothing: every public name is
imported when it is first used.

Example:
    >>> import lakehouse as ln
    >>> ln.setup.init(storage="./lake", modules="bionty")
    >>> ln.Artifact("cells.parquet", key="cells.parquet").save()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from upath import UPath as UPath

    from lakehouse import curators as curators
    from lakehouse import errors as errors
    from lakehouse import examples as examples
    from lakehouse import integrations as integrations
    from lakehouse import models as models
    from lakehouse import setup as setup
    from lakehouse.config import settings as settings
    from lakehouse.curators import DatasetModel as DatasetModel
    from lakehouse.orm import DB as DB
    from lakehouse.orm import Avg as Avg
    from lakehouse.orm import Count as Count
    from lakehouse.orm import Lake as Lake
    from lakehouse.orm import Max as Max
    from lakehouse.orm import Min as Min
    from lakehouse.orm import Q as Q
    from lakehouse.orm import QuerySet as QuerySet
    from lakehouse.orm import Sum as Sum
    from lakehouse.orm import connect as connect
    from lakehouse.orm import current_lake as current_lake
    from lakehouse.orm import open_lake as open
    from lakehouse.orm import save as save
    from lakehouse.orm import scan as scan
    from lakehouse.orm import sql as sql
    from lakehouse.orm import transaction as transaction
    from lakehouse.orm.model.unset import UNSET as UNSET
    from lakehouse.orm.model.unset import Unset as Unset
    from lakehouse.registries import Artifact as Artifact
    from lakehouse.registries import Branch as Branch
    from lakehouse.registries import Collection as Collection
    from lakehouse.registries import Feature as Feature
    from lakehouse.registries import Project as Project
    from lakehouse.registries import Record as Record
    from lakehouse.registries import Reference as Reference
    from lakehouse.registries import Run as Run
    from lakehouse.registries import Schema as Schema
    from lakehouse.registries import Space as Space
    from lakehouse.registries import Storage as Storage
    from lakehouse.registries import Transform as Transform
    from lakehouse.registries import ULabel as ULabel
    from lakehouse.registries import User as User
    from lakehouse.registries.view import view as view

# Public name → "module" or "module:attribute". Adding a public name is one line here,
# and one above for type checkers; a test holds the two together.
_EXPORTS = {
    "Artifact": "lakehouse.registries:Artifact",
    "Branch": "lakehouse.registries:Branch",
    "Collection": "lakehouse.registries:Collection",
    "Feature": "lakehouse.registries:Feature",
    "Project": "lakehouse.registries:Project",
    "Record": "lakehouse.registries:Record",
    "Reference": "lakehouse.registries:Reference",
    "Run": "lakehouse.registries:Run",
    "Schema": "lakehouse.registries:Schema",
    "Space": "lakehouse.registries:Space",
    "Storage": "lakehouse.registries:Storage",
    "Transform": "lakehouse.registries:Transform",
    "ULabel": "lakehouse.registries:ULabel",
    "User": "lakehouse.registries:User",
    "DB": "lakehouse.orm:DB",
    "Avg": "lakehouse.orm:Avg",
    "Count": "lakehouse.orm:Count",
    "Max": "lakehouse.orm:Max",
    "Min": "lakehouse.orm:Min",
    "Sum": "lakehouse.orm:Sum",
    "Lake": "lakehouse.orm:Lake",
    "Q": "lakehouse.orm:Q",
    "QuerySet": "lakehouse.orm:QuerySet",
    "connect": "lakehouse.orm:connect",
    "current_lake": "lakehouse.orm:current_lake",
    "open": "lakehouse.orm:open_lake",
    "save": "lakehouse.orm:save",
    "scan": "lakehouse.orm:scan",
    "sql": "lakehouse.orm:sql",
    "transaction": "lakehouse.orm:transaction",
    "view": "lakehouse.registries.view:view",
    "UNSET": "lakehouse.orm.model.unset:UNSET",
    "UPath": "upath:UPath",
    "Unset": "lakehouse.orm.model.unset:Unset",
    "settings": "lakehouse.config:settings",
    "DatasetModel": "lakehouse.curators:DatasetModel",
    "curators": "lakehouse.curators",
    "errors": "lakehouse.errors",
    "examples": "lakehouse.examples",
    "integrations": "lakehouse.integrations",
    "models": "lakehouse.models",
    "setup": "lakehouse.setup",
}

__all__ = [
    "Artifact",
    "Avg",
    "Branch",
    "Collection",
    "Count",
    "DB",
    "DatasetModel",
    "Feature",
    "Lake",
    "Max",
    "Min",
    "Project",
    "Q",
    "QuerySet",
    "Record",
    "Reference",
    "Run",
    "Schema",
    "Space",
    "Storage",
    "Sum",
    "Transform",
    "ULabel",
    "UNSET",
    "UPath",
    "Unset",
    "User",
    "connect",
    "curators",
    "current_lake",
    "errors",
    "examples",
    "integrations",
    "models",
    "open",
    "save",
    "scan",
    "settings",
    "setup",
    "sql",
    "transaction",
    "view",
]


if not TYPE_CHECKING:  # a misspelt name is an error for type checkers

    def __getattr__(name: str) -> Any:
        try:
            target = _EXPORTS[name]
        except KeyError:
            raise AttributeError(f"module 'lakehouse' has no attribute {name!r}") from None
        module_name, _, attribute = target.partition(":")
        module = importlib.import_module(module_name)
        value = getattr(module, attribute) if attribute else module
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

"""What commits and erasures work on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse.engine.catalog.base import Catalog
from lakehouse.engine.commit.leases import Leases
from lakehouse.engine.files import Files
from lakehouse.engine.table.limits import Limits
from lakehouse.engine.table.spec import TableSpec
from lakehouse.engine.table.version import TableCache


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one lake that writing takes.

    Attributes:
        catalog: Its catalog.
        files: Its files.
        cache: The versions of its tables that were read.
        specs: The specifications of its tables by name.
        limits: How large files grow, and when they are folded.
        leases: What running writers announce.
        folder: The folder of the lake's own files.
    """

    catalog: Catalog
    files: Files
    cache: TableCache
    specs: Mapping[str, TableSpec]
    limits: Limits
    leases: Leases
    folder: str

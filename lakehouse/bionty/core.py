"""Keeping the registry of sources up to date."""

from __future__ import annotations

from lakehouse.bionty._sources.public import PublicOntology as StaticReference
from lakehouse.bionty._sources.settings import Settings as Settings
from lakehouse.bionty._sources.source import Source
from lakehouse.bionty._terms.term import Term as BioRecord
from lakehouse.bionty.first_sources import known_sources
from lakehouse.config import notify
from lakehouse.orm import current_lake
from lakehouse.orm.session.batch import batch_on

__all__ = [
    "BioRecord",
    "Settings",
    "StaticReference",
    "sync_all_sources_to_latest",
    "sync_public_sources",
]


def sync_public_sources(
    update_currently_used: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
) -> None:
    """Register the public sources that this version of lakehouse knows, in one commit.

    Args:
        update_currently_used: Make their newest releases the ones that are currently used.

    Example:
        >>> bt.core.sync_public_sources()
    """
    lake = current_lake()
    new = 0
    with batch_on(lake, "sync public sources") as batch:
        for values in known_sources():
            used = values.pop("currently_used")
            source = Source(**values)
            new += not source._saved
            rival = Source.filter(
                entity=source.entity, organism=source.organism, currently_used=True
            ).exists()
            if used and (update_currently_used or not rival):
                source.currently_used = True
            batch.add(source)
    notify(f"{new} new public sources")


sync_all_sources_to_latest = sync_public_sources

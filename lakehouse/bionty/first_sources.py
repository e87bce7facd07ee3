"""The public sources that every lake with the module knows from its beginning."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lakehouse.bionty._sources.source import source_values
from lakehouse.bionty.registries import ENTITIES
from lakehouse.identity import new_uids
from lakehouse.ontology.sources.manifest import manifests
from lakehouse.orm.model.builtin import ALL, MAIN


def known_sources() -> list[dict[str, Any]]:
    """The fields of the public sources that are known without having been used."""
    return [
        {**source_values(m), "currently_used": m.used}
        for m in manifests().values()
        if m.entity in ENTITIES and m.listed
    ]


def first_rows() -> dict[str, list[dict[str, Any]]]:
    """The rows of a new lake that has the module: what may be imported."""
    values = known_sources()
    now = datetime.now(UTC)
    stamps = {
        "branch_uid": MAIN,
        "created_on_uid": MAIN,
        "space_uid": ALL,
        "is_locked": False,
        "created_at": now,
        "updated_at": now,
        "in_db": False,
    }
    uids = new_uids(len(values))
    return {"source": [{**stamps, **v, "uid": u} for v, u in zip(values, uids, strict=True)]}

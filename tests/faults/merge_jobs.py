"""What the victims of the merge test do until they are killed."""

from __future__ import annotations

import lakehouse as ln
import tests.faults.jobs  # imports what the engine needs, once
from lakehouse.config import settings
from lakehouse.identity import new_uid

Acks = tests.faults.jobs.Acks
LABELS = 300
SHARED = 5

settings.verbosity = "error"
settings.creation.search_names = False


def merge_branches(root: str, acks: str) -> None:
    """Make a branch, save and edit records on it, merge it; again and again."""
    out = Acks(acks)
    with ln.open(root) as lake:
        lake.ULabel.filter().count()
        out.write(op="ready")
        while True:
            name = f"b{new_uid()}"
            lake.switch(name, create=True)
            with lake.transaction():
                lake.save([lake.ULabel(name=f"{name}-{i}") for i in range(LABELS)])
                for i in range(SHARED):
                    feature = lake.Feature.get(name=f"shared-{i}")
                    feature.description = name
                    feature.save()
            lake.switch("main")
            lake.merge(name, prefer="branch")
            out.write(op="merged", branch=name)

"""What goes on around backups until it is killed: writers, gc, backups, restorations."""

from __future__ import annotations

import os
import time
from pathlib import Path

import lakehouse as ln
import lakehouse.registries.artifact
import tests.faults.jobs
from lakehouse.backup import restore as make_lake
from lakehouse.config import settings
from lakehouse.identity import new_uid

Acks = tests.faults.jobs.Acks

settings.verbosity = "error"
settings.creation.search_names = False


def write_pairs(root: str, acks: str) -> None:
    """Change a label, a project and an artifact together, again and again."""
    out = Acks(acks)
    source = Path(acks).with_suffix(".txt")
    with ln.open(root):
        label, project = ln.ULabel.get(name="pair"), ln.Project.get(name="pair")
        out.write(op="ready")
        for turn in range(1_000_000):
            source.write_text(f"{turn} {os.urandom(8).hex()}")
            with ln.transaction(message=str(turn)):
                label.description = project.description = str(turn)
                label.save()
                project.save()
                ln.Artifact(source, key=f"{turn}.txt", description=str(turn)).save()
            out.write(op="commit", turn=turn)


def collect(root: str, acks: str, min_age: float) -> None:
    """Remove the past, again and again."""
    out = Acks(acks)
    with ln.open(root) as lake:
        out.write(op="ready")
        while True:
            lake.gc(keep=10, min_age=min_age)
            time.sleep(0.2)  # on a busy machine a writer comes in between, too


def back_up(root: str, acks: str, dest: str) -> None:
    """Back up, again and again."""
    out = Acks(acks)
    with ln.open(root) as lake:
        out.write(op="ready")
        while True:
            out.write(op="backup", name=lake.backup(dest).name)
            ln.ULabel(name=new_uid()).save()


def restore(root: str, acks: str, dest: str) -> None:
    """Restore once."""
    out = Acks(acks)
    out.write(op="ready")
    make_lake(dest, root)
    out.write(op="restored")

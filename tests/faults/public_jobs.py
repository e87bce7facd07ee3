"""What the victims do until they are killed, through the public names."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

import lakehouse as ln
import lakehouse.registries.artifact
import tests.faults.jobs  # imports what the engine needs, once
from lakehouse.config import settings
from lakehouse.identity import new_uid

Acks = tests.faults.jobs.Acks
FILES = 12
LABELS = 40

settings.verbosity = "error"
settings.creation.search_names = False


@contextmanager
def _lake(root: str, acks: str) -> Iterator[tuple[Acks, Path]]:
    """The lake as the current one, the acknowledgements, and a folder for sources."""
    out = Acks(acks)
    with ln.open(root):
        out.write(op="ready")
        yield out, Path(tempfile.mkdtemp(dir=Path(acks).parent))


def _text(folder: Path, size: int = 60_000) -> Path:
    path = folder / "source.txt"
    path.write_bytes(os.urandom(random.randrange(1, size)))
    return path


def save_file(root: str, acks: str) -> None:
    """Save one new file at a time."""
    with _lake(root, acks) as (out, folder):
        while True:
            artifact = ln.Artifact(_text(folder), key=f"files/{new_uid()}.txt").save()
            out.write(op="artifact", uid=artifact.uid, hash=artifact.hash)


def save_table(root: str, acks: str) -> None:
    """Save one data frame at a time; it gets a schema snapshot in the same commit."""
    with _lake(root, acks) as (out, _):
        while True:
            names = [f"c{i}" for i in range(random.randrange(2, 5))]
            frame = pl.DataFrame({name: [random.random()] * 50 for name in names})
            artifact = ln.Artifact(frame, key=f"tables/{new_uid()}.parquet").save()
            out.write(op="artifact", uid=artifact.uid, hash=artifact.hash)


def save_versions(root: str, acks: str) -> None:
    """Save versions of keys that all victims share, and contents that they share."""
    with _lake(root, acks) as (out, folder):
        while True:
            source = _text(folder)
            if random.random() < 0.5:
                source.write_text(f"content {random.randrange(30)}")
            artifact = ln.Artifact(source, key=f"versions/{random.randrange(4)}.txt").save()
            out.write(op="artifact", uid=artifact.uid, hash=artifact.hash)


def save_folder(root: str, acks: str) -> None:
    """Save all files of a folder, or a folder as one artifact."""
    with _lake(root, acks) as (out, folder):
        while True:
            batch = new_uid()
            source = folder / batch
            source.mkdir()
            for i in range(FILES):
                (source / f"{i}.txt").write_bytes(os.urandom(random.randrange(1, 9_000)))
            ln.Artifact.from_dir(source, key=f"many/{batch}").save()
            out.write(op="folder", batch=batch)
            whole = ln.Artifact(source, key=f"whole/{batch}", skip_hash_lookup=True).save()
            out.write(op="artifact", uid=whole.uid, hash=whole.hash)
            shutil.rmtree(source)


def save_labels(root: str, acks: str) -> None:
    """Save labels together, by `ln.save` or in a transaction, with an artifact among them."""
    with _lake(root, acks) as (out, folder):
        while True:
            batch = new_uid()
            labels = [ln.ULabel(name=f"{batch}-{i}", description=batch) for i in range(LABELS)]
            if random.random() < 0.5:
                ln.save(labels)
            else:
                with ln.transaction(message=batch):
                    ln.save(labels[:-1])
                    ln.Artifact(_text(folder), key=f"with-labels/{batch}.txt").save()
                    labels[-1].save()
            out.write(op="labels", batch=batch)


def replace_and_delete(root: str, acks: str) -> None:
    """Save an artifact, replace its content, and delete it for good."""
    with _lake(root, acks) as (out, folder):
        while True:
            artifact = ln.Artifact(_text(folder), key=f"replaced/{new_uid()}.txt").save()
            uid = artifact.uid
            artifact.replace(_text(folder))
            artifact.save()
            if random.random() < 0.5:
                out.write(op="artifact", uid=uid, hash=artifact.hash)
            else:
                artifact.delete(permanent=True)
                out.write(op="deleted", uid=uid)


def replace_under_a_key(root: str, acks: str) -> None:
    """Replace the content of an artifact that lies under its key itself."""
    with _lake(root, acks) as (_, folder):
        key = f"real/{new_uid()}.txt"
        artifact = ln.Artifact(_text(folder), key=key, key_is_virtual=False).save()
        while True:
            artifact.replace(_text(folder))
            artifact.save()


def collect(root: str, acks: str, min_age: float) -> None:
    """Save a little and collect garbage."""
    out = Acks(acks)
    with ln.open(root) as lake:
        out.write(op="ready")
        while True:
            batch = new_uid()
            lake.save([lake.ULabel(name=f"{batch}-{i}", description=batch) for i in range(LABELS)])
            out.write(op="labels", batch=batch)
            lake.gc(keep=random.choice([1, 5, 50]), min_age=min_age)


def name_labels(root: str, db: str | None, acks: str, start: float, names: list[str]) -> None:
    """Save labels of the given names, in an order of one's own."""
    out = Acks(acks)
    random.shuffle(names)
    with ln.open(root, db=db):
        time.sleep(max(0.0, start - time.time()))
        for name in names:
            out.write(name=name, uid=ln.ULabel(name=name).save().uid)

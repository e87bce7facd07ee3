"""What is done on a disk that is full, in a process of its own: see test_full_disk.py.

Every job prints one line of JSON: what was acknowledged, and what errors were told.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from lakehouse.errors import LakehouseError
from lakehouse.orm import Lake


class Disk:
    """A small disk, which a file of ballast fills."""

    def __init__(self, folder: str) -> None:
        self.ballast = Path(folder) / "ballast"

    def fill(self, free: int = 0) -> None:
        """Leave so many bytes free."""
        with open(self.ballast, "ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                pass
            size = os.fstat(file.fileno()).st_size
            os.truncate(file.fileno(), max(size - free, 0))

    def empty(self) -> None:
        self.ballast.unlink(missing_ok=True)


def whole(lake: Lake, names: list[str]) -> None:
    """Exactly the acknowledged labels are there, and the lake is whole."""
    assert sorted(lake.ULabel.filter().to_list("name")) == sorted(names)
    report = lake.check(deep=True)
    assert report.ok, str(report)


def commits(root: str, disk: Disk) -> dict[str, Any]:
    """Save until the disk is full, again and again, each time with other room left."""
    errors: list[str] = []
    names: list[str] = []
    with Lake.create(root) as lake:
        for step in range(24):
            for k in range(7 if step % 2 else 0):  # what comes next folds these files
                names.append(f"{step}.before.{k}")
                lake.ULabel(name=names[-1]).save()
            disk.fill(step * 4096)
            for i in range(200):
                name = f"{step}.{i}"
                try:
                    lake.ULabel(name=name).save()
                except LakehouseError as error:
                    errors.append(f"{type(error).__name__}: {error}")
                    break
                names.append(name)
            else:
                raise AssertionError("the disk was never full")
            disk.empty()
            whole(lake, names)
            lake.gc(keep=1, min_age=0)
        whole(lake, names)
    return {"errors": errors, "count": len(names)}


def history(root: str, disk: Disk) -> dict[str, Any]:
    """A lake with much to collect, on a disk that is full then."""
    source = Path(root).with_name("source.txt")
    with Lake.create(root) as lake:
        for i in range(12):
            lake.ULabel(name=f"label {i}").save()
            source.write_text(f"content {i}" * 1000)
            lake.Artifact(str(source), key=f"{i}.txt").save()
    source.unlink()
    disk.fill()
    return {}


def collect(root: str, disk: Disk) -> dict[str, Any]:
    """Collect while the disk is full; nothing else was done in this process."""
    before = os.statvfs(root).f_bavail
    try:
        with Lake.open(root) as lake:
            report = lake.gc(keep=1, min_age=0)
            # room was made: what comes next succeeds
            assert os.statvfs(root).f_bavail > before
            lake.ULabel(name="after").save()
            return {"removed": len(report.superseded) + len(report.orphans)}
    except LakehouseError as error:
        return {"error": f"{type(error).__name__}: {error}"}


def look(root: str, disk: Disk) -> dict[str, Any]:
    """What is there when the disk has room again."""
    disk.empty()
    with Lake.open(root) as lake:
        report = lake.check(deep=True)
        assert report.ok, str(report)
        for artifact in lake.Artifact.filter():
            assert artifact.load().startswith("content")
        return {
            "labels": lake.ULabel.filter().to_list("name"),
            "artifacts": lake.Artifact.filter().count(),
        }


def open_lake(root: str, disk: Disk) -> dict[str, Any]:
    """Collect in a process that had the lake open before the disk was full."""
    with Lake.open(root) as lake:
        disk.empty()
        lake.ULabel(name="before").save()
        disk.fill()
        assert lake.ULabel.filter(name="before").count() == 1
        report = lake.gc(keep=1, min_age=0)
        lake.ULabel(name="after").save()
        return {"removed": len(report.superseded) + len(report.orphans)}


def read(root: str, disk: Disk) -> dict[str, Any]:
    """Look at a lake on a full disk, and try to write."""
    with Lake.open(root) as lake:
        names = lake.ULabel.filter().to_list("name")
        try:
            lake.ULabel(name="no room").save()
        except LakehouseError as error:
            return {"labels": names, "error": f"{type(error).__name__}: {error}"}
        raise AssertionError("the disk was never full")


def move(root: str, disk: Disk) -> dict[str, Any]:
    """Move a lake on a full disk, and open it there, which notes its new place."""
    there = f"{root}-moved"
    os.rename(root, there)
    try:
        with Lake.open(there) as lake:
            names = lake.ULabel.filter().to_list("name")
    except LakehouseError as error:
        found: dict[str, Any] = {"error": f"{type(error).__name__}: {error}"}
    else:
        found = {"labels": names}
    disk.empty()
    with Lake.open(there) as lake:
        report = lake.check(deep=True)
        assert report.ok, str(report)
        lake.ULabel(name="moved").save()
    os.rename(there, root)
    return found


if __name__ == "__main__":
    job, root = sys.argv[1:]
    print(json.dumps(globals()[job](root, Disk(os.path.dirname(root)))))

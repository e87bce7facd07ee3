"""What biological registries have in common."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self

from lakehouse.annotation.curate import CanCurate
from lakehouse.annotation.synonyms import HasSynonyms
from lakehouse.bionty.related import IS_A, LINK_TABLE, Related, reach, stage_unlinking
from lakehouse.orm import BaseRecord, QuerySet, Relation, TrackedRow, relations

if TYPE_CHECKING:
    from lakehouse.bionty.source import Source
    from lakehouse.orm.batch import Batch

ONTOLOGY_KEYS = {"source": "bionty.Source"}
NAME_AND_ID = (("name", "ontology_id"),)


class OntologyRow(TrackedRow):
    """A row of a registry of ontology terms."""

    name: str | None = None
    ontology_id: str | None = None
    abbr: str | None = None
    synonyms: str | None = None
    description: str | None = None
    is_obsolete: bool = False
    replaced_by: str | None = None
    source_uid: str | None = None


def hierarchy(registry: str, table: str) -> dict[str, Relation]:
    """The relations `parents` and `children` of a registry of terms."""
    up, down = partial(Related, up=True), partial(Related, up=False)
    return dict(
        relations(
            Relation("parents", registry, LINK_TABLE, table, slot=IS_A, manager=up),
            Relation("children", registry, LINK_TABLE, table, True, IS_A, down),
        )
    )


class Term(HasSynonyms, CanCurate, BaseRecord):
    """A term of an ontology, or one of your own.

    A term is known by its `ontology_id`, and one of your own by its name: constructing
    either again gives the existing record.
    """


class OntologyTerm(Term):
    """A term that has a place in a hierarchy, and may come from a public ontology."""

    parents: Related
    children: Related

    @classmethod
    def import_source(
        cls,
        path_or_source: Any = None,
        *,
        source: Source | None = None,
        organism: Any = None,
        prefix: str | None = None,
        include_obsolete: bool = False,
    ) -> Source:
        """Fill the registry with the terms of an ontology and their hierarchy, in one commit.

        Importing again adds nothing. Terms that exist are changed only where the source says
        something new; your own synonyms stay. A record of yours with a term's name and no
        `ontology_id` becomes that term. A term whose name another record has gets its id
        appended to the name. Terms in the trash stay there.

        Obsolete terms are left out unless a current term names them as a parent; those that the
        registry has already are marked `is_obsolete`, and `replaced_by` names their successors.

        Args:
            path_or_source: Path or URI of an OBO, OWL or OBO-graph JSON file, the name of an
                extract that ships with lakehouse (`"blood-cells"`), a `bt.Source`, or a read
                `Ontology`. None means the source that is currently used.
            source: The `bt.Source` that the terms get; by default made from the ontology.
            organism: Organism that the source is for; `"all"` by default.
            prefix: Id-space of the terms, e.g. `"CL"`; by default the ontology's own.
            include_obsolete: Import obsolete terms too.

        Returns:
            The source, now the one that is currently used.

        Raises:
            InvalidArgument: Nothing says which ontology is meant.
            UnreadableFile: The file can't be read; nothing was changed.

        Example:
            >>> CellType.import_source("blood-cells")  # doctest: +SKIP
        """
        # reading ontologies is loaded by who imports, not by who opens a lake
        from lakehouse.bionty.importing import import_terms

        return import_terms(cls, path_or_source, source, organism, prefix, include_obsolete)

    @classmethod
    def from_source(
        cls,
        *,
        ontology_id: str | None = None,
        name: str | None = None,
        source: Source | None = None,
    ) -> Self:
        """A term of the currently used source: the existing record, or a new one to save.

        Args:
            ontology_id: The term's id.
            name: Its name or one of its synonyms.
            source: Another source than the one that is currently used.

        Raises:
            ObjectDoesNotExist: The source has no such term.

        Example:
            >>> CellType.from_source(ontology_id="CL:0000084").save()  # doctest: +SKIP
        """
        from lakehouse.bionty.importing import term_from_source

        return term_from_source(cls, ontology_id, name, source)

    @classmethod
    def _complete(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The columns of a term that a source gives; registries with more columns add them."""
        return values

    def query_parents(self) -> QuerySet[Self]:
        """All terms above this one, at any distance."""
        return reach(self, up=True)

    def query_children(self) -> QuerySet[Self]:
        """All terms below this one, at any distance."""
        return reach(self, up=False)

    def _before_delete(self, batch: Batch) -> None:
        stage_unlinking(batch, self)

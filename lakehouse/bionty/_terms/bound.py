"""Entities that belong to an organism: genes, proteins, cell markers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from lakehouse.bionty._sources.organisms import inferred_organism, organism_by_uid, organism_record
from lakehouse.bionty._sources.settings import settings
from lakehouse.bionty._terms.term import Term, TermRow
from lakehouse.bionty._terms.values import values_of
from lakehouse.engine import RowModel
from lakehouse.errors import ObjectDoesNotExist, OrganismNotSet
from lakehouse.ontology.sources.organisms import without_version

if TYPE_CHECKING:
    from lakehouse.bionty._terms.symbols import SymbolMap
    from lakehouse.bionty.registries import Organism
    from lakehouse.orm.model.meta import FieldDescriptor, ForeignIdDescriptor, ForeignKeyDescriptor
    from lakehouse.orm.session.batch import Batch


class _Gene(RowModel):
    symbol: str | None = None
    stable_id: str | None = None
    ensembl_gene_id: str | None = None
    ensembl_version: int | None = None
    ncbi_gene_ids: str | None = None
    biotype: str | None = None
    previous_symbols: str | None = None
    organism_uid: str | None = None


class _Protein(RowModel):
    name: str | None = None
    uniprotkb_id: str | None = None
    length: int | None = None
    gene_symbol: str | None = None
    ensembl_gene_ids: str | None = None
    organism_uid: str | None = None


class _CellMarker(RowModel):
    name: str | None = None
    gene_symbol: str | None = None
    ncbi_gene_id: str | None = None
    uniprotkb_id: str | None = None
    organism_uid: str | None = None


class GeneRow(TermRow, _Gene):
    """A row of the table `gene`."""


class ProteinRow(TermRow, _Protein):
    """A row of the table `protein`."""


class CellMarkerRow(TermRow, _CellMarker):
    """A row of the table `cell_marker`."""


class Bound(Term):
    """An entity of one organism.

    The organism is the given one, else the one that an Ensembl id tells, else
    `bt.settings.organism`.
    """

    if TYPE_CHECKING:
        organism_uid: FieldDescriptor[str]
        organism: ForeignKeyDescriptor[Organism]
        organism_id: ForeignIdDescriptor[str]

    def _construct(
        self, *found: Any, organism: Organism | str | None = None, **fields: Any
    ) -> None:
        if found and (values := values_of(type(self), found)) is not None:
            found, fields = (), {**values, **fields}
        if organism is not None:
            fields["organism"] = organism
        if fields.get("organism") is None and fields.get("organism_uid") is None:
            inferred = inferred_organism([fields.get("ensembl_gene_id")])
            fields["organism"] = inferred or settings.organism
        elif isinstance(fields.get("organism"), str):
            fields["organism"] = organism_record(fields["organism"])
        super().__init__(*found, **fields)
        if self._values.get("organism_uid") is None:
            name = self.meta.cls.__name__
            raise OrganismNotSet(
                f"{self.meta.name} needs an organism.",
                hint=f"bt.{name}(…, organism=human), or bt.settings.organism = 'human'",
            )

    if not TYPE_CHECKING:
        __init__ = _construct

    @classmethod
    def require_organism(cls, field: Any = None) -> bool:
        """Whether records, or values of a field, mean nothing without an organism."""
        if field is None:
            return True
        return (cls._field_name(field),) not in cls.meta.unique

    @classmethod
    def _organism_of(cls, field: str, organism: Any, values: list[Any]) -> Any:
        if organism is not None:
            try:
                return organism_record(organism)
            except ObjectDoesNotExist as error:
                raise OrganismNotSet(
                    f"There is no organism {organism!r} to compare {cls.meta.name} values with.",
                    expected=error.expected,
                    hint=error.hint,
                ) from error
        # unique ids mean one entity whatever its organism is
        return None if (field,) in cls.meta.unique else settings.organism

    @classmethod
    def usual_organism(cls, values: Iterable[Any] = ()) -> Any:
        """The organism that ids among values tell, else that of `bt.settings`.

        Else the only one that records of the registry have; None if there are several.
        """
        found = inferred_organism(values) or settings.organism
        if found is None:
            known = pc.unique(cls._rows()["organism_uid"]).drop_null().to_pylist()
            found = organism_by_uid(known[0]) if len(known) == 1 else None
        return found

    @classmethod
    def _ignores_case(cls, organism: Any) -> bool:
        # CD8A and Cd8a are genes of two organisms
        return organism is not None

    def _before_save(self, batch: Batch) -> None:
        super()._before_save(batch)
        organism = (self._related or {}).get("organism")
        if organism is not None and not organism._saved:
            batch.add(organism)


class GeneTerm(Bound):
    """Genes: their symbols change, and mean other genes in other organisms."""

    @classmethod
    def _respelling(cls, field: str) -> Callable[[str], str] | None:
        return without_version if field == "ensembl_gene_id" else None

    @classmethod
    def map_symbols(cls, symbols: Iterable[str], *, organism: Any = None) -> SymbolMap:
        """Ensembl ids of symbols, with a report of what is ambiguous and what is unknown.

        A current symbol counts before an alias, an alias before a previous symbol, and all of
        them before other spellings by case.

        Args:
            symbols: The symbols.
            organism: Their organism, a record or a name; `bt.settings.organism` by default.

        Example:
            >>> found = Gene.map_symbols(["BRCA2", "FANCD1"], organism="human")
            >>> found.mapped, found.ambiguous, found.unmapped
        """
        from lakehouse.bionty._terms.symbols import map_symbols

        return map_symbols(cls, symbols, organism)

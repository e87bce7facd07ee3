"""Cell types."""

from __future__ import annotations

from lakehouse.bionty.base import NAME_AND_ID, ONTOLOGY_KEYS, OntologyRow, Term, hierarchy


class CellType(
    Term,
    row=OntologyRow,
    module="bionty",
    unique=(("ontology_id",), *NAME_AND_ID),
    match=(("ontology_id",), ("name",)),
    required=("name",),
    foreign_keys=ONTOLOGY_KEYS,
    relations=hierarchy("bionty.CellType", "cell_type"),
):
    """Cell types, e.g. of the Cell Ontology.

    Example:
        >>> CellType(name="my T cell state").save()  # doctest: +SKIP
    """

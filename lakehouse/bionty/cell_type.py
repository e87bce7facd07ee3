"""Cell types."""

from __future__ import annotations

from lakehouse.bionty.base import NAME_AND_ID, ONTOLOGY_KEYS, OntologyRow, OntologyTerm, hierarchy


class CellType(
    OntologyTerm,
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
        >>> CellType.import_source("blood-cells")                       # doctest: +SKIP
        >>> mine = CellType(name="my T cell state").save()              # doctest: +SKIP
        >>> mine.parents.add(CellType.get(ontology_id="CL:0000084"))    # doctest: +SKIP
        >>> CellType.get(name="lymphocyte").query_children().to_list("name")  # doctest: +SKIP
    """

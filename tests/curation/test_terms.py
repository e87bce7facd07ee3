"""Looking values up in tables of terms."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakehouse.curation import TableResolver
from lakehouse.errors import InvalidArgument, UnknownField
from lakehouse.schema import CatTarget

CELL_TYPE = CatTarget("bionty.CellType")


def test_terms_synonyms_and_the_rest(resolver: TableResolver) -> None:
    values = pa.array(["T cell", "B lymphocyte", "b CELL", "nothing", ""])
    answer = resolver.resolve(CELL_TYPE, values)
    assert answer.valid.to_pylist() == [True, False, False, False, False]
    assert answer.uid.to_pylist() == ["ct2", None, None, None, None]
    assert answer.synonym_of.to_pylist() == [None, "B cell", "B cell", None, None]


def test_no_values_and_large_text(resolver: TableResolver) -> None:
    empty = resolver.resolve(CELL_TYPE, pa.array([], pa.string()))
    assert [len(part) for part in empty] == [0, 0, 0]


def test_nearest_is_best_first_and_leads_through_synonyms(resolver: TableResolver) -> None:
    exact, typo, synonym, none = resolver.nearest(
        CELL_TYPE, ["T-cell", "CD8-pos alpha-beta T cell", "B lymphocite", "qqqq"]
    )
    assert exact[0] == "T cell"
    assert typo[0] == "CD8-positive, alpha-beta T cell"
    assert synonym[0] == "B cell"
    assert none == []


def test_names_lead_to_ids(resolver: TableResolver) -> None:
    target = CatTarget("bionty.CellType", "ontology_id")
    answer = resolver.resolve(target, pa.array(["CL:0000236", "B cell"]))
    assert answer.uid.to_pylist() == ["ct1", None]
    assert answer.synonym_of.to_pylist() == [None, "CL:0000236"]
    assert resolver.nearest(target, ["B cel"])[0][0] == "CL:0000236"
    assert resolver.nearest(CatTarget("bionty.CellType"), ["CL:0000236"]) == [["B cell"]]


def test_filters(resolver: TableResolver) -> None:
    for field in ("source_uid", "source__uid"):
        target = CatTarget("bionty.CellType", filters=((field, "s2"),))
        answer = resolver.resolve(target, pa.array(["T cell", "CD8-positive, alpha-beta T cell"]))
        assert answer.valid.to_pylist() == [False, True]


def test_a_name_held_twice_gives_the_first() -> None:
    terms = pa.table({"uid": ["1", "2", "3"], "name": ["x", "x", None]})
    answer = TableResolver({"ULabel": terms}).resolve(CatTarget("ULabel"), pa.array(["x"]))
    assert answer.uid.to_pylist() == ["1"]


def test_tables_by_target_and_by_function() -> None:
    typed = CatTarget("Record", type_path=("A",))
    table = pa.table({"uid": ["1"], "name": ["x"]})
    none = table.slice(1)
    by_target = TableResolver({typed: table, "Record": none})
    assert by_target.resolve(typed, pa.array(["x"])).valid.to_pylist() == [True]
    assert by_target.resolve(CatTarget("Record"), pa.array(["x"])).valid.to_pylist() == [False]
    asked = []

    def provide(target: CatTarget) -> pa.Table:
        asked.append(target)
        return table

    lazy = TableResolver(provide)
    for _ in range(2):
        lazy.resolve(typed, pa.array(["x"]))
    assert asked == [typed]


def test_unknown_registries_and_fields_name_the_near_ones(resolver: TableResolver) -> None:
    with pytest.raises(InvalidArgument, match=r"bionty\.CellType") as caught:
        resolver.resolve(CatTarget("bionty.CelType"), pa.array(["x"]))
    assert str(caught.value.expected).startswith("bionty.CellType")
    with pytest.raises(UnknownField) as unknown:
        resolver.resolve(CatTarget("bionty.CellType", "ontology"), pa.array(["x"]))
    assert unknown.value.expected == "ontology_id"


@pytest.mark.slow
def test_suggestions_for_many_values_stay_affordable() -> None:
    names = [f"gene number {i} of the genome" for i in range(40_000)]
    terms = pa.table({"uid": names, "name": names, "synonyms": [n.upper() for n in names]})
    resolver = TableResolver({"ULabel": terms})
    values = [f"gene number {i} of the genom" for i in range(5_000)]
    nearest = resolver.nearest(CatTarget("ULabel"), values)
    assert len(nearest) == 5_000
    assert [near[0] for near in nearest[:10]] == names[:10]
    assert nearest[-1] == []

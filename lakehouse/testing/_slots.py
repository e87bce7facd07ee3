"""What the slots of every kind of dataset must do: the suite that their tests inherit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from lakehouse.curation import as_arrow
from lakehouse.curation.slots import Part, otype_of, slots_in
from lakehouse.curation.slots.base import Kind
from lakehouse.errors import InvalidArgument, UnknownField


class SlotsContract:
    """What the slots of every kind of dataset must do: inherit it, and set the attributes.

    Attributes:
        otype: The type of object.
        slots: The slots that the example has, and the kind of each.
        unknown: A slot that datasets of the kind never have.

    Example:
        >>> class TestFrameSlots(SlotsContract):
        ...     otype = "DataFrame"
        ...     slots = {"columns": "table"}
        ...
        ...     def example(self):
        ...         return pa.table({"n": [1, 2]})
    """

    otype: str
    slots: ClassVar[Mapping[str, Kind]]
    unknown: str = "no such slot"

    def example(self) -> Any:
        """A dataset in memory; equal ones each time."""
        raise NotImplementedError("the tests of slots override this")

    def part(self, data: Any, slot: str) -> Part:
        """One part of a dataset, as curators ask for it."""
        return slots_in(data, self.otype).part(slot, of_features=self.slots[slot] != "names")

    def test_the_object_is_known(self) -> None:
        assert otype_of(self.example()) == self.otype

    def test_each_slot_has_its_kind(self) -> None:
        data = self.example()
        assert self.slots
        for slot, kind in self.slots.items():
            part = self.part(data, slot)
            assert (part.slot, part.kind) == (slot, kind)
            if kind == "values":
                assert isinstance(part.data, Mapping)
                assert all(isinstance(key, str) for key in part.data)
            elif kind == "names":
                assert isinstance(part.data, pa.Array | pa.ChunkedArray)
            else:
                assert as_arrow(part.data).column_names

    def test_asking_changes_nothing(self) -> None:
        data = self.example()
        for slot, kind in self.slots.items():
            if kind == "table":
                before = as_arrow(self.part(self.example(), slot).data)
                for _ in range(2):
                    assert as_arrow(self.part(data, slot).data).equals(before)

    def test_an_unknown_slot_is_told(self) -> None:
        with pytest.raises((UnknownField, InvalidArgument)) as caught:
            slots_in(self.example(), self.otype).part(self.unknown, of_features=True)
        assert self.unknown.partition(":")[0] in str(caught.value)

    def test_replaced_columns_are_in_the_dataset(self) -> None:
        for slot, kind in self.slots.items():
            data = self.example()
            part = self.part(data, slot)
            if kind != "table" or part.replace is None:
                continue
            before = as_arrow(part.data)
            first, *others = before.column_names
            column = pa.chunked_array([[f"new {n}" for n in range(before.num_rows)]], pa.string())
            part.replace({first: column})
            after = as_arrow(self.part(data, slot).data)
            assert after.column_names == before.column_names
            assert after[first].cast(pa.string()).to_pylist() == column.to_pylist()
            assert after.select(others).equals(before.select(others))

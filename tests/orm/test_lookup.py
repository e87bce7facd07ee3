"""Look-up objects."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakehouse.errors import InvalidArgument, UnknownField
from lakehouse.orm import save
from lakehouse.orm.query.completion import attribute_names
from lakehouse.registries import ULabel, User


@pytest.fixture
def labels(lake):
    names = ("T cell", "t-cell", "2 cells", "class", "β", "dict", "", "10\n%", "x" * 10_000)
    return save([ULabel(name=n, description=f"d{i}") for i, n in enumerate(names) if n])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("T cell", "t_cell"),
        ("ADGB-DT", "adgb_dt"),
        ("2 cells", "ln_2_cells"),
        ("class", "class_"),
        ("β", "ln__"),
        ("dict", "dict_"),
        ("a  --  b", "a_b"),
    ],
)
def test_attribute_names(text, name):
    assert attribute_names(pa.chunked_array([[text]])) == [name]
    assert name.isidentifier()


def test_records_are_attributes(labels, capfd):
    found = ULabel.lookup()
    assert found.t_cell.name == "T cell"
    assert "2 records are called 't_cell'" in capfd.readouterr().err
    assert found.ln_2_cells.name == "2 cells"
    assert found.class_.name == "class"
    assert found.dict_.name == "dict"
    assert getattr(found, "x" * 10_000) == labels[-1]
    assert found["t-cell"].name == "t-cell"
    assert found.dict()["β"].name == "β"
    assert len(found.dict()) == len(labels)
    assert "t_cell" in dir(found)
    assert "dict" in dir(found)
    assert "t_cell" in repr(found)
    assert "T cell" in found
    assert {r.name for r in found} >= {"T cell", "class"}
    with pytest.raises(UnknownField, match="t_cell"):
        _ = found.t_cel
    with pytest.raises(AttributeError):
        _ = found.nothing_like_it
    with pytest.raises(KeyError):
        _ = found["t_cell"]


def test_which_of_several_is_kept(labels):
    assert ULabel.lookup(keep="last").t_cell.name == "t-cell"
    assert [r.name for r in ULabel.lookup(keep=False).t_cell] == ["T cell", "t-cell"]
    with pytest.raises(InvalidArgument):
        ULabel.lookup(keep="middle")


def test_fields(labels):
    assert ULabel.lookup("description").d0.name == "T cell"
    assert ULabel.lookup(ULabel.description).d0.name == "T cell"
    assert ULabel.lookup("description", return_field="name").d2 == "2 cells"
    assert ULabel.lookup(return_field=ULabel.description).class_ == "d3"
    assert ULabel.filter(name="class").lookup().dict().keys() == {"class"}
    user = User.filter().one()
    assert User.filter().lookup(field="handle")[user.handle] == user
    with pytest.raises(UnknownField):
        ULabel.lookup("nope")
    with pytest.raises(UnknownField):
        ULabel.lookup(return_field="nope")


def test_values_may_repeat(lake):
    kind = ULabel(name="Kind", is_type=True).save()
    save([ULabel(name="same"), ULabel(name="same", type=kind)])
    assert ULabel.lookup().same.type is None
    assert ULabel.lookup(keep="last").same.type == kind
    assert len(ULabel.lookup(keep=False).dict()["same"]) == 2
    assert ULabel.filter(type=kind).lookup()["same"].type == kind

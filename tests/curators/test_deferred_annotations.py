"""Models in a module without `from __future__ import annotations`, which Python 3.14 defers."""

from typing import Annotated

import pandas as pd
import pytest
from pydantic import Field

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import ValidationError


class Immuno(ln.DatasetModel):
    cell_type: bt.CellType
    temperature: Annotated[float, Field(ge=0)]
    donor: str | None
    dose: "Dose"


Dose = int  # after the class that names it


def test_a_model(lake):
    Immuno.model_rebuild()
    bt.CellType(name="T cell").save()
    good = {"cell_type": ["T cell"], "temperature": [1.0], "donor": [None], "dose": [3]}
    ln.curators.DataFrameCurator(pd.DataFrame(good), Immuno).validate()
    for name, value in (("cell_type", "zz"), ("temperature", -1.0), ("dose", "x")):
        with pytest.raises(ValidationError, match=name):
            ln.curators.DataFrameCurator(pd.DataFrame(good | {name: [value]}), Immuno).validate()


def test_names_that_come_later(lake):
    """Since 3.14 an annotation may name what isn't there yet, without quotes."""
    scope = {"ln": ln}
    lines = ["class Later(ln.DatasetModel):", "    size: Size", "Size = int"]
    try:
        exec("\n".join(lines), scope)
    except NameError:  # earlier versions look at once
        lines = ["Size = int", "class Later(ln.DatasetModel):", "    size: Size"]
        exec("\n".join(lines), scope)
    scope["Later"].model_rebuild(_types_namespace=scope)
    assert [str(f.dtype) for f in scope["Later"].to_features()] == ["int"]

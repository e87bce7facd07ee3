"""Categories narrowed by `cat_filters`."""

from __future__ import annotations

import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from lakehouse.errors import UnknownField, ValidationError

pytestmark = pytest.mark.usefixtures("lake")


@pytest.fixture
def organisms(lake):
    made = {name: bt.Organism(name=name).save() for name in ("human", "mouse")}
    for i, (symbol, name) in enumerate((("TP53", "human"), ("Trp53", "mouse"))):
        bt.Gene(symbol=symbol, ensembl_gene_id=f"ENS{i}", organism=made[name]).save()
    return made


@pytest.mark.parametrize("by", ["record", "uid", "name"])
def test_by_a_related_record(organisms, by):
    mouse = organisms["mouse"]
    filters = {
        "record": {"organism": mouse},
        "uid": {"organism__uid": mouse.uid},
        "name": {"organism__name": "mouse"},
    }[by]
    feature = ln.Feature(name="gene", dtype=bt.Gene.symbol, cat_filters=filters).save()
    schema = ln.Schema([feature]).save()
    ln.curators.DataFrameCurator(pd.DataFrame({"gene": ["Trp53"]}), schema).validate()
    with pytest.raises(ValidationError, match="TP53"):
        ln.curators.DataFrameCurator(pd.DataFrame({"gene": ["TP53"]}), schema).validate()


def test_by_what_does_not_exist(organisms):
    feature = ln.Feature(name="gene", dtype=bt.Gene.symbol, cat_filters={"planet": "x"}).save()
    curator = ln.curators.DataFrameCurator(
        pd.DataFrame({"gene": ["TP53"]}), ln.Schema([feature]).save()
    )
    with pytest.raises(UnknownField, match="planet"):
        curator.validate()

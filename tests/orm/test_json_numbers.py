"""Numbers in dictionaries: compared exactly, and refused where JSON can't hold them."""

from __future__ import annotations

import math
import operator
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from lakehouse.errors import FieldValidationError
from lakehouse.orm import Lake
from lakehouse.registries import Record

NUMBERS = [
    *(2**53 + n for n in (-1, 0, 1, 2)),
    *(-(2**53) + n for n in (-2, -1, 0, 1)),
    *(2**63 + n for n in (-1, 0, 1)),
    *(-(2**63), -(2**63) + 1, 2**64 - 1, 2**64 - 2),
    *(0, 1, -1, 7, 0.5, 1.5, -1.5, 1e-300, 1e15 + 0.3, 2.0**53, 2.0**60, -(2.0**63), 1e22, 1e300),
]
ASKED = [
    *NUMBERS,
    2**53 + 3,
    10**22,
    10**22 + 1,
    2**64,
    2**200,
    -(2**200),
    -0.0,
    math.inf,
    -math.inf,
]
COMPARE = {
    "exact": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def exact(number):
    return number if isinstance(number, float) and math.isinf(number) else Fraction(number)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    made = Lake.create(str(tmp_path_factory.mktemp("numbers") / "lake"))
    with made:
        made.save(
            [made.Record(name=str(i), extra_data={"n": n}) for i, n in enumerate(NUMBERS)]
            + [made.Record(name=n, extra_data={"n": v}) for n, v in (("t", "1"), ("b", True))]
        )
    yield made
    made.close()


def found(lake, **lookups):
    return sorted((r.extra_data["n"] for r in lake.Record.filter(**lookups)), key=repr)


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPARE)
def test_comparisons_are_exact(lake, name):
    for asked in ASKED:
        right = [n for n in NUMBERS if COMPARE[name](exact(n), exact(asked))]
        assert found(lake, **{f"extra_data__n__{name}": asked}) == sorted(right, key=repr), asked


def test_lists_ranges_and_the_others(lake):
    assert found(lake, extra_data__n__in=[2**53 + 1, 2**64 - 1]) == [2**64 - 1, 2**53 + 1]
    assert found(lake, extra_data__n__range=(2**53 + 1, 2**53 + 2)) == [2**53 + 1, 2**53 + 2]
    assert 2**53 in found(lake, extra_data__n__ne=2**53 + 1)
    assert 2**53 + 1 not in found(lake, extra_data__n__ne=2**53 + 1)
    assert found(lake, extra_data__n=np.int64(2**53 + 1)) == [2**53 + 1]
    assert found(lake, extra_data={"n": 2**53 + 1}) == [2**53 + 1]
    assert found(lake, extra_data__contains={"n": 2**63 + 1}) == [2**63 + 1]
    assert found(lake, extra_data__n=True) == [True]
    assert found(lake, extra_data__n=1) == [1]
    for wrong in (math.nan, (math.nan, 1)):
        with pytest.raises(FieldValidationError, match="number"):
            found(
                lake, **{f"extra_data__n__{'range' if isinstance(wrong, tuple) else 'gt'}": wrong}
            )


def test_order_and_values_are_exact(lake):
    known = [r for r in lake.Record.filter().order_by("extra_data__n") if r.name.isdigit()]
    numbers = [r.extra_data["n"] for r in known]
    assert numbers == sorted(NUMBERS, key=exact)
    assert lake.Record.filter(extra_data__n=2**63 + 1).values_list("extra_data__n", flat=True)[
        0
    ] == (2**63 + 1)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        {"deep": [1, {"x": math.nan}]},
        np.float64("nan"),
        np.float32("inf"),
        np.array([1.0, math.nan]),
        2**64,
        -(2**63) - 1,
        [10**30],
        {1: "a", "1": "b"},
    ],
)
def test_what_json_cannot_hold_is_refused(lake, value):
    before = lake.Record.filter().count()
    with lake:
        with pytest.raises(FieldValidationError, match="extra_data"):
            Record(name="new", extra_data={"x": value})
        record = Record(name="new")
        with pytest.raises(FieldValidationError, match="extra_data"):
            record.extra_data = {"x": value}
        inner = {}
        record = Record(name="new", extra_data={"inner": inner})
        inner["x"] = value  # behind our back
        with pytest.raises(FieldValidationError, match="JSON"):
            record.save()
        saved = lake.Record.get(name="0")
        saved.extra_data["x"] = value
        with pytest.raises(FieldValidationError, match="JSON"):
            saved.save()
    assert lake.Record.filter().count() == before
    assert lake.Record.get(name="0").extra_data == {"n": NUMBERS[0]}


def test_what_holds_itself_is_refused(lake):
    loop = {}
    loop["loop"] = loop
    with lake, pytest.raises(FieldValidationError):
        Record(name="loop", extra_data=loop)


def test_what_json_can_hold_comes_back(lake):
    data = {
        "zero": -0.0,
        "least": -(2**63),
        "most": 2**64 - 1,
        "small": 5e-324,
        "nested": [{"a": [1, 1.5, None, True]}],
        "numpy": 1.5,
    }
    with lake:
        Record(
            name="kept", extra_data={**data, "numpy": np.float64(1.5), "d": Decimal("1.5")}
        ).save()
    back = lake.Record.get(name="kept").extra_data
    assert back == {**data, "d": "1.5"}
    assert math.copysign(1, back["zero"]) == -1
    assert type(back["nested"][0]["a"][3]) is bool

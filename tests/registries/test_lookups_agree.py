"""A look-up means the same for a field and for a feature that holds the same values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lakehouse as ln
from lakehouse.orm import Lake

TEXTS = ("abc STRASSE", "xyz straße", "100% _a\\b", "İstanbul\nzwei", "T\tcell")
VALUES = {
    "text": [
        *(("regex", p) for p in (r"(?<=a)b", r"\p{Lu}", "a{1001}", "[", "^x", "b$", r"\d+%", "(a+)+$")),
        *(("iregex", p) for p in ("ABC", "^XYZ")),
        *(("exact", t) for t in (*TEXTS, "abc", "")),
        *(("iexact", t) for t in ("ABC strasse", "XYZ STRASSE", "xyz STRAßE")),
        *(("contains", t) for t in ("c S", "%", "_", "\\", "\n", "")),
        *(("icontains", t) for t in ("STRAẞE", "C s", "T\tCELL")),
        *(("startswith", t) for t in ("abc", "ABC", "100%")),
        *(("istartswith", t) for t in ("ABC", "İ")),
        *(("endswith", t) for t in ("SSE", "zwei")),
        ("iendswith", "sse"),
        *(("in", v) for v in (["abc STRASSE", None], [], ["x"], "abc", [1])),
        *((op, "b") for op in ("gt", "gte", "lt", "lte")),
        ("range", ("a", "b")),
        ("isnull", True),
        ("isnull", False),
        ("exact", 1),
    ],
    "number": [
        *(("exact", v) for v in (1, 1.0, True, "1", 7, -1)),
        *(("in", v) for v in ([1, None], [1, 2], [], [True])),
        *(("contains", v) for v in ("1", "x")),
        *(("startswith", v) for v in ("1", "2")),
        *((op, v) for op in ("gt", "gte", "lt", "lte") for v in (1, 1.5, 0)),
        ("range", (0, 2)),
        ("regex", "^1"),
        ("isnull", False),
    ],
}  # fmt: skip
FIELDS = {"text": ("description", "note"), "number": ("size", "size2")}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("agree")
    with Lake.create(str(folder / "lake")) as lake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_USER", "ada")
        ln.save([ln.Feature(name="note", dtype=str), ln.Feature(name="size2", dtype=int)])
        for i, text in enumerate(TEXTS):
            file = Path(folder / f"{i}.txt")
            file.write_text("1" * (i + 1))
            artifact = ln.Artifact(file, key=f"{i}.txt", description=text).save()
            artifact.features.set_values({"note": text, "size2": i + 1})
    return lake


def _asked(lake: Lake, name: str, look_up: str, value: Any) -> Any:
    with lake:
        try:
            return sorted(lake.Artifact.filter(**{f"{name}__{look_up}": value}).to_list("key"))
        except ln.errors.LakehouseError as error:
            return type(error).__name__


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "look_up", "value"), [(k, *pair) for k, pairs in VALUES.items() for pair in pairs]
)
def test_field_and_feature_agree(filled: Lake, kind: str, look_up: str, value: Any) -> None:
    field, feature = FIELDS[kind]
    assert _asked(filled, feature, look_up, value) == _asked(filled, field, look_up, value)

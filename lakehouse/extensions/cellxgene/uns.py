"""What CELLxGENE demands of `uns` beyond the keys that must be there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from numbers import Number
from typing import Any

import numpy as np

from lakehouse.curation.datasets.counts import said
from lakehouse.curation.failure import Failure
from lakehouse.formats.annotated.matrices import Whole

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_LABELS = (
    "assay", "cell_type", "development_stage", "disease", "organism", "self_reported_ethnicity",
    "sex", "tissue",
)  # fmt: skip
_TEXTS = ("title", "default_embedding", "X_approximate_distribution")
_DISTRIBUTIONS = ("count", "normal")


def uns_failures(adata: Whole) -> Iterator[Failure]:
    """Yield what is wrong with the unstructured values of an AnnData."""
    uns = adata.uns
    for key, value in uns.items():
        fix = f"del adata.uns[{key!r}]"
        if str(key).startswith("__"):
            yield said("uns", key, "a key that begins with '__'", "another one", fix)
        if _empty(value):
            yield said("uns", key, f"an empty {type(value).__name__}", "a value, or no key", fix)
        if str(key).endswith("_colors"):
            yield from _colors(str(key), value, adata.obs)
    for key in _TEXTS:
        if key in uns:
            yield from _text(key, uns[key])
    yield from _choices(adata)
    yield from _batches(uns.get("batch_condition"), adata.obs)


def _empty(value: Any) -> bool:
    if value is None or isinstance(value, Number | bool | np.bool_):
        return False
    shape = getattr(value, "shape", None)
    if shape is not None:
        return bool(len(shape)) and 0 in tuple(shape)
    return hasattr(value, "__len__") and len(value) == 0


def _text(key: str, value: Any) -> Iterator[Failure]:
    fix = f"adata.uns[{key!r}] = '…'"
    if not isinstance(value, str):
        yield said("uns", key, f"a value of type {type(value).__name__}", "a text", fix)
    elif value != " ".join(value.split()):
        expected = "no spaces at its ends, and single ones inside"
        yield said("uns", key, "spaces too many", expected, fix, value=value, count=1)


def _choices(adata: Whole) -> Iterator[Failure]:
    embedding = adata.uns.get("default_embedding")
    known = list(adata.mappings["obsm"])
    if isinstance(embedding, str) and embedding not in known:
        yield said(
            "uns", "default_embedding", "no such embedding", f"a key of obsm: {', '.join(known)}",
            "adata.uns['default_embedding'] = one of adata.obsm", value=embedding, count=1,
        )  # fmt: skip
    key = "X_approximate_distribution"
    value = adata.uns.get(key)
    if isinstance(value, str) and value not in _DISTRIBUTIONS:
        expected = " or ".join(_DISTRIBUTIONS)
        fix = f"adata.uns[{key!r}] = 'normal'"
        yield said("uns", key, "another word", expected, fix, value=value, count=1)


def _batches(value: Any, obs: Any) -> Iterator[Failure]:
    if value is None:
        return
    key = "batch_condition"
    fix = "adata.uns['batch_condition'] = ['donor_id']"
    if not isinstance(value, list | np.ndarray):
        found = f"a value of type {type(value).__name__}"
        yield said("uns", key, found, "a list of columns of obs", fix)
        return
    for name in value:
        if name not in obs.columns:
            yield said("uns", key, "no column of obs", "columns of obs", fix, value=name, count=1)


def _colors(key: str, value: Any, obs: Any) -> Iterator[Failure]:
    name = key.removesuffix("_colors")
    column = obs[name] if name in obs.columns else None
    categories = getattr(getattr(column, "dtype", None), "categories", None)
    if column is None or categories is None:
        found = "no such column of obs" if column is None else f"a column of type {column.dtype}"
        fix = f"del adata.uns[{key!r}]"
        if name in _LABELS:
            fix = f"adata.uns['{name}_ontology_term_id_colors'] = adata.uns.pop({key!r})"
        yield said("uns", key, found, f"a categorical {name!r} in obs", fix)
        return
    fix = f"adata.uns[{key!r}] = numpy.array(['#1f77b4', …])"
    if not isinstance(value, np.ndarray):
        found = f"a value of type {type(value).__name__}"
        yield said("uns", key, found, "an array of colors", fix)
        return
    if not all(isinstance(color, str) for color in value):
        yield said("uns", key, f"colors of type {value.dtype}", "colors as texts", fix)
        return
    if len(value) < (needed := column.nunique()):
        yield said("uns", key, f"{len(value)} colors", f"one for each of {needed} values", fix)
    names = all(color in _CSS for color in value)
    if not (all(_HEX.fullmatch(c) for c in value) or names):
        expected = "all colors as '#rrggbb', or all as names of CSS"
        yield said("uns", key, f"colors {', '.join(map(str, value[:5]))}", expected, fix)


_NAMES = """
    aliceblue antiquewhite aqua aquamarine azure beige bisque black blanchedalmond blue blueviolet
    brown burlywood cadetblue chartreuse chocolate coral cornflowerblue cornsilk crimson cyan darkblue
    darkcyan darkgoldenrod darkgray darkgreen darkgrey darkkhaki darkmagenta darkolivegreen darkorange
    darkorchid darkred darksalmon darkseagreen darkslateblue darkslategray darkslategrey darkturquoise
    darkviolet deeppink deepskyblue dimgray dimgrey dodgerblue firebrick floralwhite forestgreen
    fuchsia gainsboro ghostwhite gold goldenrod gray green greenyellow grey honeydew hotpink indianred
    indigo ivory khaki lavender lavenderblush lawngreen lemonchiffon lightblue lightcoral lightcyan
    lightgoldenrodyellow lightgray lightgreen lightgrey lightpink lightsalmon lightseagreen
    lightskyblue lightslategray lightslategrey lightsteelblue lightyellow lime limegreen linen magenta
    maroon mediumaquamarine mediumblue mediumorchid mediumpurple mediumseagreen mediumslateblue
    mediumspringgreen mediumturquoise mediumvioletred midnightblue mintcream mistyrose moccasin
    navajowhite navy oldlace olive olivedrab orange orangered orchid palegoldenrod palegreen
    paleturquoise palevioletred papayawhip peachpuff peru pink plum powderblue purple rebeccapurple
    red rosybrown royalblue saddlebrown salmon sandybrown seagreen seashell sienna silver skyblue
    slateblue slategray slategrey snow springgreen steelblue tan teal thistle tomato turquoise violet
    wheat white whitesmoke yellow yellowgreen
"""
_CSS = frozenset(_NAMES.split())

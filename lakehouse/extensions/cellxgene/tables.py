"""What CELLxGENE demands of `obs`, `var` and `raw.var` beyond the values of columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lakehouse.curation.datasets.counts import said
from lakehouse.curation.failure import Failure, rows_kept
from lakehouse.formats.annotated.matrices import Whole

_CATEGORICAL = ("donor_id", "suspension_type", "tissue_type")
_LABELS = tuple(f"feature_{what}" for what in ("name", "reference", "biotype", "length", "type"))


def table_failures(adata: Whole) -> Iterator[Failure]:
    """Yield what is wrong with the tables of an AnnData."""
    frames = {"obs": adata.obs, "var": adata.var}
    if adata.raw_var is not None:
        frames["raw.var"] = adata.raw_var
        for name in ("feature_is_filtered", *_LABELS):
            if name in adata.raw_var.columns:
                fix = f"make raw without it: del raw.var[{name!r}]"
                yield said("raw.var", name, "the column", f"no column {name!r}", fix)
    for slot, frame in frames.items():
        yield from _index(slot, frame)
        for name in frame.columns:
            yield from _column(slot, str(name), frame[name])
    yield from _cells(adata.obs)
    yield from _filtered(adata)


def _index(slot: str, frame: Any) -> Iterator[Failure]:
    repeated = frame.index.duplicated(keep=False)
    if repeated.any():
        rows = np.flatnonzero(repeated)
        values = frame.index[repeated].unique()
        names = "var_names" if slot == "var" else "obs_names"
        yield said(
            slot, "index", f"{len(values)} names that stand several times, e.g. {values[0]!r}",
            "a name of its own for each row", f"adata.{names}_make_unique(), or leave rows out",
            count=len(rows), rows=rows[: rows_kept()].tolist(),
        )  # fmt: skip


def _column(slot: str, name: str, column: Any) -> Iterator[Failure]:
    at = f"adata.{slot}[{name!r}]"
    if name.startswith("__"):
        yield said(
            slot, name, "a name that begins with '__'", "another name, these are reserved",
            f"adata.{slot} = adata.{slot}.drop(columns={name!r})",
        )  # fmt: skip
    if not hasattr(column, "dtype"):  # two columns of this name, which the rule of names says
        return
    categories = getattr(column.dtype, "categories", None)
    values = column if categories is None else categories
    kinds = _types(values)
    if categories is not None and categories.dtype == object and "bool" in kinds:
        fix = f"{at} = {at}.astype(bool)"
        yield said(slot, name, "categories that are booleans", "a column of type bool", fix)
    if len(kinds) > 1:
        fix = f"{at} = {at}.astype(str).astype('category'), with a word for what is missing"
        found = f"values of several types: {', '.join(sorted(kinds))}"
        yield said(slot, name, found, "values of one type", fix)


def _types(values: Any) -> set[str]:
    """The Python types of values; of numpy's own dtypes there is one."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return {dtype.name}
    try:
        distinct = values.unique()
    except TypeError:  # unhashable
        distinct = values
    return {type(value).__name__ for value in distinct}


def _cells(obs: Any) -> Iterator[Failure]:
    for name in _CATEGORICAL:
        column = obs[name] if name in obs.columns else None
        if column is None or not hasattr(column, "dtype"):
            continue
        fix = f"adata.obs[{name!r}] = adata.obs[{name!r}].astype('category')"
        categories = getattr(column.dtype, "categories", None)
        if categories is None:
            yield said("obs", name, f"a column of type {column.dtype}", "a categorical", fix)
        elif name == "donor_id" and any(not str(c).strip() for c in categories):
            yield said("obs", name, "an empty category", "an id of each donor", fix)
    yield from _cell_lines(obs)
    for name in ("experimental_condition_ontology_term_id", "genetic_perturbation_id"):
        if name in obs.columns and len(obs) and (obs[name] == "na").all():
            fix = f"del adata.obs[{name!r}]"
            yield said("obs", name, "nothing but 'na'", "no such column then", fix)


def _cell_lines(obs: Any) -> Iterator[Failure]:
    name = "cell_type_ontology_term_id"
    if name in obs.columns and "tissue_type" in obs.columns:
        lines = (obs["tissue_type"] == "cell line").to_numpy()
        without = lines & (obs[name] == "na").to_numpy()
        if without.any() and not without[lines].all():
            rows = np.flatnonzero(lines & ~without)
            yield said(
                "obs", name, "'na' for some of the cells of cell lines", "'na' for all or for none",
                f"set {name!r} of these cells to 'na', too", value="na",
                count=len(rows), rows=rows[: rows_kept()].tolist(),
            )  # fmt: skip


def _filtered(adata: Whole) -> Iterator[Failure]:
    name = "feature_is_filtered"
    column = adata.var[name] if name in adata.var.columns else None
    if column is None or adata.raw_var is not None or not _is_bool(column):
        return
    if column.any():
        rows = np.flatnonzero(column.to_numpy())
        yield said(
            "var", name, "True without adata.raw", "False for all genes where there is no raw",
            f"adata.var[{name!r}] = False, or give adata.raw the unfiltered counts", value=True,
            count=len(rows), rows=rows[: rows_kept()].tolist(),
        )  # fmt: skip


def _is_bool(column: Any) -> bool:
    return getattr(getattr(column, "dtype", None), "kind", "") == "b"

"""Categorical columns of polars as Arrow, by the codes that polars keeps."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc


class Categories:
    """Makes dictionary arrays of one column's slices; polars' own way takes many times as long.

    The codes are positions among all categories of the process, so the dictionary holds at the
    codes that no row has whatever text there is. Where it would be longer than the slice, polars
    makes it.
    """

    def __init__(self) -> None:
        self._texts = pa.array([], pa.large_string())
        self._known = np.zeros(0, bool)

    def chunk(self, series: pl.Series) -> pa.Array:
        """One slice."""
        physical = series.to_physical()
        top = physical.max()
        if not isinstance(top, int) or top >= len(series):
            return series.to_arrow()
        codes = physical.to_arrow()
        plain = (pc.fill_null(codes, top) if codes.null_count else codes).to_numpy()
        if top >= len(self._known) or not self._known.take(plain, mode="clip").all():
            present = np.zeros(max(top + 1, len(self._known)), bool)
            present[plain] = True
            present[: len(self._known)] &= ~self._known
            self._learn(series, present)
        # unsafe is: to believe polars that no code is above the highest
        return pa.DictionaryArray.from_arrays(codes, self._texts, safe=False)

    def _learn(self, series: pl.Series, new: np.ndarray) -> None:
        """Note the texts of codes that no earlier slice had."""
        found = series.drop_nulls().unique()
        at = found.to_physical().to_numpy()
        texts = found.cast(pl.String).to_list()
        grown = [*self._texts.to_pylist(), *[texts[0]] * (len(new) - len(self._texts))]
        self._known = np.concatenate([self._known, np.zeros(len(new) - len(self._known), bool)])
        for code, text in zip(at.tolist(), texts, strict=True):
            grown[code] = text
            self._known[code] = True
        self._texts = pa.array(grown, pa.large_string())

"""Comparing values with a registry: `CellType.validate([...])`, `CellType.standardize([...])`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from lakehouse.annotation.terms import terms_of
from lakehouse.curation import TableResolver
from lakehouse.errors import InvalidArgument
from lakehouse.orm import current_lake
from lakehouse.schema import CatTarget

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class CanCurate:
    """Class methods of registries whose terms values are compared with."""

    meta: ClassVar[Any]

    @classmethod
    def _target(cls, field: Any) -> CatTarget:
        name = getattr(field, "name", field) or cls.meta.name_field
        if name not in cls.meta.fields:
            raise cls.meta.unknown(name)
        return CatTarget(cls.meta.name, name)

    @classmethod
    def _resolver(cls, target: CatTarget) -> TableResolver:
        return TableResolver({target: terms_of(current_lake().state, cls.meta.table, target)})

    @classmethod
    def validate(cls, values: Any, field: Any = None) -> npt.NDArray[np.bool_]:
        """Which values are terms of the registry, exactly as they stand.

        Args:
            values: Texts: a list, numpy array, Series or Arrow array.
            field: The field to compare with; the name by default.

        Returns:
            A boolean per value.

        Example:
            >>> CellType.validate(["T cell", "T-cell"])  # doctest: +SKIP
            array([ True, False])
        """
        import numpy as np

        texts = _texts(values)
        target = cls._target(field)
        distinct = list(dict.fromkeys(t for t in texts if t is not None))
        valid = cls._resolver(target).resolve(target, pa.array(distinct, pa.string())).valid
        known = dict(zip(distinct, valid.to_pylist(), strict=True))
        return np.array([known.get(t, False) for t in texts], dtype=bool)

    @classmethod
    def standardize(
        cls,
        values: Any,
        field: Any = None,
        *,
        return_field: Any = None,
        return_mapper: bool = False,
    ) -> Any:
        """Replace synonyms by the terms that they mean; all other values stay.

        Args:
            values: Texts, as for `validate`.
            field: The field of which the values are, or should be; the name by default.
            return_field: Give this field of the found terms instead.
            return_mapper: Give a dictionary of the replaced values only.

        Returns:
            A list, or the dictionary.

        Example:
            >>> CellType.standardize(["T-cell", "T cell"])  # doctest: +SKIP
            ['T cell', 'T cell']
        """
        texts = _texts(values)
        target = cls._target(field)
        distinct = list(dict.fromkeys(t for t in texts if t is not None))
        array = pa.array(distinct, pa.string())
        found = cls._resolver(target).resolve(target, array)
        pairs = zip(distinct, found.valid.to_pylist(), found.synonym_of.to_pylist(), strict=True)
        standard = {value: value if valid else synonym for value, valid, synonym in pairs}
        if return_field is not None:
            standard = cls._as_field(standard, target, return_field)
        mapper = {v: s for v, s in standard.items() if s is not None and s != v}
        return mapper if return_mapper else [mapper.get(t, t) for t in texts]

    @classmethod
    def _as_field(
        cls, standard: dict[str, str | None], target: CatTarget, return_field: Any
    ) -> dict[str, str | None]:
        wanted = cls._target(return_field).field
        rows = terms_of(current_lake().state, cls.meta.table, target)
        names, fields = rows[target.field].to_pylist(), rows[wanted].to_pylist()
        known: dict[str, str] = {}
        for name, value in zip(names, fields, strict=True):
            known.setdefault(name, value)
        return {v: None if s is None else known.get(s) for v, s in standard.items()}


def _texts(values: Any) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidArgument(
            "Several values are compared at once.", found=repr(values), hint=f"[{values!r}]"
        )
    listed = values.tolist() if hasattr(values, "tolist") else list(values)
    return [
        None if v is None or v != v else (v.as_py() if hasattr(v, "as_py") else v) for v in listed
    ]

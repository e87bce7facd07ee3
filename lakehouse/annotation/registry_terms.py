"""The terms of a registry that values are compared with: of which field, organism and source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.curation.vocabulary import Vocabulary, distinct, listed
from lakehouse.errors import InvalidArgument, UnknownColumn
from lakehouse.orm import current_lake
from lakehouse.orm.present import present

SYNONYMS = "synonyms"


@dataclass(frozen=True)
class Asked:
    """Values that somebody asks about, and the rows that they are compared with.

    Attributes:
        values: All values.
        single: Whether a single value was given.
        name: The field that they are compared with.
        unique: The distinct values that aren't empty.
        organism: The organism that is meant, or None.
        rows: The registry's rows.
    """

    values: list[Any]
    single: bool
    name: str
    unique: list[Any]
    organism: Any
    rows: pa.Table


class RegistryTerms:
    """What a registry says of its terms; registries with public sources say more."""

    meta: ClassVar[Any]

    # -- what registries with public sources override -----------------------------------

    @classmethod
    def _organism_of(cls, field: str, organism: Any, values: list[Any]) -> Any:
        """The organism that is meant, for registries whose terms belong to organisms."""
        return None

    @classmethod
    def _respelling(cls, field: str) -> Callable[[str], str] | None:
        """What gives the known spelling of values of a field, where there is such a thing."""
        return None

    @classmethod
    def _ignores_case(cls, organism: Any) -> bool:
        """Whether values that differ by case mean the same record."""
        return True

    @classmethod
    def _words(cls, rows: pa.Table, field: str, synonyms: str | None = None) -> Vocabulary:
        return Vocabulary(rows, field, synonyms, cls._respelling(field))

    @classmethod
    def _public_terms(cls, organism: Any, source: Any) -> tuple[pa.Table | None, str | None]:
        """The terms of the public source on this machine, else why there are none."""
        return None, None

    @classmethod
    def _public_records(
        cls, values: list[Any], field: str, organism: Any, source: Any
    ) -> tuple[list[Any], dict[Any, list[Any]], str | None]:
        """New records from the public source, their values by what was asked, and a hint."""
        return [], {}, None

    # -- common ground -------------------------------------------------------------------

    @classmethod
    def _field_name(cls, field: Any) -> str:
        if field is None:
            return str(cls.meta.name_field)
        registry = getattr(field, "registry", None)
        if registry is not None and registry.meta is not cls.meta:
            raise InvalidArgument(
                f"{cls.meta.name} can't compare values with a field of another registry.",
                found=str(field),
                expected=f"a field of {cls.meta.name}",
            )
        name = "uid" if isinstance(field, property) else str(getattr(field, "name", field))
        if name not in cls.meta.fields:
            raise cls.meta.unknown(name)
        return name

    @classmethod
    def _rows(cls, organism: Any = None, source: Any = None, within: Any = None) -> pa.Table:
        """The visible rows, of one organism and one source if they are given."""
        lake, meta = current_lake(), cls.meta
        rows = within.to_arrow() if within is not None else present(lake).arrow(meta.table)
        if within is None and meta.has_branch:
            visible = pa.array(lake.visible_branches)
            rows = rows.filter(pc.is_in(rows["branch_uid"], value_set=visible))
        for name, record in (("organism", organism), ("source", source)):
            if record is not None and name in meta.foreign_keys:
                rows = rows.filter(pc.equal(rows[f"{name}_uid"], record.uid))
        return rows

    @classmethod
    def _compared(cls, name: str, synonyms: str = SYNONYMS) -> str | None:
        """The column of synonyms, which only names have.

        Raises:
            UnknownColumn: A column was chosen that the registry doesn't have.
        """
        wrong = synonyms not in cls.meta.fields or synonyms == name
        if wrong and SYNONYMS in cls.meta.fields and name == cls.meta.name_field:
            raise UnknownColumn(
                f"{cls.meta.name} has no synonyms in {synonyms!r}.",
                expected=", ".join(f for f in cls.meta.fields if f.endswith(SYNONYMS)),
            )
        has = synonyms in cls.meta.fields and name == cls.meta.name_field
        return synonyms if has else None

    @classmethod
    def _asked(
        cls, values: Any, field: Any, organism: Any, source: Any, within: Any = None
    ) -> Asked:
        """What values, as they were given, are compared with.

        Args:
            values: Values of any iterable, or a single one.
            field: The field; the name by default.
            organism: Only terms of this organism, a record or a name.
            source: Only terms that came from this source; None for all.
            within: A query set instead of all visible records.
        """
        texts, single = listed(values)
        name = cls._field_name(field)
        unique = distinct(texts)
        species = cls._organism_of(name, organism, unique)
        return Asked(texts, single, name, unique, species, cls._rows(species, source, within))

"""Comparing values with a registry: `CellType.validate([...])`, `.inspect`, `.standardize`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.config import notify
from lakehouse.curation.vocabulary import Keep, Vocabulary, distinct, listed
from lakehouse.engine.query.view import in_one_view
from lakehouse.errors import InvalidArgument, UnknownColumn
from lakehouse.orm import QuerySet, current_lake
from lakehouse.orm.record.record_list import RecordList
from lakehouse.orm.view.present import present
from lakehouse.terms.inspect import (
    InspectResult,
    advise,
    created_records,
    existing_records,
    inspected,
    tell_records,
    tell_validation,
)
from lakehouse.terms.obsolete import tell_obsolete_terms
from lakehouse.terms.scope import meant, used_first
from lakehouse.terms.standardize import Standardizing

# -- The terms of a registry that values are compared with: of which field, organism and source


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


# -- Class methods that can't be called on records by mistake


_Method = TypeVar("_Method")


class _ClassOnly:
    """Lets a class method say so when it is called on a record."""

    def __init__(self, method: Any) -> None:
        self._method = classmethod(in_one_view(method.__func__))
        self.__doc__ = method.__doc__
        self.__wrapped__ = method.__func__

    def __get__(self, record: Any, owner: type[Any]) -> Any:
        if record is not None:
            name = f"{owner.__name__}.{self.__wrapped__.__name__}"
            raise TypeError(f"{name}() is called on the class, not on a record.")
        return self._method.__get__(None, owner)


def class_only(method: _Method) -> _Method:
    """Lets a class method say so when it is called on a record; type checkers see the method."""
    made: Any = _ClassOnly(method)
    return made  # type: ignore[no-any-return]


class CanCurate(RegistryTerms):
    """Validate, inspect and standardize values by the records of a registry.

    Values may be given as any iterable: a list, a numpy array, a pandas or polars column, an
    Arrow array. Empty ones (None, NaN, "") are never terms.
    """

    @class_only
    @classmethod
    def validate(
        cls,
        values: Any,
        field: Any = None,
        *,
        mute: bool = False,
        organism: Any = None,
        source: Any = None,
        strict_source: bool = False,
        _within: QuerySet[Any] | None = None,
    ) -> Any:
        """Validate values: which are terms of the registry, exactly as they stand.

        Args:
            values: The values.
            field: The field to compare with, e.g. `bt.CellType.ontology_id`; the name by default.
            mute: Tell nothing.
            organism: Only terms of this organism, a record or a name.
            source: A `bt.Source`.
            strict_source: Only terms that came from `source`.

        Returns:
            A numpy array with a boolean per value; for a single text one boolean.

        Raises:
            TypeMismatch: Numbers are compared with texts, or texts with numbers.

        Example:
            >>> CellType.validate(["T cell", "T-cell"])
            array([ True, False])
        """
        import numpy as np

        asked = cls._asked(values, field, organism, source if strict_source else None, _within)
        if not len(asked.rows) and not mute:
            notify(
                f"your {cls.__name__} registry is empty, consider populating it first", "warning"
            )
            if "source" in cls.meta.foreign_keys:
                notify("use .import_source() to import records from a source")
        known = Vocabulary(asked.rows, asked.name).known(asked.unique)
        if not mute and len(asked.rows):
            tell_validation(InspectResult(asked.values, known, unique=asked.unique), asked.name)
            tell_obsolete_terms(cls, asked.rows, asked.name, known)
        count = len(asked.values)
        found = np.fromiter(map(known.__contains__, asked.values), dtype=bool, count=count)
        return found[0] if asked.single else found

    @class_only
    @classmethod
    def inspect(
        cls,
        values: Any,
        field: Any = None,
        *,
        mute: bool = False,
        organism: Any = None,
        source: Any = None,
        from_source: bool = True,
        strict_source: bool = False,
        _within: QuerySet[Any] | None = None,
    ) -> InspectResult:
        """Inspect values: which are terms, which are synonyms, and what to do about the rest.

        The public source is looked at only if it is on this machine.

        Args:
            values: The values.
            field: The field to compare with; the name by default.
            mute: Give no advice.
            organism: Only terms of this organism, a record or a name.
            source: A `bt.Source` instead of the one that is currently used.
            from_source: Look the rest up in the public source, too.
            strict_source: Only terms that came from `source`.

        Example:
            >>> result = CellType.inspect(["T cell", "T-cell", "T ell"])
            >>> result.validated, result.synonyms_mapper
            (['T cell'], {'T-cell': 'T cell'})
        """
        asked = cls._asked(values, field, organism, source if strict_source else None, _within)
        name, synonyms = asked.name, cls._compared(asked.name)
        words = cls._words(asked.rows, name, synonyms)
        result = inspected(words, asked.values, asked.unique)
        if mute:
            return result
        tell_validation(result, name)
        tell_obsolete_terms(cls, asked.rows, name, result.validated)
        left = [v for v in result.non_validated if v not in result.synonyms_mapper]
        public, hint = None, None
        if left and from_source:
            table, hint = cls._public_terms(asked.organism, source)
            if table is not None and name in table.column_names:
                public = inspected(cls._words(table, name, synonyms), left, left)
        advise(cls.__name__, name, result, public, hint)
        return result

    @class_only
    @classmethod
    def standardize(
        cls,
        values: Any,
        field: Any = None,
        *,
        return_field: Any = None,
        return_mapper: bool = False,
        case_sensitive: bool = False,
        mute: bool = False,
        from_source: bool = True,
        keep: Keep = "first",
        synonyms_field: str = SYNONYMS,
        organism: Any = None,
        source: Any = None,
        strict_source: bool = False,
        _within: QuerySet[Any] | None = None,
    ) -> Any:
        """Replace synonyms, and other spellings by case, by the terms that they mean.

        All other values stay as they are. Where a value means several terms, you are told.

        Args:
            values: The values.
            field: The field of which the values are, or should be; the name by default.
            return_field: Give this field of the found terms instead, e.g. the ontology id.
            return_mapper: Give a dictionary of what is replaced by what.
            case_sensitive: Whether `t cell` isn't `T cell`.
            mute: Tell nothing.
            from_source: Look the rest up in the public source, if it is on this machine.
            keep: Of several terms that a value means, the `"first"`, the `"last"`, or all of
                them as a list (False).
            synonyms_field: The field with the synonyms, e.g. `"related_synonyms"`.
            organism: Only terms of this organism, a record or a name.
            source: A `bt.Source` instead of the one that is currently used.
            strict_source: Only terms that came from `source`.

        Example:
            >>> CellType.standardize(["T-cell", "T cell"])
            ['T cell', 'T cell']
        """
        if keep not in ("first", "last", False):
            raise InvalidArgument(
                f"Invalid value for keep: {keep!r}.", expected="'first', 'last' or False"
            )
        asked = cls._asked(values, field, organism, source if strict_source else None, _within)
        name = asked.name
        wanted = name if return_field is None else cls._field_name(return_field)
        work = Standardizing(
            name,
            wanted,
            cls._compared(name, synonyms_field),
            case_sensitive=case_sensitive,
            keep=keep,
            label=cls.__name__,
            respell=cls._respelling(name),
        )
        rows = used_first(current_lake().state, asked.rows, name, source)
        left = work.look_up(rows, asked.unique)
        if left and from_source:
            table, _ = cls._public_terms(asked.organism, source)
            if table is not None and {name, wanted} <= set(table.column_names):
                work.look_up_public(table, left)
        if not mute:
            work.tell(len(asked.unique))
        if return_mapper:
            return work.mapper
        found = list(map(work.mapper.get, asked.values, asked.values))
        return found[0] if asked.single and found else found

    @class_only
    @classmethod
    def from_values(
        cls,
        values: Any,
        field: Any = None,
        create: bool = False,  # noqa: FBT001, FBT002 - the peer's signature
        organism: Any = None,
        source: Any = None,
        mute: bool = False,  # noqa: FBT001, FBT002 - as above
        _within: QuerySet[Any] | None = None,
    ) -> RecordList[Self]:
        """Get or create the records that values mean, new ones from the public source.

        A value means a record if it is its value of the field, or a synonym of its name. What
        is in neither the registry nor the public source (which is looked at only if it is on
        this machine) is left out, unless `create` is given.

        Args:
            values: The values; empty and repeated ones are passed over.
            field: The field of which the values are; the name by default.
            create: Make new records for values that aren't in the registry.
            organism: The organism of the records, a record or a name.
            source: A `bt.Source` instead of the one that is currently used.
            mute: Tell nothing.

        Returns:
            A list of records, the new ones unsaved; its `.save()` saves them in one commit.

        Example:
            >>> ULabel.from_values(["a", "b"], create=True).save()
        """
        asked = cls._asked(values, field, organism, None, _within)
        name, unique, species = asked.name, asked.unique, asked.organism
        rows = used_first(current_lake().state, asked.rows, name, source)
        words = cls._words(rows, name, None if create else cls._compared(name))
        strict = not cls._ignores_case(species)
        standards = None if create else words.standards(unique, case_sensitive=strict)
        known = words.known(unique) if standards is None else standards.exact
        found = {v: [v] for v in known} if standards is None else standards.found
        wanted = {option for options in found.values() for option in options}
        existing = meant(existing_records(cls, rows, name, wanted), name, mute=mute)
        left = [v for v in unique if v not in found]
        new: dict[Any, list[Any]] = {}
        hint = None
        if create:
            new = {v: [record] for v, record in created_records(cls, left, name, species).items()}
        elif left:
            records, by_value, hint = cls._public_records(left, name, species, source)
            new = by_value if records else {}
        chosen: dict[int, Any] = {}
        for value in unique:
            for option in found.get(value, ()):
                chosen.update((id(record), record) for record in existing.get(option, ()))
            chosen.update((id(record), record) for record in new.get(value, ()))
        if not mute:
            tell_records(cls.__name__, name, unique, found, new, created=create, hint=hint)
        return RecordList(chosen.values())

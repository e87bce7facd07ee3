"""What is known of inspected values, and the advice that goes with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse._lazy import require
from lakehouse.config import notify, settings
from lakehouse.curation.vocabulary import Vocabulary, distinct
from lakehouse.orm import current_lake
from lakehouse.orm.model.context import active_batch
from lakehouse.orm.show.tables import html_table
from lakehouse.orm.view.present import present

_SHOWN = 20
_FORMER = {"mapped": "validated", "not_mapped": "non_validated"}


class InspectResult:
    """The outcome of `inspect`.

    Attributes:
        validated: The distinct values that are terms.
        non_validated: The distinct values that aren't.
        synonyms_mapper: What values stand for that aren't terms, but synonyms of terms.
        ambiguous: Those of them that stand for several terms.
        frac_validated: How many percent of the distinct values are terms.
        n_empty: Number of values that are empty or repeated.
        n_unique: Number of distinct values.
    """

    def __init__(
        self,
        values: list[Any],
        known: Collection[Any],
        mapper: dict[str, Any] | None = None,
        ambiguous: dict[str, list[Any]] | None = None,
        unique: list[Any] | None = None,
    ) -> None:
        unique = distinct(values) if unique is None else unique
        self._values = values
        self._known = known
        self.validated = [v for v in unique if v in known]
        self.non_validated = [v for v in unique if v not in known]
        self.synonyms_mapper = mapper or {}
        self.ambiguous = ambiguous or {}
        self.n_unique = len(unique)
        self.n_empty = len(values) - len(unique) if unique else 0
        rest = round(len(self.non_validated) / len(unique) * 100, 1) if unique else 100
        self.frac_validated = 100 - rest

    @property
    def df(self) -> Any:
        """A pandas data frame with the values as index and a column `__validated__`."""
        pd = require("pandas", "make data frames")
        valid = [v in self._known for v in self._values]
        return pd.DataFrame({"__validated__": valid}, index=self._values)

    def __getitem__(self, key: str) -> list[Any]:
        key = _FORMER.get(key, key)
        if key in _FORMER.values():
            found: list[Any] = getattr(self, key)
            return found
        raise KeyError(key)

    def __repr__(self) -> str:
        return (
            f"InspectResult(validated={len(self.validated)}, "
            f"non_validated={len(self.non_validated)}, "
            f"synonyms_mapper={len(self.synonyms_mapper)})"
        )

    def _repr_html_(self) -> str:
        """How many values are terms, and what the first of the others are."""
        rows = [
            (value, f"synonym of {standard}" if standard is not None else "no term")
            for value in self.non_validated[:_SHOWN]
            for standard in (self.synonyms_mapper.get(value),)
        ]
        n, known = self.n_unique, len(self.validated)
        more = len(self.non_validated) - len(rows)
        head = f"<p>{known:,} of {counted(n, 'value')} validated ({self.frac_validated:.1f}%)</p>"
        rest = f"<p>… and {more:,} more that are no terms</p>" if more else ""
        return f"<div>{head}{html_table(('value', 'what it is'), rows) if rows else ''}{rest}</div>"


def inspected(words: Vocabulary, values: list[Any], unique: list[Any]) -> InspectResult:
    """What a vocabulary says of values, of which the distinct ones are known."""
    standards = words.standards(unique)
    mapper = {v: s[0] for v, s in standards.found.items() if v not in standards.exact}
    return InspectResult(values, standards.exact, mapper, standards.ambiguous, unique)


def shown(values: Sequence[Any], n: int = _SHOWN) -> str:
    """Values for a message, not more than a few."""
    text = ", ".join(repr(str(v)) for v in values[:n])
    return f"{text}, …" if len(values) > n else text


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 term`, `2 terms`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tell_validation(result: InspectResult, field: str) -> None:
    """Tell how many of the values are terms."""
    if not result.n_unique:
        notify("there is nothing to validate: no value was given", "warning")
        return
    if result.n_empty and result.non_validated:
        notify(
            f"received {counted(result.n_unique, 'unique term')}; "
            f"{counted(result.n_empty, 'empty or repeated one')} ignored",
            "warning",
        )
    if result.validated:
        count = len(result.validated)
        notify(
            f"{counted(count, 'unique term')} ({result.frac_validated:.2f}%) "
            f"{'is' if count == 1 else 'are'} validated for {field}"
        )
    if result.non_validated:
        count = len(result.non_validated)
        notify(
            f"{counted(count, 'unique term')} ({100 - result.frac_validated:.2f}%) "
            f"{'is' if count == 1 else 'are'} not validated for {field}: "
            f"{shown(result.non_validated, 10)}",
            "warning",
        )


def advise(
    registry: str,
    field: str,
    result: InspectResult,
    public: InspectResult | None = None,
    hint: str | None = None,
) -> None:
    """Tell what can be done about the values that aren't terms.

    Args:
        registry: The registry's class name.
        field: The field.
        result: What the registry says.
        public: What the public source says of the rest, if there is one.
        hint: Why there is none.
    """
    if result.synonyms_mapper:
        count, names = len(result.synonyms_mapper), list(result.synonyms_mapper)
        cased = any(str(v).lower() == str(s).lower() for v, s in result.synonyms_mapper.items())
        what = f"{'inconsistent casing/' if cased else ''}synonym{'' if count == 1 else 's'}"
        notify(f"detected {counted(count, 'unique term')} with {what}: {shown(names, 10)}")
        notify("standardize terms via .standardize()")
    if result.ambiguous:
        notify(f"of several terms each: {shown(list(result.ambiguous))}", "warning")
    left = [v for v in result.non_validated if v not in result.synonyms_mapper]
    if left and public is not None:
        found = counted(len(public.validated), f"{registry} term")
        if public.validated:
            notify(f"detected {found} in public source for {field}: {shown(public.validated)}")
        if public.synonyms_mapper:
            names = list(public.synonyms_mapper)
            found = counted(len(names), f"{registry} term")
            notify(f"detected {found} in public source as synonyms: {shown(names)}")
        if public.validated or public.synonyms_mapper:
            notify(f"add records from public source to your {registry} registry via .from_values()")
        left = [v for v in public.non_validated if v not in public.synonyms_mapper]
    if left:
        notify(f"couldn't validate {counted(len(left), 'term')}: {shown(left)}", "warning")
        if hint:
            notify(f"the public source wasn't asked: {hint}", "warning")
        notify(
            f"if you are sure, create new record{'' if len(left) == 1 else 's'} via {registry}() "
            "and save to your registry"
        )


# -- Records for many values: the existing ones at once, and new ones


def existing_records(cls: Any, rows: pa.Table, name: str, values: set[Any]) -> dict[Any, list[Any]]:
    """The records of some rows, by their values of a field."""
    if not values:
        return {}
    asked = pa.array(list(values), rows[name].type)
    lake = current_lake()
    uids = rows["uid"].filter(pc.is_in(rows[name], value_set=asked)).to_pylist()
    found: dict[Any, list[Any]] = {}
    batch = active_batch(lake)
    for row in present(lake).rows(cls.meta.table, uids):
        staged = None if batch is None else batch.staged_uid(cls.meta.table, row["uid"])
        record = cls._from_row(lake, row) if staged is None else staged
        found.setdefault(row[name], []).append(record)
    return found


def created_records(cls: Any, values: list[Any], name: str, organism: Any) -> dict[Any, Any]:
    """New records by value, without suggestions of similar names for each."""
    more = {"organism": organism} if organism is not None else {}
    with quiet_creation():
        return {value: cls(**{name: value}, **more) for value in values}


@contextmanager
def quiet_creation() -> Iterator[None]:
    """Make records without suggestions of similar names."""
    suggests = settings.creation.search_names
    settings.creation.search_names = False
    try:
        yield
    finally:
        settings.creation.search_names = suggests


def tell_records(
    label: str,
    name: str,
    values: list[Any],
    found: dict[Any, list[Any]],
    new: dict[Any, list[Any]],
    *,
    created: bool,
    hint: str | None,
) -> None:
    """Tell which records were found and made for values, and for which there are none.

    Args:
        label: The registry.
        name: The field.
        values: The distinct values.
        found: The values of existing records that they stand for.
        new: New records by value.
        created: Whether the new ones are of one's own, not from a public source.
        hint: How to get at the public source, if it isn't on this machine.
    """
    exact = [v for v in values if found.get(v) == [v]]
    synonyms = [v for v in values if v in found and found[v] != [v]]
    left = [v for v in values if v not in found and v not in new]
    if (synonyms or new or left) and exact:
        notify(f"loaded {counted(len(exact), f'{label} record')} matching {name}: {shown(exact)}")
    if synonyms:
        count = counted(len(synonyms), f"{label} record")
        notify(f"loaded {count} matching synonyms: {shown(synonyms)}")
    if new and not created:
        count = counted(sum(map(len, new.values())), f"{label} record")
        notify(f"created {count} from the public source: {shown(list(new))}")
    several = [v for v in values if len(found.get(v, new.get(v, ()))) > 1]
    if several:
        notify(f"several {label} records each match: {shown(several)}", "warning")
    if left:
        rest = f"for {len(left)} non-validated {name}{'' if len(left) == 1 else 's'}"
        notify(f"did not create {label} records {rest}: {shown(left)}", "warning")
        if hint:
            notify(hint)

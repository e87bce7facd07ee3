"""Values of a categorical must be terms of its registries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.curation.data.chunks import Chunk
from lakehouse.curation.data.codes import first_rows, parted, text_codes
from lakehouse.curation.failure import Failure, Tally
from lakehouse.curation.spec import ColumnRule
from lakehouse.curation.terms import Matches, TermResolver, looked_up
from lakehouse.errors import InvalidArgument
from lakehouse.schema import CatTarget

_NEAREST = 3
_LABELS = 20
_SYNONYM_HINT = "curate synonyms via: {registry}.standardize({values}{given})"
_HINT = (
    "fix typos, remove non-existent values, or save terms via: "
    "ln.save([{registry}({field}=value{of_type}) for value in {values}])"
)
_NAMED, _LONGEST = 10, 100


def _spoken(target: CatTarget) -> str:
    """A registry as users write it."""
    module, _, name = target.registry.rpartition(".")
    return f"{'bt' if module == 'bionty' else 'ln'}.{name}"


def _call(text: str, target: CatTarget, values: Sequence[str]) -> str:
    """Advice whose call can be pasted; it names the first values."""
    registry, of_type = _spoken(target), ""
    given = "" if target.field == target.default_field else f", return_field={target.field!r}"
    for name in target.type_path[-1:]:
        of_type = f", type={registry}.get(name={name!r}, is_type=True)"
    short = [value for value in values[:_NAMED] if len(value) <= _LONGEST]
    return text.format(
        registry=registry, field=target.field, of_type=of_type, given=given, values=short
    )


def make(rule: ColumnRule, resolver: TermResolver | None) -> CategoryCheck | None:
    """The check of a column whose dtype names registries."""
    if not rule.dtype.all_targets:
        return None
    if resolver is None:
        raise InvalidArgument(
            f"Feature {rule.name!r} is categorical, and no resolver of its terms was given.",
            expected=str(rule.dtype),
            hint="pass resolver=",
        )
    return CategoryCheck(rule.name, rule.dtype.all_targets, resolver, rule.delimiter)


class CategoryCheck:
    """Looks each distinct value up once."""

    def __init__(
        self,
        column: str,
        targets: tuple[CatTarget, ...],
        resolver: TermResolver,
        delimiter: str | None = None,
    ) -> None:
        self._delimiter = delimiter
        self._column = column
        self._targets = targets
        self._resolver = resolver
        self._seen = pa.array([], pa.string())
        self._wrong = pa.array([], pa.string())
        self._synonym_of: dict[str, str] = {}
        self._found: dict[CatTarget, list[Matches]] = {}
        self._tally = Tally()
        self._several: dict[str, str] = {}
        self._several_seen = Tally()

    def settled(self, arrow: pa.DataType | None, null_count: int | None) -> bool:
        """Never: only values tell."""
        return False

    def update(self, chunk: Chunk, start: int) -> None:
        """Look at the rows from `start` on."""
        codes = text_codes(chunk)
        if codes is not None and self._delimiter is not None:
            codes = parted(codes, self._delimiter)
        if codes is None:  # no text: the dtype rule says so
            return
        if codes.may_add(self._seen):
            _, values = codes.used()
            fresh = pc.unique(values.filter(pc.invert(pc.is_in(values, value_set=self._seen))))
            if len(fresh):
                self._seen = pa.concat_arrays([self._seen, fresh])
                self._resolve(fresh)
        if len(self._wrong):
            self._tally.extend(first_rows(codes, self._wrong, start))
        if self._several:
            several = pa.array(list(self._several), pa.string())
            self._several_seen.extend(first_rows(codes, several, start))

    def matches(self) -> tuple[Matches, ...]:
        """The valid terms seen, by registry."""
        return tuple(
            Matches(
                target,
                pa.concat_arrays([part.values for part in parts]),
                pa.concat_arrays([part.uids for part in parts]),
            )
            for target, parts in self._found.items()
        )

    @property
    def wrong(self) -> list[str]:
        """The values seen that are no terms."""
        found: list[str] = self._wrong.to_pylist()
        return found

    def failures(self, slot: str, rule: str = "category") -> Iterator[Failure]:
        """One failure for each value that is no term, or may be any of several."""
        for value, count, rows in self._several_seen:
            yield Failure(
                slot,
                self._column,
                "ambiguous",
                value,
                count,
                rows,
                found=self._several[value],
                expected=" or ".join(map(str, self._targets)),
                hint="rename all but one of them, or let the feature's dtype name one of the types",
            )
        found = list(self._tally)
        unknown = [value for value, _, _ in found if value not in self._synonym_of]
        nearest = self._nearest(unknown)
        expected = " or ".join(map(str, self._targets))
        add = _call(_HINT, self._targets[0], unknown)
        standardize = _call(_SYNONYM_HINT, self._targets[0], [*self._synonym_of])
        valid = self._valid_labels() if unknown else ""
        for value, count, rows in found:
            standard = self._synonym_of.get(value)
            yield Failure(
                slot,
                self._column,
                rule,
                value,
                count,
                rows,
                nearest=nearest.get(value, ()),
                synonym_of=standard,
                expected=expected,
                hint=add + valid if standard is None else standardize,
            )

    def _valid_labels(self) -> str:
        """Further lines of advice: what labels of a type there are, since a type has few."""
        lines = ""
        for target in (target for target in self._targets if target.type_path):
            labels = sorted(self._resolver.labels(target))
            more = f" and {len(labels) - _LABELS:,} more" if len(labels) > _LABELS else ""
            lines += (
                f"\n    → a valid label for subtype {target.type_path[-1]!r} has to be one of "
                f"{labels[:_LABELS]}{more}"
            )
        return lines

    def _resolve(self, values: pa.Array) -> None:
        for target, asked, answer in looked_up(self._resolver, self._targets, values):
            valid = answer.valid
            if valid.true_count:
                matches = Matches(target, asked.filter(valid), answer.uid.filter(valid))
                self._found.setdefault(target, []).append(matches)
                self._several.update(self._resolver.homonyms(target, matches.values))
            left = pc.invert(valid)
            values = asked.filter(left)
            mapped = pc.and_(left, pc.is_valid(answer.synonym_of))
            standards = answer.synonym_of.filter(mapped).to_pylist()
            for value, standard in zip(asked.filter(mapped).to_pylist(), standards, strict=True):
                self._synonym_of.setdefault(value, standard)
        # A synonym in one registry may be a term of a later one; what is left is neither.
        self._wrong = pa.concat_arrays([self._wrong, values])

    def _nearest(self, values: Sequence[str]) -> dict[str, tuple[str, ...]]:
        if not values:
            return {}
        answers = [self._resolver.nearest(target, values, _NEAREST) for target in self._targets]
        merged = {}
        for value, *lists in zip(values, *answers, strict=True):
            ranked = chain.from_iterable(zip_longest(*lists))
            kept = dict.fromkeys(term for term in ranked if term is not None)
            merged[value] = tuple(kept)[:_NEAREST]
        return merged

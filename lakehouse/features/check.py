"""Feature values on their way into the lake: checked against their features, all at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from lakehouse.curation import Failure, Report
from lakehouse.curation.data.chunks import is_missing
from lakehouse.errors import ValidationError
from lakehouse.features.codec import SEVERAL, as_dtype, is_null
from lakehouse.features.reference import Known, resolve
from lakehouse.features.sheets import Member
from lakehouse.orm import Lake
from lakehouse.orm.model.checks import is_saved
from lakehouse.schema import CatTarget
from lakehouse.terms.adopt import adopt
from lakehouse.terms.find import found_by, fulfil, is_under, making_call, suggestions
from lakehouse.terms.scope import ambiguity


@dataclass
class Prepared:
    """Checked values of one record.

    Attributes:
        labels: `(feature, table, uid, place)` of categorical values; the place in a list.
        values: `(feature, value)` of others.
        features: All features that were named, those without a value too.
    """

    labels: list[tuple[Known, str, str, int]] = field(default_factory=list)
    values: list[tuple[Known, Any]] = field(default_factory=list)
    features: dict[str, Known] = field(default_factory=dict)


@dataclass
class _Terms:
    """Texts of one feature that stand for records, and where they are used."""

    feature: Known
    uses: list[tuple[Prepared, str, int]] = field(default_factory=list)


class Preparation:
    """Checks values of one or many records; `finish` raises for all failures together.

    Args:
        lake: The lake.
        members: The features of a schema that applies.
        whole: Whether the values must be all that the schema demands.
        closed: Whether they may then be nothing else.
        beside: The uids of features that have a value already, which stays.
    """

    def __init__(
        self,
        lake: Lake,
        members: Sequence[Member] | None = None,
        *,
        whole: bool = False,
        closed: bool = True,
        beside: Set[str] = frozenset(),
    ) -> None:
        self._lake = lake
        self._members = members
        self._known = [known for known, _ in members or ()]
        self._whole = whole and members is not None
        self._closed = closed
        self._beside = beside
        self._resolved: dict[tuple[Any, ...], dict[Any, Known]] = {}
        self._terms: dict[str, _Terms] = {}
        self.failures: list[Failure] = []

    def add(self, values: Mapping[Any, Any]) -> Prepared:
        """Check the values of one record; categories are looked up by `finish`."""
        keys = tuple(values)
        found = self._resolved.get(keys)
        if found is None:
            found = self._resolved[keys] = resolve(self._lake, keys, values, self._known)
            if self._whole:
                self._check_members(list(found.values()))
        if len({feature.uid for feature in found.values()}) < len(found):
            _check_told_once(found, values)
        out = Prepared()
        if self._whole:
            named = {feature.uid for feature in found.values()} | self._beside
            for known, _ in self._members or ():
                if known.default is not None and known.uid not in named:
                    found, values = {**found, known: known}, {**values, known: known.default}
        for key, value in values.items():
            feature = found[key]
            out.features[feature.uid] = feature
            if is_null(value):
                if not feature.nullable:
                    self._fail(feature, "null", value, "no value", "a value: it isn't nullable")
                continue
            if feature.dtype.is_categorical:
                self._add_labels(out, feature, value)
            else:
                self._add_plain(out, feature, value)
        return out

    def finish(self, what: str) -> None:
        """Look the categories up.

        Args:
            what: What couldn't be done, for the error.

        Raises:
            ValidationError: With everything that is wrong.
        """
        self.look_up()
        if self.failures:
            raise failed(what, self.failures)

    def _check_members(self, given: list[Known]) -> None:
        """A schema's features must all be there, and no others if it is closed."""
        members = self._members or ()
        uids = {known.uid for known in given} | self._beside
        allowed = {known.uid for known, _ in members}
        if self._closed and (extra := [known.name for known in given if known.uid not in allowed]):
            self.failures += [
                Failure(
                    "__external__", name, "extra",
                    found=f"These feature keys are not in the provided schema: {extra}",
                    expected=", ".join(known.name for known, _ in members),
                )
                for name in extra
            ]  # fmt: skip
        missing = [
            known.name
            for known, optional in members
            if not optional and known.default is None and known.uid not in uids
        ]
        self.failures += [
            Failure(
                "__external__", name, "presence",
                found=f"missing required features {', '.join(map(repr, missing))}",
                expected="a value of each, or None",
            )
            for name in missing
        ]  # fmt: skip

    def look_up(self) -> None:
        """Look the categories up, and note those that are missing."""
        for terms in self._terms.values():
            self._look_up(terms)
        self._terms = {}

    # -- values that aren't categorical --------------------------------------------------

    def _add_plain(self, out: Prepared, feature: Known, value: Any) -> None:
        dtype = feature.dtype
        several = dtype.kind == "str" and isinstance(value, SEVERAL)
        for one in value if several else [value]:
            try:
                out.values.append((feature, as_dtype(one, dtype, convert=feature.coerce)))
            except (ValueError, TypeError, ArithmeticError) as error:
                kind = type(one).__name__
                text = _short(one)
                self._fail(feature, "dtype", one, f"{text} ({kind})", f"{dtype}", hint=str(error))
                return

    # -- categorical values --------------------------------------------------------------

    def _add_labels(self, out: Prepared, feature: Known, value: Any) -> None:
        if isinstance(value, Mapping):
            found = f"a dictionary: {_short(value)}"
            self._fail(feature, "dtype", value, found, "a name, a record, or several in a list")
            return
        several = isinstance(value, SEVERAL) or (
            not isinstance(value, str) and hasattr(value, "__iter__") and not hasattr(value, "meta")
        )
        if feature.dtype.kind == "list" and not several:
            self._fail(feature, "dtype", value, f"one value: {_short(value)}", "a list")
            return
        for place, one in enumerate(value if several else [value]):
            if hasattr(one, "meta") and hasattr(one, "_values"):
                self._add_record(out, feature, one, place)
            elif isinstance(one, str):
                terms = self._terms.setdefault(feature.uid, _Terms(feature))
                terms.uses.append((out, one, place))
            elif not is_missing(one):
                kind = f"{_short(one)} ({type(one).__name__})"
                self._fail(feature, "dtype", one, kind, "a name, or a record")

    def _add_record(self, out: Prepared, feature: Known, record: Any, place: int) -> None:
        lake, meta = self._lake, record.meta
        targets = [t for t in feature.dtype.all_targets if t.registry == meta.name]
        if not targets and feature.dtype.all_targets:
            expected = " or ".join(t.registry for t in feature.dtype.all_targets)
            self._fail(feature, "category", record, f"a {meta.name}: {record!r}", f"a {expected}")
        elif record._lake.uid != lake.uid:
            self._fail(feature, "category", record, f"{record!r} of another lake", "of this lake")
        elif not is_saved(lake, record):
            hint = "call .save() on it first"
            self._fail(feature, "category", record, f"{record!r} is not saved", "saved", hint)
        elif targets and not any(self._belongs(t, record) for t in targets):
            kind = record.type if "type" in meta.foreign_keys else None
            name = None if kind is None else kind.name
            found = f"{record!r} of type {name!r}"
            self._fail(feature, "category", record, found, " or ".join(map(str, targets)))
        else:
            out.labels.append((feature, meta.table, record.uid, place))

    def _belongs(self, target: CatTarget, record: Any) -> bool:
        if target.type_path and not is_under(self._lake, target, record):
            return False
        return not target.filters or bool(fulfil(self._lake, target, [record.uid]))

    def _look_up(self, terms: _Terms) -> None:
        feature = terms.feature
        texts = list(dict.fromkeys(text for _, text, _ in terms.uses))
        known: dict[str, tuple[str, str]] = {}
        targets = feature.dtype.all_targets or (CatTarget("ULabel"),)
        for target in targets:
            left = [t for t in texts if t not in known]
            for text, found in found_by(self._lake, target, left).items() if left else ():
                if len(found) > 1:
                    rows = self._lake.state.arrow(found[0][0])
                    said = ambiguity(rows, target.registry, text, [uid for _, uid in found])
                    self._fail(
                        feature, "category", text, said,
                        "one record", f"pass the {target.registry} record instead of its name",
                    )  # fmt: skip
                known[text] = found[0]
        for target in targets:
            left = [t for t in texts if t not in known]
            if left and adopt(self._lake, target, left):
                known.update((t, f[0]) for t, f in found_by(self._lake, target, left).items())
        if missing := [t for t in texts if t not in known]:
            self._miss(feature, targets[0], missing)
        for prepared, text, place in terms.uses:
            if text in known:
                prepared.labels.append((feature, *known[text], place))

    def _miss(self, feature: Known, target: CatTarget, missing: list[str]) -> None:
        near = suggestions(self._lake, target, missing)
        listed = ", ".join(map(_short, missing[:10])) + (" …" if len(missing) > 10 else "")
        terms = "1 term" if len(missing) == 1 else f"{len(missing)} terms"
        made = making_call(target, missing)
        for text in missing:
            self.failures.append(
                Failure(
                    "__external__",
                    feature.name,
                    "category",
                    text,
                    1,
                    nearest=tuple(near[:3]),
                    found=f"{terms} not validated in feature {feature.name!r}: {listed}",
                    expected=str(feature.dtype) + (f", e.g. {', '.join(near[:3])}" if near else ""),
                    hint=f"fix typos, remove non-existent values, or create objects via:\n      {made}",
                )
            )

    def _fail(
        self, feature: Known, rule: str, value: Any, found: str, expected: str, hint: str = ""
    ) -> None:
        self.failures.append(
            Failure(
                "__external__", feature.name, rule, value, 1,
                found=f"{feature.name!r} ({feature.dtype}): {found}", expected=expected, hint=hint,
            )
        )  # fmt: skip


def _check_told_once(found: Mapping[Any, Known], values: Mapping[Any, Any]) -> None:
    """A feature may be given by name and as a record, but not with two values."""
    first: dict[str, Any] = {}
    for key, feature in found.items():
        other = first.setdefault(feature.uid, key)
        if other is not key and repr(values[other]) != repr(values[key]):
            raise ValidationError(
                f"Conflicting values for feature name {feature.name!r}.",
                found=f"{_short(values[other])} and {_short(values[key])}",
                expected="one value, or a list of values",
                hint="give the feature once, by its name or as the Feature",
            )


def prepare(
    lake: Lake,
    values: Mapping[Any, Any],
    what: str,
    members: Sequence[Member] | None = None,
    *,
    whole: bool = False,
    closed: bool = True,
    beside: Set[str] = frozenset(),
) -> Prepared:
    """Check the values of one record; see `Preparation`.

    Raises:
        ValidationError: Unknown features, wrong types, missing categories; all at once.
    """
    preparation = Preparation(lake, members, whole=whole, closed=closed, beside=beside)
    out = preparation.add(values)
    preparation.finish(what)
    return out


def failed(what: str, failures: Iterable[Failure]) -> ValidationError:
    """The error of some failures."""
    found = list(failures)
    lines = dict.fromkeys(
        f"{f.found} - expected {f.expected}" + (f"\n    → {f.hint}" if f.hint else "")
        for f in found
    )
    shown = list(lines)[:50]
    more = [f"… and {len(lines) - 50} more"] if len(lines) > 50 else []
    report = Report(failures=tuple(found))
    return ValidationError("\n  ".join([f"{what}:", *shown, *more]), report=report)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"

"""Validating a dataset against its spec."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import pyarrow as pa

from lakehouse.curation.coercion import Coercer
from lakehouse.curation.data.chunks import Chunk, joined, with_columns
from lakehouse.curation.data.sources import Dataset, ReaderSource, Source, TableSource, source_of
from lakehouse.curation.failure import Failure, every_row, quickly
from lakehouse.curation.reports.failures import Failures, Group
from lakehouse.curation.reports.report import Report
from lakehouse.curation.rules.cases import CaseCheck
from lakehouse.curation.rules.categories import CategoryCheck
from lakehouse.curation.rules.rows import RowCheck
from lakehouse.curation.rules.rows import make as row_check
from lakehouse.curation.rules.table import HasTerms, column_families, dataset_rules
from lakehouse.curation.slots.base import Part
from lakehouse.curation.spec import ColumnRule, DatasetSpec
from lakehouse.curation.terms import Matches, TermResolver
from lakehouse.curation.values import validate_values
from lakehouse.errors import InvalidArgument

# -- The columns of a dataset, each on its way through coercion and checks


class Column:
    """One column on its way through coercion and checks.

    Args:
        key: Its name in the source.
        rule: What it must be.
        spec: The dataset's.
        resolver: Knows the terms of registries.
    """

    def __init__(
        self, key: str, rule: ColumnRule, spec: DatasetSpec, resolver: TermResolver | None
    ) -> None:
        self.key = key
        self.rule = rule
        self._coercer = Coercer(rule, convert=spec.coerces(rule))
        self.may_change = spec.coerces(rule) or rule.default is not None
        made = (make(rule, resolver) for make in column_families())
        self._checks = [check for check in made if check is not None]
        self._chunks: list[Chunk] = []

    @property
    def changed(self) -> bool:
        """Whether a value was converted or filled."""
        return self._coercer.changed

    @property
    def of_text(self) -> bool:
        """Whether each distinct text is looked at once."""
        text = self.rule.dtype.kind == "str" and bool(self.rule.checks)
        return self.rule.dtype.is_categorical or text

    @property
    def matches(self) -> tuple[Matches, ...]:
        """The valid terms seen, by registry."""
        return tuple(
            match
            for check in self._checks
            if isinstance(check, HasTerms)
            for match in check.matches()
        )

    def settled(self, source: Source) -> bool:
        """Whether type and null count say that all is well; they are asked for only then."""
        if not all(check.settled(pa.null(), 0) for check in self._checks):
            return False  # no type would be enough
        arrow = source.type_of(self.key)
        needs_count = not self.rule.nullable or self.rule.default is not None
        null_count = source.null_count(self.key) if needs_count else None
        return self._coercer.settled(arrow, null_count) and all(
            check.settled(arrow, null_count) for check in self._checks
        )

    def update(self, chunk: Chunk, start: int) -> Chunk:
        """Look at the rows from `start` on; gives them as they should be."""
        if self.may_change:
            chunk = self._coercer.apply(chunk, start)
            self._chunks.append(chunk)
        for check in self._checks:
            check.update(chunk, start)
        return chunk

    def failures(self, slot: str) -> Iterator[Failure | Group]:
        """What is wrong with it."""
        yield from self._coercer.failures(slot)
        for check in self._checks:
            yield from check.failures(slot)

    def result(self) -> pa.ChunkedArray:
        """The column as it became; only of a column without failures."""
        return joined(self._chunks, self.rule.fill_type)


def validate(
    data: Dataset,
    spec: DatasetSpec,
    resolver: TermResolver | None = None,
    *,
    slot: str = "columns",
    all_rows: bool = False,
) -> Report:
    """Find everything that is wrong with a dataset.

    Columns are read a bounded number of rows at a time, and only those that their type and
    number of missing values don't settle already. Categorical values are looked up once
    each.

    Args:
        data: A pandas, polars or Arrow table, Arrow batches, or the path of a Parquet file.
        spec: What it must look like.
        resolver: Knows the terms of the registries that categorical dtypes name.
        slot: The component that the failures name.
        all_rows: Whether every failure keeps all of its rows instead of the first five.

    Returns:
        The report; call `raise_for_failures()` on it to have an error instead.

    Raises:
        InvalidArgument: `data` is no table, or a resolver is needed.
        UnreadableFile: `data` is a path, and no Parquet file can be read there.

    Example:
        >>> spec = DatasetSpec(columns=(ColumnRule("age", int, nullable=False),))
        >>> validate(pa.table({"age": [3, None]}), spec).failures[0].rule
        'null'
    """
    if all_rows:
        with every_row():
            return _report(data, spec, resolver, slot)
    return _report(data, spec, resolver, slot)


def _report(data: Dataset, spec: DatasetSpec, resolver: TermResolver | None, slot: str) -> Report:
    source = source_of(data)
    columns = _columns(source, spec, resolver)
    added = _added(source, spec)
    if isinstance(source, ReaderSource) and (added or any(c.may_change for c in columns)):
        # A stream can be read once, and what changes has to be joined with the rest.
        source = TableSource(source.table())
    failures: list[Failure | Group] = [
        failure
        for check in dataset_rules()
        for failure in check(source.names, source.index, spec, slot)
    ]
    names_check = _check_names(source, spec, resolver)
    if names_check is not None and spec.maximal_set:
        failures += names_check.failures(slot, "names")
    whole_rows = row_check(spec)
    cases = CaseCheck(spec.cases) if spec.cases else None
    n_rows = _read(source, columns, [c for c in (whole_rows, cases) if c is not None])
    with quickly():
        failures += [failure for column in columns for failure in column.failures(slot)]
    failures += [] if whole_rows is None else whole_rows.failures(slot)
    failures += [] if cases is None else list(cases.failures(slot, _single(failures)))
    report = Report(
        failures=Failures.of(failures),
        terms={c.rule.name: c.matches for c in columns if c.matches},
        table=data,
        columns={c.rule.name: str(c.rule.dtype) for c in columns},
        n_rows=n_rows,
    )
    if names_check is not None:
        report.terms["columns"] = names_check.matches()
        report.unknown = {"columns": names_check.wrong}
    _keep(report, source, [c for c in columns if c.changed], added, spec)
    return report


def _columns(source: Source, spec: DatasetSpec, resolver: TermResolver | None) -> list[Column]:
    """The columns that are there and have a rule, the index among them."""
    rules = spec.rules_for(source.names)
    columns = [Column(name, rule, spec, resolver) for name, rule in rules.items()]
    if spec.index is not None and spec.index.name not in rules:
        # Frames without an index may hold it as a column.
        key = spec.index.name if spec.index.name in source.names else source.index
        columns += [Column(key, spec.index, spec, resolver)] if key is not None else []
    return columns


def _keep(
    report: Report,
    source: Source,
    changed: list[Column],
    added: list[ColumnRule],
    spec: DatasetSpec,
) -> None:
    """Put the dataset into its report as it became."""
    if report.ok and (changed or added):
        report.table = _changed_table(source, changed, added, spec)
        report.changed = True
        report.changes = (*(c.key for c in changed), *(rule.name for rule in added))
    elif isinstance(source, TableSource):
        report.table = source.data


def _single(found: Iterable[Failure | Group]) -> Iterator[Failure]:
    return (item for item in found if isinstance(item, Failure))


def _read(
    source: Source, columns: list[Column], of_rows: Sequence[RowCheck | CaseCheck] = ()
) -> int:
    pending = [column for column in columns if not column.settled(source)]
    if not pending and source.n_rows is not None and not of_rows:
        return source.n_rows
    # A column that may change is read as it is, else its encoding would pass for a change.
    encoded = {c.key for c in pending if c.of_text and not c.may_change}
    needed = [check.columns(source.names) for check in of_rows]
    keys = list(dict.fromkeys([*(column.key for column in pending), *chain(*needed)]))
    start = 0
    for n_rows, chunks in source.read(keys, encoded):
        for column in pending:
            chunks[column.key] = column.update(chunks[column.key], start)
        for check, names in zip(of_rows, needed, strict=True):
            check.update({name: chunks[name] for name in names}, n_rows, start)
        start += n_rows
    return start


def _added(source: Source, spec: DatasetSpec) -> list[ColumnRule]:
    """Columns that aren't there and have a default."""
    present = set(source.names)
    return [rule for rule in spec.columns if rule.has_default and rule.name not in present]


def _check_names(
    source: Source, spec: DatasetSpec, resolver: TermResolver | None
) -> CategoryCheck | None:
    if spec.names is None:
        return None
    if resolver is None:
        raise InvalidArgument(
            f"Column names are to be terms of {spec.names}, and no resolver was given.",
            hint="pass resolver=",
        )
    check = CategoryCheck("columns", (spec.names,), resolver)
    own = {rule.name for rule in spec.columns}
    check.update(pa.array([name for name in source.names if name not in own], pa.string()), 0)
    return check


def _changed_table(
    source: Source, changed: list[Column], added: list[ColumnRule], spec: DatasetSpec
) -> pa.Table:
    table = source.table({column.key: column.result() for column in changed})
    order, new = list(table.column_names), {}
    for rule in added:
        value = pa.scalar(rule.default, rule.fill_type)
        filled = pa.repeat(value, len(table))
        if rule.dtype.kind == "cat":
            filled = filled.dictionary_encode()
        new[rule.name] = pa.chunked_array([filled])
        order.insert(spec.place_of(rule.name, order) if spec.ordered_set else len(order), rule.name)
    table = with_columns(table, new)
    return table.select(order) if spec.ordered_set else table


# -- Validating one part of a dataset, whatever kind of part it is


NAMES = "columns"
"""Under which name a report keeps the terms that names are."""


def validate_part(part: Part, spec: DatasetSpec, resolver: TermResolver | None) -> Report:
    """Find everything that is wrong with a part of a dataset.

    Args:
        part: The part.
        spec: What it must look like.
        resolver: Knows the terms of the registries that categorical dtypes name.
    """
    if part.kind == "values":
        return validate_values(part.data, spec, resolver, slot=part.slot)
    if part.kind == "table":
        return validate(part.data, spec, resolver, slot=part.slot)
    if spec.names is None or resolver is None:
        # names that are features: of each only that it is there can be said
        names = dict.fromkeys(part.data.to_pylist())
        empty = pa.table({name: pa.nulls(0) for name in names})
        return validate(empty, spec, resolver, slot=part.slot)
    return validate_names(part.data, spec, resolver, slot=part.slot)


def validate_names(
    names: pa.Array, spec: DatasetSpec, resolver: TermResolver, *, slot: str
) -> Report:
    """Look names up that are terms themselves, such as gene ids.

    Unknown names are a failure only where the spec has a maximal set; else the report's
    `unknown` lists them.
    """
    assert spec.names is not None
    check = CategoryCheck(NAMES, (spec.names,), resolver)
    check.update(names, 0)
    report = Report(n_rows=len(names))
    report.terms[NAMES] = check.matches()
    report.unknown = {NAMES: check.wrong}
    report.add(check.failures(slot, "names") if spec.maximal_set else ())
    report.table = names
    return report

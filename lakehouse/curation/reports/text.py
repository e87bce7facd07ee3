"""A report in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text

from lakehouse.curation.failure import Failure
from lakehouse.curation.reports.failures import Failures, Part
from lakehouse.text.printable import printable_line

# Dtypes whose wrong types are also told in the words of pandera.
_SERIES = {
    "int": "int",
    "float": "float",
    "date": "date",
    "datetime": "datetime",
    "cat": "category",
}
_SHOWN_VALUES = 10
_SHOWN_ROWS = 100
_LONGEST_CELL = 500
LONGEST = 120
_LONGEST_TEXT = 5000


def describe(failures: Sequence[Failure], *, n_columns: int, n_rows: int) -> str:
    """All failures, one paragraph per column and rule."""
    if not failures:
        return f"valid: {_plural(n_columns, 'column')}, {_plural(n_rows, 'row')}"
    groups: dict[tuple[str, str, str], list[Part]] = {}
    for part in Failures.of(failures).parts:
        if not isinstance(part, tuple):
            groups.setdefault(_kind(part.like), []).append(part)
            continue
        alike: dict[tuple[str, str, str], list[Failure]] = {}
        for failure in part:
            alike.setdefault(_kind(failure), []).append(failure)
        for kind, found in alike.items():
            groups.setdefault(kind, []).append(tuple(found))
    told = (_told(Failures(parts)) for parts in groups.values())
    return "\n".join(shown(text) for text in told)


def _kind(failure: Failure) -> tuple[str, str, str]:
    what = failure.expected if failure.rule == "constraint" else failure.rule
    return failure.slot, what, failure.column


def _told(group: Failures) -> str:
    return _DESCRIBE.get(group[0].rule, _values)(group)


def shown(text: str, limit: int = _LONGEST_TEXT) -> str:
    """A text without what a terminal would obey, each line cut where it is too long."""
    return "\n".join(_shown(line, limit) for line in text.split("\n"))


def _shown(line: str, limit: int) -> str:
    start = printable_line(line[:limit])
    if max(len(line), len(start)) <= limit:
        return start
    return f"{start[:limit]}… ({len(line):,} characters)"


def spoken(value: object, limit: int = LONGEST) -> str:
    """A value on one line, with nothing in it that a terminal would obey, cut where too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else f"{text[:limit]}…"


def _quoted(value: object) -> str:
    text = spoken(value)
    if not isinstance(value, str):
        return f'"{text}"'
    return f'"{text[1:]}"' if text.endswith("…") else f'"{text[1:-1]}"'


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _where(failure: Failure) -> str:
    return "" if failure.slot == "columns" else f" in slot {failure.slot!r}"


def _more(group: Sequence[Failure]) -> str:
    hidden = len(group) - _SHOWN_VALUES
    return f", … and {hidden:,} more" if hidden > 0 else ""


def _rows(failure: Failure) -> str:
    if not failure.rows:
        return ""
    ellipsis = ", …" if failure.count > len(failure.rows) else ""
    listed = ", ".join(map(str, failure.rows))
    return f" ({_plural(failure.count, 'row')}: {listed}{ellipsis})"


def _listed(group: Sequence[Failure]) -> str:
    return ", ".join(spoken(f.value) for f in group[:_SHOWN_VALUES]) + _more(group)


def _arrow(hint: str) -> str:
    return f"\n    → {hint}" if hint else ""


def _presence(group: Sequence[Failure]) -> str:
    first = group[0]
    kind = "index" if first.rule == "index" else "column"
    return (
        f"{kind} {first.column!r} not in dataframe{_where(first)}. "
        f"Columns in dataframe: {first.found}{_arrow(first.hint)}"
    )


def _extra(group: Sequence[Failure]) -> str:
    first = group[0]
    return (
        f"column {first.column!r} not in schema{_where(first)}, which allows no other columns "
        f"than: {first.expected}{_arrow(first.hint)}"
    )


def _order(group: Sequence[Failure]) -> str:
    first = group[0]
    return (
        f"column {first.column!r} out-of-order{_where(first)}: columns stand as {first.found}, "
        f"expected {first.expected}{_arrow(first.hint)}"
    )


def _duplicates(group: Sequence[Failure]) -> str:
    first = group[0]
    return (
        f"column name {first.column!r} is not unique{_where(first)}: {first.found}"
        f"{_arrow(first.hint)}"
    )


def _dtype(group: Sequence[Failure]) -> str:
    first = group[0]
    shown = "; ".join(f"got {f.found}{_rows(f)}" for f in group[:_SHOWN_VALUES])
    kind = first.expected.partition("[")[0]
    known = _SERIES.get(kind)
    series = "" if known is None else f"expected series {first.column!r} to have type {known}, "
    return (
        f"Column {first.column!r} failed dtype check for {first.expected!r}{_where(first)}: "
        f"{series}{shown}{_more(group)}{_arrow(first.hint)}"
    )


def _nulls(group: Sequence[Failure]) -> str:
    first = group[0]
    return (
        f"non-nullable series {first.column!r} contains null values{_where(first)}"
        f"{_rows(first)}{_arrow(first.hint)}"
    )


def _values(group: Sequence[Failure]) -> str:
    first = group[0]
    shown = ", ".join(f"{spoken(f.value)}{_rows(f)}" for f in group[:_SHOWN_VALUES])
    return (
        f"{_plural(len(group), 'value')} of column {first.column!r} not valid{_where(first)}, "
        f"expected {first.expected}: {shown}{_more(group)}{_arrow(first.hint)}"
    )


def _terms(group: Sequence[Failure]) -> str:
    first = group[0]
    lines = [
        f"{_plural(len(group), 'term')} not validated in feature {first.column!r}{_where(first)}: "
        f"{_listed(group)}"
    ]
    synonyms = [f for f in group if f.synonym_of is not None]
    others = [f for f in group if f.synonym_of is None]
    if synonyms:
        mapped = [f'{_quoted(f.value)} → "{f.synonym_of}"' for f in synonyms[:_SHOWN_VALUES]]
        lines += [
            f"{_plural(len(synonyms), 'synonym')} found: {', '.join(mapped)}{_more(synonyms)}",
            f"→ {synonyms[0].hint}",
        ]
    if synonyms and others:
        lines.append("for remaining terms:")
    lines += [_nearest(f) for f in others[:_SHOWN_VALUES]]
    if others:
        lines.append(f"→ {others[0].hint}")
    return "\n    ".join(lines)


def _ambiguous(group: Sequence[Failure]) -> str:
    first = group[0]
    lines = [f"{f.found}, in feature {f.column!r}{_where(f)}{_rows(f)}" for f in group]
    return "\n".join(lines[:_SHOWN_VALUES]) + _more(group) + _arrow(first.hint)


def _nearest(failure: Failure) -> str:
    said = f"{_quoted(failure.value)}{_rows(failure)}"
    near = " or ".join(f'"{value}"' for value in failure.nearest)
    return (
        f"{said}: did you mean {near}?" if near else f"{said}: nothing near in {failure.expected}"
    )


def _constraint(group: Sequence[Failure]) -> str:
    first = group[0]
    shown = "; ".join(
        f"{spoken(f.value)}{_rows(f)}{f' ({f.found})' if f.found else ''}"
        for f in group[:_SHOWN_VALUES]
    )
    return (
        f"{_plural(len(group), 'value')} of column {first.column!r} not allowed{_where(first)}, "
        f"expected {first.expected}: {shown}{_more(group)}{_arrow(first.hint)}"
    )


def _of_rows(group: Sequence[Failure]) -> str:
    shown = "; ".join(f"{f.found}{_rows(f)}" for f in group[:_SHOWN_VALUES])
    where = _where(group[0])
    return f"rows not accepted{where}: {shown}{_more(group)}{_arrow(group[0].hint)}"


def _whole(group: Sequence[Failure]) -> str:
    lines = []
    for failure in group:
        value = "" if failure.value is None else f" {failure.value!r}"
        shown = f"{failure.column!r}{_where(failure)} has{value} {failure.found}{_counted(failure)}"
        lines.append(f"{shown}, expected {failure.expected}{_arrow(failure.hint)}")
    return "\n".join(lines)


def _counted(failure: Failure) -> str:
    return _rows(failure) if failure.rows else ""


_DESCRIBE: dict[str, Callable[[Sequence[Failure]], str]] = {
    "presence": _presence,
    "index": _presence,
    "extra": _extra,
    "order": _order,
    "duplicates": _duplicates,
    "dtype": _dtype,
    "null": _nulls,
    "constraint": _constraint,
    "rows": _of_rows,
    "category": _terms,
    "names": _terms,
    "ambiguous": _ambiguous,
    "dataset": _whole,
}


def rich_table(failures: Sequence[Failure]) -> Table:
    """The failures as a table for the terminal: the first hundred, and how many more there are."""
    table = Table(title=f"{_plural(len(failures), 'failure')}", title_style="bold red")
    for header in ("column", "rule", "value", "rows", "expected", "suggestion"):
        table.add_column(header, overflow="fold")
    hidden = len(failures) - _SHOWN_ROWS
    if hidden > 0:
        table.caption = f"… and {hidden:,} more, which report.to_polars() has"
    for failure in failures[:_SHOWN_ROWS]:
        slot = "" if failure.slot == "columns" else f"{failure.slot}: "
        column_wide = failure.rule in ("presence", "index", "extra", "order")
        value = failure.found if failure.value is None else spoken(failure.value)
        suggestion = failure.synonym_of or " or ".join(failure.nearest) or failure.hint
        cells = (
            f"{slot}{failure.column}",
            failure.rule,
            "" if column_wide else value,
            _rows(failure).strip(" ()"),
            failure.expected,
            suggestion,
        )
        # Text, not str: brackets in values and dtypes are no markup.
        table.add_row(*(Text(shown(cell, _LONGEST_CELL)) for cell in cells))
    return table

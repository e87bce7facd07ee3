"""A report as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lakehouse.curation.failure import Failure
from lakehouse.curation.reports.failures import Failures
from lakehouse.curation.reports.text import shown, spoken
from lakehouse.text.printable import html_text

_SHOWN = 1000
_LONGEST = 500

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; max-width: 75rem }
table { border-collapse: collapse; margin: 1rem 0; width: 100% }
th, td { text-align: left; padding: .3rem .8rem; border-bottom: 1px solid #ddd; vertical-align: top;
  overflow-wrap: anywhere }
th { background: #f4f4f4 } td.n { text-align: right } code { background: #f4f4f4; padding: 0 .2rem }
.bad { color: #b00020 } .good { color: #1b7f3b }
@media (prefers-color-scheme: dark) {
  body { background: #181818; color: #ddd } th, code { background: #2a2a2a }
  th, td { border-color: #444 } .bad { color: #ff7b8a } .good { color: #6fd08c }
}
"""


def page(
    failures: Sequence[Failure], columns: Mapping[str, str], *, n_rows: int, title: str
) -> str:
    """The page: a verdict, the counts of every column, and every failure with its remedy.

    Args:
        failures: What is wrong.
        columns: The dtype of each column that was validated.
        n_rows: Rows seen.
        title: What was validated.
    """
    wrong = len(failures)
    verdict = (
        f'<p class="bad">{wrong:,} failure{"" if wrong == 1 else "s"}</p>'
        if wrong
        else '<p class="good">valid</p>'
    )
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{html_text(shown(title))}</title>',
        f"<style>{_STYLE}</style></head><body><h1>{html_text(shown(title))}</h1>",
        verdict,
        f"<p>{len(columns):,} columns, {n_rows:,} rows</p>",
        _table(("column", "dtype", "failures", "occurrences"), _counts(failures, columns)),
    ]
    if failures:
        rows = [_failure(f) for f in failures[:_SHOWN]]
        parts.append("<h2>Failures</h2>")
        heads = ("slot", "column", "rule", "value", "rows", "first rows", "expected", "what to do")
        parts.append(_table(heads, rows))
        if wrong > _SHOWN:
            parts.append(f"<p>… and {wrong - _SHOWN:,} more, which report.to_polars() has.</p>")
    return "\n".join([*parts, "</body></html>\n"])


def _counts(failures: Sequence[Failure], columns: Mapping[str, str]) -> Iterable[Sequence[str]]:
    found: dict[str, tuple[int, int]] = dict.fromkeys(columns, (0, 0))
    for failure, more, count in _tallied(failures):
        joined = f"{failure.slot}:{failure.column}"
        key = joined if joined in columns else failure.column
        n, rows = found.get(key, (0, 0))
        found[key] = (n + more, rows + count)
    for name, (n, rows) in found.items():
        mark = "bad" if n else "good"
        yield (
            f'<td class="{mark}">{html_text(shown(name))}</td>',
            f"<td><code>{html_text(columns.get(name, ''))}</code></td>",
            f'<td class="n">{n:,}</td>',
            f'<td class="n">{rows:,}</td>',
        )


def _tallied(failures: Sequence[Failure]) -> Iterable[tuple[Failure, int, int]]:
    """Failures, how many more are like each, and in how many rows."""
    for part in Failures.of(failures).parts:
        if isinstance(part, tuple):
            yield from ((failure, 1, failure.count) for failure in part)
        else:
            yield part.like, len(part), part.count


def _failure(failure: Failure) -> Sequence[str]:
    value = failure.found if failure.value is None else spoken(failure.value)
    near = failure.synonym_of or " or ".join(failure.nearest)
    advice = f"{near} · {failure.hint}" if near else failure.hint
    more = ", …" if failure.count > len(failure.rows) and failure.rows else ""
    texts = (
        failure.slot,
        failure.column,
        failure.rule,
        value,
        f"{failure.count:,}" if failure.count else "",
        ", ".join(map(str, failure.rows)) + more,
        failure.expected,
    )
    cells = [html_text(shown(text, _LONGEST)) for text in texts]
    return [f"<td>{cell}</td>" for cell in (*cells, _advice(advice))]


def _advice(text: str) -> str:
    """What to do, with the call that does it set as code."""
    lines = []
    for line in shown(text).split("\n"):
        said, via, call = line.partition(" via: ")
        lines.append(
            f"{html_text(said)} via: <code>{html_text(call)}</code>" if via else html_text(said)
        )
    return "<br>".join(lines)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{html_text(h)}</th>" for h in heads)
    body = "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"

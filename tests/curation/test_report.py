"""Reports: all of it in the data, the first of it in words."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from rich.console import Console

from lakehouse.curation import ColumnRule, DatasetSpec, Failure, Report, TableResolver, validate
from lakehouse.curation.reports import failures
from lakehouse.curation.rules import table as _table


def test_a_message_says_what_where_and_what_to_do(resolver: TableResolver) -> None:
    values = ["B-cell", "CD8-pos alpha-beta T cell", "T cell", "qqqqqq"] + ["qqqqqq"] * 9
    spec = DatasetSpec((ColumnRule("cell_type", "cat[bionty.CellType]"),))
    report = validate(pa.table({"cell_type": values}), spec, resolver, slot="obs")
    assert str(report).splitlines() == [
        "3 terms not validated in feature 'cell_type' in slot 'obs': "
        "'B-cell', 'CD8-pos alpha-beta T cell', 'qqqqqq'",
        '    1 synonym found: "B-cell" → "B cell"',
        "    → curate synonyms via: bt.CellType.standardize(['B-cell'])",
        "    for remaining terms:",
        '    "CD8-pos alpha-beta T cell" (1 row: 1): '
        'did you mean "CD8-positive, alpha-beta T cell"?',
        '    "qqqqqq" (10 rows: 3, 4, 5, 6, 7, …): nothing near in bionty.CellType',
        "    → fix typos, remove non-existent values, or save terms via: "
        "ln.save([bt.CellType(name=value) for value in ['CD8-pos alpha-beta T cell', 'qqqqqq']])",
    ]


def test_words_are_cut_aloud_and_data_is_not(resolver: TableResolver) -> None:
    values = [f"unknown {i}" for i in range(1234)]
    spec = DatasetSpec((ColumnRule("cell_type", "cat[bionty.CellType]"),))
    report = validate(pa.table({"cell_type": values}), spec, resolver)
    assert "'unknown 9', … and 1,224 more" in str(report)
    assert len(report.failures) == 1234
    assert [f.value for f in report.failures] == values
    assert report.to_polars().height == 1234


def test_the_data_frame_holds_every_attribute() -> None:
    failure = Failure("obs", "a", "category", "x", 2, (1, 5), ("y",), None, "", "ULabel", "fix")
    frame = Report((failure,)).to_polars()
    assert frame.row(0, named=True) == {
        "slot": "obs",
        "column": "a",
        "rule": "category",
        "value": "x",
        "count": 2,
        "rows": [1, 5],
        "nearest": ["y"],
        "synonym_of": None,
        "found": "",
        "expected": "ULabel",
        "hint": "fix",
    }
    assert Report().to_polars().columns == frame.columns


def test_rich_shows_brackets_as_they_are() -> None:
    spec = DatasetSpec((ColumnRule("a", "list[str]"), ColumnRule("b", int)), maximal_set=True)
    report = validate(pa.table({"a": ["[red]"], "c": [1]}), spec)
    console = Console(width=200, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(report)
        console.print(validate(pa.table({"a": [["x"]], "b": [1]}), spec))
    text = captured.get()
    assert "list[str]" in text
    assert "3 failures" in text
    assert "valid: 2 columns, 1 row" in text


def test_joined_reports_name_their_slots(resolver: TableResolver) -> None:
    spec = DatasetSpec((ColumnRule("cell_type", "cat[bionty.CellType]"),))
    obs = validate(pa.table({"cell_type": ["T cell"]}), spec, resolver)
    var = validate(pa.table({"cell_type": ["x"]}), spec, resolver)
    both = Report.join({"obs": obs, "rna:var": var})
    assert [(f.slot, f.value) for f in both.failures] == [("rna:var", "x")]
    assert list(both.terms) == ["obs:cell_type"]
    assert "in slot 'rna:var'" in str(both)
    assert Report.join({"obs": obs}).ok


def test_every_line_of_the_rule_table_leads_to_a_rule() -> None:
    assert len(_table.dataset_rules()) == len(_table.DATASET_RULES)
    assert len(_table.column_families()) == len(_table.COLUMN_RULES)
    rule = ColumnRule("a", int, nullable=False)
    checks = [make(rule, None) for make in _table.column_families()]
    made = [check for check in checks if check is not None]
    assert [type(check).__name__ for check in made] == ["DtypeCheck", "NullCheck"]
    assert all(check.settled(pa.int64(), 0) for check in made)
    assert not any(check.settled(None, None) for check in made)


def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    name = "\x1b[31m<b>\u202e"
    rule = ColumnRule(name, str, checks={"max_length": 1, "custom": _refuse})
    report = validate(pa.table({name: ["\x1b]0;x\x07", "é\x1b"]}), DatasetSpec((rule,)))
    console = Console(width=200)
    with console.capture() as captured:
        console.print(report)
    for text in (str(report), captured.get().replace("\x1b[1;31m", ""), report.to_html()):
        assert "\u202e" not in text
        assert "\\x1b[31m" in text
        assert not {c for c in text if not c.isprintable()} - {"\n", "\x1b"}
        assert "\x1b[31m<" not in text
    assert "<b>" not in report.to_html()
    assert report.to_polars()["column"].unique().to_list() == [name]


def _refuse(value: str) -> str:
    raise ValueError(f"refused {value}")


def test_very_much_is_cut_aloud_where_people_read() -> None:
    columns = {f"column {i}": [1] for i in range(20_000)}
    spec = DatasetSpec((ColumnRule("donor", str), ColumnRule("age", int)))
    report = validate(pa.table(columns), spec)
    assert len(str(report)) < 12_000
    assert "characters)" in str(report)
    assert len(report.to_html()) < 10_000
    assert len(report.to_polars()["found"][0]) > 200_000
    values = pa.table({"age": [f"{i}" for i in range(150)]})
    rule = ColumnRule("age", str, checks={"enum": ["x"]})
    many = validate(values, DatasetSpec((rule,)))
    console = Console(width=200)
    with console.capture() as captured:
        console.print(many)
    assert "150 failures" in captured.get()
    assert "… and 50 more" in captured.get()


def test_calls_are_code_in_pages(resolver: TableResolver) -> None:
    spec = DatasetSpec((ColumnRule("cell_type", "cat[bionty.CellType]"),))
    page = validate(pa.table({"cell_type": ["B-cell"]}), spec, resolver).to_html()
    assert "via: <code>bt.CellType.standardize(" in page


def _numbers() -> tuple[Report, list[Failure]]:
    """Three failures by themselves, then five in a group, then one more."""
    rules = (
        ColumnRule("a", int, nullable=False),
        ColumnRule("b", float, checks={"ge": 0.0}),
        ColumnRule("c", str),
    )
    data = pa.table(
        {"a": ["x", "y", None], "b": [-1e-7, -2.5e300, -1.0], "c": [1, 2, 3], "d": [0] * 3}
    )
    report = validate(data, DatasetSpec(rules, maximal_set=True))
    return report, list(report.failures)


def test_failures_are_a_sequence() -> None:
    report, found = _numbers()
    assert [f.rule for f in found] == [
        *("extra", "dtype", "null"), *("constraint",) * 3, "dtype",
    ]  # fmt: skip
    assert len(report.failures) == len(found) == 7
    assert [report.failures[i] for i in range(7)] == found
    assert [report.failures[i - 7] for i in range(7)] == found
    for cut in (slice(None), slice(1, 5), slice(-3, None), slice(5, 1), slice(None, None, -2)):
        assert report.failures[cut] == tuple(found[cut])
    for beyond in (7, -8):
        with pytest.raises(IndexError):
            report.failures[beyond]
    assert report.failures == tuple(found)
    assert report.failures != found[:-1]
    assert found[4] in report.failures
    assert report.failures.index(found[4]) == 4
    assert list(reversed(report.failures)) == found[::-1]
    further = Failure("columns", "z", "presence")
    report.add([further])
    assert [*report.failures] == [*found, further]
    joined = ()
    joined += report.failures
    assert joined == (*found, further)


def test_values_of_the_data_frame_are_as_python_writes_them() -> None:
    sizes = [10.0**e * m for e in range(-320, 308, 3) for m in (1.0, 1.5, 1 / 3)]
    for values in ([-s for s in sizes] + [-math.inf], [-1, -(2**62)]):
        rule = ColumnRule("x", "num", checks={"gt": 0})
        report = validate(pa.table({"x": values}), DatasetSpec((rule,)))
        frame = report.to_polars()
        wanted = dict.fromkeys(values)
        assert frame["value"].to_list() == [str(value) for value in wanted]
        assert frame["count"].sum() == len(values)
        singly = Report(tuple(report.failures), columns=report.columns, n_rows=report.n_rows)
        assert singly.to_polars().equals(frame)
        assert str(singly) == str(report)
        assert singly.to_html() == report.to_html()


def test_many_wrong_values_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_WAITING", 3)
    monkeypatch.setattr(failures, "_AT_ONCE", 2)
    rule = ColumnRule("x", int, checks={"ge": 0})
    values = [-(i % 5) for i in range(40)]
    batches = pa.table({"x": values}).to_reader(max_chunksize=4)
    found = validate(batches, DatasetSpec((rule,))).failures
    assert [(f.value, f.count, f.rows) for f in found] == [
        (-k, 8, (k, k + 5, k + 10, k + 15, k + 20)) for k in range(1, 5)
    ]


@pytest.mark.slow
def test_ten_thousand_missing_columns_are_told_soon() -> None:
    names = [f"column {i}" for i in range(3_000)]
    spec = DatasetSpec(
        tuple(ColumnRule(f"colunm {i}", int) for i in range(3_000)), maximal_set=True
    )
    report = validate(pa.table({name: [1] for name in names}), spec)
    assert len(report.failures) == 6_000
    assert "column 0" in report.failures[0].nearest
    answered = sum(bool(f.nearest) for f in report.failures)
    assert 20 <= answered < 100  # all would take minutes


@pytest.mark.slow
def test_reports_about_very_many_columns_stay_small() -> None:
    names = [f"column {i}" for i in range(2_000)]
    rules = tuple(ColumnRule(name, int) for name in names)
    table = pa.table({name: [1] for name in names})
    reversed_ = validate(table.select(names[::-1]), DatasetSpec(rules, ordered_set=True))
    others = pa.table({f"{name}!": [1] for name in names})
    missing = validate(others, DatasetSpec(rules, maximal_set=True))
    for report, count in ((reversed_, 2_000), (missing, 4_000)):
        assert len(report.failures) == count
        assert report.to_polars().estimated_size() < 5_000_000
    first = reversed_.failures[1_000]
    assert first.column == "column 999"
    assert "'column 999'" in first.found
    assert "'column 1000'" in first.expected

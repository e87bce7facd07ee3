"""Names of data that a terminal would obey are shown escaped by every command, and by HTML."""

from __future__ import annotations

from html.parser import HTMLParser

import pandas as pd
import pytest

import lakehouse as ln
import lakehouse.bionty as bt
from tests.test_printable import EVIL, obeyed

MARK = "pwned"
HTML = '<script>alert(1)</script>"><img src=x onerror=alert(1)><a href="javascript:x">' + MARK


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def planted(lake):
    evil = EVIL + "[red]x[/][link=http://evil]y[/link]"
    ln.settings.creation.search_names = False
    label = ln.ULabel(name=evil, description=evil).save()
    ln.save([ln.Record(name=evil, description=evil), ln.Project(name=evil)])
    bt.CellType(name=evil, description=evil, synonyms=evil).save()
    ln.Feature(name="note " + evil.replace("\r", ""), dtype=str, description=evil).save()
    ln.Branch(name=evil, description=evil).save()
    table = pd.DataFrame({"a": [evil]})
    artifact = ln.Artifact.from_dataframe(table, key="t.parquet", description=evil).save()
    artifact.ulabels.add(label)
    with ln.transaction(message=evil):
        ln.ULabel(name="other " + evil).save()
    ln.current_lake().tag("first")
    ln.settings.creation.search_names = True
    return artifact


@pytest.mark.parametrize(
    "words",
    [
        ("sql", "SELECT name, description FROM ulabel"),
        ("sql", "SELECT 1 AS \"a\x1b[31m\u202e\", [name] AS l, {'x': name} AS s FROM ulabel"),
        ("log",),
        ("tag",),
        ("ls",),
        ("info",),
        ("branch",),
        ("diff", "1"),
        ("diff", "1", "--summary"),
        ("gc", "--dry-run"),
        ("describe", "--key", "t.parquet"),
    ],
)
def test_commands_print_no_control_characters(run, planted, words):
    result = run(*words)
    assert not obeyed(result.stdout + result.stderr)
    if words[0] in ("sql", "log", "ls", "branch", "describe"):
        assert MARK in result.stdout
        assert "[red]x[/]" in result.stdout.replace("\n", "") or words[0] in (
            "sql",
            "ls",
            "describe",
            "branch",
            "log",
        )


@pytest.mark.parametrize(
    "words",
    [
        ("describe", "--key", EVIL),
        ("sql", f"SELECT '{EVIL}'::INT"),
        ("sql", f'SELECT * FROM "{EVIL}"'),
        ("switch", EVIL),
        ("merge", EVIL),
        ("diff", EVIL),
    ],
)
def test_errors_print_no_control_characters(run, planted, words):
    result = run(*words, code=1)
    assert not obeyed(result.stdout + result.stderr)
    assert MARK in result.stderr


def test_html_has_no_element_of_data(lake):
    ln.settings.creation.search_names = False
    label = ln.ULabel(name=HTML, description=HTML).save()
    term = bt.CellType(name=HTML, description=HTML, synonyms=HTML).save()
    reference = ln.Reference(name=HTML, description=HTML).save()
    feature = ln.Feature(name="cell", dtype=bt.CellType, description=HTML).save()
    schema = ln.Schema([feature], name=HTML).save()
    table = pd.DataFrame({"cell": [HTML], HTML: [HTML]})
    artifact = ln.Artifact.from_dataframe(table, key="t.parquet", description=HTML).save()
    artifact.ulabels.add(label)
    artifact.cell_types.add(term)
    wrong = pd.DataFrame({"cell": [HTML + "x"]})
    report = ln.curators.DataFrameCurator(wrong, schema).check()
    shown = [
        *(record._repr_html_() for record in (label, term, reference, feature, schema, artifact)),
        *(found._repr_html_() for found in (ln.ULabel.all(), bt.CellType.all(), ln.Artifact.all())),
        artifact.ulabels._repr_html_(),
        ln.current_lake().diff(1)._repr_html_(),
        report._repr_html_(),
    ]
    for text in shown:
        parser = Elements()
        parser.feed(text)
        tags = {tag for tag, _ in parser.found}
        assert not tags & {"script", "img", "a", "iframe", "object"}, text
        values = [str(v) for _, attrs in parser.found for v in attrs.values()]
        names = [name for _, attrs in parser.found for name in attrs]
        assert not any("javascript:" in v or MARK in v for v in values)
        assert not any(name.startswith("on") for name in names)
        assert MARK in text
    ln.settings.creation.search_names = True

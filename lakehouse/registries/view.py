"""`ln.view()`: the newest records of every registry, at a glance."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lakehouse.engine.query.view import in_one_view
from lakehouse.errors import InvalidArgument, near
from lakehouse.orm import BaseRecord, Lake, QuerySet, current_lake
from lakehouse.orm.show.tables import fields_of, html_table, short, title
from lakehouse.text.printable import html_text, printable_line

CORE = "core"
_WIDE = 1_000_000  # lines wrap in a terminal as any text does
_LEFT_OUT = ("updated_at", "is_locked", "space", "created_on")
Rows = tuple[list[str], list[list[str]]]


@in_one_view
def view(
    *,
    limit: int = 7,
    modules: str | Sequence[str] | None = None,
    registries: Sequence[str] | None = None,
    df: Any = None,
) -> None:
    """Show the newest records of every registry that has any; in notebooks as tables.

    Args:
        limit: At most so many records per registry.
        modules: `"core"`, `"bionty"`, or several of them; all by default.
        registries: Names of registries; all by default.
        df: A data frame to show instead, its columns with what their features say of them.

    Raises:
        InvalidArgument: There is no such module or registry, or the limit is below 1.

    Example:
        >>> ln.view(modules="core", registries=["Artifact", "ULabel"])
    """
    lake = current_lake()
    if df is not None:
        _show("", [("columns", _described(lake, df))])
        return
    if limit < 1:
        raise InvalidArgument("At least one record is shown.", found=f"limit={limit}")
    chosen = _chosen(lake, modules)
    wanted = _wanted(chosen, registries)
    for module, classes in chosen.items():
        tables = [
            (cls.__name__, rows)
            for cls in classes
            if (wanted is None or cls.__name__ in wanted) and (rows := _newest(lake, cls, limit))[1]
        ]
        if tables:
            _show(f"module: {module}" if len(chosen) > 1 else "", tables)


def _chosen(lake: Lake, modules: str | Sequence[str] | None) -> dict[str, list[type[BaseRecord]]]:
    """The registries of the wanted modules, in alphabetical order."""
    found: dict[str, list[type[BaseRecord]]] = {}
    for cls in sorted(lake.directory.all(), key=lambda c: str(c.__name__)):
        found.setdefault(cls.meta.name.rpartition(".")[0] or CORE, []).append(cls)
    names = sorted(found, key=lambda m: (m != CORE, m))
    wanted = names if modules is None else [modules] if isinstance(modules, str) else list(modules)
    for name in wanted:
        if name not in found:
            raise InvalidArgument(
                "There is no such module.", found=repr(name), expected=", ".join(names)
            )
    return {name: found[name] for name in wanted}


def _wanted(
    chosen: dict[str, list[type[BaseRecord]]], registries: Sequence[str] | None
) -> set[str] | None:
    if registries is None:
        return None
    known = [cls.__name__ for classes in chosen.values() for cls in classes]
    for name in registries:
        if name not in known:
            raise InvalidArgument(
                "There is no such registry.",
                found=repr(name),
                expected=", ".join(near(name, known) or known),
            )
    return set(registries)


def _newest(lake: Lake, cls: type[BaseRecord], limit: int) -> Rows:
    """The newest records: the fields and foreign keys that any of them has."""
    meta = cls.meta
    records = list(QuerySet(cls, lake).order_by("-uid")[:limit])
    names = [n for n in fields_of(meta) if n not in _LEFT_OUT]
    columns = {name: [_cell(r._values.get(name)) for r in records] for name in names}
    for name in meta.foreign_keys:
        if name not in _LEFT_OUT:
            columns[name] = [_named(r, name) for r in records]
    used = {name: cells for name, cells in columns.items() if any(cells)}
    return list(used), [list(row) for row in zip(*used.values(), strict=True)]


def _cell(value: Any) -> str:
    return "" if value in (None, {}, []) else short(value)


def _named(record: BaseRecord, name: str) -> str:
    if record._values.get(f"{name}_uid") is None:
        return ""
    related = record._get_related(name)
    return "" if related is None else title(related)


def _described(lake: Lake, df: Any) -> Rows:
    """The columns of a data frame with their dtypes, and what features of their names say."""
    names = [str(name) for name in df.columns]
    feature = lake.directory.get("Feature")
    known: dict[str, Any] = {}
    for record in QuerySet(feature, lake).filter(name__in=names, is_type=False):
        known.setdefault(str(record.name), record)
    head = ["column", "dtype", "feature", "unit", "description"]
    rows = []
    for name, dtype in zip(names, df.dtypes, strict=True):
        values = known[name]._values if name in known else {}
        fields = (values.get("dtype"), values.get("unit"), values.get("description"))
        rows.append([name, str(dtype), *(_cell(v) for v in fields)])
    return head, rows


def _show(head: str, tables: Sequence[tuple[str, Rows]]) -> None:
    if hasattr(builtins, "get_ipython"):  # a notebook or IPython's own terminal
        from IPython.display import HTML, display

        display(HTML(as_html(head, tables)))
        return
    console = Console(file=sys.stdout, width=_WIDE, soft_wrap=True)
    if head:
        console.print(Text(f"\n{head}", style="bold underline"))
    for name, (columns, rows) in tables:
        table = Table(title=name, title_justify="left", title_style="bold", box=None)
        for column in columns:
            table.add_column(Text(printable_line(column)), no_wrap=True)
        for row in rows:
            table.add_row(*(Text(printable_line(cell)) for cell in row))
        console.print(table)


def as_html(head: str, tables: Iterable[tuple[str, Rows]]) -> str:
    """The tables as notebooks show them."""
    parts = [f"<h3>{html_text(head)}</h3>"] if head else []
    parts += [f"<h4>{html_text(name)}</h4>{html_table(*rows)}" for name, rows in tables]
    return "".join(parts)

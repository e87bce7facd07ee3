"""What rich draws of data: tables for reprs, and anything else without control characters."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from lakehouse.engine.query.view import in_one_view, operations
from lakehouse.orm.model.context import active_batch
from lakehouse.text.printable import html_text, printable, printable_line

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment

    from lakehouse.orm.lake.lake import Lake
    from lakehouse.orm.model.meta import RegistryMeta


_SHOWN = 20
_COLUMNS = ("", "uid", "name", "field", "old", "new")
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_WIDTH = 120


class Harmless:
    """Something that rich draws, without what a terminal would obey in its texts.

    Colours and links that rich itself makes stay. Cells are better escaped where they are made,
    so that columns are as wide as what stands in them; this is what nothing gets past.
    """

    def __init__(self, drawn: Any) -> None:
        self._drawn = drawn

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """The segments of what is drawn, escaped."""
        from rich.segment import Segment

        for segment in console.render(self._drawn, options):
            yield Segment(printable(segment.text), segment.style, segment.control)


def table_text(title: str, lines: Iterable[Sequence[str | None]]) -> str:
    """Changes as a table of text; of many the first ones, and that there are more."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = iter(lines)
    shown = list(islice(rows, _SHOWN))
    more = sum(1 for _ in rows)
    used = [i for i in range(len(_COLUMNS)) if i == 0 or any(r[i] is not None for r in shown)]
    made = Table(
        title=Text(printable_line(title)),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
    )
    for i in used:
        made.add_column(_COLUMNS[i], overflow="fold")
    for row in shown:
        cells = [_SIGNS[str(row[0])], *row[1:]]
        made.add_row(
            *[Text("–" if cells[i] is None else printable_line(str(cells[i]))) for i in used]
        )
    console = Console(width=_WIDTH, color_system=None)
    with console.capture() as capture:
        console.print(made)
    rest = f"  … and {more} more; .to_polars() has all\n" if more else ""
    return capture.get() + rest


# -- What records and registries show of themselves: `describe()`, and HTML in notebooks


HTML_ROWS = 10
_LONGEST = 120
_KINDS = {
    "str": "CharField",
    "int": "IntegerField",
    "float": "FloatField",
    "bool": "BooleanField",
    "datetime": "DateTimeField",
    "date": "DateField",
    "list": "JSONField",
    "json": "JSONField",
}
_TEXTS = ("description", "synonyms", "source_code", "content")
_COMMON = ("version_tag", "is_locked", "created_at", "updated_at")
_INTERNAL = (
    *("hash_key", "name_key", "storage_key", "key_is_virtual", "overwrite_versions"),
    *("slots_uids", "forked_at", "lake_uid"),
)
_BIG = ("size", "n_files", "n_observations")


class Describe:
    """The method `describe`: of a record it shows the record, of a class the registry."""

    def __get__(self, record: Any, owner: type[Any]) -> Any:
        @in_one_view
        def describe(return_str: bool = False) -> str | None:  # noqa: FBT001, FBT002 - the peer's
            """Show what the record is and what belongs to it; on the class, its fields.

            Args:
                return_str: Give the text instead of printing it.
            """
            if record is None:
                return shown(registry_text(owner.meta), return_str=return_str)
            found: str | None = record._lake.directory.describe(record, return_str=return_str)
            return found

        return describe


@operations
class Showing:
    """How a record shows itself."""

    describe = Describe()

    def _repr_html_(self) -> str:
        """The fields that are set, as a table for notebooks."""
        record: Any = self
        meta = record.meta
        shown_fields = {
            name: value
            for name in fields_of(meta)
            if (value := record._values.get(name)) not in (None, {}, [])
        }
        related = {
            name: other
            for name in meta.foreign_keys
            if record._values.get(f"{name}_uid") is not None
            and (other := record._get_related(name)) is not None
        }
        rows = [(name, short(value)) for name, value in shown_fields.items()]
        rows += [(name, title(other)) for name, other in related.items()]
        head = f"<b>{html_text(meta.cls.__name__)}</b> {html_text(title(record))}"
        return f"<div>{head}{html_table(('field', 'value'), rows)}</div>"


def registry_text(meta: RegistryMeta) -> str:
    """A registry's fields: simple ones, then those that lead to other registries."""
    lines = [meta.cls.__name__, "  Simple fields"]
    lines += [f"    .{name}: {_kind(meta, name)}" for name in fields_of(meta)]
    computed = (n for n, (kind, _) in meta.computed.items() if kind == "bool")
    lines += [f"    .{name}: BooleanField" for name in computed if name not in meta.fields]
    groups: dict[str, list[str]] = {"Relational": []}
    related = {**meta.foreign_keys, **{n: r.target for n, r in meta.relations.items()}}
    for name, target in related.items():
        module = target.rpartition(".")[0]
        group = (
            "Relational" if module in ("", meta.name.rpartition(".")[0]) else module.capitalize()
        )
        groups.setdefault(group, []).append(f"    .{name}: {target}")
    for group, found in groups.items():
        lines += [f"  {group} fields", *found] if found else []
    return "\n".join(lines)


def fields_of(meta: RegistryMeta) -> list[str]:
    """The fields that hold values for people, those of every registry last.

    Foreign keys are left out, and columns that only the library uses.
    """
    hidden = {f"{name}_uid" for name in meta.foreign_keys} | {*meta.private, *_INTERNAL}
    own = [name for name in meta.fields if name not in hidden and name not in _COMMON]
    return [*own, *(name for name in _COMMON if name in meta.fields)]


def _kind(meta: RegistryMeta, name: str) -> str:
    if name in _TEXTS:
        return "TextField"
    if name in _BIG:
        return "BigIntegerField"
    return _KINDS[meta.fields[name].kind]


def title(record: Any) -> str:
    """What people call a record: its name, key, symbol or handle, else its uid."""
    named = record._values.get(record.meta.name_field)
    return str(record.uid if named in (None, "") else named)


def now(lake: Lake, cls: type[Any], uids: list[str]) -> list[Any]:
    """The records that have some uids, those of the open transaction among them, in this order."""
    batch, table = active_batch(lake), cls.meta.table
    found = {row["uid"]: cls._from_row(lake, row) for row in lake.state.rows(table, uids)}
    if batch is not None:
        staged = {uid: batch.staged_uid(table, uid) for uid in uids if uid not in found}
        found |= {uid: record for uid, record in staged.items() if record is not None}
    return [found[uid] for uid in uids if uid in found]


def short(value: Any) -> str:
    """A value as one line of bounded length; that something was left out is marked."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S %Z}".rstrip()
    text = one_line(str(value))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def one_line(text: str) -> str:
    """A text without line breaks, and without characters that steer a terminal."""
    return text if text.isprintable() else printable_line(" ".join(text.splitlines()))


def size_text(size: int) -> str:
    """A number of bytes for people, in powers of 1000.

    Example:
        >>> size_text(1_834_000)
        '1.8 MB'
    """
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def html_table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """An HTML table; every cell is escaped."""
    top = "".join(f"<th>{html_text(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html_text(short(v))}</td>" for v in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def html_of_set(found: Any) -> str:
    """The first rows of a query set: the columns that hold anything, and how many rows it has."""
    meta, n = found._meta, found.count()
    rows = found._sliced(slice(0, HTML_ROWS)).to_arrow().to_pylist()
    used = [c for c in fields_of(meta) if any(row.get(c) not in (None, "") for row in rows)]
    cells = ([("" if row[c] is None else row[c]) for c in used] for row in rows)
    more = "" if n <= len(rows) else f", the first {len(rows)}"
    head = f"<p>{n} {html_text(meta.name)} record{'' if n == 1 else 's'}{more}</p>"
    return f"<div>{head}{html_table(used, cells)}</div>"


def shown(text: str, *, return_str: bool) -> str | None:
    """Print a text, or give it."""
    if return_str:
        return text
    sys.stdout.write(printable(text) + "\n")
    return None

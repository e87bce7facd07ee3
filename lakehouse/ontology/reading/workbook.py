"""The first sheet of an Excel workbook (.xlsx) as a table of texts, with nothing to install."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import polars as pl

from lakehouse.ontology.reading.unpack import allowed, bomb

_SHEET = "xl/worksheets/sheet1.xml"
_SHARED = "xl/sharedStrings.xml"
_CELL = re.compile(r"([A-Z]+)\d+")


def first_sheet(path: Path) -> pl.DataFrame:
    """The first sheet; its first row names the columns, and all values are texts.

    Raises:
        ValueError: It is no workbook, an empty one, or has far more inside than its size says.

    Example:
        >>> first_sheet(Path("markers.xlsx")).columns
        ['species', 'Symbol']
    """
    try:
        with zipfile.ZipFile(path) as book:
            _check_size(book, path.stat().st_size)
            shared = _shared(book) if _SHARED in book.namelist() else []
            rows = list(_rows(book, shared))
    except (zipfile.BadZipFile, KeyError, IndexError) as error:
        raise ValueError(f"no Excel workbook: {error}") from error
    if not rows:
        raise ValueError("the first sheet is empty")
    names = {column: text for column, text in rows[0].items() if text}
    columns = {name: [row.get(column) for row in rows[1:]] for column, name in names.items()}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _check_size(book: zipfile.ZipFile, size: int) -> None:
    """Refuse a workbook that has been made to fill the memory."""
    # what is read of a member is never more than it says
    if sum(info.file_size for info in book.infolist()) > allowed(size):
        raise ValueError(str(bomb(size)))


def _shared(book: zipfile.ZipFile) -> list[str]:
    """The texts that cells refer to by number."""
    with book.open(_SHARED) as handle:
        found = []
        for _, element in ElementTree.iterparse(handle):
            if element.tag.endswith("}si"):
                found.append(_text(element))
                element.clear()
        return found


def _rows(book: zipfile.ZipFile, shared: list[str]) -> Iterator[dict[str, str | None]]:
    with book.open(_SHEET) as handle:
        for _, element in ElementTree.iterparse(handle):
            if element.tag.endswith("}row"):
                yield {_column(cell, i): _value(cell, shared) for i, cell in enumerate(element)}
                element.clear()


def _column(cell: ElementTree.Element, place: int) -> str:
    found = _CELL.match(cell.get("r", ""))
    # a cell that doesn't say where it stands follows the one before it
    return found.group(1) if found else chr(ord("A") + place)


def _value(cell: ElementTree.Element, shared: list[str]) -> str | None:
    if cell.get("t") == "inlineStr":
        return _text(cell).strip() or None
    value = next((e.text for e in cell if e.tag.endswith("}v")), None)
    if value is None:
        return None
    text = shared[int(value)] if cell.get("t") == "s" else value
    return text.strip() or None


def _text(element: ElementTree.Element) -> str:
    return "".join(e.text or "" for e in element.iter() if e.tag.endswith("}t"))

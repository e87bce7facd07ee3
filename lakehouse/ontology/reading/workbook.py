"""The first sheet of an Excel workbook (.xlsx) as a table of texts."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import polars as pl

from lakehouse._lazy import require
from lakehouse.ontology.reading.unpack import allowed, bomb

_SHEET = "xl/worksheets/sheet1.xml"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
_PARTS = {
    "_rels/.rels": f'{_LINKS}<Relationship Id="a" Type="{_OFFICE}/officeDocument" '
    'Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="sheet1" sheetId="1" r:id="b"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'{_LINKS}<Relationship Id="b" Type="{_OFFICE}/worksheet" '
    'Target="worksheets/sheet1.xml"/></Relationships>',
}


def first_sheet(path: Path) -> pl.DataFrame:
    """The first sheet; its first row names the columns, and all values are texts.

    Raises:
        ValueError: It is no workbook, an empty one, or has far more inside than its size says.
        MissingExtra: `fastexcel` isn't installed.

    Example:
        >>> first_sheet(Path("markers.xlsx")).columns
        ['species', 'Symbol']
    """
    fastexcel = require("fastexcel", "read .xlsx workbooks")
    try:
        frame = pl.read_excel(
            _bounded(path),
            sheet_id=1,
            engine="calamine",
            infer_schema_length=0,
            raise_if_empty=False,
            drop_empty_cols=False,
        )
    except (zipfile.BadZipFile, RuntimeError, fastexcel.FastExcelError) as error:
        raise ValueError(f"no Excel workbook: {str(error).splitlines()[0]}") from error
    if not frame.width:
        raise ValueError("the first sheet is empty")
    named = [n for n in frame.columns if n.strip() and not n.startswith("__UNNAMED__")]
    return frame.select(
        pl.col(n).cast(pl.String).str.strip_chars().replace("", None) for n in named
    )


def _bounded(path: Path) -> io.BytesIO:
    """The same workbook with parts that are as long as they say.

    The reader believes the compressed streams, so that a workbook whose directory tells of a few
    bytes could still fill the memory; `zipfile` reads no more of a part than the directory says.
    What only tells where the first sheet is may be missing, as in workbooks made by hand.
    """
    size, copied = path.stat().st_size, io.BytesIO()
    with zipfile.ZipFile(path) as book, zipfile.ZipFile(copied, "w") as copy:
        if sum(info.file_size for info in book.infolist()) > allowed(size):
            raise ValueError(str(bomb(size)))
        for info in book.infolist():
            copy.writestr(info.filename, book.read(info))
        if _SHEET in book.namelist():
            for name, text in _PARTS.items():
                if name not in book.namelist():
                    copy.writestr(name, text)
    copied.seek(0)
    return copied

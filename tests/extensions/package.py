"""A little package with an extension, really installed: a folder on the path with its metadata."""

from __future__ import annotations

import textwrap
from pathlib import Path

from lakehouse.extension import GROUP

PLATES = """
from lakehouse.extension import Extension

EXTENSION = Extension(
    formats={".plate": "lab_plates.content:PlateFile"},
    objects={"lab_plates.content.Plate": ".plate"},
    slots={"Workbook": "lab_plates.content:WorkbookSlots"},
    datasets={"lab_plates.content.Workbook": "Workbook"},
    curators={"Workbook": "lab_plates.content:WorkbookCurator"},
    dataset_rules={"plates": "lab_plates.content:check", "plates.lost": "lab_plates.content:lost"},
    column_rules={
        "plates.well": "lab_plates.content:well",
        "plates.row": "lab_plates.content:ROWS",
        "plates.lost": "lab_plates.content:lost",
    },
    registries={"plates.Plate": "lab_plates.registries:Plate"},
    first_rows="lab_plates.registries:first_rows",
    examples={"plates": "lab_plates.content:EXAMPLE"},
)
"""

CONTENT = '''
import lakehouse as ln
from lakehouse.curation.failure import Failure
from lakehouse.curation.slots.base import Part, frame_writer, unknown_slot
from lakehouse.formats.plain import Plain


class Plate(list):
    """Wells of a plate."""


class PlateFile(Plain):
    name = "plate"
    suffixes = (".plate",)
    expected = "wells, one a line"

    def parse(self, text):
        return Plate(text.splitlines())

    def dump(self, obj, **kwargs):
        return "".join(f"{well}\\n" for well in obj)


class Workbook(dict):
    """Data frames by name."""


class WorkbookSlots:
    def __init__(self, data):
        self._data = data

    def part(self, slot, *, of_features):
        if slot not in self._data:
            raise unknown_slot("This workbook", slot, list(self._data))
        frame = self._data[slot]
        return Part(slot, "table", frame, frame_writer(frame))


class WorkbookCurator(ln.curators.SlotsCurator):
    otype = "Workbook"


def check(data, demanded, terms):
    least = demanded["least"]
    if data.n_obs < least:
        yield Failure("obs", "", "dataset", found=f"{data.n_obs} wells", expected=f"at least {least}")


def well(value):
    if not value[1:].isdigit():
        raise ValueError(f"{value} has no column")


class OneRow:
    def faults(self, values):
        return {at: "not of row A" for at, value in enumerate(values) if value[0] != "A"}


ROWS = OneRow()

EXAMPLE = Plate(["A1", "A2"])
'''

REGISTRIES = '''
from datetime import UTC, datetime

from lakehouse.identity import new_uid
from lakehouse.orm import TrackedRecord, TrackedRow
from lakehouse.orm.model.builtin import ALL, MAIN


class PlateRow(TrackedRow):
    """A row of the table `plates_plate`."""

    name: str | None = None
    wells: int | None = None


class Plate(
    TrackedRecord,
    row=PlateRow,
    module="plates",
    table="plates_plate",
    unique=(("name",),),
    required=("name",),
):
    """Plates."""


def first_rows():
    now = datetime.now(UTC)
    return {
        "plates_plate": [
            {
                "uid": new_uid(), "name": "standard", "wells": 96, "branch_uid": MAIN,
                "created_on_uid": MAIN, "space_uid": ALL, "is_locked": False,
                "created_at": now, "updated_at": now,
            }
        ]
    }
'''


def install(
    folder: Path,
    *,
    package: str = "lab_plates",
    name: str = "plates",
    value: str | None = None,
    **modules: str,
) -> Path:
    """Install a package with one extension into a folder, which is to be put on the path.

    Args:
        folder: The folder.
        package: The package's name.
        name: The extension's.
        value: The entry point, by default `EXTENSION` of the package.
        **modules: Source of its modules; by default those of `lab_plates`.
    """
    home = folder / package
    home.mkdir(parents=True)
    sources = modules or {"__init__": PLATES, "content": CONTENT, "registries": REGISTRIES}
    for module, text in sources.items():
        (home / f"{module}.py").write_text(textwrap.dedent(text))
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{GROUP}]\n{name} = {value or package + ':EXTENSION'}\n"
    )
    return folder

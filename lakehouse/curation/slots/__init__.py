"""Where the parts of a dataset are that a schema speaks of: `obs`, `var.T`, `uns:study` ….

One module per structure finds the parts of an object in memory or of a file, of which it reads
no more than the parts. `_table` says which module belongs to which type of object.
"""

from __future__ import annotations

from lakehouse.curation.slots.base import EXTERNAL, Part, Slots
from lakehouse.curation.slots.table import otype_of, slots_in

__all__ = ["EXTERNAL", "Part", "Slots", "otype_of", "slots_in"]

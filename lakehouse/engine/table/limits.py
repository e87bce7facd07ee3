"""The engine's tunable sizes, measured once and kept in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sizes that bound the cost of commits.

    Attributes:
        min_file_rows, max_file_rows: A table's data files hold `rows / 128` rows, within these
            bounds, so that changing one row rewrites little.
        fold: More small files of one size class than this are rewritten together.
        manifest_entries: A manifest lists at most this many files, so that a commit rewrites
            few entries.
        memory_bytes: Tables whose files are larger are scanned from Parquet instead of being
            held in memory.
        bulk_rows: Inserts of at least this many rows are written before the lock is taken.
        pack_from: Unique keys of inserts of at least this many rows are kept packed.
        attempts: How often a commit that lost a race is tried before it gives up.
    """

    min_file_rows: int = 8_192
    max_file_rows: int = 65_536
    fold: int = 8
    manifest_entries: int = 64
    memory_bytes: int = 2_000_000_000
    bulk_rows: int = 1_024
    pack_from: int = 20_000
    attempts: int = 50

    def file_rows(self, rows: int) -> int:
        """How many rows a data file of a table of this many rows holds at most."""
        return max(self.min_file_rows, min(self.max_file_rows, rows // 128))

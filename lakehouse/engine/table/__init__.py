"""One immutable version of one table, and its files."""

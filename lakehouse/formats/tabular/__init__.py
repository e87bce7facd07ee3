"""Parquet, CSV and Arrow IPC."""

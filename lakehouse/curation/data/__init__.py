"""Datasets as chunks of columns."""
